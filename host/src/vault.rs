//! Folders of the operator in which plugins keep what is large, each blob a file of its own.
//!
//! A blob is written aside and renamed when it is whole and on the device, so that nobody ever finds half of one, whatever ends the
//! process. Names are of a kind that is no path.

mod write;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use tokio::io::AsyncReadExt;

use crate::cache::disk::folder;
use crate::config::vault::VaultConfig;

pub use write::Writer;

/// Bytes that are read or written at once.
pub const CHUNK_BYTES: usize = 1 << 20;

/// Blobs of one list.
pub const LISTED: usize = 1_000;

/// What the name of a file begins with while it is written; no blob can be called so.
const ASIDE: &str = ".aside-";

/// How old a file that was left half written has to be to be removed: no writer takes so long.
const LEFT_BEHIND: Duration = Duration::from_hours(24);

/// Bytes of a blob's name.
const NAME_BYTES: usize = 128;

/// Why nothing was read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The name cannot be one.
    #[error("a name has 1 to {NAME_BYTES} lower-case letters, digits, `.`, `_` or `-`, a letter or digit first")]
    Name,
    /// Nothing is there.
    #[error("nothing is there under this name")]
    NotFound,
    /// Something is there.
    #[error("something is there under this name already")]
    Exists,
    /// It would hold too much.
    #[error("the vault holds at most {limit} bytes; raise `max`")]
    Full {
        /// The limit.
        limit: u64,
    },
    /// The folder cannot be used.
    #[error("`{}` cannot be used: {error}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Something in a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its name.
    pub name: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// When it was written, in milliseconds since 1970.
    pub written_ms: u64,
}

/// One folder.
#[derive(Debug)]
pub struct Vault {
    path: PathBuf,
    max_bytes: u64,
    /// Bytes that are being written and that no file with a name has yet.
    pending: AtomicU64,
}

/// Every configured folder, by name.
#[derive(Clone, Debug, Default)]
pub struct Vaults(Arc<BTreeMap<String, Arc<Vault>>>);

impl Vaults {
    /// The configured folders. Touches none yet.
    pub fn new(configured: &BTreeMap<String, VaultConfig>) -> Self {
        let vault = |config: &VaultConfig| Vault { path: config.path.clone(), max_bytes: config.max_bytes, pending: AtomicU64::new(0) };
        Self(Arc::new(configured.iter().map(|(name, config)| (name.clone(), Arc::new(vault(config)))).collect()))
    }

    /// The folder of this name.
    pub fn find(&self, name: &str) -> Option<&Arc<Vault>> {
        self.0.get(name)
    }
}

/// A blob that is being read.
#[derive(Debug)]
pub struct Reader {
    /// What it is.
    pub blob: Blob,
    path: PathBuf,
    file: tokio::fs::File,
}

impl Reader {
    /// The bytes that follow, at most `max` and at most [`CHUNK_BYTES`]; none at the end.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub async fn read(&mut self, max: usize) -> Result<Vec<u8>, VaultError> {
        let mut bytes = Vec::new();
        let limit = max.min(CHUNK_BYTES) as u64;
        let read = (&mut self.file).take(limit).read_to_end(&mut bytes).await;
        read.map_err(|error| VaultError::Unusable { path: self.path.clone(), error })?;
        Ok(bytes)
    }
}

impl Vault {
    fn unusable(&self, error: io::Error) -> VaultError {
        VaultError::Unusable { path: self.path.clone(), error }
    }

    /// Begins to write something; `replace` says that what is there may go when this is finished.
    ///
    /// # Errors
    ///
    /// `Name`, `Exists`, `Full`, or the folder cannot be used.
    pub async fn put(self: &Arc<Self>, name: &str, replace: bool) -> Result<Writer, VaultError> {
        let target = self.path.join(checked(name)?);
        self.blocking(|vault| {
            folder::create_private(&vault.path)?;
            vault.remove_what_was_left()
        })
        .await?;
        if !replace && tokio::fs::symlink_metadata(&target).await.is_ok() {
            return Err(VaultError::Exists);
        }
        Writer::begin(self.clone(), name, target, replace).await
    }

    /// Begins to read something.
    ///
    /// # Errors
    ///
    /// `Name`, `NotFound`, or the folder cannot be used.
    pub async fn get(&self, name: &str) -> Result<Reader, VaultError> {
        let path = self.path.join(checked(name)?);
        let facts = tokio::fs::symlink_metadata(&path).await.map_err(|error| self.missing(error))?;
        // A link leads somewhere else, and nothing that was put here is one.
        let blob = blob(name.to_owned(), &facts).ok_or(VaultError::NotFound)?;
        let file = tokio::fs::File::open(&path).await.map_err(|error| self.missing(error))?;
        Ok(Reader { blob, path, file })
    }

    /// What has a name that begins with `prefix` and comes after `after`, by name.
    ///
    /// # Errors
    ///
    /// The folder cannot be used.
    pub async fn list(self: &Arc<Self>, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Blob>, VaultError> {
        let mut blobs = self.blocking(Self::blobs).await?;
        blobs.retain(|blob| blob.name.starts_with(prefix) && after.is_none_or(|after| blob.name.as_str() > after));
        blobs.sort_by(|one, other| one.name.cmp(&other.name));
        blobs.truncate(limit.min(LISTED));
        Ok(blobs)
    }

    /// Removes something; gives whether there was one.
    ///
    /// # Errors
    ///
    /// `Name`, or the folder cannot be used.
    pub async fn delete(&self, name: &str) -> Result<bool, VaultError> {
        match tokio::fs::remove_file(self.path.join(checked(name)?)).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.unusable(error)),
        }
    }

    fn missing(&self, error: io::Error) -> VaultError {
        if error.kind() == io::ErrorKind::NotFound { VaultError::NotFound } else { self.unusable(error) }
    }

    /// Runs what works on the folder where it may block.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> Result<T, VaultError> {
        let vault = self.clone();
        let worked = tokio::task::spawn_blocking(move || work(&vault)).await;
        worked.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(|error| self.unusable(error))
    }

    /// Everything in the folder.
    fn blobs(&self) -> io::Result<Vec<Blob>> {
        let entries = match std::fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut blobs = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().filter(|name| checked(name).is_ok()).map(str::to_owned) else { continue };
            // One that went in between is not there.
            blobs.extend(entry.metadata().ok().and_then(|facts| blob(name, &facts)));
        }
        Ok(blobs)
    }

    /// Whether `more` bytes have their place beside what is there and what is being written.
    async fn check_room(self: &Arc<Self>, more: u64) -> Result<(), VaultError> {
        let held: u64 = self.blocking(Self::blobs).await?.iter().map(|blob| blob.bytes).sum();
        let fits = held.saturating_add(self.pending.load(Ordering::Relaxed)).saturating_add(more) <= self.max_bytes;
        if fits { Ok(()) } else { Err(VaultError::Full { limit: self.max_bytes }) }
    }

    /// Removes files that a process left half written when it ended.
    fn remove_what_was_left(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            let aside = entry.file_name().to_str().is_some_and(|name| name.starts_with(ASIDE));
            let old = |facts: std::fs::Metadata| facts.modified().ok()?.elapsed().ok();
            if aside && entry.metadata().ok().and_then(old).is_some_and(|age| age > LEFT_BEHIND) {
                // Another host may have been faster.
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

/// A name that is no path, whatever the system takes for one.
fn checked(name: &str) -> Result<&Path, VaultError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    let good = (1..=NAME_BYTES).contains(&name.len())
        && name.bytes().all(allowed)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !name.ends_with('.');
    if good { Ok(Path::new(name)) } else { Err(VaultError::Name) }
}

/// A file as a blob; none when it is a link or a folder.
fn blob(name: String, facts: &std::fs::Metadata) -> Option<Blob> {
    let written = facts.modified().unwrap_or(SystemTime::UNIX_EPOCH).duration_since(UNIX_EPOCH).unwrap_or_default();
    facts.is_file().then(|| Blob { name, bytes: facts.len(), written_ms: u64::try_from(written.as_millis()).unwrap_or(u64::MAX) })
}

#[cfg(test)]
mod tests;
