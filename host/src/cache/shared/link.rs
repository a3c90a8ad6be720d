//! The connection to the server that replicas share: made in the background, used within a short time or not at all.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use redis::AsyncConnectionConfig;
use redis::FromRedisValue;
use redis::Pipeline;
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio::sync::Notify;
use tokio::sync::watch;

use crate::cache::figures::Count;

use super::breaker::Breaker;
use super::keys::random_token;

/// How long making a connection may take. It happens beside the path of calls, so it may take longer than a command.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The server did not answer in time, could not be reached, or is left alone for a moment. The log has the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Away;

/// A connection that answers.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) connection: MultiplexedConnection,
    /// The run of the server that it leads to. A server that was restarted, or one that took another's place, may have lost what
    /// it had acknowledged: nothing that was true of one run is believed of the next.
    pub(super) run: Arc<str>,
    generation: u64,
}

/// The way to the server.
pub(super) struct Link {
    client: redis::Client,
    /// How long a command may take, the wait for a connection included.
    timeout: Duration,
    live: watch::Sender<Option<Live>>,
    breaker: Mutex<Breaker>,
    next_generation: AtomicU64,
    /// The newest connection that has failed.
    broken: AtomicU64,
    wake: Notify,
    away: AtomicBool,
    errors: Count,
}

impl Link {
    /// A link that is not connected yet.
    pub(super) fn new(url: &str, timeout: Duration) -> Result<Self, RedisError> {
        Ok(Self {
            client: redis::Client::open(url)?,
            timeout,
            live: watch::Sender::new(None),
            breaker: Mutex::default(),
            next_generation: AtomicU64::new(1),
            broken: AtomicU64::new(0),
            wake: Notify::new(),
            away: AtomicBool::new(false),
            errors: Count::default(),
        })
    }

    /// How long a lookup waits.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Runs commands within the time of a lookup.
    pub(super) async fn run<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<(T, Arc<str>), Away> {
        self.run_within(commands, self.timeout).await
    }

    /// Runs commands, and tells which run of the server answered them. Dropping the future leaves them sent or unsent.
    pub(super) async fn run_within<T: FromRedisValue>(&self, commands: &Pipeline, timeout: Duration) -> Result<(T, Arc<str>), Away> {
        // While it is known that the server cannot be reached there is nothing to wait for.
        let unreachable = self.live.borrow().is_none() && self.away.load(Ordering::Relaxed);
        if unreachable || !self.breaker().allows(Instant::now()) {
            return Err(Away);
        }
        let mut used = None;
        let answer = tokio::time::timeout(timeout, async {
            let mut live = self.live.subscribe();
            // The sender is a field of `self`: it does not go while this waits.
            let mut live = live.wait_for(Option::is_some).await.ok()?.clone()?;
            used = Some(live.generation);
            Some(commands.query_async(&mut live.connection).await.map(|answer| (answer, live.run)))
        });
        match answer.await {
            Ok(Some(Ok(answer))) => {
                self.breaker().succeeded();
                Ok(answer)
            }
            Ok(Some(Err(error))) => Err(self.failed(used, &error)),
            Ok(None) => Err(Away),
            Err(_) => Err(self.timed_out(used)),
        }
    }

    /// Makes a new connection and learns the server's run.
    pub(super) async fn connect(&self) -> Result<Live, RedisError> {
        let attempt = async {
            // The limits of this file hold for every command; the library's own would only hide which of them it was.
            let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIMEOUT)).set_response_timeout(None);
            let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
            let generation = self.next_generation.fetch_add(1, Ordering::Relaxed);
            let run = read_run(&mut connection).await?;
            Ok(Live { connection, run, generation })
        };
        tokio::time::timeout(CONNECT_TIMEOUT, attempt)
            .await
            .unwrap_or_else(|_| Err(RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))))
    }

    /// Lets commands use a connection.
    pub(super) fn publish(&self, live: Live) {
        self.breaker().succeeded();
        self.live.send_replace(Some(live));
        if self.away.swap(false, Ordering::Relaxed) {
            tracing::info!("Shared cache answers again");
        }
    }

    /// Lets no command use the connection any more.
    pub(super) fn withdraw(&self) {
        self.live.send_replace(None);
    }

    /// Waits until the connection is broken or [`wake`](Self::wake) is called; true when it is broken.
    pub(super) async fn woken(&self, live: &Live) -> bool {
        if !self.is_broken(live) {
            self.wake.notified().await;
        }
        self.is_broken(live)
    }

    /// Wakes the task that holds the connection.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Notes that the server cannot be reached; the log says so once.
    pub(super) fn note_away(&self, error: &dyn std::error::Error) {
        self.errors.add(1);
        if !self.away.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "Shared cache does not answer: {error}; until it does, statements go to the databases");
        }
    }

    /// What failed so far.
    pub(super) fn errors(&self) -> u64 {
        self.errors.get()
    }

    fn is_broken(&self, live: &Live) -> bool {
        self.broken.load(Ordering::Acquire) >= live.generation
    }

    fn failed(&self, used: Option<u64>, error: &RedisError) -> Away {
        if is_lost(error) {
            self.note_away(error);
            self.breaker().failed(Instant::now());
            self.give_up(used);
        } else {
            self.errors.add(1);
            tracing::debug!(%error, "Shared cache refused a command: {error}");
        }
        Away
    }

    fn timed_out(&self, used: Option<u64>) -> Away {
        self.note_away(&std::io::Error::from(std::io::ErrorKind::TimedOut));
        if self.breaker().failed(Instant::now()) {
            self.give_up(used);
        }
        Away
    }

    fn give_up(&self, used: Option<u64>) {
        if let Some(generation) = used {
            self.broken.fetch_max(generation, Ordering::Release);
            self.wake();
        }
    }

    /// The breaker is whole at every point where a thread could panic.
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The run of the server (`run_id` of <https://redis.io/docs/latest/commands/info/>). A server that does not tell has a new one with
/// each connection, so that entries are shared for as long as a connection holds and never wrongly.
async fn read_run(connection: &mut MultiplexedConnection) -> Result<Arc<str>, RedisError> {
    let facts: Result<String, RedisError> = redis::cmd("INFO").arg("server").query_async(connection).await;
    let facts = match facts {
        Ok(facts) => facts,
        Err(error) if is_lost(&error) => return Err(error),
        // A user without the right to ask.
        Err(_) => String::new(),
    };
    let told = facts.lines().find_map(|line| line.strip_prefix("run_id:")).map(str::trim).filter(|run| !run.is_empty());
    Ok(told.map_or_else(
        || {
            tracing::warn!("Shared cache does not tell its `run_id` (INFO server), so that replicas share no results through it");
            random_token().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
        },
        Into::into,
    ))
}

/// Whether the connection is of no more use. What the server says against one command, such as that its memory is full, is no
/// reason to leave it; that it may not be written to any more is: another one has taken its place.
fn is_lost(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error() || error.code() == Some("READONLY")
}
