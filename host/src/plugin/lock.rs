//! `plugins.lock`: what is installed, pinned by digest.
//!
//! A plugin has up to three releases: the one that runs, the one before it, to which `rollback` goes, and one that waits for a
//! person because it asks for more, comes from another key, or tells the model something new.

use serde::Deserialize;
use serde::Serialize;

use super::digest::Digest;
use super::trust::PublicKey;
use crate::config::PluginName;

/// What is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    #[serde(default, rename = "plugin", skip_serializing_if = "Vec::is_empty")]
    entries: Vec<Entry>,
}

/// One plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// What runs.
    pub running: Release,
    /// What waits for `tidegate plugin approve`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Release>,
    /// What ran before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Release>,
}

/// One version of a plugin, pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its version.
    pub version: semver::Version,
    /// Where it was asked for, as `install` was told; `update` asks there again.
    pub source: String,
    /// What that was at the time, where it can change, for example an OCI reference with its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<String>,
    /// The digest of its manifest, which is also its place in the store.
    pub manifest: Digest,
    /// The digest of its component.
    pub component: Digest,
    /// The digest of what a model reads of it.
    pub contract: Digest,
    /// The digest of what it asks for.
    pub request: Digest,
    /// The key that signed it; none for one that was installed unsigned from a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher: Option<PublicKey>,
    /// The sequence of the index's snapshot by which it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_snapshot: Option<u64>,
}

impl Default for Lock {
    fn default() -> Self {
        Self { version: 1, entries: Vec::new() }
    }
}

impl Lock {
    /// Reads the text of the file.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lock: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        if lock.version != 1 {
            return Err(format!("`version` is {}, and this host reads 1", lock.version));
        }
        if let Some(wrong) = lock.entries.iter().find(|entry| PluginName::parse(&entry.id).is_none()) {
            return Err(format!("`{}` is no id of a plugin", wrong.id.escape_default()));
        }
        let mut ids: Vec<&str> = lock.entries.iter().map(|entry| entry.id.as_str()).collect();
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("`{}` is in it twice", pair[0])),
            None => Ok(lock),
        }
    }

    /// The text of the file.
    ///
    /// # Errors
    ///
    /// What cannot be written, in words.
    pub fn to_text(&self) -> Result<String, String> {
        let text = toml::to_string(self).map_err(|error| error.to_string())?;
        Ok(format!("# Written by `tidegate plugin`: what is installed.\n{text}"))
    }

    /// The plugins, by id.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The plugin of this id.
    pub fn find(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// Puts a plugin in, in the place of the one with its id.
    pub fn put(&mut self, entry: Entry) {
        self.entries.retain(|other| other.id != entry.id);
        self.entries.push(entry);
        self.entries.sort_by(|one, other| one.id.cmp(&other.id));
    }

    /// Takes a plugin out.
    pub fn take(&mut self, id: &str) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.id == id)?;
        Some(self.entries.remove(at))
    }

    /// Every release of every plugin.
    pub fn releases(&self) -> impl Iterator<Item = &Release> {
        self.entries.iter().flat_map(Entry::releases)
    }

    /// Every release of one plugin.
    pub fn releases_of(&self, id: &str) -> impl Iterator<Item = &Release> + use<'_> {
        self.find(id).into_iter().flat_map(Entry::releases)
    }
}

impl Entry {
    /// Its releases, the running one first.
    pub fn releases(&self) -> impl Iterator<Item = &Release> {
        [Some(&self.running), self.waiting.as_ref(), self.previous.as_ref()].into_iter().flatten()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plugin::trust::KeyPair;

    pub(in crate::plugin) fn release(version: &str) -> Release {
        Release {
            version: version.parse().unwrap(),
            source: "/plugins/one".into(),
            resolved: None,
            manifest: Digest::of(version.as_bytes()),
            component: Digest::of(b"component"),
            contract: Digest::of(b"contract"),
            request: Digest::of(b"request"),
            publisher: None,
            index_snapshot: None,
        }
    }

    #[test]
    fn it_is_read_as_it_is_written_and_what_is_wrong_is_told() {
        let mut lock = Lock::default();
        let signed = Release { publisher: Some(KeyPair::generate(None).unwrap().public), index_snapshot: Some(7), ..release("2.0.0") };
        lock.put(Entry { id: "b.org/one".into(), running: release("1.0.0"), waiting: Some(signed), previous: None });
        lock.put(Entry { id: "another".into(), running: release("1.0.0"), waiting: None, previous: Some(release("0.9.0")) });
        let text = lock.to_text().unwrap();
        assert_eq!(Lock::parse(&text).unwrap(), lock);
        assert_eq!(lock.releases().count(), 4);
        for (from, to) in
            [("version = 1\n", "version = 2\n"), ("id = \"another\"", "id = \"../another\""), ("sha256:", "sha1:"), ("source", "sauce")]
        {
            assert!(Lock::parse(&text.replacen(from, to, 1)).is_err(), "{to}");
        }
        assert!(Lock::parse(&text.replace("\"another\"", "\"b.org/one\"")).unwrap_err().contains("twice"));
        assert_eq!(lock.take("another").map(|entry| entry.id).as_deref(), Some("another"));
        assert_eq!(lock.find("another"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(version = 1\n)?(\\[\\[plugin\\]\\]\n)?(id = \"[a-z./]{0,8}\"\n)?.{0,80}") {
            let _ = Lock::parse(&text);
        }
    }
}
