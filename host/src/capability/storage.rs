//! `storage`: what a plugin keeps, within its quota and in its own part of the file.

use crate::bindings::tidegate::plugin::storage;
use crate::capability::State;
use crate::storage::Expected;
use crate::storage::KEY_BYTES;
use crate::storage::LISTED_KEYS;
use crate::storage::Listed;
use crate::storage::Owner;
use crate::storage::Quota;
use crate::storage::Selection;
use crate::storage::StorageError;
use crate::storage::Usage;
use crate::storage::VALUE_BYTES;

/// What a function of the interface gives a guest.
type ToGuest<T> = wasmtime::Result<Result<T, storage::Error>>;

impl State {
    /// What the plugin may hold, when it may use this scope.
    fn quota(&self, scope: storage::Scope) -> Result<Quota, storage::Error> {
        self.stored(scope == storage::Scope::Shared).ok_or(storage::Error::Denied)
    }

    fn stored(&self, shared: bool) -> Option<Quota> {
        let grants = &self.guest.grants;
        grants.allows("storage").then(|| grants.now().storage.quota(shared)).flatten()
    }

    fn owner(&self, scope: storage::Scope) -> Owner<'_> {
        let caller = match scope {
            storage::Scope::Caller => Some(&self.call.caller),
            storage::Scope::Shared => None,
        };
        Owner { plugin: &self.guest.id, caller }
    }

    /// Tells the guest what it can act on, and the operator the rest.
    fn storage_error(&mut self, error: StorageError) -> storage::Error {
        match error {
            StorageError::Conflict { found } => storage::Error::Conflict(found),
            StorageError::OverQuota { held } => {
                let quota = self.stored(false).unwrap_or(Quota { keys: 0, bytes: 0 });
                storage::Error::OverQuota(usage(held, quota))
            }
            StorageError::NoFolder | StorageError::Unusable { .. } | StorageError::Failed(_) => {
                // Once in a call: a guest may try as often as it likes.
                if !std::mem::replace(&mut self.told_unusable, true) {
                    let (id, call) = (&self.guest.id, &self.call.id);
                    tracing::warn!(plugin.id = %id, call.id = %call, %error, "Plugin `{id}` can keep nothing now: {error}");
                }
                storage::Error::Unavailable
            }
        }
    }
}

impl storage::Host for State {
    async fn get(&mut self, scope: storage::Scope, key: String) -> ToGuest<Option<storage::Entry>> {
        self.enter()?;
        if let Err(error) = self.quota(scope).and_then(|_| checked(&key)) {
            return Ok(Err(error));
        }
        let found = self.services.storage.get(self.owner(scope), &key).await;
        let found = found.map(|entry| entry.map(|entry| storage::Entry { value: entry.value, version: entry.version }));
        Ok(found.map_err(|error| self.storage_error(error)))
    }

    async fn set(&mut self, scope: storage::Scope, key: String, value: Vec<u8>, expected: storage::Expected) -> ToGuest<u64> {
        self.enter()?;
        let quota = match self.quota(scope).and_then(|quota| checked(&key).map(|()| quota)) {
            Ok(quota) => quota,
            Err(error) => return Ok(Err(error)),
        };
        if value.len() > VALUE_BYTES {
            return Ok(Err(storage::Error::TooLarge(VALUE_BYTES as u64)));
        }
        let set = self.services.storage.set(self.owner(scope), &key, &value, from_guest(expected), quota).await;
        Ok(set.map_err(|error| self.storage_error(error)))
    }

    async fn delete(&mut self, scope: storage::Scope, key: String, expected: storage::Expected) -> ToGuest<bool> {
        self.enter()?;
        if let Err(error) = self.quota(scope).and_then(|_| checked(&key)) {
            return Ok(Err(error));
        }
        let deleted = self.services.storage.delete(self.owner(scope), &key, from_guest(expected)).await;
        Ok(deleted.map_err(|error| self.storage_error(error)))
    }

    async fn list_keys(
        &mut self,
        scope: storage::Scope,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> ToGuest<Vec<storage::Listed>> {
        self.enter()?;
        if let Err(error) = self.quota(scope) {
            return Ok(Err(error));
        }
        if prefix.len() > KEY_BYTES || after.as_ref().is_some_and(|after| after.len() > KEY_BYTES) {
            return Ok(Err(storage::Error::InvalidKey));
        }
        // Guest-controlled.
        let selection = Selection { prefix: &prefix, after: after.as_deref(), limit: limit.min(LISTED_KEYS) };
        let listed = self.services.storage.list(self.owner(scope), selection).await;
        let to_guest = |listed: Listed| storage::Listed {
            key: listed.key,
            version: listed.version,
            bytes: u32::try_from(listed.bytes).unwrap_or(u32::MAX),
        };
        Ok(listed.map(|listed| listed.into_iter().map(to_guest).collect()).map_err(|error| self.storage_error(error)))
    }

    async fn read_usage(&mut self) -> ToGuest<storage::Usage> {
        self.enter()?;
        let quota = match self.quota(storage::Scope::Caller) {
            Ok(quota) => quota,
            Err(error) => return Ok(Err(error)),
        };
        let held = self.services.storage.usage(&self.guest.id).await;
        Ok(held.map(|held| usage(held, quota)).map_err(|error| self.storage_error(error)))
    }
}

/// Refuses a guest-controlled key that is empty, too long, or could forge lines where keys are shown.
fn checked(key: &str) -> Result<(), storage::Error> {
    let good = (1..=KEY_BYTES).contains(&key.len()) && !key.chars().any(char::is_control);
    if good { Ok(()) } else { Err(storage::Error::InvalidKey) }
}

fn from_guest(expected: storage::Expected) -> Expected {
    match expected {
        storage::Expected::Anything => Expected::Anything,
        storage::Expected::Absent => Expected::Absent,
        storage::Expected::Version(version) => Expected::Version(version),
    }
}

fn usage(held: Usage, quota: Quota) -> storage::Usage {
    storage::Usage { keys: held.keys, bytes: held.bytes, max_keys: quota.keys, max_bytes: quota.bytes }
}
