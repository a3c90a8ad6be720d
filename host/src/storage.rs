//! Keys and values that plugins keep: one SQLite file in the state folder, opened when the first plugin uses it.
//!
//! It is crash-safe (a write is on disk when it is answered) and may be shared by several hosts on one machine: every change is
//! one immediate transaction, which also holds the quota. No text of a plugin becomes SQL; all of it is bound.

mod file;
mod schema;

use std::path::PathBuf;

use tokio::sync::OnceCell;

use crate::call::Caller;
use file::StoreFile;

/// Bytes of a key.
pub const KEY_BYTES: usize = 512;

/// Bytes of a value.
pub const VALUE_BYTES: usize = 1 << 20;

/// Keys of one list.
pub const LISTED_KEYS: u32 = 1_000;

/// Whose keys are meant.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The plugin.
    pub plugin: &'a str,
    /// The caller; none means the keys that all of them share.
    pub caller: Option<&'a Caller>,
}

/// A value and what tells it from every other of its plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The bytes.
    pub value: Vec<u8>,
    /// Its version.
    pub version: u64,
}

/// What has to be there for a change to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Anything,
    /// No value.
    Absent,
    /// The value of this version.
    Version(u64),
}

impl Expected {
    /// Whether what is there is what was expected.
    fn is(self, found: Option<u64>) -> bool {
        match self {
            Self::Anything => true,
            Self::Absent => found.is_none(),
            Self::Version(version) => found == Some(version),
        }
    }
}

/// A key in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The key.
    pub key: String,
    /// The version of its value.
    pub version: u64,
    /// Bytes of its value.
    pub bytes: u64,
}

/// What to list.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'a> {
    /// What the keys begin with.
    pub prefix: &'a str,
    /// The key after which to begin.
    pub after: Option<&'a str>,
    /// How many at most; never more than [`LISTED_KEYS`].
    pub limit: u32,
}

/// What one plugin holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Keys.
    pub keys: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// What one plugin may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Keys.
    pub keys: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// Why nothing was read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Something else is there than was expected.
    #[error("something else is there than was expected")]
    Conflict {
        /// The version of it; none when there is nothing.
        found: Option<u64>,
    },
    /// The change would go over the quota.
    #[error("the plugin holds {} bytes in {} keys, and this would go over its quota", held.bytes, held.keys)]
    OverQuota {
        /// What is held.
        held: Usage,
    },
    /// There is no folder for it.
    #[error("there is no folder for what plugins keep; set `state_dir` under `[server]`")]
    NoFolder,
    /// The folder or the file in it cannot be used.
    #[error("cannot keep what plugins keep in `{}`: {reason}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file did not answer.
    #[error("the file that holds what plugins keep failed: {0}")]
    Failed(String),
}

/// What plugins keep.
pub struct Storage {
    folder: Option<PathBuf>,
    file: OnceCell<StoreFile>,
}

impl Storage {
    /// What is kept in `folder`; without one, nothing can be. Touches no file yet.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, file: OnceCell::new() }
    }

    async fn file(&self) -> Result<&StoreFile, StorageError> {
        let folder = self.folder.as_deref().ok_or(StorageError::NoFolder)?;
        self.file.get_or_try_init(|| StoreFile::open(folder)).await
    }

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// The file cannot be used.
    pub async fn get(&self, owner: Owner<'_>, key: &str) -> Result<Option<Entry>, StorageError> {
        self.file().await?.get(owner, key).await
    }

    /// Sets the value of a key within `quota`, if what is there is as expected; gives the new version.
    ///
    /// # Errors
    ///
    /// `Conflict`, `OverQuota`, or the file cannot be used; then nothing has changed.
    pub async fn set(&self, owner: Owner<'_>, key: &str, value: &[u8], expected: Expected, quota: Quota) -> Result<u64, StorageError> {
        self.file().await?.set(owner, key, value, expected, quota).await
    }

    /// Removes a key, if what is there is as expected; gives whether there was one.
    ///
    /// # Errors
    ///
    /// `Conflict`, or the file cannot be used; then nothing has changed.
    pub async fn delete(&self, owner: Owner<'_>, key: &str, expected: Expected) -> Result<bool, StorageError> {
        self.file().await?.delete(owner, key, expected).await
    }

    /// Keys in the order of their bytes.
    ///
    /// # Errors
    ///
    /// The file cannot be used.
    pub async fn list(&self, owner: Owner<'_>, selection: Selection<'_>) -> Result<Vec<Listed>, StorageError> {
        self.file().await?.list(owner, selection).await
    }

    /// What a plugin holds for all callers together.
    ///
    /// # Errors
    ///
    /// The file cannot be used.
    pub async fn usage(&self, plugin: &str) -> Result<Usage, StorageError> {
        self.file().await?.usage(plugin).await
    }

    /// Forgets everything of a plugin that was removed. Does not make the file when it is not there.
    ///
    /// # Errors
    ///
    /// The file cannot be used.
    pub async fn forget(&self, plugin: &str) -> Result<(), StorageError> {
        match &self.folder {
            Some(folder) if StoreFile::is_in(folder) => self.file().await?.forget(plugin).await,
            _ => Ok(()),
        }
    }

    /// Waits for what is being written and closes the file.
    pub async fn close(&self) {
        if let Some(file) = self.file.get() {
            file.close().await;
        }
    }
}

impl Default for Storage {
    /// Without a folder.
    fn default() -> Self {
        Self::new(None)
    }
}

#[cfg(test)]
mod tests;
