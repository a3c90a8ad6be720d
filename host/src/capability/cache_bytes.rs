//! `cache-bytes`: bytes that a plugin keeps for a while.

use std::time::Duration;

use crate::bindings::tidegate::plugin::cache_bytes;
use crate::capability::State;

impl cache_bytes::Host for State {
    async fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.enter()?;
        if !self.guest.grants.allows("cache-bytes") {
            return Ok(None);
        }
        Ok(self.services.bytes.get(&self.guest.id, &self.call.caller, &key).map(|value| value.to_vec()))
    }

    async fn put(&mut self, key: String, value: Vec<u8>, ttl_ms: u32) -> wasmtime::Result<bool> {
        self.enter()?;
        if !self.guest.grants.allows("cache-bytes") {
            return Ok(false);
        }
        // Guest-controlled, all three; the store looks at them.
        Ok(self.services.bytes.put(&self.guest.id, &self.call.caller, &key, value, Duration::from_millis(ttl_ms.into())))
    }

    async fn remove(&mut self, key: String) -> wasmtime::Result<()> {
        self.enter()?;
        if !self.guest.grants.allows("cache-bytes") {
            return Ok(());
        }
        self.services.bytes.remove(&self.guest.id, &self.call.caller, &key);
        Ok(())
    }
}
