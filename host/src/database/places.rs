//! Places at a pool: at most so many in use, handed out in the order in which they were asked for.
//!
//! All engines share it, so that all of them are fair alike and say alike who holds the connections.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

use super::error::DatabaseError;
use super::error::ErrorKind;
use crate::call::Caller;
use crate::config::DatabaseName;
use crate::config::PoolConfig;

tokio::task_local! {
    /// On whose behalf the statement of this task runs; the supervisor sets it, so that no driver has to hand it down.
    pub(super) static SERVED: Caller;
}

/// The places of one pool. Cheap to clone; clones are the same.
#[derive(Clone)]
pub(super) struct Places {
    shared: Arc<Shared>,
}

struct Shared {
    name: DatabaseName,
    config: PoolConfig,
    /// Its queue is first come, first served, and one that stops waiting leaves it.
    semaphore: Arc<Semaphore>,
    waiting: AtomicU32,
    in_use: Mutex<HashMap<Caller, u32>>,
}

/// One place. Dropping it hands it to whoever waited longest.
pub(super) struct Place {
    shared: Arc<Shared>,
    caller: Caller,
    // Last, so that the count is right when the next one has its place.
    _permit: OwnedSemaphorePermit,
}

/// One that waits, counted for as long as it does.
struct Waiting<'a>(&'a AtomicU32);

impl Places {
    /// As many as `config` allows, none in use.
    pub(super) fn new(name: &DatabaseName, config: &PoolConfig) -> Self {
        let shared = Shared {
            name: name.clone(),
            config: config.clone(),
            semaphore: Arc::new(Semaphore::new(usize::try_from(config.max.max(1)).unwrap_or(1))),
            waiting: AtomicU32::new(0),
            in_use: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Waits for a place, within the pool's acquire timeout.
    ///
    /// # Errors
    ///
    /// `PoolExhausted` when none came free in that time, and at once when too many wait already; `Unavailable` when the pool is
    /// closed.
    pub(super) async fn take(&self) -> Result<Place, DatabaseError> {
        let caller = SERVED.try_with(Clone::clone).unwrap_or_else(|_| Caller::named("host"));
        let semaphore = &self.shared.semaphore;
        if let Ok(permit) = semaphore.clone().try_acquire_owned() {
            return Ok(self.placed(caller, permit));
        }
        let Some(_waiting) = Waiting::begin(&self.shared) else {
            let others = self.shared.config.max_waiting;
            return Err(self.exhausted(&caller, &format!("{others} calls wait for a connection to `{}` already", self.shared.name)));
        };
        match tokio::time::timeout(self.shared.config.acquire_timeout, semaphore.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(self.placed(caller, permit)),
            Ok(Err(_)) => Err(DatabaseError::new(ErrorKind::Unavailable, format!("database `{}` is closed", self.shared.name))),
            Err(_) => {
                let waited = self.shared.config.acquire_timeout;
                Err(self.exhausted(&caller, &format!("no connection to `{}` came free within {waited:?}", self.shared.name)))
            }
        }
    }

    /// A place for work of the host itself, if one is free now and nobody waits for it.
    pub(super) fn take_if_free(&self) -> Option<Place> {
        let permit = self.shared.semaphore.clone().try_acquire_owned().ok()?;
        Some(self.placed(Caller::named("host"), permit))
    }

    /// Places in use.
    pub(super) fn in_use(&self) -> usize {
        self.most() - self.shared.semaphore.available_permits().min(self.most())
    }

    /// Places in all.
    pub(super) fn most(&self) -> usize {
        usize::try_from(self.shared.config.max.max(1)).unwrap_or(1)
    }

    /// Waits until no place is in use. Whoever wants one meanwhile waits too.
    pub(super) async fn all_free(&self) {
        let _ = self.shared.semaphore.acquire_many(self.shared.config.max.max(1)).await;
    }

    /// Hands out no place any more.
    pub(super) fn close(&self) {
        self.shared.semaphore.close();
    }

    /// Whether no place is handed out any more.
    pub(super) fn is_closed(&self) -> bool {
        self.shared.semaphore.is_closed()
    }

    fn placed(&self, caller: Caller, permit: OwnedSemaphorePermit) -> Place {
        *self.shared.in_use().entry(caller.clone()).or_default() += 1;
        Place { shared: self.shared.clone(), caller, _permit: permit }
    }

    /// Says who has the connections: the caller how many itself, the others without their names.
    fn exhausted(&self, caller: &Caller, what: &str) -> DatabaseError {
        let (own, others, by) = {
            let in_use = self.shared.in_use();
            let own = in_use.get(caller).copied().unwrap_or(0);
            let others = in_use.iter().filter(|(other, _)| *other != caller);
            let (count, by) = others.fold((0, 0), |(count, by), (_, places)| (count + places, by + 1));
            (own, count, by)
        };
        let held = match (own, by) {
            (own, 0) => format!(": {own} by you"),
            (0, 1) => format!(": {others} by 1 other caller"),
            (0, by) => format!(": {others} by {by} other callers"),
            (own, 1) => format!(": {own} by you, {others} by 1 other caller"),
            (own, by) => format!(": {own} by you, {others} by {by} other callers"),
        };
        let (all, most) = (own + others, self.most());
        let held = if all == 0 { String::new() } else { held };
        DatabaseError::new(ErrorKind::PoolExhausted, format!("{what} ({all} of {most} in use{held})"))
            .hint("try again later; the operator can raise `max`, `acquire_timeout` or `max_waiting` of the database's `pool`")
    }
}

impl Shared {
    /// A panic while it was held cannot leave it half changed, so a poisoned lock is taken all the same.
    fn in_use(&self) -> MutexGuard<'_, HashMap<Caller, u32>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut in_use = self.shared.in_use();
        match in_use.get_mut(&self.caller) {
            Some(places) if *places > 1 => *places -= 1,
            _ => {
                in_use.remove(&self.caller);
            }
        }
    }
}

impl<'a> Waiting<'a> {
    /// `None` when as many wait as may.
    fn begin(shared: &'a Shared) -> Option<Self> {
        let most = shared.config.max_waiting;
        let counted = shared.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| (waiting < most).then_some(waiting + 1));
        counted.ok().map(|_| Self(&shared.waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::time::Instant;

    use super::*;

    fn places(max: u32, acquire_timeout_ms: u64, max_waiting: u32) -> Places {
        let config = PoolConfig { max, acquire_timeout: Duration::from_millis(acquire_timeout_ms), max_waiting, ..PoolConfig::default() };
        Places::new(&DatabaseName::parse("main").unwrap(), &config)
    }

    async fn take_as(places: &Places, caller: &str) -> Result<Place, DatabaseError> {
        SERVED.scope(Caller::named(caller), places.take()).await
    }

    async fn waiting(places: &Places, count: u32) {
        while places.shared.waiting.load(Ordering::Relaxed) != count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_full_pool_says_who_fills_it_without_their_names() {
        let places = places(5, 10, 100);
        let mut held = Vec::new();
        for caller in ["ann", "bob", "bob", "cyd"] {
            held.push(take_as(&places, caller).await.ok().unwrap());
        }
        held.push(take_as(&places, "ann").await.ok().unwrap());
        let started = Instant::now();
        let error = take_as(&places, "ann").await.err().unwrap();
        assert!(started.elapsed() < Duration::from_millis(110), "{:?}", started.elapsed());
        assert_eq!(error.kind, ErrorKind::PoolExhausted);
        assert_eq!(error.message, "no connection to `main` came free within 10ms (5 of 5 in use: 2 by you, 3 by 2 other callers)");
        let error = take_as(&places, "dan").await.err().unwrap();
        assert_eq!(error.message, "no connection to `main` came free within 10ms (5 of 5 in use: 5 by 3 other callers)");
        drop(held);
        assert_eq!((places.in_use(), places.shared.in_use().len()), (0, 0));
    }

    #[tokio::test]
    async fn who_waited_longest_is_next() {
        let places = places(1, 5_000, 100);
        let held = take_as(&places, "ann").await.ok().unwrap();
        let (order, mut ordered) = tokio::sync::mpsc::unbounded_channel();
        for number in 0..20 {
            let (order, own) = (order.clone(), places.clone());
            tokio::spawn(async move {
                let _place = take_as(&own, "bob").await.ok().unwrap();
                order.send(number).unwrap();
            });
            waiting(&places, number + 1).await;
        }
        drop((held, order));
        let mut seen = Vec::new();
        while let Some(number) = ordered.recv().await {
            seen.push(number);
        }
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn one_that_stops_waiting_leaves_no_trace() {
        let places = places(1, 60_000, 2);
        let held = take_as(&places, "ann").await.ok().unwrap();
        for _ in 0..100 {
            let own = places.clone();
            let task = tokio::spawn(async move { take_as(&own, "bob").await });
            waiting(&places, 1).await;
            task.abort();
            assert!(task.await.is_err());
            waiting(&places, 0).await;
        }
        assert_eq!(places.shared.in_use().len(), 1);
        drop(held);
        // The place came back to nobody who has gone.
        assert!(take_as(&places, "cyd").await.is_ok());
    }

    #[tokio::test]
    async fn only_so_many_may_wait() {
        let places = places(1, 60_000, 2);
        let _held = take_as(&places, "ann").await.ok().unwrap();
        for count in 1..=2 {
            let own = places.clone();
            tokio::spawn(async move { take_as(&own, "bob").await });
            waiting(&places, count).await;
        }
        let error = take_as(&places, "ann").await.err().unwrap();
        assert_eq!(error.message, "2 calls wait for a connection to `main` already (1 of 1 in use: 1 by you)");
    }
}
