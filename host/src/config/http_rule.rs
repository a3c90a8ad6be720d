//! A rule that lets requests out: `POST https://api.acme.dev:8443/v1/plans/*`, taken apart once and matched part by part.
//!
//! Nothing is compared as the beginning or the end of a text: hosts by labels, paths by segments.

use std::fmt;

/// What a rule looks like, as the end of "expected …".
pub(super) const EXPECTED_RULE: &str = "a method or `*`, then a URL with its scheme and host, for example `\"GET https://api.acme.dev/v1/*\"`; \
    `*.acme.dev` stands for every host below that one, `*` as a segment of the path for one segment, `**` at its end for any number";

/// The methods that a rule can name.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// A scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpScheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl HttpScheme {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that it has where none is named.
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// The scheme of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|scheme| scheme.as_str() == name)
    }
}

/// The hosts that a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This one.
    Exactly(String),
    /// Every one with at least one label before these.
    Below(String),
}

impl HostPattern {
    /// Reads `api.acme.dev`, `*.acme.dev`, or an address; `None` for everything else, capitals too.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(parent) = text.strip_prefix("*.") {
            // Everything below `dev` or `co` would be half of the world.
            let labels = parent.split('.').count();
            return (labels >= 2 && is_host(parent) && parent.parse::<std::net::Ipv4Addr>().is_err())
                .then(|| Self::Below(parent.to_owned()));
        }
        let address = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let good = address.map_or_else(|| is_host(text), |address| address.parse::<std::net::Ipv6Addr>().is_ok());
        good.then(|| Self::Exactly(text.to_owned()))
    }

    /// Whether `host` is meant, which is in lower case and without a dot at its end.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exactly(exact) => exact == host,
            Self::Below(parent) => {
                host.strip_suffix(parent.as_str()).and_then(|rest| rest.strip_suffix('.')).is_some_and(|rest| !rest.is_empty())
            }
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(host) => f.write_str(host),
            Self::Below(parent) => write!(f, "*.{parent}"),
        }
    }
}

/// Whether a text is the name of a host: labels of lower-case letters, digits, `-` and `_`.
pub fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        (1..=63).contains(&label.len()) && label.chars().all(allowed) && !label.starts_with('-') && !label.ends_with('-')
    };
    (1..=253).contains(&text.len()) && text.split('.').all(label)
}

/// The paths that a rule is about, by decoded segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    segments: Vec<Segment>,
    /// Whether any number of segments may follow.
    open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Any,
    Exactly(String),
}

impl PathPattern {
    /// Reads `/v1/plans/*` or `/v1/**`; `None` for everything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut segments: Vec<&str> = text.strip_prefix('/')?.split('/').collect();
        let open = segments.last() == Some(&"**");
        if open {
            segments.pop();
        }
        let segment = |text: &&str| match *text {
            "*" => Some(Segment::Any),
            "." | ".." => None,
            text => {
                // What would have to be encoded on the wire is not written in rules; a star inside a segment means nothing.
                let allowed =
                    |c: char| c.is_ascii_graphic() && !matches!(c, '*' | '%' | '?' | '#' | '\\' | '"' | '<' | '>' | '`' | '{' | '}');
                text.chars().all(allowed).then(|| Segment::Exactly(text.to_owned()))
            }
        };
        Some(Self { segments: segments.iter().map(segment).collect::<Option<_>>()?, open })
    }

    /// Every path.
    pub fn all() -> Self {
        Self { segments: Vec::new(), open: true }
    }

    /// Whether a path is meant, given by its segments, decoded.
    pub fn matches(&self, path: &[Vec<u8>]) -> bool {
        let long_enough = if self.open { path.len() >= self.segments.len() } else { path.len() == self.segments.len() };
        long_enough
            && self.segments.iter().zip(path).all(|(segment, found)| match segment {
                Segment::Any => !found.is_empty(),
                Segment::Exactly(exact) => exact.as_bytes() == found,
            })
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRule {
    /// The method; none for every one that a rule can name.
    pub method: Option<String>,
    /// The scheme.
    pub scheme: HttpScheme,
    /// The hosts.
    pub host: HostPattern,
    /// The port.
    pub port: u16,
    /// The paths.
    pub path: PathPattern,
}

impl HttpRule {
    /// Reads `GET https://api.acme.dev/v1/*`. Without a path, every path is meant.
    pub fn parse(text: &str) -> Option<Self> {
        let (method, url) = text.split_once(' ')?;
        let method = if method == "*" { None } else { Some(parse_method(method)?) };
        let (scheme, rest) = url.split_once("://")?;
        let scheme = HttpScheme::parse(scheme)?;
        let (authority, path) = match rest.find('/') {
            Some(at) => (&rest[..at], PathPattern::parse(&rest[at..])?),
            None => (rest, PathPattern::all()),
        };
        let (host, port) = match authority.rsplit_once(':') {
            // Not inside the brackets of an address.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().filter(|port| *port > 0)?),
            _ => (authority, scheme.port()),
        };
        Some(Self { method, scheme, host: HostPattern::parse(host)?, port, path })
    }

    /// Whether a request is meant.
    pub fn matches(&self, method: &str, scheme: HttpScheme, host: &str, port: u16, path: &[Vec<u8>]) -> bool {
        let method_matches = self.method.as_deref().map_or_else(|| METHODS.contains(&method), |own| own == method);
        method_matches && self.scheme == scheme && self.port == port && self.host.matches(host) && self.path.matches(path)
    }
}

/// A method that a rule can name.
pub fn parse_method(text: &str) -> Option<String> {
    METHODS.contains(&text).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<Vec<u8>> {
        text.split('/').skip(1).map(|segment| segment.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_rule_is_matched_part_by_part() {
        let rule = HttpRule::parse("POST https://api.acme.dev/v1/plans/*").unwrap();
        let matches = |method, scheme, host, port, at: &str| rule.matches(method, scheme, host, port, &path(at));
        assert!(matches("POST", HttpScheme::Https, "api.acme.dev", 443, "/v1/plans/7"));
        for (method, scheme, host, port, at) in [
            ("GET", HttpScheme::Https, "api.acme.dev", 443, "/v1/plans/7"),
            ("POST", HttpScheme::Http, "api.acme.dev", 443, "/v1/plans/7"),
            ("POST", HttpScheme::Https, "api.acme.dev.evil.example", 443, "/v1/plans/7"),
            ("POST", HttpScheme::Https, "xapi.acme.dev", 443, "/v1/plans/7"),
            ("POST", HttpScheme::Https, "api.acme.dev", 444, "/v1/plans/7"),
            ("POST", HttpScheme::Https, "api.acme.dev", 443, "/v1/plans/"),
            ("POST", HttpScheme::Https, "api.acme.dev", 443, "/v1/plans/7/8"),
            ("POST", HttpScheme::Https, "api.acme.dev", 443, "/v1/plansx/7"),
            ("POST", HttpScheme::Https, "api.acme.dev", 443, "/V1/plans/7"),
        ] {
            assert!(!matches(method, scheme, host, port, at), "{method} {host}:{port}{at}");
        }
    }

    #[test]
    fn hosts_are_matched_by_labels_and_open_paths_by_segments() {
        let rule = HttpRule::parse("* https://*.acme.dev:8443/v1/**").unwrap();
        let matches = |host, at: &str| rule.matches("GET", HttpScheme::Https, host, 8443, &path(at));
        assert!(matches("a.acme.dev", "/v1") && matches("a.b.acme.dev", "/v1/x/y"));
        for (host, at) in
            [("acme.dev", "/v1/x"), ("xacme.dev", "/v1/x"), (".acme.dev", "/v1/x"), ("a.acme.dev", "/v1x"), ("a.acme.dev", "/")]
        {
            assert!(!matches(host, at), "{host}{at}");
        }
        assert!(!rule.matches("CONNECT", HttpScheme::Https, "a.acme.dev", 8443, &path("/v1")));
        assert!(HttpRule::parse("GET https://[::1]:8080").unwrap().matches("GET", HttpScheme::Https, "[::1]", 8080, &path("/any/thing")));
    }

    #[test]
    fn what_is_no_rule_is_none() {
        for text in [
            "",
            "https://a.dev",
            "get https://a.dev",
            "CONNECT https://a.dev",
            "GET ftp://a.dev",
            "GET https://",
            "GET https://*",
            "GET https://*.dev",
            "GET https://a.*.dev",
            "GET https://A.dev",
            "GET https://u:p@a.dev",
            "GET https://a.dev.",
            "GET https://a..dev",
            "GET https://a.dev:0",
            "GET https://a.dev:99999",
            "GET https://a.dev/a*",
            "GET https://a.dev/../b",
            "GET https://a.dev/%2e",
            "GET https://a.dev/**/b",
            "GET https://a.dev/a?b",
            "GET  https://a.dev",
            "GET https://[::1%eth0]",
            "GET https://*.10.0.0.1",
        ] {
            assert!(HttpRule::parse(text).is_none(), "{text}");
        }
    }
}
