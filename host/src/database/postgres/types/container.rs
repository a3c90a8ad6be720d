//! Values made of others: arrays, rows, ranges, maps.

use std::fmt::Write;
use std::sync::Arc;

use super::Type;
use super::decode::Cell;
use super::decode::Decoder;
use super::decode::Reader;
use super::decode::hex;

/// Dimensions of an array at most, as in the server.
const MOST_DIMENSIONS: usize = 6;

/// Integers beyond this are strings, as at the top of a row.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// An array as JSON arrays, one inside the other per dimension.
pub(super) fn array(decoder: &mut Decoder<'_>, element: Option<&Arc<Type>>, reader: &mut Reader<'_>) -> Option<String> {
    let dimensions = usize::try_from(reader.i32()?).ok().filter(|count| *count <= MOST_DIMENSIONS)?;
    let _has_nulls = reader.i32()?;
    let element_oid = reader.u32()?;
    let mut lengths = Vec::with_capacity(dimensions);
    for _ in 0..dimensions {
        lengths.push(usize::try_from(reader.i32()?).ok()?);
        let _lower_bound = reader.i32()?;
    }
    let mut json = String::new();
    if lengths.is_empty() {
        json.push_str("[]");
        return Some(json);
    }
    let found;
    let element = match element {
        Some(element) => element.as_ref(),
        None => {
            found = decoder.type_of(element_oid)?;
            found.as_ref()
        }
    };
    put_dimension(decoder, element, &lengths, reader, &mut json)?;
    Some(json)
}

fn put_dimension(decoder: &mut Decoder<'_>, element: &Type, lengths: &[usize], reader: &mut Reader<'_>, json: &mut String) -> Option<()> {
    let (length, inner) = lengths.split_first()?;
    json.push('[');
    for index in 0..*length {
        if index > 0 {
            json.push(',');
        }
        if inner.is_empty() {
            put_prefixed(decoder, element, reader, json)?;
        } else {
            put_dimension(decoder, element, inner, reader, json)?;
        }
    }
    json.push(']');
    Some(())
}

/// A row as a JSON object; fields without a name are `f1`, `f2`, as in the server's `row_to_json`.
pub(super) fn record(decoder: &mut Decoder<'_>, fields: &[(String, Arc<Type>)], reader: &mut Reader<'_>) -> Option<String> {
    let count = usize::try_from(reader.i32()?).ok()?;
    let mut json = String::from("{");
    for index in 0..count {
        if index > 0 {
            json.push(',');
        }
        let oid = reader.u32()?;
        // A type changed since it was looked up has other fields: then they tell their own type and go without a name.
        let (name, of) = match fields.get(index).filter(|_| fields.len() == count) {
            Some((name, of)) => (name.clone(), of.clone()),
            None => (format!("f{}", index + 1), decoder.type_of(oid)?),
        };
        put_json_string(&mut json, &name);
        json.push(':');
        put_prefixed(decoder, &of, reader, &mut json)?;
    }
    json.push('}');
    Some(json)
}

/// A range in PostgreSQL's text form: `[1,5)`, `empty`.
pub(super) fn range(decoder: &mut Decoder<'_>, bound: &Type, reader: &mut Reader<'_>) -> Option<String> {
    const EMPTY: u8 = 0x01;
    const LOWER_INCLUSIVE: u8 = 0x02;
    const UPPER_INCLUSIVE: u8 = 0x04;
    const LOWER_INFINITE: u8 = 0x08;
    const UPPER_INFINITE: u8 = 0x10;
    let flags = reader.u8()?;
    if flags & EMPTY != 0 {
        return Some("empty".into());
    }
    let mut text = String::from(if flags & LOWER_INCLUSIVE == 0 { "(" } else { "[" });
    if flags & LOWER_INFINITE == 0 {
        put_bound(decoder, bound, reader, &mut text)?;
    }
    text.push(',');
    if flags & UPPER_INFINITE == 0 {
        put_bound(decoder, bound, reader, &mut text)?;
    }
    text.push(if flags & UPPER_INCLUSIVE == 0 { ')' } else { ']' });
    Some(text)
}

/// Several ranges: `{[1,2),[3,4)}`
pub(super) fn multirange(decoder: &mut Decoder<'_>, bound: &Type, reader: &mut Reader<'_>) -> Option<String> {
    let count = reader.i32()?;
    let mut ranges = Vec::new();
    for _ in 0..count {
        let bytes = reader.prefixed()??;
        ranges.push(range(decoder, bound, &mut Reader(bytes))?);
    }
    Some(format!("{{{}}}", ranges.join(",")))
}

fn put_bound(decoder: &mut Decoder<'_>, bound: &Type, reader: &mut Reader<'_>, text: &mut String) -> Option<()> {
    let bytes = reader.prefixed()??;
    let mut value = String::new();
    decoder.decode(bound, bytes).put_text(&mut value);
    let quote = value.is_empty() || value.chars().any(|letter| letter.is_whitespace() || "\"\\()[],".contains(letter));
    if quote {
        text.push('"');
        for letter in value.chars() {
            if letter == '"' || letter == '\\' {
                text.push(letter);
            }
            text.push(letter);
        }
        text.push('"');
    } else {
        text.push_str(&value);
    }
    Some(())
}

/// An `hstore` as a JSON object of strings.
pub(super) fn hstore(reader: &mut Reader<'_>) -> Option<String> {
    let count = reader.i32()?;
    let mut json = String::from("{");
    for index in 0..count {
        if index > 0 {
            json.push(',');
        }
        put_json_string(&mut json, std::str::from_utf8(reader.prefixed()??).ok()?);
        json.push(':');
        match reader.prefixed()? {
            Some(value) => put_json_string(&mut json, std::str::from_utf8(value).ok()?),
            None => json.push_str("null"),
        }
    }
    json.push('}');
    Some(json)
}

/// A `vector` of the extension of that name as a JSON array.
pub(super) fn vector(reader: &mut Reader<'_>) -> Option<String> {
    let count = reader.i16()?.cast_unsigned();
    let _unused = reader.i16()?;
    let mut json = String::from("[");
    for index in 0..count {
        if index > 0 {
            json.push(',');
        }
        put_json(&mut json, &Cell::Real32(f32::from_bits(reader.u32()?)));
    }
    json.push(']');
    Some(json)
}

fn put_prefixed(decoder: &mut Decoder<'_>, of: &Type, reader: &mut Reader<'_>, json: &mut String) -> Option<()> {
    match reader.prefixed()? {
        Some(bytes) => put_json(json, &decoder.decode(of, bytes)),
        None => json.push_str("null"),
    }
    Some(())
}

/// Appends a value as JSON, by the same rules as a cell at the top of a row but for bytes.
fn put_json(json: &mut String, cell: &Cell<'_>) {
    // Writing to a `String` cannot fail.
    let _ = match cell {
        Cell::Null => json.write_str("null"),
        Cell::Boolean(value) => write!(json, "{value}"),
        Cell::Integer(value) if value.unsigned_abs() > MAX_SAFE_INTEGER => write!(json, "\"{value}\""),
        Cell::Integer(value) => write!(json, "{value}"),
        Cell::Unsigned(value) if *value > MAX_SAFE_INTEGER => write!(json, "\"{value}\""),
        Cell::Unsigned(value) => write!(json, "{value}"),
        Cell::Real(value) => json.write_str(&serde_json::to_string(value).unwrap_or_default()).map(|()| name_infinite(json, *value)),
        Cell::Real32(value) => {
            json.write_str(&serde_json::to_string(value).unwrap_or_default()).map(|()| name_infinite(json, f64::from(*value)))
        }
        Cell::Decimal(text) | Cell::Text(text) => {
            put_json_string(json, text);
            Ok(())
        }
        // As the server's own JSON has it, so that it is read back when the document goes in again.
        Cell::Blob(bytes) => {
            put_json_string(json, &hex(bytes));
            Ok(())
        }
        Cell::Json(document) => json.write_str(document),
    };
}

/// JSON has no NaN or infinity, the serialiser wrote `null`: puts the word in its place.
fn name_infinite(json: &mut String, value: f64) {
    if value.is_finite() {
        return;
    }
    json.truncate(json.len() - "null".len());
    json.push_str(match (value.is_nan(), value > 0.0) {
        (true, _) => "\"NaN\"",
        (false, true) => "\"Infinity\"",
        (false, false) => "\"-Infinity\"",
    });
}

fn put_json_string(json: &mut String, text: &str) {
    json.push_str(&serde_json::to_string(text).unwrap_or_else(|_| "\"\"".into()));
}
