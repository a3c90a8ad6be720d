//! When a database is left alone: a state machine with a clock of its caller's.
//!
//! Closed, it counts failures in a row. At the limit it opens, and lets nothing through until its time is over. Then it is
//! half open: exactly one call goes, and what becomes of it closes or opens it again. An answer to a check from outside closes
//! it at any time.
//!
//! It waits for nothing and locks nothing, so that a test can take it through years.

use std::time::Duration;
use std::time::Instant;

use crate::config::BreakerConfig;

/// What a caller is told to wait while the one call of a half-open breaker is on its way.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);

/// The state of one database.
#[derive(Debug)]
pub(super) struct Breaker {
    rules: BreakerConfig,
    state: State,
    /// Changes with the state: a call that was let through before a change says nothing about what is now.
    generation: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen { probing: bool },
}

/// The leave to make one attempt. Must be given back with what became of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pass {
    generation: u64,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The database answered, be it with an error.
    Answered,
    /// It could not be reached, or the connection broke.
    Failed,
    /// The attempt says nothing about the database: it was taken back, or its time was over.
    Nothing,
}

impl Breaker {
    /// A closed one.
    pub(super) fn new(rules: BreakerConfig) -> Self {
        Self { rules, state: State::Closed { failures: 0 }, generation: 0 }
    }

    /// Lets an attempt through, or says when to come again.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Pass, Instant> {
        match self.state {
            State::Closed { .. } => {}
            State::Open { until } if now < until => return Err(until),
            State::HalfOpen { probing: true } => return Err(now + PROBE_PATIENCE),
            State::Open { .. } => self.change(State::HalfOpen { probing: true }),
            State::HalfOpen { probing: false } => self.state = State::HalfOpen { probing: true },
        }
        Ok(Pass { generation: self.generation })
    }

    /// Takes a pass back. `true` when the breaker has opened by it.
    pub(super) fn settle(&mut self, pass: &Pass, outcome: Outcome, now: Instant) -> bool {
        if pass.generation != self.generation {
            return false;
        }
        match (self.state, outcome) {
            (State::Closed { .. }, Outcome::Answered) => self.state = State::Closed { failures: 0 },
            (State::Closed { failures }, Outcome::Failed) if failures + 1 < self.rules.failures => {
                self.state = State::Closed { failures: failures + 1 };
            }
            (State::HalfOpen { .. }, Outcome::Answered) => self.change(State::Closed { failures: 0 }),
            (State::HalfOpen { .. }, Outcome::Nothing) => self.state = State::HalfOpen { probing: false },
            (State::Closed { .. } | State::HalfOpen { .. }, Outcome::Failed) => {
                self.change(State::Open { until: now + self.rules.open_for });
                return true;
            }
            (State::Closed { .. }, Outcome::Nothing) | (State::Open { .. }, _) => {}
        }
        false
    }

    /// Notes that the database answered a check. `true` when that has closed the breaker.
    pub(super) fn answered(&mut self) -> bool {
        let closes = !matches!(self.state, State::Closed { .. });
        if closes {
            self.change(State::Closed { failures: 0 });
        }
        closes
    }

    /// Whether nothing, or only the one call, is let through.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn rules() -> BreakerConfig {
        BreakerConfig { failures: 5, open_for: Duration::from_secs(30) }
    }

    fn fail(breaker: &mut Breaker, now: Instant) -> bool {
        let pass = breaker.admit(now).unwrap();
        breaker.settle(&pass, Outcome::Failed, now)
    }

    #[test]
    fn the_fifth_failure_in_a_row_opens_it_and_a_success_begins_the_count_anew() {
        let (mut breaker, now) = (Breaker::new(rules()), Instant::now());
        for _ in 0..4 {
            assert!(!fail(&mut breaker, now));
        }
        let pass = breaker.admit(now).unwrap();
        breaker.settle(&pass, Outcome::Answered, now);
        assert_eq!([(); 5].map(|()| fail(&mut breaker, now)), [false, false, false, false, true]);
        assert_eq!(breaker.admit(now + Duration::from_secs(29)), Err(now + Duration::from_secs(30)));
    }

    #[test]
    fn of_a_hundred_calls_exactly_one_goes_when_it_is_half_open() {
        let (mut breaker, start) = (Breaker::new(rules()), Instant::now());
        while !fail(&mut breaker, start) {}
        let now = start + Duration::from_secs(30);
        let mut passes: Vec<Pass> = (0..100).filter_map(|_| breaker.admit(now).ok()).collect();
        assert_eq!(passes.len(), 1);
        // Taken back without an answer: another one may go in its place.
        breaker.settle(&passes.remove(0), Outcome::Nothing, now);
        let passes: Vec<Pass> = (0..100).filter_map(|_| breaker.admit(now).ok()).collect();
        assert_eq!(passes.len(), 1);
        breaker.settle(&passes[0], Outcome::Answered, now);
        assert!((0..100).all(|_| breaker.admit(now).is_ok()));
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// A call asks to be let through.
        Ask,
        /// One of the calls on their way ends.
        End(usize, Outcome),
        /// The database answers a check.
        Check,
        /// Time passes.
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Ask),
            4 => (any::<usize>(), prop_oneof![2 => Just(Outcome::Failed), 1 => Just(Outcome::Answered), 1 => Just(Outcome::Nothing)])
                .prop_map(|(which, outcome)| Step::End(which, outcome)),
            1 => Just(Step::Check),
            2 => (0..40_u64).prop_map(Step::Wait),
        ]
    }

    /// What has happened, as the rule speaks of it: the whole history, and every question answered by reading it.
    #[derive(Default)]
    struct History {
        /// Ends that counted while it was closed, since it last closed: whether the database answered.
        ends: Vec<bool>,
        /// When it opened, if it has not closed since.
        opened: Option<u64>,
        /// Whether the one call is on its way.
        probing: bool,
        /// Openings and closings so far; a call belongs to the time in which it was let through.
        era: usize,
    }

    impl History {
        fn lets_through(&self, now: u64) -> bool {
            self.opened.is_none_or(|opened| now >= opened + 30 && !self.probing)
        }

        fn begin(&mut self) -> usize {
            if self.opened.is_some() {
                self.probing = true;
            }
            self.era
        }

        fn close(&mut self) {
            *self = Self { era: self.era + 1, ..Self::default() };
        }

        fn end(&mut self, era: usize, outcome: Outcome, now: u64) {
            let in_a_row = |ends: &[bool]| ends.iter().rev().take_while(|answered| !**answered).count();
            match (era == self.era, self.opened, outcome) {
                (false, ..) | (true, None, Outcome::Nothing) => {}
                (true, None, _) => {
                    self.ends.push(outcome == Outcome::Answered);
                    if in_a_row(&self.ends) == 5 {
                        *self = Self { opened: Some(now), era: self.era + 1, ..Self::default() };
                    }
                }
                (true, Some(_), Outcome::Answered) => self.close(),
                (true, Some(_), Outcome::Nothing) => self.probing = false,
                (true, Some(_), Outcome::Failed) => *self = Self { opened: Some(now), era: self.era + 1, ..Self::default() },
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_does_what_its_history_says(steps in vec(step(), 1..200)) {
            let start = Instant::now();
            let (mut breaker, mut history, mut now) = (Breaker::new(rules()), History::default(), 0_u64);
            let mut under_way: Vec<(Pass, usize)> = Vec::new();
            for step in steps {
                let at = start + Duration::from_secs(now);
                match step {
                    Step::Wait(seconds) => now += seconds,
                    Step::Check => {
                        prop_assert_eq!(breaker.answered(), history.opened.is_some());
                        if history.opened.is_some() {
                            history.close();
                        }
                    }
                    Step::Ask => {
                        let pass = breaker.admit(at);
                        prop_assert_eq!(pass.is_ok(), history.lets_through(now));
                        match pass {
                            Ok(pass) => under_way.push((pass, history.begin())),
                            Err(again) => prop_assert!(again > at),
                        }
                    }
                    Step::End(which, outcome) if !under_way.is_empty() => {
                        let (pass, era) = under_way.remove(which % under_way.len());
                        breaker.settle(&pass, outcome, at);
                        history.end(era, outcome, now);
                    }
                    Step::End(..) => {}
                }
                prop_assert_eq!(breaker.is_open(), history.opened.is_some());
            }
        }
    }
}
