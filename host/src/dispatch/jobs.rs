//! Runs the jobs of plugins when they are due: never two runs of one job at once, missed runs made up for by one.
//!
//! The moment of the last run is kept where plugins keep what they store, so that a new start of the host knows what it missed,
//! and of several hosts on one state folder one runs what is due. A job is a caller of its own.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Dispatcher;
use crate::call::Call;
use crate::call::Caller;
use crate::plugin::Plugin;
use crate::plugin::jobs::Job;
use crate::plugin::jobs::When;
use crate::runtime::answer::CallError;
use crate::runtime::answer::JobRun;
use crate::storage::Expected;
use crate::storage::Owner;
use crate::storage::Quota;
use crate::storage::StorageError;
use crate::telemetry::metrics::Measurement;

/// How often it is looked whether jobs came or went.
const RECHECK: Duration = Duration::from_secs(5);

/// The most that a run is put off, so that what is due at once does not begin at once.
const MOST_JITTER: Duration = Duration::from_secs(30);

/// Missed runs that are counted.
const MISSED: u32 = 1_000;

/// Under whose name the moments of last runs are kept; no plugin can be called so.
const KEEPER: Owner<'static> = Owner { plugin: "host:jobs", caller: None };

/// What may be kept there.
const KEPT: Quota = Quota { keys: 100_000, bytes: 64 << 20 };

/// A job by its plugin and its name.
type Key = (String, String);

/// How a job stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobStatus {
    /// When it runs next, in milliseconds since 1970; none while it runs.
    pub next_ms: Option<u64>,
    /// Whether it runs now.
    pub running: bool,
    /// Runs so far in this process.
    pub runs: u64,
    /// Runs of these that failed.
    pub failures: u64,
    /// Runs that were missed and made up for by others.
    pub missed: u64,
}

/// How all jobs stand.
#[derive(Debug, Default)]
pub(super) struct JobBoard(Mutex<BTreeMap<Key, JobStatus>>);

impl JobBoard {
    fn note(&self, key: &Key, change: impl FnOnce(&mut JobStatus)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(key.clone()).or_default());
    }
}

/// The moment for which a job is due next, and what was missed before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    at_ms: u64,
    missed: u32,
}

impl Due {
    /// The latest moment that has passed since `last_ms`, else the first that comes.
    fn after(when: &When, last_ms: u64, now_ms: u64) -> Option<Self> {
        let mut due = Self { at_ms: when.next_after(last_ms)?, missed: 0 };
        if let (When::Every(period), true) = (when, due.at_ms <= now_ms) {
            let period_ms = u64::try_from(period.as_millis()).ok()?.max(1);
            let more = (now_ms - due.at_ms) / period_ms;
            return Some(Self { at_ms: due.at_ms + more * period_ms, missed: u32::try_from(more).unwrap_or(MISSED).min(MISSED) });
        }
        while due.missed < MISSED
            && let Some(next_ms) = when.next_after(due.at_ms).filter(|next_ms| *next_ms <= now_ms)
        {
            due = Self { at_ms: next_ms, missed: due.missed + 1 };
        }
        // So many were missed that counting them is no use: the last one is now.
        if due.missed == MISSED {
            due.at_ms = due.at_ms.max(now_ms);
        }
        Some(due)
    }
}

impl Dispatcher {
    /// How the jobs stand, by plugin and name.
    pub fn jobs(&self) -> BTreeMap<(String, String), JobStatus> {
        self.jobs.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs jobs when they are due, until `shutdown`; waits for those that run then, whose calls it takes back.
    pub async fn run_jobs(self: Arc<Self>, shutdown: CancellationToken) {
        let mut tasks: JoinSet<Key> = JoinSet::new();
        let mut running: BTreeSet<Key> = BTreeSet::new();
        loop {
            for plugin in self.plugins() {
                for job in &plugin.jobs {
                    let key = (plugin.id().to_owned(), job.name.clone());
                    if running.insert(key.clone()) {
                        let (dispatcher, shutdown) = (self.clone(), shutdown.clone());
                        tasks.spawn(async move {
                            dispatcher.run_job(&key, &shutdown).await;
                            key
                        });
                    }
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(RECHECK) => {}
                Some(ended) = tasks.join_next() => match ended {
                    Ok(key) => {
                        self.jobs.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
                        running.remove(&key);
                    }
                    Err(error) => tracing::error!(%error, "A job ended its own schedule; it runs again after the next start"),
                },
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// The job as it is now.
    fn find_job(&self, (plugin, name): &Key) -> Option<(Arc<Plugin>, Job)> {
        let plugin = self.plugins().into_iter().find(|loaded| loaded.id() == plugin)?;
        let job = plugin.jobs.iter().find(|job| job.name == *name)?.clone();
        Some((plugin, job))
    }

    /// Runs one job whenever it is due, for as long as there is such a job.
    async fn run_job(&self, key: &Key, shutdown: &CancellationToken) {
        let began_ms = now_ms();
        let mut told = None;
        while let Some((plugin, job)) = self.find_job(key) {
            let kept = self.last_run(key).await;
            let Some(last_ms) = kept.at_ms else {
                // It counts from now on, also for a host that starts anew before it was due.
                self.claim(key, &kept, began_ms).await;
                continue;
            };
            let Some(due) = Due::after(&job.when, last_ms, now_ms()) else { return };
            if told != Some(due.at_ms) {
                told = Some(due.at_ms);
                self.jobs.note(key, |status| status.next_ms = Some(due.at_ms));
                tracing::info!(plugin.id = %key.0, "Job `{}` of plugin `{}` runs next at {}", key.1, key.0, moment(due.at_ms));
            }
            let start_ms = due.at_ms.saturating_add(jitter_ms(key, &job.when, due.at_ms));
            let left = Duration::from_millis(start_ms.saturating_sub(now_ms()));
            if !left.is_zero() {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    // It may be another job by then, or none.
                    () = tokio::time::sleep(left.min(RECHECK)) => continue,
                }
            }
            if shutdown.is_cancelled() {
                return;
            }
            if self.claim(key, &kept, due.at_ms).await {
                self.run_once(key, &plugin, &job, due, shutdown).await;
            }
        }
    }

    async fn run_once(&self, key: &Key, plugin: &Plugin, job: &Job, due: Due, shutdown: &CancellationToken) {
        let mut call = Call::new(Caller::named(&format!("job:{}/{}", key.0, key.1)), job.deadline);
        call.cancellation = shutdown.child_token();
        self.jobs.note(key, |status| {
            status.running = true;
            status.next_ms = None;
        });
        let run = JobRun { name: job.name.clone(), due_ms: due.at_ms, missed: due.missed };
        let ended = match self.admission.acquire(&call).await {
            Err(error) => Err(error),
            Ok(_permit) => {
                let (answer, announced) = plugin.component.run_job(&call, &plugin.guest, &self.services, &run).await;
                self.announce(plugin, announced).await;
                answer
            }
        };
        self.jobs.note(key, |status| {
            status.running = false;
            status.runs += 1;
            status.failures += u64::from(ended.is_err());
            status.missed += u64::from(due.missed);
        });
        self.tell(key, &call, &ended);
    }

    fn tell(&self, (plugin, name): &Key, call: &Call, ended: &Result<String, CallError>) {
        let outcome = ended.as_ref().map_or_else(CallError::code, |_| "ok");
        match ended {
            Ok(text) => tracing::info!(plugin.id = %plugin, call.id = %call.id, outcome, "Job `{name}` of plugin `{plugin}` ran: {text}"),
            Err(error) => {
                tracing::warn!(plugin.id = %plugin, call.id = %call.id, outcome, "Job `{name}` of plugin `{plugin}` failed: {error}")
            }
        }
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let labels = vec![label("plugin", plugin), label("job", name), label("outcome", outcome)];
        self.services.metrics.note("", "job_runs", Measurement::Count(1), labels);
    }

    /// When the job ran last, as far as that is kept.
    async fn last_run(&self, key: &Key) -> LastRun {
        // What this process knows counts even where it could not be kept: else a run would be due again and again.
        let own = self.own_last(key);
        match self.services.storage.get(KEEPER, &stored_key(key)).await {
            Ok(Some(entry)) => {
                let at_ms = <[u8; 8]>::try_from(entry.value.as_slice()).ok().map(u64::from_be_bytes);
                LastRun { at_ms: at_ms.max(own), expected: Expected::Version(entry.version) }
            }
            Ok(None) => LastRun { at_ms: own, expected: Expected::Absent },
            Err(_) => LastRun { at_ms: own, expected: Expected::Anything },
        }
    }

    /// When this process ran it last.
    fn own_last(&self, key: &Key) -> Option<u64> {
        self.last_runs.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    /// Takes a run, so that no other host on the same state folder does; whether it was still to be taken.
    async fn claim(&self, key: &Key, kept: &LastRun, due_ms: u64) -> bool {
        let taken = self.services.storage.set(KEEPER, &stored_key(key), &due_ms.to_be_bytes(), kept.expected, KEPT).await;
        if matches!(taken, Err(StorageError::Conflict { .. })) {
            return false;
        }
        if let Err(error) = taken {
            tracing::debug!(plugin.id = %key.0, %error, "The last run of job `{}` of plugin `{}` is not kept", key.1, key.0);
        }
        self.last_runs.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), due_ms);
        true
    }
}

/// What is known of the last run.
struct LastRun {
    at_ms: Option<u64>,
    /// What has to be kept still when the next one is taken.
    expected: Expected,
}

fn stored_key((plugin, name): &Key) -> String {
    format!("{plugin}/{name}")
}

/// How long this run is put off: at most a tenth of the time to the next one, the same each time it is asked.
fn jitter_ms(key: &Key, when: &When, due_ms: u64) -> u64 {
    use std::hash::BuildHasher;
    static RANDOM: std::sync::LazyLock<std::hash::RandomState> = std::sync::LazyLock::new(std::hash::RandomState::new);
    let period_ms = when.next_after(due_ms).map_or(0, |next_ms| next_ms - due_ms);
    let most_ms = (period_ms / 10).min(u64::try_from(MOST_JITTER.as_millis()).unwrap_or(0));
    RANDOM.hash_one((key, due_ms)) % most_ms.max(1)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A moment for a person.
fn moment(at_ms: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(at_ms)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schedule::Schedule;

    #[test]
    fn missed_runs_are_made_up_for_by_the_last_of_them() {
        let every = When::Every(Duration::from_secs(10));
        let due = |last, now| Due::after(&every, last, now).unwrap();
        assert_eq!(due(0, 5_000), Due { at_ms: 10_000, missed: 0 });
        assert_eq!(due(0, 10_000), Due { at_ms: 10_000, missed: 0 });
        assert_eq!(due(0, 39_999), Due { at_ms: 30_000, missed: 2 });
        let hourly = When::Schedule(Schedule::parse("0 * * * *").unwrap());
        let hour = 3_600_000;
        assert_eq!(Due::after(&hourly, hour, 2 * hour - 1), Some(Due { at_ms: 2 * hour, missed: 0 }));
        assert_eq!(Due::after(&hourly, hour, 4 * hour + 1), Some(Due { at_ms: 4 * hour, missed: 2 }));
        let long_ago = Due::after(&hourly, 0, 5_000 * hour).unwrap();
        assert_eq!((long_ago.missed, long_ago.at_ms), (MISSED, 5_000 * hour));
    }

    #[test]
    fn a_run_is_put_off_by_a_tenth_of_its_period_at_most() {
        let key = ("p".to_owned(), "j".to_owned());
        for due_ms in 0..1_000 {
            assert!(jitter_ms(&key, &When::Every(Duration::from_secs(1)), due_ms) < 100);
            assert!(jitter_ms(&key, &When::Every(Duration::from_hours(24)), due_ms) < 30_000);
        }
    }
}
