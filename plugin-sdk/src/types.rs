//! Values, errors and content shapes of the contract, as `wit/` defines them.

pub use crate::bindings::shared::tidegate::plugin::content::Body;
pub use crate::bindings::shared::tidegate::plugin::content::Link;
pub use crate::bindings::shared::tidegate::plugin::content::Media;
pub use crate::bindings::shared::tidegate::plugin::content::ResourceContent;
pub use crate::bindings::shared::tidegate::plugin::content::RowFormat;
pub use crate::bindings::shared::tidegate::plugin::input::ClientFeatures;
pub use crate::bindings::shared::tidegate::plugin::input::Form;
pub use crate::bindings::shared::tidegate::plugin::input::InputNeeded;
pub use crate::bindings::shared::tidegate::plugin::input::Page;
pub use crate::bindings::shared::tidegate::plugin::input::Question;
pub use crate::bindings::shared::tidegate::plugin::input::Request as InputRequest;
pub use crate::bindings::shared::tidegate::plugin::input::Response as InputResponse;
pub use crate::bindings::shared::tidegate::plugin::input::Round;
pub use crate::bindings::shared::tidegate::plugin::types::Column;
pub use crate::bindings::shared::tidegate::plugin::types::Confirmation;
pub use crate::bindings::shared::tidegate::plugin::types::DatabaseError;
pub use crate::bindings::shared::tidegate::plugin::types::Failure;
pub use crate::bindings::shared::tidegate::plugin::types::Kind;
pub use crate::bindings::shared::tidegate::plugin::types::Value;

impl DatabaseError {
    /// What went wrong, with hint and engine code where the host knows them.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        match self {
            Self::UnknownDatabase(failure)
            | Self::AccessDenied(failure)
            | Self::ReadOnly(failure)
            | Self::MultipleStatements(failure)
            | Self::Refused(failure)
            | Self::HookRefused(failure)
            | Self::Syntax(failure)
            | Self::UnknownTable(failure)
            | Self::UnknownColumn(failure)
            | Self::Constraint(failure)
            | Self::InvalidParameters(failure)
            | Self::Timeout(failure)
            | Self::Cancelled(failure)
            | Self::PoolExhausted(failure)
            | Self::Unavailable(failure)
            | Self::TooLarge(failure)
            | Self::NotSupported(failure)
            | Self::UnknownCursor(failure)
            | Self::TransactionNotFound(failure)
            | Self::Failed(failure) => failure,
            Self::ConfirmationRequired(confirmation) => &confirmation.failure,
        }
    }

    /// The same error with its message changed by `change`.
    #[must_use]
    pub fn map_message(mut self, change: impl FnOnce(&str) -> String) -> Self {
        let failure = self.failure_mut();
        failure.message = change(&failure.message);
        self
    }

    fn failure_mut(&mut self) -> &mut Failure {
        match self {
            Self::UnknownDatabase(failure)
            | Self::AccessDenied(failure)
            | Self::ReadOnly(failure)
            | Self::MultipleStatements(failure)
            | Self::Refused(failure)
            | Self::HookRefused(failure)
            | Self::Syntax(failure)
            | Self::UnknownTable(failure)
            | Self::UnknownColumn(failure)
            | Self::Constraint(failure)
            | Self::InvalidParameters(failure)
            | Self::Timeout(failure)
            | Self::Cancelled(failure)
            | Self::PoolExhausted(failure)
            | Self::Unavailable(failure)
            | Self::TooLarge(failure)
            | Self::NotSupported(failure)
            | Self::UnknownCursor(failure)
            | Self::TransactionNotFound(failure)
            | Self::Failed(failure) => failure,
            Self::ConfirmationRequired(confirmation) => &mut confirmation.failure,
        }
    }
}

impl Failure {
    /// A failure with a message and nothing else.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, sqlstate: None, retry_after_ms: None, effect_unknown: false }
    }
}
