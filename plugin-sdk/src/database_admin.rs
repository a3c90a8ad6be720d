//! Changing schema, roles or settings, in databases that the operator opened for writing.

use crate::database_write::Execution;
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
/// `read-only` when the database is not open for writing, `access-denied` when the plugin or the caller may not.
pub fn execute(database: &str, sql: &str, parameters: &[Value], timeout_ms: Option<u32>) -> Result<Execution, DatabaseError> {
    host::execute(database, sql, parameters, timeout_ms).map(Execution::from)
}
