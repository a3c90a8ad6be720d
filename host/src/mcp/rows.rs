//! Writes the rows of an answer, once, in the form that the plugin asked for.
//!
//! The engines wrote every row as JSON already; the usual form copies those bytes and parses nothing. Values are data of
//! whoever filled the database: they go out as JSON strings or escaped cells, never as prose, and the block that holds
//! them is marked with `_meta`.

use std::borrow::Cow;
use std::fmt::Write;

use rmcp::model::ContentBlock;
use rmcp::model::MetaObject;
use rmcp::model::TextContent;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::runtime::answer::RowFormat;
use crate::runtime::answer::RowOutput;

/// The key in `_meta` of a block that holds values from a database: data, not instructions.
pub(super) const DATA_KEY: &str = "tidegate/untrusted-data";

/// Rows as a client reads them.
#[derive(Debug)]
pub(super) struct WrittenRows {
    /// For the text of the answer.
    pub block: ContentBlock,
    /// For the structured content, when the plugin asked for that.
    pub structured: Option<Value>,
}

/// Writes `output` in its format.
pub(super) fn write(output: &RowOutput) -> WrittenRows {
    match output.format {
        RowFormat::Auto => WrittenRows { block: data_block(json(output)), structured: None },
        RowFormat::Json => {
            let json = json(output);
            match serde_json::from_str(&json) {
                Ok(structured) => WrittenRows {
                    block: ContentBlock::text(format!("{} in `structuredContent`", summary(output))),
                    structured: Some(structured),
                },
                // A document in the database may hold what JSON allows and no reader has to take, as 1e400: the text carries the rows.
                Err(_) => WrittenRows { block: data_block(json), structured: None },
            }
        }
        RowFormat::Tsv => WrittenRows { block: data_block(tsv(output)), structured: None },
        RowFormat::Markdown => WrittenRows { block: data_block(markdown(output)), structured: None },
    }
}

/// A text block that is marked as data.
fn data_block(text: String) -> ContentBlock {
    let mut meta = MetaObject::new();
    meta.insert(DATA_KEY.to_owned(), Value::Bool(true));
    ContentBlock::Text(TextContent::new(text).with_meta(meta))
}

/// `{"columns":[…],"types":[…],"rows":[[…]],"row_count":n,"truncated":bool}`, with `next` when a call continues.
fn json(output: &RowOutput) -> String {
    let rows = &output.rows;
    let names: usize = rows.columns().iter().map(|column| column.name.len() + column.type_name.len() + 6).sum();
    let cells: usize = rows.rows_json().map(|row| row.len() + 1).sum();
    let mut json = Vec::with_capacity(names + cells + 192);
    json.extend_from_slice(b"{\"columns\":");
    string_array(&mut json, rows.columns().iter().map(|column| column.name.as_str()));
    json.extend_from_slice(b",\"types\":");
    string_array(&mut json, rows.columns().iter().map(|column| column.type_name.as_str()));
    json.extend_from_slice(b",\"rows\":[");
    for (index, row) in rows.rows_json().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        json.extend_from_slice(row);
    }
    json.extend_from_slice(b"],\"row_count\":");
    json.extend_from_slice(rows.len().to_string().as_bytes());
    json.extend_from_slice(if rows.truncated() { b",\"truncated\":true" } else { b",\"truncated\":false" });
    if let Some((tool, cursor)) = &output.next {
        json.extend_from_slice(b",\"next\":{\"tool\":");
        string(&mut json, tool);
        json.extend_from_slice(b",\"arguments\":{\"cursor\":");
        string(&mut json, cursor);
        json.extend_from_slice(b"}}");
    }
    json.push(b'}');
    // The rows were written from `str`s; a byte that is no UTF-8 could only be a fault of ours, and is shown as one.
    String::from_utf8(json).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn string_array<'a>(json: &mut Vec<u8>, items: impl Iterator<Item = &'a str>) {
    json.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            json.push(b',');
        }
        string(json, item);
    }
    json.push(b']');
}

fn string(json: &mut Vec<u8>, text: &str) {
    // Writing to a `Vec` cannot fail.
    let _ = serde_json::to_writer(json, text);
}

/// Tab-separated values: a line of names, a line per row, `\N` for NULL, and `\t`, `\n`, `\r`, `\\` escaped, as in
/// PostgreSQL's text form of COPY. The last line begins with `#` and tells the count.
fn tsv(output: &RowOutput) -> String {
    let mut text = String::new();
    join(&mut text, "\t", output.rows.columns().iter().map(|column| tsv_escape(&column.name)));
    text.push('\n');
    for row in output.rows.rows_json() {
        join(
            &mut text,
            "\t",
            cells(row).into_iter().map(|cell| match cell {
                Cell::Null => Cow::Borrowed("\\N"),
                Cell::Text(text) => Cow::Owned(tsv_escape(&text).into_owned()),
                Cell::Other(json) => Cow::Owned(tsv_escape(json).into_owned()),
            }),
        );
        text.push('\n');
    }
    let _ = write!(text, "# {}", closing_line(output));
    text
}

fn tsv_escape(text: &str) -> Cow<'_, str> {
    escape(text, |c| match c {
        '\\' => Some("\\\\"),
        '\t' => Some("\\t"),
        '\n' => Some("\\n"),
        '\r' => Some("\\r"),
        _ => None,
    })
}

/// A Markdown table. A cell stays one line and one cell: `|`, `\` and line breaks are escaped.
fn markdown(output: &RowOutput) -> String {
    let columns = output.rows.columns();
    let mut text = String::from("| ");
    join(&mut text, " | ", columns.iter().map(|column| markdown_escape(&column.name)));
    text.push_str(" |\n|");
    for _ in columns {
        text.push_str(" --- |");
    }
    text.push('\n');
    for row in output.rows.rows_json() {
        text.push_str("| ");
        join(
            &mut text,
            " | ",
            cells(row).into_iter().map(|cell| match cell {
                Cell::Null => Cow::Borrowed("NULL"),
                Cell::Text(text) => Cow::Owned(markdown_escape(&text).into_owned()),
                Cell::Other(json) => Cow::Owned(markdown_escape(json).into_owned()),
            }),
        );
        text.push_str(" |\n");
    }
    text.push('\n');
    text.push_str(&closing_line(output));
    text
}

fn markdown_escape(text: &str) -> Cow<'_, str> {
    escape(text, |c| match c {
        '|' => Some("\\|"),
        '\\' => Some("\\\\"),
        '`' => Some("\\`"),
        '<' => Some("&lt;"),
        '\n' => Some("<br>"),
        '\r' => Some(""),
        _ => None,
    })
}

/// Replaces the characters for which `replace` has something else.
fn escape(text: &str, replace: impl Fn(char) -> Option<&'static str>) -> Cow<'_, str> {
    if !text.chars().any(|c| replace(c).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match replace(c) {
            Some(other) => escaped.push_str(other),
            None => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// A cell as a table shows it.
enum Cell<'a> {
    Null,
    Text(Cow<'a, str>),
    /// Numbers, truth values, documents: their JSON.
    Other(&'a str),
}

/// The cells of a row that was written as a JSON array.
fn cells(row: &[u8]) -> Vec<Cell<'_>> {
    let cells: Vec<&RawValue> = serde_json::from_slice(row).unwrap_or_default();
    cells
        .into_iter()
        .map(|cell| match cell.get() {
            "null" => Cell::Null,
            json if json.starts_with('"') => Cell::Text(unquote(json)),
            json => Cell::Other(json),
        })
        .collect()
}

/// The text of a JSON string; borrowed when it has no escapes.
fn unquote(json: &str) -> Cow<'_, str> {
    if json.contains('\\') {
        return Cow::Owned(serde_json::from_str(json).unwrap_or_else(|_| json.to_owned()));
    }
    Cow::Borrowed(json.trim_matches('"'))
}

fn join<'a>(text: &mut String, between: &str, parts: impl Iterator<Item = Cow<'a, str>>) {
    for (index, part) in parts.enumerate() {
        if index > 0 {
            text.push_str(between);
        }
        text.push_str(&part);
    }
}

/// How many rows these are.
fn summary(output: &RowOutput) -> String {
    let count = output.rows.len();
    let rows = if count == 1 { "row" } else { "rows" };
    if output.rows.truncated() { format!("the first {count} {rows}, more follow,") } else { format!("{count} {rows}") }
}

/// How many rows these are, and the call that continues.
fn closing_line(output: &RowOutput) -> String {
    let count = output.rows.len();
    let rows = if count == 1 { "row" } else { "rows" };
    match &output.next {
        Some((tool, cursor)) => {
            let mut quoted = Vec::new();
            string(&mut quoted, cursor);
            let quoted = String::from_utf8_lossy(&quoted).into_owned();
            format!("{count} {rows}, more follow: call `{tool}` with {{\"cursor\":{quoted}}}")
        }
        None if output.rows.truncated() => format!("{count} {rows}, cut at the limit"),
        None => format!("{count} {rows}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::rows::Column;
    use crate::database::rows::Flow;
    use crate::database::rows::Kind;
    use crate::database::rows::RowLimits;
    use crate::database::rows::RowSet;
    use crate::database::rows::RowWriter;

    fn column(name: &str, type_name: &str) -> Column {
        Column { name: name.into(), type_name: type_name.into(), kind: Kind::Any }
    }

    fn rows(complete: bool) -> RowSet {
        let columns = vec![column("id", "int4"), column("na|me", "text"), column("note", "json")];
        let mut writer = RowWriter::new(columns, RowLimits { rows: 10, bytes: 1000 });
        writer.start_row();
        writer.integer(1);
        writer.text("a\tb \"c\"\n| <b>");
        writer.null();
        assert_eq!(writer.end_row(), Flow::More);
        writer.start_row();
        writer.integer(2);
        writer.text("plain");
        writer.json(r#"{"a":[1]}"#);
        assert_eq!(writer.end_row(), Flow::More);
        writer.finish(complete).unwrap()
    }

    fn output(format: RowFormat, next: bool) -> RowOutput {
        RowOutput { rows: rows(!next), format, next: next.then(|| ("fetch_rows".into(), "c_1".into())) }
    }

    fn text(written: &WrittenRows) -> &str {
        &written.block.as_text().unwrap().text
    }

    #[test]
    fn rows_go_out_once_as_columns_and_arrays() {
        let written = write(&output(RowFormat::Auto, true));
        assert_eq!(
            text(&written),
            r#"{"columns":["id","na|me","note"],"types":["int4","text","json"],"rows":[[1,"a\tb \"c\"\n| <b>",null],[2,"plain",{"a":[1]}]],"row_count":2,"truncated":true,"next":{"tool":"fetch_rows","arguments":{"cursor":"c_1"}}}"#
        );
        assert!(written.structured.is_none());
        assert_eq!(written.block.as_text().unwrap().meta.as_ref().unwrap()[DATA_KEY], true);
    }

    #[test]
    fn a_whole_result_has_no_next() {
        let written = write(&output(RowFormat::Auto, false));
        assert!(text(&written).ends_with(r#""row_count":2,"truncated":false}"#));
    }

    #[test]
    fn rows_as_json_are_structured_content() {
        let written = write(&output(RowFormat::Json, false));
        assert_eq!(text(&written), "2 rows in `structuredContent`");
        assert_eq!(written.structured.unwrap()["rows"][1][2]["a"][0], 1);
    }

    #[test]
    fn rows_that_no_reader_has_to_hold_are_in_the_text() {
        for document in ["[1e400]", r#"{"half": "\ud800"}"#] {
            let mut writer = RowWriter::new(vec![column("note", "json")], RowLimits { rows: 10, bytes: 1000 });
            writer.start_row();
            writer.json(document);
            assert_eq!(writer.end_row(), Flow::More);
            let rows = writer.finish(true).unwrap();
            let written = write(&RowOutput { rows, format: RowFormat::Json, next: None });
            assert!(written.structured.is_none() && text(&written).contains(&format!("[[{document}]]")), "{written:?}");
        }
    }

    #[test]
    fn tsv_keeps_a_cell_a_cell() {
        let written = write(&output(RowFormat::Tsv, true));
        assert_eq!(
            text(&written),
            "id\tna|me\tnote\n1\ta\\tb \"c\"\\n| <b>\t\\N\n2\tplain\t{\"a\":[1]}\n# 2 rows, more follow: call `fetch_rows` with {\"cursor\":\"c_1\"}"
        );
    }

    #[test]
    fn markdown_keeps_a_cell_a_cell() {
        let written = write(&output(RowFormat::Markdown, false));
        assert_eq!(
            text(&written),
            "| id | na\\|me | note |\n| --- | --- | --- |\n| 1 | a\tb \"c\"<br>\\| &lt;b> | NULL |\n| 2 | plain | {\"a\":[1]} |\n\n2 rows"
        );
    }

    #[test]
    fn a_cut_result_without_a_cursor_says_so() {
        let output = RowOutput { rows: rows(false), format: RowFormat::Tsv, next: None };
        assert!(text(&write(&output)).ends_with("# 2 rows, cut at the limit"));
    }
}
