//! Database errors between the contract and the database layer.

use std::time::Duration;

use crate::bindings::tidegate::plugin::types;
use crate::database::error::Confirmation;
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
                ErrorKind::ConfirmationRequired => types::DatabaseError::ConfirmationRequired(question(failure, error.confirmation)),
            }
        }

        /// An error that a guest handed on.
        pub(crate) fn from_guest(error: types::DatabaseError) -> DatabaseError {
            let (kind, failure, confirmation) = match error {
                $(types::DatabaseError::$kind(failure) => (ErrorKind::$kind, failure, None),)*
                types::DatabaseError::ConfirmationRequired(question) => {
                    let types::Confirmation { failure, affected, token, expires_in_seconds } = question;
                    let confirmation = Confirmation { affected, token, expires_in_seconds };
                    (ErrorKind::ConfirmationRequired, failure, Some(Box::new(confirmation)))
                }
            };
            DatabaseError {
                hint: failure.hint,
                sqlstate: failure.sqlstate,
                effect: if failure.effect_unknown { Effect::Unknown } else { Effect::None },
                retry_after: failure.retry_after_ms.map(|ms| Duration::from_millis(ms.into())),
                confirmation,
                ..DatabaseError::new(kind, failure.message)
            }
        }
    };
}

fn question(failure: types::Failure, confirmation: Option<Box<Confirmation>>) -> types::Confirmation {
    // Without a token nothing can be confirmed, which is the safe side.
    let confirmation = confirmation.map(|confirmation| *confirmation);
    let Confirmation { affected, token, expires_in_seconds } =
        confirmation.unwrap_or(Confirmation { affected: None, token: String::new(), expires_in_seconds: 0 });
    types::Confirmation { failure, affected, token, expires_in_seconds }
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
    TransactionNotFound,
    Failed,
);
