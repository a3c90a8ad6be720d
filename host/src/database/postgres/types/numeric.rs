//! Exact and floating-point numbers: their binary form and PostgreSQL's text.

use std::fmt::Write;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

/// Digits of a number given as text at most: more than `numeric` can hold before its point.
const MOST_DIGITS: usize = 131_072;

/// The digits of a `numeric`, its scale kept: groups of four decimal digits, the first `weight` groups above the point.
pub(super) fn decode(bytes: &[u8]) -> Option<String> {
    let word = |index: usize| bytes.get(index * 2..index * 2 + 2).map(|two| u16::from_be_bytes([two[0], two[1]]));
    let count = usize::from(word(0)?);
    let weight = word(1)?.cast_signed();
    let sign = word(2)?;
    let scale = usize::from(word(3)?);
    match sign {
        NAN => return Some("NaN".into()),
        INFINITY => return Some("Infinity".into()),
        NEGATIVE_INFINITY => return Some("-Infinity".into()),
        _ => {}
    }
    let group = |index: i32| usize::try_from(index).ok().filter(|index| *index < count).and_then(|index| word(4 + index)).unwrap_or(0);
    let weight = i32::from(weight);
    let mut text = String::with_capacity(count * 4 + 8);
    if sign == NEGATIVE {
        text.push('-');
    }
    // Writing to a `String` cannot fail.
    if weight < 0 {
        text.push('0');
    } else {
        let _ = write!(text, "{}", group(0));
        for index in 1..=weight {
            let _ = write!(text, "{:04}", group(index));
        }
    }
    if scale > 0 {
        text.push('.');
        let end = text.len() + scale;
        let mut index = weight + 1;
        while text.len() < end {
            let _ = write!(text, "{:04}", group(index));
            index += 1;
        }
        text.truncate(end);
    }
    Some(text)
}

/// The binary form of a plain decimal text; `None` for anything else, also exponents and `NaN`: the server reads those.
pub(in crate::database::postgres) fn encode(text: &str) -> Option<Vec<u8>> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty())
        || !plain(whole)
        || !plain(fraction)
        || digits.len() > MOST_DIGITS
        || fraction.len() > 16_383
    {
        return None;
    }
    let mut aligned = "0".repeat((4 - whole.len() % 4) % 4);
    aligned.push_str(whole);
    let whole_groups = i32::try_from(aligned.len() / 4).ok()?;
    aligned.push_str(fraction);
    aligned.push_str(&"0".repeat((4 - fraction.len() % 4) % 4));
    let groups: Vec<u16> =
        aligned.as_bytes().chunks(4).map(|four| four.iter().fold(0, |group, digit| group * 10 + u16::from(digit - b'0'))).collect();
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let trailing = groups[leading..].iter().rev().take_while(|group| **group == 0).count();
    let kept = &groups[leading..groups.len() - trailing];
    let weight = if kept.is_empty() { 0 } else { whole_groups - 1 - i32::try_from(leading).ok()? };
    let sign = if negative && !kept.is_empty() { NEGATIVE } else { 0 };
    let mut bytes = Vec::with_capacity(8 + kept.len() * 2);
    bytes.extend(u16::try_from(kept.len()).ok()?.to_be_bytes());
    bytes.extend(i16::try_from(weight).ok()?.to_be_bytes());
    bytes.extend(sign.to_be_bytes());
    bytes.extend(u16::try_from(fraction.len()).ok()?.to_be_bytes());
    for group in kept {
        bytes.extend(group.to_be_bytes());
    }
    Some(bytes)
}

/// An amount of `money` with this many digits after its point.
pub(super) fn money(amount: i64, digits: u8) -> String {
    let digits = usize::from(digits);
    let sign = if amount < 0 { "-" } else { "" };
    let all = format!("{:0width$}", amount.unsigned_abs(), width = digits + 1);
    let (whole, fraction) = all.split_at(all.len() - digits);
    if digits == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// A `float8` as PostgreSQL writes it: shortest digits, an exponent below 1e-4 and from 1e15 on.
pub(super) fn float_text(value: f64) -> String {
    pg_float(&format!("{value:e}"), value.is_nan(), value.is_infinite(), value < 0.0, 15)
}

/// A `float4` as PostgreSQL writes it: an exponent from 1e6 on.
pub(super) fn float_text_32(value: f32) -> String {
    pg_float(&format!("{value:e}"), value.is_nan(), value.is_infinite(), value < 0.0, 6)
}

fn pg_float(scientific: &str, nan: bool, infinite: bool, negative: bool, from: i32) -> String {
    if nan {
        return "NaN".into();
    }
    if infinite {
        return if negative { "-Infinity".into() } else { "Infinity".into() };
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |mantissa| ("-", mantissa));
    if exponent < -4 || exponent >= from {
        let direction = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{direction}{:02}", exponent.unsigned_abs());
    }
    let digits = mantissa.replace('.', "");
    match usize::try_from(exponent) {
        Err(_) => format!("{sign}0.{}{digits}", "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0))),
        Ok(exponent) if digits.len() > exponent + 1 => format!("{sign}{}.{}", &digits[..=exponent], &digits[exponent + 1..]),
        Ok(exponent) => format!("{sign}{digits}{}", "0".repeat(exponent + 1 - digits.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_keeps_its_digits_and_its_scale_both_ways() {
        for text in
            ["0", "0.00", "1", "-1", "10000", "1.10", "-12.50", "0.0001", "0.00001", "123456789.987654321", "99999999999999999999.9"]
        {
            assert_eq!(decode(&encode(text).unwrap()).unwrap(), text);
        }
        assert_eq!(decode(&encode("-0.0").unwrap()).unwrap(), "0.0");
        assert_eq!(decode(&encode(".5").unwrap()).unwrap(), "0.5");
        assert_eq!(decode(&encode("007").unwrap()).unwrap(), "7");
        for text in ["", "-", ".", "1e5", "NaN", "1.2.3", "1 "] {
            assert_eq!(encode(text), None, "{text}");
        }
    }

    #[test]
    fn floats_read_as_postgres_writes_them() {
        let cases =
            [(0.0, "0"), (-1.5, "-1.5"), (0.1, "0.1"), (1e15, "1e+15"), (1e14, "100000000000000"), (1e-5, "1e-05"), (0.0001, "0.0001")];
        for (value, text) in cases {
            assert_eq!(float_text(value), text);
        }
        assert_eq!(float_text(-0.0), "-0");
        assert_eq!(float_text(1.25e300), "1.25e+300");
        assert_eq!(float_text_32(1e6), "1e+06");
    }

    #[test]
    fn money_has_the_digits_of_its_locale() {
        assert_eq!(money(-5, 2), "-0.05");
        assert_eq!(money(123_456, 2), "1234.56");
        assert_eq!(money(7, 0), "7");
        assert_eq!(money(i64::MIN, 2), "-92233720368547758.08");
    }
}
