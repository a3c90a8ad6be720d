//! `tidegate tools`: what clients see in `tools/list`.

use clap::Args;
use serde_json::Value;

use super::SourceOptions;
use super::failure::Failure;
use super::output;
use super::serve::compose;
use crate::call::Caller;
use crate::mcp::shell;

/// Options of `tools`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    sources: SourceOptions,
    /// Print the full definitions as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Lists the tools.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let dispatcher = compose(&options.sources.load()?).await?;
    let tools = dispatcher.tools(&Caller::local());
    if options.json {
        output::json(&Value::Array(tools.iter().map(shell::definition).collect()));
    } else {
        let rows: Vec<Vec<String>> = tools.iter().map(|tool| vec![tool.name.clone(), first_sentence(&tool.description)]).collect();
        output::line(output::table("", &rows));
    }
    dispatcher.databases().close().await;
    Ok(())
}

/// The first sentence of a description, on one line.
fn first_sentence(text: &str) -> String {
    let end = text.find(". ").map_or(text.len(), |dot| dot + 1);
    text[..end].split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_shown_up_to_its_first_full_stop() {
        assert_eq!(first_sentence("Runs SQL.\nThen more. And more."), "Runs SQL. Then more.");
        assert_eq!(first_sentence("One. Two."), "One.");
        assert_eq!(first_sentence("No stop"), "No stop");
    }
}
