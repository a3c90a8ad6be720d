//! SQLite: connections, statements, types and catalog.
//!
//! Reading is proven by layers that hold without the judgement of the text: files opened read only, an authorizer that
//! denies what it does not list, limits on every size, and exactly one statement.

mod authorizer;
mod catalog;
mod connect;
mod ddl;
mod dependencies;
mod error;
mod functions;
mod probe;
mod query;
mod raw;
mod run;
mod session;
#[cfg(test)]
pub(super) mod tests;
pub(super) mod transaction;
mod types;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
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
use super::error::Effect;
use super::error::FIND_OUT;
use super::replicas::Mark;
use super::rows::RowSet;
use super::statement::Statement;
use super::value::Value;
use crate::call::Call;
use crate::config::DatabaseConfig;
use connect::Place;
use connect::Pools;
use probe::Watcher;
use session::Job;
use session::Session;
use session::Wants;

/// The pools of one database. Cheap to clone.
#[derive(Clone)]
pub(super) struct Sqlite {
    pools: Arc<Pools>,
    /// The longest that a statement of the catalog may run.
    statement_timeout: Duration,
    watcher: Arc<Watcher>,
}

impl Sqlite {
    /// Prepares the pools without connecting. Fails on a URL that makes no sense.
    pub(super) fn new(config: &DatabaseConfig) -> Result<Self, DatabaseError> {
        let place = Place::parse(config.url.reveal(), config.mode)?;
        Ok(Self { pools: Arc::new(Pools::new(config, place)), statement_timeout: config.statement_timeout, watcher: Arc::default() })
    }

    /// Runs one statement of kind `Read`; the engine enforces that it is one.
    pub(super) async fn read(
        &self,
        call: &Call,
        statement: &Statement,
        parameters: &[Value],
        options: &RunOptions,
    ) -> Result<RowSet, DatabaseError> {
        let (sql, values, limits) = (statement.text.clone(), parameters.to_vec(), options.limits);
        let job = Job { wants: Wants::Reader, limit: options.timeout, text_bytes: sql.len() };
        self.on_reader(call, job, move |session| query::read(session, &sql, &values, limits)).await
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
        let index = Arc::new(AtomicUsize::new(0));
        let ending = Arc::new(AtomicBool::new(false));
        let (running, ends, limits) = (index.clone(), ending.clone(), options.limits);
        let text_bytes = statements.iter().map(|(statement, _)| statement.text.len()).max().unwrap_or(0);
        let job = Job { wants: Wants::Writer, limit: options.timeout, text_bytes };
        let work = move |session: &Session<'_>| query::write(session, &statements, guard, limits, &running, &ends);
        let done = match self.create_if_asked(call, job.limit).await {
            Ok(()) => session::run(&self.pools, call, job, work).await,
            Err(error) => Err(error),
        };
        done.map_err(|error| {
            let unheard = error.effect == Effect::Undone && ending.load(Ordering::Relaxed);
            let error = if unheard { error.effect(Effect::Unknown).hint(FIND_OUT) } else { error };
            BatchError { index: index.load(Ordering::Relaxed), error }
        })
    }

    /// Facts about the database.
    pub(super) async fn details(&self, call: &Call) -> Result<DatabaseDetails, DatabaseError> {
        self.ask(call, catalog::details).await
    }

    /// The one schema there is.
    pub(super) async fn schemas(&self, call: &Call) -> Result<Vec<Schema>, DatabaseError> {
        self.ask(call, catalog::schemas).await
    }

    /// Tables by name, at most `filter.limit`.
    pub(super) async fn tables(&self, call: &Call, filter: &TableFilter) -> Result<Vec<TableSummary>, DatabaseError> {
        let filter = filter.clone();
        self.ask(call, move |session| catalog::tables(session, &filter)).await
    }

    /// One table; `None` when it is not there.
    pub(super) async fn table(&self, call: &Call, schema: Option<&str>, name: &str) -> Result<Option<Table>, DatabaseError> {
        let (schema, name) = (schema.map(str::to_owned), name.to_owned());
        self.ask(call, move |session| catalog::table(session, schema.as_deref(), &name)).await
    }

    /// No routines: SQLite stores none.
    pub(super) async fn routines(&self, _call: &Call, _filter: &RoutineFilter) -> Result<Vec<Routine>, DatabaseError> {
        Ok(Vec::new())
    }

    /// What is behind its names.
    pub(super) async fn facts(&self, call: &Call) -> Result<Facts, DatabaseError> {
        self.ask(call, dependencies::facts).await
    }

    /// A value that changes when anything in the file was written by whomever.
    pub(super) async fn probe(&self, _call: &Call, _tables: Vec<String>) -> Result<Option<String>, DatabaseError> {
        self.watcher.probe(&self.pools).await
    }

    /// Whether the file can be opened and read.
    pub(super) async fn check(&self) -> Result<(), DatabaseError> {
        self.pools.check().await
    }

    /// Nothing: a file is followed by no other.
    pub(super) async fn mark(&self) -> Result<Mark, DatabaseError> {
        Ok(Mark::Unknown)
    }

    /// Nothing: a file follows no other.
    pub(super) async fn progress(&self) -> Result<Mark, DatabaseError> {
        Ok(Mark::Unknown)
    }

    /// Closes every connection; waits for those in use.
    pub(super) async fn close(&self) {
        self.watcher.close().await;
        self.pools.close().await;
    }

    /// Asks the catalog.
    async fn ask<T, W>(&self, call: &Call, mut work: W) -> Result<T, DatabaseError>
    where
        T: Send + 'static,
        W: FnMut(&Session<'_>) -> Result<T, DatabaseError> + Send + 'static,
    {
        let job = Job { wants: Wants::Reader, limit: self.statement_timeout, text_bytes: 0 };
        self.on_reader(call, job, move |session| session.with_virtual_tables(|| work(session))).await
    }

    async fn on_reader<T, W>(&self, call: &Call, job: Job, work: W) -> Result<T, DatabaseError>
    where
        T: Send + 'static,
        W: FnOnce(&Session<'_>) -> Result<T, DatabaseError> + Send + 'static,
    {
        self.create_if_asked(call, job.limit).await?;
        session::run(&self.pools, call, job, work).await
    }

    /// Makes the file when the URL says so and it is not there.
    async fn create_if_asked(&self, call: &Call, limit: Duration) -> Result<(), DatabaseError> {
        if !self.pools.must_create() {
            return Ok(());
        }
        // A log lets reads go on during a write. A file that is there already keeps the mode it has.
        let create = |session: &Session<'_>| session.execute("PRAGMA journal_mode = WAL");
        session::run(&self.pools, call, Job { wants: Wants::Writer, limit, text_bytes: 0 }, create).await
    }
}

/// Whether SQLite itself says that a statement writes, on a connection without any guard; `None` when it does not compile.
#[cfg(test)]
pub(super) async fn writes_by_its_own_word(connection: &mut sqlx::SqliteConnection, sql: &str) -> Option<bool> {
    let handle = raw::Handle::new(connection.lock_handle().await.ok()?);
    let (prepared, _) = handle.prepare(sql).ok()?;
    prepared.map(|prepared| !prepared.read_only())
}
