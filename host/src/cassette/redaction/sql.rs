//! The little that redaction has to know of a statement's text: its words, its literals, and whether it may give columns other
//! names. Where it is in doubt it says yes.

use std::collections::BTreeSet;

/// Words that can bring the columns of `*` under other names.
const RENAMING: [&str; 7] = ["with", "union", "intersect", "except", "minus", "pivot", "row"];

/// Every word of a statement in lower case, also those in quotes and literals.
pub(super) fn words(sql: &str) -> BTreeSet<String> {
    let split = sql.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
    split.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// Whether `*` may come out under names that are not those of the columns: beside set operations, common tables, and lists of
/// names after a table.
pub(super) fn may_rename(sql: &str) -> bool {
    let plain = sql.to_lowercase().replace("count(*)", "");
    let known = words(&plain);
    let star = plain.contains('*') || known.contains("table");
    // `U&"\0065mail"` is a name that nobody sees.
    plain.contains("u&\"") || star && (plain.contains('(') || RENAMING.iter().any(|word| known.contains(*word)))
}

/// Whether its literals may be written in ways that differ from engine to engine. Then its text is not taken apart.
pub(super) fn has_foreign_quotes(sql: &str) -> bool {
    let dollar = sql.match_indices('$').any(|(at, _)| !sql[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
    dollar || sql.contains(['\\', '"'])
}

/// The text with `mark` in place of its literals, and those.
pub(super) fn without_literals(sql: &str, mark: &str) -> (String, Vec<String>) {
    let (mut text, mut literals) = (String::with_capacity(sql.len()), Vec::new());
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => quoted(rest),
            c if c.is_ascii_digit() => rest.find(|c: char| !(c.is_alphanumeric() || c == '.' || c == '_')).unwrap_or(rest.len()),
            // A word, with the digits in it, and the number of a parameter.
            c if c.is_alphanumeric() || c == '_' || c == '$' || c == '?' || c == '@' || c == ':' => {
                let length = rest[c.len_utf8()..].find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
                let length = length.map_or(rest.len(), |length| length + c.len_utf8());
                text.push_str(&rest[..length]);
                rest = &rest[length..];
                continue;
            }
            c => {
                text.push(c);
                rest = &rest[c.len_utf8()..];
                continue;
            }
        };
        let literal = &rest[..length];
        let inner = literal.strip_prefix('\'').map(|inner| inner.strip_suffix('\'').unwrap_or(inner).replace("''", "'"));
        match &inner {
            Some(_) => text.push_str(&format!("'{mark}'")),
            None => text.push_str(mark),
        }
        literals.push(inner.unwrap_or_else(|| literal.to_owned()));
        rest = &rest[length..];
    }
    (text, literals)
}

/// Bytes of the literal that a text begins with, its quotes included.
fn quoted(text: &str) -> usize {
    let mut at = 1;
    while let Some(end) = text[at..].find('\'') {
        at += end + 1;
        if !text[at..].starts_with('\'') {
            return at;
        }
        at += 1;
    }
    text.len()
}
