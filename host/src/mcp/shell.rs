//! Tools without a transport, for the command line: the same definitions and results that clients get.

use serde_json::Value;

use super::content;
use super::error;
use super::tools;
use crate::call::Call;
use crate::dispatch::Dispatcher;
use crate::dispatch::ToolRequest;
use crate::runtime::answer::Outcome;
use crate::runtime::answer::ToolDefinition;

/// The result of a call.
#[derive(Clone, Debug)]
pub struct ShellResult {
    /// The result as MCP writes it.
    pub json: Value,
    /// The text of it.
    pub text: String,
    /// Whether the tool failed; the text then tells code, message and hint.
    pub is_error: bool,
}

/// A tool as `tools/list` shows it.
pub fn definition(definition: &ToolDefinition) -> Value {
    serde_json::to_value(tools::tool(definition)).unwrap_or_default()
}

/// Runs one call.
///
/// # Errors
///
/// What is a protocol error over MCP, in words: a tool that is not there, or one that has a question for a person.
pub async fn call_tool(dispatcher: &Dispatcher, call: &Call, request: ToolRequest) -> Result<ShellResult, String> {
    let name = request.name.clone();
    let result = match dispatcher.call(call, request).await {
        Ok(Outcome::Complete(contents)) => content::tool_result(contents),
        Ok(Outcome::NeedInput(_)) => return Err(format!("`{name}` has a question, which only an MCP client can put to a person")),
        Err(failure) => error::tool_result(failure, call).map_err(|error| error.message.into_owned())?,
    };
    let text = result.content.iter().filter_map(|block| block.as_text()).map(|text| text.text.as_str());
    let text = text.collect::<Vec<_>>().join("\n");
    let is_error = result.is_error == Some(true);
    Ok(ShellResult { json: serde_json::to_value(result).unwrap_or_default(), text, is_error })
}
