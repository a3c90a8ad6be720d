//! Reads from servers that follow the database's own, when they have come far enough.
//!
//! For every replica the host knows a moment up to which it has everything. A read goes there only when that moment is not older
//! than the bound on lag and not before the last write of the same caller, which so reads what it wrote. What a replica does not
//! answer, for whatever reason, the database itself is asked.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::Engine;
use super::RunOptions;
use super::error::DatabaseError;
use super::error::ErrorKind;
use super::rows::RowSet;
use super::statement::Statement;
use super::value::Value;
use crate::call::Call;
use crate::call::Caller;
use crate::config::DatabaseConfig;
use crate::config::DatabaseName;
use crate::config::Mode;
use crate::config::ReplicaConfig;

/// How long a server may take to say how far it is.
const ASK_LIMIT: Duration = Duration::from_secs(2);

/// Marks of the database that are kept; with one a second, more than the longest lag that anybody would wait for.
const MARKS: usize = 4_096;

/// Callers whose last write is remembered. With more of them writing at once, all read from the database itself.
const WRITERS: usize = 10_000;

/// How far a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A position in the log that the followers replay.
    Position(u64),
    /// A time behind the server that it follows.
    Behind(Duration),
    /// It does not tell, or follows nobody.
    Unknown,
}

/// The replicas of one database. Their lag is looked at in the background from the first read on.
pub(super) struct Replicas {
    shared: Arc<Shared>,
    next: AtomicUsize,
    watch: OnceLock<AbortHandle>,
}

struct Shared {
    /// Of the database, for the log.
    name: DatabaseName,
    primary: Engine,
    followers: Vec<Follower>,
    max_lag: Duration,
    writes: Mutex<Writes>,
}

struct Follower {
    engine: Engine,
    /// Whether the log says that it does not answer.
    silent: AtomicBool,
    /// Everything that was acknowledged up to this moment is there; none while that is not known.
    complete_to: watch::Sender<Option<Instant>>,
}

#[derive(Default)]
struct Writes {
    last: HashMap<Caller, Instant>,
    /// The last write of callers that are not in the list any more.
    of_others: Option<Instant>,
}

/// A write under way. When it ends, however it does, the caller's reads follow it.
pub(super) struct Writing<'a> {
    shared: &'a Shared,
    caller: &'a Caller,
}

impl Replicas {
    /// Prepares them without connecting. `open` makes an engine of a configuration.
    ///
    /// # Errors
    ///
    /// A URL that makes no sense.
    pub(super) fn new(
        config: &DatabaseConfig,
        primary: &Engine,
        open: impl Fn(&DatabaseConfig) -> Result<Engine, DatabaseError>,
    ) -> Result<Self, DatabaseError> {
        let follower = |url: &crate::config::Secret| {
            let own = DatabaseConfig { url: url.clone(), mode: Mode::ReadOnly, replicas: ReplicaConfig::default(), ..config.clone() };
            Ok(Follower { engine: open(&own)?, silent: AtomicBool::new(false), complete_to: watch::Sender::new(None) })
        };
        let followers = config.replicas.urls.iter().map(follower).collect::<Result<Vec<_>, DatabaseError>>()?;
        let shared = Shared {
            name: config.name.clone(),
            primary: primary.clone(),
            followers,
            max_lag: config.replicas.max_lag,
            writes: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared), next: AtomicUsize::new(0), watch: OnceLock::new() })
    }

    /// Runs a read on a replica. `None` when none is fit for this caller now, or the one that was asked did not answer with rows:
    /// then the database itself decides.
    pub(super) async fn read(
        &self,
        call: &Call,
        statement: &Statement,
        parameters: &[Value],
        options: &RunOptions,
    ) -> Option<Result<RowSet, DatabaseError>> {
        if self.shared.followers.is_empty() {
            return None;
        }
        self.watch.get_or_init(|| tokio::spawn(keep_looking(self.shared.clone())).abort_handle());
        let follower = self.pick(&call.caller, Instant::now())?;
        let answered = tokio::select! {
            biased;
            answered = follower.engine.read(call, statement, parameters, options) => answered,
            // It does not answer the host's own question any more. Dropping the read stops it there, should it still run.
            () = follower.is_lost() => return None,
        };
        match answered {
            Ok(rows) => Some(Ok(rows)),
            // The time of the call is over, on whatever server.
            Err(error) if matches!(error.kind, ErrorKind::Timeout | ErrorKind::Cancelled) => Some(Err(error)),
            Err(error) if error.fault.is_of_database() => {
                follower.set(None);
                None
            }
            // A conflict with the replay, a table that is not there yet, a function of a server that takes writes.
            Err(_) => None,
        }
    }

    /// To be kept while `caller` writes.
    pub(super) fn writing<'a>(&'a self, caller: &'a Caller) -> Option<Writing<'a>> {
        (!self.shared.followers.is_empty()).then(|| Writing { shared: &self.shared, caller })
    }

    /// Closes every connection.
    pub(super) async fn close(&self) {
        if let Some(watch) = self.watch.get() {
            watch.abort();
        }
        for follower in &self.shared.followers {
            follower.engine.close().await;
        }
    }

    /// The next replica, in turn, that is fit to be read by `caller`.
    fn pick(&self, caller: &Caller, now: Instant) -> Option<&Follower> {
        let followers = &self.shared.followers;
        let wrote = self.shared.writes().last_of(caller);
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let fit = |follower: &&Follower| {
            let complete_to = follower.complete_to();
            complete_to.is_some_and(|at| now.saturating_duration_since(at) <= self.shared.max_lag && wrote.is_none_or(|wrote| wrote < at))
        };
        (0..followers.len()).map(|step| &followers[first.wrapping_add(step) % followers.len()]).find(fit)
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.get() {
            watch.abort();
        }
    }
}

impl Shared {
    fn writes(&self) -> MutexGuard<'_, Writes> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    fn complete_to(&self) -> Option<Instant> {
        *self.complete_to.borrow()
    }

    fn set(&self, complete_to: Option<Instant>) {
        self.complete_to.send_replace(complete_to);
    }

    /// Waits until nothing is known about it any more.
    async fn is_lost(&self) {
        // The sender is here, so that there is no error.
        let _ = self.complete_to.subscribe().wait_for(Option::is_none).await;
    }
}

impl Writes {
    fn note(&mut self, caller: &Caller, now: Instant, max_lag: Duration) {
        if self.last.len() >= WRITERS {
            // A replica that lacks what is older than the bound is not read anyway.
            self.last.retain(|_, at| now.saturating_duration_since(*at) <= max_lag);
        }
        if self.last.len() >= WRITERS {
            self.of_others = self.last.values().max().copied();
            self.last.clear();
        }
        self.last.insert(caller.clone(), now);
    }

    fn last_of(&self, caller: &Caller) -> Option<Instant> {
        self.last.get(caller).copied().max(self.of_others)
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.shared.writes().note(self.caller, Instant::now(), self.shared.max_lag);
    }
}

/// Looks at the lag again and again; the owner of the replicas ends it.
async fn keep_looking(shared: Arc<Shared>) {
    let every = (shared.max_lag / 8).clamp(Duration::from_millis(50), Duration::from_secs(1));
    let mut marks = VecDeque::new();
    loop {
        // Before the question: what was acknowledged by now is in the answer.
        let asked = Instant::now();
        let mark = tokio::time::timeout(ASK_LIMIT, shared.primary.mark()).await;
        if let Ok(Ok(Mark::Position(position))) = mark {
            note_mark(&mut marks, asked, position);
        }
        let marks = &marks;
        let name = &shared.name;
        let looks = shared.followers.iter().enumerate().map(|(index, follower)| async move {
            let asked = Instant::now();
            let progress = tokio::time::timeout(ASK_LIMIT, follower.engine.progress()).await;
            let why = match &progress {
                Ok(Ok(Mark::Unknown)) => Some("it does not tell how far it is, or follows nobody".to_owned()),
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("it does not answer in time".to_owned()),
            };
            match why {
                Some(why) if !follower.silent.swap(true, Ordering::Relaxed) => {
                    tracing::warn!("Replica {} of database `{name}` is not read from: {why}", index + 1);
                }
                None if follower.silent.swap(false, Ordering::Relaxed) => {
                    tracing::info!("Replica {} of database `{name}` is read from again", index + 1)
                }
                _ => {}
            }
            follower.set(match progress {
                Ok(Ok(mark)) => complete_to(mark, asked, marks),
                Ok(Err(_)) | Err(_) => None,
            });
        });
        futures_util::future::join_all(looks).await;
        tokio::time::sleep(every).await;
    }
}

/// Keeps the positions in order of time; one that goes back means another log, of which nothing before is known.
fn note_mark(marks: &mut VecDeque<(Instant, u64)>, at: Instant, position: u64) {
    if marks.back().is_some_and(|(_, last)| position < *last) {
        marks.clear();
    }
    if marks.len() == MARKS {
        marks.pop_front();
    }
    marks.push_back((at, position));
}

/// The moment up to which a server that is at `mark` has everything. `asked` is when it was asked.
fn complete_to(mark: Mark, asked: Instant, marks: &VecDeque<(Instant, u64)>) -> Option<Instant> {
    match mark {
        Mark::Position(position) => marks.iter().rev().find(|(_, written)| *written <= position).map(|(at, _)| *at),
        Mark::Behind(lag) => asked.checked_sub(lag),
        Mark::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_has_what_was_written_when_the_log_was_where_it_is_now() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut marks = VecDeque::new();
        for (second, position) in [(0, 10), (1, 10), (2, 30), (3, 50)] {
            note_mark(&mut marks, at(second), position);
        }
        let to = |position| complete_to(Mark::Position(position), at(4), &marks);
        assert_eq!(
            [to(9), to(10), to(29), to(30), to(49), to(90)],
            [None, Some(at(1)), Some(at(1)), Some(at(2)), Some(at(2)), Some(at(3))]
        );
        assert_eq!(complete_to(Mark::Behind(Duration::from_secs(3)), at(4), &marks), Some(at(1)));
        assert_eq!(complete_to(Mark::Unknown, at(4), &marks), None);
        note_mark(&mut marks, at(5), 20);
        assert_eq!((complete_to(Mark::Position(19), at(6), &marks), complete_to(Mark::Position(20), at(6), &marks)), (None, Some(at(5))));
    }

    #[test]
    fn too_many_writers_are_remembered_together() {
        let (mut writes, now) = (Writes::default(), Instant::now());
        for number in 0..=WRITERS {
            writes.note(&Caller::named(&number.to_string()), now, Duration::from_secs(10));
        }
        assert_eq!(writes.last.len(), 1);
        assert_eq!((writes.last_of(&Caller::named("0")), writes.last_of(&Caller::named("nobody"))), (Some(now), Some(now)));
    }
}
