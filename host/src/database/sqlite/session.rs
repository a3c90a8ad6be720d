//! Runs work on a connection, on a thread of its own, so that it can be stopped at any time.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle as Runtime;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::authorizer::Role;
use super::connect;
use super::connect::Leased;
use super::connect::Place;
use super::connect::Pools;
use super::error;
use super::error::Stage;
use super::raw::Handle;
use super::raw::Prepared;
use super::run;
use crate::call::Call;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::supervise::supervised;
use crate::database::value::Value;

/// Which connection some work needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// One that can only read.
    Reader,
    /// The one that can write.
    Writer,
    /// One that can write, for a transaction over several calls.
    TransactionWriter,
}

/// A connection while work runs on it.
pub(super) struct Session<'c> {
    handle: Handle<'c>,
    place: Arc<Place>,
    stop: CancellationToken,
}

/// Text up to this many bytes is compiled on an ordinary thread: it cannot nest deep enough for 2 MiB of stack.
const ORDINARY_TEXT: usize = 4 << 10;

/// The stack for longer text. SQLite compiles nested subqueries by recursion, some 2 KiB a level, without a limit; the
/// longest text it takes has 8,000 levels. What is not used costs no memory.
const LARGE_STACK: usize = 64 << 20;

/// How some work is to run.
pub(super) struct Job {
    /// On which connection.
    pub(super) wants: Wants,
    /// For how long, the wait for the connection included.
    pub(super) limit: Duration,
    /// Bytes of the longest statement in it.
    pub(super) text_bytes: usize,
}

/// Runs `work` on a connection.
///
/// Stopping it interrupts the statement within some thousand instructions of SQLite. A connection that was stopped,
/// is not clean or saw a panic is closed; any other goes back to its pool.
pub(super) async fn run<T, W>(pools: &Arc<Pools>, call: &Call, job: Job, work: W) -> Result<T, DatabaseError>
where
    T: Send + 'static,
    W: FnOnce(&Session<'_>) -> Result<T, DatabaseError> + Send + 'static,
{
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    let interrupt = move || async move { stopper.cancel() };
    let pools = pools.clone();
    supervised(call, job.limit, interrupt, async move {
        let connection = tokio::select! {
            biased;
            connection = pools.acquire(job.wants) => connection?,
            () = stop.cancelled() => return Err(stopped()),
        };
        let runtime = Runtime::current();
        let place = pools.place().clone();
        // When this future is dropped the thread goes on with the connection until its statement notices the stop.
        on_thread(job.text_bytes, move || use_connection(connection, &runtime, place, stop, work)).await
    })
    .await
}

/// Runs `work` on a thread that may block.
async fn on_thread<T, W>(text_bytes: usize, work: W) -> Result<T, DatabaseError>
where
    T: Send + 'static,
    W: FnOnce() -> Result<T, DatabaseError> + Send + 'static,
{
    if text_bytes <= ORDINARY_TEXT {
        return tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(panicked()));
    }
    let (answer, answered) = oneshot::channel();
    let thread = thread::Builder::new().name("sqlite-large".into()).stack_size(LARGE_STACK);
    let started = thread.spawn(move || {
        // Nobody waits for the answer of work that was stopped.
        let _ = answer.send(work());
    });
    match started {
        Ok(_) => answered.await.unwrap_or_else(|_| Err(panicked())),
        Err(_) => Err(DatabaseError::new(ErrorKind::Unavailable, "the host has no thread for a statement of this size").hint("try again")),
    }
}

/// Runs `work` on this thread and gives the connection back or closes it.
fn use_connection<T, W>(
    mut connection: Leased,
    runtime: &Runtime,
    place: Arc<Place>,
    stop: CancellationToken,
    work: W,
) -> Result<T, DatabaseError>
where
    W: FnOnce(&Session<'_>) -> Result<T, DatabaseError>,
{
    // The driver gives a connection back in a task, so the connection is dropped before this.
    let _context = runtime.enter();
    let (result, reusable) = match runtime.block_on(connection.lock_handle()) {
        Ok(locked) => {
            let _guard = run::enter(stop.clone());
            let session = Session { handle: Handle::new(locked), place, stop };
            let result = catch_unwind(AssertUnwindSafe(|| work(&session))).unwrap_or_else(|_| Err(panicked()));
            let reusable = !session.is_stopped() && session.handle.is_clean() && !result.as_ref().is_err_and(is_of_connection);
            (result, reusable)
        }
        Err(source) => (Err(error::of_driver(source, &place)), false),
    };
    match reusable {
        true => drop(connection),
        false => connect::discard(connection),
    }
    result
}

/// A connection that keeps a transaction between two statements. Dropped, it is closed, which rolls back.
pub(super) struct Kept {
    connection: Option<Leased>,
    runtime: Runtime,
}

impl Kept {
    /// Keeps a connection. Call it within the runtime.
    pub(super) fn new(connection: Leased) -> Self {
        Self { connection: Some(connection), runtime: Runtime::current() }
    }

    /// Gives the connection back to its pool. It must have no transaction and no statement open.
    pub(super) fn release(mut self) {
        let _context = self.runtime.enter();
        drop(self.connection.take());
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _context = self.runtime.enter();
        if let Some(connection) = self.connection.take() {
            connect::discard(connection);
        }
    }
}

/// Runs `work` on a connection that stays with its transaction, and hands it back.
///
/// # Errors
///
/// The connection is gone: the driver lost it, or a thread panicked on it.
pub(super) async fn run_on<T, W>(
    kept: Kept,
    place: Arc<Place>,
    stop: CancellationToken,
    text_bytes: usize,
    work: W,
) -> Result<(Kept, Result<T, DatabaseError>), DatabaseError>
where
    T: Send + 'static,
    W: FnOnce(&Session<'_>) -> Result<T, DatabaseError> + Send + 'static,
{
    on_thread(text_bytes, move || {
        let mut kept = kept;
        let runtime = kept.runtime.clone();
        let Some(connection) = kept.connection.as_mut() else { return Err(panicked()) };
        let locked = runtime.block_on(connection.lock_handle()).map_err(|source| error::of_driver(source, &place))?;
        let guard = run::enter(stop.clone());
        let session = Session { handle: Handle::new(locked), place, stop };
        let result = catch_unwind(AssertUnwindSafe(|| work(&session))).map_err(|_| panicked())?;
        drop(session);
        drop(guard);
        Ok((kept, result))
    })
    .await
}

impl<'c> Session<'c> {
    /// The connection itself.
    pub(super) fn handle(&self) -> &Handle<'c> {
        &self.handle
    }

    /// Where the data is.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Whether the work was stopped.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Compiles exactly one statement in the right of `role`.
    ///
    /// # Errors
    ///
    /// `MultipleStatements` for none and for more than one, `Refused` for a NUL, what the authorizer denies, what
    /// SQLite says.
    pub(super) fn prepare(&self, role: Role, sql: &str) -> Result<Prepared<'_>, DatabaseError> {
        if sql.contains('\0') {
            return Err(DatabaseError::new(ErrorKind::Refused, "a statement may not contain a NUL character"));
        }
        run::set_role(role);
        let (prepared, tail) = self.handle.prepare(sql).map_err(|raw| error::of_sqlite(&raw, Stage::Prepare, &self.place))?;
        let Some(prepared) = prepared else {
            return Err(DatabaseError::new(ErrorKind::MultipleStatements, "there is no statement, only blank space or a comment"));
        };
        if !self.is_blank(tail) {
            return Err(DatabaseError::new(ErrorKind::MultipleStatements, "there is more than one statement").hint("send one at a time"));
        }
        Ok(prepared)
    }

    /// Does `work`, and once more from its start when it was denied what a virtual table does for its own sake.
    ///
    /// An R-tree compiles its writes when it is first opened, whatever it is opened for. Once opened it stays so until
    /// the schema changes.
    pub(super) fn with_virtual_tables<T>(&self, mut work: impl FnMut() -> Result<T, DatabaseError>) -> Result<T, DatabaseError> {
        match work() {
            Err(_) if run::virtual_table_denied() => {
                self.open_virtual_tables()?;
                work()
            }
            done => done,
        }
    }

    /// Opens every virtual table by compiling a statement that reads it.
    fn open_virtual_tables(&self) -> Result<(), DatabaseError> {
        let mut names = Vec::new();
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage = 0 LIMIT 1000";
        self.query(sql, &[], |row| names.push(row.text(0)))?;
        run::set_role(Role::Opener);
        for name in names {
            // One that cannot be opened fails when it is asked for.
            drop(self.handle.prepare(&format!("SELECT * FROM main.\"{}\"", name.replace('"', "\"\""))));
        }
        Ok(())
    }

    /// Runs a fixed statement of the host.
    pub(super) fn execute(&self, sql: &str) -> Result<(), DatabaseError> {
        let mut prepared = self.prepare(Role::Host, sql)?;
        while prepared.step().map_err(|raw| error::of_sqlite(&raw, Stage::Step, &self.place))? {}
        Ok(())
    }

    /// As [`execute`](Self::execute), also when the work was stopped: what it left is to be cleaned up.
    pub(super) fn execute_last(&self, sql: &str) -> Result<(), DatabaseError> {
        run::go_on();
        self.execute(sql)
    }

    /// Runs a fixed query of the host with bound values, in a reader's right, and hands each row to `row`.
    pub(super) fn query(&self, sql: &str, values: &[Value], mut row: impl FnMut(&Prepared<'_>)) -> Result<(), DatabaseError> {
        let mut prepared = self.prepare(Role::Reader, sql)?;
        for (index, value) in values.iter().enumerate() {
            prepared.bind(index + 1, value).map_err(|raw| error::of_sqlite(&raw, Stage::Step, &self.place))?;
        }
        while prepared.step().map_err(|raw| error::of_sqlite(&raw, Stage::Step, &self.place))? {
            row(&prepared);
        }
        Ok(())
    }

    /// Whether nothing that could run is in `tail`. Text that does not compile counts as something.
    fn is_blank(&self, tail: &str) -> bool {
        let mut tail = tail;
        while !tail.is_empty() {
            match self.handle.prepare(tail) {
                Ok((None, rest)) if rest.len() < tail.len() => tail = rest,
                Ok(_) | Err(_) => return false,
            }
        }
        true
    }
}

/// Whether an error may have to do with the connection, so that a new one is better.
fn is_of_connection(error: &DatabaseError) -> bool {
    matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Cancelled | ErrorKind::TooLarge)
}

/// The work was told to stop.
pub(super) fn stopped() -> DatabaseError {
    DatabaseError::new(ErrorKind::Cancelled, "the statement was stopped")
}

fn panicked() -> DatabaseError {
    DatabaseError::new(ErrorKind::Failed, "the statement ended without an answer")
}
