//! Stops statements on the server, from a connection of its own.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgConnection;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::connect::Connector;

/// How long one attempt to stop a statement may take, connecting included.
const ATTEMPT: Duration = Duration::from_secs(1);

/// When to try again: a statement that the server had not begun yet is not stopped by the first attempt.
const AGAIN_AFTER: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_millis(250), Duration::from_millis(1000), Duration::from_millis(1500)];

/// The connection that stops statements; opened when first needed, then kept.
pub(super) struct Control {
    connector: Connector,
    connection: Mutex<Option<PgConnection>>,
}

/// The server process that one call is using, if it is using one.
#[derive(Default)]
pub(super) struct Running {
    pid: Mutex<Option<i32>>,
    /// Cancelled when the call must begin nothing more.
    pub(super) stopped: CancellationToken,
    /// Whether the statements may have taken effect if the connection is lost now.
    pub(super) ending: AtomicBool,
}

impl Running {
    /// Notes the process. Must be cleared before its session is given back.
    pub(super) async fn set(&self, pid: i32) {
        *self.pid.lock().await = Some(pid);
    }

    /// After this nothing of this call's process is stopped any more: it may be another call's.
    pub(super) async fn clear(&self) {
        *self.pid.lock().await = None;
    }
}

impl Control {
    /// Connects to nothing yet.
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, connection: Mutex::new(None) }
    }

    /// Stops what the process is running. `false` when the server could not be asked.
    pub(super) async fn cancel(&self, pid: i32) -> bool {
        tokio::time::timeout(ATTEMPT, self.ask(pid)).await.unwrap_or(false)
    }

    /// Stops a call: at once, and again a few times as long as it has not let go of its session.
    pub(super) async fn interrupt(self: Arc<Self>, running: Arc<Running>) {
        running.stopped.cancel();
        self.shoot(&running).await;
        tokio::spawn(async move {
            for pause in AGAIN_AFTER {
                tokio::time::sleep(pause).await;
                if !self.shoot(&running).await {
                    return;
                }
            }
        });
    }

    /// Closes the connection.
    pub(super) async fn close(&self) {
        self.connection.lock().await.take();
    }

    /// Holds the lock while it asks, so that the session cannot become another call's in between.
    async fn shoot(&self, running: &Running) -> bool {
        let pid = running.pid.lock().await;
        match *pid {
            Some(pid) => {
                self.cancel(pid).await;
                true
            }
            None => false,
        }
    }

    /// What became of the transaction with this number: `committed`, `aborted` or `in progress`; `None` when the server
    /// cannot be asked or does not know any more.
    pub(super) async fn find_outcome(&self, id: &str) -> Option<String> {
        let ask = async {
            let mut connection = self.connector.open_control().await.ok()?;
            let asked = sqlx::query("SELECT pg_catalog.pg_xact_status($1::pg_catalog.text::pg_catalog.xid8)").bind(id);
            asked.fetch_one(&mut connection).await.ok()?.try_get(0).ok()?
        };
        tokio::time::timeout(ATTEMPT, ask).await.ok()?
    }

    async fn ask(&self, pid: i32) -> bool {
        let mut kept = self.connection.lock().await;
        // A connection that went stale while it was not needed gets one replacement.
        for _ in 0..2 {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => match self.connector.open_control().await {
                    Ok(connection) => connection,
                    Err(_) => return false,
                },
            };
            let asked = sqlx::query("SELECT pg_catalog.pg_cancel_backend($1)").bind(pid).fetch_one(&mut connection).await;
            if let Ok(row) = asked {
                *kept = Some(connection);
                return row.try_get(0).unwrap_or(false);
            }
        }
        false
    }
}
