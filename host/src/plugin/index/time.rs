//! Moments as an index writes them: RFC 3339 in UTC to the second, and in no other form, so that equal moments are equal texts.

use std::fmt;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use chrono::DateTime;
use chrono::NaiveDateTime;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::Error as _;

/// How a moment is written.
const FORM: &str = "%Y-%m-%dT%H:%M:%SZ";

/// The last moment that is written with four digits of the year.
const LAST: i64 = 253_402_300_799;

/// A moment, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// This moment, by the clock of the machine.
    pub fn now() -> Self {
        let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(passed.as_secs()).unwrap_or(LAST).min(LAST))
    }

    /// Reads a moment in its one form.
    pub fn parse(text: &str) -> Option<Self> {
        let moment = Self(NaiveDateTime::parse_from_str(text, FORM).ok()?.and_utc().timestamp());
        (moment.to_string() == text).then_some(moment)
    }

    /// This much later.
    #[must_use]
    pub fn after(self, passed: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(passed.as_secs()).unwrap_or(LAST)).min(LAST))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = DateTime::from_timestamp(self.0, 0).unwrap_or_default();
        write!(f, "{}", moment.format(FORM))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("a moment is written as `2026-01-02T03:04:05Z`"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_moment_has_one_form() {
        assert_eq!(Timestamp::parse("1970-01-01T00:00:00Z"), Some(Timestamp(0)));
        for wrong in [
            "",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "2026-01-02T03:04:05+00:00",
            "2026-1-2T03:04:05Z",
            "2026-02-30T00:00:00Z",
            "2026-01-02T03:04:60Z",
            "+2026-01-02T03:04:05Z",
        ] {
            assert_eq!(Timestamp::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Timestamp(0).after(Duration::MAX), Timestamp(LAST));
        assert!(Timestamp::now() > Timestamp::parse("2020-01-01T00:00:00Z").unwrap());
    }

    proptest! {
        #[test]
        fn it_is_read_as_it_is_written(seconds in 0..=LAST) {
            prop_assert_eq!(Timestamp::parse(&Timestamp(seconds).to_string()), Some(Timestamp(seconds)));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9TZ:+ -]{0,30}|.{0,30}") {
            let _ = Timestamp::parse(&text);
        }
    }
}
