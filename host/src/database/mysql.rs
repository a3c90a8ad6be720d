//! MySQL family: connections, statements, types and catalog.

mod catalog;
mod connect;
mod describe;
mod details;
mod error;
mod pool;
mod query;
mod routines;
mod running;
mod temporal;
#[cfg(test)]
mod tests;
pub(super) mod transaction;
mod types;
mod wkt;
mod write;

use std::time::Duration;

use super::BatchError;
use super::Execution;
use super::RunOptions;
use super::catalog::DatabaseDetails;
use super::catalog::Routine;
use super::catalog::RoutineFilter;
use super::catalog::Schema;
use super::catalog::Table;
use super::catalog::TableFilter;
use super::catalog::TableSummary;
use super::confirmation::Guard;
use super::error::DatabaseError;
use super::rows::RowSet;
use super::statement::Statement;
use super::value::Value;
use crate::call::Call;
use crate::config::DatabaseConfig;
use crate::config::Mode;

use pool::Pool;

/// One database of the family.
pub(super) struct MySql {
    pool: Pool,
    mode: Mode,
    /// The longest that a question about the catalog may take.
    limit: Duration,
}

impl MySql {
    /// Prepares the pool without connecting. Fails on a URL or a certificate that makes no sense.
    pub(super) fn new(config: &DatabaseConfig) -> Result<Self, DatabaseError> {
        let pool = Pool::new(config, connect::options(config)?);
        Ok(Self { pool, mode: config.mode, limit: config.statement_timeout })
    }

    /// Runs one statement of kind `Read`; the engine enforces that it is one.
    pub(super) async fn read(
        &self,
        call: &Call,
        statement: &Statement,
        parameters: &[Value],
        options: &RunOptions,
    ) -> Result<RowSet, DatabaseError> {
        self.run_read(call, statement, parameters, options).await
    }

    /// Runs statements in one transaction, committed when all of them succeed. One of kind `Admin` runs alone, without.
    #[cfg(test)]
    pub(super) async fn write(
        &self,
        call: &Call,
        statements: Vec<(Statement, Vec<Value>)>,
        options: &RunOptions,
    ) -> Result<Vec<Execution>, BatchError> {
        self.write_guarded(call, statements, Guard::Free, options).await
    }

    /// As [`write`](Self::write), unless `guard` does not let it pass.
    pub(super) async fn write_guarded(
        &self,
        call: &Call,
        statements: Vec<(Statement, Vec<Value>)>,
        guard: Guard,
        options: &RunOptions,
    ) -> Result<Vec<Execution>, BatchError> {
        self.run_write(call, statements, guard, options).await
    }

    /// Facts about the database and the role.
    pub(super) async fn details(&self, call: &Call) -> Result<DatabaseDetails, DatabaseError> {
        self.find_details(call).await
    }

    /// Its schemas by name.
    pub(super) async fn schemas(&self, call: &Call) -> Result<Vec<Schema>, DatabaseError> {
        self.list_schemas(call).await
    }

    /// Tables by schema and name, at most `filter.limit`.
    pub(super) async fn tables(&self, call: &Call, filter: &TableFilter) -> Result<Vec<TableSummary>, DatabaseError> {
        self.list_tables(call, filter).await
    }

    /// One table; `None` when it is not there.
    pub(super) async fn table(&self, call: &Call, schema: Option<&str>, name: &str) -> Result<Option<Table>, DatabaseError> {
        self.describe_table(call, schema, name).await
    }

    /// Routines by schema and name, at most `filter.limit`.
    pub(super) async fn routines(&self, call: &Call, filter: &RoutineFilter) -> Result<Vec<Routine>, DatabaseError> {
        self.list_routines(call, filter).await
    }

    /// Closes every connection; waits at most for those in use.
    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}
