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
    /// Refused by the database for another reason.
    Failed,
}

impl ErrorKind {
    /// The stable code that clients read. A cursor that is not there is an argument that does not fit.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownDatabase => "UNKNOWN_DATABASE",
            Self::AccessDenied => "ACCESS_DENIED",
            Self::ReadOnly => "READ_ONLY",
            Self::MultipleStatements => "MULTIPLE_STATEMENTS",
            Self::Refused => "STATEMENT_REFUSED",
            Self::HookRefused => "HOOK_REFUSED",
            Self::Syntax => "SYNTAX_ERROR",
            Self::UnknownTable => "UNKNOWN_TABLE",
            Self::UnknownColumn => "UNKNOWN_COLUMN",
            Self::Constraint => "CONSTRAINT_VIOLATION",
            Self::InvalidParameters | Self::UnknownCursor => "INVALID_ARGUMENTS",
            Self::Timeout => "TIMEOUT",
            Self::Cancelled => "CANCELLED",
            Self::PoolExhausted => "POOL_EXHAUSTED",
            Self::Unavailable => "DATABASE_UNAVAILABLE",
            Self::TooLarge => "TOO_LARGE",
            Self::NotSupported => "NOT_SUPPORTED",
            Self::Failed => "STATEMENT_FAILED",
        }
    }
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
}

impl DatabaseError {
    /// An error with a message and nothing else.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, sqlstate: None }
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
