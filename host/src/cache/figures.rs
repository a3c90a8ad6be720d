//! What the cache did, counted tier by tier.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// What one tier did since the start, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierFigures {
    /// Lookups that it answered.
    pub hits: u64,
    /// Lookups that it could not answer. Those that an earlier tier answered did not come here.
    pub misses: u64,
    /// Entries that it holds; 0 for the shared tier, which does not count them.
    pub entries: u64,
    /// Bytes that it holds; 0 for the shared tier.
    pub bytes: u64,
    /// Bytes that it holds at most; none where the host does not bound it.
    pub max_bytes: Option<u64>,
    /// Entries that had to go for others.
    pub evictions: u64,
    /// What failed: files that could not be written or were damaged, answers that did not come in time.
    pub errors: u64,
}

/// What the cache did since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The tier in memory; none when it is off.
    pub memory: Option<TierFigures>,
    /// The tier on disk; none when it is off, or was switched off because it could not be used.
    pub disk: Option<TierFigures>,
    /// The tier that replicas share; none when it is off.
    pub shared: Option<TierFigures>,
    /// Lookups, over all tiers.
    pub looked: u64,
    /// Those of them that found rows.
    pub found: u64,
    /// Entries that were kept, in whatever tier.
    pub kept: u64,
    /// Statements that did not run because the same one was running and its rows served them too.
    pub collapsed: u64,
    /// Entries that were found and not used because something was written since.
    pub stale: u64,
    /// Entries that were not kept because they were too large for every tier.
    pub rejected: u64,
    /// Statements whose rows were not looked for, because looking for those of such statements has cost more than it brought.
    pub passed_over: u64,
}

/// The counters of one tier.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) hits: Count,
    pub(super) misses: Count,
    pub(super) evictions: Count,
    pub(super) errors: Count,
}

impl Counters {
    /// The figures of a tier that holds this much.
    pub(super) fn figures(&self, entries: u64, bytes: u64, max_bytes: Option<u64>) -> TierFigures {
        TierFigures {
            hits: self.hits.get(),
            misses: self.misses.get(),
            entries,
            bytes,
            max_bytes,
            evictions: self.evictions.get(),
            errors: self.errors.get(),
        }
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
