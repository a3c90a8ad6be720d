//! Sends a guest's request, when it may go out, and bounds everything about it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Request;
use http::Uri;
use http::header;
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::RequestOptions;
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::io::TokioIo;

use super::Sent;
use super::body::Bounded;
use super::connect;
use super::connect::Resolve;
use super::connect::SystemResolver;
use super::connect::TlsRoots;
use super::target;
use super::target::Aim;
use crate::call::CallId;
use crate::capability::Guest;
use crate::capability::grants::http::Auth;
use crate::config::http_rule::HttpScheme;

/// Bytes of a request's body.
const REQUEST_BYTES: u64 = 1 << 20;

/// Bytes of an answer's body.
const RESPONSE_BYTES: u64 = 8 << 20;

/// Headers of a request, and of an answer.
const HEADERS: usize = 64;

/// Bytes of the head of an answer.
const HEAD_BYTES: usize = 32 << 10;

/// Requests of one plugin that are under way at once, over all callers.
const AT_ONCE: usize = 8;

/// How long a request waits for another one of its plugin to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a connection may take to stand.
const CONNECTING: Duration = Duration::from_secs(10);

/// Sends the requests of all plugins.
pub struct HttpClient {
    resolver: Arc<dyn Resolve>,
    roots: TlsRoots,
    places: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new(Arc::new(SystemResolver))
    }
}

impl HttpClient {
    /// A client that finds addresses with `resolver`.
    pub fn new(resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, roots: TlsRoots::default(), places: Mutex::default() }
    }

    /// The same, trusting these roots in place of the system's.
    #[cfg(test)]
    pub(super) fn trusting(self, roots: rustls::RootCertStore) -> Self {
        Self { roots: TlsRoots::trusting(roots), ..self }
    }

    /// Sends a request of a guest, until `until`, when its grants let it out.
    pub(super) async fn send(
        &self,
        guest: &Guest,
        call: CallId,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        until: Instant,
    ) -> Result<Sent, Error> {
        let Some(aim) = target::aim(request.method().as_str(), request.uri()) else {
            refused(guest, call, "its address can be read in more than one way");
            return Err(Error::HttpRequestUriInvalid);
        };
        // The grants are looked up here and now, once.
        let grants = guest.grants.now();
        let Some(permission) = grants.http.permit(&aim.target).filter(|_| guest.grants.allows("http")) else {
            refused(guest, call, &format!("nothing grants {}", told(&aim)));
            return Err(Error::HttpRequestDenied);
        };
        let request = prepare(guest, call, request, &aim, permission.auth, until)?;
        let in_time = tokio::time::timeout_at(until.into(), async {
            let place = self.place(&guest.id).await?;
            let addresses = connect::addresses(&*self.resolver, &aim, permission.private).await;
            let addresses = addresses.inspect_err(|error| {
                if matches!(error, Error::DestinationIpProhibited) {
                    refused(guest, call, &format!("{} is at an address that it must not reach", told(&aim)));
                }
            })?;
            let connecting = options.and_then(|options| options.connect_timeout).unwrap_or(CONNECTING).min(CONNECTING);
            let connected = tokio::time::timeout(connecting, connect::connect(&addresses, &aim, &self.roots)).await;
            let stream = connected.map_err(|_| Error::ConnectionTimeout)??;
            let waiting = options.and_then(|options| options.first_byte_timeout);
            let exchanged = exchange(stream, request, until, place);
            match waiting {
                Some(waiting) => tokio::time::timeout(waiting, exchanged).await.map_err(|_| Error::ConnectionReadTimeout)?,
                None => exchanged.await,
            }
        });
        let sent = in_time.await.unwrap_or(Err(Error::HttpResponseTimeout));
        let outcome = sent.as_ref().map_or_else(ToString::to_string, |(response, _)| response.status().as_str().to_owned());
        tracing::debug!(plugin.id = %guest.id, call.id = %call, %outcome, "Plugin `{}` sent {}: {outcome}", guest.id, told(&aim));
        sent
    }

    /// A place among the requests of one plugin.
    async fn place(&self, plugin: &str) -> Result<OwnedSemaphorePermit, Error> {
        let places = {
            let mut all = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(plugin.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))).clone()
        };
        let place = tokio::time::timeout(PATIENCE, places.acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or(Error::ConnectionLimitReached)
    }
}

/// A request in words, without what may be secret: no query, no path.
fn told(aim: &Aim) -> String {
    format!("{} {}://{}", aim.target.method, aim.target.scheme.as_str(), aim.authority)
}

fn refused(guest: &Guest, call: CallId, why: &str) {
    tracing::warn!(plugin.id = %guest.id, call.id = %call, "Request of plugin `{}` is refused: {why}", guest.id);
}

/// The request as it goes on the wire.
fn prepare(
    guest: &Guest,
    call: CallId,
    request: Request<WasiBody>,
    aim: &Aim,
    auth: Option<&Auth>,
    until: Instant,
) -> Result<Request<WasiBody>, Error> {
    let (mut parts, body) = request.into_parts();
    let headers = &mut parts.headers;
    if headers.len() > HEADERS {
        return Err(Error::HttpRequestHeaderSectionSize(u32::try_from(HEADERS).ok()));
    }
    // The library filters these when a guest sets them; that they are not there is what counts.
    let forbidden: Vec<HeaderName> = headers.keys().filter(|name| super::is_forbidden(name)).cloned().collect();
    for name in forbidden {
        headers.remove(name);
    }
    headers.insert(header::HOST, HeaderValue::try_from(&aim.authority).map_err(|_| Error::HttpRequestUriInvalid)?);
    if let Some(auth) = auth {
        authorize(guest, call, headers, aim, auth)?;
    }
    parts.uri = Uri::from(aim.path_and_query.clone());
    let body = Bounded::new(body, REQUEST_BYTES, Error::HttpRequestBodySize, until);
    Ok(Request::from_parts(parts, body.boxed_unsync()))
}

/// Puts a secret into the headers of a request to the host that it is for.
fn authorize(guest: &Guest, call: CallId, headers: &mut HeaderMap, aim: &Aim, auth: &Auth) -> Result<(), Error> {
    let name = HeaderName::try_from(&auth.header).map_err(|_| Error::ConfigurationError)?;
    // A guest that speaks for itself there could be somebody else in the operator's name.
    if headers.contains_key(&name) || headers.contains_key(header::AUTHORIZATION) {
        refused(guest, call, &format!("the host puts the secret `{}` into it, and it brings credentials of its own", auth.secret));
        return Err(Error::HttpRequestDenied);
    }
    let Some(secret) = guest.secrets.get(&auth.secret) else {
        refused(guest, call, &format!("it takes the secret `{0}`; set it under `[plugins.{1}.secrets]`", auth.secret, guest.id));
        return Err(Error::ConfigurationError);
    };
    if aim.target.scheme != HttpScheme::Https && !aim.is_loopback() {
        refused(guest, call, &format!("the secret `{}` goes over TLS only", auth.secret));
        return Err(Error::HttpRequestDenied);
    }
    let text = match &auth.scheme {
        Some(scheme) => format!("{scheme} {}", secret.reveal()),
        None => secret.reveal().to_owned(),
    };
    let mut value = HeaderValue::try_from(text).map_err(|_| {
        refused(guest, call, &format!("the secret `{}` has characters that no header can have", auth.secret));
        Error::ConfigurationError
    })?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// Sends the request over a connection of its own and waits for the head of its answer.
async fn exchange(
    stream: Box<dyn connect::Stream>,
    request: Request<WasiBody>,
    until: Instant,
    place: OwnedSemaphorePermit,
) -> Result<Sent, Error> {
    let mut builder = http1::Builder::new();
    builder.max_headers(HEADERS).max_buf_size(HEAD_BYTES);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let mut connection = Box::pin(connection);
    let mut response = Box::pin(sender.send_request(request));
    let mut ended = false;
    let response = tokio::select! {
        biased;
        response = &mut response => response,
        closed = &mut connection => {
            closed.map_err(cause)?;
            ended = true;
            // It closed as it answered: what it read is still there.
            response.await
        }
    };
    let response = response.map_err(cause)?;
    let response = response.map(|body| {
        let body = Bounded::new(body, RESPONSE_BYTES, Error::HttpResponseBodySize, until);
        body.keeping(place).boxed_unsync()
    });
    let rest = async move { if ended { Ok(()) } else { connection.await.map_err(Error::Hyper) } };
    Ok((response, Box::new(rest)))
}

/// What the guest is told: where its own body ended the request, that.
fn cause(error: hyper::Error) -> Error {
    let inner = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Error>());
    match inner {
        Some(Error::HttpRequestBodySize(limit)) => Error::HttpRequestBodySize(*limit),
        Some(Error::HttpResponseTimeout) => Error::HttpResponseTimeout,
        _ => Error::Hyper(error),
    }
}
