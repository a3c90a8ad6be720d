//! Whether looking for the rows of a statement is worth what it costs.
//!
//! Statements that are one but for their values are one shape. A shape that is asked with another value each time has rows that nobody
//! asks for again: looking for them, and keeping them, only costs. So for each shape the time that found rows saved is held against
//! the time that looking took. Where it saved less, one part in sixteen of its rows is looked for and kept, another part each second,
//! so that a shape whose values begin to come again is seen; the rest goes straight to the database.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use super::digest::Digest;
use super::figures::Count;
use crate::config::DatabaseName;

/// Time of a processor that a lookup takes that finds nothing, with what is kept afterwards.
const LOOK: Duration = Duration::from_micros(25);

/// Lookups before a shape is judged.
const ENOUGH: u64 = 256;

/// Lookups after which older ones count half.
const WINDOW: u64 = 2_048;

/// Of how many parts of a shape's rows one is looked for while that is not worth it.
const PARTS: u64 = 16;

/// Shapes that are remembered; then all are forgotten.
const SHAPES: usize = 4_096;

/// What looking for the rows of one shape has brought.
#[derive(Debug, Default)]
pub struct Worth {
    asked: AtomicU64,
    found: AtomicU64,
    ran: AtomicU64,
    ran_us: AtomicU64,
}

impl Worth {
    /// Notes rows that were found, or that came from the same statement of another call.
    pub fn found(&self) {
        self.found.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a statement that ran, and how long its rows took.
    pub fn ran(&self, took: Duration) {
        self.ran.fetch_add(1, Ordering::Relaxed);
        self.ran_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX >> 16), Ordering::Relaxed);
    }

    /// Notes a lookup.
    pub fn asked(&self) {
        if self.asked.fetch_add(1, Ordering::Relaxed) >= WINDOW {
            // What others add meanwhile may be lost: it is an estimate.
            for count in [&self.asked, &self.found, &self.ran, &self.ran_us] {
                count.store(count.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
            }
        }
    }

    /// Whether found rows saved more time than looking took; so, too, while that cannot be told. A find more than there was is assumed,
    /// so that what takes long is looked for all the longer before it is given up.
    fn is_worth_it(&self) -> bool {
        let [asked, found, ran, ran_us] = [&self.asked, &self.found, &self.ran, &self.ran_us].map(|count| count.load(Ordering::Relaxed));
        let Some(each_us) = ran_us.checked_div(ran).filter(|_| asked >= ENOUGH) else { return true };
        (found + 1).saturating_mul(each_us) >= asked.saturating_mul(LOOK.as_micros() as u64)
    }
}

/// The shapes that are remembered.
pub(super) struct Worths {
    began: Instant,
    random: RandomState,
    shapes: Mutex<HashMap<u64, Arc<Worth>>>,
    passed_over: Count,
}

impl Default for Worths {
    fn default() -> Self {
        Self { began: Instant::now(), random: RandomState::new(), shapes: Mutex::default(), passed_over: Count::default() }
    }
}

impl Worths {
    /// The worth of a shape.
    pub(super) fn of(&self, database: &DatabaseName, shape: &str) -> Arc<Worth> {
        let key = self.random.hash_one((database, shape));
        let mut shapes = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        if shapes.len() >= SHAPES && !shapes.contains_key(&key) {
            shapes.clear();
        }
        shapes.entry(key).or_default().clone()
    }

    /// Whether these rows are to be looked for, and counts it.
    pub(super) fn wants(&self, worth: &Worth, digest: &Digest) -> bool {
        self.wants_at(worth, digest, self.began.elapsed().as_secs())
    }

    fn wants_at(&self, worth: &Worth, digest: &Digest, second: u64) -> bool {
        let wanted = worth.is_worth_it() || (u64::from(digest.as_bytes()[0]) + second).is_multiple_of(PARTS);
        match wanted {
            true => worth.asked(),
            false => self.passed_over.add(1),
        }
        wanted
    }

    /// Statements whose rows were not looked for.
    pub(super) fn passed_over(&self) -> u64 {
        self.passed_over.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_micros(300);

    fn digest(number: u64) -> Digest {
        Digest::builder("worth").part(&number.to_le_bytes()).finish()
    }

    /// Asks for `count` rows of a shape from `first` on; how many of them were looked for. Each that was ran for `took`.
    fn ask(worths: &Worths, worth: &Worth, first: u64, count: u64, second: u64, took: Duration) -> u64 {
        let asked = (first..first + count).filter(|number| worths.wants_at(worth, &digest(*number), second));
        asked.map(|_| worth.ran(took)).count() as u64
    }

    #[test]
    fn rows_that_nobody_asks_for_again_are_looked_for_in_part() {
        let worths = Worths::default();
        let worth = Worth::default();
        assert_eq!(ask(&worths, &worth, 0, ENOUGH, 0, QUICK), ENOUGH, "it cannot be told yet");
        let looked = ask(&worths, &worth, 1_000, 1_600, 0, QUICK);
        assert!((50..200).contains(&looked), "{looked} of 1600");
        assert_eq!(worths.passed_over(), 1_600 - looked);
    }

    #[test]
    fn what_takes_long_is_looked_for_for_long() {
        let worths = Worths::default();
        let worth = Worth::default();
        assert_eq!(ask(&worths, &worth, 0, 1_500, 0, Duration::from_secs(1)), 1_500);
    }

    #[test]
    fn rows_that_come_again_are_looked_for_again() {
        let worths = Worths::default();
        let worth = Worth::default();
        ask(&worths, &worth, 0, 1_000, 0, QUICK);
        let hot = digest(7);
        let mut looked = 0;
        for second in 0..PARTS {
            for _ in 0..200 {
                if worths.wants_at(&worth, &hot, second) {
                    worth.found();
                    looked += 1;
                }
            }
        }
        assert!(looked >= 200, "each row has its second: {looked}");
        assert!(worth.is_worth_it());
        assert_eq!(ask(&worths, &worth, 5_000, 100, 3, QUICK), 100, "and then all of them are");
    }

    #[test]
    fn shapes_are_told_apart_and_not_without_end() {
        let worths = Worths::default();
        let [main, other] = ["main", "other"].map(|name| DatabaseName::parse(name).unwrap());
        let one = worths.of(&main, "select ?");
        assert!(Arc::ptr_eq(&one, &worths.of(&main, "select ?")));
        assert!(!Arc::ptr_eq(&one, &worths.of(&main, "select ? + ?")) && !Arc::ptr_eq(&one, &worths.of(&other, "select ?")));
        for number in 0..2 * SHAPES {
            worths.of(&main, &number.to_string());
        }
        assert!(worths.shapes.lock().unwrap().len() <= SHAPES);
    }
}
