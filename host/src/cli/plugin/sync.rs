//! `tidegate plugin sync`: makes what is on the disk what the lock says, for a machine that got the lock from another one.

use clap::Args;
use serde_json::json;

use super::judge;
use super::place::PlaceOptions;
use super::verify;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::plugin::digest::Digest;
use crate::plugin::folder::PluginsFolder;
use crate::plugin::inspection;
use crate::plugin::inspection::Expected;
use crate::plugin::install::proof;
use crate::plugin::install::source::Source;
use crate::plugin::lock::Lock;
use crate::plugin::lock::Release;

/// Options of `plugin sync`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// Change nothing; fail when something would have to be changed
    #[arg(long)]
    check: bool,
    /// Fail when the configuration names a plugin that the lock does not have
    #[arg(long)]
    locked: bool,
    /// As --locked, and use no network
    #[arg(long)]
    frozen: bool,
    #[command(flatten)]
    place: PlaceOptions,
    /// Print what was found and done as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Fetches what is missing or damaged, and nothing that the lock does not pin.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let folder = options.place.open()?;
    let lock = folder.read_lock()?;
    if options.locked || options.frozen {
        check_configuration(options, &lock)?;
    }
    let mut fetched = Vec::new();
    let mut wrong = Vec::new();
    for entry in lock.entries() {
        for release in entry.releases() {
            let Err(problem) = verify::check_installed(&folder, &entry.id, release) else { continue };
            let name = format!("{} {}", entry.id, release.version);
            if options.check {
                wrong.push(format!("{name}: {}", problem.message));
                continue;
            }
            match fetch(options, &folder, &entry.id, release).await {
                Ok(()) => fetched.push(name),
                Err(failure) => wrong.push(format!("{name}: {failure}")),
            }
        }
    }
    if options.json {
        output::json(&json!({ "fetched": fetched, "wrong": wrong }));
    } else {
        fetched.iter().for_each(|name| output::line(format!("fetched {name}")));
        wrong.iter().for_each(output::error_line);
        if fetched.is_empty() && wrong.is_empty() {
            output::line("everything is as the lock says");
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, format!("{} of what the lock names is not there as it says", wrong.len())).next(if options.check {
        "`tidegate plugin sync` fetches it"
    } else {
        "the lines above say why"
    }))
}

/// Checks that every plugin that the configuration says something about is part of the program, in a folder, or in the lock.
fn check_configuration(options: &Options, lock: &Lock) -> Result<(), Failure> {
    let config = options.place.config()?;
    let is_missing = |name: &str| lock.find(name).is_none() && tidegate_bundle::PLUGINS.iter().all(|plugin| plugin.id != name);
    let missing: Vec<&str> = config
        .plugins
        .iter()
        .filter(|plugin| plugin.source.is_none())
        .map(|plugin| plugin.name.as_str())
        .filter(|name| is_missing(name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Configuration, format!("the lock does not have {}, which the configuration names", missing.join(", ")))
        .next("install it, or take it out of the configuration"))
}

/// Fetches a release and takes it only if it is, byte for byte, what the lock pins.
async fn fetch(options: &Options, folder: &PluginsFolder, id: &str, release: &Release) -> Result<(), Failure> {
    let source = Source::parse(release.resolved.as_deref().unwrap_or(&release.source));
    if options.frozen && source.is_remote() {
        return Err(Failure::new(Exit::Failed, format!("{source} is not on this machine, and `--frozen` allows no network")));
    }
    let fetched = judge::fetch(&source, options.json).await?;
    if Digest::of(&fetched.files.manifest) != release.manifest {
        return Err(Failure::new(Exit::Failed, format!("{source} offers something else than the lock pins ({})", release.manifest)));
    }
    let expected = Expected { key: release.publisher.clone(), may_be_unsigned: release.publisher.is_none() };
    let inspected = inspection::inspect(fetched.files, &expected).map_err(|error| judge::refused(&source, &error))?;
    let contract = proof::prove(&inspected, crate::config::environment::cache()).await.map_err(|error| judge::refused(&source, &error))?;
    if inspected.manifest.plugin.id != id
        || contract.digest() != release.contract
        || Digest::of(&inspected.files.component) != release.component
    {
        return Err(Failure::new(Exit::Failed, format!("{source} offers something else than the lock pins")));
    }
    let folder = folder.clone();
    let kept = tokio::task::spawn_blocking(move || folder.claim()?.keep(&inspected.files, &contract));
    kept.await.map_err(|_| Failure::new(Exit::Failed, "it was cut off"))??;
    Ok(())
}
