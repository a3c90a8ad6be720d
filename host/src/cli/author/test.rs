//! `tidegate plugin test`: runs a plugin in the real runtime, where a script answers in place of the capabilities.
//!
//! Nothing of it is simulated but what the host would ask a database or a network for: definitions are checked, arguments are
//! validated, limits hold, and answers are written as clients get them.

mod case;
mod cassette;
mod compare;
mod question;
mod script;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::Map;
use serde_json::Value as Json;
use serde_json::json;

use super::build;
use super::package;
use super::project::Project;
use crate::call::Call;
use crate::call::Caller;
use crate::capability::Services;
use crate::cli::SourceOptions;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::dispatch::DispatchOptions;
use crate::dispatch::Dispatcher;
use crate::dispatch::ToolRequest;
use crate::mcp::shell;
use crate::plugin::Plugin;
use crate::runtime::answer::Round;
use crate::runtime::scripted::Scripted;
use case::Case;
use case::Expectation;
use script::Player;

/// How long one test may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Options of `plugin test`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The folder of the project
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Only tests whose names have this in them
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// A package that `plugin build` made, in place of building one
    #[arg(long, value_name = "FOLDER")]
    built: Option<PathBuf>,
    /// Run them once more for each capability that the manifest requests, with that one refused: the plugin may fail, and may
    /// not trap
    #[arg(long)]
    deny_each: bool,
    /// Run them on the databases of the configuration instead of scripts, and write what they did into this cassette
    #[arg(long, value_name = "FILE", conflicts_with_all = ["replay", "deny_each"])]
    record: Option<PathBuf>,
    /// Run them on what this cassette says, without databases, storage or clock, and tell the first divergence
    #[arg(long, value_name = "FILE", conflicts_with_all = ["deny_each", "config", "database", "redact"])]
    replay: Option<PathBuf>,
    /// With `--record`: a column whose values do not get into the file, `COLUMN` or `TABLE.COLUMN`; may be given several times
    #[arg(long, value_name = "COLUMN", requires = "record")]
    redact: Vec<String>,
    #[command(flatten)]
    sources: SourceOptions,
    /// Print the results as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// How one test ended.
struct Outcome {
    name: String,
    /// The capability that was refused.
    denied: Option<String>,
    failure: Option<String>,
}

/// Builds the project, runs its tests and prints how they ended.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let project = Project::open(&options.folder)?;
    let files = case::read(&project.folder)?;
    let cases: Vec<Case> = files.into_iter().flat_map(|(_, cases)| cases).collect();
    let cases: Vec<Case> = cases.into_iter().filter(|case| options.name.as_deref().is_none_or(|part| case.name.contains(part))).collect();
    if cases.is_empty() {
        return Err(Failure::new(Exit::Usage, "no test has that in its name"));
    }
    let folder = match &options.built {
        Some(folder) => folder.clone(),
        None => build::build(&project, &project.folder.join("build"), &[]).await?.folder,
    };
    if let Some(file) = &options.record {
        let recorded = cassette::record(&project, &folder, &cases, &options.sources, (file, &options.redact)).await?;
        return print(&recorded, options.json);
    }
    if let Some(file) = &options.replay {
        return print(&cassette::replay(&project, &folder, &cases, file).await?, options.json);
    }
    let player = Arc::new(Player::default());
    let dispatch = DispatchOptions { scripted: Some(Scripted(player.clone())), ..DispatchOptions::default() };
    let dispatcher = package::load(&folder, project.id(), Services::default(), dispatch).await?;
    let mut outcomes = Vec::new();
    for case in &cases {
        let failure = test(&dispatcher, &player, case).await.err();
        outcomes.push(Outcome { name: case.name.clone(), denied: None, failure });
    }
    if options.deny_each {
        for capability in project.manifest.capabilities.keys() {
            for case in &cases {
                let failure = test_denied(&dispatcher, &player, case, capability).await.err();
                outcomes.push(Outcome { name: case.name.clone(), denied: Some(capability.clone()), failure });
            }
        }
    }
    print(&outcomes, options.json)
}

fn print(outcomes: &[Outcome], as_json: bool) -> Result<(), Failure> {
    let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    if as_json {
        let outcomes: Vec<Json> = outcomes
            .iter()
            .map(|Outcome { name, denied, failure }| json!({ "name": name, "denied": denied, "passed": failure.is_none(), "failure": failure }))
            .collect();
        output::json(&json!({ "tests": outcomes, "passed": outcomes.len() - failed, "failed": failed }));
    } else {
        for Outcome { name, denied, failure } in outcomes {
            let without = denied.as_ref().map_or(String::new(), |capability| format!(" (without `{capability}`)"));
            match failure {
                None => output::line(format!("ok      {name}{without}")),
                Some(reason) => output::line(format!("FAILED  {name}{without}\n  {}", reason.replace('\n', "\n  "))),
            }
        }
        output::line(format!("{} passed, {failed} failed", outcomes.len() - failed));
    }
    if failed == 0 { Ok(()) } else { Err(Failure::new(Exit::Failed, format!("{failed} of {} tests failed", outcomes.len()))) }
}

/// Runs one test as it is written.
async fn test(dispatcher: &Arc<Dispatcher>, player: &Player, case: &Case) -> Result<(), String> {
    player.begin(&case.settings, &case.calls, None);
    let came = play(dispatcher, case).await;
    // A call that was not expected is the reason of whatever followed.
    if let Some(diverged) = player.end().diverged {
        return Err(diverged);
    }
    check(&case.expect, &came?)
}

/// Runs one test with a capability refused. It may come to anything but a trap.
async fn test_denied(dispatcher: &Arc<Dispatcher>, player: &Player, case: &Case, capability: &str) -> Result<(), String> {
    player.begin(&case.settings, &case.calls, Some(capability));
    let came = play(dispatcher, case).await;
    player.end();
    match came?.get("error").and_then(Json::as_str) {
        Some(code @ ("PLUGIN_FAILED" | "PLUGIN_LIMIT" | "INTERNAL")) => Err(format!("the call ended with `{code}`")),
        _ => Ok(()),
    }
}

/// Calls the tool or asks the hook. What came of it is an object whose keys are those of expectations.
async fn play(dispatcher: &Arc<Dispatcher>, case: &Case) -> Result<Json, String> {
    let caller = case.caller.as_deref().map_or_else(Caller::local, Caller::named);
    let call = Call::new(caller, LIMIT);
    let plugins: Vec<Arc<Plugin>> = dispatcher.plugins();
    let plugin = plugins.first().ok_or("the plugin is gone")?;
    if case.hook.is_some() {
        return question::ask(plugin, case, &call, dispatcher.services()).await;
    }
    let name = format!("{}{}", plugin.rules.prefix, case.tool.as_deref().unwrap_or_default());
    let request = ToolRequest { name, arguments: case.arguments.clone(), round: Round::default() };
    let result = shell::call_tool(dispatcher, &call, request).await?;
    // Rows go out as text alone.
    let as_text = || serde_json::from_str(&result.text).unwrap_or_default();
    let structured: Json = result.json.get("structuredContent").cloned().unwrap_or_else(as_text);
    let mut came = Map::new();
    came.insert("text".into(), result.text.clone().into());
    if result.is_error {
        came.insert("error".into(), structured["error"]["code"].clone());
    } else {
        came.insert("rows".into(), structured.get("rows").cloned().unwrap_or_default());
        came.insert("json".into(), structured);
    }
    Ok(Json::Object(came))
}

/// Whether everything that is expected holds.
fn check(expect: &Expectation, came: &Json) -> Result<(), String> {
    let Expectation { rows, json, text, contains, error, pass, refuse, mask, rewrite, answer, suggestions, try_again, setup } = expect;
    if error.is_none() && came.get("error").is_some() {
        return Err(format!("it failed: {}", came["text"].as_str().unwrap_or_default()));
    }
    let wanted = [
        ("rows", rows.clone()),
        ("json", json.clone()),
        ("text", text.clone().map(Json::from)),
        ("error", error.clone().map(Json::from)),
        ("pass", pass.map(Json::from)),
        ("refuse", refuse.clone().map(Json::from)),
        ("mask", mask.clone().map(Json::from)),
        ("rewrite", rewrite.clone()),
        ("answer", answer.clone()),
        ("suggestions", suggestions.clone().map(Json::from)),
        ("try-again", try_again.map(Json::from)),
        ("setup", setup.clone().map(Json::from)),
    ];
    for (what, wanted) in wanted {
        let Some(wanted) = wanted else { continue };
        let actual = came.get(what).unwrap_or(came);
        if let Some(difference) = compare::difference(&format!("`{what}` is another"), &wanted, actual) {
            return Err(difference);
        }
    }
    match contains {
        Some(part) if !came.to_string().contains(part.as_str()) => Err(format!("`{part}` is not in it\n    got {came}")),
        _ => Ok(()),
    }
}
