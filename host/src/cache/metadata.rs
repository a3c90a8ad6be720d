//! Typed values in memory that are good for one version of what they describe: the catalog of a database, for example.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use moka::notification::RemovalCause;

use super::figures::Counters;
use super::figures::TierFigures;

/// Values by key. Each is good for the version it was kept with, for a while.
///
/// `W` tells versions apart, as [`Stamp`](super::Stamp) does. As with rows, it has to be taken before the value is read.
pub struct Metadata<K, V, W> {
    values: moka::sync::Cache<K, Arc<Versioned<V, W>>>,
    counters: Arc<Counters>,
}

struct Versioned<V, W> {
    value: Arc<V>,
    version: W,
}

impl<K, V, W> Metadata<K, V, W>
where
    K: Hash + Eq + Send + Sync + Clone + 'static,
    V: Send + Sync + 'static,
    W: PartialEq + Send + Sync + 'static,
{
    /// Room for this many values, each for at most `ttl`.
    pub fn new(max_values: u64, ttl: Duration) -> Self {
        let counters = Arc::new(Counters::default());
        let evictions = counters.clone();
        let values = moka::sync::Cache::builder()
            .max_capacity(max_values)
            .time_to_live(ttl)
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    evictions.evictions.add(1);
                }
            })
            .build();
        Self { values, counters }
    }

    /// The value under `key`, when it was kept with this very version.
    pub fn find(&self, key: &K, version: &W) -> Option<Arc<V>> {
        let found = self.values.get(key).filter(|kept| kept.version == *version);
        let counter = if found.is_some() { &self.counters.hits } else { &self.counters.misses };
        counter.add(1);
        found.map(|kept| kept.value.clone())
    }

    /// Keeps a value that was read after `version` was taken; one under the same key goes.
    pub fn keep(&self, key: K, version: W, value: Arc<V>) {
        self.values.insert(key, Arc::new(Versioned { value, version }));
    }

    /// Forgets every value.
    pub fn clear(&self) {
        self.values.invalidate_all();
    }

    /// What it did and holds. The bytes are not counted.
    pub fn figures(&self) -> TierFigures {
        self.values.run_pending_tasks();
        self.counters.figures(self.values.entry_count(), 0, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_for_its_own_version_and_time_only() {
        let tables = Metadata::new(10, Duration::from_millis(40));
        tables.keep("main", 7, Arc::new(["orders"]));
        assert_eq!(tables.find(&"main", &7).as_deref(), Some(&["orders"]));
        assert!(tables.find(&"main", &8).is_none() && tables.find(&"other", &7).is_none());
        let TierFigures { hits, misses, entries, .. } = tables.figures();
        assert_eq!((hits, misses, entries), (1, 2, 1));
        std::thread::sleep(Duration::from_millis(60));
        assert!(tables.find(&"main", &7).is_none());
        tables.keep("main", 7, Arc::new(["orders"]));
        tables.clear();
        assert!(tables.find(&"main", &7).is_none());
    }

    #[test]
    fn there_are_never_more_values_than_room() {
        let numbers = Metadata::new(5, Duration::from_mins(1));
        (0..100).for_each(|n| numbers.keep(n, 0, Arc::new(n)));
        assert!(numbers.figures().entries <= 5);
        assert!(numbers.figures().evictions >= 95);
    }
}
