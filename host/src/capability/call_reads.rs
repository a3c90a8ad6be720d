//! What one call read, for whoever wants to keep its answer: statements whose rows are kept, and nothing else.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Instant;

use crate::cache::Stamp;
use crate::hook::kept::Kept;
use crate::hook::statements::KeepPolicy;

/// One statement of a call whose rows are kept: they were found, or it ran.
#[derive(Clone)]
pub struct CallRead {
    /// Its place in the cache.
    pub kept: Arc<Kept>,
    /// What it was read from.
    pub stamp: Stamp,
    /// How its rows are kept.
    pub policy: KeepPolicy,
    /// Whether the rows were found or taken from another call, so that the database was not asked for them.
    pub was_found: bool,
    /// Until when the rows may be used.
    pub until: Instant,
}

/// The reads of a call, as long as there is nothing else that its answer could depend on.
#[derive(Default)]
pub struct CallReads {
    reads: Mutex<Option<Vec<CallRead>>>,
}

impl CallReads {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self { reads: Mutex::new(Some(Vec::new())) }
    }

    /// Notes a read.
    pub fn note(&self, read: CallRead) {
        if let Some(reads) = self.reads.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            reads.push(read);
        }
    }

    /// Notes something that keeps the answer from being kept.
    pub fn spoil(&self) {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// The reads, when the answer depends on them and on nothing else; at least one.
    pub fn take(&self) -> Option<Vec<CallRead>> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).take().filter(|reads| !reads.is_empty())
    }
}
