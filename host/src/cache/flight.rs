//! One statement for many callers: who asks while the same statement runs waits for its rows.

use std::collections::HashMap;
use std::collections::hash_map;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::watch;

use super::digest::Digest;
use super::entry::Entry;
use super::entry::Stamp;
use super::figures::Count;

/// What a flight is for. Callers whose stamps differ may not have the same rows: something was written between them.
type Key = (Digest, Stamp);

/// How the leader ended; nothing while it runs.
type Ended = Option<Option<Arc<Entry>>>;

/// The statements that run now.
#[derive(Default)]
pub(super) struct Flights {
    running: Arc<Mutex<HashMap<Key, watch::Receiver<Ended>>>>,
    collapsed: Arc<Count>,
}

/// The part of a caller in a flight.
pub enum Flight {
    /// It runs the statement, and holds the guard meanwhile.
    Leader(Leader),
    /// Another runs it.
    Follower(Follower),
    /// Another ran it since the caller looked: these are its rows.
    Landed(Arc<Entry>),
}

/// Runs the statement for all. Dropped without [`land`](Self::land), as by a failure or a cancelled call, it lets one of those who
/// wait run it instead.
#[must_use]
pub struct Leader {
    key: Key,
    running: Arc<Mutex<HashMap<Key, watch::Receiver<Ended>>>>,
    ended: watch::Sender<Ended>,
}

/// Waits for the leader.
#[must_use]
pub struct Follower {
    ended: watch::Receiver<Ended>,
    collapsed: Arc<Count>,
}

/// How the wait for a leader ended.
#[derive(Clone, Debug)]
pub enum Landing {
    /// With these rows, which answer this caller too.
    Rows(Arc<Entry>),
    /// With rows that may not be kept or shared. Run the statement, and do not wait for others again: they all do the same now.
    Nothing,
    /// The leader failed or was cancelled. Take part in a new flight: one of those who waited leads it.
    Abandoned,
}

impl Flights {
    /// Takes part in the flight for these rows, as its leader when there is none. `kept` looks whether one has ended between the look that
    /// missed and now; it is asked only by who would lead.
    pub(super) fn join(&self, digest: &Digest, stamp: &Stamp, kept: impl FnOnce() -> Option<Arc<Entry>>) -> Flight {
        let leader = match self.board(digest, stamp) {
            Flight::Leader(leader) => leader,
            other => return other,
        };
        match kept() {
            Some(entry) => {
                leader.land(Some(entry.clone()));
                self.collapsed.add(1);
                Flight::Landed(entry)
            }
            None => Flight::Leader(leader),
        }
    }

    fn board(&self, digest: &Digest, stamp: &Stamp) -> Flight {
        match lock(&self.running).entry((*digest, stamp.clone())) {
            hash_map::Entry::Occupied(running) => {
                Flight::Follower(Follower { ended: running.get().clone(), collapsed: self.collapsed.clone() })
            }
            hash_map::Entry::Vacant(place) => {
                let key = place.key().clone();
                let (ended, receiver) = watch::channel(None);
                place.insert(receiver);
                Flight::Leader(Leader { key, running: self.running.clone(), ended })
            }
        }
    }

    /// Callers that got another's rows.
    pub(super) fn collapsed(&self) -> u64 {
        self.collapsed.get()
    }
}

impl Leader {
    /// Ends the flight with the rows for all who wait, or with none when they may not be shared. An entry of another stamp than the
    /// flight's is not handed on.
    pub fn land(self, entry: Option<Arc<Entry>>) {
        let entry = entry.filter(|entry| entry.stamp == self.key.1);
        self.ended.send_replace(Some(entry));
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        // Before the sender goes and wakes those who wait: the first of them has to find the place free.
        lock(&self.running).remove(&self.key);
    }
}

impl Follower {
    /// Waits until the leader has ended, however it ends. Dropping the future leaves the flight.
    pub async fn landing(mut self) -> Landing {
        let Ok(ended) = self.ended.wait_for(Option::is_some).await else { return Landing::Abandoned };
        match ended.clone().flatten() {
            Some(entry) => {
                self.collapsed.add(1);
                Landing::Rows(entry)
            }
            None => Landing::Nothing,
        }
    }
}

/// The map is whole at every point where a thread could panic, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
