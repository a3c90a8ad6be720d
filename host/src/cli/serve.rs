//! `tidegate serve`, and the composition of the layers: the one place that knows all of them.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::SourceOptions;
use super::failure::Exit;
use super::failure::Failure;
use crate::capability::Services;
use crate::config::Config;
use crate::config::ServerConfig;
use crate::database::Databases;
use crate::dispatch::DispatchOptions;
use crate::dispatch::Dispatcher;
use crate::mcp;
use crate::mcp::server::Server;
use crate::mcp::server::ServerOptions;
use crate::plugin::source;
use crate::plugin::source::Bundled;

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
    let dispatcher = compose(&config).await?;
    let served = if over_stdio {
        let server = server(&dispatcher, &config.server)?;
        let served = until_stopped(|shutdown| mcp::stdio::serve(server, shutdown)).await;
        served.map_err(|error| Failure::new(Exit::Failed, error.to_string()))
    } else {
        serve_http(&dispatcher, &config.server).await
    };
    dispatcher.databases().close().await;
    served
}

async fn serve_http(dispatcher: &Arc<Dispatcher>, config: &ServerConfig) -> Result<(), Failure> {
    let http = bind(config).await?;
    tracing::info!("Serving MCP at http://{}/mcp", http.address());
    let server = server(dispatcher, config)?;
    let served = until_stopped(|shutdown| http.serve(server, shutdown)).await;
    served.map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}

/// The edge over a dispatcher.
pub(super) fn server(dispatcher: &Arc<Dispatcher>, config: &ServerConfig) -> Result<Server, Failure> {
    let options = ServerOptions { call_limit: config.call_timeout, ..ServerOptions::default() };
    Server::new(dispatcher.clone(), options).map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}

/// Puts the layers together: databases, plugins, and the dispatcher over both. Connects to no database yet.
pub(super) async fn compose(config: &Config) -> Result<Arc<Dispatcher>, Failure> {
    let databases = Databases::new(config.databases.clone()).map_err(|(name, error)| Failure::database(&name, &error))?;
    let bundled: Vec<Bundled> = tidegate_bundle::PLUGINS
        .iter()
        .map(|plugin| Bundled { id: plugin.id, manifest: plugin.manifest, component: plugin.component })
        .collect();
    let packages = source::packages(config, &bundled).map_err(|(plugin, error)| Failure::source(&plugin, &error))?;
    let options = DispatchOptions {
        concurrent_calls: config.server.max_concurrent_calls,
        cache: config.cache.clone(),
        ..DispatchOptions::default()
    };
    let services = Services { databases, ..Services::default() };
    Ok(Dispatcher::start(services, packages, &options).await?)
}

/// Runs what `serve` starts until it ends by itself. The token that it is handed is cancelled when the process is asked to stop.
pub(super) async fn until_stopped<F: Future>(serve: impl FnOnce(CancellationToken) -> F) -> F::Output {
    let shutdown = CancellationToken::new();
    let listening = async {
        stop_asked().await;
        shutdown.cancel();
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        output = serve(shutdown.clone()) => output,
        never = listening => match never {},
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
