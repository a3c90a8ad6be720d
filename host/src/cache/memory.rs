//! The tier in memory: weighed in bytes, each entry with its own time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use moka::Expiry;
use moka::notification::RemovalCause;
use moka::ops::compute::Op;

use super::Clear;
use super::digest::Digest;
use super::digest::DigestHash;
use super::entry::Entry;
use super::entry::Stamp;
use super::figures::Counters;
use super::figures::TierFigures;

/// An entry above this part of the budget is not kept: it would push out what many ask for.
const LARGEST_PART: usize = 8;

/// Entries in this process. Which ones stay when there are too many is decided by how often they are asked for (TinyLFU).
pub(super) struct Memory {
    entries: moka::sync::Cache<Digest, Arc<Entry>, DigestHash>,
    largest_bytes: usize,
    counters: Arc<Counters>,
}

/// What a tier has under a digest.
pub(super) enum Look {
    /// The entry, fit to be used.
    Hit(Arc<Entry>),
    /// One that something was written since; it is dropped.
    Stale,
    /// Nothing.
    Miss,
}

impl Memory {
    pub(super) fn new(max_bytes: usize) -> Self {
        let counters = Arc::new(Counters::default());
        let evictions = counters.clone();
        let entries = moka::sync::Cache::builder()
            .name("results")
            .max_capacity(max_bytes as u64)
            .weigher(|_, entry: &Arc<Entry>| u32::try_from(entry.held_bytes()).unwrap_or(u32::MAX))
            .expire_after(OwnTime)
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    evictions.evictions.add(1);
                }
            })
            .build_with_hasher(DigestHash::default());
        Self { entries, largest_bytes: max_bytes / LARGEST_PART, counters }
    }

    pub(super) fn find(&self, digest: &Digest, current: &Stamp) -> Look {
        let Some(entry) = self.entries.get(digest) else {
            self.counters.misses.add(1);
            return Look::Miss;
        };
        if entry.stamp == *current {
            self.counters.hits.add(1);
            return Look::Hit(entry);
        }
        self.counters.misses.add(1);
        // Only the entry that was looked at: a fresh one may have come in between.
        self.entries.entry_by_ref(digest).and_compute_with(|now| match now {
            Some(now) if Arc::ptr_eq(now.value(), &entry) => Op::Remove,
            _ => Op::Nop,
        });
        Look::Stale
    }

    /// As [`find`](Self::find), for a caller whose look was counted already.
    pub(super) fn peek(&self, digest: &Digest, current: &Stamp) -> Option<Arc<Entry>> {
        self.entries.get(digest).filter(|entry| entry.stamp == *current)
    }

    /// Keeps an entry; false when it is too large.
    pub(super) fn keep(&self, digest: Digest, entry: Arc<Entry>) -> bool {
        let fits = entry.held_bytes() <= self.largest_bytes;
        if fits {
            self.entries.insert(digest, entry);
        }
        fits
    }

    /// Removes what `what` names, and notes the digests and what they were read from.
    pub(super) fn clear(&self, what: &Clear, removed: &mut HashSet<Digest>) -> Vec<Arc<Entry>> {
        let mut entries = Vec::new();
        for (digest, entry) in &self.entries {
            if what.names(&entry.database, &entry.tables, &entry.label) {
                self.entries.invalidate(&*digest);
                removed.insert(*digest);
                entries.push(entry);
            }
        }
        entries
    }

    pub(super) fn figures(&self) -> TierFigures {
        self.entries.run_pending_tasks();
        self.counters.figures(self.entries.entry_count(), self.entries.weighted_size(), self.entries.policy().max_capacity())
    }
}

/// Each entry ends at its own time, which it may have brought along from another tier.
struct OwnTime;

impl Expiry<Digest, Arc<Entry>> for OwnTime {
    fn expire_after_create(&self, _: &Digest, entry: &Arc<Entry>, _: Instant) -> Option<Duration> {
        Some(entry.remaining(SystemTime::now()).unwrap_or_default())
    }

    fn expire_after_update(&self, digest: &Digest, entry: &Arc<Entry>, at: Instant, _: Option<Duration>) -> Option<Duration> {
        self.expire_after_create(digest, entry, at)
    }
}
