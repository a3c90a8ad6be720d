//! Rows of a result, kept as the JSON that the client will read.
//!
//! An engine writes each cell straight from the driver's buffer into one arena; the answer is then a copy of a slice of
//! it. A guest that looks at values has them decoded again, cell by cell, from the arena and a tag per cell.

pub mod codec;
mod mask;

use std::io::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::value::Value;

/// What kind of value a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Truth values.
    Boolean,
    /// Whole numbers.
    Integer,
    /// Floating-point numbers.
    Real,
    /// Exact base-10 numbers.
    Decimal,
    /// Text.
    Text,
    /// Dates, times, intervals, as ISO 8601 text.
    Temporal,
    /// Bytes.
    Blob,
    /// JSON documents, arrays, composites.
    Json,
    /// Not fixed by the column; each cell tells its own.
    Any,
}

/// One column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name as the statement gave it.
    pub name: String,
    /// The engine's name of the type.
    pub type_name: String,
    /// What its cells hold.
    pub kind: Kind,
}

/// Where reading stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowLimits {
    /// Rows to keep at most.
    pub rows: usize,
    /// Bytes of JSON to keep at most; a first row that is larger alone fails with `TooLarge`.
    pub bytes: usize,
}

/// Whether an engine should go on reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// There is room for more.
    More,
    /// The last row did not fit and was taken back: stop, the result is cut.
    Full,
}

/// How one cell was written, so that it can be decoded without its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Tag {
    Null,
    Boolean,
    Integer,
    Real,
    Decimal,
    Text,
    Blob,
    Json,
}

/// Rows as written, shared by every view of them.
#[derive(Clone, Debug)]
struct Arena {
    columns: Vec<Column>,
    /// The rows one after another, each a JSON array, no separators.
    json: Vec<u8>,
    /// Where each row ends in `json`.
    ends: Vec<usize>,
    /// One tag per cell, row by row.
    tags: Vec<Tag>,
    /// Whether the database had no more rows.
    complete: bool,
}

/// Writes the rows of one result. Per row: [`start_row`](Self::start_row), one cell method per column, [`end_row`](Self::end_row).
pub struct RowWriter {
    arena: Arena,
    limits: RowLimits,
    row_start: usize,
    too_large: bool,
}

/// Integers beyond this are written as strings: a JSON reader with 64-bit floats would change them (RFC 8259 §6).
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

impl RowWriter {
    /// A writer of rows with these columns.
    pub fn new(columns: Vec<Column>, limits: RowLimits) -> Self {
        let arena = Arena { columns, json: Vec::new(), ends: Vec::new(), tags: Vec::new(), complete: false };
        Self { arena, limits, row_start: 0, too_large: false }
    }

    /// The columns, to be corrected while nothing but the first rows is known (SQLite).
    pub fn columns_mut(&mut self) -> &mut Vec<Column> {
        &mut self.arena.columns
    }

    /// Rows written so far.
    pub fn len(&self) -> usize {
        self.arena.ends.len()
    }

    /// Whether no row was written yet.
    pub fn is_empty(&self) -> bool {
        self.arena.ends.is_empty()
    }

    /// Begins a row.
    pub fn start_row(&mut self) {
        self.row_start = self.arena.json.len();
        self.arena.json.push(b'[');
    }

    /// Ends a row. `Full` when it went over a limit: it is not kept, and the result counts as cut.
    pub fn end_row(&mut self) -> Flow {
        self.arena.json.push(b']');
        let over = self.arena.ends.len() >= self.limits.rows || self.arena.json.len() > self.limits.bytes;
        if over {
            self.too_large = self.arena.ends.is_empty() && self.limits.rows > 0;
            self.arena.json.truncate(self.row_start);
            self.arena.tags.truncate(self.arena.ends.len() * self.arena.columns.len());
            return Flow::Full;
        }
        self.arena.ends.push(self.arena.json.len());
        Flow::More
    }

    /// Writes `NULL`.
    pub fn null(&mut self) {
        self.cell(Tag::Null).extend_from_slice(b"null");
    }

    /// Writes a truth value.
    pub fn boolean(&mut self, value: bool) {
        self.cell(Tag::Boolean).extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// Writes a whole number: a JSON number up to 2^53 - 1, a string beyond.
    pub fn integer(&mut self, value: i64) {
        let quote = value.unsigned_abs() > MAX_SAFE_INTEGER;
        let json = self.cell(Tag::Integer);
        // Writing to a `Vec` cannot fail.
        let _ = if quote { write!(json, "\"{value}\"") } else { write!(json, "{value}") };
    }

    /// Writes a whole number without sign; above 2^63 - 1 guests read it as a decimal.
    pub fn unsigned(&mut self, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.integer(value),
            Err(_) => {
                let json = self.cell(Tag::Decimal);
                let _ = write!(json, "\"{value}\"");
            }
        }
    }

    /// Writes a floating-point number; NaN and the infinities, which JSON has not, as the strings `NaN`, `Infinity`, `-Infinity`.
    pub fn real(&mut self, value: f64) {
        let json = self.cell(Tag::Real);
        if value.is_nan() {
            json.extend_from_slice(b"\"NaN\"");
        } else if value.is_infinite() {
            json.extend_from_slice(if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
        } else {
            let _ = serde_json::to_writer(json, &value);
        }
    }

    /// Writes a 32-bit floating-point number with the digits that tell it from its neighbours, not those of its 64-bit form.
    pub fn real32(&mut self, value: f32) {
        if value.is_finite() {
            let json = self.cell(Tag::Real);
            let _ = serde_json::to_writer(json, &value);
        } else {
            self.real(f64::from(value));
        }
    }

    /// Writes an exact number as a string, digit for digit.
    pub fn decimal(&mut self, digits: &str) {
        write_string(self.cell(Tag::Decimal), digits);
    }

    /// Writes text, or any type by its text form.
    pub fn text(&mut self, text: &str) {
        write_string(self.cell(Tag::Text), text);
    }

    /// Writes bytes, in base64 (RFC 4648 §4).
    pub fn blob(&mut self, bytes: &[u8]) {
        let json = self.cell(Tag::Blob);
        json.push(b'"');
        json.extend_from_slice(STANDARD.encode(bytes).as_bytes());
        json.push(b'"');
    }

    /// Writes a JSON document as it is. `document` must be valid JSON; what is not goes out as text.
    pub fn json(&mut self, document: &str) {
        match serde_json::from_str::<&serde_json::value::RawValue>(document) {
            Ok(raw) => self.cell(Tag::Json).extend_from_slice(raw.get().as_bytes()),
            Err(_) => self.text(document),
        }
    }

    /// Ends the result. `complete` tells whether the database had no more rows.
    ///
    /// # Errors
    ///
    /// The size limit, when the first row alone was over it.
    pub fn finish(mut self, complete: bool) -> Result<RowSet, RowTooLarge> {
        if self.too_large {
            return Err(RowTooLarge { limit_bytes: self.limits.bytes });
        }
        self.arena.complete = complete;
        let to = self.arena.ends.len();
        Ok(RowSet { arena: Arc::new(self.arena), from: 0, to })
    }

    /// Begins a cell: writes the comma, notes the tag.
    fn cell(&mut self, tag: Tag) -> &mut Vec<u8> {
        if self.arena.json.len() > self.row_start + 1 {
            self.arena.json.push(b',');
        }
        self.arena.tags.push(tag);
        &mut self.arena.json
    }
}

/// One row alone is larger than an answer may be.
#[derive(Debug, thiserror::Error)]
#[error("one row is larger than the limit of {limit_bytes} bytes for an answer")]
pub struct RowTooLarge {
    /// The limit.
    pub limit_bytes: usize,
}

/// Rows that the host holds: a view of a result. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RowSet {
    arena: Arc<Arena>,
    from: usize,
    to: usize,
}

impl RowSet {
    /// A result without columns or rows.
    pub fn empty() -> Self {
        let arena = Arena { columns: Vec::new(), json: Vec::new(), ends: Vec::new(), tags: Vec::new(), complete: true };
        Self { arena: Arc::new(arena), from: 0, to: 0 }
    }

    /// Whether it is the same view of the same result, and not merely an equal one.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.arena, &other.arena) && (self.from, self.to) == (other.from, other.to)
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.arena.columns
    }

    /// Rows in this view.
    pub fn len(&self) -> usize {
        self.to - self.from
    }

    /// Whether this view has no rows.
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Whether there were rows after this view, held or not.
    pub fn truncated(&self) -> bool {
        !self.arena.complete || self.to < self.arena.ends.len()
    }

    /// Bytes of the rows of this view, as JSON.
    pub fn view_bytes(&self) -> usize {
        if self.is_empty() { 0 } else { self.arena.ends[self.to - 1] - self.start(self.from) }
    }

    /// Bytes that the host holds for the whole result, whatever part this view shows.
    pub fn held_bytes(&self) -> usize {
        self.arena.json.len() + self.arena.ends.len() * size_of::<usize>() + self.arena.tags.len()
    }

    /// The rows of this view as JSON arrays without anything between them, and where each ends.
    pub fn rows_json(&self) -> impl Iterator<Item = &[u8]> {
        (self.from..self.to).map(|row| self.row_json(row))
    }

    /// Splits the view at the limits: what fits, and the rest when the host holds more.
    ///
    /// The first part has at least one row when this view has one, so that pages always move on.
    pub fn split(self, limits: RowLimits) -> (Self, Option<Self>) {
        let start = self.start(self.from);
        let mut to = self.from;
        while to < self.to && to - self.from < limits.rows.max(1) {
            if to > self.from && self.arena.ends[to] - start > limits.bytes {
                break;
            }
            to += 1;
        }
        let rest = (to < self.to).then(|| Self { arena: self.arena.clone(), from: to, to: self.to });
        (Self { to, ..self }, rest)
    }

    /// The view without its first `count` rows.
    #[must_use]
    pub fn skip(mut self, count: usize) -> Self {
        self.from = (self.from + count).min(self.to);
        self
    }

    /// The values of the row at `index` in this view; `None` past its end.
    pub fn values(&self, index: usize) -> Option<Vec<Value>> {
        let row = self.from.checked_add(index).filter(|row| *row < self.to)?;
        let width = self.arena.columns.len();
        let tags = &self.arena.tags[row * width..(row + 1) * width];
        let cells: Vec<&serde_json::value::RawValue> = serde_json::from_slice(self.row_json(row)).ok()?;
        Some(cells.iter().zip(tags).map(|(cell, tag)| decode(cell.get(), *tag)).collect())
    }

    fn row_json(&self, row: usize) -> &[u8] {
        &self.arena.json[self.start(row)..self.arena.ends[row]]
    }

    fn start(&self, row: usize) -> usize {
        if row == 0 { 0 } else { self.arena.ends[row - 1] }
    }
}

/// The value that a cell was written from.
fn decode(cell: &str, tag: Tag) -> Value {
    let text = || serde_json::from_str::<String>(cell).unwrap_or_default();
    match tag {
        Tag::Null => Value::Null,
        Tag::Boolean => Value::Boolean(cell == "true"),
        Tag::Integer => cell.trim_matches('"').parse().map_or_else(|_| Value::Decimal(cell.into()), Value::Integer),
        Tag::Real => Value::Real(cell.trim_matches('"').parse().unwrap_or(f64::NAN)),
        Tag::Decimal => Value::Decimal(text()),
        Tag::Text => Value::Text(text()),
        Tag::Blob => Value::Blob(STANDARD.decode(cell.trim_matches('"')).unwrap_or_default()),
        Tag::Json => Value::Json(cell.into()),
    }
}

/// Writes a JSON string.
fn write_string(json: &mut Vec<u8>, text: &str) {
    // Writing to a `Vec` cannot fail.
    let _ = serde_json::to_writer(json, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Vec<Column> {
        names.iter().map(|name| Column { name: (*name).into(), type_name: "any".into(), kind: Kind::Any }).collect()
    }

    fn numbers(count: i64, limits: RowLimits) -> RowSet {
        let mut writer = RowWriter::new(columns(&["n"]), limits);
        let mut complete = true;
        for n in 0..count {
            writer.start_row();
            writer.integer(n);
            if writer.end_row() == Flow::Full {
                complete = false;
                break;
            }
        }
        writer.finish(complete).unwrap()
    }

    #[test]
    fn every_kind_of_cell_comes_back_as_it_went_in() {
        let mut writer = RowWriter::new(columns(&["a"; 11]), RowLimits { rows: 10, bytes: 1000 });
        writer.start_row();
        writer.null();
        writer.boolean(true);
        writer.integer(i64::MIN);
        writer.integer(7);
        writer.unsigned(u64::MAX);
        writer.real(f64::NEG_INFINITY);
        writer.real(0.1);
        writer.decimal("1.10");
        writer.text("a \"quoted\"\n\u{0}line");
        writer.blob(&[0, 255]);
        writer.json(r#"{"a": [1]}"#);
        assert_eq!(writer.end_row(), Flow::More);
        let rows = writer.finish(true).unwrap();
        assert_eq!(
            rows.values(0).unwrap(),
            vec![
                Value::Null,
                Value::Boolean(true),
                Value::Integer(i64::MIN),
                Value::Integer(7),
                Value::Decimal(u64::MAX.to_string()),
                Value::Real(f64::NEG_INFINITY),
                Value::Real(0.1),
                Value::Decimal("1.10".into()),
                Value::Text("a \"quoted\"\n\u{0}line".into()),
                Value::Blob(vec![0, 255]),
                Value::Json(r#"{"a": [1]}"#.into()),
            ]
        );
        assert!(!rows.truncated());
        assert!(rows.values(1).is_none());
    }

    #[test]
    fn a_result_at_the_limit_is_whole_and_one_over_it_is_cut() {
        let limits = RowLimits { rows: 3, bytes: 1000 };
        assert!(!numbers(3, limits).truncated());
        let cut = numbers(4, limits);
        assert!(cut.truncated());
        assert_eq!(cut.len(), 3);
    }

    #[test]
    fn pages_cover_every_row_once() {
        let mut rest = Some(numbers(10, RowLimits { rows: 100, bytes: 10_000 }));
        let mut seen = Vec::new();
        while let Some(rows) = rest {
            let (page, next) = rows.split(RowLimits { rows: 100, bytes: 10 });
            assert_eq!(page.truncated(), next.is_some());
            seen.extend((0..page.len()).map(|i| page.values(i).unwrap()));
            rest = next;
        }
        let expected: Vec<_> = (0..10).map(|n| vec![Value::Integer(n)]).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_first_row_over_the_byte_limit_is_an_error() {
        let mut writer = RowWriter::new(columns(&["t"]), RowLimits { rows: 10, bytes: 10 });
        writer.start_row();
        writer.text(&"x".repeat(100));
        assert_eq!(writer.end_row(), Flow::Full);
        assert!(writer.finish(false).is_err());
    }
}
