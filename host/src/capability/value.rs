//! Values and columns between the contract and the database layer.

use crate::bindings::tidegate::plugin::types;
use crate::database::rows::Column;
use crate::database::rows::Kind;
use crate::database::value::Value;

/// A value on its way to a guest.
pub(crate) fn to_guest(value: Value) -> types::Value {
    match value {
        Value::Null => types::Value::Null,
        Value::Boolean(value) => types::Value::Boolean(value),
        Value::Integer(value) => types::Value::Integer(value),
        Value::Real(value) => types::Value::Real(value),
        Value::Decimal(digits) => types::Value::Decimal(digits),
        Value::Text(text) => types::Value::Text(text),
        Value::Blob(bytes) => types::Value::Blob(bytes),
        Value::Json(document) => types::Value::Json(document),
    }
}

/// A value on its way from a guest.
pub(crate) fn from_guest(value: types::Value) -> Value {
    match value {
        types::Value::Null => Value::Null,
        types::Value::Boolean(value) => Value::Boolean(value),
        types::Value::Integer(value) => Value::Integer(value),
        types::Value::Real(value) => Value::Real(value),
        types::Value::Decimal(digits) => Value::Decimal(digits),
        types::Value::Text(text) => Value::Text(text),
        types::Value::Blob(bytes) => Value::Blob(bytes),
        types::Value::Json(document) => Value::Json(document),
    }
}

/// A column on its way from a guest.
pub(super) fn column_from_guest(column: types::Column) -> Column {
    let kind = match column.kind {
        types::Kind::Boolean => Kind::Boolean,
        types::Kind::Integer => Kind::Integer,
        types::Kind::Real => Kind::Real,
        types::Kind::Decimal => Kind::Decimal,
        types::Kind::Text => Kind::Text,
        types::Kind::Temporal => Kind::Temporal,
        types::Kind::Blob => Kind::Blob,
        types::Kind::Json => Kind::Json,
        types::Kind::Any => Kind::Any,
    };
    Column { name: column.name, type_name: column.type_name, kind }
}

/// A column on its way to a guest.
pub(crate) fn column(column: &Column) -> types::Column {
    let kind = match column.kind {
        Kind::Boolean => types::Kind::Boolean,
        Kind::Integer => types::Kind::Integer,
        Kind::Real => types::Kind::Real,
        Kind::Decimal => types::Kind::Decimal,
        Kind::Text => types::Kind::Text,
        Kind::Temporal => types::Kind::Temporal,
        Kind::Blob => types::Kind::Blob,
        Kind::Json => types::Kind::Json,
        Kind::Any => types::Kind::Any,
    };
    types::Column { name: column.name.clone(), type_name: column.type_name.clone(), kind }
}
