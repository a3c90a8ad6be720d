//! SQLite's values and our rows: each cell tells its own type, and the declared type says what it means.

use serde_json::value::RawValue;

use super::raw::Cell;
use super::raw::Prepared;
use crate::database::rows::Column;
use crate::database::rows::Kind;
use crate::database::rows::RowWriter;

/// What a declared type adds to the storage class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Plain,
    Boolean,
    Json,
    Temporal,
}

/// Which storage classes a column's cells had, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen(u8);

impl Seen {
    const BOOLEAN: u8 = 1;
    const INTEGER: u8 = 2;
    const REAL: u8 = 4;
    const TEXT: u8 = 8;
    const BLOB: u8 = 16;
    const JSON: u8 = 32;

    fn add(&mut self, bit: u8) {
        self.0 |= bit;
    }
}

struct ColumnTypes {
    declared: bool,
    meaning: Meaning,
    seen: Seen,
    /// Storage class of the first cell that is not null.
    first: Option<&'static str>,
}

/// Reads rows of one statement into a [`RowWriter`], and afterwards knows what its columns held.
pub(super) struct Reader {
    columns: Vec<ColumnTypes>,
}

impl Reader {
    /// A reader of the rows of `prepared`, and its columns as far as the statement alone tells.
    pub(super) fn new(prepared: &Prepared<'_>) -> (Self, Vec<Column>) {
        let mut types = Vec::new();
        let mut columns = Vec::new();
        for index in 0..prepared.column_count() {
            let declared = prepared.declared_type(index).filter(|declared| !declared.is_empty());
            let meaning = declared.as_deref().map_or(Meaning::Plain, meaning_of);
            columns.push(Column {
                name: prepared.column_name(index),
                type_name: declared.clone().unwrap_or_else(|| "null".into()),
                kind: declared.as_deref().map_or(Kind::Any, |declared| kind_of_declared(declared, meaning)),
            });
            types.push(ColumnTypes { declared: declared.is_some(), meaning, seen: Seen::default(), first: None });
        }
        (Self { columns: types }, columns)
    }

    /// Writes the current row of `prepared`; the caller begins and ends it.
    pub(super) fn write(&mut self, prepared: &Prepared<'_>, writer: &mut RowWriter) {
        for (index, column) in self.columns.iter_mut().enumerate() {
            let (bit, storage) = match (prepared.cell(index), column.meaning) {
                (Cell::Null, _) => {
                    writer.null();
                    continue;
                }
                (Cell::Integer(value @ 0..=1), Meaning::Boolean) => {
                    writer.boolean(value == 1);
                    (Seen::BOOLEAN, "integer")
                }
                (Cell::Integer(value), _) => {
                    writer.integer(value);
                    (Seen::INTEGER, "integer")
                }
                (Cell::Real(value), _) => {
                    writer.real(value);
                    (Seen::REAL, "real")
                }
                (Cell::Text(bytes), Meaning::Json) if serde_json::from_slice::<&RawValue>(bytes).is_ok() => {
                    writer.json(&String::from_utf8_lossy(bytes));
                    (Seen::JSON, "text")
                }
                (Cell::Text(bytes), _) => {
                    writer.text(&String::from_utf8_lossy(bytes));
                    (Seen::TEXT, "text")
                }
                (Cell::Blob(bytes), _) => {
                    writer.blob(bytes);
                    (Seen::BLOB, "blob")
                }
            };
            column.seen.add(bit);
            column.first.get_or_insert(storage);
        }
    }

    /// Corrects the columns to what their cells were.
    pub(super) fn correct(&self, columns: &mut [Column]) {
        for (types, column) in self.columns.iter().zip(columns) {
            if let (false, Some(first)) = (types.declared, types.first) {
                column.type_name = first.into();
            }
            column.kind = match (types.seen.0, types.meaning) {
                (0, _) => column.kind,
                (Seen::BOOLEAN, _) => Kind::Boolean,
                (Seen::INTEGER, _) => Kind::Integer,
                (Seen::REAL, _) => Kind::Real,
                (Seen::TEXT, Meaning::Temporal) => Kind::Temporal,
                (Seen::TEXT, _) => Kind::Text,
                (Seen::BLOB, _) => Kind::Blob,
                (Seen::JSON, _) => Kind::Json,
                _ => Kind::Any,
            };
        }
    }
}

/// The declared type without its length and in upper case.
fn base_of(declared: &str) -> String {
    declared.split('(').next().unwrap_or_default().trim().to_ascii_uppercase()
}

fn meaning_of(declared: &str) -> Meaning {
    let base = base_of(declared);
    match base.as_str() {
        "BOOLEAN" | "BOOL" => Meaning::Boolean,
        "JSON" => Meaning::Json,
        "DATE" | "TIME" | "DATETIME" | "TIMESTAMP" | "TIMESTAMPTZ" => Meaning::Temporal,
        _ if base.starts_with("TIMESTAMP ") || base.starts_with("TIME ") || base.starts_with("DATETIME ") => Meaning::Temporal,
        _ => Meaning::Plain,
    }
}

/// What the cells of a column of this declared type most likely are, for a result without any: SQLite's rules of
/// affinity, <https://www.sqlite.org/datatype3.html#determination_of_column_affinity>.
fn kind_of_declared(declared: &str, meaning: Meaning) -> Kind {
    match meaning {
        Meaning::Boolean => return Kind::Boolean,
        Meaning::Json => return Kind::Json,
        Meaning::Temporal => return Kind::Temporal,
        Meaning::Plain => {}
    }
    let declared = declared.to_ascii_uppercase();
    let has = |parts: &[&str]| parts.iter().any(|part| declared.contains(part));
    if has(&["INT"]) {
        Kind::Integer
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        Kind::Text
    } else if has(&["BLOB"]) {
        Kind::Blob
    } else if has(&["REAL", "FLOA", "DOUB"]) {
        Kind::Real
    } else {
        Kind::Any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_mean_what_their_names_say() {
        assert_eq!(meaning_of("boolean"), Meaning::Boolean);
        assert_eq!(meaning_of("DATETIME(6)"), Meaning::Temporal);
        assert_eq!(meaning_of("timestamp with time zone"), Meaning::Temporal);
        assert_eq!(meaning_of("Json"), Meaning::Json);
        assert_eq!(meaning_of("VARCHAR(20)"), Meaning::Plain);
        assert_eq!(kind_of_declared("NVARCHAR(20)", Meaning::Plain), Kind::Text);
        assert_eq!(kind_of_declared("DECIMAL(10,2)", Meaning::Plain), Kind::Any);
    }
}
