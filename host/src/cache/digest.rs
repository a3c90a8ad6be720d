//! The key of an entry: a hash of everything that decides what a statement answers.

use std::fmt;
use std::hash::BuildHasher;
use std::hash::Hasher;
use std::hash::RandomState;

use sha2::Digest as _;
use sha2::Sha256;

/// 32 bytes: SHA-256 of everything that decides what a statement answers.
///
/// It is one for the same parts on every replica and after every restart, and nobody finds two lists of parts with the
/// same one, so that entries are compared by it alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Begins a digest. `purpose` keeps digests of different kinds apart, whatever their parts.
    pub fn builder(purpose: &str) -> DigestBuilder {
        DigestBuilder { hash: Sha256::new() }.part(purpose.as_bytes())
    }

    /// A digest that was written down.
    pub(super) fn of_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its bytes in hexadecimal digits: 64 of them.
    pub fn to_hex(&self) -> Box<str> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect::<String>().into()
    }

    /// The digest that [`Display`](fmt::Display) wrote, if it is one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits: Option<Vec<u8>> = text.bytes().map(|byte| u8::try_from(char::from(byte).to_digit(16)?).ok()).collect();
        let digits: [u8; 64] = digits?.try_into().ok()?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Hashes digests for a table of this process: their bytes are spread evenly already, and with keys of the process nobody can choose
/// some that meet in it.
#[derive(Clone, Debug)]
pub(super) struct DigestHash([u64; 2]);

impl Default for DigestHash {
    fn default() -> Self {
        let random = RandomState::new();
        Self([0, 1].map(|number: u64| random.hash_one(number)))
    }
}

impl BuildHasher for DigestHash {
    type Hasher = DigestHasher;

    fn build_hasher(&self) -> DigestHasher {
        DigestHasher { keys: self.0, state: 0 }
    }
}

/// The state of [`DigestHash`].
pub(super) struct DigestHasher {
    keys: [u64; 2],
    state: u64,
}

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        // The first 16 bytes are as good as all 32; what is shorter is no digest, but its length.
        let Some(([one, two], _)) = bytes.as_chunks::<8>().0.split_first_chunk() else { return };
        let [one, two] = [u64::from_le_bytes(*one) ^ self.keys[0], u64::from_le_bytes(*two) ^ self.keys[1]];
        let product = u128::from(one) * u128::from(two);
        self.state ^= (product as u64) ^ (product >> 64) as u64;
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

/// A digest while its parts are added. The order of parts counts.
#[derive(Clone)]
#[must_use]
pub struct DigestBuilder {
    hash: Sha256,
}

impl DigestBuilder {
    /// Adds a part. Its length goes in first, so that no other way to divide the same bytes has the same digest.
    pub fn part(mut self, bytes: &[u8]) -> Self {
        self.hash.update((bytes.len() as u64).to_le_bytes());
        self.hash.update(bytes);
        self
    }

    /// The digest of the parts.
    pub fn finish(self) -> Digest {
        Digest(self.hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_divided_otherwise_or_for_another_purpose_have_another_digest() {
        let digest =
            |purpose, parts: &[&str]| parts.iter().fold(Digest::builder(purpose), |builder, part| builder.part(part.as_bytes())).finish();
        let whole = digest("rows", &["ab", "c"]);
        assert_eq!(whole, digest("rows", &["ab", "c"]));
        for other in
            [digest("rows", &["a", "bc"]), digest("rows", &["abc"]), digest("rows", &["ab", "c", ""]), digest("row", &["sab", "c"])]
        {
            assert_ne!(whole, other);
        }
    }

    #[test]
    fn digests_spread_over_a_table() {
        let hash = DigestHash::default();
        let digest = |number: u32| Digest::builder("spread").part(&number.to_le_bytes()).finish();
        let low: std::collections::HashSet<u64> = (0..256).map(|number| hash.hash_one(digest(number)) & 0xff).collect();
        let high: std::collections::HashSet<u64> = (0..256).map(|number| hash.hash_one(digest(number)) >> 56).collect();
        assert!(low.len() > 120 && high.len() > 120, "{} and {} of 256", low.len(), high.len());
        assert_eq!(hash.hash_one(digest(1)), hash.hash_one(digest(1)));
    }

    #[test]
    fn a_written_digest_is_read_again_and_nothing_else_is() {
        let digest = Digest::builder("rows").finish();
        let text = digest.to_string();
        assert_eq!(Digest::parse(&text), Some(digest));
        for other in [&text[1..], "", &format!("{text}0"), &text.replacen(&text[..1], "g", 1), "é"] {
            assert_eq!(Digest::parse(other), None, "{other}");
        }
    }
}
