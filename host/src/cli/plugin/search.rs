//! `tidegate plugin search`: finds plugins in the indexes that the operator named.

use clap::Args;
use serde_json::json;

use super::place::PlaceOptions;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::plugin::index::indexes::Findings;
use crate::plugin::index::search::Query;
use crate::plugin::index::time::Timestamp;

/// Options of `plugin search`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// Words, in any order; all of them have to be somewhere in a plugin
    words: Vec<String>,
    /// Only plugins with a tool whose name begins so
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Only plugins with a hook on this event, of this kind, or both: before-query, mutate, before-query:mutate
    #[arg(long, value_name = "EVENT")]
    hook: Option<String>,
    /// Only plugins that ask for this right, for example database-read
    #[arg(long, value_name = "RIGHT")]
    capability: Option<String>,
    /// How many are shown
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    /// Ask no server: search in what is remembered
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    place: PlaceOptions,
    /// Print what was found as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Searches and prints what was found, the likeliest first.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let indexes = options.place.indexes()?;
    if indexes.names().is_empty() {
        return Err(Failure::new(Exit::Configuration, "no index is known to search in")
            .next("name one in tidegate.toml: `[indexes.NAME]` with its `url` and the `key` that its maintainers tell"));
    }
    let Options { tool, hook, capability, .. } = options;
    let query = Query { words: options.words.join(" "), tool: tool.clone(), hook: hook.clone(), capability: capability.clone() };
    let mut findings = indexes.search(&query, Timestamp::now(), options.offline).await;
    let number = findings.found.len();
    findings.found.truncate(options.limit);
    if options.json {
        print_json(&findings, number);
    } else {
        print(&findings, number);
    }
    match findings.problems.first() {
        Some(problem) if findings.problems.len() == indexes.names().len() => Err(Failure::new(Exit::Failed, problem.to_string())),
        _ => Ok(()),
    }
}

fn print_json(findings: &Findings, number: usize) {
    let found: Vec<_> = findings.found.iter().map(|(index, found)| json!({ "index": index, "plugin": found })).collect();
    let problems: Vec<String> = findings.problems.iter().map(ToString::to_string).collect();
    let stale: Vec<_> = findings.stale.iter().map(|(index, why)| json!({ "index": index, "because": why })).collect();
    output::json(&json!({ "found": found, "number": number, "problems": problems, "stale": stale }));
}

fn print(findings: &Findings, number: usize) {
    for (index, found) in &findings.found {
        output::line(format!("{index}:{} {}  {}", found.id, found.version, found.title));
        output::line(format!("  {}", found.description.replace('\n', "\n  ")));
        for (what, list) in [("tools", &found.tools), ("hooks", &found.hooks), ("asks for", &found.capabilities)] {
            if !list.is_empty() {
                output::line(format!("  {what}: {}", list.join(", ")));
            }
        }
    }
    match number {
        0 => output::line("nothing was found"),
        _ if number > findings.found.len() => output::line(format!("and {} more; add words, or `--limit {number}`", number - findings.found.len())),
        _ => {}
    }
    for (index, why) in &findings.stale {
        output::error_line(format!("index `{index}` as it was when it was last asked: {why}"));
    }
    for problem in &findings.problems {
        output::error_line(format!("not searched: {problem}"));
    }
}
