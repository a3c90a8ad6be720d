//! Hands out sessions, at most so many at a time, and keeps the idle ones.
//!
//! The driver's own pool tests a connection with a round trip on every return and cannot say which server process is
//! behind it. Here a session that is merely dropped, whatever it was doing, is closed; only [`Session::release`] keeps it.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::Weak;
use std::time::Duration;
use std::time::Instant;

use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::connect::Connector;
use crate::config::PoolConfig;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;

/// A session idle for longer than this is asked whether it still lives before it is used.
const TEST_AFTER: Duration = Duration::from_secs(30);

/// How long that question may take.
const TEST_TIMEOUT: Duration = Duration::from_secs(2);

/// How long closing waits for sessions in use.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The sessions of one purpose.
#[derive(Clone)]
pub(super) struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    connector: Connector,
    config: PoolConfig,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    sweeper: OnceLock<AbortHandle>,
}

struct Idle {
    body: Body,
    since: Instant,
}

/// What a session is made of.
struct Body {
    connection: PgConnection,
    pid: i32,
    shared: bool,
    money_digits: u8,
    opened: Instant,
}

/// A session in use. Dropping it closes it.
pub(super) struct Session {
    body: Body,
    /// Whether it was idle in the pool before, so that its connection may have gone stale.
    pub(super) reused: bool,
    /// Whether the driver and the server have lost each other: then it is closed, whoever gives it back.
    pub(super) broken: bool,
    pool: Arc<Inner>,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    /// A pool without sessions.
    pub(super) fn new(connector: Connector, config: PoolConfig) -> Self {
        let permits = Arc::new(Semaphore::new(usize::try_from(config.max.max(1)).unwrap_or(1)));
        let inner = Inner { connector, config, permits, idle: Mutex::default(), sweeper: OnceLock::new() };
        Self { inner: Arc::new(inner) }
    }

    /// How its sessions are opened.
    pub(super) fn connector(&self) -> &Connector {
        &self.inner.connector
    }

    /// Takes an idle session or opens one, within the pool's acquire timeout.
    ///
    /// # Errors
    ///
    /// `PoolExhausted` when all are in use for that long, `Unavailable` when none can be opened.
    pub(super) async fn acquire(&self) -> Result<Session, DatabaseError> {
        let started = Instant::now();
        let patience = self.inner.config.acquire_timeout;
        let permit = match tokio::time::timeout(patience, self.inner.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(DatabaseError::new(ErrorKind::Unavailable, "the connections of this database are closed")),
            Err(_) => return Err(self.exhausted()),
        };
        while let Some(idle) = self.inner.take_idle() {
            let mut body = idle.body;
            let tested =
                idle.since.elapsed() < TEST_AFTER || matches!(tokio::time::timeout(TEST_TIMEOUT, body.connection.ping()).await, Ok(Ok(())));
            if tested {
                return Ok(Session { body, reused: true, broken: false, pool: self.inner.clone(), _permit: permit });
            }
        }
        self.inner.start_sweeper();
        let left = patience.saturating_sub(started.elapsed()).max(Duration::from_millis(100));
        let opened = tokio::time::timeout(left, self.inner.connector.open()).await.map_err(|_| {
            DatabaseError::new(ErrorKind::Unavailable, format!("the database did not accept a connection within {left:?}"))
        })??;
        let body = Body {
            connection: opened.connection,
            pid: opened.pid,
            shared: opened.shared,
            money_digits: opened.money_digits,
            opened: Instant::now(),
        };
        Ok(Session { body, reused: false, broken: false, pool: self.inner.clone(), _permit: permit })
    }

    /// Forgets every idle session: one of them turned out to be dead.
    pub(super) fn forget_idle(&self) {
        self.inner.idle().clear();
    }

    /// Closes every session; waits a few seconds for those in use.
    pub(super) async fn close(&self) {
        let all = self.inner.config.max.max(1);
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.inner.permits.acquire_many(all)).await;
        self.inner.permits.close();
        let idle = std::mem::take(&mut *self.inner.idle());
        for idle in idle {
            let _ = tokio::time::timeout(TEST_TIMEOUT, idle.body.connection.close()).await;
        }
    }

    fn exhausted(&self) -> DatabaseError {
        let PoolConfig { max, acquire_timeout, .. } = self.inner.config;
        let busy = usize::try_from(max.max(1)).unwrap_or(1) - self.inner.permits.available_permits();
        DatabaseError::new(ErrorKind::PoolExhausted, format!("no connection came free within {acquire_timeout:?} ({busy} of {max} in use)"))
            .hint("try again, or raise `max` or `acquire_timeout` of the database's `pool`")
    }
}

impl Inner {
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session used last, if it is not over its time.
    fn take_idle(&self) -> Option<Idle> {
        let mut idle = self.idle();
        idle.retain(|idle| !self.is_over(idle));
        idle.pop()
    }

    fn is_over(&self, idle: &Idle) -> bool {
        idle.since.elapsed() > self.config.idle_timeout || idle.body.opened.elapsed() > self.config.max_lifetime
    }

    /// Starts the task that closes sessions nobody asks for. It ends with the pool.
    fn start_sweeper(self: &Arc<Self>) {
        self.sweeper.get_or_init(|| {
            let pool: Weak<Self> = Arc::downgrade(self);
            let every = (self.config.idle_timeout.min(self.config.max_lifetime) / 2).clamp(Duration::from_secs(1), Duration::from_secs(30));
            let sweep = async move {
                loop {
                    tokio::time::sleep(every).await;
                    let Some(pool) = pool.upgrade() else { return };
                    pool.idle().retain(|idle| !pool.is_over(idle));
                }
            };
            tokio::spawn(sweep).abort_handle()
        });
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(sweeper) = self.sweeper.get() {
            sweeper.abort();
        }
    }
}

impl Session {
    /// The connection.
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.body.connection
    }

    /// The server process behind it.
    pub(super) fn pid(&self) -> i32 {
        self.body.pid
    }

    /// Notes in which process its transaction runs; another one than before gives a pooler away.
    pub(super) fn set_pid(&mut self, pid: i32) {
        self.body.shared |= pid != self.body.pid;
        self.body.pid = pid;
    }

    /// Whether the session's settings may be those of another process by the next statement.
    pub(super) fn is_shared(&self) -> bool {
        self.body.shared
    }

    /// Digits after the decimal point of `money`.
    pub(super) fn money_digits(&self) -> u8 {
        self.body.money_digits
    }

    /// Gives it back to be used again. It must be clean.
    pub(super) fn release(self) {
        let Self { body, pool, broken, .. } = self;
        if !broken && body.opened.elapsed() < pool.config.max_lifetime && !pool.permits.is_closed() {
            pool.idle().push(Idle { body, since: Instant::now() });
        }
        // The permit goes last, so that whoever waits for it finds the session.
    }
}
