//! Dates, times and intervals in ISO 8601, as PostgreSQL's own JSON functions write them: years before the first have
//! ` BC` behind, and `infinity` and `-infinity` are words. The server reads each of these forms back.

use std::fmt::Write;

const DAY_MICROS: i64 = 86_400_000_000;

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL begins to count.
const EPOCH_DAYS: i64 = 10_957;

/// A `date` from its days since 2000-01-01.
pub(super) fn date(days: i32) -> String {
    match days {
        i32::MAX => "infinity".into(),
        i32::MIN => "-infinity".into(),
        _ => {
            let (year, month, day) = civil(i64::from(days) + EPOCH_DAYS);
            let (year, era) = era(year);
            format!("{year:04}-{month:02}-{day:02}{era}")
        }
    }
}

/// A `timestamp` or `timestamptz` from its microseconds since 2000-01-01; `zone` is put behind the time.
pub(super) fn timestamp(micros: i64, zone: &str) -> String {
    match micros {
        i64::MAX => "infinity".into(),
        i64::MIN => "-infinity".into(),
        _ => {
            let (year, month, day) = civil(micros.div_euclid(DAY_MICROS) + EPOCH_DAYS);
            let (year, era) = era(year);
            format!("{year:04}-{month:02}-{day:02}T{}{zone}{era}", time(micros.rem_euclid(DAY_MICROS)))
        }
    }
}

/// A `time` from its microseconds since midnight; `24:00:00` is one.
pub(super) fn time(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    put_fraction(&mut text, micros % 1_000_000);
    text
}

/// A `timetz`; the zone is in seconds west of Greenwich.
pub(super) fn time_tz(micros: i64, zone_west: i32) -> String {
    let east = -i64::from(zone_west);
    let sign = if east < 0 { '-' } else { '+' };
    let east = east.abs();
    let mut text = format!("{}{sign}{:02}:{:02}", time(micros), east / 3600, east / 60 % 60);
    if east % 60 != 0 {
        let _ = write!(text, ":{:02}", east % 60);
    }
    text
}

/// An `interval`, whose months, days and microseconds are apart: a month is not always as many days.
pub(super) fn interval(micros: i64, days: i32, months: i32) -> String {
    match (micros, days, months) {
        (i64::MAX, i32::MAX, i32::MAX) => return "infinity".into(),
        (i64::MIN, i32::MIN, i32::MIN) => return "-infinity".into(),
        (0, 0, 0) => return "PT0S".into(),
        _ => {}
    }
    let mut text = String::from("P");
    put_unit(&mut text, i64::from(months / 12), 'Y');
    put_unit(&mut text, i64::from(months % 12), 'M');
    put_unit(&mut text, i64::from(days), 'D');
    if micros != 0 {
        text.push('T');
        put_unit(&mut text, micros / 3_600_000_000, 'H');
        put_unit(&mut text, micros / 60_000_000 % 60, 'M');
        let rest = micros % 60_000_000;
        if rest != 0 {
            let sign = if rest < 0 { "-" } else { "" };
            let _ = write!(text, "{sign}{}", (rest / 1_000_000).abs());
            put_fraction(&mut text, (rest % 1_000_000).abs());
            text.push('S');
        }
    }
    text
}

/// The binary form of `YYYY-MM-DD`; `None` for anything else: the server reads those.
pub(in crate::database::postgres) fn encode_date(text: &str) -> Option<i32> {
    i32::try_from(read_date(text)? - EPOCH_DAYS).ok()
}

/// The binary form of `YYYY-MM-DDTHH:MM:SS[.ffffff]`, `zone` telling whether a `Z` or an offset must follow; `None` for
/// anything else.
pub(in crate::database::postgres) fn encode_timestamp(text: &str, zone: bool) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', ' '])?;
    let (clock, offset) = match (zone, rest.find(['Z', '+', '-'])) {
        (false, None) => (rest, 0),
        (true, Some(at)) => (&rest[..at], read_offset(&rest[at..])?),
        _ => return None,
    };
    let days = read_date(date)? - EPOCH_DAYS;
    Some(days * DAY_MICROS + read_time(clock)? - offset * 1_000_000)
}

fn read_date(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(&text[..4])?, number(&text[5..7])?, number(&text[8..])?);
    let days = days_from_civil(year, month, day);
    (year > 0 && civil(days) == (year, month, day)).then_some(days)
}

fn read_time(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let bytes = clock.as_bytes();
    if bytes.len() != 8 || bytes[2] != b':' || bytes[5] != b':' || fraction.len() > 6 {
        return None;
    }
    let (hour, minute, second) = (number(&clock[..2])?, number(&clock[3..5])?, number(&clock[6..])?);
    let micros = number(&format!("{fraction:0<6}"))?;
    (hour < 24 && minute < 60 && second < 60).then_some(((hour * 60 + minute) * 60 + second) * 1_000_000 + micros)
}

/// Seconds east of Greenwich.
fn read_offset(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, rest) = text.split_at_checked(1)?;
    let sign = if sign == "-" { -1 } else { 1 };
    let (hours, minutes) = match rest.len() {
        2 => (number(rest)?, 0),
        5 if rest.as_bytes()[2] == b':' => (number(&rest[..2])?, number(&rest[3..])?),
        _ => return None,
    };
    (hours < 16 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn number(digits: &str) -> Option<i64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// The year as it is written, and what comes behind the date.
fn era(year: i64) -> (i64, &'static str) {
    if year > 0 { (year, "") } else { (1 - year, " BC") }
}

fn put_unit(text: &mut String, count: i64, unit: char) {
    if count != 0 {
        let _ = write!(text, "{count}{unit}");
    }
}

fn put_fraction(text: &mut String, micros: i64) {
    if micros != 0 {
        let digits = format!("{micros:06}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
}

/// Year, month and day in the proleptic Gregorian calendar of a count of days since 1970-01-01, by counting in eras of 400
/// years that begin in March (<https://howardhinnant.github.io/date_algorithms.html>).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The count of days since 1970-01-01 of a date; the reverse of [`civil`].
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_read_back_as_they_were_written() {
        for text in ["2000-01-01", "1999-12-31", "1970-01-01", "2024-02-29", "0001-01-01", "9999-12-31"] {
            assert_eq!(date(encode_date(text).unwrap()), text);
        }
        assert_eq!(encode_date("2023-02-29"), None);
        assert_eq!(encode_date("2023-2-9"), None);
        for text in ["2024-03-01T12:34:56.789", "1900-01-01T00:00:00", "2000-01-01T23:59:59.000001"] {
            assert_eq!(timestamp(encode_timestamp(text, false).unwrap(), ""), text);
        }
        assert_eq!(timestamp(encode_timestamp("2024-03-01T12:00:00+02:00", true).unwrap(), "Z"), "2024-03-01T10:00:00Z");
        assert_eq!(encode_timestamp("2024-03-01T12:00:00", true), None);
        assert_eq!(encode_timestamp("2024-03-01T12:00:00Z", false), None);
    }

    #[test]
    fn an_interval_keeps_months_days_and_time_apart() {
        assert_eq!(interval(0, 0, 0), "PT0S");
        assert_eq!(interval(3_723_500_000, 3, 14), "P1Y2M3DT1H2M3.5S");
        assert_eq!(interval(-500_000, 0, -1), "P-1MT-0.5S");
    }

    #[test]
    fn the_ends_of_time_are_words_and_years_before_the_first_have_their_era() {
        assert_eq!(date(i32::MAX), "infinity");
        assert_eq!(timestamp(i64::MIN, ""), "-infinity");
        assert_eq!(date(-730_120), "0001-12-31 BC");
        assert_eq!(time(DAY_MICROS), "24:00:00");
        assert_eq!(time_tz(0, -5400), "00:00:00+01:30");
    }
}
