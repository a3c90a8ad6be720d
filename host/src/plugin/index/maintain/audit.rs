//! Everything that can be wrong with an index, found at once.

use std::fs;
use std::path::Path;

use super::Edited;
use super::Maintained;
use super::read;
use crate::plugin::digest::Digest;
use crate::plugin::files::MANIFEST_BYTES;
use crate::plugin::files::MANIFEST_FILE;
use crate::plugin::files::PluginFiles;
use crate::plugin::files::SIGNATURE_BYTES;
use crate::plugin::files::SIGNATURE_FILE;
use crate::plugin::index::IndexError;
use crate::plugin::index::NAMESPACES_FILE;
use crate::plugin::index::SEARCH_FILE;
use crate::plugin::index::SNAPSHOT_FILE;
use crate::plugin::index::line::History;
use crate::plugin::index::line::Release;
use crate::plugin::index::location::Location;
use crate::plugin::index::namespace;
use crate::plugin::index::package;
use crate::plugin::index::search;
use crate::plugin::index::snapshot::SNAPSHOT_BYTES;
use crate::plugin::index::snapshot::Snapshot;
use crate::plugin::index::time::Timestamp;
use crate::plugin::manifest::Manifest;
use crate::runtime::engine::COMPONENT_BYTES;

/// What an index is, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Audit {
    /// What it calls itself.
    pub name: String,
    /// The number of its state.
    pub sequence: u64,
    /// Until when it is good.
    pub expires: Timestamp,
    /// Plugins in it.
    pub plugins: usize,
    /// Releases of them.
    pub releases: usize,
    /// Releases whose files are in the index, all looked at.
    pub looked_at: usize,
    /// What is wrong, in words; empty when nothing is.
    pub problems: Vec<String>,
}

impl Maintained {
    /// Looks at every file of an index: signature, digests, lines, what is derived from them, and the plugins that it keeps itself.
    ///
    /// # Errors
    ///
    /// An index that cannot be read as one at all. What is wrong with its parts stands in the answer.
    pub fn verify(folder: &Path, now: Timestamp) -> Result<Audit, super::MaintainError> {
        let config = Self::read_config(folder)?;
        let name = config.name;
        let text = read(folder, &name, SNAPSHOT_FILE, SNAPSHOT_BYTES)?;
        let signature = read(folder, &name, super::SNAPSHOT_SIGNATURE_FILE, SIGNATURE_BYTES)?;
        let snapshot = Snapshot::read(&name, &config.key, &text, &signature)?;
        let mut audit = Audit {
            name,
            sequence: snapshot.sequence,
            expires: snapshot.expires,
            plugins: 0,
            releases: 0,
            looked_at: 0,
            problems: Vec::new(),
        };
        if snapshot.index != audit.name {
            audit.problems.push(format!("the snapshot is one of index `{}`", crate::plugin::fetch::address::printable(&snapshot.index)));
        }
        if snapshot.expires <= now {
            audit.problems.push(format!("it was good until {}; sign a new snapshot with `tidegate index renew`", snapshot.expires));
        }
        for (file, listed) in &snapshot.files {
            match read(folder, &audit.name, file, super::FILE_BYTES) {
                Ok(text) if listed.is(&text) => {}
                Ok(_) => audit.problems.push(IndexError::Tampered { index: audit.name.clone(), file: file.clone() }.to_string()),
                Err(error) => audit.problems.push(error.to_string()),
            }
        }
        let mut unlisted = Vec::new();
        find_files(&folder.join("plugins"), "plugins", &mut unlisted);
        for file in unlisted.into_iter().filter(|file| !snapshot.files.contains_key(file)) {
            audit.problems.push(format!("`{file}` is not in the snapshot; releases are added with `tidegate index add`"));
        }
        if !audit.problems.iter().any(|problem| problem.contains("snapshot lists")) {
            match Self::open(folder, Edited::Nothing) {
                Ok(index) => index.look_at_plugins(&mut audit),
                Err(error) => audit.problems.push(error.to_string()),
            }
        }
        Ok(audit)
    }

    fn look_at_plugins(&self, audit: &mut Audit) {
        audit.plugins = self.histories.len();
        audit.releases = self.histories.values().map(|history| history.entries.len()).sum();
        if self.files[SEARCH_FILE] != search::write_all(self.histories.values().filter_map(History::newest)) {
            audit.problems.push(format!("`{SEARCH_FILE}` does not say what the histories say; `tidegate index renew` writes it anew"));
        }
        let keys = match namespace::parse_all(&audit.name, &self.files[NAMESPACES_FILE]) {
            Ok(keys) => keys,
            Err(error) => {
                audit.problems.push(error.to_string());
                return;
            }
        };
        for (id, history) in &self.histories {
            let newest = history.entries.last().map(|entry| &entry.release.publisher);
            match keys.get(namespace::namespace_of(id)) {
                None => audit.problems.push(format!("`{id}` is in a namespace without a key")),
                // Earlier releases may have an earlier key.
                Some(key) if Some(key) != newest && history.entries.iter().all(|entry| entry.release.publisher != *key) => {
                    audit.problems.push(format!("no release of `{id}` is by the key of its namespace, {}", key.id()));
                }
                Some(_) => {}
            }
            for release in history.entries.iter().map(|entry| &entry.release) {
                for location in &release.locations {
                    if let Location::Folder(path) = location {
                        audit.looked_at += 1;
                        let problem = self.look_at(path, release).err();
                        audit.problems.extend(problem.map(|problem| format!("`{path}`: {problem}")));
                    }
                }
            }
        }
    }

    /// Looks at the files of a plugin that the index keeps itself.
    fn look_at(&self, path: &str, release: &Release) -> Result<(), String> {
        let file =
            |name: &str, limit| read(&self.folder, &self.config.name, &format!("{path}/{name}"), limit).map_err(|error| error.to_string());
        let manifest = file(MANIFEST_FILE, MANIFEST_BYTES)?;
        let text = str::from_utf8(&manifest).map_err(|error| error.to_string())?;
        let component = Manifest::parse(text).map_err(|error| error.to_string())?.component.file;
        let files = PluginFiles {
            component: file(&component, COMPONENT_BYTES)?,
            signature: Some(file(SIGNATURE_FILE, SIGNATURE_BYTES)?),
            manifest,
        };
        if Digest::of(&files.manifest) != release.manifest || Digest::of(&files.component) != release.component {
            return Err("its files are not those of the release".into());
        }
        let plugin = package::check(files).map_err(|error| error.to_string())?;
        let same =
            plugin.id == release.id && plugin.publisher == release.publisher && plugin.inspected.manifest.plugin.version == release.version;
        if same { Ok(()) } else { Err("its files say something else than the release".into()) }
    }
}

/// The files below a folder, by their paths from there.
fn find_files(folder: &Path, path: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        // A name that is no text is in no snapshot.
        let path = format!("{path}/{}", name.to_string_lossy());
        if entry.path().is_dir() {
            find_files(&entry.path(), &path, found);
        } else {
            found.push(path);
        }
    }
}
