//! Whose key signs the plugins of a namespace. Lines are only ever added; the last one of a namespace holds.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use super::IndexError;
use super::NAMESPACES_FILE;
use super::line::LINE_BYTES;
use super::line::lines;
use super::time::Timestamp;
use crate::config::PluginName;
use crate::plugin::trust::PublicKey;

/// A key for a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Namespace {
    /// The namespace.
    pub(super) namespace: String,
    /// The key.
    pub(super) publisher: PublicKey,
    /// Since when.
    pub(super) since: Timestamp,
}

/// The namespace of a plugin; a plugin without one is its own.
pub(super) fn namespace_of(id: &PluginName) -> &str {
    id.as_str().split('/').next().unwrap_or_default()
}

/// Reads the file: the keys that hold, by namespace.
pub(super) fn parse_all(index: &str, bytes: &[u8]) -> Result<BTreeMap<String, PublicKey>, IndexError> {
    let mut keys = BTreeMap::new();
    for (number, line) in lines(index, NAMESPACES_FILE, bytes)? {
        let wrong = |reason: String| IndexError::damaged(index, NAMESPACES_FILE, Some(number), reason);
        if line.len() > LINE_BYTES {
            return Err(wrong(format!("it has more than {LINE_BYTES} bytes")));
        }
        let entry: Namespace = serde_json::from_slice(line).map_err(|error| wrong(error.to_string()))?;
        if PluginName::parse(&format!("{}/x", entry.namespace)).is_none() {
            return Err(wrong("`namespace` is none".into()));
        }
        keys.insert(entry.namespace, entry.publisher);
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::plugin::sample;

    #[test]
    fn the_last_key_of_a_namespace_holds() {
        let [one, other] = [sample::key(), sample::key()];
        let line = |namespace: &str, key: &PublicKey| {
            let line = Namespace { namespace: namespace.into(), publisher: key.clone(), since: Timestamp::now() };
            serde_json::to_string(&line).unwrap() + "\n"
        };
        let text = line("example.org", one.public()) + &line("a", one.public()) + &line("example.org", other.public());
        let keys = parse_all("test", text.as_bytes()).unwrap();
        assert_eq!((&keys["example.org"], &keys["a"]), (other.public(), one.public()));
        for wrong in [line("Example", one.public()), line("a/b", one.public()), "{}\n".into(), "\n".into(), text.trim_end().into()] {
            assert!(parse_all("test", wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..80), text in r#"[{}\[\]":,a-z0-9\\ \n]{0,80}"#) {
            let _ = parse_all("test", &bytes);
            let _ = parse_all("test", text.as_bytes());
        }
    }
}
