//! Tries again what failed for a passing reason, and only what cannot take effect twice.
//!
//! A statement that reads may run again after any fault of the connection and after a conflict. One that writes may only when
//! it never reached the database or the engine has said that it undid it. What may have taken effect goes to the caller.
//! Everything happens within the time that the call and the statement have.

use std::time::Duration;
use std::time::Instant;

use super::availability::Availability;
use super::availability::Leave;
use super::error::DatabaseError;
use super::error::Effect;
use super::error::ErrorKind;
use super::error::Fault;
use crate::call::Call;
use crate::config::RetryConfig;

/// What a statement may do, as far as running it again is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It reads: it may run as often as one likes.
    Always,
    /// It writes: only when nothing of it can have taken effect.
    WithoutEffect,
}

/// The attempts at one statement. Dropped in the middle of one, that one says nothing about the database.
pub(super) struct Attempts<'a, E> {
    call: &'a Call,
    availability: &'a Availability,
    rules: &'a RetryConfig,
    repeat: Repeat,
    until: Instant,
    made: u32,
    leave: Option<Leave<'a>>,
    failed: Option<E>,
}

impl<'a, E: AsRef<DatabaseError> + From<DatabaseError>> Attempts<'a, E> {
    /// None made yet. All of them end within `limit`.
    pub(super) fn new(call: &'a Call, availability: &'a Availability, rules: &'a RetryConfig, repeat: Repeat, limit: Duration) -> Self {
        let until = (Instant::now() + limit).min(call.deadline);
        Self { call, availability, rules, repeat, until, made: 0, leave: None, failed: None }
    }

    /// Waits until the next attempt may be made, and says how long it may take.
    ///
    /// # Errors
    ///
    /// `Unavailable` at once when the breaker is open at the first attempt; later what the attempt before said, when none can be
    /// made any more.
    pub(super) async fn begin(&mut self) -> Result<Duration, E> {
        loop {
            if let Some(failed) = self.failed.take() {
                if !self.wait().await {
                    return Err(failed);
                }
                self.failed = Some(failed);
            }
            self.made += 1;
            match (self.availability.admit(), self.failed.take()) {
                (Ok(leave), _) => {
                    self.leave = Some(leave);
                    return Ok(self.left());
                }
                (Err(left_alone), None) => return Err(left_alone.into()),
                // Opened meanwhile. It may close as fast, so that this counts as an attempt.
                (Err(_), Some(failed)) if self.made < self.rules.attempts => self.failed = Some(failed),
                (Err(_), Some(failed)) => return Err(failed),
            }
        }
    }

    /// Takes what an attempt brought. `None` when there is to be another one.
    pub(super) fn settle<T>(&mut self, result: Result<T, E>) -> Option<Result<T, E>> {
        let error = result.as_ref().err().map(AsRef::as_ref);
        if let Some(leave) = self.leave.take() {
            leave.settle(error);
        }
        let again = error.is_some_and(|error| may_repeat(error, self.repeat)) && self.made < self.rules.attempts;
        match result {
            Err(error) if again && !self.call.cancellation.is_cancelled() && !self.left().is_zero() => {
                self.failed = Some(error);
                None
            }
            result => Some(result),
        }
    }

    /// Waits before the next attempt; `false` when there is no time for one.
    async fn wait(&self) -> bool {
        let pause = pause(self.rules, self.made, chance());
        if pause >= self.left() {
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = self.call.cancellation.cancelled() => false,
        }
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// Whether what failed this way may run once more.
fn may_repeat(error: &DatabaseError, repeat: Repeat) -> bool {
    let passes = match error.fault {
        Fault::Conflict => true,
        // The time of a call that a silent server has used up is over.
        Fault::Connection => !matches!(error.kind, ErrorKind::Timeout | ErrorKind::Cancelled),
        Fault::Statement | Fault::Rejection => false,
    };
    passes && (repeat == Repeat::Always || error.effect == Effect::None)
}

/// The pause after `made` attempts: the base, doubled each time, a half of it left to `chance` in 0..=255.
fn pause(rules: &RetryConfig, made: u32, chance: u8) -> Duration {
    let doubled = rules.base.saturating_mul(1 << made.saturating_sub(1).min(16)).min(rules.max);
    doubled / 2 + doubled * u32::from(chance) / 510
}

/// A byte of chance; when the system has none to give, the clock will do.
fn chance() -> u8 {
    let mut byte = [0];
    match getrandom::fill(&mut byte) {
        Ok(()) => byte[0],
        Err(_) => Instant::now().elapsed().subsec_nanos().to_le_bytes()[0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Caller;
    use crate::config::BreakerConfig;
    use crate::config::DatabaseName;

    fn availability() -> Availability {
        Availability::new(DatabaseName::parse("main").unwrap(), BreakerConfig { failures: 100, ..BreakerConfig::default() })
    }

    fn error(fault: Fault, effect: Effect) -> DatabaseError {
        DatabaseError::new(ErrorKind::Unavailable, "it broke").fault(fault).effect(effect)
    }

    fn quick() -> RetryConfig {
        RetryConfig { attempts: 3, base: Duration::from_millis(1), max: Duration::from_millis(5) }
    }

    /// Attempts made at something that always fails so.
    async fn attempts(repeat: Repeat, error: DatabaseError, limit: Duration) -> u32 {
        let (availability, rules, call) = (availability(), quick(), Call::new(Caller::local(), Duration::from_secs(60)));
        let mut attempts = Attempts::new(&call, &availability, &rules, repeat, limit);
        let mut made = 0;
        loop {
            if attempts.begin().await.is_err() {
                return made;
            }
            made += 1;
            if let Some(done) = attempts.settle::<()>(Err(error.clone())) {
                assert_eq!(done, Err(error));
                return made;
            }
        }
    }

    #[tokio::test]
    async fn only_what_passes_and_cannot_take_effect_twice_is_tried_again() {
        let limit = Duration::from_secs(5);
        for (fault, effect, reads, writes) in [
            (Fault::Connection, Effect::None, 3, 3),
            (Fault::Conflict, Effect::None, 3, 3),
            (Fault::Connection, Effect::Undone, 3, 1),
            (Fault::Connection, Effect::Unknown, 3, 1),
            (Fault::Conflict, Effect::Undone, 3, 1),
            (Fault::Rejection, Effect::None, 1, 1),
            (Fault::Statement, Effect::None, 1, 1),
        ] {
            let made = (
                attempts(Repeat::Always, error(fault, effect), limit).await,
                attempts(Repeat::WithoutEffect, error(fault, effect), limit).await,
            );
            assert_eq!(made, (reads, writes), "{fault:?} {effect:?}");
        }
    }

    #[tokio::test]
    async fn nothing_is_tried_again_when_the_time_is_over() {
        assert_eq!(attempts(Repeat::Always, error(Fault::Connection, Effect::None), Duration::ZERO).await, 1);
    }

    #[tokio::test]
    async fn a_call_that_is_taken_back_is_not_tried_again() {
        let (availability, rules, call) = (availability(), quick(), Call::new(Caller::local(), Duration::from_secs(60)));
        let mut attempts: Attempts<'_, DatabaseError> = Attempts::new(&call, &availability, &rules, Repeat::Always, Duration::from_secs(5));
        attempts.begin().await.unwrap();
        call.cancellation.cancel();
        assert!(attempts.settle::<()>(Err(error(Fault::Connection, Effect::None))).is_some());
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_half_of_each_is_chance() {
        let rules = RetryConfig { attempts: 9, base: Duration::from_millis(50), max: Duration::from_secs(1) };
        let range = |made| (pause(&rules, made, 0).as_millis(), pause(&rules, made, 255).as_millis());
        assert_eq!([1, 2, 3, 9, 60].map(range), [(25, 50), (50, 100), (100, 200), (500, 1000), (500, 1000)]);
    }
}
