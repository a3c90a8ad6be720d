//! Arguments: JSON text into a typed struct, and an error that says which field is wrong and what is wanted.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::schema;

/// How much of a wrong value an error shows, in characters.
const SHOWN: usize = 40;

/// Parses arguments; empty text is an object without properties.
pub(crate) fn parse<T: DeserializeOwned + JsonSchema>(text: &str) -> Result<T, String> {
    let text = if text.trim().is_empty() { "{}" } else { text };
    serde_json::from_str(text).map_err(|error| explain::<T>(text, &error))
}

fn explain<T: JsonSchema>(text: &str, error: &serde_json::Error) -> String {
    let plain = || {
        let message = error.to_string();
        // The place in a text that the client never saw helps nobody.
        message.rsplit_once(" at line ").map_or(message.as_str(), |(before, _)| before).to_owned()
    };
    match serde_json::from_str(text) {
        Ok(arguments) => first_fault(&arguments, &schema::generated::<T>(), "").unwrap_or_else(plain),
        Err(_) => format!("the arguments are not JSON: {}", plain()),
    }
}

/// The first thing in `value` that the schema does not take, in words.
fn first_fault(value: &Value, schema: &Value, path: &str) -> Option<String> {
    for keyword in ["anyOf", "oneOf"] {
        if let Some(cases) = schema.get(keyword).and_then(Value::as_array) {
            let faults: Option<Vec<String>> = cases.iter().map(|case| first_fault(value, case, path)).collect();
            // The first case is the type itself, the second is `null`.
            return faults.and_then(|faults| faults.into_iter().next());
        }
    }
    let kinds = kinds(schema);
    if !kinds.is_empty() && !kinds.iter().any(|kind| is_of(value, kind)) {
        let wanted = kinds.iter().find(|kind| **kind != "null").unwrap_or(&"null");
        return Some(format!("{} must be {}, not {}", name(path), with_article(wanted), shown(value)));
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array)
        && !choices.contains(value)
    {
        let choices: Vec<String> = choices.iter().filter(|choice| !choice.is_null()).map(|choice| format!("`{}`", bare(choice))).collect();
        return Some(format!("{} must be one of {}, not {}", name(path), choices.join(", "), shown(value)));
    }
    if let Some(wanted) = schema.get("const")
        && wanted != value
    {
        return Some(format!("{} must be `{}`, not {}", name(path), bare(wanted), shown(value)));
    }
    match value {
        Value::Object(fields) => fault_in_object(fields, schema, path),
        Value::Array(items) => {
            let item_schema = schema.get("items")?;
            items.iter().enumerate().find_map(|(index, item)| first_fault(item, item_schema, &format!("{path}[{index}]")))
        }
        Value::Number(number) => fault_in_range(number, schema, path),
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

fn fault_in_object(fields: &serde_json::Map<String, Value>, schema: &Value, path: &str) -> Option<String> {
    let properties = schema.get("properties").and_then(Value::as_object)?;
    let below = |field: &str| if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
    let required = schema.get("required").and_then(Value::as_array);
    if let Some(missing) = required.into_iter().flatten().filter_map(Value::as_str).find(|field| !fields.contains_key(*field)) {
        let unknown: Vec<&str> = fields.keys().map(String::as_str).filter(|field| !properties.contains_key(*field)).collect();
        let what = properties.get(missing).map(|property| kinds(property)).and_then(|kinds| kinds.first().copied());
        let mut message = format!("{} is missing", name(&below(missing)));
        if let Some(what) = what {
            message += &format!("; it is {}", with_article(what));
        }
        if let [unknown] = unknown.as_slice() {
            message += &format!(" (`{unknown}` is not an argument)");
        }
        return Some(message);
    }
    properties.iter().find_map(|(field, property)| first_fault(fields.get(field)?, property, &below(field)))
}

/// Whether a whole number fits the Rust type that the field has.
fn fault_in_range(number: &serde_json::Number, schema: &Value, path: &str) -> Option<String> {
    let (low, high) = match schema.get("format").and_then(Value::as_str)? {
        "uint8" => (0, i128::from(u8::MAX)),
        "uint16" => (0, i128::from(u16::MAX)),
        "uint32" => (0, i128::from(u32::MAX)),
        "uint" | "uint64" => (0, i128::from(u64::MAX)),
        "int8" => (i128::from(i8::MIN), i128::from(i8::MAX)),
        "int16" => (i128::from(i16::MIN), i128::from(i16::MAX)),
        "int32" => (i128::from(i32::MIN), i128::from(i32::MAX)),
        "int" | "int64" => (i128::from(i64::MIN), i128::from(i64::MAX)),
        _ => return None,
    };
    let fits = number.to_string().parse::<i128>().is_ok_and(|number| (low..=high).contains(&number));
    (!fits).then(|| format!("{} must be between {low} and {high}, not {number}", name(path)))
}

fn kinds(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn with_article(kind: &str) -> String {
    match kind {
        "integer" => "a whole number".to_owned(),
        "array" => "an array".to_owned(),
        "object" => "an object".to_owned(),
        "boolean" => "`true` or `false`".to_owned(),
        "null" => "null".to_owned(),
        other => format!("a {other}"),
    }
}

fn name(path: &str) -> String {
    if path.is_empty() { "the arguments".to_owned() } else { format!("`{path}`") }
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A wrong value, cut: it is guest-controlled and may be long.
fn shown(value: &Value) -> String {
    let kind = match value {
        Value::Null => return "null".to_owned(),
        Value::Array(_) => return "an array".to_owned(),
        Value::Object(_) => return "an object".to_owned(),
        Value::Bool(_) | Value::Number(_) => "",
        Value::String(_) => "the string ",
    };
    let text = bare(value);
    let cut: String = text.chars().take(SHOWN).collect();
    let dots = if cut.len() < text.len() { "…" } else { "" };
    format!("{kind}`{cut}{dots}`")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::types::RowFormat;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only parsing is looked at")]
    struct Step {
        sql: String,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only parsing is looked at")]
    struct Arguments {
        sql: String,
        limit: Option<u32>,
        format: Option<RowFormat>,
        steps: Option<Vec<Step>>,
        deep: Option<bool>,
    }

    fn fault(text: &str) -> String {
        parse::<Arguments>(text).expect_err("the arguments are wrong")
    }

    #[test]
    fn an_error_names_the_field_what_came_and_what_is_wanted() {
        assert_eq!(fault("{}"), "`sql` is missing; it is a string");
        assert_eq!(fault(r#"{"query":"x"}"#), "`sql` is missing; it is a string (`query` is not an argument)");
        assert_eq!(fault(r#"{"sql":1}"#), "`sql` must be a string, not `1`");
        assert_eq!(fault(r#"{"sql":"x","limit":"ten"}"#), "`limit` must be a whole number, not the string `ten`");
        assert_eq!(fault(r#"{"sql":"x","limit":-1}"#), "`limit` must be between 0 and 4294967295, not -1");
        assert_eq!(fault(r#"{"sql":"x","limit":5000000000}"#), "`limit` must be between 0 and 4294967295, not 5000000000");
        assert_eq!(fault(r#"{"sql":"x","limit":1.5}"#), "`limit` must be a whole number, not `1.5`");
        assert_eq!(
            fault(r#"{"sql":"x","format":"xml"}"#),
            "`format` must be one of `auto`, `json`, `tsv`, `markdown`, not the string `xml`"
        );
        assert_eq!(fault(r#"{"sql":"x","steps":[{"sql":"a"},{}]}"#), "`steps[1].sql` is missing; it is a string");
        assert_eq!(fault(r#"{"sql":"x","deep":"yes"}"#), "`deep` must be `true` or `false`, not the string `yes`");
        assert_eq!(fault("[]"), "the arguments must be an object, not an array");
    }

    #[test]
    fn odd_text_is_an_error_and_no_panic() {
        assert!(fault("{").starts_with("the arguments are not JSON"));
        assert!(fault("\u{0}").starts_with("the arguments are not JSON"));
        let deep = "[".repeat(100_000);
        assert!(fault(&deep).starts_with("the arguments are not JSON"));
        assert!(fault(&format!(r#"{{"sql":["{}"]}}"#, "é".repeat(1000))).contains("an array"));
        assert!(fault(&format!(r#"{{"sql":"x","limit":"{}"}}"#, "é".repeat(1000))).len() < 200);
    }

    #[test]
    fn null_stands_for_an_argument_left_out() {
        assert!(parse::<Arguments>(r#"{"sql":"x","limit":null,"format":null}"#).is_ok());
    }

    #[test]
    fn empty_text_is_an_empty_object() {
        #[derive(Deserialize, JsonSchema)]
        struct Nothing {}
        assert!(parse::<Nothing>("").is_ok());
    }
}
