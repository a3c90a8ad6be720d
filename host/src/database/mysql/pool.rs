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

use super::connect::Access;
use super::connect::Session;
use super::error;
use crate::config::DatabaseConfig;
use crate::config::PoolConfig;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::error::Fault;
use crate::database::places::Place;
use crate::database::places::Places;
use crate::database::setup::Setup;

/// A connection that was idle for longer is asked for a sign of life, in the background.
const CHECKED_AFTER: Duration = Duration::from_secs(20);

/// How often waiting sessions are looked at, at least.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// How long that sign may take.
const CHECK_LIMIT: Duration = Duration::from_secs(1);

/// How long opening a connection may take, at least.
const LEAST_TO_OPEN: Duration = Duration::from_millis(100);

/// How long closing waits for connections in use.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// A session that waits for work.
struct Idle {
    session: Session,
    access: Access,
    since: Instant,
    /// When it last showed that its server is there.
    seen: Instant,
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
    places: Places,
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
        let places = Places::new(&config.name, &config.pool);
        let shared = Shared {
            name: config.name.to_string(),
            options,
            config: config.pool.clone(),
            statement_limit: config.statement_timeout,
            places,
            idle: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Lends a session that was begun like this, a waiting one or else a new one.
    ///
    /// # Errors
    ///
    /// `PoolExhausted` when none came free within `acquire_timeout`, `Unavailable` when the server does not let us in.
    pub(super) async fn lend(&self, access: Access, setup: &Setup) -> Result<Checkout, DatabaseError> {
        let until = Instant::now() + self.shared.config.acquire_timeout;
        let place = self.shared.places.take().await?;
        if let Some(Idle { session, .. }) = self.take_idle(access, setup) {
            return Ok(Checkout { session, access, reused: true, shared: self.shared.clone(), _place: place });
        }
        // Whoever waited for its place to the last moment still has a moment to connect.
        let session = self.open(access, setup, until.max(Instant::now() + LEAST_TO_OPEN)).await?;
        Ok(Checkout { session, access, reused: false, shared: self.shared.clone(), _place: place })
    }

    /// The database's name.
    pub(super) fn name(&self) -> &str {
        &self.shared.name
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
        // What is still in use after the limit is closed on return.
        let _ = tokio::time::timeout(CLOSE_LIMIT, self.shared.places.all_free()).await;
        self.shared.places.close();
        let sessions = std::mem::take(&mut self.shared.lock().sessions);
        for idle in sessions {
            idle.session.close().await;
        }
    }

    async fn open(&self, access: Access, setup: &Setup, until: Instant) -> Result<Session, DatabaseError> {
        // Sessions that wait for the other kind of work count as connections too.
        let surplus = self.shared.surplus();
        if let Some(idle) = surplus {
            idle.session.close().await;
        }
        let opening = Session::open(&self.shared.options, access, setup, self.shared.statement_limit);
        match tokio::time::timeout_at(until.into(), opening).await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(cause)) => {
                tracing::debug!(database = %self.shared.name, error = %cause, "No connection to database `{}`", self.shared.name);
                Err(error::connecting(&self.shared.name, &cause))
            }
            Err(_) => Err(DatabaseError::new(
                ErrorKind::Unavailable,
                format!("database `{}` did not answer within {:?}", self.shared.name, self.shared.config.acquire_timeout),
            )
            .fault(Fault::Connection)),
        }
    }

    /// Takes the latest session for this kind of work, dropping those past their lifetime.
    fn take_idle(&self, access: Access, setup: &Setup) -> Option<Idle> {
        let mut idle = self.shared.lock();
        idle.sessions.retain(|idle| idle.session.opened.elapsed() < self.shared.config.max_lifetime);
        let found = idle.sessions.iter().rposition(|idle| idle.access == access && idle.session.setup == *setup)?;
        Some(idle.sessions.remove(found))
    }
}

impl Shared {
    /// A session to close so that one more fits, when there are as many as may be.
    fn surplus(&self) -> Option<Idle> {
        let in_use = self.places.in_use();
        let mut idle = self.lock();
        (idle.sessions.len() + in_use > self.places.most()).then(|| idle.sessions.remove(0))
    }

    /// Asks the sessions that were not used lately for a sign of life, one after another, and drops those that give none. Each
    /// holds a place while it is asked, so that there are never more connections than there may be.
    async fn test_idle(&self) {
        while let Some(_place) = self.places.take_if_free() {
            let untested = {
                let mut idle = self.lock();
                let found = idle.sessions.iter().position(|idle| idle.seen.elapsed() > CHECKED_AFTER);
                found.map(|found| idle.sessions.remove(found))
            };
            let Some(mut tested) = untested else { return };
            match tokio::time::timeout(CHECK_LIMIT, tested.session.connection.ping()).await {
                Ok(Ok(())) => {
                    tested.seen = Instant::now();
                    // At the front, where the sessions lie that are used least.
                    self.lock().sessions.insert(0, tested);
                }
                // The others have most likely lost the same server: they are dropped rather than tried by a call each.
                Ok(Err(_)) | Err(_) => self.lock().sessions.retain(|idle| idle.seen.elapsed() <= CHECKED_AFTER),
            }
        }
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
    // Last, so that whoever waits for it finds the session.
    _place: Place,
}

impl Checkout {
    /// Puts the session back for the next user. The caller answers for its being clean: read to the end, no
    /// transaction, nothing set.
    pub(super) fn give_back(self) {
        if self.shared.places.is_closed() || self.session.opened.elapsed() >= self.shared.config.max_lifetime {
            return;
        }
        let mut idle = self.shared.lock();
        let now = Instant::now();
        idle.sessions.push(Idle { session: self.session, access: self.access, since: now, seen: now });
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

/// Closes sessions that were idle too long and those whose server is gone, until none is left.
async fn close_idle(pool: Weak<Shared>, idle_timeout: Duration) {
    let every = (idle_timeout / 2).clamp(Duration::from_millis(500), SWEEP_EVERY);
    loop {
        tokio::time::sleep(every).await;
        let Some(shared) = pool.upgrade() else { return };
        let over = {
            let mut idle = shared.lock();
            let (over, kept) = std::mem::take(&mut idle.sessions).into_iter().partition::<Vec<Idle>, _>(|idle| {
                idle.since.elapsed() >= idle_timeout || idle.session.opened.elapsed() >= shared.config.max_lifetime
            });
            idle.sessions = kept;
            over
        };
        for idle in over {
            idle.session.close().await;
        }
        shared.test_idle().await;
        let mut idle = shared.lock();
        idle.watched = !idle.sessions.is_empty();
        if !idle.watched {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::AssertSqlSafe;
    use sqlx::Executor;

    use super::*;
    use crate::config::DatabaseName;
    use crate::database::mysql::connect;

    #[tokio::test]
    async fn idle_sessions_are_tested_in_the_background_and_dead_ones_are_dropped() {
        let url = std::env::var("TIDEGATE_TEST_MYSQL").unwrap();
        let config = DatabaseConfig::new(DatabaseName::parse("main").unwrap(), &url).unwrap();
        let pool = Pool::new(&config, connect::options(&config).unwrap());
        let (first, second) =
            (pool.lend(Access::Read, &Setup::default()).await.unwrap(), pool.lend(Access::Read, &Setup::default()).await.unwrap());
        let (lives, dies) = (first.session.id, second.session.id);
        first.give_back();
        second.give_back();
        let long_ago = Instant::now() - CHECKED_AFTER - Duration::from_secs(1);
        for idle in &mut pool.shared.lock().sessions {
            idle.seen = long_ago;
        }
        pool.shared.test_idle().await;
        assert!(pool.shared.lock().sessions.iter().all(|idle| idle.seen > long_ago));
        assert_eq!((pool.shared.lock().sessions.len(), pool.shared.places.in_use()), (2, 0));

        let mut beside = pool.open_beside().await.unwrap();
        (&mut beside).execute(AssertSqlSafe(format!("KILL {dies}"))).await.unwrap();
        for idle in pool.shared.lock().sessions.iter_mut().filter(|idle| idle.session.id == dies) {
            idle.seen = long_ago;
        }
        pool.shared.test_idle().await;
        assert_eq!(pool.shared.lock().sessions.iter().map(|idle| idle.session.id).collect::<Vec<_>>(), [lives]);
        pool.close().await;
    }
}
