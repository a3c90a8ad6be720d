//! Leaves a server alone for a moment after it failed several times in a row.

use std::time::Duration;
use std::time::Instant;

/// Failures in a row after which the server is left alone.
const FAILURES: u32 = 3;

/// How long it is left alone. The next failure after that leaves it alone again.
const PAUSE: Duration = Duration::from_secs(1);

/// What the last answers were.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    until: Option<Instant>,
}

impl Breaker {
    /// Whether the server may be asked now.
    pub(super) fn allows(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    /// Notes a failure; true when the server is left alone from now on.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        let opens = self.failures >= FAILURES && self.allows(now);
        if opens {
            self.until = Some(now + PAUSE);
        }
        opens
    }

    /// Notes that the server answers.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_in_a_row_are_a_second_of_rest() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        assert!(!breaker.failed(start) && !breaker.failed(start));
        breaker.succeeded();
        assert!(!breaker.failed(start) && !breaker.failed(start) && breaker.allows(start));
        assert!(breaker.failed(start));
        assert!(!breaker.allows(start + PAUSE / 2) && breaker.allows(start + PAUSE));
        assert!(breaker.failed(start + PAUSE));
        assert!(!breaker.allows(start + PAUSE));
        breaker.succeeded();
        assert!(breaker.allows(start + PAUSE));
    }
}
