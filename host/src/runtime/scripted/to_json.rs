//! From values of the contract to JSON, as scripts and cassettes have them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Map;
use serde_json::Value as Json;
use serde_json::json;
use wasmtime::StoreContextMut;
use wasmtime::component::ResourceAny;
use wasmtime::component::ResourceType;
use wasmtime::component::Val;

use super::Thing;
use crate::capability::State;
use crate::capability::row_json;
use crate::capability::rows::GuestRows;

/// A value as JSON; `None` for an option that is none. Records are objects without what is none; a case of a variant is its
/// name, or `{name: payload}`; SQL values are what JSON has for them, and `{"decimal"}`, `{"blob"}`, `{"json"}` for the rest.
pub(super) fn value(value: &Val, store: &mut StoreContextMut<'_, State>) -> Result<Option<Json>, String> {
    Ok(Some(match value {
        Val::Bool(value) => (*value).into(),
        Val::S8(value) => (*value).into(),
        Val::U8(value) => (*value).into(),
        Val::S16(value) => (*value).into(),
        Val::U16(value) => (*value).into(),
        Val::S32(value) => (*value).into(),
        Val::U32(value) => (*value).into(),
        Val::S64(value) => (*value).into(),
        Val::U64(value) => (*value).into(),
        Val::Float32(value) => json!(value),
        Val::Float64(value) if value.is_finite() => json!(value),
        // JSON has no others.
        Val::Float64(value) => value.to_string().into(),
        Val::Char(value) => value.to_string().into(),
        Val::String(value) => value.as_str().into(),
        Val::List(values) if matches!(values.first(), Some(Val::U8(_))) => bytes(values),
        Val::List(values) | Val::Tuple(values) => list(values, store)?,
        Val::Record(fields) => {
            let mut object = Map::new();
            for (name, field) in fields {
                if let Some(json) = self::value(field, store)? {
                    object.insert(name.clone(), json);
                }
            }
            Json::Object(object)
        }
        Val::Variant(name, payload) => variant(name, payload.as_deref(), store)?,
        Val::Enum(name) => name.as_str().into(),
        Val::Option(None) => return Ok(None),
        Val::Option(Some(value)) => return self::value(value, store),
        Val::Flags(names) => names.clone().into(),
        Val::Resource(handle) => resource(*handle, store)?,
        other => return Err(format!("{other:?} has no form in scripts")),
    }))
}

fn list(values: &[Val], store: &mut StoreContextMut<'_, State>) -> Result<Json, String> {
    let values: Result<Vec<Json>, String> = values.iter().map(|one| Ok(value(one, store)?.unwrap_or(Json::Null))).collect();
    Ok(Json::Array(values?))
}

fn bytes(values: &[Val]) -> Json {
    let bytes: Vec<u8> = values.iter().filter_map(|value| if let Val::U8(byte) = value { Some(*byte) } else { None }).collect();
    json!({ "base64": STANDARD.encode(bytes) })
}

/// SQL values are written as JSON has them; a variant of another kind that has one of their names and payloads reads the same.
fn variant(name: &str, payload: Option<&Val>, store: &mut StoreContextMut<'_, State>) -> Result<Json, String> {
    let Some(payload) = payload else {
        return Ok(if name == "null" { Json::Null } else { name.into() });
    };
    let json = value(payload, store)?.unwrap_or(Json::Null);
    Ok(match (name, payload) {
        ("boolean", Val::Bool(_)) | ("integer", Val::S64(_)) | ("real", Val::Float64(_)) | ("text", Val::String(_)) => json,
        _ => json!({ name: json }),
    })
}

/// Rows as what they hold; anything else as its number.
fn resource(handle: ResourceAny, store: &mut StoreContextMut<'_, State>) -> Result<Json, String> {
    if handle.ty() == ResourceType::host::<GuestRows>() {
        let rows = handle.try_into_resource::<GuestRows>(&mut *store).map_err(|error| error.to_string())?;
        let held = store.data_mut().take_rows(rows).map_err(|error| error.to_string())?;
        return Ok(row_json::rows(&held.rows));
    }
    let thing = handle.try_into_resource::<Thing>(&mut *store).map_err(|error| error.to_string())?;
    Ok(thing.rep().into())
}
