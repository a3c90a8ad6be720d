//! Fetches what others serve over https: the one HTTP client of package URLs, registries and indexes.
//!
//! Every address is judged before it is asked, the addresses of redirects too; every body has a limit that holds while it streams; and
//! every exchange ends in time. Proxies are taken from the environment (`HTTPS_PROXY`, `NO_PROXY`), certificate authorities from the
//! system (or `SSL_CERT_FILE`). Nothing here believes what it fetches: signatures and digests are checked by whoever asked.

pub mod address;
pub mod package;
pub mod provider;
#[cfg(test)]
pub(crate) mod tests;
mod tls;

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::redirect::Attempt;
use reqwest::redirect::Policy;
use url::Url;

use address::AddressError;
use address::Reach;

/// Redirects that are followed.
const REDIRECTS: usize = 5;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long nothing may arrive.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an exchange may take, however steadily it goes on.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(600);

/// Bytes between two reports on a file.
const REPORT_BYTES: u64 = 64 << 10;

/// How long things may take. The default is for a bad line, and for files of up to some 30 MiB.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until a connection stands; default 10 s.
    pub connect: Duration,
    /// Between two pieces of an answer; default 30 s.
    pub idle: Duration,
    /// From the request to the last byte; default 10 min.
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: CONNECT_TIMEOUT, idle: IDLE_TIMEOUT, total: TOTAL_TIMEOUT }
    }
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// What is being fetched: the last part of its address, or a digest.
    pub file: &'a str,
    /// Bytes that have arrived.
    pub done_bytes: u64,
    /// Bytes there are, when the server says so. Said by the server: good for showing, and for nothing else.
    pub total_bytes: Option<u64>,
}

/// Is told how downloads go on.
pub type Report<'a> = &'a (dyn Fn(Step<'_>) + Send + Sync);

/// Tells nobody.
pub fn silent(_: Step<'_>) {}

/// Why something was not fetched. Blame: the server, the line, or who gave the address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The address is refused before it is asked.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// No connection, or none that is to be trusted.
    #[error(
        "cannot connect to `{host}`: {reason}; see that the name is right and reachable, and that `HTTPS_PROXY` is set if it has to be"
    )]
    Connect {
        /// Where to.
        host: String,
        /// Why, in the words of the library.
        reason: String,
    },
    /// It took too long.
    #[error("`{url}` was not fetched in time: {limit}; try again")]
    Timeout {
        /// What.
        url: String,
        /// Which limit was reached.
        limit: String,
    },
    /// It ended in the middle.
    #[error("the answer for `{url}` broke off: {reason}; try again")]
    Broken {
        /// What.
        url: String,
        /// Why.
        reason: String,
    },
    /// The server sends from one address to the next.
    #[error("`{url}` redirects more than {REDIRECTS} times")]
    Redirects {
        /// What.
        url: String,
    },
    /// A redirect leads where nothing is fetched from.
    #[error("`{url}` redirects to `{to}`, which is not followed: {reason}")]
    Redirect {
        /// What.
        url: String,
        /// Where to.
        to: String,
        /// Why not.
        reason: AddressError,
    },
    /// The server answered, and not with what was asked for.
    #[error("`{url}` is answered with status {status}{}", status_hint(*status))]
    Status {
        /// What.
        url: String,
        /// The status.
        status: u16,
    },
    /// More arrives than is taken.
    #[error("`{url}` has more than {limit} bytes, which is as much as is taken of it")]
    TooLarge {
        /// What.
        url: String,
        /// The limit.
        limit: usize,
    },
    /// The client could not be made.
    #[error("no HTTP client could be set up: {0}")]
    Client(String),
}

/// What to do about a status, as the end of a sentence.
fn status_hint(status: u16) -> &'static str {
    match status {
        401 | 403 => "; it is not for everybody, or not there",
        404 | 410 => "; it is not there",
        429 => "; too many requests, wait a while",
        500.. => "; the server is in trouble, try again later",
        _ => "",
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
}

/// A request that is more than getting a file.
#[derive(Default)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    /// At most as many bytes as were allowed.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header, when it is there and text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All headers of a name that are text.
    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
    }
}

/// The client. Cheap to clone; connections are kept while one of the clones is.
#[derive(Clone, Debug)]
pub struct Http {
    remote: reqwest::Client,
    /// For servers on this machine: plain http is no risk there, and a proxy would not find them.
    loopback: reqwest::Client,
    patience: Patience,
}

impl Http {
    /// Sets up the client.
    ///
    /// # Errors
    ///
    /// When the system cannot give what it needs.
    pub fn new(patience: Patience) -> Result<Self, FetchError> {
        Self::with_authorities(patience, &[])
    }

    /// As [`new`](Self::new), and trusts these certificate authorities too (DER).
    pub(crate) fn with_authorities(patience: Patience, authorities: &[Vec<u8>]) -> Result<Self, FetchError> {
        let tls = tls::config(authorities).map_err(|error| FetchError::Client(error.to_string()))?;
        let client = |reach: Reach| {
            let builder = reqwest::Client::builder()
                .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(patience.connect)
                .read_timeout(patience.idle)
                .redirect(Policy::custom(move |attempt| follow(attempt, reach)))
                .referer(false)
                .tls_backend_preconfigured(tls.clone());
            let builder = if reach == Reach::Loopback { builder.no_proxy() } else { builder.https_only(true) };
            builder.build().map_err(|error| FetchError::Client(error.to_string()))
        };
        Ok(Self { remote: client(Reach::Remote)?, loopback: client(Reach::Loopback)?, patience })
    }

    /// The body of a file, at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// Everything that can go wrong on the way, and any status but 200.
    pub async fn get(&self, url: &Url, limit: usize, report: Report<'_>) -> Result<Vec<u8>, FetchError> {
        let answer = self.send(url, Request::default(), limit, report).await?;
        match answer.status {
            200 => Ok(answer.body),
            status => Err(FetchError::Status { url: address::shown(url), status }),
        }
    }

    /// Sends a request and reads its answer, at most `limit` bytes of body. Every status is an answer.
    pub(crate) async fn send(&self, url: &Url, request: Request, limit: usize, report: Report<'_>) -> Result<Answer, FetchError> {
        let reach = address::check(url)?;
        let total = self.patience.total;
        match tokio::time::timeout(total, self.exchange(url, reach, request, limit, report)).await {
            Ok(answer) => answer,
            Err(_) => Err(FetchError::Timeout { url: address::shown(url), limit: format!("it takes longer than {total:?}") }),
        }
    }

    async fn exchange(&self, url: &Url, reach: Reach, request: Request, limit: usize, report: Report<'_>) -> Result<Answer, FetchError> {
        let client = if reach == Reach::Loopback { &self.loopback } else { &self.remote };
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Head => reqwest::Method::HEAD,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
        };
        let mut builder = client.request(method, url.clone());
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        if matches!(request.method, Method::Post | Method::Put) {
            builder = builder.body(request.body);
        }
        let mut response = builder.send().await.map_err(|error| self.failed(url, &error))?;
        let too_large = || FetchError::TooLarge { url: address::shown(url), limit };
        let status = response.status().as_u16();
        let total_bytes = response.content_length();
        // Refused at once where the server says so, and below where it says nothing or something else.
        if request.method != Method::Head && total_bytes.is_some_and(|bytes| bytes > limit as u64) {
            return Err(too_large());
        }
        let headers = response.headers().clone();
        let file = address::last_part(url);
        let mut body = Vec::new();
        let mut reported = 0;
        while let Some(piece) = response.chunk().await.map_err(|error| self.failed(url, &error))? {
            if body.len() + piece.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&piece);
            let done_bytes = body.len() as u64;
            if done_bytes - reported >= REPORT_BYTES {
                reported = done_bytes;
                report(Step { file, done_bytes, total_bytes });
            }
        }
        if status == 200 && request.method == Method::Get {
            report(Step { file, done_bytes: body.len() as u64, total_bytes });
        }
        Ok(Answer { status, headers, body })
    }

    /// What an error of the library means.
    fn failed(&self, url: &Url, error: &reqwest::Error) -> FetchError {
        let shown = address::shown(url);
        if let Some(stop) = find_stop(error) {
            return match stop {
                Stop::TooMany => FetchError::Redirects { url: shown },
                Stop::Refused { to, reason } => FetchError::Redirect { url: shown, to: to.clone(), reason: reason.clone() },
            };
        }
        if error.is_timeout() {
            let limit = if error.is_connect() {
                format!("no connection within {:?}", self.patience.connect)
            } else {
                format!("nothing arrived for {:?}", self.patience.idle)
            };
            return FetchError::Timeout { url: shown, limit };
        }
        let reason = root_cause(error);
        if error.is_connect() {
            return FetchError::Connect { host: url.host_str().unwrap_or_default().to_owned(), reason };
        }
        FetchError::Broken { url: shown, reason }
    }
}

/// Why a redirect was not followed; travels through the library as the cause of its error.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("too many redirects")]
    TooMany,
    #[error("the redirect is not followed: {reason}")]
    Refused { to: String, reason: AddressError },
}

/// Follows a redirect, or does not: within the reach that the first address had, so that a proxy is not gone round and nothing secret is
/// sent in the clear.
fn follow(attempt: Attempt<'_>, reach: Reach) -> reqwest::redirect::Action {
    if attempt.previous().len() > REDIRECTS {
        return attempt.error(Stop::TooMany);
    }
    let refused = match address::check(attempt.url()) {
        Ok(to) if to == reach => return attempt.follow(),
        Ok(_) => AddressError::Reach,
        Err(reason) => reason,
    };
    let to = address::shown(attempt.url());
    attempt.error(Stop::Refused { to, reason: refused })
}

fn find_stop(error: &reqwest::Error) -> Option<&Stop> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(stop) = error.downcast_ref::<Stop>() {
            return Some(stop);
        }
        cause = error.source();
    }
    None
}

/// The innermost cause: what the layers around it say is that there was an error.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
