//! Decides what a failure becomes: a protocol error, or the result of a tool that a model can act on.
//!
//! Codes are stable and documented in the README; the texts are for models and people.

use rmcp::ErrorData;
use rmcp::model::CallToolResult;
use rmcp::model::ContentBlock;
use serde_json::Value;
use serde_json::json;

use crate::call::Call;
use crate::database::error::DatabaseError;
use crate::database::error::Effect;
use crate::database::error::ErrorKind;
use crate::runtime::answer::CallError;

/// A failure as clients read it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    /// Stable, upper case.
    pub code: String,
    /// What went wrong.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// Particulars.
    pub details: Option<Value>,
}

impl Failure {
    fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), hint: None, retryable: false, details: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    fn details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// The failure as JSON: `code`, `message`, `hint`, `retryable`, `details`.
    fn to_json(&self) -> Value {
        json!({
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "retryable": self.retryable,
            "details": self.details,
        })
    }

    /// One line with code and message, one with the hint.
    fn to_text(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}: {}\n{hint}", self.code, self.message),
            None => format!("{}: {}", self.code, self.message),
        }
    }
}

/// The failure that `error` of `call` is; `None` for what is a protocol error everywhere.
pub(super) fn failure(error: CallError, call: &Call) -> Option<Failure> {
    let code = error.code().to_owned();
    let code = code.as_str();
    Some(match error {
        CallError::Unknown { .. } => return None,
        CallError::InvalidArguments(message) => Failure::new(code, message),
        CallError::Database(error) => database_failure(error),
        CallError::Tool(failure) => Failure {
            code: failure.code,
            message: failure.message,
            hint: failure.hint,
            retryable: failure.retryable,
            details: failure.details,
        },
        CallError::PluginFailed { plugin, reason } => Failure::new(code, format!("plugin `{plugin}` failed: {reason}"))
            .hint("the fault is the plugin's, not the call's; its author or the operator must look at it")
            .details(json!({ "plugin": plugin, "call": call.id.to_string() })),
        CallError::PluginLimit { plugin, limit } => Failure::new(code, format!("plugin `{plugin}` went over its limit: {limit}"))
            .hint("ask for less at once, or let the operator raise the limit of this plugin")
            .details(json!({ "plugin": plugin, "call": call.id.to_string() })),
        error @ CallError::Timeout => {
            Failure::new(code, error.to_string()).hint("ask for less at once, for example with a filter or a limit")
        }
        error @ CallError::Cancelled => Failure::new(code, error.to_string()),
        error @ CallError::Busy { .. } => Failure::new(code, error.to_string()).hint("wait a moment, then call again").retryable(),
        error @ CallError::PluginBusy { .. } => Failure::new(code, error.to_string())
            .hint("wait a moment, then call again; the operator can let more of this plugin's calls run at once")
            .retryable(),
        error @ CallError::Internal => Failure::new(code, error.to_string())
            .hint("the operator finds the cause in the log under the id of this call")
            .details(json!({ "call": call.id.to_string() })),
    })
}

/// The failure that an error of a database is.
fn database_failure(error: DatabaseError) -> Failure {
    let code = error.kind.code();
    let retryable = matches!(error.kind, ErrorKind::PoolExhausted | ErrorKind::Unavailable);
    let hint = error.hint.or_else(|| default_hint(error.kind).map(str::to_owned));
    let unknown = error.effect == Effect::Unknown;
    let mut details = serde_json::Map::new();
    if let Some(sqlstate) = error.sqlstate {
        details.insert("sqlstate".into(), sqlstate.into());
    }
    if let Some(pause) = error.retry_after {
        details.insert("retry_after_ms".into(), u64::try_from(pause.as_millis()).unwrap_or(u64::MAX).into());
    }
    if unknown {
        details.insert("effect".into(), "unknown".into());
    }
    if let Some(confirmation) = error.confirmation {
        details.insert("confirm".into(), confirmation.token.into());
        details.insert("affected".into(), json!(confirmation.affected));
        details.insert("expires_in_seconds".into(), confirmation.expires_in_seconds.into());
    }
    let details = (!details.is_empty()).then_some(Value::Object(details));
    // What may have taken effect is not to be run again without a look.
    Failure { code: code.to_owned(), message: error.message, hint, retryable: retryable && !unknown, details }
}

/// What to do next, where the database layer knew nothing better.
fn default_hint(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::ReadOnly => Some("this database may only be read; use a statement that reads"),
        ErrorKind::MultipleStatements => Some("send one statement per call"),
        ErrorKind::Timeout => Some("narrow the statement, for example with a filter or a limit"),
        ErrorKind::PoolExhausted | ErrorKind::Unavailable => Some("wait a moment, then call again"),
        ErrorKind::TooLarge => Some("select fewer columns or rows"),
        ErrorKind::UnknownCursor => Some("run the statement again; a cursor is kept for 10 minutes"),
        _ => None,
    }
}

/// What a failed `tools/call` becomes.
///
/// # Errors
///
/// `-32602` for a tool that is not there; every other failure is a result that the model reads.
pub(super) fn tool_result(error: CallError, call: &Call) -> Result<CallToolResult, ErrorData> {
    match failure(error.clone(), call) {
        Some(failure) => Ok(failed(&failure)),
        None => Err(unknown(error)),
    }
}

/// The result of a tool that failed.
pub(super) fn failed(failure: &Failure) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(failure.to_text())]);
    result.structured_content = Some(json!({ "error": failure.to_json() }));
    result
}

/// What a failure of any method but `tools/call` becomes: those have no results that tell of failure.
pub(super) fn protocol_error(error: CallError, call: &Call) -> ErrorData {
    let invalid = matches!(error, CallError::InvalidArguments(_));
    match failure(error.clone(), call) {
        Some(failure) if invalid => ErrorData::invalid_params(failure.message, None),
        Some(failure) => ErrorData::internal_error(failure.to_text(), Some(failure.to_json())),
        None => unknown(error),
    }
}

/// `-32602` for a thing that is not there; for a resource with its URI (rmcp turns the code into `-32002` for older clients).
fn unknown(error: CallError) -> ErrorData {
    let message = error.to_string();
    match error {
        CallError::Unknown { what: "resource", name } => ErrorData::resource_not_found(message, Some(json!({ "uri": name }))),
        _ => ErrorData::invalid_params(message, None),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::call::Caller;
    use crate::runtime::answer::ToolFailure;

    fn call() -> Call {
        Call::new(Caller::local(), Duration::from_secs(1))
    }

    fn text(result: &CallToolResult) -> &str {
        &result.content[0].as_text().unwrap().text
    }

    #[test]
    fn a_database_error_is_a_result_with_code_hint_and_sqlstate() {
        let error = DatabaseError::new(ErrorKind::UnknownTable, "no such table: trak").hint("did you mean `track`?").sqlstate("42P01");
        let result = tool_result(CallError::Database(error), &call()).unwrap();
        assert_eq!(result.is_error, Some(true));
        assert_eq!(text(&result), "UNKNOWN_TABLE: no such table: trak\ndid you mean `track`?");
        assert_eq!(
            result.structured_content.unwrap(),
            json!({ "error": {
                "code": "UNKNOWN_TABLE",
                "message": "no such table: trak",
                "hint": "did you mean `track`?",
                "retryable": false,
                "details": { "sqlstate": "42P01" },
            } })
        );
    }

    #[test]
    fn what_may_have_taken_effect_is_not_retryable() {
        let lost = DatabaseError::new(ErrorKind::Unavailable, "the connection was lost").effect(Effect::Unknown);
        let failure = failure(CallError::Database(lost), &call()).unwrap();
        assert_eq!((failure.retryable, failure.details), (false, Some(json!({ "effect": "unknown" }))));
    }

    #[test]
    fn the_time_of_the_next_try_is_told() {
        let open = DatabaseError::new(ErrorKind::Unavailable, "not available").retry_after(Duration::from_millis(1500));
        let failure = failure(CallError::Database(open), &call()).unwrap();
        assert_eq!((failure.retryable, failure.details), (true, Some(json!({ "retry_after_ms": 1500 }))));
    }

    #[test]
    fn a_plugin_that_traps_is_named() {
        let error = CallError::PluginFailed { plugin: "spins".into(), reason: "it trapped".into() };
        let result = tool_result(error, &call()).unwrap();
        assert!(text(&result).starts_with("PLUGIN_FAILED: plugin `spins` failed: it trapped"), "{}", text(&result));
    }

    #[test]
    fn only_what_may_pass_by_itself_is_retryable() {
        let retryable = |error| failure(error, &call()).unwrap().retryable;
        assert!(retryable(CallError::Busy { limit: 4 }));
        assert!(retryable(CallError::PluginBusy { plugin: "p".into(), limit: 4 }));
        assert!(retryable(CallError::Database(DatabaseError::new(ErrorKind::PoolExhausted, "none free"))));
        assert!(!retryable(CallError::Database(DatabaseError::new(ErrorKind::Failed, "division by zero"))));
        assert!(!retryable(CallError::Timeout));
    }

    #[test]
    fn a_failure_of_the_plugins_own_keeps_its_code() {
        let own =
            ToolFailure { code: "OUT_OF_TEA".into(), message: "no tea".into(), hint: None, retryable: true, details: Some(json!([1])) };
        let result = tool_result(CallError::Tool(Box::new(own)), &call()).unwrap();
        assert_eq!(text(&result), "OUT_OF_TEA: no tea");
        assert_eq!(result.structured_content.unwrap()["error"]["details"], json!([1]));
    }

    #[test]
    fn what_is_not_there_is_a_protocol_error() {
        let error = tool_result(CallError::Unknown { what: "tool", name: "nope".into() }, &call()).unwrap_err();
        assert_eq!(error.code.0, -32602);
        let error = protocol_error(CallError::Unknown { what: "resource", name: "x://y".into() }, &call());
        assert_eq!(error.data, Some(json!({ "uri": "x://y" })));
    }
}
