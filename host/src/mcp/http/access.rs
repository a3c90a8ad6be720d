//! Who may ask: by name of the server, by origin of the page, by token.
//!
//! The first two stop web pages from reaching a server on the person's own machine (DNS rebinding): a page may choose the
//! name it calls and cannot choose the `Host` and `Origin` that its browser sends.

use std::net::IpAddr;
use std::net::SocketAddr;

use hyper::HeaderMap;
use hyper::Uri;
use hyper::header::AUTHORIZATION;
use hyper::header::CONTENT_LENGTH;
use hyper::header::HOST;
use hyper::header::HeaderName;
use hyper::header::ORIGIN;
use sha2::Digest;
use sha2::Sha256;

use super::HttpError;
use super::HttpOptions;
use crate::call::Caller;

/// Headers that count once: of two, each reader could believe another.
const SINGLE: [HeaderName; 4] = [HOST, ORIGIN, CONTENT_LENGTH, AUTHORIZATION];

/// Longest host or origin that is repeated in a log line.
const SHOWN: usize = 128;

/// Why a request is refused before it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A header that counts once came twice, or is no text.
    BadHeader(HeaderName),
    /// The client called the server by a name that is not its own.
    Host(String),
    /// A page from elsewhere asks.
    Origin(String),
    /// No token, or another.
    Token,
}

/// A name and perhaps a port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Authority {
    host: String,
    port: Option<u16>,
}

impl Authority {
    fn parse(text: &str) -> Option<Self> {
        let authority: hyper::http::uri::Authority = text.parse().ok()?;
        // `user@host` is no host, and `host:` or `host:x` no port.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let whole = authority.as_str();
        if host.is_empty() || whole.contains('@') || (authority.port_u16().is_none() && !whole.ends_with(authority.host())) {
            return None;
        }
        Some(Self { host, port: authority.port_u16() })
    }

    fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// A scheme, a name and a port, the scheme's own where none was given.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    authority: Authority,
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let mut authority = Authority::parse(uri.authority()?.as_str())?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return None;
        }
        authority.port = authority.port.or(match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        });
        Some(Self { scheme, authority })
    }
}

/// The rules of one server.
pub(super) struct Access {
    hosts: Vec<Authority>,
    origins: Vec<Origin>,
    token: Option<[u8; 32]>,
}

impl Access {
    /// The rules that `options` give.
    ///
    /// # Errors
    ///
    /// An entry of the lists does not parse.
    pub(super) fn new(options: &HttpOptions) -> Result<Self, HttpError> {
        let host = |entry: &String| {
            Authority::parse(entry).ok_or_else(|| HttpError::Entry {
                entry: entry.clone(),
                expected: "a host name such as `db.example.com` or `db.example.com:8443`",
            })
        };
        let origin = |entry: &String| {
            Origin::parse(entry)
                .ok_or_else(|| HttpError::Entry { entry: entry.clone(), expected: "an origin such as `https://app.example.com`" })
        };
        Ok(Self {
            hosts: options.allowed_hosts.iter().map(host).collect::<Result<_, _>>()?,
            origins: options.allowed_origins.iter().map(origin).collect::<Result<_, _>>()?,
            token: options.token.as_ref().map(|token| Sha256::digest(token.reveal()).into()),
        })
    }

    /// Checks what every request must pass: single headers, `Host` and `Origin`. `local` is the address that the
    /// connection came in at.
    ///
    /// # Errors
    ///
    /// See [`Refusal`].
    pub(super) fn check_source(&self, headers: &HeaderMap, local: SocketAddr) -> Result<(), Refusal> {
        for name in SINGLE {
            if headers.get_all(&name).iter().nth(1).is_some() {
                return Err(Refusal::BadHeader(name));
            }
        }
        let host = text(headers, &HOST)?.ok_or(Refusal::BadHeader(HOST))?;
        let authority = Authority::parse(host).ok_or(Refusal::BadHeader(HOST))?;
        if !self.is_our_host(&authority, local) {
            return Err(Refusal::Host(shown(host)));
        }
        let Some(origin) = text(headers, &ORIGIN)? else { return Ok(()) };
        match Origin::parse(origin) {
            Some(parsed) if self.is_allowed_origin(&parsed, local) => Ok(()),
            _ => Err(Refusal::Origin(shown(origin))),
        }
    }

    /// The caller that the token names; the local person where none is asked for.
    ///
    /// # Errors
    ///
    /// [`Refusal::Token`].
    pub(super) fn check_token(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let Some(expected) = &self.token else { return Ok(Caller::local()) };
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, token) = header.and_then(|header| header.split_once(' ')).ok_or(Refusal::Token)?;
        // Digests of equal length, compared without a branch: the time tells nothing of how much was right.
        let given: [u8; 32] = Sha256::digest(token.trim()).into();
        let difference = given.iter().zip(expected).fold(0, |difference, (a, b)| difference | (a ^ b));
        if scheme.eq_ignore_ascii_case("bearer") && std::hint::black_box(difference) == 0 {
            Ok(Caller::named("token"))
        } else {
            Err(Refusal::Token)
        }
    }

    fn is_our_host(&self, host: &Authority, local: SocketAddr) -> bool {
        // An address instead of a name cannot be rebound, but only the one that we were reached at is ours.
        let is_address = host.host.parse::<IpAddr>().is_ok_and(|ip| ip == local.ip());
        let is_loopback = local.ip().is_loopback() && host.is_loopback();
        let is_listed = || {
            let port_fits = |port: Option<u16>| port.is_none() || port == host.port;
            self.hosts.iter().any(|allowed| allowed.host == host.host && port_fits(allowed.port))
        };
        is_address || is_loopback || is_listed()
    }

    fn is_allowed_origin(&self, origin: &Origin, local: SocketAddr) -> bool {
        let is_own = origin.authority.is_loopback() && origin.authority.port == Some(local.port());
        is_own || self.origins.contains(origin)
    }
}

/// A header as text; `None` when it is not there.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    headers.get(name).map(|value| value.to_str().map_err(|_| Refusal::BadHeader(name.clone()))).transpose()
}

/// What a log line may show of a client's text.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    const LOOPBACK: &str = "127.0.0.1:8642";
    const NETWORK: &str = "192.0.2.7:8642";

    fn access() -> Access {
        let mut options = HttpOptions::new(LOOPBACK.parse().unwrap());
        options.allowed_hosts = vec!["db.example.com".into(), "other.example.com:8443".into()];
        options.allowed_origins = vec!["https://app.example.com".into()];
        options.token = Some(Secret::new("s3cret"));
        Access::new(&options).unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn check(local: &str, pairs: &[(&'static str, &str)]) -> Result<(), Refusal> {
        access().check_source(&headers(pairs), local.parse().unwrap())
    }

    #[test]
    fn loopback_names_are_ours_on_loopback_only() {
        for host in ["localhost:8642", "LOCALHOST", "127.0.0.1:8642", "[::1]:8642", "127.0.0.1"] {
            assert_eq!(check(LOOPBACK, &[("host", host)]), Ok(()), "{host}");
        }
        assert!(check(NETWORK, &[("host", "localhost:8642")]).is_err());
        assert_eq!(check(NETWORK, &[("host", "192.0.2.7:8642")]), Ok(()));
        assert!(check(LOOPBACK, &[("host", "192.0.2.7")]).is_err());
    }

    #[test]
    fn other_names_must_be_listed() {
        assert_eq!(check(NETWORK, &[("host", "DB.example.com:1234")]), Ok(()));
        assert_eq!(check(NETWORK, &[("host", "other.example.com:8443")]), Ok(()));
        assert!(check(NETWORK, &[("host", "other.example.com")]).is_err());
        for host in ["evil.example.com", "localhost.evil.com", "db.example.com.evil.com", "db.example.com@evil.com", "127.0.0.1.nip.io"] {
            assert!(check(LOOPBACK, &[("host", host)]).is_err(), "{host}");
        }
        assert_eq!(check(LOOPBACK, &[]), Err(Refusal::BadHeader(HOST)));
    }

    #[test]
    fn a_page_from_elsewhere_is_refused() {
        let origin = |origin| check(LOOPBACK, &[("host", "localhost:8642"), ("origin", origin)]);
        for ours in ["http://localhost:8642", "http://127.0.0.1:8642", "https://app.example.com", "https://app.example.com:443"] {
            assert_eq!(origin(ours), Ok(()), "{ours}");
        }
        for other in
            ["http://localhost:3000", "http://app.example.com", "https://app.example.com:8443", "https://evil.com", "null", "", "x"]
        {
            assert!(matches!(origin(other), Err(Refusal::Origin(_))), "{other}");
        }
    }

    #[test]
    fn a_header_that_counts_once_may_not_come_twice() {
        for name in ["host", "origin", "content-length", "authorization"] {
            let mut pairs = vec![("host", "localhost")];
            if name != "host" {
                pairs.push((name, "1"));
            }
            pairs.push((name, "1"));
            assert!(matches!(check(LOOPBACK, &pairs), Err(Refusal::BadHeader(_))), "{name}");
        }
    }

    #[test]
    fn only_the_token_lets_in() {
        let token = |value: &str| access().check_token(&headers(&[("authorization", value)]));
        assert_eq!(token("Bearer s3cret"), Ok(Caller::named("token")));
        assert_eq!(token("bearer s3cret"), Ok(Caller::named("token")));
        for bad in ["Bearer s3cre", "Bearer s3crets", "Bearer ", "Basic s3cret", "s3cret"] {
            assert_eq!(token(bad), Err(Refusal::Token), "{bad}");
        }
        assert_eq!(access().check_token(&HeaderMap::new()), Err(Refusal::Token));
    }

    #[test]
    fn an_entry_that_does_not_parse_is_an_error() {
        let mut options = HttpOptions::new(LOOPBACK.parse().unwrap());
        options.allowed_origins = vec!["app.example.com".into()];
        assert!(Access::new(&options).is_err());
    }
}
