//! One call of one caller: what every layer is handed, from the edge down to the driver.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

/// The identity of one call, unique in this process and unguessable; appears in logs and answers.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallId(u64);

impl CallId {
    /// A new random id.
    pub fn random() -> Self {
        Self(getrandom::u64().unwrap_or_else(|_| fallback_id()))
    }
}

/// A process-wide counter, for the moment at which the system has no randomness to give. Ids name calls; they protect nothing.
fn fallback_id() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The authenticated principal on whose behalf a call runs. Cursors and sealed states are bound to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller(Arc<str>);

impl Caller {
    /// The person who started the process: stdio, the command line, and HTTP without a token on loopback.
    pub fn local() -> Self {
        Self("local".into())
    }

    /// A caller by its name, as the edge authenticated it.
    pub fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the client of a call can be asked in the middle of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientFeatures {
    /// Show a form to the person.
    pub form: bool,
    /// Open a page for the person.
    pub url: bool,
    /// Run the client's model.
    pub sampling: bool,
    /// Tell its folders.
    pub roots: bool,
}

/// What the client itself brought to one round of a call: what a plugin cannot have made up.
#[derive(Debug, Default)]
pub struct Brought {
    round: u64,
    arguments: String,
    accepted: bool,
}

impl Brought {
    /// What a round brings: the arguments as text, and whether the person accepted a form with a `true` in it.
    pub fn new(arguments: String, accepted: bool) -> Self {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        Self { round: NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed), arguments, accepted }
    }

    /// Tells the round from every other of the process; 0 when it is not one that can bring anything.
    pub fn round(&self) -> u64 {
        self.round
    }

    /// Whether a token came back from the client in this round: among the arguments, or with a form that was accepted.
    pub fn vouches_for(&self, token: &str) -> bool {
        !token.is_empty() && (self.accepted || self.arguments.contains(token))
    }
}

/// Severity of a plugin's log line, least severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For the plugin's author.
    Debug,
    /// Normal and of interest.
    Info,
    /// Went on, but not as wished.
    Warn,
    /// Somebody must act.
    Error,
}

/// What a call may tell its client while it runs. Implementations queue and never wait.
pub trait Listener: Send + Sync {
    /// Tells how far the call is. Does nothing when the client did not ask.
    fn progress(&self, progress: f64, total: Option<f64>, message: Option<String>);
    /// Passes on a plugin's log line. Does nothing when the client did not ask for that level.
    fn log(&self, level: LogLevel, plugin: &str, message: &str);
}

/// A listener that drops everything: the command line, loading, tests.
pub struct NoListener;

impl Listener for NoListener {
    fn progress(&self, _: f64, _: Option<f64>, _: Option<String>) {}
    fn log(&self, _: LogLevel, _: &str, _: &str) {}
}

/// One call. Cheap to clone; every clone is the same call.
#[derive(Clone)]
pub struct Call {
    /// Names the call in logs.
    pub id: CallId,
    /// On whose behalf.
    pub caller: Caller,
    /// When it must have ended, whatever it does.
    pub deadline: Instant,
    /// Cancelled when the client takes the call back or goes away.
    pub cancellation: CancellationToken,
    /// What the client can be asked.
    pub features: ClientFeatures,
    /// What the client brought to this round of it.
    pub brought: Arc<Brought>,
    /// The session that it belongs to, where its end is seen: that of an older client.
    pub client: Option<u64>,
    /// Whom to tell while it runs.
    pub listener: Arc<dyn Listener>,
}

impl Call {
    /// A call of `caller` that must end within `limit`, with nobody listening.
    pub fn new(caller: Caller, limit: Duration) -> Self {
        Self {
            id: CallId::random(),
            caller,
            deadline: Instant::now() + limit,
            cancellation: CancellationToken::new(),
            features: ClientFeatures::default(),
            brought: Arc::default(),
            client: None,
            listener: Arc::new(NoListener),
        }
    }

    /// The same call as far as names go, for work that goes on for at most `limit` when the call itself is over.
    #[must_use]
    pub fn detached(&self, limit: Duration) -> Self {
        Self { deadline: Instant::now() + limit, cancellation: CancellationToken::new(), listener: Arc::new(NoListener), ..self.clone() }
    }

    /// How long the call may still run; zero when its deadline has passed.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("id", &self.id).field("caller", &self.caller).finish_non_exhaustive()
    }
}
