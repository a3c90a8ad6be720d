//! The connections of one database: at most so many, clean or closed.
//!
//! The driver's own pool cannot tell the server's number of a connection, which killing its statement needs, and waits
//! out the whole time for a server that refuses at once. This one keeps both with the session. Whatever is dropped
//! without [`Checkout::give_back`] is closed, so a connection in the middle of something can never be lent again.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::Weak;
use std::time::Duration;
use std::time::Instant;

use sqlx::ConnectOptions;
use sqlx::Connection;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::mysql::MySqlConnection;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use super::connect::Access;
use super::connect::Session;
use super::error;
use crate::config::DatabaseConfig;
use crate::config::PoolConfig;

/// A connection that was idle for longer is asked for a sign of life before it is lent.
const CHECKED_AFTER: Duration = Duration::from_secs(30);

/// How long that sign may take.
const CHECK_LIMIT: Duration = Duration::from_secs(1);

/// How long closing waits for connections in use.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// A session that waits for work.
struct Idle {
    session: Session,
    access: Access,
    since: Instant,
}

/// The pool of one database, for reading and writing sessions together. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    options: MySqlConnectOptions,
    config: PoolConfig,
    statement_limit: Duration,
    /// One for each connection that may be in use.
    permits: Arc<Semaphore>,
    /// The latest last.
    idle: Mutex<IdleList>,
}

#[derive(Default)]
struct IdleList {
    sessions: Vec<Idle>,
    /// Whether a task is looking for those idle too long.
    watched: bool,
}

impl Pool {
    /// A pool without connections.
    pub(super) fn new(config: &DatabaseConfig, options: MySqlConnectOptions) -> Self {
        let permits = Arc::new(Semaphore::new(config.pool.max.max(1) as usize));
        let shared = Shared {
            name: config.name.to_string(),
            options,
            config: config.pool.clone(),
            statement_limit: config.statement_timeout,
            permits,
            idle: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Lends a session, a waiting one or else a new one.
    ///
    /// # Errors
    ///
    /// `PoolExhausted` when none came free within `acquire_timeout`, `Unavailable` when the server does not let us in.
    pub(super) async fn lend(&self, access: Access) -> Result<Checkout, DatabaseError> {
        let until = Instant::now() + self.shared.config.acquire_timeout;
        let permit = match tokio::time::timeout_at(until.into(), self.shared.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(DatabaseError::new(ErrorKind::Unavailable, format!("database `{}` is closed", self.shared.name))),
            Err(_) => return Err(self.exhausted()),
        };
        while let Some(idle) = self.take_idle(access) {
            let Idle { mut session, since, .. } = idle;
            let stale = since.elapsed() > CHECKED_AFTER;
            if !stale || matches!(tokio::time::timeout(CHECK_LIMIT, session.connection.ping()).await, Ok(Ok(()))) {
                return Ok(Checkout { session, access, reused: true, shared: self.shared.clone(), _permit: permit });
            }
        }
        let session = self.open(access, until).await?;
        Ok(Checkout { session, access, reused: false, shared: self.shared.clone(), _permit: permit })
    }

    /// Opens a bare connection beside the pool and its limit, for killing the statement of another.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub(super) async fn open_beside(&self) -> Result<MySqlConnection, sqlx::Error> {
        self.shared.options.connect().await
    }

    /// Closes every waiting session, after one of them turned out to have lost its server: the others most likely have, too.
    pub(super) fn forget_idle(&self) {
        self.shared.lock().sessions.clear();
    }

    /// Closes every connection; waits a few seconds for those in use.
    pub(super) async fn close(&self) {
        // All permits mean that nothing is in use; what still is after the limit is closed on return.
        let _ = tokio::time::timeout(CLOSE_LIMIT, self.shared.permits.acquire_many(self.shared.config.max.max(1))).await;
        self.shared.permits.close();
        let sessions = std::mem::take(&mut self.shared.lock().sessions);
        for idle in sessions {
            idle.session.close().await;
        }
    }

    async fn open(&self, access: Access, until: Instant) -> Result<Session, DatabaseError> {
        // Sessions that wait for the other kind of work count as connections too.
        let surplus = self.shared.surplus();
        if let Some(idle) = surplus {
            idle.session.close().await;
        }
        let opening = Session::open(&self.shared.options, access, self.shared.statement_limit);
        match tokio::time::timeout_at(until.into(), opening).await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(cause)) => {
                tracing::debug!(database = %self.shared.name, error = %cause, "No connection to database `{}`", self.shared.name);
                Err(error::connecting(&self.shared.name, &cause))
            }
            Err(_) => Err(DatabaseError::new(
                ErrorKind::Unavailable,
                format!("database `{}` did not answer within {:?}", self.shared.name, self.shared.config.acquire_timeout),
            )),
        }
    }

    /// Takes the latest session for this kind of work, dropping those past their lifetime.
    fn take_idle(&self, access: Access) -> Option<Idle> {
        let mut idle = self.shared.lock();
        idle.sessions.retain(|idle| idle.session.opened.elapsed() < self.shared.config.max_lifetime);
        let found = idle.sessions.iter().rposition(|idle| idle.access == access)?;
        Some(idle.sessions.remove(found))
    }

    fn exhausted(&self) -> DatabaseError {
        let limit = self.shared.config.acquire_timeout;
        let max = self.shared.config.max;
        let message = format!("no connection to `{}` came free within {limit:?} ({max} of {max} in use)", self.shared.name);
        DatabaseError::new(ErrorKind::PoolExhausted, message)
            .hint("try again later; the operator can raise `pool.max` or `pool.acquire_timeout`")
    }
}

impl Shared {
    /// A session to close so that one more fits, when there are as many as may be.
    fn surplus(&self) -> Option<Idle> {
        let max = self.config.max.max(1) as usize;
        let in_use = max.saturating_sub(self.permits.available_permits());
        let mut idle = self.lock();
        (idle.sessions.len() + in_use > max).then(|| idle.sessions.remove(0))
    }

    /// The list. A panic while it was held cannot leave it half changed, so a poisoned lock is taken all the same.
    fn lock(&self) -> MutexGuard<'_, IdleList> {
        self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A session in use. Dropping it closes its connection.
pub(super) struct Checkout {
    /// The session.
    pub(super) session: Session,
    access: Access,
    /// Whether it waited in the pool before, so that the server may have closed it since.
    pub(super) reused: bool,
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl Checkout {
    /// Puts the session back for the next user. The caller answers for its being clean: read to the end, no
    /// transaction, nothing set.
    pub(super) fn give_back(self) {
        if self.shared.permits.is_closed() || self.session.opened.elapsed() >= self.shared.config.max_lifetime {
            return;
        }
        let mut idle = self.shared.lock();
        idle.sessions.push(Idle { session: self.session, access: self.access, since: Instant::now() });
        if !idle.watched {
            idle.watched = true;
            tokio::spawn(close_idle(Arc::downgrade(&self.shared), self.shared.config.idle_timeout));
        }
    }

    /// Says goodbye to the server and closes the connection.
    pub(super) async fn close(self) {
        self.session.close().await;
    }
}

/// Closes sessions that were idle too long, until none is left.
async fn close_idle(pool: Weak<Shared>, idle_timeout: Duration) {
    loop {
        tokio::time::sleep(idle_timeout.max(Duration::from_secs(1)) / 2).await;
        let Some(shared) = pool.upgrade() else { return };
        let (over, done) = {
            let mut idle = shared.lock();
            let (over, kept) = std::mem::take(&mut idle.sessions).into_iter().partition::<Vec<Idle>, _>(|idle| {
                idle.since.elapsed() >= idle_timeout || idle.session.opened.elapsed() >= shared.config.max_lifetime
            });
            idle.sessions = kept;
            idle.watched = !idle.sessions.is_empty();
            (over, !idle.watched)
        };
        for idle in over {
            idle.session.close().await;
        }
        if done {
            return;
        }
    }
}
