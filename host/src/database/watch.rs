//! Asks a database in the background whether it answers: every second while it is left alone, so that it is back in service as
//! soon as it can be, and otherwise while somebody wants to know. No call ever waits for it.

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::Engine;
use super::availability::Availability;
use super::error::DatabaseError;
use super::error::ErrorKind;
use super::error::Fault;

/// Between two checks of a database that is left alone, from the second on.
const WHILE_OPEN: Duration = Duration::from_secs(1);

/// Before the first check of it; doubled for each one after that. Most servers that restart are back within a second.
const FIRST_WHILE_OPEN: Duration = Duration::from_millis(100);

/// Between two checks while somebody wants to know. A database that has answered a call since is not asked.
const WHILE_WANTED: Duration = Duration::from_secs(5);

/// How long after a question somebody still wants to know.
const WANTED_FOR: Duration = Duration::from_mins(1);

/// How long one check may take: time for a server far away, and not so long that one which hangs hides that the server is back.
const LIMIT: Duration = Duration::from_secs(2);

/// The checks of one database. Dropping it ends them.
pub(super) struct Watch {
    task: OnceLock<AbortHandle>,
    wanted: watch::Sender<Option<Instant>>,
}

impl Watch {
    /// Checks nothing yet.
    pub(super) fn new() -> Self {
        Self { task: OnceLock::new(), wanted: watch::Sender::new(None) }
    }

    /// Makes sure that checks are made when they are needed. Does nothing outside of a runtime, and when they are already.
    pub(super) fn start(&self, engine: &Engine, availability: &Arc<Availability>) {
        if self.task.get().is_none() && tokio::runtime::Handle::try_current().is_ok() {
            self.task.get_or_init(|| {
                let (engine, availability, wanted) = (engine.clone(), availability.clone(), self.wanted.subscribe());
                tokio::spawn(keep_checking(engine, availability, wanted)).abort_handle()
            });
        }
    }

    /// Notes that somebody wants to know whether the database answers, and will for a while.
    pub(super) fn want(&self) {
        self.wanted.send_replace(Some(Instant::now()));
    }

    /// Ends the checks.
    pub(super) fn stop(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn keep_checking(engine: Engine, availability: Arc<Availability>, mut wanted: watch::Receiver<Option<Instant>>) {
    let mut pause = FIRST_WHILE_OPEN;
    loop {
        let started = Instant::now();
        if availability.is_open() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(WHILE_OPEN);
        } else {
            pause = FIRST_WHILE_OPEN;
            let is_wanted = wanted.borrow_and_update().is_some_and(|asked| asked.elapsed() < WANTED_FOR);
            let stale = !availability.answered_within(WHILE_WANTED);
            if !(is_wanted && stale) {
                let next = if is_wanted { WHILE_WANTED } else { Duration::MAX };
                tokio::select! {
                    () = availability.opened.notified() => {}
                    () = tokio::time::sleep(next) => {}
                    changed = wanted.changed(), if !is_wanted => if changed.is_err() { return },
                }
                continue;
            }
        }
        let checked = tokio::time::timeout(LIMIT, engine.check()).await.unwrap_or_else(|_| Err(silent()));
        availability.checked(&checked);
        if !availability.is_open() && checked.is_err() {
            tokio::select! {
                () = availability.opened.notified() => {}
                () = tokio::time::sleep(WHILE_OPEN.saturating_sub(started.elapsed())) => {}
            }
        }
    }
}

fn silent() -> DatabaseError {
    DatabaseError::new(ErrorKind::Unavailable, format!("it did not answer within {LIMIT:?}")).fault(Fault::Connection)
}
