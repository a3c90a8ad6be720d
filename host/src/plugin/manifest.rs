//! `plugin.toml`: what a plugin says of itself and what it asks for.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::definition::is_plain_text;

/// Interfaces of the contract that give no right worth granting: types, and words to the host and the caller's own client.
const FREE: [&str; 7] = ["content", "input", "log", "progress", "rows", "settings", "types"];

/// Interfaces that a manifest can request.
const RIGHTS: [&str; 5] = ["catalog", "changes", "database-admin", "database-read", "database-write"];

/// A checked manifest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it is.
    pub plugin: About,
    /// The interfaces it imports that give a right, each with the reason in words.
    #[serde(default)]
    pub requests: BTreeMap<String, String>,
}

/// What a plugin says of itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Its id: lower-case letters, digits and hyphens, at most 32 characters, a letter first.
    pub id: String,
    /// Its version (semver.org).
    pub version: String,
    /// What it is for, in a sentence.
    pub description: String,
    /// Its licence, as an SPDX expression.
    #[serde(default)]
    pub license: Option<String>,
}

/// What is wrong with a manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is not TOML of this shape.
    #[error("{0}")]
    Toml(String),
    /// The id.
    #[error("`id` must be lower-case letters, digits and hyphens, a letter first, at most 32 characters")]
    Id,
    /// The version.
    #[error("`version` must be three numbers with dots (semver.org), for example `1.2.0`")]
    Version,
    /// A text.
    #[error("`{0}` is empty, too long, or has invisible or control characters")]
    Text(String),
    /// A request for what does not exist.
    #[error("`requests.{interface}` is no interface that can be requested; there are {}", RIGHTS.join(", "))]
    UnknownRequest {
        /// As the manifest names it.
        interface: String,
    },
}

impl Manifest {
    /// Reads and checks the text of a `plugin.toml`.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text).map_err(|error| ManifestError::Toml(error.to_string().trim_end().into()))?;
        let About { id, version, description, .. } = &manifest.plugin;
        let id_fits = (1..=32).contains(&id.len())
            && id.starts_with(|c: char| c.is_ascii_lowercase())
            && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !id_fits {
            return Err(ManifestError::Id);
        }
        let core = version.split(['-', '+']).next().unwrap_or_default();
        if core.split('.').filter(|number| number.parse::<u64>().is_ok()).count() != 3 || core.split('.').count() != 3 {
            return Err(ManifestError::Version);
        }
        if !is_plain_text(description, 1_024) {
            return Err(ManifestError::Text("description".into()));
        }
        for (interface, reason) in &manifest.requests {
            if !RIGHTS.contains(&interface.as_str()) {
                return Err(ManifestError::UnknownRequest { interface: interface.clone() });
            }
            if !is_plain_text(reason, 512) {
                return Err(ManifestError::Text(format!("requests.{interface}")));
            }
        }
        Ok(manifest)
    }
}

/// Whether importing this interface takes a request.
pub fn is_a_right(interface: &str) -> bool {
    !FREE.contains(&interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "[plugin]\nid = \"query\"\nversion = \"0.1.0\"\ndescription = \"Runs statements.\"\n\n[requests]\ncatalog = \"Names.\"\n";

    #[test]
    fn a_good_manifest_is_read() {
        let manifest = Manifest::parse(GOOD).unwrap();
        assert_eq!(manifest.plugin.id, "query");
        assert_eq!(manifest.requests["catalog"], "Names.");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("id = \"query\"", "id = \"../query\"", "`id`"),
            ("0.1.0", "1", "`version`"),
            ("Runs statements.", "Runs\u{200b} statements.", "`description`"),
            ("catalog =", "everything =", "requests.everything"),
            ("Names.", "", "requests.catalog"),
            ("[requests]", "[rights]", "unknown field `rights`"),
        ];
        for (from, to, expected) in cases {
            let error = Manifest::parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
    }

    #[test]
    fn every_interface_of_the_contract_is_free_or_a_right() {
        let world = include_str!("../../../wit/world.wit");
        let imported = world.lines().filter_map(|line| line.trim().strip_prefix("import ")?.strip_suffix(';'));
        for interface in imported {
            assert!(FREE.contains(&interface) != RIGHTS.contains(&interface), "{interface}");
        }
    }
}
