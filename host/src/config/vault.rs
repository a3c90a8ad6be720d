//! Reads the tables `[vaults.NAME]`, and which of them a plugin may use.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::capability::is_name;
use super::section::Section;

/// Bytes that a vault holds when its table does not say how many.
const MAX_BYTES: u64 = 10 << 30;

/// A folder for backups and exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultConfig {
    /// The folder; made when it is not there, and read by its owner only.
    pub path: PathBuf,
    /// Bytes that it holds at most; default 10 GiB.
    pub max_bytes: u64,
}

/// What a plugin may do with a vault, least first; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VaultRight {
    /// List and read what is in it.
    Read,
    /// Put something into it and remove it.
    Write,
}

/// The vaults that the tables describe.
pub(super) fn read(section: Section<'_>) -> BTreeMap<String, VaultConfig> {
    let mut vaults = BTreeMap::new();
    for (name, mut table) in section.into_tables() {
        if !is_name(&name) {
            table.note("", "a vault's name has 1 to 64 lower-case letters, digits, `-` or `_`");
        }
        let path = table.path("path");
        if path.is_none() && !table.is_wrong("path") {
            table.note("path", "is missing; name the folder");
        }
        let max_bytes = table.size("max", 1 << 10, 1 << 50).map_or(MAX_BYTES, |bytes| bytes as u64);
        table.finish();
        if let Some(path) = path {
            vaults.insert(name, VaultConfig { path, max_bytes });
        }
    }
    vaults
}

/// `vaults = { backups = "write" }` of a plugin; none when nothing is said.
pub(super) fn read_rights(section: &mut Section<'_>) -> Option<BTreeMap<String, VaultRight>> {
    let rights = section.optional_table("vaults")?.into_parsed("`\"read\"` or `\"write\"`", |text| match text {
        "read" => Some(VaultRight::Read),
        "write" => Some(VaultRight::Write),
        _ => None,
    });
    Some(rights.into_iter().collect())
}
