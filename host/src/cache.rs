//! Keeps the rows of statements: in memory, on disk, and on a server that replicas share. Each tier is optional.
//!
//! The layer knows keys, row sets and versions. Which statements may be kept, what their key is and which tables they read
//! is for those above; what has been written is for the database layer.
//!
//! A lookup goes like this, and the order matters: the local versions of the tables first, then [`Cache::stamp`] with them, then
//! [`Cache::find`], then, for a miss, [`Cache::flight`] and the statement, then [`Cache::keep`] with the stamp that was taken before
//! the statement was sent. An entry answers only those who have the very stamp that it was read under. So a write that moves
//! the versions before it is acknowledged is never followed by rows from before it, however the two race.
//!
//! ```text
//! memory   moka, weighed in bytes             about a microsecond
//! disk     a file per entry, checksummed      survives a restart
//! shared   Redis or Valkey                    hits and invalidations across replicas
//! ```

pub mod bytes;
mod digest;
pub(crate) mod disk;
mod entry;
mod figures;
mod flight;
mod memory;
mod metadata;
mod pattern;
mod record;
#[cfg(test)]
mod scratch;
mod shared;
#[cfg(test)]
mod tests;
pub mod version_log;
mod worth;
mod writing;

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::config::CacheConfig;
use crate::config::DatabaseName;

pub use digest::Digest;
pub use digest::DigestBuilder;
pub use disk::journal::Begun;
pub use disk::journal::Journal;
pub use disk::journal::Versions;
pub use entry::Entry;
pub use entry::Stamp;
pub use figures::Figures;
pub use figures::TierFigures;
pub use flight::Flight;
pub use flight::Follower;
pub use flight::Landing;
pub use flight::Leader;
pub use metadata::Metadata;
pub use pattern::Pattern;
pub use worth::Worth;
pub use writing::Writing;

use disk::Disk;
use figures::Count;
use flight::Flights;
use memory::Look;
use memory::Memory;
use record::Description;
use shared::Shared;
use worth::Worths;

/// Why there is no cache.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The folder of the tier on disk cannot be used.
    #[error("results cannot be kept in `{}`", path.display())]
    Disk {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The URL of the shared tier is none. The text of the cause would hold the URL, so it is left out.
    #[error("`cache.shared.url` is no URL of a Redis or Valkey server, such as `rediss://:password@cache.example:6379/0`")]
    Shared,
}

/// The tiers that a lookup or an entry uses. One that is not configured is as good as not chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiers {
    /// In this process.
    pub memory: bool,
    /// In files.
    pub disk: bool,
    /// With other replicas. A database for which one lookup uses it has to use it for all, and has to tell every write
    /// ([`Cache::writing`]): what others may have written is known through it alone.
    pub shared: bool,
}

impl Tiers {
    /// Every tier.
    pub const ALL: Self = Self { memory: true, disk: true, shared: true };
}

/// What is to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clear {
    /// Everything.
    All,
    /// What was read from a table, by the name that entries have it under.
    Table {
        /// Its database.
        database: DatabaseName,
        /// Its name.
        table: String,
    },
    /// What was kept for statements whose normalised text fits.
    Pattern(Pattern),
}

impl Clear {
    fn names(&self, database: &DatabaseName, tables: &[String], label: &str) -> bool {
        match self {
            Self::All => true,
            Self::Table { database: of, table } => of == database && tables.contains(table),
            Self::Pattern(pattern) => pattern.matches(label),
        }
    }
}

/// The result cache of a process.
pub struct Cache {
    memory: Option<Memory>,
    disk: Option<Disk>,
    shared: Option<Shared>,
    flights: Flights,
    worths: Worths,
    looked: Count,
    found: Count,
    kept: Count,
    stale: Count,
    rejected: Count,
    clears: AtomicU64,
}

impl Cache {
    /// Opens the tiers that are configured. This reads the folder of the tier on disk; a shared tier is connected at its first use,
    /// and a server that is away is no error.
    ///
    /// # Errors
    ///
    /// The folder cannot be made or is not private; the URL of the server is none.
    pub fn new(config: &CacheConfig) -> Result<Self, CacheError> {
        let disk = match &config.disk {
            Some(disk) => Disk::open(disk).map_err(|source| CacheError::Disk { path: disk.path.clone(), source })?,
            None => None,
        };
        let shared = config.shared.as_ref().map(Shared::new).transpose().map_err(|_| CacheError::Shared)?;
        Ok(Self {
            memory: (config.memory_bytes > 0).then(|| Memory::new(config.memory_bytes)),
            disk,
            shared,
            flights: Flights::default(),
            worths: Worths::default(),
            looked: Count::default(),
            found: Count::default(),
            kept: Count::default(),
            stale: Count::default(),
            rejected: Count::default(),
            clears: AtomicU64::new(0),
        })
    }

    /// The versions of tables that outlive the process, with the tier on disk. Without them its entries fit no stamp after a restart.
    pub fn journal(&self) -> Option<&Arc<Journal>> {
        self.disk.as_ref().map(Disk::journal)
    }

    /// Whether lookups of these tiers ask a server, so that [`stamp`](Self::stamp) and [`Writing::wrote`] are more than a move.
    pub fn is_shared(&self, tiers: Tiers) -> bool {
        tiers.shared && self.shared.is_some()
    }

    /// Adds what replicas know of the tables' versions to a stamp of this process. `local` has to be taken before; what is read under
    /// the stamp is not kept when the cache is cleared meanwhile.
    ///
    /// `None` when that cannot be told in time, or when a write of this process has not reached the server yet: then nothing kept may
    /// answer, and nothing may be kept.
    pub async fn stamp(&self, local: Stamp, database: &DatabaseName, tables: &[String], tiers: Tiers) -> Option<Stamp> {
        let local = Stamp { clears: self.clears.load(Ordering::Acquire), ..local };
        match self.shared.as_ref().filter(|_| tiers.shared) {
            Some(shared) => Some(Stamp { shared: Some(shared.stamp(database, tables).await?), ..local }),
            None => Some(local),
        }
    }

    /// Whether anybody beside this process hears of writes.
    pub fn tells_of_writes(&self) -> bool {
        self.shared.is_some() || self.disk.is_some()
    }

    /// Begins a write to these tables, or to any of the database when none are given. To be called before its statement is sent, and
    /// ended before it is acknowledged.
    pub fn writing(&self, database: &DatabaseName, tables: Option<&[String]>) -> Writing {
        Writing {
            journal: self.journal().map(|journal| (journal.clone(), journal.begin(database.as_str(), tables))),
            saying: self.shared.as_ref().map(|shared| shared.writing(database, tables)),
        }
    }

    /// Looks for the entry of a digest that was read under the stamp `current`: in memory, then on disk, then on the server. What a later
    /// tier has goes into memory. An entry with another stamp is dropped.
    ///
    /// A miss, too, when the lookup uses the shared tier and the stamp has no shared part: what others wrote is not known then.
    pub async fn find(&self, digest: &Digest, current: &Stamp, tiers: Tiers) -> Option<Arc<Entry>> {
        let entry = self.look(digest, current, tiers).await;
        self.looked.add(1);
        self.found.add(u64::from(entry.is_some()));
        entry
    }

    /// How often it was cleared.
    pub fn clears(&self) -> u64 {
        self.clears.load(Ordering::Acquire)
    }

    /// Counts a whole answer that was found, beside the rows of statements.
    pub fn count_answer(&self) {
        self.looked.add(1);
        self.found.add(1);
    }

    async fn look(&self, digest: &Digest, current: &Stamp, tiers: Tiers) -> Option<Arc<Entry>> {
        if self.is_shared(tiers) && current.shared.is_none() {
            return None;
        }
        if let Some(memory) = self.memory.as_ref().filter(|_| tiers.memory)
            && let Some(entry) = self.found(memory.find(digest, current))
        {
            return Some(entry);
        }
        if let Some(disk) = self.disk.as_ref().filter(|_| tiers.disk)
            && let Some(entry) = self.found(disk.find(digest, current).await)
        {
            self.promote(digest, &entry, tiers);
            return Some(entry);
        }
        if let Some(shared) = self.shared.as_ref().filter(|_| tiers.shared)
            && let Some(entry) = self.found(shared.find(digest, current).await)
        {
            self.promote(digest, &entry, tiers);
            return Some(entry);
        }
        None
    }

    /// Keeps an entry: in memory at once, and on disk and the server before it returns, so it is best called off the path of an
    /// answer. The entry's stamp has to be from before its statement was sent.
    ///
    /// Each tier has its own measure of too large: an eighth of its room, and 4 MiB on the server.
    pub async fn keep(&self, digest: Digest, entry: Arc<Entry>, tiers: Tiers) {
        let disk = self.disk.as_ref().filter(|_| tiers.disk);
        let shared = self.shared.as_ref().filter(|_| tiers.shared && entry.stamp.shared.is_some());
        if self.is_shared(tiers) && shared.is_none() {
            return;
        }
        if entry.stamp.clears != self.clears.load(Ordering::Acquire) {
            return;
        }
        let mut fits = self.memory.as_ref().filter(|_| tiers.memory).map(|memory| memory.keep(digest, entry.clone()));
        let on_disk = async {
            match disk {
                Some(disk) => Some(disk.keep(digest, entry.clone()).await),
                None => None,
            }
        };
        let on_server = async {
            match shared {
                Some(shared) => Some(shared.keep(&digest, &entry).await),
                None => None,
            }
        };
        let (on_disk, on_server) = tokio::join!(on_disk, on_server);
        for tier in [on_disk, on_server].into_iter().flatten() {
            fits = Some(fits.unwrap_or_default() || tier);
        }
        match fits {
            Some(true) => self.kept.add(1),
            Some(false) => self.rejected.add(1),
            None => {}
        }
    }

    /// What looking for the rows of statements of this shape has brought.
    pub fn worth(&self, database: &DatabaseName, shape: &str) -> Arc<Worth> {
        self.worths.of(database, shape)
    }

    /// Whether rows are to be looked for and kept, as far as the worth of their statement's shape goes; counts it.
    pub fn wants(&self, worth: &Worth, digest: &Digest) -> bool {
        self.worths.wants(worth, digest)
    }

    /// Whether keeping in these tiers waits for files or a server.
    pub fn has_slow_tiers(&self, tiers: Tiers) -> bool {
        (tiers.disk && self.disk.is_some()) || self.is_shared(tiers)
    }

    /// Whether these tiers have memory of this process.
    pub fn has_memory(&self, tiers: Tiers) -> bool {
        tiers.memory && self.memory.is_some()
    }

    /// As [`keep`](Self::keep) with these tiers, as far as it does not wait: in memory.
    pub fn keep_in_memory(&self, digest: Digest, entry: &Arc<Entry>, tiers: Tiers) {
        let unshared = self.is_shared(tiers) && entry.stamp.shared.is_none();
        if unshared || entry.stamp.clears != self.clears.load(Ordering::Acquire) {
            return;
        }
        if self.memory.is_some() && tiers.memory {
            self.kept.add(1);
            self.promote(&digest, entry, tiers);
        }
    }

    /// Takes part in the one run of a statement for all who ask for it under the same stamp. Who leads runs it and
    /// [lands](Leader::land) after [keeping](Self::keep_in_memory), so that who looked before and comes after leads no second run; who
    /// follows [waits](Follower::landing).
    pub fn flight(&self, digest: &Digest, stamp: &Stamp, tiers: Tiers) -> Flight {
        let memory = self.memory.as_ref().filter(|_| tiers.memory);
        self.flights.join(digest, stamp, || memory.and_then(|memory| memory.peek(digest, stamp)))
    }

    /// Removes what `what` names from every tier, and counts the entries, each once however many tiers had it.
    ///
    /// Other replicas drop theirs as well, by way of the versions of tables on the server: after a pattern they also drop what else was
    /// read from the same tables.
    pub async fn clear(&self, what: &Clear) -> u64 {
        // First, so that a statement that runs now keeps nothing of before.
        self.clears.fetch_add(1, Ordering::AcqRel);
        let mut removed = HashSet::new();
        let mut descriptions = Vec::new();
        if let Some(memory) = &self.memory {
            let entries = memory.clear(what, &mut removed);
            descriptions.extend(entries.iter().map(|entry| Description::of(entry)));
        }
        if let Some(disk) = &self.disk {
            let (with_disk, of_disk) = disk.clear(what.clone(), removed).await;
            removed = with_disk;
            descriptions.extend(of_disk);
        }
        if let Some(shared) = &self.shared {
            shared.clear(what, &mut removed, &descriptions).await;
        }
        removed.len() as u64
    }

    /// What the cache did since the start, and what it holds.
    pub fn figures(&self) -> Figures {
        Figures {
            memory: self.memory.as_ref().map(Memory::figures),
            disk: self.disk.as_ref().and_then(Disk::figures),
            shared: self.shared.as_ref().map(Shared::figures),
            looked: self.looked.get(),
            found: self.found.get(),
            kept: self.kept.get(),
            collapsed: self.flights.collapsed(),
            stale: self.stale.get(),
            rejected: self.rejected.get(),
            passed_over: self.worths.passed_over(),
        }
    }

    fn found(&self, look: Look) -> Option<Arc<Entry>> {
        match look {
            Look::Hit(entry) => Some(entry),
            Look::Stale => {
                self.stale.add(1);
                None
            }
            Look::Miss => None,
        }
    }

    fn promote(&self, digest: &Digest, entry: &Arc<Entry>, tiers: Tiers) {
        if let Some(memory) = self.memory.as_ref().filter(|_| tiers.memory) {
            memory.keep(*digest, entry.clone());
        }
    }
}
