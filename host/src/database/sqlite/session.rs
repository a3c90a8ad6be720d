//! Runs work on a connection, on a thread of its own, so that it can be stopped at any time.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Sqlite as Driver;
use sqlx::pool::PoolConnection;
use tokio::runtime::Handle as Runtime;
use tokio_util::sync::CancellationToken;

use super::authorizer::Role;
use super::connect;
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
}

/// A connection while work runs on it.
pub(super) struct Session<'c> {
    handle: Handle<'c>,
    place: Arc<Place>,
    stop: CancellationToken,
}

/// Runs `work` on a connection for at most `limit`, the wait for the connection included.
///
/// Stopping it interrupts the statement within some thousand instructions of SQLite. A connection that was stopped,
/// is not clean or saw a panic is closed; any other goes back to its pool.
pub(super) async fn run<T, W>(
    pools: &Arc<Pools>,
    place: &Arc<Place>,
    wants: Wants,
    call: &Call,
    limit: Duration,
    work: W,
) -> Result<T, DatabaseError>
where
    T: Send + 'static,
    W: FnOnce(&Session<'_>) -> Result<T, DatabaseError> + Send + 'static,
{
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    let interrupt = move || async move { stopper.cancel() };
    let (pools, place) = (pools.clone(), place.clone());
    supervised(call, limit, interrupt, async move {
        let acquired = async {
            match wants {
                Wants::Reader => pools.reader().await,
                Wants::Writer => pools.writer().await,
            }
        };
        let connection = tokio::select! {
            biased;
            connection = acquired => connection?,
            () = stop.cancelled() => return Err(stopped()),
        };
        let runtime = Runtime::current();
        // When this future is dropped the thread goes on with the connection until its statement notices the stop.
        let thread = tokio::task::spawn_blocking(move || on_thread(connection, &runtime, place, stop, work));
        thread.await.unwrap_or_else(|_| Err(panicked()))
    })
    .await
}

fn on_thread<T, W>(
    mut connection: PoolConnection<Driver>,
    runtime: &Runtime,
    place: Arc<Place>,
    stop: CancellationToken,
    work: W,
) -> Result<T, DatabaseError>
where
    W: FnOnce(&Session<'_>) -> Result<T, DatabaseError>,
{
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
    if !reusable {
        connect::discard(connection);
    }
    result
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

    /// Runs a fixed statement of the host.
    pub(super) fn execute(&self, sql: &str) -> Result<(), DatabaseError> {
        let mut prepared = self.prepare(Role::Host, sql)?;
        while prepared.step().map_err(|raw| error::of_sqlite(&raw, Stage::Step, &self.place))? {}
        Ok(())
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
    matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Cancelled)
}

fn stopped() -> DatabaseError {
    DatabaseError::new(ErrorKind::Cancelled, "the statement was stopped")
}

fn panicked() -> DatabaseError {
    DatabaseError::new(ErrorKind::Failed, "the statement ended without an answer")
}
