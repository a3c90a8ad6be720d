//! A transaction over several calls: a connection pinned for as long as it is open.
//!
//! Each statement runs on a thread of its own, as all do; in between the connection lies here. SQLite takes back a failed
//! statement by itself. One that is interrupted while it writes takes the whole transaction with it, and so do `ON CONFLICT
//! ROLLBACK` and a full disk; whether there still is one is asked after each.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Sqlite;
use super::connect::Pools;
use super::query;
use super::session;
use super::session::Kept;
use super::session::Session;
use super::session::Wants;
use crate::call::Call;
use crate::database::BatchError;
use crate::database::Execution;
use crate::database::RunOptions;
use crate::database::confirmation::Guard;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::rows::RowSet;
use crate::database::statement::Statement;
use crate::database::supervise::supervised;
use crate::database::transaction::Access;
use crate::database::transaction::Act;
use crate::database::transaction::BeginOptions;
use crate::database::transaction::Ending;
use crate::database::transaction::Isolation;
use crate::database::transaction::savepoint::Savepoints;
use crate::database::transaction::slot::Held;
use crate::database::transaction::slot::Slot;
use crate::database::value::Value;

/// A connection with a transaction. Dropping it closes the connection, which rolls back.
pub(in crate::database) struct Pinned {
    pools: Arc<Pools>,
    /// None once it was lost.
    connection: Option<Kept>,
    access: Access,
    savepoints: Savepoints,
    /// Set when there is no transaction any more.
    dead: Option<Ending>,
}

impl Sqlite {
    /// Begins a transaction.
    pub(in crate::database) async fn begin(&self, call: &Call, options: BeginOptions) -> Result<Pinned, DatabaseError> {
        let BeginOptions { isolation, access, deferrable } = options;
        if !matches!(isolation, None | Some(Isolation::Serializable)) {
            return Err(DatabaseError::new(ErrorKind::NotSupported, "SQLite has one isolation level, `serializable`")
                .hint("leave `isolation` out: every transaction sees one state of the database and its own changes"));
        }
        self.create_if_asked(call, self.statement_timeout).await?;
        let (wants, begin) = match (access, deferrable) {
            (Access::ReadOnly, _) => (Wants::Reader, "BEGIN"),
            (Access::ReadWrite, false) => (Wants::TransactionWriter, "BEGIN IMMEDIATE"),
            (Access::ReadWrite, true) => (Wants::TransactionWriter, "BEGIN"),
        };
        let pools = self.pools.clone();
        let stop = CancellationToken::new();
        let stopper = stop.clone();
        supervised(call, self.statement_timeout, move || async move { stopper.cancel() }, async move {
            let connection = tokio::select! {
                biased;
                connection = pools.acquire(wants) => Kept::new(connection?),
                () = stop.cancelled() => return Err(session::stopped()),
            };
            let work = move |session: &Session<'_>| {
                session.execute(begin)?;
                if access == Access::ReadOnly {
                    // Its state of the database is that of now and not of its first statement.
                    session.query("SELECT count(*) FROM sqlite_schema", &[], |_| {})?;
                }
                Ok(())
            };
            let (connection, result) = session::run_on(connection, pools.place().clone(), stop, 0, work).await?;
            result.map(|()| Pinned { pools, connection: Some(connection), access, savepoints: Savepoints::default(), dead: None })
        })
        .await
    }
}

impl Pinned {
    /// Its savepoints.
    pub(in crate::database) fn savepoints(&self) -> &Savepoints {
        &self.savepoints
    }

    /// Runs one reading statement.
    pub(in crate::database) async fn read(
        slot: Slot<Self>,
        call: &Call,
        statement: &Statement,
        values: &[Value],
        options: &RunOptions,
    ) -> Result<RowSet, DatabaseError> {
        let (sql, values, limits) = (statement.text.clone(), values.to_vec(), options.limits);
        let text_bytes = sql.len();
        // A connection that can only read says so for good.
        let writes = matches!(&*slot, Held::Open(pinned) if pinned.access == Access::ReadWrite);
        Self::run(slot, call, options.timeout, text_bytes, move |session| {
            if !writes {
                return query::read(session, &sql, &values, limits);
            }
            // Beside the authorizer and SQLite's own word for it.
            session.execute("PRAGMA query_only = ON")?;
            let rows = query::read(session, &sql, &values, limits);
            session.execute_last("PRAGMA query_only = OFF")?;
            rows
        })
        .await
    }

    /// Runs statements that write, all or none of them.
    pub(in crate::database) async fn write(
        slot: Slot<Self>,
        call: &Call,
        statements: Vec<(Statement, Vec<Value>)>,
        guard: Guard,
        options: &RunOptions,
    ) -> Result<Vec<Execution>, BatchError> {
        if let Some(index) = statements.iter().position(|(statement, _)| query::runs_alone(statement)) {
            let error =
                DatabaseError::new(ErrorKind::NotSupported, format!("`{}` does not run in a transaction", statements[index].0.verb))
                    .hint("commit first and run it by itself");
            return Err(BatchError { index, error });
        }
        let index = Arc::new(AtomicUsize::new(0));
        let (running, limits) = (index.clone(), options.limits);
        let text_bytes = statements.iter().map(|(statement, _)| statement.text.len()).max().unwrap_or(0);
        let result = Self::run(slot, call, options.timeout, text_bytes, move |session| {
            session.execute("SAVEPOINT tidegate")?;
            let done = query::run_all(session, &statements, guard, limits, &running);
            match &done {
                Ok(_) => session.execute("RELEASE SAVEPOINT tidegate")?,
                // Gone with the transaction, perhaps; that is looked at afterwards.
                Err(_) if session.handle().in_transaction() => {
                    session.execute_last("ROLLBACK TO SAVEPOINT tidegate")?;
                    session.execute_last("RELEASE SAVEPOINT tidegate")?;
                }
                Err(_) => {}
            }
            done
        })
        .await;
        result.map_err(|error| BatchError { index: index.load(Ordering::Relaxed), error })
    }

    /// Sets a savepoint, rolls back to it or forgets it.
    pub(in crate::database) async fn mark(
        slot: Slot<Self>,
        call: &Call,
        act: Act,
        name: &str,
        limit: Duration,
    ) -> Result<(), DatabaseError> {
        let name = name.to_owned();
        Self::change(slot, call, limit, move |pinned| Ok((pinned.savepoints.statement(act, &name)?, act, name))).await
    }

    /// Commits. The transaction is over, unless another connection holds a lock that it needs.
    pub(in crate::database) async fn commit(mut slot: Slot<Self>, call: &Call, limit: Duration) -> Result<(), DatabaseError> {
        let pinned = slot.take()?;
        // Cut off in the middle it may have taken effect.
        slot.put_ending(Ending::Unknown(LOOK.into()));
        // Not interrupted: SQLite writes what it has or nothing, and is done soon.
        supervised(call, limit, || async {}, async move {
            let Self { pools, connection: Some(connection), access, savepoints, .. } = pinned else { return Err(Ending::Lost.to_error()) };
            let work = |session: &Session<'_>| Ok((session.execute("COMMIT"), session.handle().in_transaction()));
            let (connection, committed) = session::run_on(connection, pools.place().clone(), CancellationToken::new(), 0, work).await?;
            match committed? {
                (Ok(()), _) => {
                    connection.release();
                    slot.put_ending(Ending::Committed);
                    Ok(())
                }
                // Busy: a reader is in the way, and the transaction waits for another try.
                (Err(error), true) => {
                    let pinned = Self { pools, connection: Some(connection), access, savepoints, dead: None };
                    slot.put(pinned, None);
                    Err(error.hint("the transaction goes on: commit again, or roll it back"))
                }
                (Err(error), false) => {
                    connection.release();
                    slot.put_ending(Ending::Aborted(error.message.clone()));
                    Err(error)
                }
            }
        })
        .await
    }

    /// Rolls back and gives the connection back to its pool.
    pub(in crate::database) async fn roll_back(mut self) {
        let Some(connection) = self.connection.take() else { return };
        let work = |session: &Session<'_>| session.execute("ROLLBACK");
        let done = session::run_on(connection, self.pools.place().clone(), CancellationToken::new(), 0, work).await;
        if let Ok((connection, Ok(()))) = done {
            connection.release();
        }
    }

    /// Runs a savepoint command.
    async fn change<P>(mut slot: Slot<Self>, call: &Call, limit: Duration, plan: P) -> Result<(), DatabaseError>
    where
        P: FnOnce(&Self) -> Result<(String, Act, String), DatabaseError>,
    {
        let pinned = slot.take()?;
        let planned = plan(&pinned);
        slot.put(pinned, None);
        let (statement, act, name) = planned?;
        Self::run_and(slot, call, limit, 0, move |session| session.execute(&statement), move |pinned| pinned.savepoints.note(act, &name))
            .await
    }

    async fn run<T, W>(slot: Slot<Self>, call: &Call, limit: Duration, text_bytes: usize, work: W) -> Result<T, DatabaseError>
    where
        T: Send + 'static,
        W: FnOnce(&Session<'_>) -> Result<T, DatabaseError> + Send + 'static,
    {
        Self::run_and(slot, call, limit, text_bytes, work, |_| {}).await
    }

    /// Runs work on the connection, then `note` when it was done, and looks whether the transaction is still there.
    async fn run_and<T, W, N>(
        mut slot: Slot<Self>,
        call: &Call,
        limit: Duration,
        text_bytes: usize,
        work: W,
        note: N,
    ) -> Result<T, DatabaseError>
    where
        T: Send + 'static,
        W: FnOnce(&Session<'_>) -> Result<T, DatabaseError> + Send + 'static,
        N: FnOnce(&mut Self) + Send + 'static,
    {
        let mut pinned = slot.take()?;
        let stop = CancellationToken::new();
        let stopper = stop.clone();
        supervised(call, limit, move || async move { stopper.cancel() }, async move {
            let Some(connection) = pinned.connection.take() else { return Err(Ending::Lost.to_error()) };
            let looked = move |session: &Session<'_>| {
                let result = work(session);
                Ok((result, session.handle().in_transaction()))
            };
            let (connection, looked) = session::run_on(connection, pinned.pools.place().clone(), stop, text_bytes, looked).await?;
            let (result, in_transaction) = looked?;
            if in_transaction {
                pinned.connection = Some(connection);
                if result.is_ok() {
                    note(&mut pinned);
                }
            } else {
                let why = result.as_ref().err().map_or("a statement of it ended it", |error| error.message.as_str());
                pinned.dead = Some(Ending::Aborted(why.to_owned()));
                connection.release();
            }
            let dead = pinned.dead.take();
            slot.put(pinned, dead);
            result
        })
        .await
    }
}

/// How to find out about a commit that was cut off.
const LOOK: &str = "look at the data before trying again";
