//! `[indexes.NAME]`: where plugins may be looked for, and whose word is taken there.

use super::section::Section;

/// The operator's name for an index: 1 to 40 lower-case letters, digits or hyphens, a letter first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexName(String);

impl IndexName {
    /// Checks a name; `None` when it has other characters or is empty or too long.
    pub fn parse(name: &str) -> Option<Self> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let good = (1..=40).contains(&name.len()) && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(allowed);
        good.then(|| Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An index of plugins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexConfig {
    /// The operator's name for it.
    pub name: IndexName,
    /// Where it is: `https://…`, or `file:///…`.
    pub url: String,
    /// The public key of whoever maintains it, in minisign's form. There is no index without one: without it, every server on the way
    /// would decide what is installed.
    pub key: String,
}

/// Reads one table of `[indexes]`.
pub(super) fn read(name: &str, mut section: Section<'_>) -> Option<IndexConfig> {
    let parsed = IndexName::parse(name);
    if parsed.is_none() {
        section.note("", "an index's name has 1 to 40 lower-case letters, digits or hyphens, a letter first");
    }
    let good_url = |url: &str| ["https://", "file:///", "http://"].iter().any(|scheme| url.starts_with(scheme)).then(|| url.to_owned());
    let url = section.parsed("url", "a URL that begins with `https://` or `file:///`", good_url);
    if url.is_none() && !section.is_wrong("url") {
        section.note("url", "is missing; it says where the index is");
    }
    // `RW`, 54 characters of base64: whether it is a key shows when it is used.
    let good_key = |key: &str| (key.len() == 56 && key.starts_with("RW")).then(|| key.to_owned());
    let key = section.parsed("key", "a public key of minisign, which begins with `RW` and has 56 characters", good_key);
    if key.is_none() && !section.is_wrong("key") {
        section.note("key", "is missing; the maintainers of the index tell it, and `config.json` there only repeats it");
    }
    section.finish();
    Some(IndexConfig { name: parsed?, url: url?, key: key? })
}

impl std::fmt::Display for IndexName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
