//! `database-read`, `database-write`, `database-admin`: the way of a statement from a guest to a database.
//!
//! Grants first, then the statement is judged, then it runs on the path that its kind allows and no other.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::Resource;

use crate::bindings::tidegate::plugin::database_admin;
use crate::bindings::tidegate::plugin::database_read;
use crate::bindings::tidegate::plugin::database_write;
use crate::bindings::tidegate::plugin::types;
use crate::capability::State;
use crate::capability::error;
use crate::capability::rows::GuestRows;
use crate::capability::statement::Done;
use crate::capability::statement::Sending;
use crate::capability::statement::Way;
use crate::capability::transaction::GuestTransaction;
use crate::capability::value;
use crate::config::Right;
use crate::database::BatchError;
use crate::database::Database;
use crate::database::Execution;
use crate::database::RunOptions;
use crate::database::cursor::SPOOL_BYTES;
use crate::database::cursor::SPOOL_ROWS;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::rows::RowLimits;
use crate::database::rows::RowSet;
use crate::database::statement::Statement;
use crate::database::statement::StatementKind;
use crate::database::transaction::Transaction;
use crate::database::value::Value;
use crate::database::versions::touched::Touched;

/// Statements of one batch.
const BATCH: usize = 1_000;

/// Kinds of statements that run on the writing way.
const WRITES: [StatementKind; 2] = [StatementKind::Read, StatementKind::Write];

/// Parameters of one statement: what PostgreSQL and SQLite take at most.
const PARAMETERS: usize = 32_766;

/// What a database operation gives a guest.
type ToGuest<T> = wasmtime::Result<Result<T, types::DatabaseError>>;

/// The interface that runs statements with this right.
pub(super) fn interface_for(right: Right) -> &'static str {
    match right {
        Right::Read => "database-read",
        Right::Write => "database-write",
        Right::Admin => "database-admin",
    }
}

impl State {
    /// The database of this name, when the plugin may use `interface` on it now and has `right`.
    ///
    /// # Errors
    ///
    /// As [`LiveGrants::database`](super::grants::LiveGrants::database); `AccessDenied` while the plugin is asked as a hook: hooks cause no hooks.
    pub(super) fn database(&self, interface: &str, name: &str, right: Right) -> Result<Arc<Database>, DatabaseError> {
        if self.hook.is_some() {
            return Err(DatabaseError::new(ErrorKind::AccessDenied, "a hook may use no database while it is asked"));
        }
        self.guest.grants.database(&self.services.databases, interface, name, right)
    }

    /// Hands a page of `rows` to the guest and keeps the rest for its caller when `keep` says so.
    fn page(&mut self, database: &Database, rows: RowSet, limits: RowLimits, keep: bool) -> ToGuest<Resource<GuestRows>> {
        let (page, rest) = rows.split(limits);
        if page.len() == 1 && page.view_bytes() > limits.bytes {
            let error = DatabaseError::new(
                ErrorKind::TooLarge,
                format!("one row has {} bytes, and an answer at most {}", page.view_bytes(), limits.bytes),
            )
            .hint("select fewer columns, or a part of the long ones, for example with substr()");
            return Ok(Err(error::to_guest(error)));
        }
        let name = database.config().name.as_str();
        let cursor = rest.filter(|_| keep).and_then(|rest| self.services.cursors.keep(&self.call.caller, name, rest));
        Ok(Ok(self.push_rows(page, cursor)?))
    }

    fn execution(&mut self, execution: Execution) -> wasmtime::Result<database_write::Execution> {
        let returned = execution.returned.map(|rows| self.push_rows(rows, None)).transpose()?;
        Ok(database_write::Execution { affected: execution.affected, returned })
    }
}

/// Limits of one answer from `database`, lowered to what the guest asks.
fn page_limits(database: &Database, max_rows: Option<u32>) -> RowLimits {
    let most = database.config().max_rows;
    RowLimits { rows: max_rows.map_or(most, |rows| rows.min(most)).max(1) as usize, bytes: database.config().max_bytes }
}

/// How long a statement may run: the database's limit, lowered to what the guest asks.
fn time_limit(database: &Database, timeout_ms: Option<u32>) -> Duration {
    let most = database.config().statement_timeout;
    timeout_ms.map_or(most, |ms| Duration::from_millis(u64::from(ms.max(1))).min(most))
}

/// Parameters on their way in, counted.
fn parameters(values: Vec<types::Value>) -> Result<Vec<Value>, DatabaseError> {
    if values.len() > PARAMETERS {
        return Err(DatabaseError::new(
            ErrorKind::TooLarge,
            format!("{} parameters, and a statement takes at most {PARAMETERS}", values.len()),
        ));
    }
    Ok(values.into_iter().map(value::from_guest).collect())
}

impl database_read::Host for State {
    async fn inspect(&mut self, database: String, sql: String) -> ToGuest<database_read::Inspection> {
        self.enter()?;
        let judged = self.database("database-read", &database, Right::Read).and_then(|database| database.judge(&sql));
        Ok(judged.map(inspection).map_err(error::to_guest))
    }

    async fn query(
        &mut self,
        database: String,
        sql: String,
        values: Vec<types::Value>,
        options: database_read::Options,
    ) -> ToGuest<Resource<GuestRows>> {
        self.enter_repeatable()?;
        let judged = self.database("database-read", &database, Right::Read).and_then(|database| {
            let statement = database.judge(&sql)?;
            Ok((database, statement, parameters(values)?))
        });
        match judged {
            Ok((database, statement, values)) => self.read(&database, None, statement, values, options).await,
            Err(error) => Ok(Err(error::to_guest(error))),
        }
    }

    async fn query_in(
        &mut self,
        transaction: Resource<GuestTransaction>,
        sql: String,
        values: Vec<types::Value>,
        options: database_read::Options,
    ) -> ToGuest<Resource<GuestRows>> {
        self.enter()?;
        let judged = self.transaction(&transaction, Right::Read)?.and_then(|(database, transaction)| {
            let statement = database.judge(&sql)?;
            Ok((database, transaction, statement, parameters(values)?))
        });
        match judged {
            Ok((database, transaction, statement, values)) => self.read(&database, Some(transaction), statement, values, options).await,
            Err(error) => Ok(Err(error::to_guest(error))),
        }
    }

    async fn explain(
        &mut self,
        database: String,
        sql: String,
        values: Vec<types::Value>,
        analyze: bool,
        options: database_read::Options,
    ) -> ToGuest<Resource<GuestRows>> {
        self.enter()?;
        let database = match self.database("database-read", &database, Right::Read) {
            Ok(database) => database,
            Err(error) => return Ok(Err(error::to_guest(error))),
        };
        self.explain_on(&database, None, &sql, values, analyze, options).await
    }

    async fn explain_in(
        &mut self,
        transaction: Resource<GuestTransaction>,
        sql: String,
        values: Vec<types::Value>,
        analyze: bool,
        options: database_read::Options,
    ) -> ToGuest<Resource<GuestRows>> {
        self.enter()?;
        let (database, transaction) = match self.transaction(&transaction, Right::Read)? {
            Ok(found) => found,
            Err(error) => return Ok(Err(error::to_guest(error))),
        };
        self.explain_on(&database, Some(transaction), &sql, values, analyze, options).await
    }

    async fn fetch(&mut self, cursor: String, max_rows: Option<u32>) -> ToGuest<Resource<GuestRows>> {
        self.enter()?;
        let found = self.services.cursors.find(&self.call.caller, &cursor).and_then(|(name, rows)| {
            // Looked up again: the grant may be gone since the rows were read.
            Ok((self.database("database-read", &name, Right::Read)?, rows))
        });
        match found {
            Ok((database, rows)) => {
                let limits = page_limits(&database, max_rows);
                self.page(&database, rows, limits, true)
            }
            Err(error) => Ok(Err(error::to_guest(error))),
        }
    }
}

impl State {
    async fn explain_on(
        &mut self,
        database: &Arc<Database>,
        transaction: Option<Arc<Transaction>>,
        sql: &str,
        values: Vec<types::Value>,
        analyze: bool,
        options: database_read::Options,
    ) -> ToGuest<Resource<GuestRows>> {
        let call = self.call.clone();
        let prepared = async { Ok((database.explain(&call, sql, analyze).await?, parameters(values)?)) };
        match prepared.await {
            Ok((statement, values)) => self.read(database, transaction, statement, values, options).await,
            Err(error) => Ok(Err(error::to_guest(error))),
        }
    }

    async fn read(
        &mut self,
        database: &Arc<Database>,
        transaction: Option<Arc<Transaction>>,
        statement: Statement,
        values: Vec<Value>,
        options: database_read::Options,
    ) -> ToGuest<Resource<GuestRows>> {
        let page = page_limits(database, options.max_rows);
        let limits =
            if options.keep_rest { RowLimits { rows: page.rows.max(SPOOL_ROWS), bytes: page.bytes.max(SPOOL_BYTES) } } else { page };
        let timeout = time_limit(database, options.timeout_ms);
        let way = Way { database, kinds: &[StatementKind::Read], in_transaction: transaction.is_some(), limits, timeout };
        let passage = self.passage();
        let read = async |Sending { statement, values, setup }| {
            let rows = match &transaction {
                None => {
                    let setup = match setup {
                        Some(setup) => setup,
                        None => passage.setup(database, false).await?,
                    };
                    let run = RunOptions { timeout, limits, setup };
                    database.read(&passage.call, &statement, &values, &run).await
                }
                Some(transaction) => {
                    let run = RunOptions::new(timeout, limits);
                    database.read_in(&passage.call, transaction, &statement, &values, &run).await
                }
            };
            rows.map(Done::from)
        };
        match passage.run(way, statement, values, read).await {
            Ok(done) => self.page(database, done.into_rows(), page, options.keep_rest),
            Err(error) => Ok(Err(error::to_guest(error))),
        }
    }
}

/// A statement that is judged and may run, with where it runs and its parameters.
struct Judged {
    place: Place,
    statement: Statement,
    values: Vec<Value>,
    timeout: Duration,
    limits: RowLimits,
}

/// Where what changes something runs.
struct Place {
    database: Arc<Database>,
    transaction: Option<Arc<Transaction>>,
}

impl State {
    /// The place by the name of a database, when the plugin has `right` on it.
    fn place(&self, database: &str, right: Right) -> Result<Place, DatabaseError> {
        Ok(Place { database: self.database(interface_for(right), database, right)?, transaction: None })
    }

    /// The place that a transaction is, when the plugin has `right` on its database.
    fn place_in(&self, transaction: &Resource<GuestTransaction>, right: Right) -> wasmtime::Result<Result<Place, DatabaseError>> {
        let found = self.transaction(transaction, right)?;
        Ok(found.map(|(database, transaction)| Place { database, transaction: Some(transaction) }))
    }

    fn executed(&mut self, done: Result<Execution, DatabaseError>) -> ToGuest<database_write::Execution> {
        match done {
            Ok(execution) => Ok(Ok(self.execution(execution)?)),
            Err(error) => Ok(Err(error::to_guest(error))),
        }
    }

    async fn write(
        &mut self,
        place: Result<Place, DatabaseError>,
        sql: &str,
        values: Vec<types::Value>,
        timeout_ms: Option<u32>,
        confirmation: Option<String>,
    ) -> ToGuest<database_write::Execution> {
        let passage = self.passage();
        let done = async {
            let Judged { place: Place { database, transaction }, statement, values, timeout, limits } =
                judge(place?, sql, values, timeout_ms)?;
            let way = Way { database: &database, kinds: &WRITES, in_transaction: transaction.is_some(), limits, timeout };
            let confirmation = confirmation.as_deref();
            let write = async |Sending { statement, values, .. }| {
                let touched = database.touched([&statement]);
                let statements = vec![(statement, values.to_vec())];
                let done = match &transaction {
                    None => {
                        let run = RunOptions { timeout, limits, setup: passage.setup(&database, true).await? };
                        let writing = database.write(&passage.call, statements, confirmation, &run);
                        passage.write(&database, &touched, writing).await
                    }
                    Some(transaction) => {
                        let run = RunOptions::new(timeout, limits);
                        database.write_in(&passage.call, transaction, statements, confirmation, &run).await
                    }
                };
                let done = done.map_err(|failed| failed.error)?;
                Ok(done.into_iter().next().unwrap_or(Execution { affected: 0, returned: None }).into())
            };
            Ok(passage.run(way, statement, values, write).await?.into_execution())
        };
        let done = done.await;
        self.executed(done)
    }

    async fn write_all(
        &mut self,
        place: Result<Place, DatabaseError>,
        statements: Vec<database_write::Statement>,
        timeout_ms: Option<u32>,
        confirmation: Option<String>,
    ) -> wasmtime::Result<Result<Vec<database_write::Execution>, database_write::BatchError>> {
        let failed = |index: usize, error| database_write::BatchError {
            index: u32::try_from(index).unwrap_or(u32::MAX),
            error: error::to_guest(error),
        };
        let Place { database, transaction } = match place {
            Ok(place) => place,
            Err(error) => return Ok(Err(failed(0, error))),
        };
        if statements.len() > BATCH {
            let error =
                DatabaseError::new(ErrorKind::TooLarge, format!("{} statements, and a batch takes at most {BATCH}", statements.len()));
            return Ok(Err(failed(BATCH, error)));
        }
        let mut judged = Vec::with_capacity(statements.len());
        for (index, statement) in statements.into_iter().enumerate() {
            let ready = database.judge(&statement.sql).and_then(|judged| Ok((judged, parameters(statement.parameters)?)));
            match ready {
                Ok(ready) => judged.push(ready),
                Err(error) => return Ok(Err(failed(index, error))),
            }
        }
        let (timeout, limits) = (time_limit(&database, timeout_ms), page_limits(&database, None));
        let way = Way { database: &database, kinds: &WRITES, in_transaction: transaction.is_some(), limits, timeout };
        let (passage, confirmation) = (self.passage(), confirmation.as_deref());
        let write = async |statements| {
            let statements: Vec<(Statement, Vec<Value>)> = statements;
            let Some(transaction) = &transaction else {
                let setup = passage.setup(&database, true).await.map_err(|error| BatchError { index: 0, error })?;
                let touched = database.touched(statements.iter().map(|(statement, _)| statement));
                let run = RunOptions { timeout, limits, setup };
                let writing = database.write(&passage.call, statements, confirmation, &run);
                return passage.write(&database, &touched, writing).await;
            };
            database.write_in(&passage.call, transaction, statements, confirmation, &RunOptions::new(timeout, limits)).await
        };
        match passage.run_batch(way, judged, write).await {
            Ok(executions) => Ok(Ok(executions.into_iter().map(|execution| self.execution(execution)).collect::<wasmtime::Result<_>>()?)),
            Err(error) => Ok(Err(failed(error.index, error.error))),
        }
    }

    async fn administer(
        &mut self,
        place: Result<Place, DatabaseError>,
        sql: &str,
        values: Vec<types::Value>,
        timeout_ms: Option<u32>,
        confirmation: Option<String>,
    ) -> ToGuest<database_write::Execution> {
        let passage = self.passage();
        let done = async {
            let Judged { place: Place { database, transaction }, statement, values, timeout, limits } =
                judge(place?, sql, values, timeout_ms)?;
            let kinds = [StatementKind::Admin];
            let way = Way { database: &database, kinds: &kinds, in_transaction: transaction.is_some(), limits, timeout };
            let confirmation = confirmation.as_deref();
            let administer = async |Sending { statement, values, .. }| {
                let Some(transaction) = &transaction else {
                    let run = RunOptions { timeout, limits, setup: passage.setup(&database, true).await? };
                    let administering = async {
                        let done = database.administer(&passage.call, statement, values.to_vec(), confirmation, &run).await;
                        done.map_err(|error| BatchError { index: 0, error })
                    };
                    let done = passage.write(&database, &Touched::schema(), administering).await;
                    return done.map(Done::from).map_err(|failed| failed.error);
                };
                let run = RunOptions::new(timeout, limits);
                let done = database.administer_in(&passage.call, transaction, statement, values.to_vec(), confirmation, &run).await;
                done.map(Done::from)
            };
            Ok(passage.run(way, statement, values, administer).await?.into_execution())
        };
        let done = done.await;
        self.executed(done)
    }
}

/// Judges the statement and counts the parameters of a run that may change something.
fn judge(place: Place, sql: &str, values: Vec<types::Value>, timeout_ms: Option<u32>) -> Result<Judged, DatabaseError> {
    let statement = place.database.judge(sql)?;
    let values = parameters(values)?;
    let (timeout, limits) = (time_limit(&place.database, timeout_ms), page_limits(&place.database, None));
    Ok(Judged { place, statement, values, timeout, limits })
}

impl database_write::Host for State {
    async fn execute(
        &mut self,
        database: String,
        sql: String,
        values: Vec<types::Value>,
        timeout_ms: Option<u32>,
        confirmation: Option<String>,
    ) -> ToGuest<database_write::Execution> {
        self.enter()?;
        let place = self.place(&database, Right::Write);
        self.write(place, &sql, values, timeout_ms, confirmation).await
    }

    async fn batch(
        &mut self,
        database: String,
        statements: Vec<database_write::Statement>,
        timeout_ms: Option<u32>,
        confirmation: Option<String>,
    ) -> wasmtime::Result<Result<Vec<database_write::Execution>, database_write::BatchError>> {
        self.enter()?;
        let place = self.place(&database, Right::Write);
        self.write_all(place, statements, timeout_ms, confirmation).await
    }

    async fn execute_in(
        &mut self,
        transaction: Resource<GuestTransaction>,
        sql: String,
        values: Vec<types::Value>,
        timeout_ms: Option<u32>,
        confirmation: Option<String>,
    ) -> ToGuest<database_write::Execution> {
        self.enter()?;
        let place = self.place_in(&transaction, Right::Write)?;
        self.write(place, &sql, values, timeout_ms, confirmation).await
    }

    async fn batch_in(
        &mut self,
        transaction: Resource<GuestTransaction>,
        statements: Vec<database_write::Statement>,
        timeout_ms: Option<u32>,
        confirmation: Option<String>,
    ) -> wasmtime::Result<Result<Vec<database_write::Execution>, database_write::BatchError>> {
        self.enter()?;
        let place = self.place_in(&transaction, Right::Write)?;
        self.write_all(place, statements, timeout_ms, confirmation).await
    }
}

impl database_admin::Host for State {
    async fn execute(
        &mut self,
        database: String,
        sql: String,
        values: Vec<types::Value>,
        timeout_ms: Option<u32>,
        confirmation: Option<String>,
    ) -> ToGuest<database_write::Execution> {
        self.enter()?;
        let place = self.place(&database, Right::Admin);
        self.administer(place, &sql, values, timeout_ms, confirmation).await
    }

    async fn execute_in(
        &mut self,
        transaction: Resource<GuestTransaction>,
        sql: String,
        values: Vec<types::Value>,
        timeout_ms: Option<u32>,
        confirmation: Option<String>,
    ) -> ToGuest<database_write::Execution> {
        self.enter()?;
        let place = self.place_in(&transaction, Right::Admin)?;
        self.administer(place, &sql, values, timeout_ms, confirmation).await
    }
}

fn inspection(statement: Statement) -> database_read::Inspection {
    let kind = match statement.kind {
        StatementKind::Read => database_read::StatementKind::Read,
        StatementKind::Write => database_read::StatementKind::Write,
        StatementKind::Admin => database_read::StatementKind::Admin,
        StatementKind::Transaction => database_read::StatementKind::Transaction,
        StatementKind::Forbidden => database_read::StatementKind::Forbidden,
    };
    database_read::Inspection { kind, verb: statement.verb, tables: statement.tables }
}
