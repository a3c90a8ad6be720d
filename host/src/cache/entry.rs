//! What is kept: rows, what they were read from, and until when they may be used.

use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use crate::config::DatabaseName;
use crate::database::rows::Column;
use crate::database::rows::RowSet;

/// How far in the future an entry may say it was kept: replicas whose clocks differ by more do not share entries.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(1);

/// Bytes that an entry costs beside what can be counted: allocations, reference counts, its place in the map.
const OVERHEAD_BYTES: usize = 320;

/// What an entry was read from: the versions of its tables before its statement was sent. Compared for equality, never for
/// order; an entry answers only those whose stamp is the same.
///
/// The local part comes from the counters of this process. The shared part stands for the versions that replicas keep
/// together; [`Cache::stamp`](super::Cache::stamp) adds it, where the shared tier is in use and answers.
#[derive(Clone, Debug)]
pub struct Stamp {
    pub(super) local: Arc<[u8]>,
    pub(super) shared: Option<[u8; 32]>,
    /// How often the cache had been cleared when the stamp was taken. What was read before a clear is not kept after it. It says nothing
    /// about what was read, so it is no part of the comparison.
    pub(super) clears: u64,
}

impl PartialEq for Stamp {
    fn eq(&self, other: &Self) -> bool {
        self.local == other.local && self.shared == other.shared
    }
}

impl Eq for Stamp {}

impl Hash for Stamp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.local.hash(state);
        self.shared.hash(state);
    }
}

impl Stamp {
    /// The stamp of these versions, already encoded, without a shared part.
    pub fn local(versions: impl Into<Arc<[u8]>>) -> Self {
        Self { local: versions.into(), shared: None, clears: 0 }
    }
}

/// Rows that are kept, with all that decides whom they may answer.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The rows.
    pub rows: RowSet,
    /// The versions of the tables before the rows were read.
    pub stamp: Stamp,
    /// The tables that the rows were read from, as the database layer names them.
    pub tables: Arc<[String]>,
    /// The database that they were read from.
    pub database: DatabaseName,
    /// The normalised statement, for [`Clear::Pattern`](super::Clear::Pattern).
    pub label: Arc<str>,
    /// When the rows were kept.
    pub kept: SystemTime,
    /// How long after that they may be used.
    pub ttl: Duration,
}

impl Entry {
    /// How long the entry may still be used; `None` when that is over, or when its time cannot be told because a clock was set
    /// back.
    pub fn remaining(&self, now: SystemTime) -> Option<Duration> {
        let remaining = match now.duration_since(self.kept) {
            Ok(age) => self.ttl.checked_sub(age)?,
            Err(ahead) if ahead.duration() <= CLOCK_TOLERANCE => self.ttl,
            Err(_) => return None,
        };
        (!remaining.is_zero()).then_some(remaining)
    }

    /// Bytes of memory that the entry takes. The rows count with all that the host holds of their result.
    pub fn held_bytes(&self) -> usize {
        let columns: usize =
            self.rows.columns().iter().map(|column| size_of::<Column>() + column.name.len() + column.type_name.len()).sum();
        let tables: usize = self.tables.iter().map(|table| size_of::<String>() + table.len()).sum();
        self.rows.held_bytes() + columns + tables + self.label.len() + self.stamp.local.len() + OVERHEAD_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_ends_with_its_time_and_when_a_clock_was_set_back() {
        let kept = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
        let entry = Entry {
            rows: RowSet::empty(),
            stamp: Stamp::local(*b"1"),
            tables: [].into(),
            database: DatabaseName::parse("main").unwrap(),
            label: "select 1".into(),
            kept,
            ttl: Duration::from_secs(10),
        };
        let second = Duration::from_secs(1);
        assert_eq!(entry.remaining(kept), Some(10 * second));
        assert_eq!(entry.remaining(kept + 9 * second), Some(second));
        assert_eq!(entry.remaining(kept + 10 * second), None);
        assert_eq!(entry.remaining(kept - second), Some(10 * second));
        assert_eq!(entry.remaining(kept - 61 * second), None);
    }
}
