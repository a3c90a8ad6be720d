//! JSON arguments whose numbers keep every digit, and whose fields keep their order.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use serde::Deserialize;
use serde::Deserializer;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde_json::value::RawValue;
use tidegate_plugin::Value;

/// One JSON value, as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Json(Box<RawValue>);

/// What a JSON value is.
pub(crate) enum Shape {
    /// An object.
    Object(Vec<(String, Json)>),
    /// A list.
    List(Vec<Json>),
    /// Anything else.
    Scalar(Value),
}

impl Json {
    /// What it is.
    pub(crate) fn shape(&self) -> Shape {
        let text = self.0.get();
        // What is raw has been read as JSON once already.
        match text.bytes().next() {
            Some(b'{') => serde_json::from_str::<Fields>(text).map_or(Shape::Scalar(Value::Null), |fields| Shape::Object(fields.0)),
            Some(b'[') => serde_json::from_str(text).map_or(Shape::Scalar(Value::Null), Shape::List),
            _ => Shape::Scalar(self.value()),
        }
    }

    /// As a parameter of a statement: objects and lists are documents.
    pub(crate) fn value(&self) -> Value {
        Value::from_json_text(self.0.get()).unwrap_or(Value::Null)
    }

    /// Its text, cut, for a message.
    pub(crate) fn shown(&self) -> String {
        let text = self.0.get();
        match text.char_indices().nth(40) {
            Some((end, _)) => format!("`{}…`", &text[..end]),
            None => format!("`{text}`"),
        }
    }

    /// Its text.
    pub(crate) fn text(&self) -> &str {
        self.0.get()
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}

/// An object: a filter, a record, changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(pub(crate) Vec<(String, Json)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields: Vec<(String, Json)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Json>()? {
                    if fields.iter().any(|(known, _)| *known == name) {
                        return Err(serde::de::Error::custom(format!("`{name}` is there twice")));
                    }
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl JsonSchema for Fields {
    fn schema_name() -> Cow<'static, str> {
        "Fields".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "object" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_fields_their_order() {
        let fields: Fields = serde_json::from_str(r#"{"z": 12345678901234567890123, "a": [1, {"b": null}]}"#).unwrap();
        assert_eq!(fields.0[0].0, "z");
        assert_eq!(fields.0[0].1.value(), Value::Decimal("12345678901234567890123".into()));
        let Shape::List(items) = fields.0[1].1.shape() else { panic!("a list") };
        assert!(matches!(items[0].shape(), Shape::Scalar(Value::Integer(1))));
        assert!(matches!(items[1].shape(), Shape::Object(inner) if inner[0].0 == "b"));
        assert!(serde_json::from_str::<Fields>(r#"{"a": 1, "a": 2}"#).is_err());
    }
}
