//! JSON Schema of a type, made portable: what the model APIs and editors behind MCP clients all understand.
//!
//! Clients differ in what they take; the common ground is one flat object schema of named types. So references are
//! inlined, unions with `null` become plain optional properties, number formats and titles go, and enums are lists.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Map;
use serde_json::Value;

/// Formats that clients know. Others (`uint32`, `double`, …) are names of Rust types.
const FORMATS: [&str; 8] = ["date-time", "date", "time", "duration", "email", "uri", "uuid", "regex"];

/// Keywords whose value is one schema.
const NESTED: [&str; 7] = ["items", "additionalProperties", "not", "if", "then", "else", "contains"];
/// Keywords whose value is a list of schemas.
const NESTED_LISTS: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];
/// Keywords whose value is a map of schemas.
const NESTED_MAPS: [&str; 4] = ["properties", "patternProperties", "$defs", "dependentSchemas"];

/// The portable schema of `T` as text.
#[must_use]
pub fn of<T: JsonSchema>() -> String {
    let mut schema = generated::<T>();
    portable(&mut schema);
    if let Value::Object(root) = &mut schema {
        // The tool has a description of its own.
        root.remove("description");
        if root.get("type").is_some_and(|kind| kind == "object") {
            root.entry("properties").or_insert_with(|| Value::Object(Map::new()));
            root.entry("additionalProperties").or_insert(Value::Bool(false));
        }
    }
    schema.to_string()
}

/// The schema as the derive writes it, number formats included.
pub(crate) fn generated<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

fn portable(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    for keyword in NESTED {
        if let Some(nested) = object.get_mut(keyword) {
            portable(nested);
        }
    }
    for keyword in NESTED_LISTS {
        if let Some(Value::Array(list)) = object.get_mut(keyword) {
            list.iter_mut().for_each(portable);
        }
    }
    for keyword in NESTED_MAPS {
        if let Some(Value::Object(map)) = object.get_mut(keyword) {
            map.values_mut().for_each(portable);
        }
    }
    remove_noise(object);
    remove_null(object);
    list_constants(object);
    if object.contains_key("properties") {
        object.entry("additionalProperties").or_insert(Value::Bool(false));
    }
}

fn remove_noise(object: &mut Map<String, Value>) {
    object.remove("$schema");
    if object.get("title").is_some_and(Value::is_string) {
        object.remove("title");
    }
    if object.get("format").and_then(Value::as_str).is_some_and(|format| !FORMATS.contains(&format)) {
        object.remove("format");
    }
    // What a field is when it is left out says nothing when that is nothing.
    if object.get("default").is_some_and(|value| value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty)) {
        object.remove("default");
    }
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

/// Takes `null` out of unions: a property that may be null may as well be left out.
fn remove_null(object: &mut Map<String, Value>) {
    // A value of many types may be null by intention; one of a single type is an optional one.
    if let Some(Value::Array(kinds)) = object.get_mut("type")
        && kinds.len() == 2
    {
        kinds.retain(|kind| kind != "null");
        if let [kind] = kinds.as_slice() {
            let kind = kind.clone();
            object.insert("type".to_owned(), kind);
        }
        if let Some(Value::Array(choices)) = object.get_mut("enum") {
            choices.retain(|choice| !choice.is_null());
        }
    }
    for keyword in ["anyOf", "oneOf"] {
        let Some(Value::Array(cases)) = object.get_mut(keyword) else { continue };
        if cases.len() != 2 {
            continue;
        }
        cases.retain(|case| case.get("type").is_none_or(|kind| kind != "null"));
        if let [Value::Object(_)] = cases.as_slice()
            && let Some(Value::Array(mut cases)) = object.remove(keyword)
            && let Some(Value::Object(case)) = cases.pop()
        {
            for (key, value) in case {
                object.entry(key).or_insert(value);
            }
        }
    }
}

/// `oneOf` of documented constants becomes one `enum` of strings.
fn list_constants(object: &mut Map<String, Value>) {
    let Some(Value::Array(cases)) = object.get("oneOf") else { return };
    let mut names = Vec::new();
    for case in cases {
        match (case.get("const"), case.get("enum")) {
            (Some(name @ Value::String(_)), _) => names.push(name.clone()),
            (None, Some(Value::Array(several))) if several.iter().all(Value::is_string) => names.extend(several.iter().cloned()),
            _ => return,
        }
    }
    object.remove("oneOf");
    object.insert("type".to_owned(), "string".into());
    object.insert("enum".to_owned(), Value::Array(names));
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::types::RowFormat;
    use crate::value::Parameter;

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only the schema is looked at")]
    struct Inner {
        /// A name.
        name: String,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        /// Like blood.
        Red,
        /// Like the sea.
        Blue,
    }

    /// Not the tool's description.
    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only the schema is looked at")]
    struct Arguments {
        /// The statement,
        /// just one.
        sql: String,
        #[serde(default)]
        params: Vec<Parameter>,
        #[serde(default)]
        database: String,
        limit: Option<u32>,
        ratio: Option<f64>,
        format: Option<RowFormat>,
        colour: Option<Colour>,
        inner: Option<Inner>,
        list: Option<Vec<Inner>>,
    }

    #[test]
    fn a_schema_is_flat_and_has_no_unions_with_null() {
        let schema: Value = serde_json::from_str(&of::<Arguments>()).unwrap();
        let inner = json!({
            "type": "object",
            "properties": { "name": { "type": "string", "description": "A name." } },
            "required": ["name"],
            "additionalProperties": false,
        });
        let any = ["string", "number", "boolean", "null", "array", "object"].map(|kind| json!({ "type": kind }));
        assert_eq!(
            schema,
            json!({
                "type": "object",
                "properties": {
                    "sql": { "type": "string", "description": "The statement, just one." },
                    "params": { "type": "array", "items": { "anyOf": any } },
                    "database": { "type": "string" },
                    "limit": { "type": "integer", "minimum": 0 },
                    "ratio": { "type": "number" },
                    "format": { "type": "string", "enum": ["auto", "json", "tsv", "markdown"] },
                    "colour": { "type": "string", "enum": ["red", "blue"] },
                    "inner": inner,
                    "list": { "type": "array", "items": inner },
                },
                "required": ["sql"],
                "additionalProperties": false,
            })
        );
    }

    #[test]
    fn a_type_without_fields_takes_an_empty_object() {
        #[derive(Deserialize, JsonSchema)]
        struct Nothing {}
        let schema: Value = serde_json::from_str(&of::<Nothing>()).unwrap();
        assert_eq!(schema, json!({ "type": "object", "properties": {}, "additionalProperties": false }));
    }

    #[test]
    fn a_property_called_title_is_kept() {
        #[derive(Deserialize, JsonSchema)]
        #[expect(dead_code, reason = "only the schema is looked at")]
        struct Book {
            title: String,
        }
        let schema: Value = serde_json::from_str(&of::<Book>()).unwrap();
        assert_eq!(schema["properties"], json!({ "title": { "type": "string" } }));
    }
}
