//! One statement, judged before anything runs: what it does, and on which tables.
//!
//! The text is split into tokens as the engine would (`lexer`), counted (`single`) and judged by its tokens
//! (`gate`). A parser then looks at it too (`ast`); the more dangerous of the two verdicts holds, and where the
//! parser's grammar has a gap, the tokens decide alone.

mod ast;
mod builtin;
mod cache;
mod calls;
mod comment;
mod destructive;
mod functions;
mod gate;
mod lexer;
pub mod normalised;
mod parser;
mod pragma;
mod settings;
mod single;
mod tables;
#[cfg(test)]
mod tests;
pub(super) mod varying;
mod verbs;
mod verdict;
pub(super) mod words;

use super::error::DatabaseError;
use super::error::ErrorKind;
use crate::config::EngineKind;

/// The longest text of a statement, in bytes. Values belong into parameters.
pub const MAXIMUM_TEXT_BYTES: usize = 128 * 1024;

/// What a statement does. Mirrors `database-read.statement-kind` of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementKind {
    /// Reads only.
    Read,
    /// Changes rows, or has another side effect.
    Write,
    /// Changes schema, roles or settings.
    Admin,
    /// Begins or ends a transaction.
    Transaction,
    /// What no plugin may run.
    Forbidden,
}

/// One statement of one dialect whose text was judged.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The text as it will run: from its first keyword on, without a trailing semicolon or comment.
    pub text: String,
    /// The dialect it was judged in.
    pub engine: EngineKind,
    /// What it does.
    pub kind: StatementKind,
    /// Its leading keyword in upper case.
    pub verb: String,
    /// Tables and views it names, as written but without quotes, sorted; empty when they cannot be told.
    pub tables: Vec<String>,
    /// Why a reading run of it is refused, when `kind` is not `Read`: what was found in it.
    pub reason: Option<String>,
    /// Functions that a reading or writing statement calls and that are not built in, sorted; the engine's volatility decides on
    /// them. Lower case, with the schema when it is written; a part that needs quotes has them (`public."My func"`).
    pub functions: Vec<String>,
    /// Why it has to be asked about before it runs, in words: it changes every row of a table, drops or empties something.
    pub destructive: Option<String>,
    /// Whether the text is certain to leave no trace in the session, so that it may run without a wrapping transaction.
    ///
    /// That is as far as a text tells: what a view calls is not seen in it. The engines look at the tables before they rely on it.
    pub traceless: bool,
}

/// The names of all functions that are taken for built in, sorted; a user may have made one of the same name.
pub(super) fn builtin_functions(engine: EngineKind) -> Vec<&'static str> {
    builtin::names(engine)
}

/// What `table`, one of [`Statement::tables`], may be called without its schema, in lower case. A name may have points itself,
/// so whatever follows one counts.
pub(super) fn possible_names(table: &str) -> impl Iterator<Item = String> {
    let after_points = table.match_indices('.').map(|(at, _)| &table[at + 1..]);
    std::iter::once(table).chain(after_points).map(str::to_lowercase)
}

impl Statement {
    /// Judges `text`.
    ///
    /// # Errors
    ///
    /// `MultipleStatements` for none or several, `TooLarge` over [`MAXIMUM_TEXT_BYTES`] or nested too deeply, `Syntax` for what
    /// begins no statement of the dialect or has a quote never closed, `Refused` for control characters and comments that run.
    pub fn parse(text: &str, engine: EngineKind) -> Result<Self, DatabaseError> {
        if text.len() > MAXIMUM_TEXT_BYTES {
            return Err(DatabaseError::new(ErrorKind::TooLarge, format!("the statement has more than {} KiB", MAXIMUM_TEXT_BYTES / 1024))
                .hint("pass values as parameters, or send several statements"));
        }
        if let Some(statement) = cache::find(text, engine) {
            return Ok(statement);
        }
        let statement = Self::judge(text, engine)?;
        cache::keep(text, &statement);
        Ok(statement)
    }

    /// As [`parse`](Self::parse), remembering nothing.
    pub(super) fn judge(text: &str, engine: EngineKind) -> Result<Self, DatabaseError> {
        let tokens = lexer::tokens(text, engine)?;
        let tokens = single::single(&tokens, engine)?;
        let gate::Judgement { mut verdict, verb, mut functions, calls_only_pure, destructive } = gate::judge(tokens, engine)?;
        let span = tokens.first().map_or(0, |first| first.start)..tokens.last().map_or(0, |last| last.end);
        let text = &text[span];
        let parsed = parser::look_at(text, tokens.len(), engine);
        let mut traceless = false;
        let tables = match parsed {
            parser::Sight::Parsed(seen) => {
                verdict.merge(seen.verdict);
                functions.extend(seen.functions);
                functions.sort_unstable();
                functions.dedup();
                traceless = seen.plain_query && calls_only_pure && verdict.kind == StatementKind::Read;
                // The parser knows the tables of queries and of changes to rows, not of every definition.
                if seen.tables.is_empty() && verdict.kind != StatementKind::Read { tables::tables(tokens) } else { seen.tables }
            }
            parser::Sight::Several => {
                return Err(DatabaseError::new(ErrorKind::MultipleStatements, "there may be more than one statement")
                    .hint("send one statement at a time, or several with `execute_batch`"));
            }
            parser::Sight::Nothing => tables::tables(tokens),
        };
        if !matches!(verdict.kind, StatementKind::Read | StatementKind::Write) {
            functions.clear();
        }
        let destructive = destructive.filter(|_| verdict.kind != StatementKind::Read);
        Ok(Self { text: text.into(), engine, kind: verdict.kind, verb, tables, reason: verdict.reason, functions, destructive, traceless })
    }
}
