//! The side of those who maintain an index: a folder, as in a repository that its community sends changes to.
//!
//! Nothing is changed that would not pass [`verify`](Maintained::verify) afterwards, and every change makes a new signed snapshot.

mod audit;
mod change;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use super::ADVISORIES_FILE;
use super::CONFIG_FILE;
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
use super::package::PublishError;
use super::search;
use super::snapshot::Listed;
use super::snapshot::SNAPSHOT_BYTES;
use super::snapshot::Snapshot;
use super::time::Timestamp;
use crate::config::IndexName;
use crate::config::PluginName;
use crate::plugin::files::SIGNATURE_BYTES;
use crate::plugin::folder::atomic;
use crate::plugin::trust::PublicKey;
use crate::plugin::trust::SignatureError;
use crate::plugin::trust::SigningKey;

pub use audit::Audit;
pub use change::AddOptions;
pub use change::Added;
pub use change::Alarm;

/// How long a snapshot is good unless it is said otherwise: long enough for a community that meets once a month, and short enough that
/// news cannot be kept back for long.
pub const DEFAULT_VALIDITY: Duration = Duration::from_hours(24 * 45);

/// The form of `config.json`.
const SCHEMA: u32 = 1;

/// `config.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    schema: u32,
    name: String,
    key: PublicKey,
}

/// Why an index is not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaintainError {
    /// The index as it is.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Signing the snapshot.
    #[error(transparent)]
    Signing(#[from] SignatureError),
    /// The name of a new index.
    #[error("an index is called by 1 to 40 lower-case letters, digits or hyphens, a letter first; `{0}` is not")]
    Name(String),
    /// There is something.
    #[error("`{}` is not empty; give a new folder", .0.display())]
    NotEmpty(PathBuf),
    /// The key of somebody else.
    #[error("the index belongs to the key {expected}, and {found} was given; sign with the key that made it")]
    OtherKey {
        /// The id of the index's key.
        expected: String,
        /// The id of the key that was given.
        found: String,
    },
    /// The plugin itself.
    #[error(transparent)]
    Package(#[from] PublishError),
    /// A version that is there.
    #[error("version {version} of `{id}` is in the index already; raise `plugin.version`")]
    Exists {
        /// The plugin.
        id: PluginName,
        /// The version.
        version: semver::Version,
    },
    /// A version below another.
    #[error(
        "version {version} of `{id}` is below {newest}, which is out; versions rise, or say `--allow-older` for a fix of an older line"
    )]
    Older {
        /// The plugin.
        id: PluginName,
        /// The version.
        version: semver::Version,
        /// The highest one.
        newest: semver::Version,
    },
    /// The key of somebody else signed it.
    #[error(
        "plugins of `{namespace}` are signed by the key {expected}, and this one is by {found}; if its publisher really has a new key, say `--new-publisher`"
    )]
    OtherPublisher {
        /// The namespace.
        namespace: String,
        /// The id of the key that is known.
        expected: String,
        /// The id of the key that signed.
        found: String,
    },
    /// A name that people take for another.
    #[error("people would take `{id}` for `{other}`, which is somebody else's; if both are honest, say `--allow-similar`")]
    Similar {
        /// The new plugin.
        id: PluginName,
        /// The one that is there.
        other: PluginName,
    },
    /// A place that nobody can fetch from, or that can change.
    #[error("`{location}`: {reason}")]
    Location {
        /// As it was given.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing to take back.
    #[error("version {version} of `{id}` is not in the index, or was taken back before")]
    NotThere {
        /// The plugin.
        id: PluginName,
        /// The version.
        version: semver::Version,
    },
    /// A text that shows less than it says, or nothing.
    #[error("{0} is empty, too long, or has invisible or control characters")]
    Text(&'static str),
}

/// An index in a folder, read and checked.
#[derive(Debug)]
pub struct Maintained {
    folder: PathBuf,
    config: ConfigFile,
    sequence: u64,
    /// The text of every listed file, by path.
    files: BTreeMap<String, Vec<u8>>,
    histories: BTreeMap<PluginName, History>,
    advisories: Vec<Advisory>,
    /// Files of plugins that are to be written.
    packages: BTreeMap<String, Vec<u8>>,
}

/// What is read leniently: whoever renews a snapshot may have edited this file by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// Everything is as it was signed.
    Nothing,
    /// `advisories.jsonl` may have changed; it has to make sense.
    Advisories,
}

impl Maintained {
    /// Makes an index in a new folder.
    ///
    /// # Errors
    ///
    /// A name that is none, a folder that has something in it, or what cannot be written.
    pub fn create(folder: &Path, name: &str, key: &SigningKey, now: Timestamp, validity: Duration) -> Result<(), MaintainError> {
        if IndexName::parse(name).is_none() {
            return Err(MaintainError::Name(crate::plugin::fetch::address::printable(name)));
        }
        fs::create_dir_all(folder).map_err(IndexError::io(folder))?;
        if fs::read_dir(folder).map_err(IndexError::io(folder))?.next().is_some() {
            return Err(MaintainError::NotEmpty(folder.to_owned()));
        }
        let config = ConfigFile { schema: SCHEMA, name: name.to_owned(), key: key.public().clone() };
        let mut text = serde_json::to_vec_pretty(&config).expect("texts are JSON");
        text.push(b'\n');
        let files = [(CONFIG_FILE, text), (SEARCH_FILE, Vec::new()), (ADVISORIES_FILE, Vec::new()), (NAMESPACES_FILE, Vec::new())];
        let index = Self {
            folder: folder.to_owned(),
            config,
            sequence: 0,
            files: files.into_iter().map(|(file, text)| (file.to_owned(), text)).collect(),
            histories: BTreeMap::new(),
            advisories: Vec::new(),
            packages: BTreeMap::new(),
        };
        index.write(key, now, validity)?;
        Ok(())
    }

    /// Reads an index and checks that it is as its snapshot says.
    ///
    /// # Errors
    ///
    /// The first file that is not. A snapshot past its end is no error here: renewing it is what one may be about.
    pub fn open(folder: &Path, edited: Edited) -> Result<Self, MaintainError> {
        let config = Self::read_config(folder)?;
        let name = config.name.clone();
        let text = read(folder, &name, SNAPSHOT_FILE, SNAPSHOT_BYTES)?;
        let signature = read(folder, &name, SNAPSHOT_SIGNATURE_FILE, SIGNATURE_BYTES)?;
        let snapshot = Snapshot::read(&name, &config.key, &text, &signature)?;
        let mut files = BTreeMap::new();
        let mut histories = BTreeMap::new();
        for (file, listed) in &snapshot.files {
            let text = read(folder, &name, file, FILE_BYTES)?;
            let may_differ = edited == Edited::Advisories && file == ADVISORIES_FILE;
            if !may_differ && !listed.is(&text) {
                return Err(IndexError::Tampered { index: name, file: file.clone() }.into());
            }
            if let Some(id) = line::find_plugin(file) {
                let history = History::parse(&name, &id, &text)?;
                histories.insert(id, history);
            }
            files.insert(file.clone(), text);
        }
        for file in [CONFIG_FILE, SEARCH_FILE, ADVISORIES_FILE, NAMESPACES_FILE] {
            if !files.contains_key(file) {
                return Err(IndexError::damaged(&name, SNAPSHOT_FILE, None, format!("it does not list `{file}`")).into());
            }
        }
        namespace::parse_all(&name, &files[NAMESPACES_FILE])?;
        let advisories = Advisory::parse_all(&name, &files[ADVISORIES_FILE])?;
        Ok(Self { folder: folder.to_owned(), config, sequence: snapshot.sequence, files, histories, advisories, packages: BTreeMap::new() })
    }

    fn read_config(folder: &Path) -> Result<ConfigFile, MaintainError> {
        let name = folder.display().to_string();
        let text = read(folder, &name, CONFIG_FILE, FILE_BYTES)?;
        let damaged = |reason: String| IndexError::damaged(&name, CONFIG_FILE, None, reason);
        let config: ConfigFile = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if config.schema != SCHEMA {
            return Err(damaged(format!("`schema` is {}, and this program reads {SCHEMA}", config.schema)).into());
        }
        if IndexName::parse(&config.name).is_none() {
            return Err(damaged("`name` is none".into()).into());
        }
        Ok(config)
    }

    /// What the index calls itself.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The key that it belongs to.
    pub fn key(&self) -> &PublicKey {
        &self.config.key
    }

    /// Writes the files and a new signed snapshot, which comes last. The number of the state.
    ///
    /// # Errors
    ///
    /// A key that is not the index's, and what cannot be written.
    pub fn write(mut self, key: &SigningKey, now: Timestamp, validity: Duration) -> Result<u64, MaintainError> {
        if key.public() != &self.config.key {
            return Err(MaintainError::OtherKey { expected: self.config.key.id(), found: key.public().id() });
        }
        let newest = self.histories.values().filter_map(History::newest);
        self.files.insert(SEARCH_FILE.to_owned(), search::write_all(newest));
        let listed = self.files.iter().map(|(file, text)| (file.clone(), Listed::of(text))).collect();
        let snapshot = Snapshot::new(&self.config.name, self.sequence + 1, now, now.after(validity), listed);
        let (text, signature) = snapshot.write(key)?;
        for (file, text) in self.packages.iter().chain(&self.files) {
            self.put(file, text)?;
        }
        self.put(SNAPSHOT_SIGNATURE_FILE, signature.as_bytes())?;
        self.put(SNAPSHOT_FILE, &text)?;
        Ok(snapshot.sequence)
    }

    fn put(&self, file: &str, text: &[u8]) -> Result<(), IndexError> {
        let path = self.folder.join(file);
        // What has not changed stays untouched, with its time, for those who copy it to a server.
        if fs::read(&path).is_ok_and(|there| there == text) {
            return Ok(());
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(IndexError::io(folder))?;
        }
        atomic::write(&path, text).map_err(IndexError::io(&path))?;
        publish(&path).map_err(IndexError::io(&path))
    }
}

/// Lets everybody read a file: an index is for others, and a server may run as somebody else.
#[cfg(unix)]
fn publish(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

/// Permissions come from the folder.
#[cfg(not(unix))]
fn publish(_: &Path) -> io::Result<()> {
    Ok(())
}

/// A file of an index in a folder.
fn read(folder: &Path, index: &str, file: &str, limit: usize) -> Result<Vec<u8>, IndexError> {
    let path = folder.join(file);
    let opened = match fs::File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(IndexError::Missing { index: index.to_owned(), file: file.to_owned() });
        }
        opened => opened.map_err(IndexError::io(&path))?,
    };
    let mut bytes = Vec::new();
    opened.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(IndexError::io(&path))?;
    if bytes.len() > limit { Err(IndexError::TooLarge { index: index.to_owned(), file: file.to_owned(), limit }) } else { Ok(bytes) }
}
