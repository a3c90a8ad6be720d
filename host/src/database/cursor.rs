//! Rows kept for the next page: bound to their caller, for a while, within a budget.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::time::Duration;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::DatabaseError;
use super::error::ErrorKind;
use super::rows::RowSet;
use crate::call::Caller;

/// How long rows are kept after they were last asked for.
const KEPT: Duration = Duration::from_mins(10);

/// Bytes that all cursors of the process hold at most; the oldest go first.
const BUDGET_BYTES: usize = 64 << 20;

/// Cursors of the process at most.
const MOST: usize = 4096;

/// Bytes of rows that one statement may keep for later pages.
pub const SPOOL_BYTES: usize = 4 << 20;

/// Rows that one statement may keep for later pages.
pub const SPOOL_ROWS: usize = 20_000;

struct Kept {
    handle: String,
    caller: Caller,
    database: String,
    rows: RowSet,
    until: Instant,
}

/// The rows kept for callers, by unguessable handle.
#[derive(Default)]
pub struct Cursors {
    kept: Mutex<VecDeque<Kept>>,
}

impl Cursors {
    /// Keeps `rows` of `database` for `caller`; the handle names them.
    ///
    /// `None` when the system has no randomness for a handle.
    pub fn keep(&self, caller: &Caller, database: &str, rows: RowSet) -> Option<String> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        let handle = format!("c_{}", URL_SAFE_NO_PAD.encode(random));
        let mut kept = self.lock();
        kept.push_back(Kept {
            handle: handle.clone(),
            caller: caller.clone(),
            database: database.into(),
            rows,
            until: Instant::now() + KEPT,
        });
        shrink(&mut kept);
        Some(handle)
    }

    /// The rows under `handle` and the database they came from. They stay until they are replaced or their time is over,
    /// so that a page whose answer was lost can be asked for again.
    ///
    /// # Errors
    ///
    /// `UnknownCursor`, also when the handle is another caller's.
    pub fn find(&self, caller: &Caller, handle: &str) -> Result<(String, RowSet), DatabaseError> {
        let mut kept = self.lock();
        shrink(&mut kept);
        let found = kept.iter_mut().find(|kept| kept.handle == handle && kept.caller == *caller);
        match found {
            Some(found) => {
                found.until = Instant::now() + KEPT;
                Ok((found.database.clone(), found.rows.clone()))
            }
            None => Err(DatabaseError::new(ErrorKind::UnknownCursor, "there is no such cursor, or its time is over")
                .hint("run the statement again; a cursor is kept for 10 minutes")),
        }
    }

    /// The list. A panic while it was held cannot leave it half changed, so a poisoned lock is taken all the same.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Drops what is over its time, then the oldest until the budget holds.
fn shrink(kept: &mut VecDeque<Kept>) {
    let now = Instant::now();
    kept.retain(|kept| kept.until > now);
    let mut bytes: usize = kept.iter().map(|kept| kept.rows.held_bytes()).sum();
    while bytes > BUDGET_BYTES || kept.len() > MOST {
        match kept.pop_front() {
            Some(oldest) => bytes -= oldest.rows.held_bytes(),
            None => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_useless_to_another_caller() {
        let cursors = Cursors::default();
        let handle = cursors.keep(&Caller::named("ann"), "main", RowSet::empty()).unwrap();
        assert!(cursors.find(&Caller::named("ann"), &handle).is_ok());
        assert_eq!(cursors.find(&Caller::named("bob"), &handle).unwrap_err().kind, ErrorKind::UnknownCursor);
    }
}
