//! `tidegate plugin install`: takes a plugin, shows it, asks about its rights, and puts it in its place.

use clap::Args;
use serde_json::json;

use super::ask::RightOptions;
use super::judge;
use super::judge::Judged;
use super::judge::TrustOptions;
use super::place::PlaceOptions;
use super::show;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::plugin::abilities::Abilities;
use crate::plugin::folder::PluginsFolder;
use crate::plugin::grants_file::Grant;
use crate::plugin::install;
use crate::plugin::install::Candidate;
use crate::plugin::install::Outcome;
use crate::plugin::install::rights::Choices;
use crate::plugin::install::source::Source;

/// Options of `plugin install`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// A folder, https://…/plugin.toml, oci://…, or the name of a plugin in an index
    source: String,
    #[command(flatten)]
    rights: RightOptions,
    #[command(flatten)]
    trust: TrustOptions,
    /// Take a version that is older than the installed one
    #[arg(long)]
    allow_downgrade: bool,
    #[command(flatten)]
    place: PlaceOptions,
    /// Print what was done as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Installs a plugin.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let folder = options.place.open()?;
    let judged = judge::judge(&Source::parse(&options.source), &options.trust, &folder, options.json).await?;
    judged.candidate.check_place(&folder.read_lock()?, &bundled(), options.allow_downgrade)?;
    if !options.json {
        present(&judged.candidate);
    }
    let grant = decide(&judged.candidate, &folder, &options.rights)?;
    let id = judged.candidate.id().to_owned();
    let version = judged.candidate.inspected.manifest.plugin.version.clone();
    let told = grant.as_ref().map(show::granted_line);
    let outcome = put(judged, folder, grant, options.allow_downgrade).await?;
    if options.json {
        output::json(&json!({ "id": id, "version": version, "outcome": word(outcome), "granted": told }));
        return Ok(());
    }
    match (outcome, told) {
        (Outcome::Runs, Some(granted)) => output::line(format!("`{id}` {version} is installed; granted: {granted}")),
        (Outcome::Runs, None) => output::line(format!("`{id}` {version} is installed, with what was granted to it before")),
        (Outcome::Waits, _) => output::line(format!(
            "`{id}` {version} waits, because it is not what was approved; what is installed goes on. See `tidegate plugin approve {id} --diff`"
        )),
        (Outcome::Unchanged, _) => output::line(format!("`{id}` {version} is installed already")),
    }
    Ok(())
}

/// The ids of the plugins of the program.
pub(super) fn bundled() -> Vec<&'static str> {
    tidegate_bundle::PLUGINS.iter().map(|plugin| plugin.id).collect()
}

/// The outcome in one word.
pub(super) fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Runs => "runs",
        Outcome::Waits => "waits",
        Outcome::Unchanged => "unchanged",
    }
}

/// Puts a plugin in its place. The folder is waited for off the async threads.
pub(super) async fn put(judged: Judged, folder: PluginsFolder, grant: Option<Grant>, may_go_back: bool) -> Result<Outcome, Failure> {
    let put = tokio::task::spawn_blocking(move || {
        let claim = folder.claim()?;
        // Another command may have been faster.
        judged.candidate.check_place(&folder.read_lock()?, &bundled(), may_go_back)?;
        install::place(&claim, &judged.candidate, judged.publisher, grant)
    });
    Ok(put.await.map_err(|_| Failure::new(crate::cli::failure::Exit::Failed, "it was cut off, and nothing was changed"))??)
}

/// Shows what is about to be installed.
fn present(candidate: &Candidate) {
    let about = &candidate.inspected.manifest.plugin;
    output::line(format!("{} {}: {}", about.id, about.version, about.title));
    output::line(format!("  {}", about.description.replace('\n', "\n  ")));
    show::abilities(&Abilities::of(&candidate.inspected.interfaces));
}

/// The grant for a candidate; `None` when one is there that serves, or when it has to wait for `approve`.
fn decide(candidate: &Candidate, folder: &PluginsFolder, rights: &RightOptions) -> Result<Option<Grant>, Failure> {
    let (id, release) = (candidate.id(), candidate.release());
    let (lock, grants) = (folder.read_lock()?, folder.read_grants()?);
    let manifest = &candidate.inspected.manifest;
    let installed = lock.find(id);
    let choices = match grants.find(id, &release) {
        Some(_) if !rights.decide_something() => return Ok(None),
        Some(grant) => Choices::of_grant(grant, manifest),
        // It wants something else than what runs: a person looks at the differences first.
        None if installed.is_some_and(|entry| grants.find(id, &entry.running).is_some()) => return Ok(None),
        None => Choices::default(),
    };
    let choices = rights.complete(choices, manifest)?;
    Ok(Some(show::grant(id, &release, choices, rights.bind_artifact)))
}
