//! `plugin.toml`: what a plugin says of itself and what it asks for.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::definition::is_plain_text;

/// Interfaces of the contract that give no right worth granting: types, and words to the host and the caller's own client.
const FREE: [&str; 7] = ["content", "input", "log", "progress", "rows", "settings", "types"];

/// Interfaces that a manifest can request.
const RIGHTS: [&str; 6] = ["catalog", "changes", "database-admin", "database-read", "database-write", "transaction"];

/// The contract that this host offers.
const HOST_API: semver::Version = semver::Version::new(0, 1, 0);

/// A checked manifest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the manifest's own shape: 1.
    pub schema: u32,
    /// What it is.
    pub plugin: About,
    /// Its code.
    pub component: ComponentFile,
    /// The interfaces it imports that give a right.
    #[serde(default)]
    pub capabilities: BTreeMap<String, Request>,
}

/// What a plugin says of itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct About {
    /// Its id: lower-case letters, digits and hyphens, at most 40 characters, a letter first.
    pub id: String,
    /// Its version.
    pub version: semver::Version,
    /// Its name for a person.
    pub title: String,
    /// What it is for, in a sentence.
    pub description: String,
    /// Its licence, as an SPDX expression.
    #[serde(default)]
    pub license: Option<String>,
    /// The versions of the contract it works with, for example `^0.1`.
    pub host_api: semver::VersionReq,
}

/// Where the code of a plugin is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentFile {
    /// Its file name, in the folder of the manifest.
    pub file: String,
}

/// A request for one interface.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Why, in words for the operator.
    pub reason: String,
}

/// What is wrong with a manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is not TOML of this shape.
    #[error("{0}")]
    Toml(String),
    /// The shape.
    #[error("`schema` is {0}, and this host reads 1")]
    Schema(u32),
    /// The id.
    #[error("`plugin.id` must be lower-case letters, digits and hyphens, a letter first, at most 40 characters")]
    Id,
    /// The contract.
    #[error("`plugin.host-api` is `{wanted}`, and this host offers {HOST_API}")]
    HostApi {
        /// What the plugin works with.
        wanted: semver::VersionReq,
    },
    /// The file name.
    #[error("`component.file` must be a file name without a folder")]
    File,
    /// A text.
    #[error("`{0}` is empty, too long, or has invisible or control characters")]
    Text(String),
    /// A request for what does not exist.
    #[error("`capabilities.{interface}` is no interface that can be requested; there are {}", RIGHTS.join(", "))]
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
        if manifest.schema != 1 {
            return Err(ManifestError::Schema(manifest.schema));
        }
        let About { id, title, description, host_api, .. } = &manifest.plugin;
        let id_fits = (1..=40).contains(&id.len())
            && id.starts_with(|c: char| c.is_ascii_lowercase())
            && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !id_fits {
            return Err(ManifestError::Id);
        }
        if !host_api.matches(&HOST_API) {
            return Err(ManifestError::HostApi { wanted: host_api.clone() });
        }
        let file = &manifest.component.file;
        if file.is_empty() || file.starts_with('.') || !file.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
            return Err(ManifestError::File);
        }
        for (name, text, characters) in [("plugin.title", title, 128), ("plugin.description", description, 1_024)] {
            if !is_plain_text(text, characters) {
                return Err(ManifestError::Text(name.into()));
            }
        }
        for (interface, request) in &manifest.capabilities {
            if !RIGHTS.contains(&interface.as_str()) {
                return Err(ManifestError::UnknownRequest { interface: interface.clone() });
            }
            if !is_plain_text(&request.reason, 512) {
                return Err(ManifestError::Text(format!("capabilities.{interface}.reason")));
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

    const GOOD: &str = r#"
        schema = 1
        [plugin]
        id = "query"
        version = "0.1.0"
        title = "SQL"
        description = "Runs statements."
        host-api = "^0.1"
        [component]
        file = "query.wasm"
        [capabilities.catalog]
        reason = "Names."
    "#;

    #[test]
    fn a_good_manifest_is_read() {
        let manifest = Manifest::parse(GOOD).unwrap();
        assert_eq!(manifest.plugin.id, "query");
        assert_eq!(manifest.capabilities["catalog"].reason, "Names.");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("schema = 1", "schema = 2", "`schema`"),
            ("id = \"query\"", "id = \"../query\"", "`plugin.id`"),
            ("0.1.0", "1", "version"),
            ("^0.1", "^0.2", "`plugin.host-api`"),
            ("query.wasm", "../query.wasm", "`component.file`"),
            ("Runs statements.", "Runs\u{200b} statements.", "`plugin.description`"),
            ("capabilities.catalog", "capabilities.everything", "capabilities.everything"),
            ("Names.", "", "capabilities.catalog.reason"),
            ("[capabilities", "[rights", "unknown field `rights`"),
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
