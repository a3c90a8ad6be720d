//! What can go wrong between a statement and its rows, in terms a caller can act on.

use std::fmt;

/// Which of the cases of `types.database-error` it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No database of this name, or no grant for it.
    UnknownDatabase,
    /// No right to do this.
    AccessDenied,
    /// Would write where only reading is allowed.
    ReadOnly,
    /// Not exactly one statement.
    MultipleStatements,
    /// The gate refused the statement.
    Refused,
    /// A hook refused the statement.
    HookRefused,
    /// Not parsed by the database.
    Syntax,
    /// A relation is not there.
    UnknownTable,
    /// A column is not there.
    UnknownColumn,
    /// A constraint stopped a write.
    Constraint,
    /// A parameter does not fit.
    InvalidParameters,
    /// The time limit passed; the statement no longer runs.
    Timeout,
    /// Taken back by the client; the statement no longer runs.
    Cancelled,
    /// No connection came free in time.
    PoolExhausted,
    /// The database does not answer.
    Unavailable,
    /// Over a size limit.
    TooLarge,
    /// The engine or the host cannot do this.
    NotSupported,
    /// No such cursor of this caller.
    UnknownCursor,
    /// No such transaction of this caller, or it has ended.
    TransactionNotFound,
    /// Destroys much, and nobody has said yes to it.
    ConfirmationRequired,
    /// Refused by the database for another reason.
    Failed,
}

/// Why a database operation failed. Its texts are fit for a client: no credentials, hosts or values of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseError {
    /// Which case.
    pub kind: ErrorKind,
    /// One sentence, lower case, without a full stop.
    pub message: String,
    /// What to try next.
    pub hint: Option<String>,
    /// SQLSTATE or the engine's own code.
    pub sqlstate: Option<String>,
    /// What a yes takes, when the kind is `ConfirmationRequired`.
    pub confirmation: Option<Box<Confirmation>>,
}

/// What a yes to a statement takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// Rows that it would change, where they could be counted.
    pub affected: Option<u64>,
    /// To be passed along with the same statement.
    pub token: String,
    /// Seconds until the token is worth nothing.
    pub expires_in_seconds: u32,
}

impl DatabaseError {
    /// An error with a message and nothing else.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, sqlstate: None, confirmation: None }
    }

    /// Adds what to try next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the engine's code.
    #[must_use]
    pub fn sqlstate(mut self, code: impl Into<String>) -> Self {
        self.sqlstate = Some(code.into());
        self
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DatabaseError {}
