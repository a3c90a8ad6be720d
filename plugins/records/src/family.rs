//! Families of column types, and whether a value fits one: told before the database sees it, with the field's name.

use tidegate_plugin::Value;
use tidegate_plugin::catalog::Engine;
use tidegate_plugin::catalog::TableColumn;

use crate::json::Json;

/// What a column takes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Family {
    /// Whole numbers between two.
    Integer(i128, i128),
    /// Exact numbers, so many digits before and after the point; none: as many as there are.
    Decimal(Option<(usize, usize)>),
    /// Numbers.
    Real,
    /// Truth values.
    Boolean,
    /// Text of at most so many characters.
    Text(Option<usize>),
    /// Text without an end, which may be a document: the JSON type of MariaDB is no other.
    LongText,
    /// `2026-01-31`.
    Date,
    /// `2026-01-31T10:20:30`.
    Moment,
    /// `10:20:30`.
    Time,
    /// `c0ffee00-0000-4000-8000-000000000000`.
    Uuid,
    /// A JSON document.
    Json,
    /// A list.
    Array,
    /// One of these.
    Choice(Vec<String>),
    /// Anything that the database takes.
    Any,
}

impl Family {
    /// The family of a column.
    pub(crate) fn of(engine: Engine, column: &TableColumn) -> Self {
        if !column.choices.is_empty() {
            return Self::Choice(column.choices.clone());
        }
        let name = column.type_name.to_ascii_lowercase();
        let (base, size) = match name.split_once('(') {
            Some((base, rest)) => (base.trim(), rest.split(')').next()),
            None => (name.trim(), None),
        };
        let sizes: Vec<usize> = size.into_iter().flat_map(|size| size.split(',')).filter_map(|part| part.trim().parse().ok()).collect();
        if engine == Engine::Sqlite {
            return Self::of_affinity(&name);
        }
        if name.ends_with("[]") {
            return Self::Array;
        }
        let unsigned = name.contains("unsigned");
        let whole =
            |bits: u32| if unsigned { Self::Integer(0, (1 << bits) - 1) } else { Self::Integer(-(1 << (bits - 1)), (1 << (bits - 1)) - 1) };
        match base.trim_end_matches(" unsigned") {
            "tinyint" if sizes == [1] => Self::Boolean,
            "tinyint" => whole(8),
            "smallint" | "int2" => whole(16),
            "mediumint" => whole(24),
            "integer" | "int" | "int4" => whole(32),
            "bigint" | "int8" => whole(64),
            "numeric" | "decimal" => Self::Decimal(match sizes[..] {
                [digits, scale] => Some((digits.saturating_sub(scale), scale)),
                [digits] => Some((digits, 0)),
                _ => None,
            }),
            "real" | "float" | "float4" | "float8" | "double" | "double precision" => Self::Real,
            "boolean" | "bool" => Self::Boolean,
            "text" | "tinytext" | "mediumtext" | "citext" => Self::Text(None),
            "longtext" => Self::LongText,
            "varchar" | "character varying" | "char" | "character" => Self::Text(sizes.first().copied()),
            "date" => Self::Date,
            "datetime" => Self::Moment,
            "uuid" => Self::Uuid,
            "json" | "jsonb" => Self::Json,
            base if base.starts_with("timestamp") => Self::Moment,
            base if base.starts_with("time") => Self::Time,
            _ => Self::Any,
        }
    }

    /// SQLite takes anything anywhere; what the declared type means decides (<https://www.sqlite.org/datatype3.html>, §3.1).
    fn of_affinity(name: &str) -> Self {
        let has = |part: &str| name.contains(part);
        match name {
            _ if has("bool") => Self::Boolean,
            _ if has("json") => Self::Json,
            _ if has("int") => Self::Integer(i64::MIN.into(), i64::MAX.into()),
            _ if has("datetime") || has("timestamp") => Self::Any,
            _ if has("char") || has("clob") || has("text") => Self::Text(None),
            _ if has("real") || has("floa") || has("doub") || has("numeric") || has("decimal") => Self::Real,
            _ => Self::Any,
        }
    }

    /// Whether its values have an order that sums and averages make sense for.
    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Integer(..) | Self::Decimal(_) | Self::Real | Self::Any)
    }

    /// Whether its values are text.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self, Self::Text(_) | Self::LongText | Self::Any | Self::Choice(_))
    }

    /// Whether its values are days or moments.
    pub(crate) fn is_time(&self, engine: Engine) -> bool {
        matches!(self, Self::Date | Self::Moment) || (engine == Engine::Sqlite && matches!(self, Self::Text(_) | Self::Any))
    }

    /// What is wanted, in words.
    fn wanted(&self) -> String {
        match self {
            Self::Integer(least, most) => format!("a whole number from {least} to {most}"),
            Self::Decimal(Some((before, after))) => format!("a number with at most {before} digits before the point and {after} after it"),
            Self::Decimal(None) | Self::Real => "a number".into(),
            Self::Boolean => "true or false".into(),
            Self::Text(Some(most)) => format!("text of at most {most} characters"),
            Self::Text(None) => "text".into(),
            Self::LongText => "text or a JSON document".into(),
            Self::Date => "a date such as \"2026-01-31\"".into(),
            Self::Moment => "a moment such as \"2026-01-31T10:20:30\"".into(),
            Self::Time => "a time such as \"10:20:30\"".into(),
            Self::Uuid => "a UUID".into(),
            Self::Json => "a JSON document".into(),
            Self::Array => "a list".into(),
            Self::Choice(choices) => format!("one of {}", choices.join(", ")),
            Self::Any => "a value".into(),
        }
    }

    /// The value as the column takes it.
    ///
    /// # Errors
    ///
    /// What came and what is wanted, for after the name of the field.
    pub(crate) fn fit(&self, json: &Json) -> Result<Value, String> {
        let value = json.value();
        let fits = match (self, &value) {
            (_, Value::Null) | (Self::Any | Self::Json, _) => true,
            (Self::Integer(least, most), Value::Integer(number)) => (*least..=*most).contains(&i128::from(*number)),
            (Self::Integer(least, most), Value::Decimal(digits)) => {
                digits.parse::<i128>().is_ok_and(|number| (*least..=*most).contains(&number))
            }
            (Self::Decimal(size), Value::Integer(_) | Value::Real(_) | Value::Decimal(_)) => has_digits(json.text(), *size),
            // A client that must keep every digit sends text.
            (Self::Decimal(size), Value::Text(text)) => is_decimal(text) && has_digits(text, *size),
            (Self::Real, Value::Integer(_) | Value::Real(_) | Value::Decimal(_)) => true,
            (Self::Boolean, Value::Boolean(_) | Value::Integer(0 | 1)) => true,
            (Self::Text(most), Value::Text(text)) => most.is_none_or(|most| text.chars().count() <= most),
            (Self::LongText, Value::Text(_) | Value::Json(_)) => true,
            (Self::Date, Value::Text(text)) => is_date(text),
            (Self::Moment, Value::Text(text)) => is_date(text.get(..10).unwrap_or(text)),
            (Self::Time, Value::Text(text)) => text.bytes().next().is_some_and(|first| first.is_ascii_digit() || first == b'-'),
            (Self::Uuid, Value::Text(text)) => text.bytes().filter(u8::is_ascii_hexdigit).count() == 32,
            (Self::Array, Value::Json(text)) => text.starts_with('['),
            (Self::Choice(choices), Value::Text(text)) => choices.contains(text),
            _ => false,
        };
        match (fits, self) {
            (false, _) => Err(format!("is to be {}, not {}", self.wanted(), json.shown())),
            // Exact, whatever the number looked like.
            (true, Self::Decimal(_)) => Ok(match value {
                Value::Real(_) => Value::Decimal(json.text().trim().to_owned()),
                other => other,
            }),
            // Every document is one, a text or a number as well.
            (true, Self::Json) => Ok(match value {
                Value::Null => Value::Null,
                _ => Value::Json(json.text().to_owned()),
            }),
            (true, Self::LongText) => Ok(match value {
                Value::Json(document) => Value::Text(document),
                other => other,
            }),
            (true, _) => Ok(value),
        }
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    !whole.is_empty() && whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit())
}

/// Whether the digits before the point fit; those after it the database rounds, as it does for everybody.
fn has_digits(text: &str, size: Option<(usize, usize)>) -> bool {
    let Some((before, _)) = size else { return true };
    let whole = text.trim().trim_start_matches(['-', '+']).split(['.', 'e', 'E']).next().unwrap_or_default();
    whole.trim_start_matches('0').len() <= before || text.contains(['e', 'E'])
}

fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let mut part = |digits: usize, most: u32| {
        parts.next().is_some_and(|part| part.len() == digits && part.parse::<u32>().is_ok_and(|number| number <= most))
    };
    (part(4, 9999) && part(2, 12) && part(2, 31)) || text.ends_with("infinity")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(type_name: &str) -> TableColumn {
        TableColumn {
            name: "c".into(),
            type_name: type_name.into(),
            nullable: true,
            default_value: None,
            generated: None,
            choices: Vec::new(),
            comment: None,
        }
    }

    fn fit(engine: Engine, type_name: &str, json: &str) -> Result<Value, String> {
        Family::of(engine, &column(type_name)).fit(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn values_fit_the_types_of_their_columns_or_it_is_said_what_would() {
        let (pg, my, lite) = (Engine::Postgres, Engine::Mysql, Engine::Sqlite);
        for (engine, type_name, good, bad) in [
            (pg, "smallint", vec!["1", "-32768", "null"], vec!["32768", "1.5", "\"1\"", "true", "[1]"]),
            (my, "bigint unsigned", vec!["18446744073709551615"], vec!["-1", "18446744073709551616"]),
            (my, "tinyint(1)", vec!["true", "1"], vec!["2", "\"yes\""]),
            (pg, "numeric(5,2)", vec!["123.45", "\"-0.5\"", "7"], vec!["1234", "\"abc\"", "\"1e3x\""]),
            (pg, "character varying(3)", vec!["\"äöü\""], vec!["\"four\"", "3"]),
            (pg, "date", vec!["\"2026-01-31\"", "\"infinity\""], vec!["\"31.1.2026\"", "\"2026-13-01\"", "20260131"]),
            (pg, "timestamp with time zone", vec!["\"2026-01-31T10:00:00Z\""], vec!["\"soon\""]),
            (pg, "uuid", vec!["\"c0ffee00-0000-4000-8000-000000000000\""], vec!["\"c0ffee\""]),
            (pg, "integer[]", vec!["[1,2]"], vec!["1", "{}"]),
            (lite, "INTEGER", vec!["9223372036854775807"], vec!["9223372036854775808", "\"a\""]),
            (lite, "NVARCHAR(2)", vec!["\"long\""], vec!["1"]),
            (lite, "NUMERIC(10,2)", vec!["0.99"], vec!["\"0.99\""]),
            (lite, "DATETIME", vec!["\"2026-01-31\"", "17"], vec![]),
        ] {
            for json in good {
                assert!(fit(engine, type_name, json).is_ok(), "{type_name} {json}");
            }
            for json in bad {
                let wrong = fit(engine, type_name, json).expect_err(json);
                assert!(wrong.contains("is to be"), "{wrong}");
            }
        }
        assert_eq!(fit(pg, "numeric", "0.1"), Ok(Value::Decimal("0.1".into())));
        assert_eq!(fit(pg, "jsonb", "\"a\""), Ok(Value::Json("\"a\"".into())));
    }
}
