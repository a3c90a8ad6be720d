//! What can go wrong between a statement and its rows, in terms a caller can act on.

use std::fmt;
use std::time::Duration;

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

impl ErrorKind {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::UnknownDatabase,
        Self::AccessDenied,
        Self::ReadOnly,
        Self::MultipleStatements,
        Self::Refused,
        Self::HookRefused,
        Self::Syntax,
        Self::UnknownTable,
        Self::UnknownColumn,
        Self::Constraint,
        Self::InvalidParameters,
        Self::Timeout,
        Self::Cancelled,
        Self::PoolExhausted,
        Self::Unavailable,
        Self::TooLarge,
        Self::NotSupported,
        Self::UnknownCursor,
        Self::TransactionNotFound,
        Self::ConfirmationRequired,
        Self::Failed,
    ];

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
            Self::TransactionNotFound => "TRANSACTION_NOT_FOUND",
            Self::ConfirmationRequired => "CONFIRMATION_REQUIRED",
            Self::Failed => "STATEMENT_FAILED",
        }
    }
}

/// What lies behind a failure, as the engine tells it. Decides what is tried again and what the breaker counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The statement, its values, its rights, a limit: the same again would fail again.
    #[default]
    Statement,
    /// Another session was in the way, and the engine has undone the work: a serialization failure, a deadlock, a lock.
    Conflict,
    /// The server was not reached, or the connection to it broke.
    Connection,
    /// The server, or the file, is there and does not let the host in. Trying again at once does not help.
    Rejection,
}

impl Fault {
    /// Whether it speaks of the database as a whole, so that a breaker counts it.
    pub fn is_of_database(self) -> bool {
        matches!(self, Self::Connection | Self::Rejection)
    }
}

/// What a statement that failed has left in the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Nothing: it never began there, or the engine has answered that it undid it.
    #[default]
    None,
    /// It had begun, and the connection was gone before its end was asked for. The engine undoes what its transactions cover;
    /// a sequence or a table without transactions keeps what it got.
    Undone,
    /// Not known: the connection was gone while the end was on its way.
    Unknown,
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
    /// What lies behind it.
    pub fault: Fault,
    /// What it has left in the database.
    pub effect: Effect,
    /// When the same may work again, where that is known.
    pub retry_after: Option<Duration>,
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
        Self {
            kind,
            message: message.into(),
            hint: None,
            sqlstate: None,
            fault: Fault::Statement,
            effect: Effect::None,
            retry_after: None,
            confirmation: None,
        }
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

    /// Says what lies behind it.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }

    /// Says what it has left in the database.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// Adds when the same may work again.
    #[must_use]
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DatabaseError {}

impl AsRef<DatabaseError> for DatabaseError {
    fn as_ref(&self) -> &DatabaseError {
        self
    }
}

/// The hint for a failure whose effect is not known: how to find out.
pub(super) const FIND_OUT: &str =
    "it may have taken effect: read the rows that it would have changed, and run it again only when they are as they were before";
