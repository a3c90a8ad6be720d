//! `tidegate serve`, and the composition of the layers: the one place that knows all of them.

use std::error::Error;
use std::io;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::SourceOptions;
use super::failure::Exit;
use super::failure::Failure;
use super::follow::follow;
use crate::cache::Cache;
use crate::cache::version_log;
use crate::call::Call;
use crate::call::Caller;
use crate::capability::Services;
use crate::config::Config;
use crate::config::ServerConfig;
use crate::database::Databases;
use crate::dispatch::DispatchOptions;
use crate::dispatch::Dispatcher;
use crate::mcp;
use crate::mcp::http::HttpError;
use crate::mcp::http::HttpOptions;
use crate::mcp::http::Readiness;
use crate::mcp::http::Ready;
use crate::mcp::server::Server;
use crate::mcp::server::ServerOptions;
use crate::plugin::folder::PluginsFolder;
use crate::plugin::installed;
use crate::plugin::installed::Installed;
use crate::plugin::source;
use crate::storage::Storage;
use crate::vault::Vaults;

/// Options of `serve`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    sources: SourceOptions,
    /// Serve one client over standard input and output; ends when the input ends
    #[arg(long, conflicts_with = "http")]
    stdio: bool,
    /// Serve over HTTP at this address, path /mcp [default: `server.http` of the configuration, 127.0.0.1:8642]
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1)]
    http: Option<Option<SocketAddr>>,
    /// A name that the Host header may have beside the loopback ones; may be given several times
    #[arg(long, value_name = "HOST")]
    allowed_host: Vec<String>,
    /// A web origin that may call, for example https://app.example; may be given several times
    #[arg(long, value_name = "ORIGIN")]
    allowed_origin: Vec<String>,
}

/// Serves until the input ends or the process is asked to stop.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let mut config = options.sources.load()?;
    if let Some(Some(address)) = options.http {
        config.server.http = address;
    }
    config.server.allowed_hosts.extend(options.allowed_host.iter().cloned());
    config.server.allowed_origins.extend(options.allowed_origin.iter().cloned());
    let over_stdio = options.stdio || (options.http.is_none() && !io::stdin().is_terminal());
    let folder = config.plugins_folder.clone().map(PluginsFolder::new);
    // Before they are read, so that nothing that changes from now on is missed.
    let since = folder.as_ref().map(PluginsFolder::moment).unwrap_or_default();
    let dispatcher = compose(&config).await?;
    let following = folder.map(|folder| tokio::spawn(follow(dispatcher.clone(), folder, config.clone(), since)));
    let stop_jobs = CancellationToken::new();
    let jobs = tokio::spawn(dispatcher.clone().run_jobs(stop_jobs.clone()));
    let served = if over_stdio {
        let server = server(&dispatcher, &config.server)?;
        let served = until_stopped(async |shutdown| mcp::stdio::serve(server, shutdown).await).await;
        served.and_then(|served| served.map_err(|error| Failure::new(Exit::Failed, error.to_string())))
    } else {
        serve_http(&dispatcher, &config.server).await
    };
    if let Some(following) = following {
        following.abort();
    }
    stop_jobs.cancel();
    if let Err(error) = jobs.await {
        tracing::error!(%error, "What runs jobs ended by itself");
    }
    dispatcher.services().storage.close().await;
    dispatcher.databases().close().await;
    served
}

async fn serve_http(dispatcher: &Arc<Dispatcher>, config: &ServerConfig) -> Result<(), Failure> {
    look_at_roles(dispatcher, config.http.ip().is_loopback()).await?;
    let server = server(dispatcher, config)?;
    let listening = |address| tracing::info!("Serving MCP at http://{address}/mcp");
    let mut options = http_options(config);
    options.ready = ready(dispatcher.databases().clone());
    let served = until_stopped(async |shutdown| mcp::http::serve(options, server, shutdown, listening).await).await;
    served?.map_err(|error| http_failure(&error))
}

/// What `/health/ready` says: how many databases answered when they were last asked something.
fn ready(databases: Databases) -> Ready {
    Arc::new(move || {
        let answers = databases.iter().filter_map(|database| database.answers());
        answers.fold(Readiness::default(), |known, answers| match answers {
            true => Readiness { answering: known.answering + 1, ..known },
            false => Readiness { silent: known.silent + 1, ..known },
        })
    })
}

/// How long a database may take to say what its role may do, at the start.
const ROLE_LIMIT: Duration = Duration::from_secs(5);

/// Looks at the roles that the host is logged in as: a role that nothing limits is told of on loopback and refused to the
/// network, unless the operator allows it. A database that does not answer now is treated likewise.
async fn look_at_roles(dispatcher: &Dispatcher, on_loopback: bool) -> Result<(), Failure> {
    let call = Call::new(Caller::local(), ROLE_LIMIT);
    for database in dispatcher.databases().iter() {
        let name = &database.config().name;
        match database.details(&call).await {
            Ok(details) if !details.superuser || database.config().allow_superuser => {}
            Ok(_) if on_loopback => {
                tracing::warn!(database.name = %name, "Database `{name}` is used as a superuser; a role that may only read what it must is safer");
            }
            Ok(_) => {
                let text = format!("database `{name}` is used as a superuser, which is not served to the network");
                let hint = format!("use a role with fewer rights, or set `allow_superuser = true` under `[databases.{name}]`");
                return Err(Failure::new(Exit::Configuration, format!("{text}; {hint}")));
            }
            Err(error) if on_loopback || database.config().allow_superuser => {
                tracing::warn!(database.name = %name, "Database `{name}` does not say what its role may do: {error}");
            }
            Err(error) => {
                let text = format!("database `{name}` does not say what its role may do, so it is not served to the network: {error}");
                return Err(Failure::new(Exit::Database, text));
            }
        }
    }
    Ok(())
}

/// How the edge listens, as the configuration wants it.
pub(super) fn http_options(config: &ServerConfig) -> HttpOptions {
    HttpOptions {
        allowed_hosts: config.allowed_hosts.clone(),
        allowed_origins: config.allowed_origins.clone(),
        token: config.token.clone(),
        ..HttpOptions::new(config.http)
    }
}

/// Why serving over HTTP did not begin.
pub(super) fn http_failure(error: &HttpError) -> Failure {
    match error {
        HttpError::Bind { source, .. } => Failure::new(Exit::Failed, format!("{error}: {source}")),
        _ => Failure::new(Exit::Configuration, error.to_string()),
    }
}

/// The edge over a dispatcher.
pub(super) fn server(dispatcher: &Arc<Dispatcher>, config: &ServerConfig) -> Result<Server, Failure> {
    let options = ServerOptions { call_limit: config.call_timeout, ..ServerOptions::default() };
    Server::new(dispatcher.clone(), options).map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}

/// Puts the layers together: databases, plugins, and the dispatcher over both. Connects to no database yet.
pub(super) async fn compose(config: &Config) -> Result<Arc<Dispatcher>, Failure> {
    let databases = Databases::new(config.databases.clone()).map_err(|(name, error)| Failure::database(&name, &error))?;
    let installed = read_installed(config).await?;
    let packages = source::packages_beside(config, tidegate_bundle::PLUGINS, &installed.ids);
    let mut packages = packages.map_err(|(plugin, error)| Failure::source(&plugin, &error))?;
    packages.extend(installed.packages);
    let options =
        DispatchOptions { concurrent_calls: config.server.max_concurrent_calls, cache: config.cache.clone(), ..DispatchOptions::default() };
    let cache = open_cache(config, &databases)?;
    let storage = Arc::new(Storage::new(config.state.clone()));
    let (cache_scope, vaults) = (config.result_cache.scope, Vaults::new(&config.vaults));
    let services = Services { databases, cache: Some(cache), cache_scope, storage, vaults, ..Services::default() };
    let dispatcher = Dispatcher::start(services, packages, &options).await?;
    dispatcher.tell_statuses(installed.statuses);
    Ok(dispatcher)
}

/// What is installed in the folder of the configuration; nothing where there is none.
async fn read_installed(config: &Config) -> Result<Installed, Failure> {
    let Some(folder) = config.plugins_folder.clone().map(PluginsFolder::new) else { return Ok(Installed::default()) };
    let config = config.clone();
    let read = tokio::task::spawn_blocking(move || installed::read(&folder, &config)).await;
    let read = read.map_err(|_| Failure::new(Exit::Failed, "reading the installed plugins was cut off"))?;
    read.map_err(|(plugin, error)| {
        Failure::new(Exit::Configuration, format!("installed plugin `{plugin}`: {error}"))
            .next("`tidegate plugin verify` says what is wrong; `tidegate plugin remove` takes it out")
    })
}

/// Opens the cache of results. With a tier on disk, the versions of tables go on where an earlier process left them.
fn open_cache(config: &Config, databases: &Databases) -> Result<Arc<Cache>, Failure> {
    let cache = Cache::new(&config.result_cache).map_err(|error| {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Failure::new(Exit::Configuration, format!("{error}{cause}"))
    })?;
    if let Some(journal) = cache.journal() {
        version_log::restore(journal, databases);
    }
    Ok(Arc::new(cache))
}

/// Runs what `serve` starts until it ends by itself. The token that it is handed is cancelled when the process is asked to stop.
///
/// # Errors
///
/// Asked a second time, it cuts off what still runs.
pub(super) async fn until_stopped<T>(serve: impl AsyncFnOnce(CancellationToken) -> T) -> Result<T, Failure> {
    let shutdown = CancellationToken::new();
    let asked_twice = async {
        stop_asked().await;
        shutdown.cancel();
        stop_asked().await;
    };
    tokio::select! {
        output = serve(shutdown.clone()) => Ok(output),
        () = asked_twice => Err(Failure::new(Exit::Failed, "asked to stop twice: calls in progress were cut off")),
    }
}

/// Ends when the process is asked to stop: ctrl-c, or SIGTERM where there is one.
async fn stop_asked() {
    let interrupted = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!(%error, "Ctrl-c is not heard; end the process another way");
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = interrupted => {}
        () = terminated() => {}
    }
}

#[cfg(unix)]
async fn terminated() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM is not heard; calls in flight will not be waited for");
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending::<()>().await;
}
