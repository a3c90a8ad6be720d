//! Bytes that are worth keeping for a while and can be made again: in the host's memory, for each caller apart, gone at any time.

use std::time::Duration;

#[cfg(target_arch = "wasm32")]
use crate::bindings::shared::tidegate::plugin::cache_bytes as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::cache_bytes as host;

/// The bytes that were put under a key and are still there.
#[must_use]
pub fn get(key: &str) -> Option<Vec<u8>> {
    host::get(key)
}

/// Keeps bytes for at most `ttl` and at most a day. Gives whether they were taken: a key has at most 512 bytes, a value 1 MiB.
pub fn put(key: &str, value: &[u8], ttl: Duration) -> bool {
    host::put(key, value, u32::try_from(ttl.as_millis()).unwrap_or(u32::MAX))
}

/// Forgets a key.
pub fn remove(key: &str) {
    host::remove(key);
}
