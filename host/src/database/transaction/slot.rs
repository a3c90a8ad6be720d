//! The place of an open transaction: one statement at a time takes the session out of it and puts it back.
//!
//! What runs a statement owns the place. When it is cut off in the middle, the session is dropped with it, which closes its
//! connection and has the server roll back, and the place says so to whoever comes next.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::call::Call;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All of it took effect.
    Committed,
    /// Taken back by whoever held it.
    RolledBack,
    /// Its commit was sent and not answered; how to find out.
    Unknown(String),
    /// Nobody used it for so long.
    Lease(Duration),
    /// It lasted as long as one may.
    Duration(Duration),
    /// The host was asked to stop.
    HostStopped,
    /// The session of its client ended.
    ClientGone,
    /// The database took it back, for this reason.
    Aborted(String),
    /// Its connection ended, or was closed because a statement did not end.
    Lost,
}

impl Ending {
    /// Whether what was written may be there.
    pub fn may_have_committed(&self) -> bool {
        matches!(self, Self::Committed | Self::Unknown(_))
    }

    /// What the next use is told.
    pub fn to_error(&self) -> DatabaseError {
        let (text, hint) = match self {
            Self::Committed => ("it was committed".to_owned(), "what it did is there; begin another for more".to_owned()),
            Self::RolledBack => ("it was rolled back".to_owned(), "begin another".to_owned()),
            Self::Unknown(how) => ("its COMMIT was not answered, so whether it took effect is not known".to_owned(), how.clone()),
            Self::Lease(lease) => (
                format!("it was not used for {lease:?} and was rolled back"),
                "begin another, and use it or end it in time; the operator can raise `transactions.lease`".to_owned(),
            ),
            Self::Duration(most) => (
                format!("it lasted {most:?}, the longest that one may, and was rolled back"),
                "begin another and do less in it; the operator can raise `transactions.max_duration`".to_owned(),
            ),
            Self::HostStopped => ("the host was stopped, and it was rolled back".to_owned(), "begin another".to_owned()),
            Self::ClientGone => ("the session of its client ended, and it was rolled back".to_owned(), "begin another".to_owned()),
            Self::Aborted(why) => (format!("the database rolled it back: {why}"), "begin another and do all of it again".to_owned()),
            Self::Lost => (
                "its connection was lost, or closed because a statement did not end in time, and it was rolled back".to_owned(),
                "begin another and do all of it again".to_owned(),
            ),
        };
        DatabaseError::new(ErrorKind::TransactionNotFound, format!("the transaction is over: {text}")).hint(hint)
    }
}

/// The error about a handle that nobody knows, or another caller's.
pub fn unknown() -> DatabaseError {
    DatabaseError::new(ErrorKind::TransactionNotFound, "there is no such transaction")
        .hint("begin one with `begin_transaction` and pass on the handle that it answers; how an ended one ended is known for 10 minutes")
}

/// A session with its transaction, or how that ended.
pub(in crate::database) enum Held<P> {
    /// Waits for a statement.
    Open(P),
    /// Is over.
    Ended(Ending),
}

/// The place of one transaction, while it is one's turn.
pub(in crate::database) type Slot<P> = OwnedMutexGuard<Held<P>>;

impl<P> Held<P> {
    /// Takes the session out. Until it is put back the transaction counts as lost.
    ///
    /// # Errors
    ///
    /// `TransactionNotFound` with how it ended.
    pub(in crate::database) fn take(&mut self) -> Result<P, DatabaseError> {
        match std::mem::replace(self, Self::Ended(Ending::Lost)) {
            Self::Open(pinned) => Ok(pinned),
            Self::Ended(ending) => {
                let error = ending.to_error();
                *self = Self::Ended(ending);
                Err(error)
            }
        }
    }

    /// Puts the session back, or drops it, which closes it, when `dead` says how the transaction ended.
    pub(in crate::database) fn put(&mut self, pinned: P, dead: Option<Ending>) {
        *self = match dead {
            None => Self::Open(pinned),
            Some(ending) => Self::Ended(ending),
        };
    }

    /// Says how it ended.
    pub(in crate::database) fn put_ending(&mut self, ending: Ending) {
        *self = Self::Ended(ending);
    }

    /// How it ended; `None` while it is open.
    pub(in crate::database) fn ending(&self) -> Option<&Ending> {
        match self {
            Self::Open(_) => None,
            Self::Ended(ending) => Some(ending),
        }
    }
}

/// Waits for one's turn, in order of arrival, for at most `limit` and at most as long as the call lasts.
///
/// # Errors
///
/// `Timeout` and `Cancelled`; `TransactionNotFound` when it is over by then.
pub(in crate::database) async fn turn<P>(held: &Arc<Mutex<Held<P>>>, call: &Call, limit: Duration) -> Result<Slot<P>, DatabaseError> {
    let limit = limit.min(call.remaining());
    let slot = tokio::select! {
        biased;
        slot = held.clone().lock_owned() => slot,
        () = call.cancellation.cancelled() => {
            return Err(DatabaseError::new(ErrorKind::Cancelled, "the call was cancelled while another statement of the transaction ran"));
        }
        () = tokio::time::sleep(limit) => {
            return Err(DatabaseError::new(ErrorKind::Timeout, format!("another statement of the transaction still runs after {limit:?}"))
                .hint("one transaction runs one statement at a time: wait for the other call to end"));
        }
    };
    match slot.ending() {
        None => Ok(slot),
        Some(ending) => Err(ending.to_error()),
    }
}
