//! What guests that compute for long share: half of the processors, one slice after the other.
//!
//! Guests that compute and tasks that read requests and write answers run on the same threads. Were all of them taken by guests, each
//! step of everybody else's call would wait for as many slices as there are such guests. A call that is done soon never waits here.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use crate::capability::meter::TICK;

/// When the next slice may begin. Each guest that wants one moves it on, so they come one after the other in the order in which they
/// asked; there is nothing that a guest could hold and not give back.
pub(super) struct Share {
    began: Instant,
    next_us: AtomicU64,
    slice_us: u64,
}

impl Share {
    /// Half of this machine's processors, at least one.
    pub(super) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::of(processors.div_ceil(2))
    }

    fn of(processors: usize) -> Self {
        Self { began: Instant::now(), next_us: AtomicU64::new(0), slice_us: micros(TICK) / processors as u64 }
    }

    /// Waits for the next slice; others run meanwhile.
    pub(super) async fn slice(&self) {
        let now = self.began.elapsed();
        let begin = self.reserve(micros(now));
        match Duration::from_micros(begin).checked_sub(now) {
            // The timer knows milliseconds.
            Some(pause) if pause >= Duration::from_millis(1) => tokio::time::sleep(pause).await,
            Some(_) | None => tokio::task::yield_now().await,
        }
    }

    /// When the slice of somebody who asks at `now_us` begins.
    fn reserve(&self, now_us: u64) -> u64 {
        let after = |next: u64| Some(next.max(now_us) + self.slice_us);
        // The closure always answers.
        let before = self.next_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after).unwrap_or_else(|next| next);
        before.max(now_us)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_follow_one_another_and_nobody_pays_for_a_time_when_nobody_asked() {
        let share = Share::of(1);
        let slice = micros(TICK);
        assert_eq!([share.reserve(0), share.reserve(0), share.reserve(0)], [0, slice, 2 * slice]);
        assert_eq!([share.reserve(10 * slice), share.reserve(10 * slice)], [10 * slice, 11 * slice]);
        let share = Share::of(2);
        assert_eq!([share.reserve(0), share.reserve(0), share.reserve(0)], [0, slice / 2, slice]);
    }
}
