//! `secret` and `secret-reveal`: what the operator keeps for a plugin. It enters the guest through `reveal` and nowhere else.

use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha2::Sha256;
use wasmtime::component::Resource;

use crate::bindings::tidegate::plugin::secret;
use crate::bindings::tidegate::plugin::secret_reveal;
use crate::capability::LimitExceeded;
use crate::capability::State;
use crate::config::Secret;

/// Bytes that are signed at once.
const MESSAGE_BYTES: usize = 1 << 20;

/// A secret as one instance holds it: a name, looked up at each use.
#[derive(Debug)]
pub struct GuestSecret {
    name: String,
}

impl State {
    /// The secret behind a guest's handle. It may have been taken away since: then it is empty.
    fn secret(&self, handle: &Resource<GuestSecret>) -> wasmtime::Result<Secret> {
        let GuestSecret { name } = self.table.get(handle)?;
        let found = self.guest.secrets.get(name).filter(|_| self.guest.grants.allows("secret"));
        Ok(found.cloned().unwrap_or_else(|| Secret::new("")))
    }
}

impl secret::Host for State {
    async fn find(&mut self, name: String) -> wasmtime::Result<Option<Resource<GuestSecret>>> {
        self.enter()?;
        if !self.guest.grants.allows("secret") || !self.guest.secrets.contains_key(&name) {
            return Ok(None);
        }
        let held = self.table.push(GuestSecret { name });
        held.map(Some).map_err(|_| LimitExceeded(format!("{} resources at once", self.guest.limits.row_sets)).into())
    }
}

impl secret::HostSecret for State {
    async fn name(&mut self, handle: Resource<GuestSecret>) -> wasmtime::Result<String> {
        self.enter()?;
        Ok(self.table.get(&handle)?.name.clone())
    }

    async fn sign(&mut self, handle: Resource<GuestSecret>, message: Vec<u8>) -> wasmtime::Result<Vec<u8>> {
        self.enter()?;
        if message.len() > MESSAGE_BYTES {
            return Err(LimitExceeded(format!("{} MiB to sign at once", MESSAGE_BYTES >> 20)).into());
        }
        let secret = self.secret(&handle)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).expect("a MAC takes a key of any length");
        mac.update(&message);
        Ok(mac.finalize().into_bytes().to_vec())
    }

    async fn drop(&mut self, handle: Resource<GuestSecret>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl secret_reveal::Host for State {
    async fn reveal(&mut self, handle: Resource<GuestSecret>) -> wasmtime::Result<String> {
        self.enter()?;
        let secret = self.secret(&handle)?;
        Ok(if self.guest.grants.allows("secret-reveal") { secret.reveal().to_owned() } else { String::new() })
    }
}
