//! Asks the person before a statement that destroys much. What has to be asked about is the host's to say: it refuses such a
//! statement and gives out a token, which is worth something once it has come back from the client.

use serde_json::Value;
use serde_json::json;

use crate::database_write::BatchError;
use crate::input::FormAnswer;
use crate::tool::ToolError;
use crate::types::Confirmation;
use crate::types::DatabaseError;
use crate::types::InputNeeded;
use crate::types::Round;

/// The name of the form and of its one field.
const CONFIRM: &str = "confirm";

/// An error that may be a question.
pub trait Asks {
    /// The question.
    fn question(&self) -> Option<&Confirmation>;
}

impl Asks for DatabaseError {
    fn question(&self) -> Option<&Confirmation> {
        match self {
            Self::ConfirmationRequired(confirmation) => Some(confirmation),
            _ => None,
        }
    }
}

impl Asks for BatchError {
    fn question(&self) -> Option<&Confirmation> {
        self.error.question()
    }
}

/// What came of a run that may have to be confirmed.
#[derive(Debug)]
pub enum Run<T, E> {
    /// It ran, or failed for another reason than a missing yes, or there is nobody to ask.
    Ended(Result<T, E>),
    /// The person has to be asked.
    Ask(InputNeeded),
}

/// Runs something with the confirmation that this round brings: the person's answer to the form of the round before, or the
/// token in the argument `confirm`.
///
/// # Errors
///
/// `CANCELLED` when the person said no; then nothing ran.
pub fn run<T, E: Asks>(
    round: &Round,
    confirm: Option<&str>,
    run: impl FnOnce(Option<&str>) -> Result<T, E>,
) -> Result<Run<T, E>, ToolError> {
    let token = match round.form(CONFIRM) {
        None => confirm,
        Some(FormAnswer::Accepted(fields)) if fields.get(CONFIRM) == Some(&Value::Bool(true)) => round.state.as_deref(),
        Some(FormAnswer::Accepted(_) | FormAnswer::Declined | FormAnswer::Cancelled) => {
            let refused = ToolError::failed("CANCELLED", "the person did not agree, and nothing was changed");
            return Err(refused.with_hint("do not try it again unless the person asks for it"));
        }
    };
    let result = run(token);
    Ok(match &result {
        Err(error) if round.can_show_forms() => match error.question() {
            Some(question) => Run::Ask(form(question)),
            None => Run::Ended(result),
        },
        _ => Run::Ended(result),
    })
}

fn form(question: &Confirmation) -> InputNeeded {
    let schema = json!({
        "type": "object",
        "properties": { CONFIRM: { "type": "boolean", "title": "Run it", "description": "Yes, run this statement." } },
        "required": [CONFIRM],
    });
    InputNeeded::new().form(CONFIRM, question.failure.message.clone(), &schema).with_state(question.token.clone())
}
