//! Databases by name: the one path on which a statement reaches a driver.
//!
//! Nothing above this layer sees a connection. A statement arrives as text, is judged ([`statement`]), and runs in a
//! session whose engine enforces the judgement. Reads and writes are different functions, and only a database whose mode
//! is read-write has the second.

#[cfg(test)]
mod attacks;
mod availability;
mod breaker;
pub mod cacheable;
pub mod catalog;
mod confirmation;
pub mod cursor;
mod dependencies;
pub mod error;
mod mysql;
mod places;
mod postgres;
pub mod probe;
mod replicas;
mod retry;
pub mod rows;
pub mod sample_file;
pub mod setup;
mod sqlite;
pub mod statement;
mod suggest;
mod supervise;
pub mod transaction;
pub mod value;
pub mod versions;
mod watch;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use crate::call::Call;
use crate::call::Caller;
use crate::config::DatabaseConfig;
use crate::config::DatabaseName;
use crate::config::EngineKind;
use crate::config::Mode;

use availability::Availability;
use catalog::DatabaseDetails;
use catalog::Routine;
use catalog::RoutineFilter;
use catalog::Schema;
use catalog::Table;
use catalog::TableFilter;
use catalog::TableSummary;
use confirmation::Confirmations;
use confirmation::Guard;
use confirmation::Scope;
use dependencies::Keeper;
use error::DatabaseError;
use error::ErrorKind;
use probe::Probes;
use replicas::Mark;
use replicas::Replicas;
use retry::Attempts;
use retry::Repeat;
use rows::RowLimits;
use rows::RowSet;
use setup::Setup;
use statement::Statement;
use statement::StatementKind;
use transaction::Transaction;
use transaction::Transactions;
use value::Value;
use versions::Outcome;
use versions::Versions;
use watch::Watch;

/// How much longer than a statement may run a write of unknown outcome may still take effect.
const UNKNOWN_FOR: Duration = Duration::from_secs(10);

/// Limits of one run, already lowered to what the caller asked for.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The longest that it may take, its connection's wait included.
    pub timeout: Duration,
    /// Where reading stops. Covers what is kept for later pages too.
    pub limits: RowLimits,
    /// How the session begins that it runs in.
    pub setup: Setup,
}

impl RunOptions {
    /// A run in a session that begins as the host opens it.
    pub fn new(timeout: Duration, limits: RowLimits) -> Self {
        Self { timeout, limits, setup: Setup::default() }
    }
}

/// What a statement did.
#[derive(Clone, Debug)]
pub struct Execution {
    /// Rows inserted, changed or deleted, as the engine counts them.
    pub affected: u64,
    /// Rows that the statement returned, when it has columns.
    pub returned: Option<RowSet>,
}

/// Why a batch failed; nothing of it has taken effect.
#[derive(Clone, Debug)]
pub struct BatchError {
    /// Which statement, counted from 0.
    pub index: usize,
    /// Why.
    pub error: DatabaseError,
}

impl AsRef<DatabaseError> for BatchError {
    fn as_ref(&self) -> &DatabaseError {
        &self.error
    }
}

impl From<DatabaseError> for BatchError {
    fn from(error: DatabaseError) -> Self {
        Self { index: 0, error }
    }
}

/// The engines behind one interface. Each has the same functions in files of the same names. Cheap to clone.
#[derive(Clone)]
enum Engine {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
    MySql(mysql::MySql),
}

/// Calls the same function of whichever engine it is.
macro_rules! each_engine {
    ($engine:expr, $it:ident => $call:expr) => {
        match $engine {
            Engine::Sqlite($it) => $call,
            Engine::Postgres($it) => $call,
            Engine::MySql($it) => $call,
        }
    };
}

/// Makes attempts at something within `limit`, each with the time that is left, for as long as `retry` says that there is to be
/// another one and the breaker lets them through.
macro_rules! attempts {
    ($database:expr, $call:expr, $repeat:expr, $limit:expr, $left:ident => $attempt:expr) => {{
        let database = $database;
        database.watch.start(&database.engine, &database.availability);
        let mut attempts = Attempts::new($call, &database.availability, &database.config.retry, $repeat, $limit);
        loop {
            match attempts.begin().await {
                Ok($left) => {
                    let result = $attempt;
                    if let Some(result) = attempts.settle(result) {
                        break result;
                    }
                }
                Err(error) => break Err(error),
            }
        }
    }};
}
use attempts;

impl Engine {
    /// Prepares it without connecting.
    fn new(config: &DatabaseConfig) -> Result<Self, DatabaseError> {
        Ok(match config.engine {
            EngineKind::Sqlite => Self::Sqlite(sqlite::Sqlite::new(config)?),
            EngineKind::Postgres => Self::Postgres(postgres::Postgres::new(config)?),
            EngineKind::MySql => Self::MySql(mysql::MySql::new(config)?),
        })
    }

    async fn read(&self, call: &Call, statement: &Statement, parameters: &[Value], options: &RunOptions) -> Result<RowSet, DatabaseError> {
        each_engine!(self, engine => engine.read(call, statement, parameters, options).await)
    }

    async fn check(&self) -> Result<(), DatabaseError> {
        each_engine!(self, engine => engine.check().await)
    }

    async fn mark(&self) -> Result<Mark, DatabaseError> {
        each_engine!(self, engine => engine.mark().await)
    }

    async fn progress(&self) -> Result<Mark, DatabaseError> {
        each_engine!(self, engine => engine.progress().await)
    }

    async fn close(&self) {
        each_engine!(self, engine => engine.close().await);
    }
}

/// One configured database.
pub struct Database {
    config: DatabaseConfig,
    engine: Engine,
    availability: Arc<Availability>,
    watch: Watch,
    replicas: Replicas,
    versions: Arc<Versions>,
    /// The first name of its data.
    data: DatabaseName,
    /// Where it is and as whom.
    place: Box<str>,
    keeper: Keeper,
    probes: Probes,
    transactions: Transactions,
    confirmations: Confirmations,
}

impl Database {
    /// Prepares a database without connecting to it.
    ///
    /// # Errors
    ///
    /// A URL or certificate that makes no sense.
    pub fn new(config: DatabaseConfig) -> Result<Self, DatabaseError> {
        let versions = Versions::new(config.name.as_str(), config.statement_timeout + UNKNOWN_FOR);
        Self::counted(config, versions)
    }

    /// As [`new`](Self::new), with counters that it may share with others whose tables are the same.
    fn counted(config: DatabaseConfig, versions: Arc<Versions>) -> Result<Self, DatabaseError> {
        let engine = Engine::new(&config)?;
        let replicas = Replicas::new(&config, &engine, Engine::new)?;
        let availability = Arc::new(Availability::new(config.name.clone(), config.breaker.clone()));
        let data = DatabaseName::parse(versions.database()).unwrap_or_else(|| config.name.clone());
        let keeper = Keeper::new(versions.clone());
        Ok(Self {
            transactions: Transactions::new(&config),
            confirmations: Confirmations::default(),
            place: config.place().into(),
            config,
            engine,
            availability,
            watch: Watch::new(),
            replicas,
            data,
            versions,
            keeper,
            probes: Probes::default(),
        })
    }

    /// The name by which others are told of writes to its tables: the same for every configured name of the same data.
    pub fn data(&self) -> &DatabaseName {
        &self.data
    }

    /// Where it is and as whom, without the password: [`DatabaseConfig::place`].
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Its configuration.
    pub fn config(&self) -> &DatabaseConfig {
        &self.config
    }

    /// Judges one statement in this database's dialect.
    ///
    /// # Errors
    ///
    /// As [`Statement::parse`].
    pub fn judge(&self, sql: &str) -> Result<Statement, DatabaseError> {
        Statement::parse(sql, self.config.engine)
    }

    /// The statement that shows how the engine would run `sql`; with `analyze` it runs it, so it must be a reading one.
    ///
    /// # Errors
    ///
    /// As [`Statement::parse`]; `ReadOnly` for `analyze` of a write; `NotSupported` where the engine has no such statement.
    pub async fn explain(&self, call: &Call, sql: &str, analyze: bool) -> Result<Statement, DatabaseError> {
        let inner = self.judge(sql)?;
        if analyze {
            expect_kind(&inner, &[StatementKind::Read])?;
        } else {
            expect_kind(&inner, &[StatementKind::Read, StatementKind::Write])?;
        }
        let prefix = match (self.config.engine, analyze) {
            (EngineKind::Sqlite, false) => "EXPLAIN QUERY PLAN",
            (EngineKind::Sqlite, true) => {
                return Err(DatabaseError::new(ErrorKind::NotSupported, "SQLite has no EXPLAIN ANALYZE").hint("leave out `analyze`"));
            }
            (EngineKind::Postgres, false) => "EXPLAIN",
            (EngineKind::Postgres, true) => "EXPLAIN (ANALYZE, BUFFERS)",
            (EngineKind::MySql, false) => "EXPLAIN",
            (EngineKind::MySql, true) if self.details(call).await?.product == "MariaDB" => "ANALYZE",
            (EngineKind::MySql, true) => "EXPLAIN ANALYZE",
        };
        if inner.verb == "EXPLAIN" || inner.verb == "SHOW" {
            return Ok(inner);
        }
        self.judge(&format!("{prefix} {}", inner.text))
    }

    /// Runs one reading statement.
    ///
    /// # Errors
    ///
    /// `ReadOnly` and `Refused` before anything runs, else what the engine says, with the nearest names for a misspelt one.
    pub async fn read(
        &self,
        call: &Call,
        statement: &Statement,
        parameters: &[Value],
        options: &RunOptions,
    ) -> Result<RowSet, DatabaseError> {
        expect_kind(statement, &[StatementKind::Read])?;
        let started = Instant::now();
        if let Some(answered) = self.replicas.read(call, statement, parameters, options).await {
            return answered;
        }
        let left = options.timeout.saturating_sub(started.elapsed());
        let result = attempts!(self, call, Repeat::Always, left, timeout => {
            self.engine.read(call, statement, parameters, &RunOptions { timeout, ..options.clone() }).await
        });
        match result {
            Err(error) => Err(suggest::nearest_names(self, call, Some(statement), error).await),
            rows => rows,
        }
    }

    /// Runs statements that read or write, in one transaction: all take effect or none. `confirmation` is the token of an
    /// earlier `ConfirmationRequired` of the same statements.
    ///
    /// # Errors
    ///
    /// `ReadOnly` when the database is not open for writing, `ConfirmationRequired` for what destroys much; the index of the
    /// statement that failed.
    pub async fn write(
        &self,
        call: &Call,
        statements: Vec<(Statement, Vec<Value>)>,
        confirmation: Option<&str>,
        options: &RunOptions,
    ) -> Result<Vec<Execution>, BatchError> {
        self.write_in_scope(call, Scope::Alone, statements, confirmation, options).await
    }

    /// As [`write`](Self::write), in a transaction over several calls, under a savepoint.
    ///
    /// # Errors
    ///
    /// As there, and `TransactionNotFound`. After any other the transaction goes on, unless the message says otherwise.
    pub async fn write_in(
        &self,
        call: &Call,
        transaction: &Transaction,
        statements: Vec<(Statement, Vec<Value>)>,
        confirmation: Option<&str>,
        options: &RunOptions,
    ) -> Result<Vec<Execution>, BatchError> {
        self.write_in_scope(call, Scope::In(transaction), statements, confirmation, options).await
    }

    async fn write_in_scope(
        &self,
        call: &Call,
        scope: Scope<'_>,
        statements: Vec<(Statement, Vec<Value>)>,
        confirmation: Option<&str>,
        options: &RunOptions,
    ) -> Result<Vec<Execution>, BatchError> {
        for (index, (statement, _)) in statements.iter().enumerate() {
            self.expect_writable()
                .and_then(|()| expect_kind(statement, &[StatementKind::Read, StatementKind::Write]))
                .map_err(|error| BatchError { index, error })?;
        }
        self.run_confirmed(call, scope, statements, confirmation, options).await
    }

    /// Runs statements in a transaction of their own, as far as `guard` lets them.
    async fn run_alone(
        &self,
        call: &Call,
        statements: Vec<(Statement, Vec<Value>)>,
        guard: Guard,
        options: &RunOptions,
    ) -> Result<Vec<Execution>, BatchError> {
        let judged: Vec<Statement> = statements.iter().map(|(statement, _)| statement.clone()).collect();
        let _writing = self.replicas.writing(&call.caller);
        let writing = self.versions.begin(self.touched(&judged));
        let result = attempts!(self, call, Repeat::WithoutEffect, options.timeout, timeout => {
            let options = RunOptions { timeout, ..options.clone() };
            each_engine!(&self.engine, engine => engine.write_guarded(call, statements.clone(), guard, &options).await)
        });
        // Before anybody hears of it.
        writing.end(Outcome::of(result.as_ref().err().map(|failed| &failed.error)));
        match result {
            Err(BatchError { index, error }) => {
                let error = suggest::nearest_names(self, call, judged.get(index), error).await;
                Err(BatchError { index, error })
            }
            done => done,
        }
    }

    /// Runs one statement that changes schema, roles or settings.
    ///
    /// # Errors
    ///
    /// `ReadOnly` when the database is not open for writing, `ConfirmationRequired` for what drops or empties something, else what
    /// the engine says.
    pub async fn administer(
        &self,
        call: &Call,
        statement: Statement,
        parameters: Vec<Value>,
        confirmation: Option<&str>,
        options: &RunOptions,
    ) -> Result<Execution, DatabaseError> {
        self.administer_in_scope(call, Scope::Alone, statement, parameters, confirmation, options).await
    }

    /// As [`administer`](Self::administer), in a transaction over several calls.
    ///
    /// # Errors
    ///
    /// As there, `TransactionNotFound`, and `NotSupported` for what does not run in one.
    pub async fn administer_in(
        &self,
        call: &Call,
        transaction: &Transaction,
        statement: Statement,
        parameters: Vec<Value>,
        confirmation: Option<&str>,
        options: &RunOptions,
    ) -> Result<Execution, DatabaseError> {
        if matches!(statement.verb.as_str(), "SET" | "RESET") {
            // The reading of the next statement's text may depend on it.
            return Err(DatabaseError::new(ErrorKind::NotSupported, "settings are not changed in a transaction")
                .hint("they last for one statement only, so leave it out"));
        }
        self.administer_in_scope(call, Scope::In(transaction), statement, parameters, confirmation, options).await
    }

    async fn administer_in_scope(
        &self,
        call: &Call,
        scope: Scope<'_>,
        statement: Statement,
        parameters: Vec<Value>,
        confirmation: Option<&str>,
        options: &RunOptions,
    ) -> Result<Execution, DatabaseError> {
        self.expect_writable()?;
        expect_kind(&statement, &[StatementKind::Admin])?;
        let done = self.run_confirmed(call, scope, vec![(statement, parameters)], confirmation, options).await;
        let executions = done.map_err(|failed| failed.error)?;
        Ok(executions.into_iter().next().unwrap_or(Execution { affected: 0, returned: None }))
    }

    /// Facts about the database and the role.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub async fn details(&self, call: &Call) -> Result<DatabaseDetails, DatabaseError> {
        attempts!(self, call, Repeat::Always, call.remaining(), _left => each_engine!(&self.engine, engine => engine.details(call).await))
    }

    /// Its schemas by name, the system's left out.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub async fn schemas(&self, call: &Call) -> Result<Vec<Schema>, DatabaseError> {
        attempts!(self, call, Repeat::Always, call.remaining(), _left => each_engine!(&self.engine, engine => engine.schemas(call).await))
    }

    /// Tables and views by schema and name, at most `filter.limit`.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub async fn tables(&self, call: &Call, filter: &TableFilter) -> Result<Vec<TableSummary>, DatabaseError> {
        attempts!(self, call, Repeat::Always, call.remaining(), _left => each_engine!(&self.engine, engine => engine.tables(call, filter).await))
    }

    /// Everything about one table.
    ///
    /// # Errors
    ///
    /// `UnknownTable` with the nearest names, else what the engine says.
    pub async fn table(&self, call: &Call, schema: Option<&str>, name: &str) -> Result<Table, DatabaseError> {
        let found = attempts!(self, call, Repeat::Always, call.remaining(), _left => {
            each_engine!(&self.engine, engine => engine.table(call, schema, name).await)
        })?;
        match found {
            Some(table) => Ok(table),
            None => Err(suggest::unknown_table(self, call, schema, name).await),
        }
    }

    /// Stored functions and procedures by schema and name, at most `filter.limit`.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub async fn routines(&self, call: &Call, filter: &RoutineFilter) -> Result<Vec<Routine>, DatabaseError> {
        attempts!(self, call, Repeat::Always, call.remaining(), _left => each_engine!(&self.engine, engine => engine.routines(call, filter).await))
    }

    /// Whether it answered when it was last asked anything; none when it never was. Waits for nothing: the question is asked in the
    /// background, now and for a minute from now on.
    pub fn answers(&self) -> Option<bool> {
        self.watch.start(&self.engine, &self.availability);
        self.watch.want();
        self.availability.answers()
    }

    /// What is behind its names, as the engine's catalog has it.
    async fn facts(&self, call: &Call) -> Result<dependencies::Facts, DatabaseError> {
        each_engine!(&self.engine, engine => engine.facts(call).await)
    }

    /// How long a write of unknown outcome may still take effect.
    pub fn settles_after(&self) -> Duration {
        self.config.statement_timeout + UNKNOWN_FOR
    }

    /// What can be told about writes past the host, by the engine's own means.
    async fn ask_probe(&self, call: &Call, tables: Vec<String>) -> Result<Option<String>, DatabaseError> {
        each_engine!(&self.engine, engine => engine.probe(call, tables).await)
    }

    /// Rolls back what is open and closes every connection.
    pub async fn close(&self) {
        self.watch.stop();
        self.end_transactions().await;
        self.replicas.close().await;
        self.engine.close().await;
    }

    fn expect_writable(&self) -> Result<(), DatabaseError> {
        match self.config.mode {
            Mode::ReadWrite => Ok(()),
            Mode::ReadOnly => Err(DatabaseError::new(ErrorKind::ReadOnly, format!("database `{}` is read only", self.config.name))
                .hint(format!("the operator can set `mode = \"read-write\"` under `[databases.{}]`", self.config.name))),
        }
    }
}

/// Refuses a statement whose kind is not one of `allowed`, saying what would take it.
///
/// # Errors
///
/// `ReadOnly` or `Refused`, with what was found in the statement.
pub fn expect_kind(statement: &Statement, allowed: &[StatementKind]) -> Result<(), DatabaseError> {
    if allowed.contains(&statement.kind) {
        return Ok(());
    }
    let what = statement.reason.clone().unwrap_or_else(|| format!("`{}`", statement.verb));
    Err(match statement.kind {
        StatementKind::Read | StatementKind::Write => {
            DatabaseError::new(ErrorKind::ReadOnly, format!("only reading statements run here, and this one writes: {what}"))
        }
        StatementKind::Admin if allowed.contains(&StatementKind::Write) => {
            DatabaseError::new(ErrorKind::Refused, format!("this statement changes schema, roles or settings, and runs only alone: {what}"))
                .hint("run it by itself with `execute_query`")
        }
        StatementKind::Admin => {
            DatabaseError::new(ErrorKind::ReadOnly, format!("this statement changes schema, roles or settings: {what}"))
        }
        StatementKind::Transaction => {
            DatabaseError::new(ErrorKind::Refused, format!("transactions are not begun or ended by statements: {what}"))
        }
        StatementKind::Forbidden => DatabaseError::new(ErrorKind::Refused, format!("no plugin may run this: {what}")),
    })
}

/// Every configured database, by name.
#[derive(Clone, Default)]
pub struct Databases {
    by_name: Arc<BTreeMap<DatabaseName, Arc<Database>>>,
}

impl Databases {
    /// Prepares every database without connecting.
    ///
    /// # Errors
    ///
    /// The first whose URL or certificate makes no sense, by its name.
    pub fn new(configs: Vec<DatabaseConfig>) -> Result<Self, (DatabaseName, DatabaseError)> {
        let mut by_name = BTreeMap::new();
        let mut configs = configs;
        // The first of several names of the same data has to be the same on every replica.
        configs.sort_by(|one, other| one.name.cmp(&other.name));
        let slowest = configs.iter().map(|config| config.statement_timeout).max().unwrap_or_default();
        let mut counters: HashMap<String, Arc<Versions>> = HashMap::new();
        for config in configs {
            let name = config.name.clone();
            let versions = counters.entry(config.server()).or_insert_with(|| Versions::new(name.as_str(), slowest + UNKNOWN_FOR));
            let database = Database::counted(config, versions.clone()).map_err(|error| (name.clone(), error))?;
            by_name.insert(name, Arc::new(database));
        }
        Ok(Self { by_name: Arc::new(by_name) })
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Database>> {
        self.by_name.values()
    }

    /// The database of this name.
    pub fn find(&self, name: &str) -> Option<&Arc<Database>> {
        self.by_name.get(&DatabaseName::parse(name)?)
    }

    /// The transaction of this caller under `handle`, and the database it is in.
    ///
    /// # Errors
    ///
    /// `TransactionNotFound`, with how it ended where that is known.
    pub fn find_transaction(&self, caller: &Caller, handle: &str) -> Result<(Arc<Database>, Arc<Transaction>), DatabaseError> {
        let mut told = transaction::unknown();
        for database in self.iter() {
            match database.find_transaction(caller, handle) {
                Ok(transaction) => return Ok((database.clone(), transaction)),
                Err(error) if error != transaction::unknown() => told = error,
                Err(_) => {}
            }
        }
        Err(told)
    }

    /// Rolls back what the ended session of an older client has left open.
    pub async fn end_client(&self, client: u64) {
        for database in self.iter() {
            database.end_client(client).await;
        }
    }

    /// Waits for statements that are being stopped on their servers, rolls back every transaction and closes every pool.
    pub async fn close(&self) {
        supervise::all_ended().await;
        for database in self.iter() {
            database.close().await;
        }
    }
}
