//! Functions of SQLite that take time by the product of their arguments' lengths, made again so that they do not.
//!
//! Nothing can interrupt a function. `instr(zeroblob(16000000), zeroblob(8000000) || x'01')` compares for hours, so a
//! statement that SQLite's own version runs in could not be stopped. What they answer is the same, but that text which
//! is no UTF-8 comes back repaired.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::CStr;

/// Bytes that a value may have; the limit of the connections.
pub(super) const VALUE_BYTES: usize = 16 << 20;

/// One argument, null left out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Argument<'a> {
    /// Its bytes: those of a blob, or the text form of anything else.
    pub(super) bytes: &'a [u8],
    /// Whether it is a blob.
    pub(super) is_blob: bool,
}

/// What a function returns.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// `NULL`.
    Null,
    /// A number.
    Integer(i64),
    /// Text.
    Text(Vec<u8>),
    /// Bytes.
    Blob(Vec<u8>),
    /// The first argument, in the type it has.
    First,
    /// An error: longer than a value may be.
    TooLarge,
}

/// A function. It answers `NULL` when any argument is.
pub(super) struct Function {
    /// Its name.
    pub(super) name: &'static CStr,
    /// How many arguments it takes.
    pub(super) arguments: i32,
    /// What it does.
    pub(super) body: fn(&[Argument<'_>]) -> Answer,
}

/// All of them.
pub(super) static FUNCTIONS: [Function; 6] = [
    Function { name: c"instr", arguments: 2, body: instr },
    Function { name: c"replace", arguments: 3, body: replace },
    Function { name: c"trim", arguments: 2, body: |arguments| trim(arguments, true, true) },
    Function { name: c"ltrim", arguments: 2, body: |arguments| trim(arguments, true, false) },
    Function { name: c"rtrim", arguments: 2, body: |arguments| trim(arguments, false, true) },
    Function { name: c"unhex", arguments: 2, body: unhex },
];

/// `instr(text, part)`: where `part` begins, from 1, in characters or, for two blobs, in bytes; 0 when it is not there.
fn instr(arguments: &[Argument<'_>]) -> Answer {
    let [text, part] = arguments else { return Answer::Null };
    let position = match Finder::new(part.bytes).find(text.bytes, 0) {
        None => 0,
        Some(at) if text.is_blob && part.is_blob => at + 1,
        // Every byte but those that continue a character begins one.
        Some(at) => text.bytes[..at].iter().filter(|byte| **byte & 0xc0 != 0x80).count() + 1,
    };
    Answer::Integer(i64::try_from(position).unwrap_or(i64::MAX))
}

/// `replace(text, part, by)`.
fn replace(arguments: &[Argument<'_>]) -> Answer {
    let [text, part, by] = arguments else { return Answer::Null };
    if part.bytes.first().is_none_or(|first| *first == 0) {
        return Answer::First;
    }
    let finder = Finder::new(part.bytes);
    let mut replaced = Vec::with_capacity(text.bytes.len());
    let mut from = 0;
    while let Some(at) = finder.find(text.bytes, from) {
        replaced.extend_from_slice(&text.bytes[from..at]);
        replaced.extend_from_slice(by.bytes);
        from = at + part.bytes.len();
        if replaced.len() > VALUE_BYTES {
            return Answer::TooLarge;
        }
    }
    replaced.extend_from_slice(&text.bytes[from..]);
    Answer::Text(replaced)
}

/// `trim(text, characters)` and its one-sided forms.
fn trim(arguments: &[Argument<'_>], left: bool, right: bool) -> Answer {
    let [text, characters] = arguments else { return Answer::Null };
    let set = Characters::new(characters.bytes);
    let text = lossy(text.bytes);
    let mut kept = text.as_ref();
    if left {
        kept = kept.trim_start_matches(|c| set.contains(c));
    }
    if right {
        kept = kept.trim_end_matches(|c| set.contains(c));
    }
    Answer::Text(kept.as_bytes().to_vec())
}

/// `unhex(text, ignored)`: the bytes of pairs of hexadecimal digits, with ignored characters between pairs.
fn unhex(arguments: &[Argument<'_>]) -> Answer {
    let [text, ignored] = arguments else { return Answer::Null };
    let set = Characters::new(ignored.bytes);
    let text = lossy(text.bytes);
    // SQLite's text ends at a NUL here.
    let mut characters = text.split('\0').next().unwrap_or_default().chars();
    let mut bytes = Vec::new();
    while let Some(first) = characters.next() {
        match (first.to_digit(16), characters.as_str().chars().next().and_then(|second| second.to_digit(16))) {
            (Some(high), Some(low)) => {
                characters.next();
                bytes.push((high * 16 + low) as u8);
            }
            (None, _) if set.contains(first) => {}
            _ => return Answer::Null,
        }
    }
    Answer::Blob(bytes)
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A set of characters.
struct Characters {
    ascii: [bool; 128],
    others: HashSet<char>,
}

impl Characters {
    fn new(bytes: &[u8]) -> Self {
        let mut set = Self { ascii: [false; 128], others: HashSet::new() };
        for character in lossy(bytes).chars() {
            match set.ascii.get_mut(character as usize) {
                Some(there) => *there = true,
                None => {
                    set.others.insert(character);
                }
            }
        }
        set
    }

    fn contains(&self, character: char) -> bool {
        self.ascii.get(character as usize).copied().unwrap_or_else(|| self.others.contains(&character))
    }
}

/// Finds a part in time by the sum of the lengths (Knuth, Morris and Pratt), or plainly when the part is short.
struct Finder<'p> {
    part: &'p [u8],
    /// For each length of a matched beginning, the length of the longest beginning that also ends it.
    shorter: Vec<u32>,
}

/// A part up to this many bytes is compared plainly: its product with a text is small.
const SHORT: usize = 32;

impl<'p> Finder<'p> {
    fn new(part: &'p [u8]) -> Self {
        let mut shorter = Vec::new();
        if part.len() > SHORT {
            shorter.reserve_exact(part.len());
            shorter.push(0);
            let mut matched = 0_u32;
            for byte in &part[1..] {
                while matched > 0 && part[matched as usize] != *byte {
                    matched = shorter[matched as usize - 1];
                }
                matched += u32::from(part[matched as usize] == *byte);
                shorter.push(matched);
            }
        }
        Self { part, shorter }
    }

    /// Where the part begins at or after `from`.
    fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        let Some(first) = self.part.first() else { return Some(from) };
        if self.part.len() <= SHORT {
            let mut at = from;
            loop {
                at += text.get(at..)?.iter().position(|byte| byte == first)?;
                if text[at..].starts_with(self.part) {
                    return Some(at);
                }
                at += 1;
            }
        }
        let mut matched = 0_u32;
        for (at, byte) in text.iter().enumerate().skip(from) {
            while matched > 0 && self.part[matched as usize] != *byte {
                matched = self.shorter[matched as usize - 1];
            }
            matched += u32::from(self.part[matched as usize] == *byte);
            if matched as usize == self.part.len() {
                return Some(at + 1 - self.part.len());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_where_the_standard_library_finds_it() {
        let text = "ab".repeat(40) + "abc" + &"ab".repeat(60) + "d" + &"x".repeat(40);
        for length in [0, 1, 2, 31, 32, 33, 34, 79, 81, 120] {
            for start in 0..text.len() - length {
                let part = &text[start..start + length];
                assert_eq!(Finder::new(part.as_bytes()).find(text.as_bytes(), 0), text.find(part), "{part}");
                let absent = format!("{part}?");
                assert_eq!(Finder::new(absent.as_bytes()).find(text.as_bytes(), 0), None);
            }
        }
    }
}
