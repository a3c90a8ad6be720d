//! Values on their way into a statement: into the binary form of the type that the server wants at that place.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sqlx::Executor;
use sqlx::Row;
use sqlx::ValueRef;
use sqlx::encode::Encode;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArgumentBuffer;
use sqlx::postgres::PgArguments;
use sqlx::postgres::PgConnection;
use sqlx::postgres::PgTypeInfo;
use sqlx::postgres::Postgres;
use sqlx::postgres::types::Oid;

use super::error::statement_error;
use super::shape::Blanks;
use super::shape::Sent;
use super::types::Codec;
use super::types::Types;
use super::types::encode_date;
use super::types::encode_numeric;
use super::types::encode_timestamp;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::value::Value;

/// A value in binary form under the type of its place.
struct Bound {
    oid: u32,
    bytes: Option<Vec<u8>>,
}

impl sqlx::Type<Postgres> for Bound {
    fn type_info() -> PgTypeInfo {
        // 0 leaves the type to the server.
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Bound {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match &self.bytes {
            Some(bytes) => {
                buffer.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(Oid(self.oid)))
    }

    fn size_hint(&self) -> usize {
        self.bytes.as_ref().map_or(0, Vec::len)
    }
}

/// That many nulls of no type.
pub(super) fn nulls(count: usize) -> PgArguments {
    let mut arguments = PgArguments::default();
    for _ in 0..count {
        // A null of no type cannot fail to be written.
        let _ = sqlx::Arguments::add(&mut arguments, Bound { oid: 0, bytes: None });
    }
    arguments
}

/// What a place can be given.
enum Encoded {
    /// The binary form.
    Bytes(Vec<u8>),
    /// Text that the server has to read: in a cast, or as JSON of a composite.
    Ask(String),
}

/// Binds `values` to places of these types.
///
/// # Errors
///
/// `InvalidParameters`, naming the place, what came and what is wanted.
pub(super) async fn bind(
    connection: &mut PgConnection,
    types: &Types,
    blanks: &Blanks,
    oids: &[u32],
    values: &[Value],
) -> Result<PgArguments, DatabaseError> {
    if oids.len() != values.len() {
        return Err(invalid(format!("the statement has {} and {} came", places(oids.len()), places(values.len())))
            .hint("number the places `$1`, `$2` and give a value for each"));
    }
    if oids.iter().any(|oid| types.find(*oid).is_none()) {
        types.load(connection, oids).await.map_err(statement_error)?;
    }
    let mut arguments = PgArguments::default();
    for (index, (oid, value)) in oids.iter().zip(values).enumerate() {
        let place = index + 1;
        let of = types.find(*oid);
        let (name, codec) = of.as_deref().map_or(("unknown", &Codec::Opaque), |of| (of.name.as_str(), &of.codec));
        let bytes = match encode(codec, value) {
            Ok(None) => None,
            Ok(Some(Encoded::Bytes(bytes))) => Some(bytes),
            Ok(Some(Encoded::Ask(text))) => {
                Some(ask(connection, blanks, *oid, codec, value, &text).await.map_err(|error| refused(place, name, error))?)
            }
            Err(()) => return Err(unfit(place, name, value)),
        };
        let bound = sqlx::Arguments::add(&mut arguments, Bound { oid: *oid, bytes });
        bound.map_err(|_| invalid(format!("parameter {place} is too long")))?;
    }
    Ok(arguments)
}

/// The form of `value` for a place of this type: `None` for a null, an error when it cannot fit.
fn encode(codec: &Codec, value: &Value) -> Result<Option<Encoded>, ()> {
    let bytes = |bytes: &[u8]| Ok(Some(Encoded::Bytes(bytes.to_vec())));
    let whole = || match value {
        Value::Integer(number) => Ok(*number),
        Value::Real(number) if number.fract() == 0.0 && number.abs() < 9.0e15 => format!("{number:.0}").parse().map_err(drop),
        Value::Decimal(text) | Value::Text(text) => text.trim().parse::<i64>().map_err(drop),
        _ => Err(()),
    };
    let real = || match value {
        Value::Real(number) => Ok(*number),
        Value::Integer(_) | Value::Decimal(_) | Value::Text(_) => text_of(value).trim().parse::<f64>().map_err(drop),
        _ => Err(()),
    };
    if *value == Value::Null {
        return Ok(None);
    }
    match codec {
        Codec::Bool => match value {
            Value::Boolean(truth) => bytes(&[u8::from(*truth)]),
            Value::Text(_) | Value::Integer(0 | 1) => ask_for(value),
            _ => Err(()),
        },
        Codec::Int2 => bytes(&i16::try_from(whole()?).map_err(drop)?.to_be_bytes()),
        Codec::Int4 => bytes(&i32::try_from(whole()?).map_err(drop)?.to_be_bytes()),
        Codec::Int8 => bytes(&whole()?.to_be_bytes()),
        Codec::Unsigned32 => bytes(&u32::try_from(whole()?).map_err(drop)?.to_be_bytes()),
        #[expect(clippy::cast_possible_truncation, reason = "a place of 32 bits takes the nearest number it has, as a cast in SQL does")]
        Codec::Float4 => bytes(&(real()? as f32).to_be_bytes()),
        Codec::Float8 => bytes(&real()?.to_be_bytes()),
        Codec::Numeric => match value {
            Value::Boolean(_) | Value::Blob(_) | Value::Json(_) => Err(()),
            _ => encode_numeric(&text_of(value)).map_or_else(|| ask_for(value), |encoded| bytes(&encoded)),
        },
        Codec::Text => match value {
            Value::Blob(_) => Err(()),
            // An enum, a domain and `xml` are text on the wire too, and the server checks them there.
            _ => bytes(text_of(value).as_bytes()),
        },
        Codec::Bytea => match value {
            Value::Blob(blob) => bytes(blob),
            // As bytes come out: base64. The server's own hexadecimal form is taken too.
            Value::Text(text) if text.starts_with("\\x") => ask_for(value),
            Value::Text(text) => bytes(&STANDARD.decode(text).map_err(drop)?),
            _ => Err(()),
        },
        Codec::Json | Codec::Jsonb => {
            let document = match value {
                Value::Json(document) => document.clone(),
                // Text that is a document already is not put in quotes once more.
                Value::Text(text) if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => text.clone(),
                Value::Text(text) => serde_json::to_string(text).map_err(drop)?,
                Value::Blob(_) => return Err(()),
                _ => text_of(value),
            };
            let version: &[u8] = if matches!(codec, Codec::Jsonb) { &[1] } else { &[] };
            bytes(&[version, document.as_bytes()].concat())
        }
        Codec::Uuid => match value {
            Value::Text(text) => read_uuid(text).map_or_else(|| ask_for(value), |uuid| bytes(&uuid)),
            _ => Err(()),
        },
        Codec::Date => match value {
            Value::Text(text) => encode_date(text).map_or_else(|| ask_for(value), |days| bytes(&days.to_be_bytes())),
            _ => Err(()),
        },
        Codec::Timestamp | Codec::TimestampTz => match value {
            Value::Text(text) => encode_timestamp(text, matches!(codec, Codec::TimestampTz))
                .map_or_else(|| ask_for(value), |micros| bytes(&micros.to_be_bytes())),
            _ => Err(()),
        },
        Codec::Array(element) => match value {
            Value::Json(document) if matches!(element.codec, Codec::Composite(_)) => Ok(Some(Encoded::Ask(document.clone()))),
            Value::Json(document) => array_literal(document).map(|literal| Some(Encoded::Ask(literal))),
            Value::Text(_) => ask_for(value),
            _ => Err(()),
        },
        // `int2vector` and `oidvector` have blanks between their numbers.
        Codec::AnyArray => match value {
            Value::Json(document) => {
                let numbers: Vec<i64> = serde_json::from_str(document).map_err(drop)?;
                let words: Vec<String> = numbers.iter().map(i64::to_string).collect();
                Ok(Some(Encoded::Ask(words.join(" "))))
            }
            Value::Text(_) => ask_for(value),
            _ => Err(()),
        },
        Codec::Hstore => match value {
            Value::Json(document) => hstore_literal(document).map(|literal| Some(Encoded::Ask(literal))),
            Value::Text(_) => ask_for(value),
            _ => Err(()),
        },
        _ => match value {
            Value::Blob(_) => Err(()),
            _ => ask_for(value),
        },
    }
}

fn ask_for(value: &Value) -> Result<Option<Encoded>, ()> {
    Ok(Some(Encoded::Ask(text_of(value))))
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Null | Value::Blob(_) => String::new(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) if number.is_infinite() => (if *number > 0.0 { "Infinity" } else { "-Infinity" }).to_owned(),
        Value::Real(number) => number.to_string(),
        Value::Decimal(text) | Value::Text(text) | Value::Json(text) => text.clone(),
    }
}

/// How the server writes the name of a type so that it reads it again.
const NAME: &str = "SELECT pg_catalog.format('%I.%I', n.nspname, t.typname) FROM pg_catalog.pg_type t \
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
WHERE t.oid = CASE WHEN $2 THEN (SELECT typelem FROM pg_catalog.pg_type WHERE oid = $1) ELSE $1 END";

/// Has the server read a text as a value of a type, and takes the binary form of it.
async fn ask(
    connection: &mut PgConnection,
    blanks: &Blanks,
    oid: u32,
    codec: &Codec,
    value: &Value,
    text: &str,
) -> Result<Vec<u8>, sqlx::Error> {
    let of_rows = matches!((codec, value), (Codec::Array(element), Value::Json(_)) if matches!(element.codec, Codec::Composite(_)));
    let name: String = sqlx::query(NAME).bind(Oid(oid)).bind(of_rows).fetch_one(&mut *connection).await?.try_get(0)?;
    let cast = match (codec, value) {
        _ if of_rows => format!(
            "SELECT coalesce(pg_catalog.array_agg(r), '{{}}') \
             FROM pg_catalog.jsonb_populate_recordset(NULL::{name}, $1::pg_catalog.text::pg_catalog.jsonb) AS r"
        ),
        (Codec::Composite(_), Value::Json(_)) => {
            format!("SELECT pg_catalog.jsonb_populate_record(NULL::{name}, $1::pg_catalog.text::pg_catalog.jsonb)")
        }
        _ => format!("SELECT $1::pg_catalog.text::{name}"),
    };
    const TEXT: u32 = 25;
    let mut arguments = PgArguments::default();
    sqlx::Arguments::add(&mut arguments, Bound { oid: TEXT, bytes: Some(text.as_bytes().to_vec()) }).map_err(sqlx::Error::Encode)?;
    let blank = blanks.of(connection, 1).await?;
    let row = connection.fetch_one(Sent::new(&cast, arguments, true).described_by(blank)).await?;
    let raw = row.try_get_raw(0)?;
    if raw.is_null() {
        return Err(sqlx::Error::RowNotFound);
    }
    raw.as_bytes().map(<[u8]>::to_vec).map_err(sqlx::Error::Decode)
}

/// A JSON array as the text form of an array: `{1,NULL,"a b",{2}}`.
fn array_literal(document: &str) -> Result<String, ()> {
    let parsed: serde_json::Value = serde_json::from_str(document).map_err(drop)?;
    let mut literal = String::new();
    put_array(&mut literal, parsed.as_array().ok_or(())?);
    Ok(literal)
}

fn put_array(literal: &mut String, elements: &[serde_json::Value]) {
    literal.push('{');
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        match element {
            serde_json::Value::Null => literal.push_str("NULL"),
            serde_json::Value::Array(inner) => put_array(literal, inner),
            serde_json::Value::String(text) => put_quoted(literal, text),
            other => put_quoted(literal, &other.to_string()),
        }
    }
    literal.push('}');
}

/// A JSON object as the text form of an `hstore`: `"a"=>"1","b"=>NULL`.
fn hstore_literal(document: &str) -> Result<String, ()> {
    let parsed: serde_json::Value = serde_json::from_str(document).map_err(drop)?;
    let mut literal = String::new();
    for (key, value) in parsed.as_object().ok_or(())? {
        if !literal.is_empty() {
            literal.push(',');
        }
        put_quoted(&mut literal, key);
        literal.push_str("=>");
        match value {
            serde_json::Value::Null => literal.push_str("NULL"),
            serde_json::Value::String(text) => put_quoted(&mut literal, text),
            other => put_quoted(&mut literal, &other.to_string()),
        }
    }
    Ok(literal)
}

fn put_quoted(literal: &mut String, text: &str) {
    literal.push('"');
    for letter in text.chars() {
        if letter == '"' || letter == '\\' {
            literal.push('\\');
        }
        literal.push(letter);
    }
    literal.push('"');
}

/// The 16 bytes of a UUID in its usual form.
fn read_uuid(text: &str) -> Option<[u8; 16]> {
    let hyphens = [8, 13, 18, 23].iter().all(|at| text.as_bytes().get(*at) == Some(&b'-'));
    let digits: String = text.chars().filter(|letter| *letter != '-').collect();
    let plain = text.len() == 36 && digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hyphens && plain).then(|| u128::from_str_radix(&digits, 16).ok()).flatten().map(u128::to_be_bytes)
}

fn invalid(message: String) -> DatabaseError {
    DatabaseError::new(ErrorKind::InvalidParameters, message)
}

fn places(count: usize) -> String {
    if count == 1 { "1 parameter".into() } else { format!("{count} parameters") }
}

/// A value of a kind, or in a range, that does not fit. The value itself is not repeated.
fn unfit(place: usize, wanted: &str, value: &Value) -> DatabaseError {
    let came = match value {
        Value::Null => "null",
        Value::Boolean(_) => "a truth value",
        Value::Integer(_) => "a whole number",
        Value::Real(_) | Value::Decimal(_) => "a number",
        Value::Text(_) => "text",
        Value::Blob(_) => "bytes",
        Value::Json(_) => "a JSON document",
    };
    invalid(format!("parameter {place} must be a `{wanted}`, and {came} came that is not one"))
}

/// The server could not read the value as the type.
fn refused(place: usize, wanted: &str, error: sqlx::Error) -> DatabaseError {
    let said = statement_error(error);
    match said.kind {
        ErrorKind::Timeout | ErrorKind::Unavailable => said,
        // "no binary output function available for type …"
        _ if said.sqlstate.as_deref() == Some("42883") => invalid(format!("parameter {place} is a `{wanted}`, which has no binary form"))
            .hint(format!("write `${place}::text::{wanted}`")),
        _ => {
            let error = invalid(format!("parameter {place} must be a `{wanted}`: {}", said.message));
            match said.sqlstate {
                Some(code) => error.sqlstate(code),
                None => error,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_becomes_the_text_form_of_arrays_and_maps() {
        assert_eq!(array_literal(r#"[1,null,"a \"b\"\\",[true]]"#).unwrap(), r#"{"1",NULL,"a \"b\"\\",{"true"}}"#);
        assert!(array_literal("{}").is_err());
        assert_eq!(hstore_literal(r#"{"a":"1","b":null}"#).unwrap(), r#""a"=>"1","b"=>NULL"#);
    }

    #[test]
    fn a_uuid_is_read_in_its_usual_form_only() {
        assert!(read_uuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8").is_some());
        assert!(read_uuid("6ba7b8109dad11d180b400c04fd430c8").is_none());
        assert!(read_uuid("+ba7b810-9dad-11d1-80b4-00c04fd430c8").is_none());
    }
}
