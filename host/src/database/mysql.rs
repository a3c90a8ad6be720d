//! MySQL family: connections, statements, types and catalog.

mod beside;
mod catalog;
mod connect;
mod dependencies;
mod describe;
mod details;
mod error;
mod pool;
mod probe;
mod query;
mod routines;
mod running;
mod surroundings;
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
use super::dependencies::Facts;
use super::error::DatabaseError;
use super::replicas::Mark;
use super::rows::RowSet;
use super::statement::Statement;
use super::value::Value;
use crate::call::Call;
use crate::config::DatabaseConfig;
use crate::config::Mode;

use pool::Pool;
use surroundings::Surroundings;

/// One database of the family. Cheap to clone.
#[derive(Clone)]
pub(super) struct MySql {
    pool: Pool,
    surroundings: Surroundings,
    mode: Mode,
    /// The longest that a question about the catalog may take.
    limit: Duration,
}

impl MySql {
    /// Prepares the pool without connecting. Fails on a URL or a certificate that makes no sense.
    pub(super) fn new(config: &DatabaseConfig) -> Result<Self, DatabaseError> {
        let pool = Pool::new(config, connect::options(config)?);
        Ok(Self { pool, surroundings: Surroundings::default(), mode: config.mode, limit: config.statement_timeout })
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

    /// What is behind its names.
    pub(super) async fn facts(&self, call: &Call) -> Result<Facts, DatabaseError> {
        self.find_facts(call).await
    }

    /// A value that changes when one of these tables was written by whomever.
    pub(super) async fn probe(&self, call: &Call, tables: Vec<String>) -> Result<Option<String>, DatabaseError> {
        self.find_probe(call, tables).await
    }

    /// Whether the server lets a new connection in and answers on it.
    pub(super) async fn check(&self) -> Result<(), DatabaseError> {
        self.ask_for_life().await
    }

    /// Nothing to compare with: a replica of this family tells by itself how far it is behind.
    pub(super) async fn mark(&self) -> Result<Mark, DatabaseError> {
        Ok(Mark::Unknown)
    }

    /// How far this server, a replica, is behind.
    pub(super) async fn progress(&self) -> Result<Mark, DatabaseError> {
        self.find_lag().await
    }

    /// Closes every connection; waits at most for those in use.
    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}
