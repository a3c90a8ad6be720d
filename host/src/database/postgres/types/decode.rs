//! Reads values from the binary form of the wire protocol.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use super::Codec;
use super::Type;
use super::Types;
use super::container;
use super::geometric;
use super::network;
use super::numeric;
use super::search;
use super::temporal;
use crate::database::rows::RowWriter;

/// A value, its text still in the driver's buffer where it can be.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::database::postgres) enum Cell<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Unsigned(u64),
    Real(f64),
    Real32(f32),
    Decimal(Cow<'a, str>),
    Text(Cow<'a, str>),
    Blob(&'a [u8]),
    Json(Cow<'a, str>),
}

impl Cell<'_> {
    /// Writes it as the next cell of a row.
    pub(in crate::database::postgres) fn put(&self, rows: &mut RowWriter) {
        match self {
            Cell::Null => rows.null(),
            Cell::Boolean(value) => rows.boolean(*value),
            Cell::Integer(value) => rows.integer(*value),
            Cell::Unsigned(value) => rows.unsigned(*value),
            Cell::Real(value) => rows.real(*value),
            Cell::Real32(value) => rows.real32(*value),
            Cell::Decimal(digits) => rows.decimal(digits),
            Cell::Text(text) => rows.text(text),
            Cell::Blob(bytes) => rows.blob(bytes),
            Cell::Json(document) => rows.json(document),
        }
    }

    /// Appends PostgreSQL's own text form of it, as inside a range.
    pub(super) fn put_text(&self, text: &mut String) {
        // Writing to a `String` cannot fail.
        let _ = match self {
            Cell::Null => Ok(()),
            Cell::Boolean(value) => text.write_str(if *value { "t" } else { "f" }),
            Cell::Integer(value) => write!(text, "{value}"),
            Cell::Unsigned(value) => write!(text, "{value}"),
            Cell::Real(value) => text.write_str(&numeric::float_text(*value)),
            Cell::Real32(value) => text.write_str(&numeric::float_text_32(*value)),
            Cell::Decimal(value) | Cell::Text(value) | Cell::Json(value) => text.write_str(value),
            Cell::Blob(bytes) => text.write_str(&hex(bytes)),
        };
    }
}

/// Reads values; notes the types that it met inside of them and does not know.
pub(in crate::database::postgres) struct Decoder<'t> {
    pub(super) types: &'t Types,
    /// Numbers of types to ask the server about, before the same rows are read again.
    pub(in crate::database::postgres) missing: Vec<u32>,
}

impl<'t> Decoder<'t> {
    /// A decoder that knows `types`.
    pub(in crate::database::postgres) fn new(types: &'t Types) -> Self {
        Self { types, missing: Vec::new() }
    }

    /// Reads a value of this type. Bytes that do not fit the type come out as PostgreSQL's hexadecimal form of bytes.
    pub(in crate::database::postgres) fn decode<'a>(&mut self, of: &Type, bytes: &'a [u8]) -> Cell<'a> {
        self.read(of, bytes).unwrap_or_else(|| Cell::Text(hex(bytes).into()))
    }

    /// The type of this number; notes it as missing when it is not known.
    pub(super) fn type_of(&mut self, oid: u32) -> Option<Arc<Type>> {
        let found = self.types.find(oid);
        if found.is_none() {
            self.missing.push(oid);
        }
        found
    }

    fn read<'a>(&mut self, of: &Type, bytes: &'a [u8]) -> Option<Cell<'a>> {
        let mut reader = Reader(bytes);
        let owned = |text: String| Cell::Text(text.into());
        Some(match &of.codec {
            Codec::Bool => Cell::Boolean(*bytes.first()? != 0),
            Codec::Int2 => Cell::Integer(reader.i16()?.into()),
            Codec::Int4 => Cell::Integer(reader.i32()?.into()),
            Codec::Int8 => Cell::Integer(reader.i64()?),
            Codec::Unsigned32 => Cell::Integer(reader.u32()?.into()),
            Codec::Unsigned64 => Cell::Unsigned(reader.i64()?.cast_unsigned()),
            Codec::Float4 => Cell::Real32(f32::from_bits(reader.u32()?)),
            Codec::Float8 => Cell::Real(reader.f64()?),
            Codec::Numeric => Cell::Decimal(numeric::decode(bytes)?.into()),
            Codec::Money => Cell::Decimal(numeric::money(reader.i64()?, self.types.money_digits()).into()),
            Codec::Text => Cell::Text(std::str::from_utf8(bytes).ok()?.into()),
            Codec::Versioned => Cell::Text(std::str::from_utf8(bytes.get(1..)?).ok()?.into()),
            Codec::Char => owned(char_text(*bytes.first()?)),
            Codec::Bytea => Cell::Blob(bytes),
            Codec::Date => owned(temporal::date(reader.i32()?)),
            Codec::Time => owned(temporal::time(reader.i64()?)),
            Codec::TimeTz => owned(temporal::time_tz(reader.i64()?, reader.i32()?)),
            Codec::Timestamp => owned(temporal::timestamp(reader.i64()?, "")),
            Codec::TimestampTz => owned(temporal::timestamp(reader.i64()?, "Z")),
            Codec::Interval => owned(temporal::interval(reader.i64()?, reader.i32()?, reader.i32()?)),
            Codec::Uuid => owned(uuid(bytes.try_into().ok()?)),
            Codec::Json => Cell::Json(std::str::from_utf8(bytes).ok()?.into()),
            Codec::Jsonb => Cell::Json(std::str::from_utf8(bytes.get(1..)?).ok()?.into()),
            Codec::Bit => owned(bits(&mut reader)?),
            Codec::Network => owned(network::address(&mut reader)?),
            Codec::MacAddress => owned(network::mac(bytes)),
            Codec::Point => owned(geometric::point(&mut reader)?),
            Codec::Line => owned(geometric::line(&mut reader)?),
            Codec::Segment => owned(geometric::segment(&mut reader)?),
            Codec::Box => owned(geometric::rectangle(&mut reader)?),
            Codec::Path => owned(geometric::path(&mut reader)?),
            Codec::Polygon => owned(geometric::polygon(&mut reader)?),
            Codec::Circle => owned(geometric::circle(&mut reader)?),
            Codec::TsVector => owned(search::vector(&mut reader)?),
            Codec::TsQuery => owned(search::query(&mut reader)?),
            Codec::Lsn => owned(format!("{:X}/{:X}", reader.u32()?, reader.u32()?)),
            Codec::Tid => owned(format!("({},{})", reader.u32()?, reader.i16()?.cast_unsigned())),
            Codec::Snapshot => owned(snapshot(&mut reader)?),
            Codec::Hstore => Cell::Json(container::hstore(&mut reader)?.into()),
            Codec::Vector => Cell::Json(container::vector(&mut reader)?.into()),
            Codec::Void => Cell::Null,
            Codec::Record => Cell::Json(container::record(self, &[], &mut reader)?.into()),
            Codec::Composite(fields) => Cell::Json(container::record(self, fields, &mut reader)?.into()),
            Codec::Array(element) => Cell::Json(container::array(self, Some(element), &mut reader)?.into()),
            Codec::AnyArray => Cell::Json(container::array(self, None, &mut reader)?.into()),
            Codec::Range(bound) => owned(container::range(self, bound, &mut reader)?),
            Codec::Multirange(bound) => owned(container::multirange(self, bound, &mut reader)?),
            Codec::Registered => owned(reader.u32()?.to_string()),
            Codec::Opaque => owned(hex(bytes)),
        })
    }
}

/// Takes numbers in network order from the front of some bytes; `None` when they are used up.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    pub(super) fn i16(&mut self) -> Option<i16> {
        self.take(2)?.try_into().ok().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.take(4)?.try_into().ok().map(i32::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.take(8)?.try_into().ok().map(i64::from_be_bytes)
    }

    pub(super) fn f64(&mut self) -> Option<f64> {
        self.take(8)?.try_into().ok().map(f64::from_be_bytes)
    }

    /// A length in front of that many bytes; `Some(None)` for a null.
    pub(super) fn prefixed(&mut self) -> Option<Option<&'a [u8]>> {
        match self.i32()? {
            -1 => Some(None),
            length => self.take(usize::try_from(length).ok()?).map(Some),
        }
    }

    /// Text up to a zero byte.
    pub(super) fn c_string(&mut self) -> Option<&'a str> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.take(end)?;
        self.take(1)?;
        std::str::from_utf8(text).ok()
    }
}

/// PostgreSQL's hexadecimal form of bytes.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + bytes.len() * 2);
    text.push_str("\\x");
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// `"char"`: a byte that is no character of its own is shown in octal, as the server does since 15.
fn char_text(byte: u8) -> String {
    match byte {
        0 => String::new(),
        1..=0x7f => char::from(byte).to_string(),
        _ => format!("\\{byte:03o}"),
    }
}

fn uuid(bytes: [u8; 16]) -> String {
    let digits = u128::from_be_bytes(bytes);
    let hex = format!("{digits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn bits(reader: &mut Reader<'_>) -> Option<String> {
    let count = usize::try_from(reader.i32()?).ok()?;
    let bytes = reader.take(count.div_ceil(8))?;
    Some((0..count).map(|bit| if bytes[bit / 8] & (0x80 >> (bit % 8)) == 0 { '0' } else { '1' }).collect())
}

fn snapshot(reader: &mut Reader<'_>) -> Option<String> {
    let count = reader.i32()?;
    let mut text = format!("{}:{}:", reader.i64()?, reader.i64()?);
    for index in 0..count {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{}", reader.i64()?);
    }
    Some(text)
}
