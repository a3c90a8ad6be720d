//! From a name to a connection: resolved once, looked at, and connected to as it was looked at.

use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::Error;

use super::address;
use super::target::Aim;
use crate::config::http_rule::HttpScheme;

/// Addresses of one name that are looked at; more are a name that nobody needs.
const ADDRESSES: usize = 32;

/// The answer of a [`Resolve`], to be waited for.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Finds the addresses of a host.
pub trait Resolve: Send + Sync {
    /// The addresses of `host`, which is a name.
    fn resolve(&self, host: String) -> Resolving;
}

/// The resolver of the system.
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: String) -> Resolving {
        Box::pin(async move { Ok(tokio::net::lookup_host((host.as_str(), 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// A connection, in the clear or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The addresses that a request may go to, all of them looked at.
pub(super) async fn addresses(resolver: &dyn Resolve, aim: &Aim, private: bool) -> Result<Vec<SocketAddr>, Error> {
    let found = match aim.address {
        Some(address) => vec![address],
        None => resolver.resolve(aim.target.host.clone()).await.map_err(|_| Error::DnsError { rcode: None, info_code: None })?,
    };
    if found.is_empty() {
        return Err(Error::DnsError { rcode: None, info_code: None });
    }
    if found.len() > ADDRESSES || !address::all_allowed(&found, private) {
        return Err(Error::DestinationIpProhibited);
    }
    Ok(found.into_iter().map(|address| SocketAddr::new(address, aim.target.port)).collect())
}

/// Connects to the first of these addresses that answers.
pub(super) async fn connect(addresses: &[SocketAddr], aim: &Aim, tls: &TlsRoots) -> Result<Box<dyn Stream>, Error> {
    let stream = TcpStream::connect(addresses).await.map_err(Error::Connect)?;
    // A request is written as a whole; waiting for more only costs time.
    stream.set_nodelay(true).map_err(Error::Connect)?;
    match aim.target.scheme {
        HttpScheme::Http => Ok(Box::new(stream)),
        HttpScheme::Https => {
            let name = match aim.address {
                Some(address) => ServerName::from(address),
                None => ServerName::try_from(aim.target.host.clone()).map_err(|_| Error::HttpRequestUriInvalid)?,
            };
            let connector = TlsConnector::from(tls.config().await?);
            Ok(Box::new(connector.connect(name, stream).await.map_err(Error::Tls)?))
        }
    }
}

/// Whom TLS trusts: the system's roots, read when they are first needed.
#[derive(Default)]
pub(super) struct TlsRoots(tokio::sync::OnceCell<Arc<ClientConfig>>);

impl TlsRoots {
    /// These in place of the system's.
    #[cfg(test)]
    pub(super) fn trusting(roots: RootCertStore) -> Self {
        let config = config(roots).expect("the provider has safe versions");
        Self(tokio::sync::OnceCell::new_with(Some(Arc::new(config))))
    }

    async fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        let read = || async {
            let read = tokio::task::spawn_blocking(system_roots).await;
            read.map_err(|_| Error::InternalError(None))?.map(Arc::new)
        };
        self.0.get_or_try_init(read).await.cloned()
    }
}

fn system_roots() -> Result<ClientConfig, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        tracing::warn!(errors = ?found.errors, "This machine has no certificates to trust, so plugins reach nothing over TLS");
        return Err(Error::ConfigurationError);
    }
    config(roots)
}

fn config(roots: RootCertStore) -> Result<ClientConfig, Error> {
    // Named, because another library of the process may bring a provider of its own.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|_| Error::ConfigurationError)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
