//! PostgreSQL: connections, statements, types and catalog.
//!
//! Text that came from outside goes to the server only as one prepared statement. What is sent in the simple protocol, which
//! would run several, is text of this module alone.

mod beside;
mod catalog;
mod connect;
mod control;
mod dependencies;
mod details;
mod error;
mod parameters;
mod pool;
mod probe;
mod query;
mod rows;
mod shape;
mod surroundings;
pub(super) mod transaction;
mod types;
mod volatility;
mod write;

#[cfg(test)]
mod tests;

use std::sync::Arc;

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
use super::error::ErrorKind;
use super::replicas::Mark;
use super::rows::RowSet;
use super::setup::Setup;
use super::statement::Statement;
use super::value::Value;
use crate::call::Call;
use crate::config::DatabaseConfig;
use crate::config::Mode;
use crate::config::PoolConfig;

use beside::Beside;
use connect::Connector;
use connect::Purpose;
use control::Control;
use control::Running;
use pool::Pool;
use pool::Session;
use shape::Blanks;
use surroundings::Surroundings;
use types::Types;
use volatility::Volatility;

/// The pools of one database, and what is known about it. Cheap to clone.
#[derive(Clone)]
pub(super) struct Postgres {
    inner: Arc<Inner>,
}

/// What the task of a statement holds.
struct Inner {
    config: DatabaseConfig,
    reads: Pool,
    /// Only where the operator allows writing.
    writes: Option<Pool>,
    control: Arc<Control>,
    /// Asks the server about itself.
    beside: Beside,
    types: Types,
    blanks: Blanks,
    volatility: Volatility,
    surroundings: Surroundings,
}

impl Postgres {
    /// Prepares the pools without connecting.
    ///
    /// # Errors
    ///
    /// A URL or a certificate that makes no sense.
    pub(super) fn new(config: &DatabaseConfig) -> Result<Self, DatabaseError> {
        let reading = Connector::new(config, Purpose::Read)?;
        let writes = match config.mode {
            Mode::ReadOnly => None,
            Mode::ReadWrite => {
                // Writers wait for each other in the server anyway.
                let fewer = PoolConfig { max: config.pool.max.div_ceil(2), ..config.pool.clone() };
                Some(Pool::new(&config.name, Connector::new(config, Purpose::Write)?, fewer))
            }
        };
        let inner = Inner {
            config: config.clone(),
            reads: Pool::new(&config.name, reading.clone(), config.pool.clone()),
            writes,
            beside: Beside::new(reading.clone()),
            control: Arc::new(Control::new(reading)),
            types: Types::new(),
            blanks: Blanks::default(),
            volatility: Volatility::default(),
            surroundings: Surroundings::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs one statement of kind `Read`; the engine enforces that it is one.
    pub(super) async fn read(
        &self,
        call: &Call,
        statement: &Statement,
        parameters: &[Value],
        options: &RunOptions,
    ) -> Result<RowSet, DatabaseError> {
        query::read(&self.inner, call, statement, parameters, options).await
    }

    /// Runs statements in one transaction, committed when all of them succeed.
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
        write::write(&self.inner, call, statements, guard, options).await
    }

    /// Facts about the database and the role.
    pub(super) async fn details(&self, call: &Call) -> Result<DatabaseDetails, DatabaseError> {
        details::details(&self.inner, call).await
    }

    /// Its schemas by name.
    pub(super) async fn schemas(&self, call: &Call) -> Result<Vec<Schema>, DatabaseError> {
        catalog::schemas(&self.inner, call).await
    }

    /// Tables by schema and name, at most `filter.limit`.
    pub(super) async fn tables(&self, call: &Call, filter: &TableFilter) -> Result<Vec<TableSummary>, DatabaseError> {
        catalog::tables(&self.inner, call, filter).await
    }

    /// One table; `None` when it is not there.
    pub(super) async fn table(&self, call: &Call, schema: Option<&str>, name: &str) -> Result<Option<Table>, DatabaseError> {
        catalog::table(&self.inner, call, schema, name).await
    }

    /// Routines by schema and name, at most `filter.limit`.
    pub(super) async fn routines(&self, call: &Call, filter: &RoutineFilter) -> Result<Vec<Routine>, DatabaseError> {
        catalog::routines(&self.inner, call, filter).await
    }

    /// What is behind its names.
    pub(super) async fn facts(&self, call: &Call) -> Result<Facts, DatabaseError> {
        dependencies::facts(&self.inner, call).await
    }

    /// A value that changes when one of these tables was written by whomever.
    pub(super) async fn probe(&self, call: &Call, tables: Vec<String>) -> Result<Option<String>, DatabaseError> {
        probe::probe(&self.inner, call, tables).await
    }

    /// Whether the server lets a new connection in and answers on it.
    pub(super) async fn check(&self) -> Result<(), DatabaseError> {
        self.inner.beside.check().await
    }

    /// How far the log of the server is written, for comparing with what a replica has done of it.
    pub(super) async fn mark(&self) -> Result<Mark, DatabaseError> {
        self.inner.beside.written().await
    }

    /// How far this server, a replica, has come.
    pub(super) async fn progress(&self) -> Result<Mark, DatabaseError> {
        self.inner.beside.replayed().await
    }

    /// Closes every connection; waits a few seconds at most for those in use.
    pub(super) async fn close(&self) {
        self.inner.reads.close().await;
        if let Some(writes) = &self.inner.writes {
            writes.close().await;
        }
        self.inner.control.close().await;
        self.inner.beside.close().await;
    }
}

impl Inner {
    /// A session of `pool` for a call, unless the call is over before one comes free.
    async fn acquire(&self, pool: &Pool, setup: &Setup, running: &Running) -> Result<Session, DatabaseError> {
        let session = tokio::select! {
            biased;
            () = running.stopped.cancelled() => return Err(stopped()),
            session = pool.acquire(setup) => session?,
        };
        self.types.set_money_digits(session.money_digits());
        running.set(session.pid()).await;
        Ok(session)
    }
}

/// The call is over; the supervisor says why.
fn stopped() -> DatabaseError {
    DatabaseError::new(ErrorKind::Cancelled, "the call is over")
}
