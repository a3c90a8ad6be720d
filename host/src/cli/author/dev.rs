//! `tidegate plugin dev`: serves over HTTP with the plugin of a project, looks at its files, and swaps in what comes of them.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

use clap::Args;

use super::build;
use super::project::Project;
use crate::cli::SourceOptions;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::serve;
use crate::config::Config;
use crate::config::HookGrant;
use crate::config::HookMode;
use crate::config::PluginConfig;
use crate::config::PluginName;
use crate::config::PluginSource;
use crate::config::Right;
use crate::dispatch::Dispatcher;
use crate::plugin::source;

/// Time between two looks at the files.
const PAUSE: Duration = Duration::from_millis(500);

/// Folders that no source is in.
const LEFT_OUT: [&str; 6] = [".git", ".venv", "__pycache__", "build", "node_modules", "target"];

/// Options of `plugin dev`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The folder of the project
    #[arg(default_value = ".")]
    folder: PathBuf,
    #[command(flatten)]
    sources: SourceOptions,
    /// Serve at this address, path /mcp [default: `server.http` of the configuration, 127.0.0.1:8642]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
}

/// Builds, serves, and does both again as often as files change. What does not build is told, and the last one that did stays.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let project = Project::open(&options.folder)?;
    let mut config = options.sources.load()?;
    if let Some(address) = options.http {
        config.server.http = address;
    }
    let out = project.folder.join("build");
    build::build(&project, &out, &[]).await?;
    grant(&mut config, &project, &out)?;
    let dispatcher = serve::compose(&config).await?;
    output::error_line(format!("`{}` is built; its files are looked at", project.id()));
    let served = tokio::select! {
        served = serve::serve_http(&dispatcher, &config.server) => served,
        never = follow(&project.folder, &out, &config, &dispatcher) => match never {},
    };
    dispatcher.databases().close().await;
    served
}

/// What the plugin of the project may do: what the configuration says of it, else read every database and be obeyed as a hook.
pub(super) fn grant(config: &mut Config, project: &Project, out: &Path) -> Result<(), Failure> {
    let name = PluginName::parse(project.id());
    let name = name.ok_or_else(|| Failure::new(Exit::Configuration, format!("`{}` cannot be the name of a plugin", project.id())))?;
    let at = config.plugins.iter().position(|plugin| plugin.name == name);
    let said = at.map(|at| config.plugins.remove(at));
    let mut wanted = said.unwrap_or_else(|| {
        let reads = config.databases.iter().map(|database| (database.name.clone(), Right::Read));
        let obeyed = HookGrant { mode: Some(HookMode::Enforce), ..HookGrant::default() };
        let hooks: BTreeMap<_, _> = project.manifest.hooks.iter().map(|hook| (hook.event, obeyed)).collect();
        PluginConfig { databases: Some(reads.collect()), hooks, ..PluginConfig::new(name) }
    });
    wanted.source = Some(PluginSource { folder: out.to_owned(), component: None });
    config.plugins.push(wanted);
    Ok(())
}

/// Rebuilds and swaps whenever the files have changed and stand still again.
async fn follow(folder: &Path, out: &Path, config: &Config, dispatcher: &Dispatcher) -> std::convert::Infallible {
    let mut built = newest(folder);
    let mut seen = built;
    loop {
        tokio::time::sleep(PAUSE).await;
        let now = newest(folder);
        // An editor writes several files, or one in pieces: half of a change is not built.
        if now == built || now != seen {
            seen = now;
            continue;
        }
        built = now;
        output::error_line("files changed; building");
        match swap(folder, out, config, dispatcher).await {
            Ok(id) => output::error_line(format!("`{id}` is swapped in")),
            Err(failure) => output::error_line(format!("error: {failure}\n  the last version that was built stays")),
        }
    }
}

async fn swap(folder: &Path, out: &Path, config: &Config, dispatcher: &Dispatcher) -> Result<String, Failure> {
    let project = Project::open(folder)?;
    build::build(&project, out, &[]).await?;
    let packages = source::packages(config, &[]).map_err(|(plugin, error)| Failure::source(&plugin, &error))?;
    let id = project.id().to_owned();
    let package = packages.into_iter().find(|(name, _)| *name == id);
    let (_, package) = package.ok_or_else(|| Failure::new(Exit::Configuration, "its id changed; begin `plugin dev` anew"))?;
    dispatcher.replace(package).await.map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
    Ok(id)
}

/// The moment of the latest change of a source file, and how many there are.
fn newest(folder: &Path) -> (Option<SystemTime>, usize) {
    let mut latest = None;
    let mut count = 0;
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(about) = entry.metadata() else { continue };
            if !about.is_dir() {
                latest = latest.max(about.modified().ok());
                count += 1;
            } else if !LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
                waiting.push(entry.path());
            }
        }
    }
    (latest, count)
}
