//! Changing rows, in databases that the operator opened for writing.
//!
//! `database` empty means the only one there is, in every function. A statement that destroys much fails with
//! `confirmation-required` unless `confirmation` is the token of an earlier such failure of the same statement and parameters.

pub use crate::bindings::shared::tidegate::plugin::database_write::Statement;
use crate::rows::Rows;
use crate::transaction::Transaction;
use crate::types::DatabaseError;
use crate::types::Value;

#[cfg(target_arch = "wasm32")]
use crate::bindings::shared::tidegate::plugin::database_write as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::database_write as host;

/// What a statement did.
#[derive(Debug)]
pub struct Execution {
    /// Rows inserted, changed or deleted, as the engine counts them.
    pub affected: u64,
    /// Rows the statement returned (`RETURNING`), when it has columns.
    pub returned: Option<Rows>,
}

/// Why a batch failed. Nothing of it has taken effect.
#[derive(Clone, Debug)]
pub struct BatchError {
    /// Which statement failed, counted from 0.
    pub index: u32,
    /// Why.
    pub error: DatabaseError,
}

impl From<host::Execution> for Execution {
    fn from(execution: host::Execution) -> Self {
        Self { affected: execution.affected, returned: execution.returned.map(Rows::new) }
    }
}

/// Runs one statement that reads or changes rows, in a transaction of its own, committed when it succeeds.
///
/// # Errors
///
/// `read-only` when the database is not open for writing, `access-denied` when the plugin or the caller may not.
pub fn execute(
    database: &str,
    sql: &str,
    parameters: &[Value],
    timeout_ms: Option<u32>,
    confirmation: Option<&str>,
) -> Result<Execution, DatabaseError> {
    host::execute(database, sql, parameters, timeout_ms, confirmation).map(Execution::from)
}

/// As [`execute`], in a transaction, which decides whether it takes effect.
///
/// # Errors
///
/// As [`execute`]; `transaction-not-found` with how it ended. After any other the transaction goes on.
pub fn execute_in(
    transaction: &Transaction,
    sql: &str,
    parameters: &[Value],
    timeout_ms: Option<u32>,
    confirmation: Option<&str>,
) -> Result<Execution, DatabaseError> {
    host::execute_in(transaction.inner(), sql, parameters, timeout_ms, confirmation).map(Execution::from)
}

/// Runs statements (at most 1,000) in one transaction: all take effect or none does. `timeout_ms` covers all of them.
///
/// # Errors
///
/// [`BatchError`] says which statement failed and why.
pub fn batch(
    database: &str,
    statements: &[Statement],
    timeout_ms: Option<u32>,
    confirmation: Option<&str>,
) -> Result<Vec<Execution>, BatchError> {
    done(host::batch(database, statements, timeout_ms, confirmation))
}

/// As [`batch`], in a transaction, under a savepoint: a failure takes back all of these statements and nothing else.
///
/// # Errors
///
/// As [`batch`].
pub fn batch_in(
    transaction: &Transaction,
    statements: &[Statement],
    timeout_ms: Option<u32>,
    confirmation: Option<&str>,
) -> Result<Vec<Execution>, BatchError> {
    done(host::batch_in(transaction.inner(), statements, timeout_ms, confirmation))
}

fn done(result: Result<Vec<host::Execution>, host::BatchError>) -> Result<Vec<Execution>, BatchError> {
    match result {
        Ok(executions) => Ok(executions.into_iter().map(Execution::from).collect()),
        Err(host::BatchError { index, error }) => Err(BatchError { index, error }),
    }
}
