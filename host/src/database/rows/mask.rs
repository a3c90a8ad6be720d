//! Rows that are made or changed in the host: built from values, or with columns masked.

use super::Arena;
use super::Column;
use super::Flow;
use super::Kind;
use super::RowLimits;
use super::RowSet;
use super::RowWriter;
use super::Tag;
use crate::database::value::Value;

impl RowWriter {
    /// Writes a value as what it is.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.null(),
            Value::Boolean(value) => self.boolean(*value),
            Value::Integer(value) => self.integer(*value),
            Value::Real(value) => self.real(*value),
            Value::Decimal(digits) => self.decimal(digits),
            Value::Text(text) => self.text(text),
            Value::Blob(bytes) => self.blob(bytes),
            Value::Json(document) => self.json(document),
        }
    }

    /// Writes a cell as another writer wrote it.
    fn written(&mut self, tag: Tag, json: &str) {
        self.cell(tag).extend_from_slice(json.as_bytes());
    }
}

impl RowSet {
    /// Rows of these values. `None` when a row has not as many as there are columns, or they do not fit into `bytes`.
    pub fn build(columns: Vec<Column>, rows: &[Vec<Value>], bytes: usize) -> Option<Self> {
        let width = columns.len();
        let mut writer = RowWriter::new(columns, RowLimits { rows: usize::MAX, bytes });
        for row in rows {
            if row.len() != width {
                return None;
            }
            writer.start_row();
            row.iter().for_each(|value| writer.value(value));
            if writer.end_row() == Flow::Full {
                return None;
            }
        }
        writer.finish(true).ok()
    }

    /// The same rows, with more after them that are not held.
    #[must_use]
    pub fn cut(&self) -> Self {
        let mut arena = (*self.arena).clone();
        arena.complete = false;
        Self { arena: std::sync::Arc::new(arena), ..self.clone() }
    }

    /// The same rows with another value in place of every one that is not `NULL`, in the columns named.
    ///
    /// A mask of a column that is not there is passed over; of several of one column the first counts.
    #[must_use]
    pub fn masked(&self, masks: &[(usize, Value)]) -> Self {
        let columns: Vec<Column> =
            self.arena.columns.iter().enumerate().map(|(at, column)| masked_column(column, find(masks, at))).collect();
        let width = columns.len();
        let mut writer = RowWriter::new(columns, RowLimits { rows: usize::MAX, bytes: usize::MAX });
        for row in self.from..self.to {
            let tags = &self.arena.tags[row * width..(row + 1) * width];
            let cells: Vec<&serde_json::value::RawValue> = serde_json::from_slice(self.row_json(row)).unwrap_or_default();
            writer.start_row();
            for (at, tag) in tags.iter().enumerate() {
                match (find(masks, at), cells.get(at)) {
                    (Some(mask), _) if *tag != Tag::Null => writer.value(mask),
                    (_, Some(cell)) => writer.written(*tag, cell.get()),
                    (_, None) => writer.null(),
                }
            }
            let _ = writer.end_row();
        }
        let Arena { columns, json, ends, tags, .. } = writer.arena;
        let to = ends.len();
        let arena = Arena { columns, json, ends, tags, complete: !self.truncated() };
        Self { arena: std::sync::Arc::new(arena), from: 0, to }
    }
}

fn find(masks: &[(usize, Value)], column: usize) -> Option<&Value> {
    masks.iter().find(|(at, _)| *at == column).map(|(_, value)| value)
}

/// The column whose cells are now `mask` or null. Its name stays; its type is told by what stands in it.
fn masked_column(column: &Column, mask: Option<&Value>) -> Column {
    let kind = match mask {
        None | Some(Value::Null) => column.kind,
        Some(Value::Boolean(_)) => Kind::Boolean,
        Some(Value::Integer(_)) => Kind::Integer,
        Some(Value::Real(_)) => Kind::Real,
        Some(Value::Decimal(_)) => Kind::Decimal,
        Some(Value::Text(_)) => Kind::Text,
        Some(Value::Blob(_)) => Kind::Blob,
        Some(Value::Json(_)) => Kind::Json,
    };
    Column { kind, ..column.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Vec<Column> {
        names.iter().map(|name| Column { name: (*name).into(), type_name: "text".into(), kind: Kind::Any }).collect()
    }

    #[test]
    fn a_masked_column_keeps_its_nulls_and_no_other_value() {
        let rows = [
            vec![Value::Integer(1), Value::Text("ann@example.org".into()), Value::Null],
            vec![Value::Integer(2), Value::Null, Value::Blob(vec![1, 2])],
        ];
        let rows = RowSet::build(columns(&["id", "email", "photo"]), &rows, 1000).unwrap();
        let masked = rows.masked(&[(1, Value::Text("***".into())), (2, Value::Null), (7, Value::Null)]);
        assert_eq!(masked.values(0).unwrap(), [Value::Integer(1), Value::Text("***".into()), Value::Null]);
        assert_eq!(masked.values(1).unwrap(), [Value::Integer(2), Value::Null, Value::Null]);
        assert_eq!(masked.columns()[1].kind, Kind::Text);
        assert!(!masked.rows_json().any(|row| String::from_utf8_lossy(row).contains("ann@")));
    }

    #[test]
    fn a_masked_part_stays_a_part() {
        let rows: Vec<_> = (0..4).map(|n| vec![Value::Integer(n)]).collect();
        let rows = RowSet::build(columns(&["n"]), &rows, 1000).unwrap();
        let (page, _) = rows.skip(1).split(RowLimits { rows: 2, bytes: 1000 });
        let masked = page.masked(&[]);
        assert_eq!((masked.len(), masked.truncated()), (2, true));
        assert_eq!(masked.values(0).unwrap(), [Value::Integer(1)]);
    }

    #[test]
    fn rows_of_another_width_are_not_built() {
        assert!(RowSet::build(columns(&["a", "b"]), &[vec![Value::Null]], 1000).is_none());
        assert!(RowSet::build(columns(&["a"]), &[vec![Value::Text("x".repeat(100))]], 50).is_none());
    }
}
