//! Stopping a statement on the server while its own connection is busy with it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::Connection;
use sqlx::Executor;
use tokio_util::sync::CancellationToken;

use super::connect::Access;
use super::connect::Session;
use super::pool::Checkout;
use super::pool::Pool;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::setup::Setup;

/// How long a killed statement may take to end before its whole connection is killed.
///
/// A kill that arrives between two statements of a session hits nothing, and the next one runs all the same.
const KILL_GRACE: Duration = Duration::from_millis(300);

/// What is known about a statement outside of the task that runs it. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Running {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The server's number of the connection; 0 before there is one.
    connection: AtomicU64,
    /// Cancelled when it is to stop.
    interrupted: CancellationToken,
    /// Whether the work has come back or was dropped.
    ended: AtomicBool,
    /// Which statement of a batch it is at.
    index: AtomicUsize,
    /// Whether the work may have taken effect if its connection is lost now.
    ending: AtomicBool,
}

impl Running {
    /// Nothing runs yet.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Lends a session, unless the work is told to stop before there is one: then it waits no longer.
    ///
    /// # Errors
    ///
    /// As [`Pool::lend`]; `Cancelled`.
    pub(super) async fn lend(&self, pool: &Pool, access: Access, setup: &Setup) -> Result<Checkout, DatabaseError> {
        tokio::select! {
            biased;
            () = self.shared.interrupted.cancelled() => Err(stopped()),
            lent = pool.lend(access, setup) => lent,
        }
    }

    /// Notes on which connection the work runs from here on.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub(super) fn begin(&self, session: &Session) -> Result<(), DatabaseError> {
        self.shared.connection.store(session.id, Ordering::SeqCst);
        self.check()
    }

    /// Asks before each step whether there may be another.
    ///
    /// # Errors
    ///
    /// `Cancelled` once the work was told to stop.
    pub(super) fn check(&self) -> Result<(), DatabaseError> {
        match self.interrupted() {
            true => Err(stopped()),
            false => Ok(()),
        }
    }

    /// Whether the work was told to stop. Its session may have a kill on its way and must not be used again.
    pub(super) fn interrupted(&self) -> bool {
        self.shared.interrupted.is_cancelled()
    }

    /// Notes which statement of a batch it is at.
    pub(super) fn at(&self, index: usize) {
        self.shared.index.store(index, Ordering::SeqCst);
    }

    /// Which statement of a batch it was at.
    pub(super) fn index(&self) -> usize {
        self.shared.index.load(Ordering::SeqCst)
    }

    /// Notes that from here on the work may have taken effect without our hearing of it.
    pub(super) fn ends(&self) {
        self.shared.ending.store(true, Ordering::SeqCst);
    }

    /// Whether the work may have taken effect although nobody heard of it.
    pub(super) fn is_ending(&self) -> bool {
        self.shared.ending.load(Ordering::SeqCst)
    }

    /// Notes the end of the work, however it comes, when what this returns is dropped.
    pub(super) fn ended_on_drop(&self) -> Ended {
        Ended(self.clone())
    }

    /// What stops the work, in the form that the supervisor wants.
    pub(super) fn interrupter(&self, pool: &Pool) -> impl FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + 'static {
        let running = self.clone();
        let pool = pool.clone();
        move || Box::pin(async move { running.interrupt(&pool).await })
    }

    /// Kills the statement by a connection of its own; when that was not enough, a moment later, kills its connection.
    async fn interrupt(self, pool: &Pool) {
        self.shared.interrupted.cancel();
        let connection = self.shared.connection.load(Ordering::SeqCst);
        if connection == 0 {
            return;
        }
        let mut beside = match pool.open_beside().await {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(%error, "No connection to stop a statement by; its own connection is closed instead");
                return;
            }
        };
        // An error means that there is nothing to kill any more.
        let _ = (&mut beside).execute(AssertSqlSafe(format!("KILL QUERY {connection}"))).await;
        tokio::spawn(async move {
            tokio::time::sleep(KILL_GRACE).await;
            if !self.shared.ended.load(Ordering::SeqCst) {
                let _ = (&mut beside).execute(AssertSqlSafe(format!("KILL {connection}"))).await;
            }
            // It is done with, however it ends.
            let _ = beside.close().await;
        });
    }
}

fn stopped() -> DatabaseError {
    DatabaseError::new(ErrorKind::Cancelled, "the statement was stopped")
}

/// Notes the end of the work when it is dropped.
pub(super) struct Ended(Running);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.shared.ended.store(true, Ordering::SeqCst);
    }
}
