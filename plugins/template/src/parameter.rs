//! Parameters of a template: their types, and what a value must be to be taken.

use regex_lite::Regex;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;
use serde_json::json;
use tidegate_plugin::Value;

/// Items of a list.
const ITEMS: usize = 1000;

/// Characters of a text.
const TEXT: usize = 10_000;

/// Characters of a pattern.
const PATTERN: usize = 200;

/// One parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameter {
    /// What it is called by, in the call and as `{{name}}` in statements.
    pub(crate) name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// What it holds.
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    /// Whether it holds several: values for `in ({{name}})`, columns with commas between.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) list: bool,
    /// What it is when nothing is given; without one, it must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) default: Option<Json>,
    /// The least number or, of dates, the earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min: Option<Json>,
    /// The greatest number or the latest date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max: Option<Json>,
    /// The values that it may have; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) choices: Vec<Json>,
    /// A regular expression that the whole text matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pattern: Option<String>,
    /// Of a column: the parameter that names its table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) of: Option<String>,
}

/// What a parameter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// Any number.
    Number,
    /// A truth value.
    Boolean,
    /// A day, `2026-01-31`.
    Date,
    /// A moment, `2026-01-31T12:00:00`.
    Timestamp,
    /// A table or view; looked up in the catalog and quoted.
    Table,
    /// A column of the table in `of`; looked up in the catalog and quoted.
    Column,
    /// `asc` or `desc`.
    Order,
}

/// Whether a text can be a name here.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=48).contains(&text.len()) && text.bytes().all(fits) && text.starts_with(|first: char| first.is_ascii_lowercase())
}

impl Kind {
    /// Whether its text becomes part of the statement: only after it was found in the catalog or is one of two words.
    #[must_use]
    pub(crate) const fn is_identifier(self) -> bool {
        matches!(self, Self::Table | Self::Column | Self::Order)
    }

    const fn wanted(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Date => "a day such as `2026-01-31`",
            Self::Timestamp => "a moment such as `2026-01-31T12:00:00`",
            Self::Table => "the name of a table",
            Self::Column => "the name of a column",
            Self::Order => "`asc` or `desc`",
        }
    }

    const fn has_range(self) -> bool {
        matches!(self, Self::Integer | Self::Number | Self::Date | Self::Timestamp)
    }
}

impl Parameter {
    /// Checks what the template says of it.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !is_name(&self.name) || self.name == "database" {
            return Err(format!(
                "`name` must be 1 to 48 of a-z, 0-9 and _, beginning with a letter, and not `database`; it is `{}`",
                self.name
            ));
        }
        if (self.kind == Kind::Column) != self.of.is_some() {
            return Err("`of` names the table of a column, and of nothing else".to_owned());
        }
        if self.list && matches!(self.kind, Kind::Table | Kind::Order) {
            return Err("`list` is for values and columns".to_owned());
        }
        if self.pattern.is_some() && self.kind != Kind::Text {
            return Err("`pattern` is for text".to_owned());
        }
        if !self.choices.is_empty() && self.kind.is_identifier() {
            return Err("`choices` are for values; names are found in the catalog".to_owned());
        }
        self.regex()?;
        for (field, bound) in [("min", &self.min), ("max", &self.max)] {
            if let Some(bound) = bound {
                if !self.kind.has_range() {
                    return Err(format!("`{field}` is for numbers, days and moments"));
                }
                self.convert(bound).map_err(|error| format!("`{field}` {error}"))?;
            }
        }
        for choice in &self.choices {
            self.convert(choice).map_err(|error| format!("`choices` {error}"))?;
        }
        match &self.default {
            Some(default) => self.read(default).map(drop).map_err(|error| format!("`default` {error}")),
            None => Ok(()),
        }
    }

    /// The values that are given, or the default; one, unless it is a list.
    ///
    /// # Errors
    ///
    /// A sentence that names the parameter, what came and what is wanted.
    pub(crate) fn values(&self, given: Option<&Json>) -> Result<Vec<Value>, String> {
        let given = given.filter(|given| !given.is_null());
        match given.or(self.default.as_ref()) {
            Some(json) => self.read(json).map_err(|error| format!("`{}` {error}", self.name)),
            None => Err(format!("`{}` is missing; it must be {}", self.name, self.kind.wanted())),
        }
    }

    /// Its JSON Schema.
    #[must_use]
    pub(crate) fn schema(&self) -> Json {
        let mut item = match self.kind {
            Kind::Integer => json!({ "type": "integer" }),
            Kind::Number => json!({ "type": "number" }),
            Kind::Boolean => json!({ "type": "boolean" }),
            Kind::Order => json!({ "type": "string", "enum": ["asc", "desc"] }),
            Kind::Text | Kind::Date | Kind::Timestamp | Kind::Table | Kind::Column => json!({ "type": "string" }),
        };
        if matches!(self.kind, Kind::Integer | Kind::Number) {
            for (keyword, bound) in [("minimum", &self.min), ("maximum", &self.max)] {
                if let Some(bound) = bound {
                    item[keyword] = bound.clone();
                }
            }
        }
        if !self.choices.is_empty() {
            item["enum"] = self.choices.clone().into();
        }
        let mut schema = if self.list { json!({ "type": "array", "items": item, "minItems": 1 }) } else { item };
        if let Some(description) = &self.description {
            schema["description"] = description.as_str().into();
        }
        if let Some(default) = &self.default {
            schema["default"] = default.clone();
        }
        schema
    }

    fn read(&self, json: &Json) -> Result<Vec<Value>, String> {
        let items = match json {
            Json::Array(items) if self.list => items.as_slice(),
            single => std::slice::from_ref(single),
        };
        if items.is_empty() || items.len() > ITEMS {
            return Err(format!("must have 1 to {ITEMS} items, not {}", items.len()));
        }
        items.iter().map(|item| self.read_one(item)).collect()
    }

    fn read_one(&self, json: &Json) -> Result<Value, String> {
        let value = self.convert(json)?;
        let is_choice = |choice: &Json| self.convert(choice).is_ok_and(|choice| choice == value);
        if !self.choices.is_empty() && !self.choices.iter().any(is_choice) {
            let choices: Vec<String> = self.choices.iter().map(|choice| format!("`{}`", bare(choice))).collect();
            return Err(format!("must be one of {}, not {}", choices.join(", "), shown(json)));
        }
        for (bound, wrong, word) in [(&self.min, std::cmp::Ordering::Less, "least"), (&self.max, std::cmp::Ordering::Greater, "most")] {
            if let Some(bound) = bound
                && compare(&value, &self.convert(bound)?) == Some(wrong)
            {
                return Err(format!("must be at {word} {}, not {}", bare(bound), shown(json)));
            }
        }
        if let (Some(regex), Value::Text(text)) = (self.regex()?, &value)
            && !regex.is_match(text)
        {
            return Err(format!("must match `{}`, and {} does not", self.pattern.as_deref().unwrap_or_default(), shown(json)));
        }
        Ok(value)
    }

    /// The value of one JSON value, by type alone. Prompts and completion give text, so a text that reads as the type is taken.
    fn convert(&self, json: &Json) -> Result<Value, String> {
        let found = match (self.kind, json) {
            (Kind::Text, Json::String(text)) => (text.chars().count() <= TEXT && !text.contains('\0')).then(|| text.as_str().into()),
            (Kind::Integer, Json::Number(number)) => number.as_i64().map(Value::Integer),
            (Kind::Integer, Json::String(text)) => text.trim().parse().ok().map(Value::Integer),
            (Kind::Number, Json::Number(number)) => number.as_i64().map(Value::Integer).or_else(|| number.as_f64().map(Value::Real)),
            (Kind::Number, Json::String(text)) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Real),
            (Kind::Boolean, Json::Bool(value)) => Some(Value::Boolean(*value)),
            (Kind::Boolean, Json::String(text)) => text.parse().ok().map(Value::Boolean),
            (Kind::Date, Json::String(text)) => is_date(text).then(|| text.as_str().into()),
            (Kind::Timestamp, Json::String(text)) => is_timestamp(text).then(|| text.as_str().into()),
            (Kind::Table | Kind::Column, Json::String(text)) => (!text.is_empty() && text.len() <= 256).then(|| text.as_str().into()),
            (Kind::Order, Json::String(text)) => match text.to_ascii_lowercase().as_str() {
                word @ ("asc" | "desc") => Some(word.into()),
                _ => None,
            },
            _ => None,
        };
        found.ok_or_else(|| format!("must be {}, not {}", self.kind.wanted(), shown(json)))
    }

    fn regex(&self) -> Result<Option<Regex>, String> {
        let Some(pattern) = &self.pattern else { return Ok(None) };
        if pattern.len() > PATTERN {
            return Err(format!("`pattern` has at most {PATTERN} characters"));
        }
        Regex::new(&format!("^(?:{pattern})$")).map(Some).map_err(|error| format!("`pattern` is no regular expression: {error}"))
    }
}

fn compare(one: &Value, other: &Value) -> Option<std::cmp::Ordering> {
    // Days and moments in ISO 8601 form are ordered as their texts are.
    match (one, other) {
        (Value::Integer(one), Value::Integer(other)) => Some(one.cmp(other)),
        (Value::Text(one), Value::Text(other)) => Some(one.cmp(other)),
        (one, other) => number(one)?.partial_cmp(&number(other)?),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a bound beyond 2^53 is exact enough for a comparison with a fraction")]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(integer) => Some(*integer as f64),
        Value::Real(real) => Some(*real),
        _ => None,
    }
}

fn is_date(text: &str) -> bool {
    let digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = text.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else { return false };
    if !digits(year, 4) || !digits(month, 2) || !digits(day, 2) {
        return false;
    }
    let (Ok(year), Ok(month), Ok(day)) = (year.parse::<u32>(), month.parse::<u32>(), day.parse::<u32>()) else { return false };
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn is_timestamp(text: &str) -> bool {
    let Some((day, time)) = text.split_once(['T', ' ']) else { return is_date(text) };
    let time = time.strip_suffix('Z').unwrap_or(time);
    let clock = time.split(['+', '-']).next().unwrap_or(time);
    let mut parts = clock.split(':');
    let fits = |part: Option<&str>, below: f64| {
        part.is_some_and(|part| part.len() >= 2 && part.parse::<f64>().is_ok_and(|number| (0.0..below).contains(&number)))
    };
    is_date(day)
        && time.bytes().all(|byte| byte.is_ascii_digit() || b":.+-".contains(&byte))
        && fits(parts.next(), 24.0)
        && fits(parts.next(), 60.0)
        && parts.next().is_none_or(|part| fits(Some(part), 61.0))
        && parts.next().is_none()
}

fn bare(json: &Json) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}

/// A value in an error, cut.
fn shown(json: &Json) -> String {
    let text = json.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(json: Json) -> Parameter {
        let mut whole = json!({ "name": "p" });
        whole.as_object_mut().expect("it is an object").extend(json.as_object().expect("it is an object").clone());
        serde_json::from_value(whole).expect("it parses")
    }

    fn read(declared: Json, given: Json) -> Result<Vec<Value>, String> {
        let parameter = parameter(declared);
        parameter.check().expect("it is well declared");
        parameter.values(Some(&given))
    }

    #[test]
    fn a_value_is_of_its_type() {
        assert_eq!(read(json!({ "type": "integer" }), json!("12")), Ok(vec![12.into()]));
        assert_eq!(read(json!({ "type": "number" }), json!(0.5)), Ok(vec![0.5.into()]));
        assert_eq!(read(json!({ "type": "boolean" }), json!("true")), Ok(vec![true.into()]));
        assert_eq!(read(json!({ "type": "order" }), json!("DESC")), Ok(vec!["desc".into()]));
        assert_eq!(read(json!({ "type": "timestamp" }), json!("2026-01-31T10:00:00Z")).map(|values| values.len()), Ok(1));
        for (kind, wrong) in [
            ("integer", json!("1; drop table t")),
            ("integer", json!(1.5)),
            ("number", json!("NaN")),
            ("boolean", json!("yes")),
            ("date", json!("2026-02-30")),
            ("date", json!("2026-1-1")),
            ("date", json!("2026-01-01' or '1'='1")),
            ("timestamp", json!("2026-01-31T25:00:00")),
            ("timestamp", json!("2026-01-31T10:00:00'--")),
            ("order", json!("asc; drop table t")),
            ("order", json!("")),
            ("text", json!(1)),
            ("text", json!("a\0b")),
            ("table", json!("")),
        ] {
            let error = read(json!({ "type": kind }), wrong.clone()).expect_err(kind);
            assert!(error.starts_with("`p` must be"), "{kind} {wrong}: {error}");
        }
    }

    #[test]
    fn ranges_choices_and_patterns_hold_for_each_item() {
        let list = json!({ "type": "integer", "list": true, "min": 1, "max": 3 });
        assert_eq!(read(list.clone(), json!([1, 3])), Ok(vec![1.into(), 3.into()]));
        assert!(read(list.clone(), json!([1, 4])).is_err_and(|error| error == "`p` must be at most 3, not `4`"));
        assert!(read(list.clone(), json!([])).is_err());
        assert!(read(list, json!(vec![1; ITEMS + 1])).is_err());
        assert!(read(json!({ "type": "text", "choices": ["a", "b"] }), json!("c")).is_err_and(|error| error.contains("one of `a`, `b`")));
        // The whole text, and not one line of it.
        for text in ["abc\n' or 1=1", "ab' or 1=1", "x"] {
            assert!(read(json!({ "type": "text", "pattern": "[a-c]+" }), json!(text)).is_err(), "{text}");
        }
        assert!(read(json!({ "type": "date", "min": "2026-01-01" }), json!("2025-12-31")).is_err());
    }

    #[test]
    fn one_that_is_left_out_is_the_default_or_an_error() {
        let with_default = parameter(json!({ "type": "integer", "default": 5 }));
        assert_eq!(with_default.values(None), Ok(vec![5.into()]));
        assert_eq!(with_default.values(Some(&Json::Null)), Ok(vec![5.into()]));
        assert!(parameter(json!({ "type": "integer" })).values(None).is_err_and(|error| error.contains("`p` is missing")));
    }

    #[test]
    fn what_is_declared_wrongly_is_refused() {
        for wrong in [
            json!({ "type": "integer", "pattern": "a" }),
            json!({ "type": "text", "pattern": "(" }),
            json!({ "type": "text", "min": 1 }),
            json!({ "type": "column" }),
            json!({ "type": "text", "of": "t" }),
            json!({ "type": "table", "list": true }),
            json!({ "type": "integer", "choices": ["a"] }),
            json!({ "type": "integer", "min": 3, "default": 2 }),
        ] {
            assert!(parameter(wrong.clone()).check().is_err(), "{wrong}");
        }
    }
}
