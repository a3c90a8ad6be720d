//! A blob that is being written: aside, and in its place when it is whole.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::AsyncWriteExt;

use super::ASIDE;
use super::Blob;
use super::Vault;
use super::VaultError;
use super::blob;
use crate::cache::disk::folder;

/// Bytes after which it is looked again how much the vault holds: others write to it too.
const LOOK_AGAIN: u64 = 16 << 20;

/// A blob that is being written. Dropped, it is gone.
#[derive(Debug)]
pub struct Writer {
    vault: Arc<Vault>,
    name: String,
    target: PathBuf,
    replace: bool,
    aside: PathBuf,
    file: tokio::fs::File,
    bytes: u64,
    looked_at: u64,
    finished: bool,
}

impl Writer {
    pub(super) async fn begin(vault: Arc<Vault>, name: &str, target: PathBuf, replace: bool) -> Result<Self, VaultError> {
        vault.check_room(0).await?;
        let random = getrandom::u64().map_err(|error| vault.unusable(io::Error::other(error)))?;
        let aside = vault.path.join(format!("{ASIDE}{random:016x}"));
        let file = folder::private_file(&aside, true).map_err(|error| vault.unusable(error))?;
        let file = tokio::fs::File::from_std(file);
        Ok(Self { vault, name: name.to_owned(), target, replace, aside, file, bytes: 0, looked_at: 0, finished: false })
    }

    /// Writes more.
    ///
    /// # Errors
    ///
    /// `Full`, or the folder cannot be used.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), VaultError> {
        let more = bytes.len() as u64;
        if self.bytes == 0 || self.bytes + more - self.looked_at > LOOK_AGAIN {
            self.vault.check_room(more).await?;
            self.looked_at = self.bytes;
        } else if self.vault.pending.load(Ordering::Relaxed).saturating_add(more) > self.vault.max_bytes {
            return Err(VaultError::Full { limit: self.vault.max_bytes });
        }
        // Counted before it is written: what is cut off in between is counted until this is dropped.
        self.vault.pending.fetch_add(more, Ordering::Relaxed);
        self.bytes += more;
        self.file.write_all(bytes).await.map_err(|error| self.vault.unusable(error))
    }

    /// Puts it in its place.
    ///
    /// # Errors
    ///
    /// `Exists` when something came there meanwhile that was not to be replaced, `Full`, or the folder cannot be used.
    pub async fn finish(mut self) -> Result<Blob, VaultError> {
        self.vault.check_room(0).await?;
        let unusable = |error| self.vault.unusable(error);
        self.file.flush().await.map_err(unusable)?;
        self.file.sync_all().await.map_err(unusable)?;
        if self.replace {
            tokio::fs::rename(&self.aside, &self.target).await.map_err(unusable)?;
            self.finished = true;
        } else {
            // A link fails where a rename would replace.
            match tokio::fs::hard_link(&self.aside, &self.target).await {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(VaultError::Exists),
                Err(error) => return Err(unusable(error)),
            }
        }
        self.vault.blocking(|vault| sync_folder(&vault.path)).await?;
        let facts = tokio::fs::symlink_metadata(&self.target).await.map_err(unusable)?;
        blob(self.name.clone(), &facts).ok_or(VaultError::NotFound)
    }
}

/// Puts the names in a folder on the device.
fn sync_folder(folder: &std::path::Path) -> io::Result<()> {
    // A folder can be opened as a file on Unix only.
    if cfg!(unix) { std::fs::File::open(folder)?.sync_all() } else { Ok(()) }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.vault.pending.fetch_sub(self.bytes, Ordering::Relaxed);
        if !self.finished {
            // What cannot be removed now is removed as left behind.
            let _ = std::fs::remove_file(&self.aside);
        }
    }
}
