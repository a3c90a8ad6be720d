//! `tidegate call`: one tool call through the same gate, from the shell.

use std::io;
use std::io::Read;

use clap::Args;
use serde_json::Map;
use serde_json::Value;

use super::SourceOptions;
use super::failure::Exit;
use super::failure::Failure;
use super::output;
use super::serve::compose;
use super::serve::until_stopped;
use crate::call::Call;
use crate::call::Caller;
use crate::dispatch::ToolRequest;
use crate::mcp::shell;
use crate::mcp::shell::ShellResult;
use crate::runtime::answer::Round;

/// Bytes of arguments that are read from standard input.
const INPUT_BYTES: u64 = 4 << 20;

/// Options of `call`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The tool, as `tidegate tools` lists it
    tool: String,
    /// Its arguments as a JSON object; `-` reads them from standard input
    #[arg(default_value = "{}", value_name = "JSON")]
    arguments: String,
    #[command(flatten)]
    sources: SourceOptions,
    /// Print the whole result as JSON, as MCP clients get it
    #[arg(long)]
    pub(super) json: bool,
}

/// Calls the tool and prints its answer.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let arguments = parse(&options.arguments)?;
    let config = options.sources.load()?;
    let dispatcher = compose(&config).await?;
    let request = ToolRequest { name: options.tool.clone(), arguments, round: Round::default() };
    let limit = config.server.call_timeout;
    let result = until_stopped(async |stopped| {
        let call = Call { cancellation: stopped, ..Call::new(Caller::local(), limit) };
        shell::call_tool(&dispatcher, &call, request).await
    })
    .await;
    dispatcher.databases().close().await;
    let result = result?.map_err(|error| {
        Failure::new(Exit::Tool, error).next("`tidegate tools` lists what there is; options for databases are the same as for `serve`")
    })?;
    show(&result, options.json)
}

fn parse(text: &str) -> Result<Map<String, Value>, Failure> {
    let mut read = String::new();
    let text = if text == "-" {
        let input = io::stdin().lock().take(INPUT_BYTES).read_to_string(&mut read);
        input.map_err(|error| Failure::new(Exit::Usage, format!("standard input could not be read: {error}")))?;
        &read
    } else {
        text
    };
    serde_json::from_str(text).map_err(|error| {
        Failure::new(Exit::Usage, format!("the arguments are no JSON object: {error}"))
            .next(r#"for example: tidegate call execute_select '{"sql": "select 1"}'"#)
    })
}

fn show(result: &ShellResult, as_json: bool) -> Result<(), Failure> {
    if as_json {
        output::json(&result.json);
    } else if !result.is_error {
        output::line(&result.text);
    }
    if !result.is_error {
        return Ok(());
    }
    let mut lines = result.text.splitn(2, '\n');
    let failure = Failure::new(Exit::Tool, lines.next().unwrap_or_default());
    Err(match lines.next() {
        Some(hint) => failure.next(hint),
        None => failure,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_are_no_object_are_a_mistake_of_usage() {
        for text in ["[1]", "{", "1"] {
            assert_eq!(parse(text).unwrap_err().exit, Exit::Usage, "{text}");
        }
        assert_eq!(parse(r#"{"a": 1}"#).unwrap().len(), 1);
    }
}
