//! Transactions that go on over several calls: an unguessable handle, bound to its caller, with a lease.
//!
//! The engines pin a session each (`slot`); the `registry` knows which are open, ends those whose time is over and
//! remembers for a while how each ended. What a transaction wrote is settled exactly once, when it ends, however it does.

mod registry;
pub(super) mod savepoint;
pub(super) mod slot;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::Mutex;
use tokio::sync::Notify;

use super::BatchError;
use super::Database;
use super::Engine;
use super::Execution;
use super::RunOptions;
use super::attempts;
use super::confirmation::Guard;
use super::error::DatabaseError;
use super::error::ErrorKind;
use super::expect_kind;
use super::mysql::transaction::Pinned as MySqlPinned;
use super::postgres::transaction::Pinned as PostgresPinned;
use super::retry::Attempts;
use super::retry::Repeat;
use super::rows::RowSet;
use super::setup::Setup;
use super::sqlite::transaction::Pinned as SqlitePinned;
use super::statement::Statement;
use super::statement::StatementKind;
use super::suggest;
use super::value::Value;
use super::versions::Outcome;
use super::versions::touched::Touched;
use crate::call::Call;
use crate::call::Caller;
use crate::config::DatabaseName;
use crate::config::TransactionConfig;

pub use registry::SettleHook;
pub(super) use registry::Transactions;
pub use savepoint::Act;
pub use slot::Ending;
use slot::Held;
use slot::turn;
pub use slot::unknown;

/// How much a transaction sees of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// What others have not committed, where the engine allows that.
    ReadUncommitted,
    /// What was committed before each statement.
    ReadCommitted,
    /// What was committed before the first statement.
    RepeatableRead,
    /// As if transactions ran one after another.
    Serializable,
}

impl Isolation {
    /// As SQL says it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "READ UNCOMMITTED",
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
        }
    }
}

/// What may be done in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    ReadOnly,
    /// Reading and writing.
    ReadWrite,
}

/// How to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeginOptions {
    /// None leaves it to the engine, which for reading only means one snapshot for all statements.
    pub isolation: Option<Isolation>,
    /// What may be done in it.
    pub access: Access,
    /// PostgreSQL: wait for a safe snapshot. SQLite: lock at the first write.
    pub deferrable: bool,
}

/// How long a transaction has before it is rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLeft {
    /// Unless it is used again.
    pub lease: Duration,
    /// In any case.
    pub duration: Duration,
}

/// What a transaction wrote, for whoever keeps copies of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The tables that its writing statements name, as written there.
    pub tables: BTreeSet<String>,
    /// Whether it may have written to others too.
    pub unknown: bool,
}

/// The pinned session, by engine.
enum Pins {
    Sqlite(Arc<Mutex<Held<SqlitePinned>>>),
    Postgres(Arc<Mutex<Held<PostgresPinned>>>),
    MySql(Arc<Mutex<Held<MySqlPinned>>>),
}

/// Does the same with the session of whichever engine it is.
macro_rules! each_pinned {
    ($pins:expr, $held:ident, $pinned:ident => $run:expr) => {
        match $pins {
            Pins::Sqlite($held) => {
                type $pinned = SqlitePinned;
                $run
            }
            Pins::Postgres($held) => {
                type $pinned = PostgresPinned;
                $run
            }
            Pins::MySql($held) => {
                type $pinned = MySqlPinned;
                $run
            }
        }
    };
}
use each_pinned;

/// A transaction that is open, or was.
pub struct Transaction {
    handle: String,
    caller: Caller,
    /// The session of an older client that it was begun in.
    client: Option<u64>,
    database: DatabaseName,
    options: BeginOptions,
    limits: TransactionConfig,
    begun: Instant,
    pins: Pins,
    state: std::sync::Mutex<State>,
    /// Told when the lease changes.
    changed: Arc<Notify>,
}

struct State {
    /// When the lease ends, unless somebody uses it then.
    until: Instant,
    users: usize,
    written: Written,
    /// The same, as the versions of tables count it.
    touched: Touched,
    /// Its place among those that may be open; gone when it has ended.
    place: Option<registry::Place>,
}

impl Transaction {
    /// Names it for later calls of its caller.
    pub fn handle(&self) -> &str {
        &self.handle
    }

    /// The database it is in.
    pub fn database(&self) -> &DatabaseName {
        &self.database
    }

    /// How it was begun.
    pub fn options(&self) -> BeginOptions {
        self.options
    }

    /// What it wrote so far; savepoints that were rolled back to are not taken off.
    pub fn written(&self) -> Written {
        self.state().written.clone()
    }

    /// What its end may change for those who keep copies.
    pub fn touched(&self) -> Touched {
        self.state().touched.clone()
    }

    /// How long it has, counted from now, if it is not used.
    pub fn time_left(&self) -> TimeLeft {
        let duration = self.remaining();
        TimeLeft { lease: self.limits.lease.min(duration), duration }
    }

    /// Until its longest duration is over.
    fn remaining(&self) -> Duration {
        (self.begun + self.limits.max_duration).saturating_duration_since(Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks it as used until what this returns is dropped; then the lease begins anew.
    fn enter(&self) -> Use<'_> {
        self.state().users += 1;
        Use(self)
    }

    /// A statement may not outlast the transaction.
    fn within(&self, options: &RunOptions) -> RunOptions {
        RunOptions { timeout: options.timeout.min(self.remaining()), ..options.clone() }
    }

    /// Whether a use goes on, or has just begun the lease anew.
    fn is_used(&self) -> bool {
        let state = self.state();
        state.users > 0 || state.until > Instant::now()
    }

    fn note_written(&self, statements: &[(Statement, Vec<Value>)]) {
        let mut state = self.state();
        for (statement, _) in statements.iter().filter(|(statement, _)| statement.kind != StatementKind::Read) {
            state.written.unknown |=
                statement.tables.is_empty() || statement.kind == StatementKind::Admin || !statement.functions.is_empty();
            state.written.tables.extend(statement.tables.iter().cloned());
        }
    }

    /// How it ended, when no statement of it runs and it has.
    pub(super) fn find_ending(&self) -> Option<Ending> {
        each_pinned!(&self.pins, held, _Pinned => held.try_lock().ok().and_then(|held| held.ending().cloned()))
    }
}

impl fmt::Debug for Transaction {
    /// Without its handle, which is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("database", &self.database).field("options", &self.options).finish_non_exhaustive()
    }
}

/// A use of a transaction.
struct Use<'t>(&'t Transaction);

impl Drop for Use<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.users -= 1;
        state.until = Instant::now() + self.0.limits.lease;
        drop(state);
        self.0.changed.notify_one();
    }
}

impl Database {
    /// Begins a transaction for the caller of `call`.
    ///
    /// # Errors
    ///
    /// As [`begin_with`](Self::begin_with).
    pub async fn begin(&self, call: &Call, options: BeginOptions) -> Result<Arc<Transaction>, DatabaseError> {
        self.begin_with(call, options, &Setup::default()).await
    }

    /// Begins a transaction for the caller of `call`, in a session that begins as `setup` says.
    ///
    /// # Errors
    ///
    /// `ReadOnly` for one that writes where that is not allowed, `PoolExhausted` when the caller or all of them have as many as
    /// they may, `NotSupported` for what the engine has not.
    pub async fn begin_with(&self, call: &Call, options: BeginOptions, setup: &Setup) -> Result<Arc<Transaction>, DatabaseError> {
        if options.access == Access::ReadWrite {
            self.expect_writable()?;
        }
        let place = self.transactions.reserve(&call.caller)?;
        let limits = &self.config.transactions;
        let pins = attempts!(self, call, Repeat::Always, self.config.statement_timeout, _left => self.pin(call, options, setup).await)?;
        let now = Instant::now();
        let state =
            State { until: now + limits.lease, users: 0, written: Written::default(), touched: Touched::nothing(), place: Some(place) };
        self.transactions.add(Transaction {
            handle: registry::random_handle()?,
            caller: call.caller.clone(),
            client: call.client,
            database: self.config.name.clone(),
            options,
            limits: limits.clone(),
            begun: now,
            pins,
            state: std::sync::Mutex::new(state),
            changed: Arc::default(),
        })
    }

    /// Pins a session and begins the engine's transaction in it.
    async fn pin(&self, call: &Call, options: BeginOptions, setup: &Setup) -> Result<Pins, DatabaseError> {
        // What the server waits for a forgotten one: a little more than the host.
        let idle = self.config.transactions.lease + Duration::from_secs(10);
        Ok(match &self.engine {
            Engine::Sqlite(engine) => Pins::Sqlite(Arc::new(Mutex::new(Held::Open(engine.begin(call, options).await?)))),
            Engine::Postgres(engine) => Pins::Postgres(Arc::new(Mutex::new(Held::Open(engine.begin(call, options, setup, idle).await?)))),
            Engine::MySql(engine) => Pins::MySql(Arc::new(Mutex::new(Held::Open(engine.begin(call, options, setup).await?)))),
        })
    }

    /// The transaction of this caller under `handle`.
    ///
    /// # Errors
    ///
    /// `TransactionNotFound`, with how it ended when that is known; another caller's is not told from one that never was.
    pub fn find_transaction(&self, caller: &Caller, handle: &str) -> Result<Arc<Transaction>, DatabaseError> {
        self.transactions.find(caller, handle)
    }

    /// As [`read`](Self::read), in a transaction.
    ///
    /// # Errors
    ///
    /// As there, and `TransactionNotFound`. After any other the transaction goes on, unless the message says otherwise.
    pub async fn read_in(
        &self,
        call: &Call,
        transaction: &Transaction,
        statement: &Statement,
        parameters: &[Value],
        options: &RunOptions,
    ) -> Result<RowSet, DatabaseError> {
        expect_kind(statement, &[StatementKind::Read])?;
        let using = transaction.enter();
        let options = transaction.within(options);
        let result = each_pinned!(&transaction.pins, held, Pinned => {
            let slot = turn(held, call, options.timeout).await?;
            Pinned::read(slot, call, statement, parameters, &options).await
        });
        drop(using);
        match result {
            Err(error) => {
                let error = self.note_end(transaction, error);
                Err(suggest::nearest_names(self, call, Some(statement), error).await)
            }
            rows => rows,
        }
    }

    /// Runs statements in a transaction, under a savepoint: all take effect or none, once it is committed. Goes round what is
    /// asked about: `guard` says what of it still holds.
    pub(super) async fn run_in(
        &self,
        call: &Call,
        transaction: &Transaction,
        statements: Vec<(Statement, Vec<Value>)>,
        guard: Guard,
        options: &RunOptions,
    ) -> Result<Vec<Execution>, BatchError> {
        let first = |error| BatchError { index: 0, error };
        if transaction.options.access == Access::ReadOnly {
            let writes = |(statement, _): &(Statement, Vec<Value>)| statement.kind != StatementKind::Read;
            if let Some(index) = statements.iter().position(writes) {
                let error = DatabaseError::new(ErrorKind::ReadOnly, "the transaction was begun read only")
                    .hint("begin another with `access` `read_write`");
                return Err(BatchError { index, error });
            }
        }
        let using = transaction.enter();
        let options = transaction.within(options);
        // Before it runs: what is cut off in the middle may have written.
        if guard != Guard::Count {
            transaction.note_written(&statements);
        }
        let judged: Vec<Statement> = statements.iter().map(|(statement, _)| statement.clone()).collect();
        transaction.state().touched.merge(self.touched(&judged));
        let result = each_pinned!(&transaction.pins, held, Pinned => {
            let slot = turn(held, call, options.timeout).await.map_err(first)?;
            Pinned::write(slot, call, statements, guard, &options).await
        });
        drop(using);
        match result {
            Err(BatchError { index, error }) => {
                let error = self.note_end(transaction, error);
                let error = suggest::nearest_names(self, call, judged.get(index), error).await;
                Err(BatchError { index, error })
            }
            done => done,
        }
    }

    /// Names of the savepoints of a transaction, the oldest first. Waits for the statement that runs in it.
    ///
    /// # Errors
    ///
    /// `TransactionNotFound`, with how it ended.
    pub async fn savepoints(&self, call: &Call, transaction: &Transaction) -> Result<Vec<String>, DatabaseError> {
        let _using = transaction.enter();
        each_pinned!(&transaction.pins, held, _Pinned => match &*turn(held, call, self.config.statement_timeout).await? {
            Held::Open(pinned) => Ok(pinned.savepoints().names().to_vec()),
            Held::Ended(ending) => Err(ending.to_error()),
        })
    }

    /// Sets a savepoint, rolls back to one or forgets one.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for a name that none may have or none has.
    pub async fn savepoint(&self, call: &Call, transaction: &Transaction, act: Act, name: &str) -> Result<(), DatabaseError> {
        let using = transaction.enter();
        let limit = self.config.statement_timeout.min(transaction.remaining());
        let result = each_pinned!(&transaction.pins, held, Pinned => {
            Pinned::mark(turn(held, call, limit).await?, call, act, name, limit).await
        });
        drop(using);
        result.map_err(|error| self.note_end(transaction, error))
    }

    /// Makes all of a transaction take effect, after the statement that runs in it.
    ///
    /// # Errors
    ///
    /// After any of them but a wait in vain for one's turn the transaction is over. When the answer was lost, the error says how to
    /// find out.
    pub async fn commit(&self, call: &Call, transaction: &Arc<Transaction>) -> Result<(), DatabaseError> {
        let _writing = self.replicas.writing(&call.caller);
        let writing = self.versions.begin(transaction.touched());
        let result = self.transactions.commit(call, transaction, self.config.statement_timeout).await;
        // Before anybody hears of it.
        writing.end(Outcome::of(result.as_ref().err()));
        result.map_err(|error| self.note_end(transaction, error))
    }

    /// Takes all of a transaction back, after the statement that runs in it.
    ///
    /// # Errors
    ///
    /// `TransactionNotFound`, with how it ended.
    pub async fn rollback(&self, transaction: &Arc<Transaction>) -> Result<(), DatabaseError> {
        match self.transactions.end(transaction, Ending::RolledBack).await {
            Some(Ending::RolledBack) => Ok(()),
            Some(earlier) => Err(earlier.to_error()),
            None => Err(DatabaseError::new(ErrorKind::Timeout, "a statement of the transaction still runs")
                .hint("cancel its call or wait for it; the transaction goes on until then")),
        }
    }

    /// Rolls back every transaction; none can be begun afterwards.
    pub(super) async fn end_transactions(&self) {
        self.transactions.end_all(Ending::HostStopped).await;
    }

    /// Rolls back what the ended session of an older client has left open.
    pub async fn end_client(&self, client: u64) {
        self.transactions.end_client(client).await;
    }

    /// Has `hook` told what each transaction wrote and how it ended: exactly once for each, before its caller is told. For
    /// whoever keeps copies of what is in the database; only the first hook counts.
    pub fn on_settled(&self, hook: SettleHook) {
        self.transactions.on_settled(hook);
    }

    /// Notes the end of a transaction that an error brought, and says so in it.
    fn note_end(&self, transaction: &Transaction, error: DatabaseError) -> DatabaseError {
        let Some(ending) = transaction.find_ending() else { return error };
        self.transactions.settle(transaction, &ending);
        if error.kind == ErrorKind::TransactionNotFound {
            return error;
        }
        match ending {
            // The error tells it itself.
            Ending::Unknown(_) | Ending::Committed => error,
            _ => DatabaseError { message: format!("{}; the transaction is over and was rolled back", error.message), ..error }
                .hint("begin a new transaction and do all of it again"),
        }
    }
}
