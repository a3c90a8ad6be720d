//! Dates and times of the binary protocol, in ISO 8601 as far as it goes.
//!
//! Beyond it go the family's zero dates (`0000-00-00`, `2024-00-00`) and times of more than a day or less than none
//! (`-838:59:59`); they keep the server's own form, which it also takes back. Fractions lose their trailing zeros.

use std::fmt::Write;

/// Reads a `DATE`; `None` when it is malformed.
pub(super) fn date(bytes: &[u8]) -> Option<String> {
    let (year, month, day, _) = parts(bytes)?;
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

/// Reads a `DATETIME` or `TIMESTAMP`; `None` when it is malformed.
pub(super) fn date_time(bytes: &[u8]) -> Option<String> {
    let (year, month, day, rest) = parts(bytes)?;
    let [hour, minute, second, fraction @ ..] = rest else {
        return rest.is_empty().then(|| format!("{year:04}-{month:02}-{day:02}T00:00:00"));
    };
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    write_fraction(&mut text, fraction)?;
    Some(text)
}

/// Reads a `TIME`; `None` when it is malformed.
pub(super) fn time(bytes: &[u8]) -> Option<String> {
    let (length, rest) = bytes.split_first()?;
    if *length == 0 {
        return Some("00:00:00".into());
    }
    let [negative, d0, d1, d2, d3, hour, minute, second, fraction @ ..] = rest else { return None };
    let hours = u64::from(u32::from_le_bytes([*d0, *d1, *d2, *d3])) * 24 + u64::from(*hour);
    let sign = if *negative == 0 { "" } else { "-" };
    let mut text = format!("{sign}{hours:02}:{minute:02}:{second:02}");
    write_fraction(&mut text, fraction)?;
    Some(text)
}

/// Year, month, day and the bytes after them. A length of 0 is the zero date.
fn parts(bytes: &[u8]) -> Option<(u16, u8, u8, &[u8])> {
    match bytes {
        [0] => Some((0, 0, 0, &[])),
        [_, y0, y1, month, day, rest @ ..] => Some((u16::from_le_bytes([*y0, *y1]), *month, *day, rest)),
        _ => None,
    }
}

/// Adds microseconds, when there are any.
fn write_fraction(text: &mut String, bytes: &[u8]) -> Option<()> {
    let micros = match bytes {
        [] => 0,
        _ => u32::from_le_bytes(bytes.try_into().ok()?),
    };
    if micros > 0 {
        let digits = format!("{micros:06}");
        // Writing to a string cannot fail.
        let _ = write!(text, ".{}", digits.trim_end_matches('0'));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_dates_and_long_times_keep_their_form() {
        assert_eq!(date(&[0]).unwrap(), "0000-00-00");
        assert_eq!(date_time(&[0]).unwrap(), "0000-00-00T00:00:00");
        assert_eq!(date(&[4, 0xe8, 7, 0, 0]).unwrap(), "2024-00-00");
        assert_eq!(date_time(&[4, 0xe8, 7, 2, 29]).unwrap(), "2024-02-29T00:00:00");
        assert_eq!(time(&[8, 1, 34, 0, 0, 0, 22, 59, 59]).unwrap(), "-838:59:59");
        assert_eq!(time(&[12, 0, 0, 0, 0, 0, 1, 2, 3, 0x20, 0xa1, 7, 0]).unwrap(), "01:02:03.5");
        assert_eq!((date(&[4, 1]), time(&[8, 1]), time(&[])), (None, None, None));
    }
}
