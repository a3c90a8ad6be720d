//! What only the text of a `CREATE` statement tells: checks, names of keys, expressions of indexes, bodies.
//!
//! The text was taken by SQLite once, so it is only cut into tokens here and not parsed. What is not found is left out.

/// A token and where it stands.
#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    text: &'a str,
    start: usize,
    end: usize,
    /// Parentheses around it; those themselves count as outside.
    depth: usize,
}

impl Token<'_> {
    fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }
}

/// What the text of `CREATE TABLE` adds to what the pragmas tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TableText {
    /// Name, or nothing, and text of each `CHECK`.
    pub(super) checks: Vec<(String, String)>,
    /// Name, or nothing, of each foreign key in the order of the text.
    pub(super) foreign_keys: Vec<String>,
    /// Column and expression of each generated column.
    pub(super) generated: Vec<(String, String)>,
}

/// What the text of `CREATE INDEX` adds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct IndexText {
    /// Columns and expressions, without their order.
    pub(super) columns: Vec<String>,
    /// The condition of a partial index.
    pub(super) condition: Option<String>,
}

/// What the text of `CREATE TRIGGER` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TriggerText {
    /// When and on what, as in `BEFORE UPDATE OF a, b`.
    pub(super) event: String,
    /// What follows the table's name.
    pub(super) body: String,
}

/// Reads the text of a table.
pub(super) fn table(sql: &str) -> TableText {
    let tokens = tokens(sql);
    let mut text = TableText::default();
    for item in items(&tokens) {
        let mut name: Option<String> = None;
        let mut at = 0;
        while let Some(token) = item.get(at) {
            if token.depth == 1 {
                if token.is("CONSTRAINT") {
                    name = item.get(at + 1).map(|token| bare(token.text));
                    at += 1;
                } else if token.is("CHECK") {
                    if let Some((start, end)) = group(item, at + 1) {
                        text.checks.push((name.take().unwrap_or_default(), format!("CHECK {}", &sql[start..end])));
                    }
                } else if token.is("REFERENCES") {
                    text.foreign_keys.push(name.take().unwrap_or_default());
                } else if token.is("AS") && at > 0 {
                    if let (Some(first), Some((start, end))) = (item.first(), group(item, at + 1)) {
                        text.generated.push((bare(first.text), sql[start + 1..end - 1].trim().into()));
                    }
                } else if ["PRIMARY", "UNIQUE", "NOT", "DEFAULT", "COLLATE"].iter().any(|word| token.is(word)) {
                    name = None;
                }
            }
            at += 1;
        }
    }
    text
}

/// Reads the text of an index.
pub(super) fn index(sql: &str) -> IndexText {
    let tokens = tokens(sql);
    let Some(on) = tokens.iter().position(|token| token.depth == 0 && token.is("ON")) else { return IndexText::default() };
    let columns = items(&tokens[on..]).iter().map(|item| without_order(sql, item)).collect();
    let condition = tokens.iter().find(|token| token.depth == 0 && token.is("WHERE")).map(|token| sql[token.end..].trim().into());
    IndexText { columns, condition }
}

/// Reads the text of a trigger.
pub(super) fn trigger(sql: &str) -> TriggerText {
    let tokens = tokens(sql);
    let word = |word: &str, from: usize| tokens.iter().skip(from).position(|token| token.depth == 0 && token.is(word)).map(|at| at + from);
    let Some(keyword) = word("TRIGGER", 0) else { return TriggerText::default() };
    let mut name = keyword + 1;
    if tokens.get(name).is_some_and(|token| token.is("IF")) {
        name += 3;
    }
    if tokens.get(name + 1).is_some_and(|token| token.text == ".") {
        name += 2;
    }
    let (Some(name), Some(on)) = (tokens.get(name), word("ON", name + 1)) else { return TriggerText::default() };
    let event = sql[name.end..tokens[on].start].split_whitespace().collect::<Vec<_>>().join(" ");
    let timed = ["BEFORE", "AFTER", "INSTEAD"].iter().any(|time| event.to_ascii_uppercase().starts_with(time));
    let table = if tokens.get(on + 2).is_some_and(|token| token.text == ".") { on + 3 } else { on + 1 };
    TriggerText {
        event: if timed { event } else { format!("BEFORE {event}") },
        body: tokens.get(table).map_or("", |table| sql[table.end..].trim()).into(),
    }
}

/// The statement behind a view.
pub(super) fn view(sql: &str) -> String {
    let tokens = tokens(sql);
    let start = tokens.iter().find(|token| token.depth == 0 && token.is("AS")).map_or(0, |token| token.end);
    sql[start..].trim().into()
}

/// The parts between commas of the first parentheses, without those.
fn items<'a, 't>(tokens: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    let Some(open) = tokens.iter().position(|token| token.depth == 0 && token.text == "(") else { return Vec::new() };
    let inside = &tokens[open + 1..];
    let close = inside.iter().position(|token| token.depth == 0).unwrap_or(inside.len());
    inside[..close].split(|token| token.depth == 1 && token.text == ",").filter(|item| !item.is_empty()).collect()
}

/// From where to where the parentheses reach that open at `at`.
fn group(item: &[Token<'_>], at: usize) -> Option<(usize, usize)> {
    let open = item.get(at).filter(|token| token.text == "(")?;
    let close = item[at + 1..].iter().find(|token| token.depth == open.depth)?;
    Some((open.start, close.end))
}

/// A column of an index without `ASC`, `DESC` and `COLLATE`.
fn without_order(sql: &str, item: &[Token<'_>]) -> String {
    let ends = item.iter().position(|token| token.depth == 1 && ["ASC", "DESC", "COLLATE"].iter().any(|word| token.is(word)));
    let kept = &item[..ends.filter(|end| *end > 0).unwrap_or(item.len())];
    match kept {
        [only] => bare(only.text),
        [first, .., last] => sql[first.start..last.end].into(),
        [] => String::new(),
    }
}

/// A name without its quotes.
fn bare(name: &str) -> String {
    let inner = name.len().checked_sub(1).and_then(|end| name.get(1..end));
    match (name.as_bytes().first(), inner) {
        (Some(b'"'), Some(inner)) => inner.replace("\"\"", "\""),
        (Some(b'`'), Some(inner)) => inner.replace("``", "`"),
        (Some(b'\''), Some(inner)) => inner.replace("''", "'"),
        (Some(b'['), Some(inner)) => inner.into(),
        _ => name.into(),
    }
}

/// Cuts SQLite's SQL into tokens, blank space and comments left out.
fn tokens(sql: &str) -> Vec<Token<'_>> {
    let bytes = sql.as_bytes();
    let mut tokens = Vec::new();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        let start = at;
        at += match byte {
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'-' if rest.starts_with(b"--") => {
                at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                continue;
            }
            b'/' if rest.starts_with(b"/*") => {
                at += rest.windows(2).skip(2).position(|pair| pair == b"*/").map_or(rest.len(), |found| found + 4);
                continue;
            }
            b'\'' | b'"' | b'`' => quoted(rest, byte),
            b'[' => rest.iter().position(|byte| *byte == b']').map_or(rest.len(), |found| found + 1),
            byte if is_word(byte) => rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len()),
            _ => 1,
        };
        if byte == b')' {
            depth = depth.saturating_sub(1);
        }
        tokens.push(Token { text: &sql[start..at], start, end: at, depth });
        if byte == b'(' {
            depth += 1;
        }
    }
    tokens
}

/// Bytes of a quoted text with its quotes; a doubled quote belongs to it.
fn quoted(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte == quote {
            if bytes.get(at) != Some(&quote) {
                return at;
            }
            at += 1;
        }
    }
    bytes.len()
}

/// Letters, digits, `_`, `$` and everything beyond ASCII.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_names_and_generated_columns_are_found_in_the_text_of_a_table() {
        let text = table(
            "CREATE TABLE \"t(\" ( id INTEGER PRIMARY KEY /* CHECK (no) */, [a,b] TEXT DEFAULT ('CHECK (x)') CHECK (length([a,b]) > (1)),
             price REAL CONSTRAINT positive CHECK(price > 0), -- REFERENCES nothing
             owner INT CONSTRAINT owned REFERENCES p, gross REAL GENERATED ALWAYS AS (price * 1.2) STORED,
             CONSTRAINT pair FOREIGN KEY (a, b) REFERENCES q (x, y), CONSTRAINT \"un\"\"ique\" UNIQUE (price), CHECK (id <> 3)) STRICT",
        );
        assert_eq!(
            text,
            TableText {
                checks: vec![
                    (String::new(), "CHECK (length([a,b]) > (1))".into()),
                    ("positive".into(), "CHECK (price > 0)".into()),
                    (String::new(), "CHECK (id <> 3)".into()),
                ],
                foreign_keys: vec!["owned".into(), "pair".into()],
                generated: vec![("gross".into(), "price * 1.2".into())],
            }
        );
    }

    #[test]
    fn indexes_triggers_and_views_are_cut_where_they_should_be() {
        let text = index("CREATE UNIQUE INDEX i ON t (lower(name) COLLATE nocase DESC, \"b c\" ASC, a + b) WHERE a > 0");
        assert_eq!(text.columns, ["lower(name)", "b c", "a + b"]);
        assert_eq!(text.condition.as_deref(), Some("a > 0"));
        let text = trigger("CREATE TRIGGER IF NOT EXISTS main.g UPDATE OF a,\n b ON main.t WHEN new.a > 0 BEGIN SELECT 1; END");
        assert_eq!((text.event.as_str(), text.body.as_str()), ("BEFORE UPDATE OF a, b", "WHEN new.a > 0 BEGIN SELECT 1; END"));
        assert_eq!(trigger("CREATE TRIGGER g AFTER DELETE ON t BEGIN SELECT 1; END").event, "AFTER DELETE");
        assert_eq!(view("CREATE VIEW v(\"as\") AS\nSELECT 1 AS x"), "SELECT 1 AS x");
    }

    #[test]
    fn broken_text_does_no_harm() {
        for sql in
            ["", "(", ")", "CREATE TABLE t (a CHECK", "CREATE TABLE t ('", "CREATE INDEX i ON", "/*", "CREATE TRIGGER", "[", "\"", "ä(ö"]
        {
            let _ = (table(sql), index(sql), trigger(sql), view(sql));
        }
    }
}
