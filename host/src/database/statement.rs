//! One statement, judged before anything runs: what it does, and on which tables.

use super::error::DatabaseError;
use super::error::ErrorKind;
use crate::config::EngineKind;

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
    /// The text as it will run, without a trailing semicolon.
    pub text: String,
    /// The dialect it was judged in.
    pub engine: EngineKind,
    /// What it does.
    pub kind: StatementKind,
    /// Its leading keyword in upper case.
    pub verb: String,
    /// Tables and views it names, as written, sorted; empty when they cannot be told.
    pub tables: Vec<String>,
    /// Why a reading run of it is refused, when `kind` is not `Read`: what was found in it.
    pub reason: Option<String>,
    /// Functions it calls that are not built in, lower case, as far as the text tells; the engine's volatility decides on them.
    pub functions: Vec<String>,
    /// Whether the text is certain to leave no trace in the session, so that it may run without a wrapping transaction.
    pub traceless: bool,
}

impl Statement {
    /// Judges `text`.
    ///
    /// # Errors
    ///
    /// `MultipleStatements`, `TooLarge`, `Refused` for what cannot be a statement of this dialect at all.
    pub fn parse(text: &str, engine: EngineKind) -> Result<Self, DatabaseError> {
        let text = text.trim().trim_end_matches(';').trim_end();
        if text.is_empty() {
            return Err(DatabaseError::new(ErrorKind::MultipleStatements, "there is no statement"));
        }
        let verb = text.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default().to_ascii_uppercase();
        let kind = if verb == "SELECT" { StatementKind::Read } else { StatementKind::Write };
        Ok(Self { text: text.into(), engine, kind, verb, tables: Vec::new(), reason: None, functions: Vec::new(), traceless: false })
    }
}
