//! How many calls of one plugin run at once.
//!
//! A plugin that computes or waits without end would else take every place that the host has, and others would wait for it. What
//! waits here holds no place of the host yet.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::sync::SemaphorePermit;

use crate::call::Call;
use crate::runtime::answer::CallError;

/// Calls that wait for each one that may run; more are refused at once.
const WAITING_FOR_EACH: usize = 4;

/// How long a call waits for its turn, when its own deadline is not earlier.
const PATIENCE: Duration = Duration::from_secs(10);

/// The turns of one plugin's calls.
#[derive(Debug)]
pub struct Turns(Option<Places>);

#[derive(Debug)]
struct Places {
    free: Semaphore,
    waiting: AtomicUsize,
    most: usize,
}

/// Counts a waiting call for as long as it waits, however the wait ends.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Turns {
    /// So many at once; `None` leaves it to the host's limit on all calls.
    pub fn new(most: Option<usize>) -> Self {
        Self(most.map(|most| Places { free: Semaphore::new(most), waiting: AtomicUsize::new(0), most }))
    }

    /// Waits for a turn of the plugin `id`: some seconds at most, until the call's deadline, or until the call is taken back.
    ///
    /// # Errors
    ///
    /// `PluginBusy` when the wait was in vain, and at once when too many wait already.
    pub async fn take(&self, call: &Call, id: &str) -> Result<Option<SemaphorePermit<'_>>, CallError> {
        let Some(Places { free, waiting, most }) = &self.0 else { return Ok(None) };
        if let Ok(turn) = free.try_acquire() {
            return Ok(Some(turn));
        }
        let busy = || CallError::PluginBusy { plugin: id.into(), limit: *most };
        let counted = Waiting(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) >= most.saturating_mul(WAITING_FOR_EACH) {
            return Err(busy());
        }
        let until = call.deadline.min(Instant::now() + PATIENCE);
        let turn = tokio::select! {
            biased;
            () = call.cancellation.cancelled() => Err(CallError::Cancelled),
            turn = tokio::time::timeout_at(until.into(), free.acquire()) => match turn {
                Ok(Ok(turn)) => Ok(Some(turn)),
                Ok(Err(_)) => Err(CallError::Internal),
                Err(_) => Err(busy()),
            },
        };
        drop(counted);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Caller;

    fn call(limit: Duration) -> Call {
        Call::new(Caller::local(), limit)
    }

    #[tokio::test]
    async fn who_waits_in_vain_and_who_finds_too_many_waiting_is_told_so() {
        let turns = Turns::new(Some(1));
        let (short, long) = (call(Duration::from_millis(50)), call(Duration::from_mins(1)));
        let running = turns.take(&long, "p").await.unwrap();
        let (one, two, three, four, more) =
            tokio::join!(turns.take(&short, "p"), turns.take(&short, "p"), turns.take(&short, "p"), turns.take(&short, "p"), async {
                tokio::task::yield_now().await;
                turns.take(&long, "p").await
            });
        for refused in [one, two, three, four, more] {
            assert!(matches!(refused, Err(CallError::PluginBusy { limit: 1, .. })), "{refused:?}");
        }
        drop(running);
        assert!(turns.take(&short, "p").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_call_that_is_taken_back_leaves_its_place_in_the_queue() {
        let turns = Turns::new(Some(1));
        let long = call(Duration::from_mins(1));
        let running = turns.take(&long, "p").await.unwrap();
        for _ in 0..20 {
            let taken_back = call(Duration::from_mins(1));
            taken_back.cancellation.cancel();
            assert!(matches!(turns.take(&taken_back, "p").await, Err(CallError::Cancelled)));
        }
        assert_eq!(turns.0.as_ref().unwrap().waiting.load(Ordering::Relaxed), 0);
        drop(running);
    }

    #[tokio::test]
    async fn without_a_limit_nobody_waits() {
        let turns = Turns::new(None);
        for _ in 0..1000 {
            assert!(turns.take(&call(Duration::ZERO), "p").await.unwrap().is_none());
        }
    }
}
