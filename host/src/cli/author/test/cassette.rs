//! `plugin test --record` and `--replay`: the tests on real capabilities, noted in a file, and the same from that file alone.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value as Json;
use serde_json::json;

use super::Outcome;
use super::case::Case;
use super::play;
use crate::call::CallId;
use crate::capability::Services;
use crate::cassette::Cassette;
use crate::cassette::CassetteError;
use crate::cassette::Divergence;
use crate::cassette::Header;
use crate::cassette::Line;
use crate::cassette::Player;
use crate::cassette::PluginNote;
use crate::cassette::Recorder;
use crate::cassette::Redaction;
use crate::cassette::Tape;
use crate::cassette::matches;
use crate::cli::SourceOptions;
use crate::cli::author::dev;
use crate::cli::author::package;
use crate::cli::author::project::Project;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::config::Config;
use crate::database::Databases;
use crate::dispatch::DispatchOptions;
use crate::dispatch::Dispatcher;
use crate::plugin::digest::Digest;
use crate::runtime::scripted::FromTape;
use crate::runtime::scripted::Scripted;
use crate::storage::Storage;
use crate::vault::Vaults;

/// Runs tests on the databases of the configuration and writes what they did into `file`. What they expect is that of their
/// scripts, and not looked at.
pub(super) async fn record(
    project: &Project,
    built: &Path,
    cases: &[Case],
    sources: &SourceOptions,
    (file, columns): (&Path, &[String]),
) -> Result<Vec<Outcome>, Failure> {
    let mut config = sources.load()?;
    dev::grant(&mut config, project, built)?;
    let header = Header {
        tidegate: env!("CARGO_PKG_VERSION").into(),
        seed: format!("{}{}", CallId::random(), CallId::random()),
        ..Header::default()
    };
    let recorder = Arc::new(Recorder::new(header, redaction(&config, columns)?));
    let databases = Databases::new(config.databases.clone()).map_err(|(name, error)| Failure::database(&name, &error))?;
    let (storage, vaults) = (Arc::new(Storage::new(config.state.clone())), Vaults::new(&config.vaults));
    let tape = Some(Tape::Recording(recorder.clone()));
    let services = Services { databases, storage, vaults, tape, ..Services::default() };
    let wanted = config.plugins.pop().ok_or_else(|| Failure::new(Exit::Failed, "the plugin is gone"))?;
    let dispatch = DispatchOptions { recorded: true, ..DispatchOptions::default() };
    let dispatcher = package::load_as(wanted, services, dispatch).await?;
    let recorded = record_on(&dispatcher, &recorder, cases).await;
    dispatcher.services().storage.close().await;
    dispatcher.databases().close().await;
    let outcomes = recorded?;
    recorder.finish(vec![note(&dispatcher, project, built)?]).write(file).map_err(|error| failure(file, &error))?;
    Ok(outcomes)
}

async fn record_on(dispatcher: &Arc<Dispatcher>, recorder: &Recorder, cases: &[Case]) -> Result<Vec<Outcome>, Failure> {
    for plugin in dispatcher.plugins() {
        let streamed = if plugin.component.imports_http() { Some("wasi:http") } else { None };
        let streamed = streamed.or_else(|| plugin.component.contract_imports().into_iter().find(|import| *import == "vault"));
        if let Some(import) = streamed {
            return Err(Failure::new(
                Exit::Failed,
                format!("the plugin imports `{import}`, which hands over streams, and no cassette holds those"),
            )
            .next("test it with scripts, as `tests/*.toml` have them"));
        }
    }
    let mut outcomes = Vec::new();
    for case in cases {
        let came = play(dispatcher, case).await;
        recorder.note(Line::Test { test: case.name.clone(), came: came_of(&came) });
        outcomes.push(Outcome { name: case.name.clone(), denied: None, failure: came.err() });
    }
    Ok(outcomes)
}

/// Runs tests on what `file` says, without anything else, until the first divergence.
pub(super) async fn replay(project: &Project, built: &Path, cases: &[Case], file: &Path) -> Result<Vec<Outcome>, Failure> {
    let cassette = Cassette::read(file).map_err(|error| failure(file, &error))?;
    let player = Arc::new(Player::new(&cassette));
    let services = Services { tape: Some(Tape::Playing(player.clone())), ..Services::default() };
    let dispatch = DispatchOptions { scripted: Some(Scripted(Arc::new(FromTape))), ..DispatchOptions::default() };
    let dispatcher = package::load(built, project.id(), services, dispatch).await?;
    let mine = note(&dispatcher, project, built)?;
    if !cassette.header.plugins.contains(&mine) {
        output::error_line("note: the cassette was recorded with another build of the plugin");
    }
    let mut outcomes = Vec::new();
    for case in cases {
        let came = play(&dispatcher, case).await;
        let parted = player.diverged().or_else(|| compare(&cassette, case, &came_of(&came)));
        let last = parted.is_some();
        outcomes.push(Outcome { name: case.name.clone(), denied: None, failure: parted.map(|parted| parted.to_string()) });
        if last {
            break;
        }
    }
    Ok(outcomes)
}

/// Where what came of a test is not what was recorded.
fn compare(cassette: &Cassette, case: &Case, now: &Json) -> Option<Divergence> {
    let recorded = cassette.lines.iter().enumerate().find_map(|(at, line)| match line {
        Line::Test { test, came } if *test == case.name => Some((at + 2, came)),
        _ => None,
    });
    match recorded {
        Some((_, came)) if matches(came, now) => None,
        Some((line, came)) => Some(Divergence { line, recorded: came.to_string(), now: now.to_string() }),
        None => Some(Divergence { line: 1, recorded: "no test of this name".into(), now: now.to_string() }),
    }
}

/// What came of a test, as a cassette says it.
fn came_of(came: &Result<Json, String>) -> Json {
    match came {
        Ok(came) => came.clone(),
        Err(reason) => json!({ "failed": reason }),
    }
}

/// What is taken out: the secrets of every plugin, and the columns that were marked.
fn redaction(config: &Config, columns: &[String]) -> Result<Redaction, Failure> {
    let secrets = config.plugins.iter().flat_map(|plugin| &plugin.capabilities.secrets);
    let secrets = secrets.map(|(name, secret)| (name.as_str(), secret.reveal()));
    Redaction::new(secrets, columns).map_err(|error| Failure::new(Exit::Configuration, error.to_string()))
}

/// The plugin, as a header names it.
fn note(dispatcher: &Dispatcher, project: &Project, built: &Path) -> Result<PluginNote, Failure> {
    let component = built.join(&project.manifest.component.file);
    let bytes = std::fs::read(&component);
    let bytes = bytes.map_err(|error| Failure::new(Exit::Failed, format!("cannot read `{}`: {error}", component.display())))?;
    let version = dispatcher.plugins().first().map(|plugin| plugin.manifest.plugin.version.to_string());
    Ok(PluginNote { id: project.id().to_owned(), version: version.unwrap_or_default(), component: Digest::of(&bytes).to_string() })
}

fn failure(file: &Path, error: &CassetteError) -> Failure {
    Failure::new(Exit::Failed, format!("`{}`: {error}", file.display()))
}
