//! A write, from before its statement is sent until before it is acknowledged.

use std::sync::Arc;

use super::disk::journal::Begun;
use super::disk::journal::Journal;
use super::shared::Saying;

/// A write that is under way. [`wrote`](Self::wrote) ends it before it is acknowledged.
///
/// Dropped instead, because the call failed, was cancelled or panicked, it counts as done: other replicas are told that anything
/// in the database may have changed, and so is the next start of this process.
#[must_use]
pub struct Writing {
    pub(super) journal: Option<(Arc<Journal>, Begun)>,
    pub(super) saying: Option<Saying>,
}

impl Writing {
    /// Says that the tables have been written. When this returns, every replica that reaches the shared tier knows, or this process
    /// remembers to say it and does not use that tier for the database until it has. To be awaited before the write is acknowledged,
    /// and after the versions of its tables were [recorded](Journal::record).
    pub async fn wrote(self) {
        if let Some(saying) = self.saying {
            saying.say().await;
        }
        if let Some((journal, begun)) = self.journal {
            journal.end(begun);
        }
    }

    /// Ends a write that surely had no effect, such as one that the database refused.
    pub fn without_effect(self) {
        if let Some(saying) = self.saying {
            saying.said();
        }
        if let Some((journal, begun)) = self.journal {
            journal.end(begun);
        }
    }
}
