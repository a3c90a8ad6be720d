//! Stops asking a hook that keeps failing.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

/// Failures within [`WINDOW`] that open it.
const FAILURES: usize = 5;

/// How long a failure counts.
const WINDOW: Duration = Duration::from_mins(1);

/// How long it stays open the first time; doubled each time that the question after it fails too.
const OPEN: Duration = Duration::from_secs(30);

/// The longest that it stays open.
const OPEN_MOST: Duration = Duration::from_mins(5);

/// Closed at first; open after five failures within a minute; then one question at a time tells whether it closes again.
#[derive(Debug, Default)]
pub struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: VecDeque<Instant>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    until: Instant,
    times: u32,
    probing: bool,
}

/// Whether a hook may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes.
    Ask,
    /// Not before so long.
    Wait(Duration),
}

impl Breaker {
    /// Whether the hook may be asked at this moment. What became of it must be told with one of the other functions.
    pub fn admit(&self, now: Instant) -> Admission {
        let mut state = self.lock();
        match &mut state.open {
            None => Admission::Ask,
            Some(open) if now >= open.until && !open.probing => {
                open.probing = true;
                Admission::Ask
            }
            Some(open) => Admission::Wait(open.until.saturating_duration_since(now)),
        }
    }

    /// It answered: closes.
    pub fn answered(&self) {
        let mut state = self.lock();
        if state.open.take().is_some() {
            state.failures.clear();
        }
    }

    /// It failed. Whether this opened the breaker.
    pub fn failed(&self, now: Instant) -> bool {
        let mut state = self.lock();
        if let Some(open) = &mut state.open {
            open.times += 1;
            open.probing = false;
            open.until = now + (OPEN * 2_u32.saturating_pow(open.times)).min(OPEN_MOST);
            return false;
        }
        state.failures.retain(|failure| now.saturating_duration_since(*failure) < WINDOW);
        state.failures.push_back(now);
        let opens = state.failures.len() >= FAILURES;
        if opens {
            state.open = Some(Open { until: now + OPEN, times: 0, probing: false });
        }
        opens
    }

    /// It was neither: the call that asked is over.
    pub fn left(&self) {
        if let Some(open) = &mut self.lock().open {
            open.probing = false;
        }
    }

    /// The state. A panic while it was held cannot leave it half changed, so a poisoned lock is taken all the same.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_within_a_minute_open_it_and_one_answer_closes_it() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        for second in 0..4 {
            assert!(!breaker.failed(start + Duration::from_secs(second)));
        }
        // The first is over a minute old by now.
        assert!(!breaker.failed(start + Duration::from_secs(60)));
        assert_eq!(breaker.admit(start + Duration::from_secs(60)), Admission::Ask);
        assert!(breaker.failed(start + Duration::from_secs(60)));
        let now = start + Duration::from_secs(61);
        assert_eq!(breaker.admit(now), Admission::Wait(Duration::from_secs(29)));
        let later = start + Duration::from_secs(90);
        assert_eq!(breaker.admit(later), Admission::Ask);
        assert!(matches!(breaker.admit(later), Admission::Wait(_)), "one question at a time");
        breaker.answered();
        assert_eq!(breaker.admit(later), Admission::Ask);
        assert!(!breaker.failed(later));
    }

    #[test]
    fn a_failed_probe_keeps_it_open_for_longer_and_one_that_was_left_is_tried_again() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        (0..FAILURES).for_each(|_| {
            breaker.failed(start);
        });
        assert_eq!(breaker.admit(start + OPEN), Admission::Ask);
        breaker.left();
        assert_eq!(breaker.admit(start + OPEN), Admission::Ask);
        breaker.failed(start + OPEN);
        assert_eq!(breaker.admit(start + OPEN + OPEN), Admission::Wait(OPEN));
        for _ in 0..40 {
            breaker.failed(start);
        }
        assert_eq!(breaker.admit(start), Admission::Wait(OPEN_MOST));
    }
}
