//! One index as an operator knows it: read from its place, checked, and remembered.
//!
//! What is remembered is the highest state that was seen and the files as they were then. Files are taken from there while the
//! snapshot still lists them, so that only news is fetched; and a history that lost lines against what is remembered is refused.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use super::ADVISORIES_FILE;
use super::FILE_BYTES;
use super::IndexError;
use super::NAMESPACES_FILE;
use super::SEARCH_FILE;
use super::SNAPSHOT_FILE;
use super::SNAPSHOT_SIGNATURE_FILE;
use super::advisory::Advisory;
use super::line;
use super::line::History;
use super::namespace;
use super::place::Place;
use super::search;
use super::search::Found;
use super::snapshot::SNAPSHOT_BYTES;
use super::snapshot::Snapshot;
use super::time::Timestamp;
use crate::config::IndexConfig;
use crate::config::PluginName;
use crate::plugin::digest::Digest;
use crate::plugin::fetch::Http;
use crate::plugin::fetch::Report;
use crate::plugin::fetch::silent;
use crate::plugin::files::SIGNATURE_BYTES;
use crate::plugin::folder::atomic;
use crate::plugin::trust::PublicKey;

/// What was seen of an index.
const SEEN_FILE: &str = "seen.json";

/// The file whose lock says that somebody remembers something. It is empty and stays.
const CLAIM_FILE: &str = ".claim";

/// Copies of its files.
const COPIES: &str = "files";

/// An index that an operator named.
#[derive(Clone, Debug)]
pub struct Index {
    /// The operator's name for it.
    pub name: String,
    place: Place,
    key: PublicKey,
    /// What is remembered about it.
    memory: PathBuf,
    http: Http,
}

/// The highest state that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    sequence: u64,
    snapshot: Digest,
}

/// An index in one state of it. Files are fetched when they are asked for.
#[derive(Clone, Debug)]
pub struct OpenIndex {
    index: Index,
    snapshot: Snapshot,
    /// Why the state is a remembered one, if it is.
    stale: Option<String>,
}

impl Index {
    /// The index that the operator configured. `memory` is a folder for all indexes.
    ///
    /// # Errors
    ///
    /// An address or a key that is none.
    pub fn new(config: &IndexConfig, memory: &Path, http: Http) -> Result<Self, IndexError> {
        let name = config.name.to_string();
        let place = Place::parse(&config.url).map_err(IndexError::Address)?;
        let key =
            PublicKey::parse(&config.key).map_err(|error| IndexError::damaged(&name, "tidegate.toml", None, format!("`key`: {error}")))?;
        Ok(Self { memory: memory.join(&name), name, place, key, http })
    }

    /// Fetches the snapshot and checks it against what was seen before. Where the index cannot be reached, the remembered state is
    /// taken while it is good, and [`OpenIndex::stale`] says so; with `offline`, it is taken without asking.
    ///
    /// # Errors
    ///
    /// Everything that makes a snapshot not believed; none of it is remembered.
    pub async fn open(&self, now: Timestamp, offline: bool) -> Result<OpenIndex, IndexError> {
        let fetched = if offline { Err(None) } else { self.fetch_snapshot().await.map_err(Some) };
        let (text, signature, stale) = match fetched {
            Ok((text, signature)) => (text, signature, None),
            // Only where nothing came: what came and is wrong is never papered over.
            Err(error @ (None | Some(IndexError::Fetch { .. }))) => {
                let (Some(text), Some(signature)) = (self.recall(SNAPSHOT_FILE)?, self.recall(SNAPSHOT_SIGNATURE_FILE)?) else {
                    return Err(error.unwrap_or_else(|| self.missing(SNAPSHOT_FILE)));
                };
                let why = error.map_or_else(|| "it was not asked".to_owned(), |error| error.to_string());
                (text, signature, Some(why))
            }
            Err(Some(error)) => return Err(error),
        };
        let snapshot = Snapshot::read(&self.name, &self.key, &text, &signature)?;
        let found = Seen { sequence: snapshot.sequence, snapshot: Digest::of(&text) };
        // Of two commands at once, the one that comes second must see what the first has seen.
        let claim = self.claim()?;
        let seen = self.seen()?;
        match seen {
            Some(seen) if found.sequence < seen.sequence => {
                return Err(IndexError::Rollback { index: self.name.clone(), seen: seen.sequence, found: found.sequence });
            }
            Some(seen) if found.sequence == seen.sequence && found.snapshot != seen.snapshot => {
                return Err(IndexError::Forked { index: self.name.clone(), sequence: found.sequence });
            }
            _ => {}
        }
        if snapshot.expires <= now {
            return Err(IndexError::Expired { index: self.name.clone(), expires: snapshot.expires });
        }
        if seen != Some(found) {
            self.remember(SNAPSHOT_FILE, &text)?;
            self.remember(SNAPSHOT_SIGNATURE_FILE, &signature)?;
            let text = serde_json::to_vec(&found).expect("numbers and texts are JSON");
            let path = self.memory.join(SEEN_FILE);
            atomic::write(&path, &text).map_err(IndexError::io(&path))?;
        }
        drop(claim);
        Ok(OpenIndex { index: self.clone(), snapshot, stale })
    }

    async fn fetch_snapshot(&self) -> Result<(Vec<u8>, Vec<u8>), IndexError> {
        let text = self.fetch(SNAPSHOT_FILE, SNAPSHOT_BYTES, &silent).await?;
        let signature = self.fetch(SNAPSHOT_SIGNATURE_FILE, SIGNATURE_BYTES, &silent).await?;
        Ok((text, signature))
    }

    async fn fetch(&self, file: &str, limit: usize, report: Report<'_>) -> Result<Vec<u8>, IndexError> {
        self.place.find(&self.http, &self.name, file, limit, report).await?.ok_or_else(|| self.missing(file))
    }

    fn missing(&self, file: &str) -> IndexError {
        IndexError::Missing { index: self.name.clone(), file: file.to_owned() }
    }

    fn seen(&self) -> Result<Option<Seen>, IndexError> {
        let path = self.memory.join(SEEN_FILE);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(IndexError::io(path)(error)),
            // Forgetting what was seen would let an old copy pass.
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| {
                IndexError::io(path)(io::Error::other(format!(
                    "it is damaged ({error}); remove it when you are sure that the index is the right one"
                )))
            }),
        }
    }

    fn copy(&self, file: &str) -> PathBuf {
        self.memory.join(COPIES).join(file)
    }

    fn recall(&self, file: &str) -> Result<Option<Vec<u8>>, IndexError> {
        let path = self.copy(file);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(IndexError::io(path)(error)),
        }
    }

    /// Keeps other commands from remembering something meanwhile. They wait for as long as a few files take to be written.
    fn claim(&self) -> Result<fs::File, IndexError> {
        claim(&self.memory)
    }

    fn remember(&self, file: &str, bytes: &[u8]) -> Result<(), IndexError> {
        let path = self.copy(file);
        if let Some(folder) = path.parent() {
            atomic::create_private(folder).map_err(IndexError::io(folder))?;
        }
        atomic::write(&path, bytes).map_err(IndexError::io(&path))
    }
}

/// Takes the claim on a folder of what is remembered; dropping it gives it back.
pub(super) fn claim(folder: &Path) -> Result<fs::File, IndexError> {
    atomic::create_private(folder).map_err(IndexError::io(folder))?;
    let path = folder.join(CLAIM_FILE);
    let file = atomic::private_file(&path, false).map_err(IndexError::io(&path))?;
    file.lock().map_err(IndexError::io(&path))?;
    Ok(file)
}

/// The advisories of an index as they were seen last; none of an index that was never asked. They were checked when they were seen, and
/// nobody but the operator writes into that folder.
pub(super) fn remembered_advisories(memory: &Path, index: &str) -> Result<Vec<Advisory>, IndexError> {
    let path = memory.join(index).join(COPIES).join(ADVISORIES_FILE);
    match fs::read(&path) {
        Ok(bytes) => Advisory::parse_all(index, &bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(IndexError::io(path)(error)),
    }
}

impl OpenIndex {
    /// The operator's name for it.
    pub fn name(&self) -> &str {
        &self.index.name
    }

    /// The number of its state, for a lock file.
    pub fn sequence(&self) -> u64 {
        self.snapshot.sequence
    }

    /// Why this is a remembered state and not the one that the index has now, if it is.
    pub fn stale(&self) -> Option<&str> {
        self.stale.as_deref()
    }

    /// The plugins that it has.
    pub fn plugins(&self) -> impl Iterator<Item = PluginName> {
        self.snapshot.files.keys().filter_map(|file| line::find_plugin(file))
    }

    /// The history of a plugin; `None` when the index has no such plugin.
    ///
    /// # Errors
    ///
    /// A file that is not the listed one, makes no sense, or lost lines.
    pub async fn history(&self, id: &PluginName) -> Result<Option<History>, IndexError> {
        let file = line::file_of(id);
        match self.find(&file, true).await? {
            Some(bytes) => History::parse(self.name(), id, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// The newest release of every plugin, in short.
    ///
    /// # Errors
    ///
    /// As [`history`](Self::history).
    pub async fn found(&self) -> Result<Vec<Found>, IndexError> {
        search::parse_all(self.name(), &self.find(SEARCH_FILE, false).await?.unwrap_or_default())
    }

    /// What is wrong with releases.
    ///
    /// # Errors
    ///
    /// As [`history`](Self::history).
    pub async fn advisories(&self) -> Result<Vec<Advisory>, IndexError> {
        Advisory::parse_all(self.name(), &self.find(ADVISORIES_FILE, false).await?.unwrap_or_default())
    }

    /// The key that signs the plugins of a plugin's namespace.
    ///
    /// # Errors
    ///
    /// As [`history`](Self::history).
    pub async fn publisher(&self, id: &PluginName) -> Result<Option<PublicKey>, IndexError> {
        let keys = namespace::parse_all(self.name(), &self.find(NAMESPACES_FILE, true).await?.unwrap_or_default())?;
        Ok(keys.get(namespace::namespace_of(id)).cloned())
    }

    /// A file of a plugin that is kept in the index itself. It is not listed: its digest stands in the history.
    pub(super) async fn package_file(&self, file: &str, limit: usize, report: Report<'_>) -> Result<Option<Vec<u8>>, IndexError> {
        self.index.place.find(&self.index.http, self.name(), file, limit, report).await
    }

    /// A listed file: the remembered copy when it is the listed one, else from the index. `None` when it is not listed. In a file that
    /// `grows`, all lines of the remembered copy have to be there still.
    async fn find(&self, file: &str, grows: bool) -> Result<Option<Vec<u8>>, IndexError> {
        let Some(listed) = self.snapshot.files.get(file) else {
            let was_there = grows && self.index.recall(file)?.is_some();
            return if was_there { Err(self.rewritten(file)) } else { Ok(None) };
        };
        let copy = self.index.recall(file)?;
        if let Some(copy) = &copy
            && listed.is(copy)
        {
            return Ok(Some(copy.clone()));
        }
        let size = usize::try_from(listed.bytes).unwrap_or(usize::MAX);
        if size > FILE_BYTES {
            return Err(IndexError::TooLarge { index: self.name().to_owned(), file: file.to_owned(), limit: FILE_BYTES });
        }
        let tampered = || IndexError::Tampered { index: self.name().to_owned(), file: file.to_owned() };
        let bytes = match self.index.fetch(file, size, &silent).await {
            // Larger than it is listed, which is as good as another one.
            Err(IndexError::TooLarge { .. }) => return Err(tampered()),
            bytes => bytes?,
        };
        if !listed.is(&bytes) {
            return Err(tampered());
        }
        if grows && copy.is_some_and(|copy| !bytes.starts_with(&copy)) {
            return Err(self.rewritten(file));
        }
        let claim = self.index.claim()?;
        self.index.remember(file, &bytes)?;
        drop(claim);
        Ok(Some(bytes))
    }

    fn rewritten(&self, file: &str) -> IndexError {
        IndexError::Rewritten { index: self.name().to_owned(), file: file.to_owned() }
    }
}
