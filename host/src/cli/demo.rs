//! `tidegate demo`: a sample database, served over HTTP, and a short tour of real MCP calls.

mod clients;
mod sample;
mod tour;

use std::cell::Cell;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::failure::Exit;
use super::failure::Failure;
use super::output;
use super::serve::compose;
use super::serve::http_failure;
use super::serve::http_options;
use super::serve::server;
use super::serve::until_stopped;
use crate::config::Config;
use crate::config::DatabaseConfig;
use crate::config::DatabaseName;
use crate::config::ServerConfig;
use crate::config::environment;
use crate::database::sample_file;
use crate::dispatch::Dispatcher;
use crate::mcp::http;
use crate::mcp::http::HttpError;

/// The name of the sample database.
const NAME: &str = "shop";

/// Options of `demo`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// End after the tour
    #[arg(long)]
    once: bool,
}

/// Makes the database, serves it, and shows the tour.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let file = sample_database().await?;
    let config = config(&file)?;
    let dispatcher = compose(&config).await?;
    let result = until_stopped(async |shutdown| serve_and_show(options, &config.server, &dispatcher, &file, shutdown).await).await;
    dispatcher.databases().close().await;
    result?
}

/// Serves until the tour is over, with `--once`, or else until `shutdown`.
async fn serve_and_show(
    options: &Options,
    config: &ServerConfig,
    dispatcher: &Arc<Dispatcher>,
    file: &Path,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let (tell, listening) = oneshot::channel();
    let serving = serve_anywhere(config, dispatcher, shutdown.clone(), tell);
    let showing = async {
        // Serving that failed says why itself.
        let Ok(address) = listening.await else { return std::future::pending().await };
        show(options, address, file, &shutdown).await
    };
    tokio::pin!(serving, showing);
    tokio::select! {
        served = &mut serving => served,
        shown = &mut showing => {
            shutdown.cancel();
            shown.and(serving.await)
        }
    }
}

/// Serves on the configured address, or on a free port when something else has it.
async fn serve_anywhere(
    config: &ServerConfig,
    dispatcher: &Arc<Dispatcher>,
    shutdown: CancellationToken,
    listening: oneshot::Sender<SocketAddr>,
) -> Result<(), Failure> {
    let listening = Cell::new(Some(listening));
    let tell = |address| {
        if let Some(listening) = listening.take() {
            // Nobody listens when the command is being stopped.
            let _ = listening.send(address);
        }
    };
    let mut options = http_options(config);
    let mut served = http::serve(options.clone(), server(dispatcher, config)?, shutdown.clone(), tell).await;
    if matches!(served, Err(HttpError::Bind { .. })) {
        options.address.set_port(0);
        served = http::serve(options, server(dispatcher, config)?, shutdown, tell).await;
    }
    served.map_err(|error| http_failure(&error))
}

/// Prints the tour and the snippets.
async fn show(options: &Options, address: SocketAddr, file: &Path, shutdown: &CancellationToken) -> Result<(), Failure> {
    let url = format!("http://{address}/mcp");
    output::line(format!("Sample database: {}\nServing MCP at {url}\n", file.display()));
    tour::run(&url).await?;
    output::line(clients::snippets(&url, &program(), &format!("{NAME}=sqlite:{}", file.display())));
    if !options.once {
        output::line("Serving until ctrl-c.");
        shutdown.cancelled().await;
    }
    Ok(())
}

/// The configuration of the demo: defaults, and the sample database.
fn config(file: &Path) -> Result<Config, Failure> {
    let name = DatabaseName::parse(NAME).expect("the name has letters only");
    let database = DatabaseConfig::new(name, &format!("sqlite:{}", file.display())).expect("it is an SQLite URL");
    Ok(Config { databases: vec![database], cache: environment::cache(), state: environment::state(), ..Config::default() })
}

/// Writes the sample database and answers where it is: in the user's cache folder, so that the snippets stay good after the
/// demo has ended, else in a new temporary folder.
async fn sample_database() -> Result<PathBuf, Failure> {
    let cannot = |what: &Path, error: &dyn std::fmt::Display| {
        Failure::new(Exit::Failed, format!("the sample database was not written to `{}`: {error}", what.display()))
            .next(format!("set {} to a folder that may be written", environment::CACHE))
    };
    let unique = format!("{:016x}", getrandom::u64().map_err(|error| cannot(&std::env::temp_dir(), &error))?);
    let folder = match environment::cache() {
        Some(cache) => cache.join("demo"),
        None => std::env::temp_dir().join(format!("tidegate-demo-{unique}")),
    };
    fs::create_dir_all(&folder).map_err(|error| cannot(&folder, &error))?;
    // Written aside and moved into place: another demo may be reading the one that is there.
    let (draft, file) = (folder.join(format!("{unique}.draft")), folder.join("shop.sqlite"));
    let written = sample_file::create(&draft, sample::script()).await.map_err(|error| cannot(&draft, &error));
    let moved = written.and_then(|()| fs::rename(&draft, &file).map_err(|error| cannot(&file, &error)));
    if moved.is_err() {
        // It may not have been made at all.
        let _ = fs::remove_file(&draft);
    }
    moved.map(|()| file)
}

/// The path of this program, as a client can start it.
fn program() -> String {
    std::env::current_exe().map_or_else(|_| "tidegate".to_owned(), |path| path.display().to_string())
}
