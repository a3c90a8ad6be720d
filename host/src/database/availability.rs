//! Whether a database answers: what calls and checks have seen of it, and the breaker that follows from it.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::Notify;

use super::breaker::Breaker;
use super::breaker::Outcome;
use super::breaker::Pass;
use super::error::DatabaseError;
use super::error::ErrorKind;
use super::error::Fault;
use crate::config::BreakerConfig;
use crate::config::DatabaseName;

/// What is known about one database, for everybody who asks it something.
pub(super) struct Availability {
    name: DatabaseName,
    rules: BreakerConfig,
    known: Mutex<Known>,
    /// Rung when the breaker opens: from then on checks are needed.
    pub(super) opened: Notify,
}

struct Known {
    breaker: Breaker,
    /// Whether it answered when it was last asked, and when that was.
    last: Option<(bool, Instant)>,
    /// Why it did not answer, when it did not.
    reason: String,
    /// What somebody has to do about it, when it will not pass by itself.
    remedy: Option<String>,
}

/// The leave to make one attempt. Dropped without an outcome, it says nothing about the database.
pub(super) struct Leave<'a> {
    availability: &'a Availability,
    pass: Option<Pass>,
}

impl Availability {
    /// Of a database that has not been asked anything.
    pub(super) fn new(name: DatabaseName, rules: BreakerConfig) -> Self {
        let known = Known { breaker: Breaker::new(rules.clone()), last: None, reason: String::new(), remedy: None };
        Self { name, rules, known: Mutex::new(known), opened: Notify::new() }
    }

    /// Lets an attempt through.
    ///
    /// # Errors
    ///
    /// `Unavailable` at once while the breaker is open, with the time of the next try.
    pub(super) fn admit(&self) -> Result<Leave<'_>, DatabaseError> {
        let now = Instant::now();
        let mut known = self.known();
        match known.breaker.admit(now) {
            Ok(pass) => Ok(Leave { availability: self, pass: Some(pass) }),
            Err(again) => Err(self.left_alone(&known, again.saturating_duration_since(now))),
        }
    }

    /// Notes what a check from outside of a call found.
    pub(super) fn checked(&self, found: &Result<(), DatabaseError>) {
        let mut known = self.known();
        match found {
            Ok(()) => {
                known.last = Some((true, Instant::now()));
                if known.breaker.answered() {
                    tracing::info!(database.name = %self.name, "Database `{}` answers again and is used again", self.name);
                }
            }
            Err(error) => {
                known.failed(error);
            }
        }
    }

    /// Whether calls are turned away.
    pub(super) fn is_open(&self) -> bool {
        self.known().breaker.is_open()
    }

    /// Whether it answered when it was last asked; none when it never was.
    pub(super) fn answers(&self) -> Option<bool> {
        self.known().last.map(|(answered, _)| answered)
    }

    /// Whether it has answered something within `age`, so that asking again tells nothing new.
    pub(super) fn answered_within(&self, age: Duration) -> bool {
        self.known().last.is_some_and(|(answered, at)| answered && at.elapsed() < age)
    }

    fn settle(&self, pass: &Pass, outcome: Outcome, error: Option<&DatabaseError>) {
        let now = Instant::now();
        let mut known = self.known();
        match (outcome, error) {
            (Outcome::Answered, _) => known.last = Some((true, now)),
            (Outcome::Failed, Some(error)) => known.failed(error),
            (Outcome::Failed | Outcome::Nothing, _) => {}
        }
        if known.breaker.settle(pass, outcome, now) {
            let BreakerConfig { failures, open_for } = self.rules;
            let reason = &known.reason;
            tracing::warn!(database.name = %self.name, error = %reason, "Database `{}` failed {failures} times in a row and is left alone for {open_for:?}, or until it answers again", self.name);
            self.opened.notify_one();
        }
    }

    fn left_alone(&self, known: &Known, pause: Duration) -> DatabaseError {
        let Self { name, rules, .. } = self;
        let pause = pause.max(Duration::from_millis(1));
        let seconds = pause.as_millis().div_ceil(1_000);
        // Some errors begin as this one does.
        let reason = known.reason.strip_prefix(&format!("database `{name}` is not available: ")).unwrap_or(&known.reason);
        let message = format!(
            "database `{name}` is not available: {} attempts in a row failed, the last because {reason}; the next one is made in {seconds}s",
            rules.failures
        );
        let sooner = "the host asks it every second meanwhile, so it may be back sooner";
        let hint = match &known.remedy {
            Some(remedy) => format!("{remedy}; {sooner}"),
            None => format!("wait before calling again; {sooner}"),
        };
        DatabaseError::new(ErrorKind::Unavailable, message).hint(hint).retry_after(pause)
    }

    /// A panic while it was held cannot leave it half changed, so a poisoned lock is taken all the same.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn failed(&mut self, error: &DatabaseError) {
        self.last = Some((false, Instant::now()));
        self.reason.clone_from(&error.message);
        self.remedy = error.hint.clone().filter(|_| error.fault == Fault::Rejection);
    }
}

impl Leave<'_> {
    /// Gives it back with what the attempt found.
    pub(super) fn settle(mut self, error: Option<&DatabaseError>) {
        if let Some(pass) = self.pass.take() {
            self.availability.settle(&pass, outcome(error), error);
        }
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.availability.settle(&pass, Outcome::Nothing, None);
        }
    }
}

/// What an attempt says about the database. An error of the statement is an answer like any other.
fn outcome(error: Option<&DatabaseError>) -> Outcome {
    let Some(error) = error else { return Outcome::Answered };
    match error.kind {
        _ if error.fault.is_of_database() => Outcome::Failed,
        ErrorKind::Timeout | ErrorKind::Cancelled | ErrorKind::PoolExhausted => Outcome::Nothing,
        _ => Outcome::Answered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn availability() -> Availability {
        Availability::new(DatabaseName::parse("main").unwrap(), BreakerConfig::default())
    }

    fn attempt(availability: &Availability, kind: ErrorKind, fault: Fault) -> bool {
        let Ok(leave) = availability.admit() else { return false };
        leave.settle(Some(&DatabaseError::new(kind, "nothing listens there").fault(fault)));
        true
    }

    #[test]
    fn errors_of_statements_and_a_full_pool_never_count() {
        let availability = availability();
        for kind in [ErrorKind::Failed, ErrorKind::Timeout, ErrorKind::PoolExhausted, ErrorKind::Cancelled, ErrorKind::Unavailable] {
            for _ in 0..20 {
                assert!(attempt(&availability, kind, Fault::Statement));
                assert!(attempt(&availability, kind, Fault::Conflict));
            }
        }
        assert!(!availability.is_open());
    }

    #[test]
    fn what_somebody_has_to_do_is_told_as_long_as_it_is_open() {
        let availability = availability();
        while let Ok(leave) = availability.admit() {
            let refused = DatabaseError::new(ErrorKind::Unavailable, "database `main` is not available: the server refused the login");
            leave.settle(Some(&refused.hint("check the password").fault(Fault::Rejection)));
        }
        let error = availability.admit().err().unwrap();
        assert!(error.message.contains("the last because the server refused the login; "), "{}", error.message);
        assert!(error.hint.unwrap().starts_with("check the password; the host asks it"));
    }

    #[test]
    fn an_open_one_says_at_once_why_and_when_the_next_try_is() {
        let availability = availability();
        while attempt(&availability, ErrorKind::Unavailable, Fault::Connection) {}
        let error = availability.admit().err().unwrap();
        assert_eq!(
            error.message,
            "database `main` is not available: 5 attempts in a row failed, the last because nothing listens there; the next one is made in 30s"
        );
        let pause = error.retry_after.unwrap();
        assert!(pause > Duration::from_secs(29) && pause <= Duration::from_secs(30), "{pause:?}");
        assert_eq!(
            error.hint.as_deref(),
            Some("wait before calling again; the host asks it every second meanwhile, so it may be back sooner")
        );
        assert_eq!((error.fault, availability.answers()), (Fault::Statement, Some(false)));
        availability.checked(&Ok(()));
        assert!(availability.admit().is_ok());
        assert_eq!(availability.answers(), Some(true));
    }
}
