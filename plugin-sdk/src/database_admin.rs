//! Changing schema, roles or settings, in databases that the operator opened for writing.

use crate::database_write::Execution;
use crate::transaction::Transaction;
use crate::types::DatabaseError;
use crate::types::Value;

#[cfg(target_arch = "wasm32")]
use crate::bindings::shared::tidegate::plugin::database_admin as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::database_admin as host;

/// Runs one statement that changes schema, roles or settings. MySQL-family engines commit by themselves before and
/// after it. `database` empty means the only one there is.
///
/// # Errors
///
/// `read-only` when the database is not open for writing, `access-denied` when the plugin or the caller may not,
/// `confirmation-required` for `DROP`, `TRUNCATE` and their kin without a yes.
pub fn execute(
    database: &str,
    sql: &str,
    parameters: &[Value],
    timeout_ms: Option<u32>,
    confirmation: Option<&str>,
) -> Result<Execution, DatabaseError> {
    host::execute(database, sql, parameters, timeout_ms, confirmation).map(Execution::from)
}

/// As [`execute`], in a transaction. The MySQL family has nothing like it.
///
/// # Errors
///
/// As [`execute`]; `not-supported` where the engine commits by itself, `transaction-not-found` with how it ended.
pub fn execute_in(
    transaction: &Transaction,
    sql: &str,
    parameters: &[Value],
    timeout_ms: Option<u32>,
    confirmation: Option<&str>,
) -> Result<Execution, DatabaseError> {
    host::execute_in(transaction.inner(), sql, parameters, timeout_ms, confirmation).map(Execution::from)
}
