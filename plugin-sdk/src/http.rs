//! Requests over HTTP, to where the manifest's `[[capabilities.http]]` and the operator's grant both let them.
//!
//! ```
//! use tidegate_plugin::http::{Request, Response};
//! use tidegate_plugin::test::Host;
//!
//! let host = Host::new().responds("GET", "https://api.acme.dev/v1/plans", Ok(Response::new(200, "[]")));
//! let response = host.run(|| Request::get("https://api.acme.dev/v1/plans").header("accept", "application/json").send()).unwrap();
//! assert_eq!((response.status, response.text().as_str()), (200, "[]"));
//! ```
//!
//! A redirect is an answer like any other; whoever follows it asks anew. Where the manifest names a secret for a host (`auth`),
//! the host puts it into the request, and one that brings credentials of its own is denied.

#[cfg(target_arch = "wasm32")]
mod wasi;

use std::fmt;

#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::http as host;
#[cfg(target_arch = "wasm32")]
use wasi as host;

use crate::tool::ToolError;
use crate::tool::ToolFailure;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its method, in capitals.
    pub method: String,
    /// Where it goes: `https://host/path?query`.
    pub url: String,
    /// Its headers. Those of the connection, `Host` and `Proxy-…` are the host's.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body; the host sends 1 MiB at most.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers, named in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body, 8 MiB at most.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The URL is none, or can be read in more than one way.
    InvalidUrl,
    /// A header that is none, or is the host's own.
    InvalidHeader,
    /// Nothing grants it, or its address is one that plugins must not reach.
    Denied,
    /// The secret that goes with it is not set.
    Unconfigured,
    /// The host was not found or did not answer.
    Unreachable,
    /// It took too long.
    TimedOut,
    /// The request or the answer is over its limit.
    TooLarge,
    /// Anything else.
    Failed(String),
}

impl Request {
    /// A request with this method.
    #[must_use]
    pub fn new(method: &str, url: &str) -> Self {
        Self { method: method.to_owned(), url: url.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// A request for what is at `url`.
    #[must_use]
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    /// A request that hands something over.
    #[must_use]
    pub fn post(url: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::new("POST", url) }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    ///
    /// That there is none. A status that means failure is an answer.
    pub fn send(self) -> Result<Response, Error> {
        host::send(self)
    }
}

impl Response {
    /// An answer, for tests.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// Its body as text; what is none is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first header of this name, as text.
    #[must_use]
    pub fn find_header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidUrl => f.write_str("the URL cannot be used"),
            Self::InvalidHeader => f.write_str("a header cannot be used"),
            Self::Denied => f.write_str("this plugin may not send that request"),
            Self::Unconfigured => f.write_str("the secret for that request is not set"),
            Self::Unreachable => f.write_str("the server does not answer"),
            Self::TimedOut => f.write_str("the server took too long"),
            Self::TooLarge => f.write_str("the request or its answer is too large"),
            Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for ToolError {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::InvalidUrl | Error::InvalidHeader => "INVALID_ARGUMENTS",
            Error::Denied | Error::Unconfigured => "ACCESS_DENIED",
            Error::Unreachable | Error::Failed(_) => "UNAVAILABLE",
            Error::TimedOut => "TIMEOUT",
            Error::TooLarge => "TOO_LARGE",
        };
        let retryable = matches!(error, Error::Unreachable | Error::TimedOut);
        Self::Failed(ToolFailure { code: code.to_owned(), message: error.to_string(), hint: None, retryable, details: None })
    }
}
