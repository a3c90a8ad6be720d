//! The signed list of an index's files.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use super::IndexError;
use super::SNAPSHOT_FILE;
use super::location::is_path;
use super::time::Timestamp;
use crate::plugin::digest::Digest;
use crate::plugin::trust::PublicKey;
use crate::plugin::trust::SignatureError;
use crate::plugin::trust::SigningKey;
use crate::plugin::trust::sign;
use crate::plugin::trust::verify;

/// Bytes of a snapshot: some 60,000 plugins.
pub const SNAPSHOT_BYTES: usize = 8 << 20;

/// The form that is read and written.
const SCHEMA: u32 = 1;

/// The state of an index at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    schema: u32,
    /// What the index calls itself.
    pub index: String,
    /// Its number, higher with every change.
    pub sequence: u64,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it is good.
    pub expires: Timestamp,
    /// All other files but those of plugins themselves, by their paths in the index.
    pub files: BTreeMap<String, Listed>,
}

/// A file in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its digest.
    pub sha256: Digest,
    /// Its size.
    pub bytes: u64,
}

impl Listed {
    /// The entry of a file.
    pub fn of(bytes: &[u8]) -> Self {
        Self { sha256: Digest::of(bytes), bytes: bytes.len() as u64 }
    }

    /// Whether these are its bytes.
    pub fn is(&self, bytes: &[u8]) -> bool {
        *self == Self::of(bytes)
    }
}

impl Snapshot {
    /// A state of an index.
    pub fn new(index: &str, sequence: u64, created: Timestamp, expires: Timestamp, files: BTreeMap<String, Listed>) -> Self {
        Self { schema: SCHEMA, index: index.to_owned(), sequence, created, expires, files }
    }

    /// Checks the signature and then reads the text.
    ///
    /// # Errors
    ///
    /// A signature that does not hold, and a text that is not as the format has it.
    pub fn read(index: &str, key: &PublicKey, text: &[u8], signature: &[u8]) -> Result<Self, IndexError> {
        verify(key, text, signature).map_err(|source| IndexError::Signature { index: index.to_owned(), source })?;
        Self::parse(text).map_err(|reason| IndexError::damaged(index, SNAPSHOT_FILE, None, reason))
    }

    /// Reads the text.
    fn parse(text: &[u8]) -> Result<Self, String> {
        let snapshot: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if snapshot.schema != SCHEMA {
            return Err(format!("`schema` is {}, and this program reads {SCHEMA}; a newer one may read it", snapshot.schema));
        }
        match snapshot.files.keys().find(|path| !is_path(path)) {
            Some(path) => Err(format!("`{}` is no path of an index", crate::plugin::fetch::address::printable(path))),
            None => Ok(snapshot),
        }
    }

    /// The text and its signature.
    ///
    /// # Errors
    ///
    /// Signing failed.
    pub fn write(&self, key: &SigningKey) -> Result<(Vec<u8>, String), SignatureError> {
        let mut text = serde_json::to_vec_pretty(self).expect("texts and numbers are JSON");
        text.push(b'\n');
        let signature = sign(key, &text, &format!("index {} state {}", self.index, self.sequence))?;
        Ok((text, signature))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::plugin::sample;

    proptest! {
        #[test]
        fn it_is_read_as_it_is_written(
            files in btree_map("[a-z0-9]{1,8}(/[a-z0-9.]{0,8}z){0,2}", any::<[u8; 3]>(), 0..8), sequence: u64, name in "[a-z]{1,10}"
        ) {
            let files = files.into_iter().map(|(path, bytes)| (path, Listed::of(&bytes)));
            let files = files.filter(|(path, _)| is_path(path)).collect();
            let now = Timestamp::now();
            let snapshot = Snapshot::new(&name, sequence, now, now, files);
            let (text, signature) = snapshot.write(sample::publisher()).unwrap();
            prop_assert_eq!(Snapshot::read("test", sample::publisher().public(), &text, signature.as_bytes()).unwrap(), snapshot);
        }

        #[test]
        fn no_bytes_make_it_panic(text in r#"[{}\[\]":,a-z0-9\\ ]{0,80}"#, bytes in vec(any::<u8>(), 0..80)) {
            prop_assert!(Snapshot::parse(text.as_bytes()).is_err());
            prop_assert!(Snapshot::parse(&bytes).is_err());
        }
    }

    #[test]
    fn what_is_signed_and_makes_no_sense_is_refused() {
        let now = Timestamp::parse("2026-01-02T03:04:05Z").unwrap();
        let good = serde_json::to_string(&Snapshot::new("test", 1, now, now, BTreeMap::from([("a".into(), Listed::of(b""))]))).unwrap();
        assert!(Snapshot::parse(good.as_bytes()).is_ok());
        for (from, to, expected) in [
            ("\"schema\":1", "\"schema\":2", "a newer one may read it"),
            ("\"schema\":1", "\"schema\":1,\"more\":1", "unknown field"),
            ("\"a\":{", "\"../a\":{", "is no path"),
            ("\"bytes\":0", "\"bytes\":-1", "expected u64"),
            ("\"bytes\":0", "\"bytes\":0,\"sha512\":\"\"", "unknown field"),
            ("2026-01-02T", "2026-01-02 ", "a moment is written"),
            ("\"sequence\":1,", "", "missing field"),
        ] {
            let error = Snapshot::parse(good.replace(from, to).as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{to}: {error}");
        }
    }
}
