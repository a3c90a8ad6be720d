//! `vault`: what a plugin puts into folders of the operator, and takes out of them.

use std::sync::Arc;

use wasmtime::component::Resource;

use crate::bindings::tidegate::plugin::vault;
use crate::capability::LimitExceeded;
use crate::capability::State;
use crate::config::vault::VaultRight;
use crate::vault::Blob;
use crate::vault::CHUNK_BYTES;
use crate::vault::LISTED;
use crate::vault::Reader;
use crate::vault::Vault;
use crate::vault::VaultError;
use crate::vault::Writer;

/// What a function of the interface gives a guest.
type ToGuest<T> = wasmtime::Result<Result<T, vault::Error>>;

/// A blob that an instance writes, with its vault; none when it is finished.
#[derive(Debug)]
pub struct GuestWriter(Option<Writer>, String);

/// A blob that an instance reads, with its vault.
#[derive(Debug)]
pub struct GuestReader(Reader, String);

impl State {
    /// The vault of this name, when the plugin has `right` on it.
    fn vault(&self, name: &str, right: VaultRight) -> Result<Arc<Vault>, vault::Error> {
        let found = self
            .services
            .vaults
            .find(name)
            .filter(|_| self.guest.grants.allows("vault") && self.guest.grants.now().vaults.allow(name, right));
        found.cloned().ok_or(vault::Error::Denied)
    }

    /// Tells the guest what it can act on, and the operator the rest.
    fn vault_error(&mut self, error: VaultError) -> vault::Error {
        match error {
            VaultError::Name => vault::Error::InvalidName,
            VaultError::NotFound => vault::Error::NotFound,
            VaultError::Exists => vault::Error::Exists,
            VaultError::Full { limit } => vault::Error::Full(limit),
            VaultError::Unusable { .. } => {
                // Once in a call: a guest may try as often as it likes.
                if !std::mem::replace(&mut self.told_unusable, true) {
                    let (id, call) = (&self.guest.id, &self.call.id);
                    tracing::warn!(plugin.id = %id, call.id = %call, %error, "Plugin `{id}` cannot use a vault now: {error}");
                }
                vault::Error::Unavailable
            }
        }
    }

    fn too_many(&self) -> wasmtime::Error {
        LimitExceeded(format!("{} resources at once", self.guest.limits.row_sets)).into()
    }
}

impl vault::Host for State {
    async fn put(&mut self, vault: String, name: String, replace: bool) -> ToGuest<Resource<GuestWriter>> {
        self.enter()?;
        let place = match self.vault(&vault, VaultRight::Write) {
            Ok(place) => place,
            Err(error) => return Ok(Err(error)),
        };
        match place.put(&name, replace).await {
            Ok(writer) => Ok(Ok(self.table.push(GuestWriter(Some(writer), vault)).map_err(|_| self.too_many())?)),
            Err(error) => Ok(Err(self.vault_error(error))),
        }
    }

    async fn get(&mut self, vault: String, name: String) -> ToGuest<Resource<GuestReader>> {
        self.enter()?;
        let place = match self.vault(&vault, VaultRight::Read) {
            Ok(place) => place,
            Err(error) => return Ok(Err(error)),
        };
        match place.get(&name).await {
            Ok(reader) => Ok(Ok(self.table.push(GuestReader(reader, vault)).map_err(|_| self.too_many())?)),
            Err(error) => Ok(Err(self.vault_error(error))),
        }
    }

    async fn list_blobs(&mut self, vault: String, prefix: String, after: Option<String>, limit: u32) -> ToGuest<Vec<vault::Blob>> {
        self.enter()?;
        let vault = match self.vault(&vault, VaultRight::Read) {
            Ok(vault) => vault,
            Err(error) => return Ok(Err(error)),
        };
        // Guest-controlled.
        let limit = usize::try_from(limit).unwrap_or(LISTED).min(LISTED);
        let listed = vault.list(&prefix, after.as_deref(), limit).await;
        Ok(listed.map(|blobs| blobs.into_iter().map(to_guest).collect()).map_err(|error| self.vault_error(error)))
    }

    async fn delete(&mut self, vault: String, name: String) -> ToGuest<bool> {
        self.enter()?;
        let vault = match self.vault(&vault, VaultRight::Write) {
            Ok(vault) => vault,
            Err(error) => return Ok(Err(error)),
        };
        let deleted = vault.delete(&name).await;
        Ok(deleted.map_err(|error| self.vault_error(error)))
    }
}

impl vault::HostWriter for State {
    async fn write(&mut self, handle: Resource<GuestWriter>, bytes: Vec<u8>) -> ToGuest<()> {
        self.enter()?;
        if bytes.len() > CHUNK_BYTES {
            return Err(LimitExceeded(format!("{} MiB to a vault at once", CHUNK_BYTES >> 20)).into());
        }
        // Looked up again: the grant may be gone since it was begun.
        if let Err(error) = self.vault(&self.table.get(&handle)?.1, VaultRight::Write) {
            return Ok(Err(error));
        }
        let Some(writer) = &mut self.table.get_mut(&handle)?.0 else { return Ok(Err(vault::Error::NotFound)) };
        let written = writer.write(&bytes).await;
        Ok(written.map_err(|error| self.vault_error(error)))
    }

    async fn finish(&mut self, handle: Resource<GuestWriter>) -> ToGuest<vault::Blob> {
        self.enter()?;
        if let Err(error) = self.vault(&self.table.get(&handle)?.1, VaultRight::Write) {
            return Ok(Err(error));
        }
        let Some(writer) = self.table.get_mut(&handle)?.0.take() else { return Ok(Err(vault::Error::NotFound)) };
        let finished = writer.finish().await;
        Ok(finished.map(to_guest).map_err(|error| self.vault_error(error)))
    }

    async fn drop(&mut self, handle: Resource<GuestWriter>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl vault::HostReader for State {
    async fn describe(&mut self, handle: Resource<GuestReader>) -> wasmtime::Result<vault::Blob> {
        self.enter()?;
        Ok(to_guest(self.table.get(&handle)?.0.blob.clone()))
    }

    async fn read(&mut self, handle: Resource<GuestReader>, max: u32) -> ToGuest<Vec<u8>> {
        self.enter()?;
        if let Err(error) = self.vault(&self.table.get(&handle)?.1, VaultRight::Read) {
            return Ok(Err(error));
        }
        let max = usize::try_from(max).unwrap_or(CHUNK_BYTES);
        let read = self.table.get_mut(&handle)?.0.read(max).await;
        Ok(read.map_err(|error| self.vault_error(error)))
    }

    async fn drop(&mut self, handle: Resource<GuestReader>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

fn to_guest(blob: Blob) -> vault::Blob {
    vault::Blob { name: blob.name, bytes: blob.bytes, written_ms: blob.written_ms }
}
