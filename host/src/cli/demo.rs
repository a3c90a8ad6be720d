//! `tidegate demo`: a sample database, served over HTTP, and a short tour of real MCP calls.

mod clients;
mod sample;
mod tour;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use tokio::sync::oneshot;

use super::failure::Exit;
use super::failure::Failure;
use super::output;
use super::serve::compose;
use super::serve::listen;
use super::serve::stop_asked;
use crate::config::Config;
use crate::config::DatabaseConfig;
use crate::config::DatabaseName;
use crate::config::environment;
use crate::database::sample_file;

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
    let server = match listen(dispatcher.clone(), &config.server).await {
        Ok(server) => server,
        // Something else has the usual port.
        Err(_) => {
            let mut elsewhere = config.server.clone();
            elsewhere.http = SocketAddr::from((elsewhere.http.ip(), 0));
            listen(dispatcher.clone(), &elsewhere).await?
        }
    };
    let url = format!("http://{}/mcp", server.address());
    output::line(format!("Sample database: {}\nServing MCP at {url}\n", file.display()));

    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async {
        // A sender that is gone is a command that is over.
        let _ = stopped.await;
    }));
    let toured = tour::run(&url).await;
    if toured.is_ok() {
        output::line(clients::snippets(&url, &program(), &format!("{NAME}=sqlite:{}", file.display())));
        if !options.once {
            output::line("Serving until ctrl-c.");
            stop_asked().await;
        }
    }
    // The server may have ended by itself; then there is nobody to tell.
    let _ = stop.send(());
    let served = serving.await;
    dispatcher.databases().close().await;
    toured?;
    match served {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Failure::new(Exit::Failed, format!("serving over HTTP ended: {error}"))),
        Err(error) => Err(Failure::new(Exit::Failed, format!("serving over HTTP ended: {error}"))),
    }
}

/// The configuration of the demo: defaults, and the sample database.
fn config(file: &Path) -> Result<Config, Failure> {
    let name = DatabaseName::parse(NAME).expect("the name has letters only");
    let database = DatabaseConfig::new(name, &format!("sqlite:{}", file.display())).expect("it is an SQLite URL");
    Ok(Config { databases: vec![database], cache: environment::cache(), ..Config::default() })
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
