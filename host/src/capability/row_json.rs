//! Rows and cells as JSON, as scripts and cassettes have them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use serde_json::json;

use crate::database::rows::Kind;
use crate::database::rows::RowSet;
use crate::database::value::Value;

/// Names of the kinds of columns in the contract.
const KINDS: [(&str, Kind); 9] = [
    ("boolean", Kind::Boolean),
    ("integer", Kind::Integer),
    ("real", Kind::Real),
    ("decimal", Kind::Decimal),
    ("text", Kind::Text),
    ("temporal", Kind::Temporal),
    ("blob", Kind::Blob),
    ("json", Kind::Json),
    ("any", Kind::Any),
];

/// Columns and rows.
pub(crate) fn rows(rows: &RowSet) -> Json {
    let column = |column: &crate::database::rows::Column| {
        let kind = KINDS.iter().find(|(_, kind)| *kind == column.kind).map_or("any", |(name, _)| *name);
        json!({ "name": column.name, "type-name": column.type_name, "kind": kind })
    };
    let columns: Vec<Json> = rows.columns().iter().map(column).collect();
    let cells = |row: Vec<Value>| row.iter().map(cell).collect::<Vec<_>>();
    let values: Vec<Vec<Json>> = (0..rows.len()).filter_map(|at| rows.values(at)).map(cells).collect();
    json!({ "columns": columns, "rows": values, "truncated": rows.truncated() })
}

/// The kind of this name.
pub(crate) fn kind(name: &str) -> Option<Kind> {
    KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// A cell: what JSON has for it, else an object whose key says what it is.
pub(crate) fn cell(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => (*value).into(),
        Value::Integer(value) => (*value).into(),
        Value::Real(value) if value.is_finite() => json!(value),
        // JSON has no such numbers.
        Value::Real(value) => json!({ "real": value.to_string() }),
        Value::Decimal(digits) => json!({ "decimal": digits }),
        Value::Text(text) => text.as_str().into(),
        Value::Blob(bytes) => json!({ "blob": { "base64": STANDARD.encode(bytes) } }),
        Value::Json(text) => json!({ "json": text }),
    }
}
