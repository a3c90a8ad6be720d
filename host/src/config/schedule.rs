//! When jobs run: five fields of cron, in UTC.

use chrono::DateTime;
use chrono::Utc;
use croner::Cron;
use croner::parser::CronParser;
use croner::parser::Seconds;
use croner::parser::Year;

/// A pattern of cron that some moment matches.
#[derive(Clone, Debug)]
pub struct Schedule(Box<Cron>);

impl Schedule {
    /// Reads minute, hour, day of the month, month and day of the week; `None` when it is something else, or never comes.
    pub fn parse(text: &str) -> Option<Self> {
        // The library takes other forms too (seconds, years, `@daily`); manifests keep to the one that everybody knows.
        if text.len() > 128 || text.split_whitespace().count() != 5 {
            return None;
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let schedule = Self(Box::new(parser.parse(text).ok()?));
        schedule.next_after(0).is_some().then_some(schedule)
    }

    /// The first moment after `now`, both as milliseconds since 1970 in UTC.
    pub fn next_after(&self, now_ms: u64) -> Option<u64> {
        let now = DateTime::<Utc>::from_timestamp_millis(i64::try_from(now_ms).ok()?)?;
        let next = self.0.find_next_occurrence(&now, false).ok()?;
        u64::try_from(next.timestamp_millis()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 24 * 60 * 60 * 1000;

    #[test]
    fn the_next_moment_is_after_now() {
        let at_three = Schedule::parse("0 3 * * *").unwrap();
        let three = 3 * 60 * 60 * 1000;
        assert_eq!(at_three.next_after(0), Some(three));
        assert_eq!(at_three.next_after(three), Some(three + DAY_MS));
        assert_eq!(at_three.next_after(three - 1), Some(three));
        assert_eq!(Schedule::parse("*/10 * * * *").unwrap().next_after(1), Some(600_000));
    }

    #[test]
    fn what_is_no_pattern_or_never_comes_is_none() {
        for text in ["", "* * * *", "* * * * * *", "60 * * * *", "0 0 30 2 *", "@daily", "hush hush", "0 3 * * * 2026"] {
            assert!(Schedule::parse(text).is_none(), "{text}");
        }
    }
}
