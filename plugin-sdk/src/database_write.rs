//! Changing rows, in databases that the operator opened for writing.
//!
//! `database` empty means the only one there is, in every function.

pub use crate::bindings::shared::tidegate::plugin::database_write::Statement;
use crate::rows::Rows;
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
pub fn execute(database: &str, sql: &str, parameters: &[Value], timeout_ms: Option<u32>) -> Result<Execution, DatabaseError> {
    host::execute(database, sql, parameters, timeout_ms).map(Execution::from)
}

/// Runs statements (at most 1,000) in one transaction: all take effect or none does. `timeout_ms` covers all of them.
///
/// # Errors
///
/// [`BatchError`] says which statement failed and why.
pub fn batch(database: &str, statements: &[Statement], timeout_ms: Option<u32>) -> Result<Vec<Execution>, BatchError> {
    match host::batch(database, statements, timeout_ms) {
        Ok(executions) => Ok(executions.into_iter().map(Execution::from).collect()),
        Err(host::BatchError { index, error }) => Err(BatchError { index, error }),
    }
}
