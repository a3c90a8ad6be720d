//! From JSON, as scripts and cassettes have it, to values of the contract.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Map;
use serde_json::Value as Json;
use wasmtime::StoreContextMut;
use wasmtime::component::Resource;
use wasmtime::component::ResourceAny;
use wasmtime::component::ResourceType;
use wasmtime::component::Type;
use wasmtime::component::Val;
use wasmtime::component::types::Variant;

use super::Thing;
use crate::capability::State;
use crate::capability::row_json;
use crate::capability::rows::GuestRows;
use crate::database::rows::Column;
use crate::database::rows::Kind;
use crate::database::rows::RowSet;
use crate::database::value::Value;

/// Bytes of the rows of one answer.
const ROW_BYTES: usize = 16 << 20;

/// What is said where something was not granted.
const DENIED: &str = "the operator has not granted this";

/// The value of type `ty` that `json` describes. What is left out of a record is none, empty or false where its type has that.
pub(super) fn value(ty: &Type, json: &Json, store: &mut StoreContextMut<'_, State>) -> Result<Val, String> {
    let wrong = || format!("a script has {json} where there has to be {}", name(ty));
    Ok(match ty {
        Type::Bool => Val::Bool(json.as_bool().ok_or_else(wrong)?),
        Type::S8 => Val::S8(whole(json).ok_or_else(wrong)?),
        Type::U8 => Val::U8(whole(json).ok_or_else(wrong)?),
        Type::S16 => Val::S16(whole(json).ok_or_else(wrong)?),
        Type::U16 => Val::U16(whole(json).ok_or_else(wrong)?),
        Type::S32 => Val::S32(whole(json).ok_or_else(wrong)?),
        Type::U32 => Val::U32(whole(json).ok_or_else(wrong)?),
        Type::S64 => Val::S64(json.as_i64().ok_or_else(wrong)?),
        Type::U64 => Val::U64(json.as_u64().ok_or_else(wrong)?),
        #[expect(clippy::cast_possible_truncation, reason = "the type of the contract has no more digits")]
        Type::Float32 => Val::Float32(json.as_f64().ok_or_else(wrong)? as f32),
        Type::Float64 => Val::Float64(real(json).ok_or_else(wrong)?),
        Type::Char => Val::Char(json.as_str().and_then(|text| text.chars().next()).ok_or_else(wrong)?),
        Type::String => Val::String(json.as_str().ok_or_else(wrong)?.to_owned()),
        Type::List(list) if list.ty() == Type::U8 => Val::List(bytes(json).ok_or_else(wrong)?.into_iter().map(Val::U8).collect()),
        Type::List(list) => {
            let items = json.as_array().ok_or_else(wrong)?;
            Val::List(items.iter().map(|item| value(&list.ty(), item, store)).collect::<Result<_, _>>()?)
        }
        Type::Tuple(tuple) => {
            let items = json.as_array().filter(|items| items.len() == tuple.types().len()).ok_or_else(wrong)?;
            Val::Tuple(tuple.types().zip(items).map(|(ty, item)| value(&ty, item, store)).collect::<Result<_, _>>()?)
        }
        Type::Record(record) => {
            let object = json.as_object().ok_or_else(wrong)?;
            if let Some(unknown) = object.keys().find(|key| record.fields().all(|field| field.name != key.as_str())) {
                return Err(format!(
                    "a script has the field `{unknown}`, and there are {}",
                    joined(record.fields().map(|field| field.name))
                ));
            }
            let mut fields = Vec::with_capacity(record.fields().len());
            for field in record.fields() {
                let value = match object.get(field.name) {
                    Some(json) => value(&field.ty, json, store)?,
                    None => absent(&field.ty).ok_or_else(|| format!("a script leaves out the field `{}`", field.name))?,
                };
                fields.push((field.name.to_owned(), value));
            }
            Val::Record(fields)
        }
        Type::Variant(variant) => return case(variant, json, store).map(|(name, payload)| Val::Variant(name, payload)),
        Type::Enum(names) => {
            let text = json.as_str().filter(|text| names.names().any(|name| name == *text));
            Val::Enum(text.ok_or_else(|| format!("a script has {json}, and there are {}", joined(names.names())))?.to_owned())
        }
        Type::Option(_) if json.is_null() => Val::Option(None),
        Type::Option(option) => Val::Option(Some(Box::new(value(&option.ty(), json, store)?))),
        Type::Flags(flags) => {
            let names = json.as_array().ok_or_else(wrong)?;
            let known = |json: &Json| json.as_str().filter(|text| flags.names().any(|name| name == *text)).map(str::to_owned);
            Val::Flags(names.iter().map(|json| known(json).ok_or_else(wrong)).collect::<Result<_, _>>()?)
        }
        Type::Own(resource) if *resource == ResourceType::host::<GuestRows>() => rows(json, store)?,
        Type::Own(_) => {
            let thing = Resource::<Thing>::new_own(json.as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or_default());
            Val::Resource(ResourceAny::try_from_resource(thing, &mut *store).map_err(|error| error.to_string())?)
        }
        _ => return Err(wrong()),
    })
}

fn whole<T: TryFrom<i64>>(json: &Json) -> Option<T> {
    T::try_from(json.as_i64()?).ok()
}

/// A number, or the name of one that JSON does not have: `NaN`, `inf`, `-inf`.
fn real(json: &Json) -> Option<f64> {
    json.as_f64().or_else(|| json.as_str()?.parse().ok())
}

/// `{"base64": …}`, or text for its UTF-8.
fn bytes(json: &Json) -> Option<Vec<u8>> {
    match (json.as_str(), json["base64"].as_str()) {
        (Some(text), _) => Some(text.as_bytes().to_vec()),
        (None, Some(text)) => STANDARD.decode(text).ok(),
        (None, None) => None,
    }
}

/// What a type has where nothing is said.
fn absent(ty: &Type) -> Option<Val> {
    Some(match ty {
        Type::Option(_) => Val::Option(None),
        Type::List(_) => Val::List(Vec::new()),
        Type::Flags(_) => Val::Flags(Vec::new()),
        Type::Bool => Val::Bool(false),
        _ => return None,
    })
}

type Case = (String, Option<Box<Val>>);

/// A case by its name, or `{name: payload}`; SQL values also as JSON has them.
fn case(variant: &Variant, json: &Json, store: &mut StoreContextMut<'_, State>) -> Result<Case, String> {
    let is_sql = variant.cases().any(|case| case.name == "decimal") && variant.cases().any(|case| case.name == "blob");
    let (name, payload) = match json {
        Json::Object(object) if object.len() == 1 => object.iter().next().map(|(name, payload)| (name.as_str(), payload)),
        Json::Null if is_sql => Some(("null", json)),
        Json::Bool(_) if is_sql => Some(("boolean", json)),
        Json::Number(number) if is_sql => Some((if number.is_f64() { "real" } else { "integer" }, json)),
        Json::String(_) if is_sql => Some(("text", json)),
        Json::String(name) => Some((name.as_str(), &Json::Null)),
        _ => None,
    }
    .ok_or_else(|| format!("a script has {json} where there has to be a case: {}", joined(variant.cases().map(|case| case.name))))?;
    let case = variant.cases().find(|case| case.name == name);
    let case =
        case.ok_or_else(|| format!("a script has the case `{name}`, and there are {}", joined(variant.cases().map(|case| case.name))))?;
    let payload = case.ty.map(|ty| value(&ty, payload, store).map(Box::new)).transpose()?;
    Ok((name.to_owned(), payload))
}

/// `{"columns": […], "rows": [[…]], "truncated": false}`, where a column is its name or `{"name", "type-name"}`.
fn rows(json: &Json, store: &mut StoreContextMut<'_, State>) -> Result<Val, String> {
    let set = row_set(json)?;
    let cursor = json["cursor"].as_str().map(str::to_owned);
    let rows = store.data_mut().give_rows(set, cursor).map_err(|error| error.to_string())?;
    Ok(Val::Resource(ResourceAny::try_from_resource(rows, &mut *store).map_err(|error| error.to_string())?))
}

/// Rows that JSON describes.
pub(super) fn row_set(json: &Json) -> Result<RowSet, String> {
    let column = |json: &Json| {
        let name = json.as_str().or_else(|| json["name"].as_str()).unwrap_or_default().to_owned();
        Column {
            name,
            type_name: json["type-name"].as_str().unwrap_or_default().to_owned(),
            kind: json["kind"].as_str().and_then(row_json::kind).unwrap_or(Kind::Any),
        }
    };
    let columns: Vec<Column> = json["columns"].as_array().into_iter().flatten().map(column).collect();
    let row = |json: &Json| json.as_array().into_iter().flatten().map(cell).collect::<Option<Vec<Value>>>();
    let rows: Option<Vec<Vec<Value>>> = json["rows"].as_array().into_iter().flatten().map(row).collect();
    let rows = rows.ok_or("a cell of the rows is no SQL value")?;
    let set = RowSet::build(columns, &rows, ROW_BYTES).ok_or("rows have as many cells as there are columns, and 16 MiB at most")?;
    Ok(if json["truncated"] == Json::Bool(true) { set.cut() } else { set })
}

/// A cell, as SQL values are written.
pub(super) fn cell(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(*value),
        Json::Number(number) => number.as_i64().map(Value::Integer).or_else(|| number.as_f64().map(Value::Real))?,
        Json::String(text) => Value::Text(text.clone()),
        Json::Object(object) => special(object)?,
        Json::Array(_) => return None,
    })
}

fn special(object: &Map<String, Json>) -> Option<Value> {
    let (name, payload) = object.iter().next()?;
    Some(match name.as_str() {
        "null" => Value::Null,
        "real" => Value::Real(real(payload)?),
        "decimal" => Value::Decimal(payload.as_str()?.to_owned()),
        "json" => Value::Json(payload.as_str()?.to_owned()),
        "blob" => Value::Blob(bytes(payload)?),
        _ => return None,
    })
}

/// What a function answers that was not granted: the failure that its errors have for that, else nothing at all.
pub(super) fn denial(ty: &Type) -> Result<Val, String> {
    match ty {
        Type::Result(both) => Ok(Val::Result(Err(both.err().map(|ty| blank(&ty).map(Box::new)).transpose()?))),
        ty => blank(ty),
    }
}

/// The emptiest value of a type.
fn blank(ty: &Type) -> Result<Val, String> {
    Ok(match ty {
        Type::Bool => Val::Bool(false),
        Type::S8 => Val::S8(0),
        Type::U8 => Val::U8(0),
        Type::S16 => Val::S16(0),
        Type::U16 => Val::U16(0),
        Type::S32 => Val::S32(0),
        Type::U32 => Val::U32(0),
        Type::S64 => Val::S64(0),
        Type::U64 => Val::U64(0),
        Type::Float32 => Val::Float32(0.0),
        Type::Float64 => Val::Float64(0.0),
        Type::Char => Val::Char(' '),
        Type::String => Val::String(DENIED.to_owned()),
        Type::List(_) => Val::List(Vec::new()),
        Type::Option(_) => Val::Option(None),
        Type::Flags(_) => Val::Flags(Vec::new()),
        Type::Tuple(tuple) => Val::Tuple(tuple.types().map(|ty| blank(&ty)).collect::<Result<_, _>>()?),
        Type::Record(record) => {
            Val::Record(record.fields().map(|field| Ok((field.name.to_owned(), blank(&field.ty)?))).collect::<Result<_, String>>()?)
        }
        Type::Enum(names) => Val::Enum(names.names().next().ok_or("an enum has no names")?.to_owned()),
        Type::Variant(variant) => {
            let of_denial = variant.cases().find(|case| matches!(case.name, "access-denied" | "denied"));
            let case = of_denial.or_else(|| variant.cases().next()).ok_or("a variant has no cases")?;
            Val::Variant(case.name.to_owned(), case.ty.map(|ty| blank(&ty).map(Box::new)).transpose()?)
        }
        Type::Result(_) => denial(ty)?,
        other => return Err(format!("{} cannot be denied in a test", name(other))),
    })
}

/// What a type is, for people.
fn name(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "`true` or `false`",
        Type::String | Type::Char => "a text",
        Type::List(_) | Type::Tuple(_) | Type::Flags(_) => "a list",
        Type::Record(_) => "a table",
        Type::Float32 | Type::Float64 => "a number",
        Type::Own(_) | Type::Borrow(_) => "something of the host's own",
        Type::S8 | Type::U8 | Type::S16 | Type::U16 | Type::S32 | Type::U32 | Type::S64 | Type::U64 => "a whole number of its size",
        _ => "another value",
    }
}

fn joined<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
