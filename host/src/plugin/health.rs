//! How the calls of a plugin end, and when a new version is so much worse than the one before that it goes back by itself.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

/// Calls that a version has to have had before anything is said about it.
const LEAST_CALLS: u32 = 10;

/// Calls after which a version has stood the test.
const PROBATION_CALLS: u32 = 200;

/// How much larger the share of failed calls has to be than with the version before.
const JUMP: f64 = 0.3;

/// Calls of one loaded version of a plugin. Only failures of the plugin itself count: what it says to a model is no failure.
#[derive(Debug, Default)]
pub struct Health {
    calls: AtomicU32,
    failures: AtomicU32,
}

/// Calls and failures at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Calls that ended.
    pub calls: u32,
    /// Those of them that the plugin failed.
    pub failures: u32,
}

impl Health {
    /// Notes the end of a call.
    pub fn note(&self, failed: bool) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.failures.fetch_add(u32::from(failed), Ordering::Relaxed);
    }

    /// The calls so far.
    pub fn figures(&self) -> Figures {
        Figures { calls: self.calls.load(Ordering::Relaxed), failures: self.failures.load(Ordering::Relaxed) }
    }
}

impl Figures {
    fn share(self) -> f64 {
        if self.calls == 0 { 0.0 } else { f64::from(self.failures) / f64::from(self.calls) }
    }

    /// Whether it is so much worse than the version before that had these that it should not run.
    pub fn is_worse_than(self, before: Self) -> bool {
        self.calls >= LEAST_CALLS && self.share() >= before.share() + JUMP
    }

    /// Whether the version has stood the test.
    pub fn has_stood(self) -> bool {
        self.calls >= PROBATION_CALLS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_jump_over_enough_calls_is_worse() {
        let figures = |calls, failures| Figures { calls, failures };
        assert!(figures(10, 3).is_worse_than(figures(0, 0)));
        assert!(figures(10, 10).is_worse_than(figures(100, 5)));
        assert!(!figures(9, 9).is_worse_than(figures(0, 0)));
        assert!(!figures(100, 10).is_worse_than(figures(100, 0)));
        // One that failed before is not worse for failing on.
        assert!(!figures(50, 50).is_worse_than(figures(50, 45)));
        assert!(figures(200, 0).has_stood() && !figures(199, 0).has_stood());
        let health = Health::default();
        health.note(true);
        health.note(false);
        assert_eq!(health.figures(), figures(2, 1));
    }
}
