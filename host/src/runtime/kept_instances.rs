//! Instances that are kept after an answer, each for the caller that it served.
//!
//! An instance never serves two callers: whatever a guest does, nothing of one can reach another through its memory. It is
//! dropped after a failure or a call that was taken back (it never comes here then), after so many uses, when it has waited for
//! too long, when it grew, and when it still holds something of the host.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use wasmtime::Store;
use wasmtime::component::Instance;

use crate::bindings::exports::tidegate::plugin::call_hooks;
use crate::bindings::exports::tidegate::plugin::query_hooks;
use crate::call::Call;
use crate::call::Caller;
use crate::capability::Guest;
use crate::capability::State;

/// Instances that are kept in one place at once.
const INSTANCES: usize = 32;

/// Bytes of linear memory by which an instance may have grown since it began.
const GROWN_BYTES: usize = 8 << 20;

/// How long an instance serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Calls that one answers.
    pub uses: u32,
    /// How long it waits for the next.
    pub idle: Duration,
}

impl Default for Keeping {
    fn default() -> Self {
        Self { uses: 1_000, idle: Duration::from_secs(60) }
    }
}

/// A store with its instance.
pub(super) struct Started {
    /// The store.
    pub store: Store<State>,
    /// The instance.
    pub instance: Instance,
    /// Its hooks around statements, once they were asked for.
    pub query_hooks: Option<query_hooks::Guest>,
    /// Its hooks around calls, once they were asked for.
    pub call_hooks: Option<call_hooks::Guest>,
    /// Calls that it answered.
    uses: u32,
    /// Bytes of its memories when it began.
    first_bytes: usize,
}

impl Started {
    /// A new instance.
    pub(super) fn new(store: Store<State>, instance: Instance) -> Self {
        let first_bytes = store.data().meter.bytes();
        Self { store, instance, query_hooks: None, call_hooks: None, uses: 0, first_bytes }
    }

    /// Whether it has answered nothing yet.
    pub(super) fn is_first(&self) -> bool {
        self.uses == 0
    }
}

/// An instance that waits for the next call of its caller.
struct Kept {
    caller: Caller,
    started: Started,
    since: Instant,
    _slot: OwnedSemaphorePermit,
}

/// The instances of one hook, or of the tools of one plugin, that wait.
pub struct KeptInstances {
    keeping: Keeping,
    /// Shared with other places: instances that may wait at once in all of them.
    slots: Arc<Semaphore>,
    kept: Mutex<Vec<Kept>>,
    /// What drops instances that nobody asks any more.
    sweeper: Mutex<Option<AbortHandle>>,
}

impl KeptInstances {
    /// A place where nothing waits yet.
    pub fn new(keeping: Keeping, slots: Arc<Semaphore>) -> Arc<Self> {
        Arc::new(Self { keeping, slots, kept: Mutex::default(), sweeper: Mutex::default() })
    }

    /// Takes the latest instance out that served this caller with these rights.
    pub(super) fn take(&self, caller: &Caller, guest: &Arc<Guest>) -> Option<Started> {
        let mut kept = self.lock();
        let at = kept.iter().rposition(|kept| kept.caller == *caller && Arc::ptr_eq(&kept.started.store.data().guest, guest))?;
        let Kept { started, since, .. } = kept.swap_remove(at);
        (since.elapsed() < self.keeping.idle).then_some(started)
    }

    /// Keeps an instance that answered, for the caller that it served.
    pub(super) fn keep(self: &Arc<Self>, call: &Call, mut started: Started) {
        started.uses += 1;
        let state = started.store.data();
        let has_grown = state.meter.bytes() > started.first_bytes + GROWN_BYTES;
        if started.uses >= self.keeping.uses || has_grown || !state.holds_nothing() || !state.stderr.contents().is_empty() {
            return;
        }
        let Ok(slot) = self.slots.clone().try_acquire_owned() else { return };
        // What listens to a call ends with it, not with the instance.
        started.store.data_mut().call = call.detached(Duration::ZERO);
        let now = Instant::now();
        let mut kept = self.lock();
        kept.retain(|kept| now.saturating_duration_since(kept.since) < self.keeping.idle);
        if kept.len() < INSTANCES {
            kept.push(Kept { caller: call.caller.clone(), started, since: now, _slot: slot });
        }
        drop(kept);
        self.sweep_later();
    }

    /// Starts what drops instances that have waited for too long, unless it runs. It ends with this place.
    fn sweep_later(self: &Arc<Self>) {
        let mut sweeper = self.sweeper.lock().unwrap_or_else(PoisonError::into_inner);
        if sweeper.is_some() {
            return;
        }
        let place = Arc::downgrade(self);
        let idle = self.keeping.idle;
        let sweep = async move {
            loop {
                tokio::time::sleep(idle).await;
                let Some(place) = place.upgrade() else { return };
                place.lock().retain(|kept| kept.since.elapsed() < idle);
            }
        };
        *sweeper = Some(tokio::spawn(sweep).abort_handle());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for KeptInstances {
    fn drop(&mut self) {
        if let Some(sweeper) = self.sweeper.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            sweeper.abort();
        }
    }
}
