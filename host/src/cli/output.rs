//! Writes to standard output, which is the protocol's while `serve` runs on it.

use std::io;
use std::io::Write;

use serde_json::Value;

/// Writes a text and a line break. A reader that has gone away, as in `tidegate tools | head`, is not an error.
pub(super) fn line(text: impl AsRef<str>) {
    let mut out = io::stdout().lock();
    // Nothing can be done about the other errors: there is nowhere to say so.
    let _ = out.write_all(text.as_ref().as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
}

/// Writes a JSON value, indented.
pub(super) fn json(value: &Value) {
    line(format!("{value:#}"));
}

/// Writes to standard error, where people look for what went wrong.
pub(super) fn error_line(text: impl AsRef<str>) {
    let mut out = io::stderr().lock();
    let _ = out.write_all(text.as_ref().as_bytes()).and_then(|()| out.write_all(b"\n"));
}

/// Writes to standard error without a line break: a question.
pub(super) fn error_part(text: impl AsRef<str>) {
    let mut out = io::stderr().lock();
    let _ = out.write_all(text.as_ref().as_bytes()).and_then(|()| out.flush());
}

/// Rows of cells in columns of the same width; the first row is the heading. Every line begins with `indent`.
pub(super) fn table(indent: &str, rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let write = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{indent}{}", cells.join("  ").trim_end())
    };
    rows.iter().map(write).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_its_columns_up() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(table("  ", &[row(["a", "b"]), row(["long", "c"])]), "  a     b\n  long  c");
    }
}
