//! Counts the statements of a text: one passes, and what stands between `BEGIN` and `END` belongs to it.
//!
//! One driver runs every statement of a text and another negotiates several by default, so the count is ours.

use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use super::lexer::Token;
use super::lexer::TokenKind;
use crate::config::EngineKind;

/// The tokens of the one statement, without semicolons before and after it.
///
/// # Errors
///
/// `MultipleStatements` when there is none, when there is more than one, or when a body with semicolons is not certain to be one.
pub(super) fn single<'t, 'a>(tokens: &'t [Token<'a>], engine: EngineKind) -> Result<&'t [Token<'a>], DatabaseError> {
    let is_content = |token: &Token<'_>| !token.is_symbol(';');
    let Some(first) = tokens.iter().position(is_content) else {
        return Err(DatabaseError::new(ErrorKind::MultipleStatements, "there is no statement").hint("write one SQL statement"));
    };
    let last = tokens.iter().rposition(is_content).map_or(tokens.len(), |last| last + 1);
    let statement = &tokens[first..last];
    if statement.iter().all(is_content) || is_compound(statement, engine) {
        return Ok(statement);
    }
    Err(DatabaseError::new(ErrorKind::MultipleStatements, "there is more than one statement")
        .hint("send one statement at a time, or several with `execute_batch`"))
}

/// Whether all of `statement` is one definition whose body holds the semicolons.
fn is_compound(statement: &[Token<'_>], engine: EngineKind) -> bool {
    let defines = |what: &[&str]| statement[0].is("CREATE") && statement.iter().take(24).any(|token| token.is_any(what));
    match engine {
        EngineKind::Sqlite => is_sqlite_trigger(statement),
        EngineKind::Postgres if defines(&["FUNCTION", "PROCEDURE"]) => is_atomic_body(statement),
        EngineKind::Postgres if defines(&["RULE"]) => is_rule(statement),
        EngineKind::MySql if defines(&["FUNCTION", "PROCEDURE", "TRIGGER", "EVENT"]) => is_mysql_body(statement),
        EngineKind::Postgres | EngineKind::MySql => false,
    }
}

/// `CREATE TRIGGER … BEGIN …; END`. `CASE` cannot be a name there, so the `END` that closes no `CASE` closes the body.
fn is_sqlite_trigger(statement: &[Token<'_>]) -> bool {
    let named = if statement.get(1).is_some_and(|token| token.is_any(&["TEMP", "TEMPORARY"])) { 2 } else { 1 };
    statement[0].is("CREATE") && statement.get(named).is_some_and(|token| token.is("TRIGGER")) && {
        let begin = statement.iter().position(|token| token.is("BEGIN")).unwrap_or(statement.len());
        !statement[..begin].iter().any(|token| token.is_symbol(';')) && body_ends_last(&statement[begin..], &["BEGIN"])
    }
}

/// `CREATE FUNCTION … BEGIN ATOMIC …; END`. `CASE` and `END` are reserved in PostgreSQL.
fn is_atomic_body(statement: &[Token<'_>]) -> bool {
    let begin = statement.windows(2).position(|pair| pair[0].is("BEGIN") && pair[1].is("ATOMIC")).unwrap_or(statement.len());
    !statement[..begin].iter().any(|token| token.is_symbol(';')) && body_ends_last(&statement[begin..], &["ATOMIC"])
}

/// Whether the body that begins with the first token ends with the last one, and `never_again` comes once at most.
fn body_ends_last(body: &[Token<'_>], never_again: &[&str]) -> bool {
    let mut cases = 0_u32;
    let mut opened = 0_u32;
    for (index, token) in body.iter().enumerate() {
        let is_label = index > 0 && body[index - 1].is("AS");
        if token.is_any(never_again) {
            opened += 1;
        } else if token.is("CASE") && !is_label {
            cases += 1;
        } else if token.is("END") && !is_label {
            match cases.checked_sub(1) {
                Some(fewer) => cases = fewer,
                None => return opened == 1 && index + 1 == body.len(),
            }
        }
    }
    false
}

/// `CREATE RULE … DO (…; …)`: every semicolon is in parentheses.
fn is_rule(statement: &[Token<'_>]) -> bool {
    let mut depth = 0_u32;
    for token in statement {
        match token {
            token if token.is_symbol('(') => depth += 1,
            token if token.is_symbol(')') => depth = depth.saturating_sub(1),
            token if token.is_symbol(';') && depth == 0 => return false,
            _ => {}
        }
    }
    depth == 0
}

/// A routine, trigger or event of MySQL with a body in `BEGIN … END`.
///
/// `BEGIN` may be a name there, so it opens a block only where a statement begins; anywhere else the answer is no.
fn is_mysql_body(statement: &[Token<'_>]) -> bool {
    const BEFORE_A_STATEMENT: [&str; 6] = ["THEN", "ELSE", "DO", "LOOP", "REPEAT", "BEGIN"];
    const CLOSED_BY_NAME: [&str; 5] = ["IF", "LOOP", "REPEAT", "WHILE", "FOR"];
    let mut open: Vec<&str> = Vec::new();
    let mut statement_start = 0;
    let mut index = 0;
    let mut has_body = false;
    while let Some(token) = statement.get(index) {
        let next = statement.get(index + 1);
        if token.is_symbol(';') {
            if open.is_empty() {
                return false;
            }
            statement_start = index + 1;
        } else if token.is("BEGIN") {
            let before = &statement[index.saturating_sub(1)];
            let in_handler =
                has_body && statement[statement_start].is("DECLARE") && statement[statement_start..index].iter().any(|t| t.is("HANDLER"));
            let begins = !has_body || before.is_symbol(';') || before.is_symbol(':') || before.is_any(&BEFORE_A_STATEMENT) || in_handler;
            if !begins {
                return false;
            }
            has_body = true;
            open.push("BEGIN");
            statement_start = index + 1;
        } else if token.is("CASE") && has_body {
            open.push("CASE");
        } else if token.is("END") && has_body {
            match next {
                Some(next) if next.is_any(&CLOSED_BY_NAME) => index += 1,
                Some(next) if next.is("CASE") && open.last() == Some(&"CASE") => {
                    open.pop();
                    index += 1;
                }
                _ => {
                    if open.pop().is_none() {
                        return false;
                    }
                    if open.is_empty() {
                        let rest = &statement[index + 1..];
                        return rest.is_empty() || (rest.len() == 1 && matches!(rest[0].kind, TokenKind::Word | TokenKind::Quoted));
                    }
                }
            }
        }
        index += 1;
    }
    false
}
