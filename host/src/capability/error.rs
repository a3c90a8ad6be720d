//! Database errors between the contract and the database layer.

use std::time::Duration;

use crate::bindings::tidegate::plugin::types;
use crate::database::error::DatabaseError;
use crate::database::error::Effect;
use crate::database::error::ErrorKind;

/// Pairs every kind with its case, in both directions, so that neither can miss one.
macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        /// An error on its way to a guest.
        pub(crate) fn to_guest(error: DatabaseError) -> types::DatabaseError {
            let failure = types::Failure {
                message: error.message,
                hint: error.hint,
                sqlstate: error.sqlstate,
                retry_after_ms: error.retry_after.map(|pause| u32::try_from(pause.as_millis()).unwrap_or(u32::MAX)),
                effect_unknown: error.effect == Effect::Unknown,
            };
            match error.kind {
                $(ErrorKind::$kind => types::DatabaseError::$kind(failure),)*
            }
        }

        /// An error that a guest handed on.
        pub(crate) fn from_guest(error: types::DatabaseError) -> DatabaseError {
            let (kind, failure) = match error {
                $(types::DatabaseError::$kind(failure) => (ErrorKind::$kind, failure),)*
            };
            DatabaseError {
                hint: failure.hint,
                sqlstate: failure.sqlstate,
                effect: if failure.effect_unknown { Effect::Unknown } else { Effect::None },
                retry_after: failure.retry_after_ms.map(|ms| Duration::from_millis(ms.into())),
                ..DatabaseError::new(kind, failure.message)
            }
        }
    };
}

kinds!(
    UnknownDatabase,
    AccessDenied,
    ReadOnly,
    MultipleStatements,
    Refused,
    HookRefused,
    Syntax,
    UnknownTable,
    UnknownColumn,
    Constraint,
    InvalidParameters,
    Timeout,
    Cancelled,
    PoolExhausted,
    Unavailable,
    TooLarge,
    NotSupported,
    UnknownCursor,
    Failed,
);
