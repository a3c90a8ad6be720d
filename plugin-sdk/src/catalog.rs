//! What databases there are and what is in them. Names come as the engine stores them.
//!
//! `database` empty means the only one there is, in every function.

pub use crate::bindings::shared::tidegate::plugin::catalog::Constraint;
pub use crate::bindings::shared::tidegate::plugin::catalog::Database;
pub use crate::bindings::shared::tidegate::plugin::catalog::DatabaseDetails;
pub use crate::bindings::shared::tidegate::plugin::catalog::Engine;
pub use crate::bindings::shared::tidegate::plugin::catalog::ForeignKey;
pub use crate::bindings::shared::tidegate::plugin::catalog::Index;
pub use crate::bindings::shared::tidegate::plugin::catalog::Mode;
pub use crate::bindings::shared::tidegate::plugin::catalog::Routine;
pub use crate::bindings::shared::tidegate::plugin::catalog::RoutineKind;
pub use crate::bindings::shared::tidegate::plugin::catalog::RoutinePage;
pub use crate::bindings::shared::tidegate::plugin::catalog::Schema;
pub use crate::bindings::shared::tidegate::plugin::catalog::Table;
pub use crate::bindings::shared::tidegate::plugin::catalog::TableColumn;
pub use crate::bindings::shared::tidegate::plugin::catalog::TableFilter;
pub use crate::bindings::shared::tidegate::plugin::catalog::TableKind;
pub use crate::bindings::shared::tidegate::plugin::catalog::TablePage;
pub use crate::bindings::shared::tidegate::plugin::catalog::TableSummary;
pub use crate::bindings::shared::tidegate::plugin::catalog::Trigger;
use crate::types::DatabaseError;

#[cfg(target_arch = "wasm32")]
use crate::bindings::shared::tidegate::plugin::catalog as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::catalog as host;

/// The databases this plugin may see, by name. Waits for nothing.
#[must_use]
pub fn list_databases() -> Vec<Database> {
    host::list_databases()
}

/// Facts about one database, asked of the server now.
///
/// # Errors
///
/// `unknown-database`, `access-denied`, or what the server says.
pub fn describe_database(database: &str) -> Result<DatabaseDetails, DatabaseError> {
    host::describe_database(database)
}

/// The schemas of a database by name, the system's left out.
///
/// # Errors
///
/// As [`describe_database`].
pub fn list_schemas(database: &str) -> Result<Vec<Schema>, DatabaseError> {
    host::list_schemas(database)
}

/// One page of tables and views.
///
/// # Errors
///
/// As [`describe_database`].
pub fn list_tables(database: &str, filter: &TableFilter) -> Result<TablePage, DatabaseError> {
    host::list_tables(database, filter)
}

/// Everything about one table. `schema` none means the default schema, then any other where the name is the only one.
///
/// # Errors
///
/// As [`describe_database`]; `unknown-table` has a hint that names the nearest tables.
pub fn describe_table(database: &str, schema: Option<&str>, table: &str) -> Result<Table, DatabaseError> {
    host::describe_table(database, schema, table)
}

/// One page of stored functions and procedures, the system's left out. `pattern`, `after` and `limit` are those of
/// [`TableFilter`].
///
/// # Errors
///
/// As [`describe_database`].
pub fn list_routines(
    database: &str,
    schema: Option<&str>,
    pattern: Option<&str>,
    after: Option<&str>,
    limit: u32,
) -> Result<RoutinePage, DatabaseError> {
    host::list_routines(database, schema, pattern, after, limit)
}

/// All tables, kinds and schemas, 100 a page.
impl Default for TableFilter {
    fn default() -> Self {
        Self { schema: None, kinds: Vec::new(), pattern: None, after: None, limit: 100 }
    }
}
