//! Serves MCP over HTTP: a thin layer of ours in front of rmcp's Streamable HTTP.
//!
//! Ours is what a server on a network owes: who may ask (`http/access.rs`), how much and how slowly (`http/body.rs`, the
//! limits here), and how it ends. rmcp has the protocol: sessions, streams, headers.

mod access;
mod body;
mod connection;
mod front;
mod patience;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::request::Parts;
use rmcp::model::Extensions;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::info;
use tracing::warn;

use self::access::Access;
use self::connection::Connections;
use self::front::Front;
use super::server::Server;
use crate::config::Secret;

/// Tells how ready the host is to serve, for `/health/ready`. Must not block.
pub type Ready = Arc<dyn Fn() -> Readiness + Send + Sync>;

/// How many databases answer, as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Those that do.
    pub answering: usize,
    /// Those that do not.
    pub silent: usize,
}

impl Readiness {
    /// Whether there is something to serve: one database that is gone does not take the others out of service.
    pub fn is_ready(self) -> bool {
        self.answering > 0 || self.silent == 0
    }
}

/// How the HTTP server is set up.
#[derive(Clone)]
pub struct HttpOptions {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Path of the MCP endpoint; default `/mcp`.
    pub path: String,
    /// Names under which clients may reach this server, with or without port, beside the address it listens on and, on
    /// loopback, `localhost`.
    pub allowed_hosts: Vec<String>,
    /// Origins of web pages that may call it, such as `https://app.example.com`, beside its own on loopback.
    pub allowed_origins: Vec<String>,
    /// What callers must bring as a bearer token. Without one, the address must be loopback.
    pub token: Option<Secret>,
    /// Bytes of one request at most; default 4 MiB.
    pub max_body_bytes: usize,
    /// How long a request's body may take to arrive; default 30 s.
    pub body_timeout: Duration,
    /// How long a request's head may take to arrive once it began; default 10 s.
    pub header_timeout: Duration,
    /// How long a connection may be quiet between requests; default 120 s.
    pub idle_timeout: Duration,
    /// How long a client may take nothing of what it is sent; default 30 s.
    pub write_timeout: Duration,
    /// Connections at once; default 1,024. More of them wait.
    pub max_connections: usize,
    /// Sessions of older clients at once; default 1,000. More of them get 503.
    pub max_sessions: usize,
    /// When a session of an older client ends for want of use; default 15 min.
    pub session_idle: Duration,
    /// How long calls may still take after shutdown was asked for; default 10 s.
    pub drain: Duration,
    /// What `/health/ready` says while the server is up.
    pub ready: Ready,
}

impl HttpOptions {
    /// Every default, on `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            path: "/mcp".to_owned(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            token: None,
            max_body_bytes: 4 << 20,
            body_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            write_timeout: Duration::from_secs(30),
            max_connections: 1024,
            max_sessions: 1000,
            session_idle: Duration::from_mins(15),
            drain: Duration::from_secs(10),
            ready: Arc::new(Readiness::default),
        }
    }
}

/// Characters of a token, at least, on an address that the network reaches.
const TOKEN_BYTES: usize = 16;

/// Why there is no HTTP server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Anybody on the network could call it.
    #[error("{address} is not a loopback address, so callers must bring a token: set `TIDEGATE_TOKEN` to a secret of your own")]
    TokenMissing {
        /// The address asked for.
        address: SocketAddr,
    },
    /// A token that everybody knows.
    #[error("the token is empty; set `TIDEGATE_TOKEN` to a secret of your own, or unset it")]
    TokenEmpty,
    /// A token that can be guessed, on an address that the network reaches.
    #[error(
        "the token is shorter than {TOKEN_BYTES} characters; set `TIDEGATE_TOKEN` to a longer one, for example what `openssl rand -hex 32` prints"
    )]
    TokenShort,
    /// A token that no client can send (RFC 6750 §2.1).
    #[error("the token has characters that no header carries; set `TIDEGATE_TOKEN` to letters, digits and -._~+/=")]
    TokenUnsendable,
    /// An entry of the lists does not parse.
    #[error("`{entry}` is not {expected}")]
    Entry {
        /// As configured.
        entry: String,
        /// What it should be, with an example.
        expected: &'static str,
    },
    /// The address is taken or not ours.
    #[error("cannot listen on {address}; choose another with `--http`")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Serves `server` until `shutdown` is cancelled; calls then have `options.drain` to end. `on_listening` is called with the
/// address once connections are taken.
///
/// # Errors
///
/// See [`HttpError`]; all of them come before the first connection.
pub async fn serve(
    options: HttpOptions,
    server: Server,
    shutdown: CancellationToken,
    on_listening: impl FnOnce(SocketAddr),
) -> Result<(), HttpError> {
    let http = Http::bind(options).await?;
    on_listening(http.address());
    http.serve(server, shutdown).await;
    Ok(())
}

/// An HTTP server that has its address and waits for what to serve. Connections queue in the system until then.
pub struct Http {
    options: HttpOptions,
    access: Access,
    listener: TcpListener,
    address: SocketAddr,
}

impl Http {
    /// Checks `options` and takes their address.
    ///
    /// # Errors
    ///
    /// See [`HttpError`].
    pub async fn bind(options: HttpOptions) -> Result<Self, HttpError> {
        let address = options.address;
        match &options.token {
            Some(token) if token.reveal().is_empty() => return Err(HttpError::TokenEmpty),
            Some(token) if !token.reveal().bytes().all(|byte| byte.is_ascii_graphic()) => return Err(HttpError::TokenUnsendable),
            Some(token) if token.reveal().len() < TOKEN_BYTES && !address.ip().is_loopback() => return Err(HttpError::TokenShort),
            None if !address.ip().is_loopback() => return Err(HttpError::TokenMissing { address }),
            _ => {}
        }
        let access = Access::new(&options)?;
        let cannot = |source| HttpError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        Ok(Self { options, access, listener, address })
    }

    /// Where it listens, with the port that the system gave when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `server` until `shutdown` is cancelled; calls then have the time to drain of the options.
    pub async fn serve(self, server: Server, shutdown: CancellationToken) {
        // Every call in progress holds a sender: when none is left, all calls have ended.
        let (in_progress, mut all_ended) = mpsc::channel::<()>(1);
        let front = Arc::new(Front::new(&self.options, self.access, &server, in_progress.downgrade()));
        let mut connections = Connections::new(self.listener, front.clone(), &self.options);
        tokio::select! {
            () = connections.accept() => {}
            () = shutdown.cancelled() => {}
        }
        info!("Shutting down: calls in progress have {:?} to end", self.options.drain);
        front.start_draining();
        server.close();
        drop(in_progress);
        // Still accepts, so that balancers and late callers read 503 and not silence.
        tokio::select! {
            _ = all_ended.recv() => {}
            () = tokio::time::sleep(self.options.drain) => warn!("Calls were still in progress after {:?}; they are cut off", self.options.drain),
            () = connections.accept() => {}
        }
        front.cut();
        connections.close().await;
    }
}

/// Notes on a request that its parameters do not fit: rmcp answers those with status 200, which is wrong for 2026-07-28.
#[derive(Clone, Debug, Default)]
pub(super) struct Malformed(Arc<AtomicBool>);

impl Malformed {
    /// Notes it on the request that `extensions` came with, if that came over HTTP.
    pub(super) fn note(extensions: &Extensions) {
        let parts = extensions.get::<Parts>();
        if let Some(malformed) = parts.and_then(|parts| parts.extensions.get::<Self>()) {
            malformed.0.store(true, Ordering::Relaxed);
        }
    }

    fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
