//! Values of the binary protocol to cells, and parameters to values of the protocol.
//!
//! `TINYINT(1)` is the family's only boolean: 0 and 1 go out as truth values, any other number in such a column as the
//! number it is. `BIT(n)` is a number. Binary strings are bytes; strings of every other character set are text, in
//! whatever collation. A `TIMESTAMP` is in the time zone of the session, as for every other client of the server.

use sqlx::Column as _;
use sqlx::Decode;
use sqlx::Row as _;
use sqlx::Type;
use sqlx::TypeInfo;
use sqlx::encode::Encode;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::mysql::MySql;
use sqlx::mysql::MySqlArguments;
use sqlx::mysql::MySqlColumn;
use sqlx::mysql::MySqlRow;
use sqlx::mysql::MySqlTypeInfo;

use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::rows::Column;
use crate::database::rows::Kind;
use crate::database::rows::RowWriter;
use crate::database::value::Value;
use super::temporal;
use super::wkt;

/// How the cells of one column are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `TINYINT(1)`; whether it is unsigned.
    Boolean(bool),
    Signed,
    Unsigned,
    Float,
    Double,
    Decimal,
    Text,
    Blob,
    /// Bytes that are shown as text where they are text: what the server says about itself.
    TextOrBlob,
    Json,
    Date,
    DateTime,
    Time,
    Bit,
    Geometry,
}

/// How a value travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// The answer to a prepared statement.
    Binary,
    /// The answer to a text.
    Text,
}

/// The columns of a result and how their cells are read. `own_words` says that the server talks about itself
/// (`SHOW`, `EXPLAIN`), where some versions declare text as bytes.
pub(super) fn columns(columns: &[MySqlColumn], own_words: bool) -> (Vec<Column>, Vec<Shape>) {
    columns
        .iter()
        .map(|column| {
            let (mut shape, type_name) = shape(column.type_info());
            if own_words && shape == Shape::Blob {
                shape = Shape::TextOrBlob;
            }
            (Column { name: column.name().into(), type_name, kind: kind(shape) }, shape)
        })
        .unzip()
}

fn shape(info: &MySqlTypeInfo) -> (Shape, String) {
    let name = info.name();
    let shape = match name {
        // The name hides the sign; equality of the driver's types does not.
        "BOOLEAN" => Shape::Boolean(*info == <u8 as Type<MySql>>::type_info()),
        "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => Shape::Signed,
        "YEAR" => Shape::Unsigned,
        _ if name.ends_with(" UNSIGNED") => Shape::Unsigned,
        "FLOAT" => Shape::Float,
        "DOUBLE" => Shape::Double,
        "DECIMAL" => Shape::Decimal,
        "JSON" => Shape::Json,
        "DATE" => Shape::Date,
        "DATETIME" | "TIMESTAMP" => Shape::DateTime,
        "TIME" => Shape::Time,
        "BIT" => Shape::Bit,
        "GEOMETRY" => Shape::Geometry,
        "NULL" | "ENUM" | "SET" => Shape::Text,
        // The driver's names go by the flag for "compares by bytes", which text in a `_bin` collation has as well.
        _ if <str as Type<MySql>>::compatible(info) => {
            let text = match name {
                "BINARY" => "char",
                "VARBINARY" => "varchar",
                _ if name.ends_with("BLOB") => return (Shape::Text, name.to_ascii_lowercase().replace("blob", "text")),
                _ => return (Shape::Text, name.to_ascii_lowercase()),
            };
            return (Shape::Text, text.into());
        }
        "CHAR" => return (Shape::Blob, "binary".into()),
        "VARCHAR" => return (Shape::Blob, "varbinary".into()),
        _ => Shape::Blob,
    };
    let type_name = match name {
        "BOOLEAN" => "tinyint(1)".into(),
        _ => name.to_ascii_lowercase(),
    };
    (shape, type_name)
}

fn kind(shape: Shape) -> Kind {
    match shape {
        Shape::Boolean(_) => Kind::Boolean,
        Shape::Signed | Shape::Unsigned | Shape::Bit => Kind::Integer,
        Shape::Float | Shape::Double => Kind::Real,
        Shape::Decimal => Kind::Decimal,
        Shape::Text | Shape::TextOrBlob | Shape::Geometry => Kind::Text,
        Shape::Blob => Kind::Blob,
        Shape::Json => Kind::Json,
        Shape::Date | Shape::DateTime | Shape::Time => Kind::Temporal,
    }
}

/// Writes one row.
///
/// # Errors
///
/// `Failed` for a value that does not have the form of its type.
pub(super) fn write_row(writer: &mut RowWriter, row: &MySqlRow, shapes: &[Shape], protocol: Protocol) -> Result<(), DatabaseError> {
    writer.start_row();
    for (index, shape) in shapes.iter().enumerate() {
        // The driver calls zero dates null; their bytes tell the difference.
        let bytes = row.try_get_raw(index).ok().and_then(|value| <&[u8] as Decode<MySql>>::decode(value).ok());
        let written = match (bytes, protocol) {
            (None, _) => {
                writer.null();
                Some(())
            }
            (Some(bytes), Protocol::Binary) => write_binary(writer, *shape, bytes),
            (Some(bytes), Protocol::Text) => write_text(writer, *shape, bytes),
        };
        if written.is_none() {
            let name = row.columns().get(index).map_or("?", |column| column.name());
            return Err(DatabaseError::new(ErrorKind::Failed, format!("a value of column `{name}` does not have the form of its type")));
        }
    }
    Ok(())
}

/// Writes a value of the binary protocol
/// (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html>); `None` when it is malformed.
fn write_binary(writer: &mut RowWriter, shape: Shape, bytes: &[u8]) -> Option<()> {
    match shape {
        Shape::Boolean(unsigned) => write_boolean(writer, if unsigned { i64::from(*bytes.first()?) } else { signed(bytes)? }),
        Shape::Signed => writer.integer(signed(bytes)?),
        Shape::Unsigned => writer.unsigned(little_endian(bytes)?),
        Shape::Float => writer.real32(f32::from_le_bytes(bytes.try_into().ok()?)),
        Shape::Double => writer.real(f64::from_le_bytes(bytes.try_into().ok()?)),
        Shape::Date => writer.text(&temporal::date(bytes)?),
        Shape::DateTime => writer.text(&temporal::date_time(bytes)?),
        Shape::Time => writer.text(&temporal::time(bytes)?),
        Shape::Bit => writer.unsigned(big_endian(bytes)?),
        Shape::Decimal | Shape::Text | Shape::TextOrBlob | Shape::Blob | Shape::Json | Shape::Geometry => {
            write_string(writer, shape, bytes)
        }
    }
    Some(())
}

/// Writes a value of the text protocol.
fn write_text(writer: &mut RowWriter, shape: Shape, bytes: &[u8]) -> Option<()> {
    let text = || std::str::from_utf8(bytes).ok();
    match shape {
        Shape::Boolean(_) => write_boolean(writer, text()?.parse().ok()?),
        Shape::Signed => writer.integer(text()?.parse().ok()?),
        Shape::Unsigned => writer.unsigned(text()?.parse().ok()?),
        Shape::Float => writer.real32(text()?.parse().ok()?),
        Shape::Double => writer.real(text()?.parse().ok()?),
        Shape::DateTime => writer.text(&text()?.replacen(' ', "T", 1)),
        Shape::Date | Shape::Time => writer.text(text()?),
        Shape::Bit => writer.unsigned(big_endian(bytes)?),
        Shape::Decimal | Shape::Text | Shape::TextOrBlob | Shape::Blob | Shape::Json | Shape::Geometry => {
            write_string(writer, shape, bytes)
        }
    }
    Some(())
}

/// Writes what is a string in both protocols.
fn write_string(writer: &mut RowWriter, shape: Shape, bytes: &[u8]) {
    match shape {
        Shape::Blob => return writer.blob(bytes),
        Shape::Geometry => {
            return match wkt::from_server(bytes) {
                Some(text) => writer.text(&text),
                None => writer.blob(bytes),
            };
        }
        _ => {}
    }
    match (std::str::from_utf8(bytes), shape) {
        (Ok(digits), Shape::Decimal) => writer.decimal(digits),
        (Ok(document), Shape::Json) => writer.json(document),
        (Ok(text), _) => writer.text(text),
        (Err(_), Shape::TextOrBlob) => writer.blob(bytes),
        // The session's character set is UTF-8, so this is a server's mistake; better a mark in the text than no answer.
        (Err(_), _) => writer.text(&String::from_utf8_lossy(bytes)),
    }
}

fn write_boolean(writer: &mut RowWriter, value: i64) {
    match value {
        0 => writer.boolean(false),
        1 => writer.boolean(true),
        other => writer.integer(other),
    }
}

fn signed(bytes: &[u8]) -> Option<i64> {
    Some(match bytes.len() {
        1 => i64::from(i8::from_le_bytes(bytes.try_into().ok()?)),
        2 => i64::from(i16::from_le_bytes(bytes.try_into().ok()?)),
        4 => i64::from(i32::from_le_bytes(bytes.try_into().ok()?)),
        8 => i64::from_le_bytes(bytes.try_into().ok()?),
        _ => return None,
    })
}

fn little_endian(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn big_endian(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// The parameters in the driver's form. `decimal` is the server's type of an exact number.
///
/// # Errors
///
/// `InvalidParameters` for a number that the family has not.
pub(super) fn arguments(values: &[Value], decimal: &MySqlTypeInfo) -> Result<MySqlArguments, DatabaseError> {
    let mut arguments = MySqlArguments::default();
    for (index, value) in values.iter().enumerate() {
        let unfit = |why: &str| DatabaseError::new(ErrorKind::InvalidParameters, format!("parameter {} {why}", index + 1));
        let added = match value {
            Value::Null => sqlx::Arguments::add(&mut arguments, None::<&str>),
            Value::Boolean(value) => sqlx::Arguments::add(&mut arguments, i8::from(*value)),
            Value::Integer(value) => sqlx::Arguments::add(&mut arguments, *value),
            Value::Real(value) if !value.is_finite() => return Err(unfit("is no finite number; the MySQL family has no other")),
            Value::Real(value) => sqlx::Arguments::add(&mut arguments, *value),
            Value::Decimal(digits) if !is_decimal(digits) => return Err(unfit("is no decimal number")),
            Value::Decimal(digits) => sqlx::Arguments::add(&mut arguments, Exact { digits, decimal }),
            Value::Text(text) | Value::Json(text) => sqlx::Arguments::add(&mut arguments, text.as_str()),
            Value::Blob(bytes) => sqlx::Arguments::add(&mut arguments, bytes.as_slice()),
        };
        added.map_err(|_| unfit("cannot be sent"))?;
    }
    Ok(arguments)
}

/// Whether this is what the server takes as an exact number: sign, digits, point, digits.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    (!whole.is_empty() || !fraction.is_empty()) && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
}

/// An exact number as a parameter. As text it would be compared as a float.
struct Exact<'a> {
    digits: &'a str,
    decimal: &'a MySqlTypeInfo,
}

impl Type<MySql> for Exact<'_> {
    fn type_info() -> MySqlTypeInfo {
        <str as Type<MySql>>::type_info()
    }
}

impl<'a> Encode<'_, MySql> for Exact<'a> {
    fn encode_by_ref(&self, buffer: &mut Vec<u8>) -> Result<IsNull, BoxDynError> {
        <&'a str as Encode<'_, MySql>>::encode_by_ref(&self.digits, buffer)
    }

    fn produces(&self) -> Option<MySqlTypeInfo> {
        Some(self.decimal.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_with_their_sign_and_width() {
        assert_eq!(signed(&[0xff]), Some(-1));
        assert_eq!(signed(&i64::MIN.to_le_bytes()), Some(i64::MIN));
        assert_eq!(little_endian(&u64::MAX.to_le_bytes()), Some(u64::MAX));
        assert_eq!(big_endian(&[1, 0]), Some(256));
        assert_eq!((signed(&[]), little_endian(&[0; 9])), (None, None));
    }

    #[test]
    fn only_decimal_numbers_are_sent_as_such() {
        for good in ["0", "-12.50", "+1", ".5", "1."] {
            assert!(is_decimal(good), "{good}");
        }
        for bad in ["", "-", ".", "NaN", "1e5", "1,5", "1;2"] {
            assert!(!is_decimal(bad), "{bad}");
        }
    }
}
