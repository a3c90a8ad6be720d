//! A row set as bytes, for stores outside this process, and back.
//!
//! What is read may have been written by anyone who can reach such a store, or torn on its way. So every length is checked
//! before it is used, every cell has to be JSON of the form that its tag says, and what does not hold together is an error:
//! a row set that was decoded is as sound as one that an engine wrote.
//!
//! All numbers are little-endian:
//!
//! ```text
//! version u8 · cut u8 · columns u32 · rows u32 · length of the JSON u64
//! per column: length u32, name · length u32, name of the type · kind u8
//! per row: length of its JSON u32
//! per cell, row by row: tag u8
//! the rows, each a JSON array, nothing between them
//! ```

use std::sync::Arc;

use serde_json::value::RawValue;

use super::Arena;
use super::Column;
use super::Kind;
use super::RowSet;
use super::Tag;

/// The version of the format. Another one is not read: a store is emptied by time, not migrated.
const VERSION: u8 = 1;

/// Bytes of the fixed part.
const HEADER_BYTES: usize = 1 + 1 + 4 + 4 + 8;

/// Why bytes are no row set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Another version of the format.
    #[error("rows in format {found}, where this program reads format {VERSION}")]
    Version {
        /// As it stands in the bytes.
        found: u8,
    },
    /// The bytes end early, or there are more of them than they say.
    #[error("rows with {part} that does not fit the number of bytes")]
    Length {
        /// What is too long or too short.
        part: &'static str,
    },
    /// A part has a value that no writer gives it.
    #[error("rows with {part} that is none")]
    Content {
        /// What is wrong.
        part: &'static str,
    },
}

/// The rows that a view shows, as bytes. What the host holds before and after the view is left out, and the view's
/// [`truncated`](RowSet::truncated) stays as it is.
pub fn encode(rows: &RowSet) -> Vec<u8> {
    let arena = &rows.arena;
    let start = rows.start(rows.from);
    let json = &arena.json[start..start + rows.view_bytes()];
    let width = arena.columns.len();
    let names: usize = arena.columns.iter().map(|column| column.name.len() + column.type_name.len() + 9).sum();
    let mut bytes = Vec::with_capacity(HEADER_BYTES + names + rows.len() * (4 + width) + json.len());
    bytes.push(VERSION);
    bytes.push(u8::from(rows.truncated()));
    put_u32(&mut bytes, width);
    put_u32(&mut bytes, rows.len());
    bytes.extend_from_slice(&(json.len() as u64).to_le_bytes());
    for column in &arena.columns {
        put_text(&mut bytes, &column.name);
        put_text(&mut bytes, &column.type_name);
        bytes.push(kind_to_byte(column.kind));
    }
    for row in rows.from..rows.to {
        put_u32(&mut bytes, arena.ends[row] - rows.start(row));
    }
    bytes.extend(arena.tags[rows.from * width..rows.to * width].iter().map(|tag| *tag as u8));
    bytes.extend_from_slice(json);
    bytes
}

/// The row set that [`encode`] made these bytes of.
///
/// # Errors
///
/// Bytes of another version; bytes that do not hold together.
pub fn decode(bytes: &[u8]) -> Result<RowSet, DecodeError> {
    let mut reader = Reader { rest: bytes };
    let version = reader.byte("a header")?;
    if version != VERSION {
        return Err(DecodeError::Version { found: version });
    }
    let cut = match reader.byte("a header")? {
        0 => false,
        1 => true,
        _ => return Err(DecodeError::Content { part: "a mark of being cut" }),
    };
    let width = reader.length("a number of columns")?;
    let count = reader.length("a number of rows")?;
    let json_bytes = usize::try_from(reader.u64("a header")?).map_err(|_| DecodeError::Length { part: "JSON" })?;
    let columns = read_columns(&mut reader, width)?;
    let ends = read_ends(&mut reader, count, json_bytes)?;
    let cells = count.checked_mul(width).ok_or(DecodeError::Length { part: "a number of cells" })?;
    let tags = reader.take(cells, "a number of cells")?.iter().map(|byte| tag_of_byte(*byte)).collect::<Option<Vec<Tag>>>();
    let tags = tags.ok_or(DecodeError::Content { part: "a tag" })?;
    if reader.rest.len() != json_bytes {
        return Err(DecodeError::Length { part: "JSON" });
    }
    let json = reader.rest.to_vec();
    check_rows(&json, &ends, &tags, width)?;
    let arena = Arena { columns, json, ends, tags, complete: !cut };
    Ok(RowSet { arena: Arc::new(arena), from: 0, to: count })
}

fn read_columns(reader: &mut Reader<'_>, width: usize) -> Result<Vec<Column>, DecodeError> {
    // No capacity of the number that the bytes name: a column takes nine of them at least, a lie takes none.
    let mut columns = Vec::new();
    for _ in 0..width {
        let name = reader.text("a column's name")?;
        let type_name = reader.text("the name of a column's type")?;
        let kind = kind_of_byte(reader.byte("a column")?).ok_or(DecodeError::Content { part: "a column's kind" })?;
        columns.push(Column { name, type_name, kind });
    }
    Ok(columns)
}

/// Where each row ends, from the rows' lengths, which have to add up.
fn read_ends(reader: &mut Reader<'_>, count: usize, json_bytes: usize) -> Result<Vec<usize>, DecodeError> {
    let error = DecodeError::Length { part: "the length of a row" };
    let lengths = reader.take(count.checked_mul(4).ok_or(error.clone())?, "a number of rows")?;
    let mut end: usize = 0;
    let mut ends = Vec::with_capacity(count);
    for length in lengths.chunks_exact(4) {
        let length = u32::from_le_bytes(length.try_into().expect("a chunk has four bytes"));
        end = end.checked_add(length as usize).ok_or(error.clone())?;
        ends.push(end);
    }
    if end == json_bytes { Ok(ends) } else { Err(error) }
}

/// Holds every row to be an array of cells, each of the form that its tag says.
fn check_rows(json: &[u8], ends: &[usize], tags: &[Tag], width: usize) -> Result<(), DecodeError> {
    let mut start = 0;
    for (row, end) in ends.iter().enumerate() {
        let text = &json[start..*end];
        // Rows go out to clients as they are, so that nothing may stand around the array either.
        let cells: Vec<&RawValue> = serde_json::from_slice(text).map_err(|_| DecodeError::Content { part: "a row" })?;
        let bare = text.first() == Some(&b'[') && text.last() == Some(&b']');
        let tags = &tags[row * width..(row + 1) * width];
        if !bare || cells.len() != width || !cells.iter().zip(tags).all(|(cell, tag)| fits(cell.get(), *tag)) {
            return Err(DecodeError::Content { part: "a row" });
        }
        start = *end;
    }
    Ok(())
}

/// Whether JSON is of the form in which a cell with this tag is written.
fn fits(cell: &str, tag: Tag) -> bool {
    let string = cell.starts_with('"');
    let number = cell.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    match tag {
        Tag::Null => cell == "null",
        Tag::Boolean => cell == "true" || cell == "false",
        Tag::Integer => cell.trim_matches('"').parse::<i64>().is_ok(),
        Tag::Real => number || matches!(cell, "\"NaN\"" | "\"Infinity\"" | "\"-Infinity\""),
        Tag::Decimal | Tag::Text | Tag::Blob => string,
        Tag::Json => true,
    }
}

/// What is left of the bytes.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize, part: &'static str) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(DecodeError::Length { part })?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self, part: &'static str) -> Result<u8, DecodeError> {
        Ok(self.take(1, part)?[0])
    }

    fn u64(&mut self, part: &'static str) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.take(8, part)?.try_into().expect("eight bytes were taken")))
    }

    fn length(&mut self, part: &'static str) -> Result<usize, DecodeError> {
        let length = u32::from_le_bytes(self.take(4, part)?.try_into().expect("four bytes were taken"));
        usize::try_from(length).map_err(|_| DecodeError::Length { part })
    }

    fn text(&mut self, part: &'static str) -> Result<String, DecodeError> {
        let length = self.length(part)?;
        String::from_utf8(self.take(length, part)?.to_vec()).map_err(|_| DecodeError::Content { part })
    }
}

/// Rows, columns and names come from a result that the host's limits hold far below 2^32.
fn put_u32(bytes: &mut Vec<u8>, number: usize) {
    let number = u32::try_from(number).expect("a result is smaller than 4 GiB");
    bytes.extend_from_slice(&number.to_le_bytes());
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_u32(bytes, text.len());
    bytes.extend_from_slice(text.as_bytes());
}

fn tag_of_byte(byte: u8) -> Option<Tag> {
    let tags = [Tag::Null, Tag::Boolean, Tag::Integer, Tag::Real, Tag::Decimal, Tag::Text, Tag::Blob, Tag::Json];
    tags.into_iter().find(|tag| *tag as u8 == byte)
}

const KINDS: [Kind; 9] =
    [Kind::Boolean, Kind::Integer, Kind::Real, Kind::Decimal, Kind::Text, Kind::Temporal, Kind::Blob, Kind::Json, Kind::Any];

fn kind_to_byte(kind: Kind) -> u8 {
    let position = KINDS.iter().position(|other| *other == kind).expect("every kind is in the list");
    u8::try_from(position).expect("the list is short")
}

fn kind_of_byte(byte: u8) -> Option<Kind> {
    KINDS.get(usize::from(byte)).copied()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::database::rows::Flow;
    use crate::database::rows::RowLimits;
    use crate::database::rows::RowWriter;
    use crate::database::value::Value;

    const LIMITS: RowLimits = RowLimits { rows: 10_000, bytes: 1 << 20 };

    fn row_set(columns: &[(String, Kind)], rows: &[Vec<Value>], complete: bool) -> RowSet {
        let columns = columns.iter().map(|(name, kind)| Column { name: name.clone(), type_name: "any".into(), kind: *kind });
        let mut writer = RowWriter::new(columns.collect(), LIMITS);
        for row in rows {
            writer.start_row();
            for value in row {
                match value {
                    Value::Null => writer.null(),
                    Value::Boolean(value) => writer.boolean(*value),
                    Value::Integer(value) => writer.integer(*value),
                    Value::Real(value) => writer.real(*value),
                    Value::Decimal(value) => writer.decimal(value),
                    Value::Text(value) => writer.text(value),
                    Value::Blob(value) => writer.blob(value),
                    Value::Json(value) => writer.json(value),
                }
            }
            assert_eq!(writer.end_row(), Flow::More);
        }
        writer.finish(complete).unwrap()
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Boolean),
            any::<i64>().prop_map(Value::Integer),
            any::<f64>().prop_filter("compared below", |real| !real.is_nan()).prop_map(Value::Real),
            any::<u128>().prop_map(|number| Value::Decimal(number.to_string())),
            any::<String>().prop_map(Value::Text),
            vec(any::<u8>(), 0..20).prop_map(Value::Blob),
            any::<Vec<u8>>().prop_map(|numbers| Value::Json(format!("{{\"a\": {numbers:?}}}"))),
        ]
    }

    fn rows() -> impl Strategy<Value = RowSet> {
        let columns = vec((any::<String>(), prop::sample::select(KINDS.to_vec())), 0..6);
        columns.prop_flat_map(|columns| {
            let rows = vec(vec(value(), columns.len()), 0..8);
            (Just(columns), rows, any::<bool>()).prop_map(|(columns, rows, complete)| row_set(&columns, &rows, complete))
        })
    }

    /// What readers see of a row set.
    #[derive(Debug, PartialEq)]
    struct Seen {
        columns: Vec<Column>,
        json: Vec<Vec<u8>>,
        values: Vec<Option<Vec<Value>>>,
        truncated: bool,
    }

    fn seen(rows: &RowSet) -> Seen {
        let json = rows.rows_json().map(<[u8]>::to_vec).collect();
        let values = (0..=rows.len()).map(|index| rows.values(index)).collect();
        Seen { columns: rows.columns().to_vec(), json, values, truncated: rows.truncated() }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(rows in rows(), skip in 0_usize..4, page in 1_usize..6) {
            prop_assert_eq!(seen(&decode(&encode(&rows)).unwrap()), seen(&rows));
            let (view, _) = rows.skip(skip).split(RowLimits { rows: page, ..LIMITS });
            prop_assert_eq!(seen(&decode(&encode(&view)).unwrap()), seen(&view));
        }

        #[test]
        fn a_flipped_bit_or_a_missing_end_is_an_error_or_sound_rows(
            rows in rows(),
            at in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let whole = encode(&rows);
            let at = at.index(whole.len());
            prop_assert!(decode(&whole[..at]).is_err());
            let mut flipped = whole;
            flipped[at] ^= 1 << bit;
            if let Ok(rows) = decode(&flipped) {
                prop_assert!((0..rows.len()).all(|row| rows.values(row).is_some_and(|values| values.len() == rows.columns().len())));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(version in prop_oneof![Just(VERSION), any::<u8>()], cut in 0_u8..3, noise in vec(any::<u8>(), 0..200)) {
            let mut bytes = vec![version, cut];
            bytes.extend(noise);
            let _ = decode(&bytes);
        }

        #[test]
        fn small_numbers_that_lie_do_not_make_it_panic(numbers in vec(0_u32..5, 2), json in 0_u64..20, rest in vec(0_u8..9, 0..60)) {
            let mut bytes = vec![VERSION, 0];
            bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            bytes.extend(json.to_le_bytes());
            bytes.extend(rest);
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn a_number_of_rows_that_is_a_lie_costs_no_memory() {
        let mut bytes = encode(&row_set(&[("n".into(), Kind::Integer)], &[vec![Value::Integer(1)]], true));
        bytes[6..10].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(decode(&bytes).unwrap_err(), DecodeError::Length { part: "a number of rows" });
    }

    #[test]
    fn a_cell_of_another_form_than_its_tag_is_refused() {
        let bytes = encode(&row_set(&[("n".into(), Kind::Integer)], &[vec![Value::Integer(1)]], true));
        let mut other = bytes.clone();
        let tag = bytes.len() - "[1]".len() - 1;
        other[tag] = Tag::Boolean as u8;
        assert_eq!(decode(&other).unwrap_err(), DecodeError::Content { part: "a row" });
        let mut open = bytes.clone();
        *open.last_mut().unwrap() = b' ';
        assert_eq!(decode(&open).unwrap_err(), DecodeError::Content { part: "a row" });
        // Valid JSON, but not what a client would be sent: one byte more in the row, and in both lengths.
        let mut padded = bytes;
        let row_length = tag - 4;
        padded[10] += 1;
        padded[row_length] += 1;
        padded.push(b' ');
        assert_eq!(decode(&padded).unwrap_err(), DecodeError::Content { part: "a row" });
    }
}
