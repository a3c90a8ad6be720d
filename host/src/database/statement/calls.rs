//! Finds the function calls among the tokens: a name followed by `(`, wherever that is not a list of columns.

use super::lexer::Token;
use super::lexer::TokenKind;
use crate::config::EngineKind;

/// Keywords that may stand before `(` without being called, in any of the dialects.
#[rustfmt::skip]
const SYNTAX: &[&str] = &[
    "ALL",
    "ALWAYS",
    "ANALYSE",
    "ANALYZE",
    "AND",
    "ANY",
    "ARRAY",
    "AS",
    "ASC",
    "BEGIN",
    "BETWEEN",
    "BINARY",
    "BY",
    "CALL",
    "CASE",
    "CHECK",
    "COLLATE",
    "COLUMNS",
    "CONFLICT",
    "CROSS",
    "CUBE",
    "CYCLE",
    "DEFAULT",
    "DELETE",
    "DESC",
    "DISTINCT",
    "DISTINCTROW",
    "DIV",
    "DO",
    "ELSE",
    "ELSEIF",
    "END",
    "ERROR",
    "ESCAPE",
    "EXCEPT",
    "EXCLUDE",
    "EXISTS",
    "EXPLAIN",
    "FETCH",
    "FILTER",
    "FIRST",
    "FOLLOWING",
    "FOR",
    "FORCE",
    "FROM",
    "FULL",
    "GLOB",
    "GROUP",
    "GROUPING",
    "HAVING",
    "HIGH_PRIORITY",
    "IGNORE",
    "ILIKE",
    "IN",
    "INCLUDE",
    "INDEX",
    "INDEXED",
    "INNER",
    "INTERSECT",
    "INTO",
    "IS",
    "ISNULL",
    "JOIN",
    "KEY",
    "LATERAL",
    "LAST",
    "LIKE",
    "LIMIT",
    "MATCH",
    "MATERIALIZED",
    "MEMBER",
    "MINUS",
    "NATURAL",
    "NESTED",
    "NEXT",
    "NOT",
    "NOTNULL",
    "NULL",
    "NULLS",
    "OF",
    "OFFSET",
    "ON",
    "ONLY",
    "OPERATOR",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "OVERLAPS",
    "PARTITION",
    "PASSING",
    "PERIOD",
    "PRECEDING",
    "PRIOR",
    "QUALIFY",
    "RANGE",
    "RECURSIVE",
    "REGEXP",
    "RETURNING",
    "RLIKE",
    "ROLLUP",
    "ROW",
    "ROWS",
    "SELECT",
    "SEPARATOR",
    "SET",
    "SETS",
    "SIMILAR",
    "SOME",
    "SOUNDS",
    "SQL_BIG_RESULT",
    "SQL_BUFFER_RESULT",
    "SQL_CACHE",
    "SQL_CALC_FOUND_ROWS",
    "SQL_NO_CACHE",
    "SQL_SMALL_RESULT",
    "STRAIGHT_JOIN",
    "SYMMETRIC",
    "TABLE",
    "TABLESAMPLE",
    "THEN",
    "TO",
    "UNION",
    "UNIQUE",
    "UNKNOWN",
    "UPDATE",
    "USE",
    "USING",
    "VALUES",
    "VARIADIC",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
    "WITHIN",
    "WITHOUT",
    "XOR",
    "ZONE",
];

/// Keywords before a name that make what follows a list of columns or a definition.
const DEFINES: &[&str] = &["AS", "INTO", "TABLE", "VIEW", "FUNCTION", "PROCEDURE", "AGGREGATE", "ROUTINE", "REFERENCES", "EXISTS", "CALL"];

/// A call of a function.
#[derive(Debug)]
pub(super) struct Call<'t, 'a> {
    /// The parts of its name, the schema first.
    pub(super) parts: Vec<&'t Token<'a>>,
    /// Whether it may as well be the name of a table with a list of its columns.
    pub(super) may_be_alias: bool,
}

impl Call<'_, '_> {
    /// Its last part in lower case, `pg_catalog` and other schemas left out.
    pub(super) fn name(&self) -> String {
        self.parts.last().map(|part| part.text.to_ascii_lowercase()).unwrap_or_default()
    }

    /// Its name with its schema, as SQL would have it: parts without quotes in lower case, others as they are, in quotes where needed.
    pub(super) fn full_name(&self, engine: EngineKind) -> String {
        let parts: Vec<(&str, bool)> = self.parts.iter().map(|part| (&*part.text, part.kind != TokenKind::Word)).collect();
        full_name(&parts, engine)
    }
}

/// A name of parts, each with whether it stands in quotes, as SQL would have it. See [`Call::full_name`].
pub(super) fn full_name(parts: &[(&str, bool)], engine: EngineKind) -> String {
    let parts = match parts {
        [(schema, _), rest @ ..] if engine == EngineKind::Postgres && !rest.is_empty() && schema.eq_ignore_ascii_case("pg_catalog") => rest,
        parts => parts,
    };
    parts.iter().map(|(part, quoted)| identifier(part, *quoted)).collect::<Vec<_>>().join(".")
}

fn identifier(part: &str, quoted: bool) -> String {
    let folded = if quoted { part.to_owned() } else { part.to_ascii_lowercase() };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$' || !c.is_ascii();
    let starts_plain = folded.starts_with(|c: char| plain(c) && !c.is_ascii_digit() && c != '$');
    if starts_plain && folded.chars().all(plain) { folded } else { format!("\"{}\"", folded.replace('"', "\"\"")) }
}

/// The call whose `(` is at `open`, if it is one. `partners` gives the other parenthesis of each.
pub(super) fn call_at<'t, 'a>(tokens: &'t [Token<'a>], partners: &[usize], open: usize) -> Option<Call<'t, 'a>> {
    let name = open.checked_sub(1)?;
    if !tokens[open].is_symbol('(') || !tokens[name].is_name() || tokens[name].is_any(SYNTAX) {
        return None;
    }
    let mut first = name;
    while first >= 2 && tokens[first - 1].is_symbol('.') && tokens[first - 2].is_name() {
        first -= 2;
    }
    let before = first.checked_sub(1).map(|index| &tokens[index]);
    let is_type = first >= 2 && tokens[first - 1].is_symbol(':') && tokens[first - 2].is_symbol(':');
    if is_type || before.is_some_and(|before| before.is_any(DEFINES)) || is_common_table(tokens, partners, first, open) {
        return None;
    }
    let parts = tokens[first..=name].iter().step_by(2).collect();
    Some(Call { parts, may_be_alias: may_be_alias(tokens, partners, first, open) })
}

/// Whether `name (a, b) AS (SELECT …` of a `WITH` begins at `first`.
fn is_common_table(tokens: &[Token<'_>], partners: &[usize], first: usize, open: usize) -> bool {
    let Some(before) = first.checked_sub(1).map(|index| &tokens[index]) else { return false };
    if !(before.is_symbol(',') || before.is_any(&["WITH", "RECURSIVE"])) || !lists_only_names(tokens, partners, open) {
        return false;
    }
    let mut rest = tokens[(partners[open] + 1).min(tokens.len())..].iter().skip_while(|token| token.is_any(&["NOT", "MATERIALIZED"]));
    let is_as = rest.next().is_some_and(|token| token.is("AS"));
    let mut rest = rest.skip_while(|token| token.is_any(&["NOT", "MATERIALIZED"]));
    let is_open = rest.next().is_some_and(|token| token.is_symbol('('));
    let is_body = |token: &Token<'_>| {
        token.is_symbol('(') || token.is_any(&["SELECT", "VALUES", "TABLE", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE"])
    };
    is_as && is_open && rest.next().is_some_and(is_body)
}

/// Whether `(…)` holds nothing but names and commas.
fn lists_only_names(tokens: &[Token<'_>], partners: &[usize], open: usize) -> bool {
    let inner = &tokens[open + 1..partners[open].min(tokens.len())];
    !inner.is_empty() && inner.iter().enumerate().all(|(index, token)| if index % 2 == 0 { token.is_name() } else { token.is_symbol(',') })
}

/// Whether `name (a, b)` stands where a table gets another name: after a subquery or a table of a `FROM`.
fn may_be_alias(tokens: &[Token<'_>], partners: &[usize], first: usize, open: usize) -> bool {
    if !lists_only_names(tokens, partners, open) {
        return false;
    }
    let Some(before) = first.checked_sub(1).map(|index| &tokens[index]) else { return false };
    if before.is_symbol(')') {
        let opened = partners[first - 1];
        return opened < first && (opened == 0 || !tokens[opened - 1].is("ON"));
    }
    if before.is("ORDINALITY") {
        return true;
    }
    let mut table = first - 1;
    while table >= 2 && tokens[table - 1].is_symbol('.') && tokens[table - 2].is_name() {
        table -= 2;
    }
    before.is_name() && !before.is_any(SYNTAX) && table > 0 && tokens[table - 1].is_any(&["FROM", "JOIN"])
}
