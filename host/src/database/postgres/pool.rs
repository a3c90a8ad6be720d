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
use tokio::task::AbortHandle;

use super::connect::Connector;
use crate::config::DatabaseName;
use crate::config::PoolConfig;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::error::Fault;
use crate::database::places::Place;
use crate::database::places::Places;
use crate::database::setup::Setup;

/// A session idle for longer than this is asked whether it still lives, in the background.
const TEST_AFTER: Duration = Duration::from_secs(20);

/// How often idle sessions are looked at, at least.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

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
    places: Places,
    idle: Mutex<Vec<Idle>>,
    sweeper: OnceLock<AbortHandle>,
}

struct Idle {
    body: Body,
    since: Instant,
    /// When it last showed that its server is there.
    seen: Instant,
}

/// What a session is made of.
struct Body {
    connection: PgConnection,
    pid: i32,
    shared: bool,
    money_digits: u8,
    /// How it was begun; it serves nobody who wants it otherwise.
    setup: Setup,
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
    // Last, so that whoever waits for it finds the session.
    _place: Place,
}

impl Pool {
    /// A pool without sessions.
    pub(super) fn new(name: &DatabaseName, connector: Connector, config: PoolConfig) -> Self {
        let places = Places::new(name, &config);
        let inner = Inner { connector, config, places, idle: Mutex::default(), sweeper: OnceLock::new() };
        Self { inner: Arc::new(inner) }
    }

    /// How its sessions are opened.
    pub(super) fn connector(&self) -> &Connector {
        &self.inner.connector
    }

    /// Takes an idle session that was begun like this, or opens one, within the pool's acquire timeout.
    ///
    /// # Errors
    ///
    /// `PoolExhausted` when all are in use for that long, `Unavailable` when none can be opened.
    pub(super) async fn acquire(&self, setup: &Setup) -> Result<Session, DatabaseError> {
        let started = Instant::now();
        let place = self.inner.places.take().await?;
        if let Some(Idle { body, .. }) = self.inner.take_idle(setup) {
            return Ok(Session { body, reused: true, broken: false, pool: self.inner.clone(), _place: place });
        }
        let patience = self.inner.config.acquire_timeout;
        self.inner.start_sweeper();
        let left = patience.saturating_sub(started.elapsed()).max(Duration::from_millis(100));
        let opened = tokio::time::timeout(left, self.inner.connector.open(setup)).await.map_err(|_| {
            DatabaseError::new(ErrorKind::Unavailable, format!("the database did not accept a connection within {left:?}"))
                .fault(Fault::Connection)
        })??;
        let body = Body {
            connection: opened.connection,
            pid: opened.pid,
            shared: opened.shared,
            money_digits: opened.money_digits,
            setup: setup.clone(),
            opened: Instant::now(),
        };
        Ok(Session { body, reused: false, broken: false, pool: self.inner.clone(), _place: place })
    }

    /// Forgets every idle session: one of them turned out to be dead.
    pub(super) fn forget_idle(&self) {
        self.inner.idle().clear();
    }

    /// Closes every session; waits a few seconds for those in use.
    pub(super) async fn close(&self) {
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.inner.places.all_free()).await;
        self.inner.places.close();
        let idle = std::mem::take(&mut *self.inner.idle());
        for idle in idle {
            let _ = tokio::time::timeout(TEST_TIMEOUT, idle.body.connection.close()).await;
        }
    }
}

impl Inner {
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session used last of those that were begun like this and are not over their time. When there is none and as many
    /// connections as may be, the one not used for longest goes, so that another fits.
    fn take_idle(&self, setup: &Setup) -> Option<Idle> {
        let mut idle = self.idle();
        idle.retain(|idle| !self.is_over(idle));
        if let Some(found) = idle.iter().rposition(|idle| idle.body.setup == *setup) {
            return Some(idle.remove(found));
        }
        if idle.len() + self.places.in_use() > self.places.most() {
            idle.remove(0);
        }
        None
    }

    fn is_over(&self, idle: &Idle) -> bool {
        idle.since.elapsed() > self.config.idle_timeout || idle.body.opened.elapsed() > self.config.max_lifetime
    }

    /// Starts the task that closes sessions nobody asks for and those whose server is gone. It ends with the pool.
    fn start_sweeper(self: &Arc<Self>) {
        self.sweeper.get_or_init(|| {
            let pool: Weak<Self> = Arc::downgrade(self);
            let every = (self.config.idle_timeout.min(self.config.max_lifetime) / 2).clamp(Duration::from_secs(1), SWEEP_EVERY);
            let sweep = async move {
                loop {
                    tokio::time::sleep(every).await;
                    let Some(pool) = pool.upgrade() else { return };
                    pool.idle().retain(|idle| !pool.is_over(idle));
                    pool.test_idle().await;
                }
            };
            tokio::spawn(sweep).abort_handle()
        });
    }

    /// Asks the sessions that were not used lately for a sign of life, one after another, and drops those that give none. Each
    /// holds a place while it is asked, so that there are never more connections than there may be.
    async fn test_idle(&self) {
        while let Some(_place) = self.places.take_if_free() {
            let untested = {
                let mut idle = self.idle();
                let found = idle.iter().position(|idle| idle.seen.elapsed() > TEST_AFTER);
                found.map(|found| idle.remove(found))
            };
            let Some(mut tested) = untested else { return };
            match tokio::time::timeout(TEST_TIMEOUT, tested.body.connection.ping()).await {
                Ok(Ok(())) => {
                    tested.seen = Instant::now();
                    // At the front, where the sessions lie that are used least.
                    self.idle().insert(0, tested);
                }
                // The others have most likely lost the same server: they are dropped rather than tried by a call each.
                Ok(Err(_)) | Err(_) => self.idle().retain(|idle| idle.seen.elapsed() <= TEST_AFTER),
            }
        }
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
        let Self { body, pool, broken, _place: place, .. } = self;
        if !broken && body.opened.elapsed() < pool.config.max_lifetime && !pool.places.is_closed() {
            let now = Instant::now();
            pool.idle().push(Idle { body, since: now, seen: now });
        }
        drop(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DatabaseConfig;
    use crate::database::postgres::connect::Purpose;
    use crate::database::postgres::connect::host_batch;

    #[tokio::test]
    async fn idle_sessions_are_tested_in_the_background_and_dead_ones_are_dropped() {
        let url = std::env::var("TIDEGATE_TEST_POSTGRES").unwrap();
        let config = DatabaseConfig::new(DatabaseName::parse("main").unwrap(), &url).unwrap();
        let pool = Pool::new(&config.name, Connector::new(&config, Purpose::Read).unwrap(), config.pool.clone());
        let (first, second) = (pool.acquire(&Setup::default()).await.unwrap(), pool.acquire(&Setup::default()).await.unwrap());
        let (lives, dies) = (first.pid(), second.pid());
        first.release();
        second.release();
        let long_ago = Instant::now() - TEST_AFTER - Duration::from_secs(1);
        for idle in pool.inner.idle().iter_mut() {
            idle.seen = long_ago;
        }
        pool.inner.test_idle().await;
        assert!(pool.inner.idle().iter().all(|idle| idle.seen > long_ago));
        assert_eq!((pool.inner.idle().len(), pool.inner.places.in_use()), (2, 0));

        let mut beside = pool.connector().open_control().await.unwrap();
        host_batch(&mut beside, format!("SELECT pg_terminate_backend({dies}, 5000)")).await.unwrap();
        for idle in pool.inner.idle().iter_mut().filter(|idle| idle.body.pid == dies) {
            idle.seen = long_ago;
        }
        pool.inner.test_idle().await;
        assert_eq!(pool.inner.idle().iter().map(|idle| idle.body.pid).collect::<Vec<_>>(), [lives]);
        pool.close().await;
    }
}
