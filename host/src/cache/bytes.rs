//! Bytes that plugins keep for a while: in memory, the least used ones go first.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use moka::sync::Cache;

use crate::call::Caller;

/// Bytes of all plugins together, keys included.
const ALL_BYTES: u64 = 16 << 20;

/// Bytes of a key.
const KEY_BYTES: usize = 512;

/// Bytes of a value.
const VALUE_BYTES: usize = 1 << 20;

/// The longest that something is kept.
const LONGEST: Duration = Duration::from_hours(24);

/// Whose and which.
type Key = (Arc<str>, Caller, Arc<str>);

/// A value with its end.
#[derive(Clone)]
struct Kept {
    value: Arc<[u8]>,
    until: Instant,
}

/// What plugins keep.
pub struct PluginBytes(Cache<Key, Kept>);

impl Default for PluginBytes {
    fn default() -> Self {
        let weigh = |(plugin, caller, key): &Key, kept: &Kept| {
            u32::try_from(plugin.len() + caller.as_str().len() + key.len() + kept.value.len() + 128).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(ALL_BYTES).weigher(weigh).time_to_live(LONGEST).build())
    }
}

impl PluginBytes {
    /// What a plugin keeps under a key for a caller.
    pub fn get(&self, plugin: &str, caller: &Caller, key: &str) -> Option<Arc<[u8]>> {
        let kept = self.0.get(&(plugin.into(), caller.clone(), key.into()))?;
        (kept.until > Instant::now()).then_some(kept.value)
    }

    /// Keeps bytes for `ttl`, at most a day; whether they were taken.
    pub fn put(&self, plugin: &str, caller: &Caller, key: &str, value: Vec<u8>, ttl: Duration) -> bool {
        if key.len() > KEY_BYTES || value.len() > VALUE_BYTES || ttl.is_zero() {
            return false;
        }
        let kept = Kept { value: value.into(), until: Instant::now() + ttl.min(LONGEST) };
        self.0.insert((plugin.into(), caller.clone(), key.into()), kept);
        true
    }

    /// Forgets a key.
    pub fn remove(&self, plugin: &str, caller: &Caller, key: &str) {
        self.0.invalidate(&(plugin.into(), caller.clone(), key.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn bytes_are_a_plugins_and_a_callers_own() {
        let bytes = PluginBytes::default();
        let (ann, bob) = (Caller::named("ann"), Caller::named("bob"));
        assert!(bytes.put("a", &ann, "k", b"v".to_vec(), LONG));
        assert_eq!(bytes.get("a", &ann, "k").as_deref(), Some(b"v".as_slice()));
        assert!(bytes.get("a", &bob, "k").is_none() && bytes.get("b", &ann, "k").is_none());
        bytes.remove("a", &bob, "k");
        assert!(bytes.get("a", &ann, "k").is_some());
        bytes.remove("a", &ann, "k");
        assert!(bytes.get("a", &ann, "k").is_none());
    }

    #[test]
    fn what_is_too_large_is_not_taken_and_a_flood_has_an_end() {
        let bytes = PluginBytes::default();
        let ann = Caller::named("ann");
        assert!(!bytes.put("a", &ann, &"k".repeat(513), Vec::new(), LONG));
        assert!(!bytes.put("a", &ann, "k", vec![0; VALUE_BYTES + 1], LONG));
        assert!(!bytes.put("a", &ann, "k", Vec::new(), Duration::ZERO));
        for number in 0..100 {
            bytes.put("a", &ann, &number.to_string(), vec![0; VALUE_BYTES], LONG);
        }
        bytes.0.run_pending_tasks();
        assert!(bytes.0.weighted_size() <= ALL_BYTES, "{}", bytes.0.weighted_size());
    }
}
