//! Reading. No statement that goes through here can change anything: the host classifies it and the engine enforces it.
//!
//! `database` empty means the only one there is, in every function.

pub use crate::bindings::shared::tidegate::plugin::database_read::Inspection;
pub use crate::bindings::shared::tidegate::plugin::database_read::Options;
pub use crate::bindings::shared::tidegate::plugin::database_read::StatementKind;
use crate::rows::Rows;
use crate::transaction::Transaction;
use crate::types::DatabaseError;
use crate::types::Value;

#[cfg(target_arch = "wasm32")]
use crate::bindings::shared::tidegate::plugin::database_read as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::database_read as host;

/// The limits of the database, and no rows kept beyond them.
impl Default for Options {
    fn default() -> Self {
        Self { timeout_ms: None, max_rows: None, keep_rest: false }
    }
}

/// Judges one statement without running it.
///
/// # Errors
///
/// `multiple-statements`, `syntax` and `too-large` for the text, `unknown-database` for its place.
pub fn inspect(database: &str, sql: &str) -> Result<Inspection, DatabaseError> {
    host::inspect(database, sql)
}

/// Runs one reading statement. Parameters are positional: `$1` in PostgreSQL, `?` elsewhere (SQLite also `?1`).
///
/// # Errors
///
/// Every [`DatabaseError`] can come; returning it unchanged gives the model its code and hint.
pub fn query(database: &str, sql: &str, parameters: &[Value], options: Options) -> Result<Rows, DatabaseError> {
    host::query(database, sql, parameters, options).map(Rows::new)
}

/// Shows how the engine would run a statement. With `analyze` it runs it, so then it must be a reading one.
///
/// # Errors
///
/// As [`query`]; `read-only` when `analyze` would run a write.
pub fn explain(database: &str, sql: &str, parameters: &[Value], analyze: bool, options: Options) -> Result<Rows, DatabaseError> {
    host::explain(database, sql, parameters, analyze, options).map(Rows::new)
}

/// As [`query`], in a transaction.
///
/// # Errors
///
/// As [`query`]; `transaction-not-found` with how it ended.
pub fn query_in(transaction: &Transaction, sql: &str, parameters: &[Value], options: Options) -> Result<Rows, DatabaseError> {
    host::query_in(transaction.inner(), sql, parameters, options).map(Rows::new)
}

/// As [`explain`], in a transaction.
///
/// # Errors
///
/// As [`explain`]; `transaction-not-found` with how it ended.
pub fn explain_in(
    transaction: &Transaction,
    sql: &str,
    parameters: &[Value],
    analyze: bool,
    options: Options,
) -> Result<Rows, DatabaseError> {
    host::explain_in(transaction.inner(), sql, parameters, analyze, options).map(Rows::new)
}

/// The rows after those of an earlier result, at most `max_rows`.
///
/// # Errors
///
/// `unknown-cursor` when there is none of this name for this caller, or its time is over.
pub fn fetch(cursor: &str, max_rows: Option<u32>) -> Result<Rows, DatabaseError> {
    host::fetch(cursor, max_rows).map(Rows::new)
}
