//! SQL values from and to JSON.

use std::borrow::Cow;

use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use serde::Deserialize;
use serde::Deserializer;
use serde_json::value::RawValue;

use crate::types::RowFormat;
use crate::types::Value;

/// More significant digits than this do not survive a 64-bit IEEE 754 number.
const REAL_DIGITS: usize = 15;

/// One parameter of a statement, as a client writes it in JSON.
///
/// Whole numbers of 64 bits become `integer`, other numbers `real` where 15 digits hold them exactly and `decimal`
/// where not; objects and arrays become `json`.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter(pub Value);

impl Parameter {
    /// The values of a list of parameters.
    #[must_use]
    pub fn values(parameters: Vec<Self>) -> Vec<Value> {
        parameters.into_iter().map(|parameter| parameter.0).collect()
    }
}

impl<'de> Deserialize<'de> for Parameter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The raw text, because a parsed number has lost the digits that do not fit a double.
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Value::from_json_text(raw.get()).map(Self).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Parameter {
    fn schema_name() -> Cow<'static, str> {
        "Parameter".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Every type by its name: a schema that says nothing is refused by some clients.
        let kinds = ["string", "number", "boolean", "null", "array", "object"];
        schemars::json_schema!({ "anyOf": kinds.map(|kind| serde_json::json!({ "type": kind })) })
    }
}

impl Value {
    /// The value that a JSON text stands for.
    ///
    /// # Errors
    ///
    /// When the text is not JSON.
    pub fn from_json_text(text: &str) -> Result<Self, serde_json::Error> {
        let text = text.trim();
        Ok(match text.bytes().next() {
            Some(b'n') => serde_json::from_str(text).map(|()| Self::Null)?,
            Some(b't' | b'f') => Self::Boolean(serde_json::from_str(text)?),
            Some(b'"') => Self::Text(serde_json::from_str(text)?),
            Some(b'[' | b'{') => {
                let _: &RawValue = serde_json::from_str(text)?;
                Self::Json(text.to_owned())
            }
            _ => {
                let _: serde::de::IgnoredAny = serde_json::from_str(text)?;
                number(text)
            }
        })
    }

    /// The value as JSON: `decimal` as text so that no digit is lost, `blob` as lower-case hexadecimal text, numbers that
    /// JSON does not have (NaN, infinities) as text.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Boolean(value) => (*value).into(),
            Self::Integer(value) => (*value).into(),
            Self::Real(value) => serde_json::Number::from_f64(*value).map_or_else(|| value.to_string().into(), serde_json::Value::Number),
            Self::Decimal(text) | Self::Text(text) => text.as_str().into(),
            Self::Blob(bytes) => bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")).into(),
            Self::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()),
        }
    }
}

/// A JSON number: its text is well formed.
fn number(text: &str) -> Value {
    if let Ok(integer) = text.parse::<i64>() {
        return Value::Integer(integer);
    }
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).skip_while(|digit| *digit == b'0').count();
    let whole = !text.contains(['.', 'e', 'E']);
    match text.parse::<f64>() {
        Ok(real) if !whole && real.is_finite() && digits <= REAL_DIGITS => Value::Real(real),
        _ => Value::Decimal(text.to_owned()),
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(integer: i64) -> Self {
        Self::Integer(integer)
    }
}

impl From<i32> for Value {
    fn from(integer: i32) -> Self {
        Self::Integer(integer.into())
    }
}

impl From<f64> for Value {
    fn from(real: f64) -> Self {
        Self::Real(real)
    }
}

impl From<bool> for Value {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Blob(bytes)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The names of [`RowFormat`], in the order of its cases.
const FORMATS: [(&str, RowFormat); 4] =
    [("auto", RowFormat::Auto), ("json", RowFormat::Json), ("tsv", RowFormat::Tsv), ("markdown", RowFormat::Markdown)];

impl Default for RowFormat {
    fn default() -> Self {
        Self::Auto
    }
}

impl<'de> Deserialize<'de> for RowFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        let format = FORMATS.iter().find(|(known, _)| *known == name);
        format.map(|(_, format)| *format).ok_or_else(|| serde::de::Error::unknown_variant(&name, &["auto", "json", "tsv", "markdown"]))
    }
}

impl JsonSchema for RowFormat {
    fn schema_name() -> Cow<'static, str> {
        "RowFormat".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "enum": FORMATS.map(|(name, _)| name) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        Value::from_json_text(json).expect("the text is JSON")
    }

    #[test]
    fn a_number_keeps_every_digit() {
        assert_eq!(value("9223372036854775807"), Value::Integer(i64::MAX));
        assert_eq!(value("-9223372036854775808"), Value::Integer(i64::MIN));
        assert_eq!(value("9223372036854775808"), Value::Decimal("9223372036854775808".into()));
        assert_eq!(value("0.1"), Value::Real(0.1));
        assert_eq!(value("1e3"), Value::Real(1000.0));
        assert_eq!(value("0.12345678901234567890"), Value::Decimal("0.12345678901234567890".into()));
        assert_eq!(value("1e400"), Value::Decimal("1e400".into()));
    }

    #[test]
    fn structured_json_stays_json() {
        assert_eq!(value(r#"{"a":[1]}"#), Value::Json(r#"{"a":[1]}"#.into()));
        assert_eq!(value("[1,2]"), Value::Json("[1,2]".into()));
        assert_eq!(value("null"), Value::Null);
        assert_eq!(value("true"), Value::Boolean(true));
        assert_eq!(value(r#""a\"b""#), Value::Text("a\"b".into()));
    }

    #[test]
    fn nonsense_is_an_error_and_no_panic() {
        for text in ["", "nul", "tru", "\"a", "{", "1-", "--1", "NaN", "0x1"] {
            assert!(Value::from_json_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_parameter_inside_a_struct_keeps_its_digits() {
        #[derive(Deserialize)]
        struct Arguments {
            params: Vec<Parameter>,
        }
        let arguments: Arguments = serde_json::from_str(r#"{"params":[12345678901234567890123, "x", null]}"#).unwrap();
        assert_eq!(Parameter::values(arguments.params), [Value::Decimal("12345678901234567890123".into()), "x".into(), Value::Null]);
    }
}
