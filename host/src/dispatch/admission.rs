//! How many calls run and wait at once.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use tokio::sync::Semaphore;
use tokio::sync::SemaphorePermit;

use crate::call::Call;
use crate::runtime::answer::CallError;

/// Lets a bounded number of calls run, a bounded number wait in the order they came, and refuses the rest.
#[derive(Debug)]
pub(super) struct Admission {
    running: Semaphore,
    waiting: AtomicUsize,
    most_running: usize,
    most_waiting: usize,
}

/// Counts a waiting call for as long as it waits, however the wait ends.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Admission {
    pub(super) fn new(most_running: usize, most_waiting: usize) -> Self {
        Self { running: Semaphore::new(most_running), waiting: AtomicUsize::new(0), most_running, most_waiting }
    }

    /// Waits for a place, until the call's deadline or until it is taken back.
    ///
    /// # Errors
    ///
    /// `Busy` at once when too many wait already.
    pub(super) async fn acquire(&self, call: &Call) -> Result<SemaphorePermit<'_>, CallError> {
        if let Ok(permit) = self.running.try_acquire() {
            return Ok(permit);
        }
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.most_waiting {
            return Err(CallError::Busy { limit: self.most_running });
        }
        let deadline = tokio::time::Instant::from_std(call.deadline);
        let permit = tokio::select! {
            biased;
            () = call.cancellation.cancelled() => Err(CallError::Cancelled),
            permit = tokio::time::timeout_at(deadline, self.running.acquire()) => match permit {
                Ok(Ok(permit)) => Ok(permit),
                Ok(Err(_)) => Err(CallError::Internal),
                Err(_) => Err(CallError::Timeout),
            },
        };
        drop(waiting);
        permit
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::call::Caller;

    #[tokio::test]
    async fn calls_over_the_limits_are_refused_and_leave_no_trace() {
        let admission = Admission::new(1, 1);
        let call = Call::new(Caller::local(), Duration::from_millis(50));
        let running = admission.acquire(&call).await.unwrap();
        let (late, refused) = tokio::join!(admission.acquire(&call), async {
            tokio::task::yield_now().await;
            admission.acquire(&call).await
        });
        assert!(matches!(late, Err(CallError::Timeout)));
        assert!(matches!(refused, Err(CallError::Busy { limit: 1 })));
        assert_eq!(admission.waiting.load(Ordering::Relaxed), 0);
        drop(running);
        assert!(admission.acquire(&Call::new(Caller::local(), Duration::from_secs(1))).await.is_ok());
    }
}
