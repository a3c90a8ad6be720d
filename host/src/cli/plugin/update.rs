//! `tidegate plugin update`: asks again where plugins came from.

use clap::Args;
use serde_json::json;

use super::install;
use super::judge;
use super::judge::TrustOptions;
use super::place::PlaceOptions;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::plugin::install::InstallError;
use crate::plugin::install::Outcome;
use crate::plugin::install::source::Source;
use crate::plugin::lock::Entry;

/// Options of `plugin update`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// Its id [default: everything that is installed]
    id: Option<String>,
    #[command(flatten)]
    trust: TrustOptions,
    #[command(flatten)]
    place: PlaceOptions,
    /// Print what was done as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Updates plugins. One that cannot be updated does not keep the others from it.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let folder = options.place.open()?;
    let lock = folder.read_lock()?;
    let entries: Vec<Entry> = match &options.id {
        None => lock.entries().cloned().collect(),
        Some(id) => vec![lock.find(id).cloned().ok_or_else(|| InstallError::NotInstalled(id.clone()))?],
    };
    let mut done = Vec::new();
    let mut failed = Vec::new();
    for entry in entries {
        match update(options, &entry).await {
            Ok((version, outcome)) => {
                if !options.json {
                    let id = &entry.id;
                    output::line(match outcome {
                        Outcome::Runs => format!("`{id}` {} -> {version}", entry.running.version),
                        Outcome::Waits => format!("`{id}` {version} waits; see `tidegate plugin approve {id} --diff`"),
                        Outcome::Unchanged => format!("`{id}` {version} is the newest"),
                    });
                }
                done.push(json!({ "id": entry.id, "version": version, "outcome": install::word(outcome) }));
            }
            Err(failure) => {
                output::error_line(format!("`{}`: {failure}", entry.id));
                done.push(json!({ "id": entry.id, "version": entry.running.version, "outcome": "failed", "error": failure.message }));
                failed.push(entry.id);
            }
        }
    }
    if options.json {
        output::json(&json!(done));
    }
    if failed.is_empty() { Ok(()) } else { Err(Failure::new(Exit::Failed, format!("not updated: {}", failed.join(", ")))) }
}

async fn update(options: &Options, entry: &Entry) -> Result<(String, Outcome), Failure> {
    let folder = options.place.open()?;
    let judged = judge::judge(&Source::parse(&entry.running.source), &options.trust, &folder, options.json).await?;
    let (id, version) = (judged.candidate.id().to_owned(), judged.candidate.inspected.manifest.plugin.version.to_string());
    if id != entry.id {
        return Err(Failure::new(Exit::Failed, format!("its source offers `{id}` now")));
    }
    let waits_already = entry.waiting.as_ref().is_some_and(|waiting| waiting.manifest == judged.candidate.release().manifest);
    judged.candidate.check_place(&folder.read_lock()?, &install::bundled(), false)?;
    let outcome = if waits_already { Outcome::Waits } else { install::put(judged, folder, None, false).await? };
    Ok((version, outcome))
}
