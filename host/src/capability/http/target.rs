//! A guest's request taken apart and normalised: what is checked is what is sent, letter by letter.
//!
//! Whatever two parsers could read in two ways is refused, not repaired: names of users, numbers in other forms than four decimal
//! ones, zones, slashes and dots in disguise.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use http::Uri;
use http::uri::PathAndQuery;

use crate::capability::grants::http::Target;
use crate::config::http_rule::HttpScheme;
use crate::config::http_rule::is_host;

/// Bytes of a path with its query.
const PATH_BYTES: usize = 8 << 10;

/// A request's target with what goes on the wire.
#[derive(Debug)]
pub(super) struct Aim {
    /// What the grants look at.
    pub(super) target: Target,
    /// The address, where the host is one.
    pub(super) address: Option<IpAddr>,
    /// The `Host` header.
    pub(super) authority: String,
    /// The path with its query.
    pub(super) path_and_query: PathAndQuery,
}

impl Aim {
    /// Whether it goes to this machine, so that nobody can listen on the way.
    pub(super) fn is_loopback(&self) -> bool {
        self.address.is_some_and(|address| address.is_loopback())
    }
}

/// Takes a request's method and URI apart; `None` when it cannot be done in one way only.
pub(super) fn aim(method: &str, uri: &Uri) -> Option<Aim> {
    let scheme = HttpScheme::parse(uri.scheme_str()?)?;
    let (host, port) = split(uri.authority()?.as_str())?;
    let port = port.unwrap_or(scheme.port());
    let (host, address) = host_of(host)?;
    if uri.path_and_query().is_some_and(|path| path.as_str().len() > PATH_BYTES) {
        return None;
    }
    let Path { decoded, raw } = path_of(uri.path())?;
    let path_and_query = match uri.query() {
        Some(query) => format!("{raw}?{query}"),
        None => raw,
    };
    let authority = if port == scheme.port() { host.clone() } else { format!("{host}:{port}") };
    Some(Aim {
        target: Target { method: method.to_owned(), scheme, host, port, path: decoded },
        address,
        authority,
        path_and_query: PathAndQuery::try_from(path_and_query).ok()?,
    })
}

/// Host and port of an authority without a user.
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    if authority.contains('@') {
        return None;
    }
    // The brackets of an address hold colons of its own.
    let host_end = authority.rfind(']').map_or(0, |at| at + 1);
    let Some(colon) = authority[host_end..].find(':').map(|at| at + host_end) else { return Some((authority, None)) };
    let port = &authority[colon + 1..];
    let decimal = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = decimal.then(|| port.parse().ok())?.filter(|port| *port > 0)?;
    Some((&authority[..colon], Some(port)))
}

/// A host in its one form, with its address where it is one.
fn host_of(host: &str) -> Option<(String, Option<IpAddr>)> {
    if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        // A zone (`%eth0`) does not parse.
        let address: Ipv6Addr = inner.parse().ok()?;
        return Some((format!("[{address}]"), Some(address.into())));
    }
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    if !is_host(host) {
        return None;
    }
    // A name that ends in a number is an address to many parsers: octal, hexadecimal, with fewer parts, as one number.
    // https://url.spec.whatwg.org/#ends-in-a-number-checker
    let last = host.rsplit('.').next().unwrap_or(host);
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if numeric {
        // Four decimal parts without zeros before them, and nothing else.
        let address: Ipv4Addr = host.parse().ok()?;
        return Some((address.to_string(), Some(address.into())));
    }
    Some((host.to_owned(), None))
}

/// A path without dots that go somewhere.
struct Path {
    decoded: Vec<Vec<u8>>,
    /// As it is sent.
    raw: String,
}

fn path_of(path: &str) -> Option<Path> {
    let path = if path.is_empty() { "/" } else { path };
    let mut decoded: Vec<Vec<u8>> = Vec::new();
    let mut raw: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/')?.split('/').peekable();
    while let Some(segment) = segments.next() {
        let bytes = decode(segment)?;
        let dots = match bytes.as_slice() {
            b"." => true,
            b".." => {
                // Above the root there is nothing that an honest guest means.
                decoded.pop()?;
                raw.pop()?;
                true
            }
            bytes if is_ambiguous(bytes) => return None,
            _ => false,
        };
        if !dots {
            decoded.push(bytes);
            raw.push(segment);
        } else if segments.peek().is_none() {
            decoded.push(Vec::new());
            raw.push("");
        }
    }
    Some(Path { decoded, raw: format!("/{}", raw.join("/")) })
}

/// What a segment stands for; `None` when a `%` is not followed by two digits.
fn decode(segment: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(rest.next()?)? << 4 | digit(rest.next()?)?);
    }
    Some(bytes)
}

/// Whether some server could take a segment for more than one, or for a way up: separators and controls, what is encoded twice,
/// and dots with a parameter behind them.
fn is_ambiguous(segment: &[u8]) -> bool {
    let separates = segment.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0..=0x1f | 0x7f));
    let encoded_twice = segment.windows(3).any(|three| three[0] == b'%' && three[1].is_ascii_hexdigit() && three[2].is_ascii_hexdigit());
    let named = segment.split(|byte| *byte == b';').next().unwrap_or_default();
    separates || encoded_twice || (named.len() < segment.len() && matches!(named, b"." | b".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aimed(uri: &str) -> Option<Aim> {
        aim("GET", &uri.parse().ok()?)
    }

    #[test]
    fn a_target_has_one_form() {
        for (uri, authority, path) in [
            ("https://API.acme.DEV./v1?a=b%2Fc", "api.acme.dev", "/v1?a=b%2Fc"),
            ("https://api.acme.dev:443/", "api.acme.dev", "/"),
            ("https://api.acme.dev", "api.acme.dev", "/"),
            ("http://api.acme.dev:8080/a/./b/../c", "api.acme.dev:8080", "/a/c"),
            ("https://api.acme.dev/a/%2e%2E/b/%2e", "api.acme.dev", "/b/"),
            ("https://api.acme.dev/a/..", "api.acme.dev", "/"),
            ("https://api.acme.dev/%C3%A9;x=1/", "api.acme.dev", "/%C3%A9;x=1/"),
            ("https://[0:0::1]:8443/", "[::1]:8443", "/"),
            ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", "/"),
            ("https://127.0.0.1/", "127.0.0.1", "/"),
        ] {
            let aim = aimed(uri).unwrap_or_else(|| panic!("{uri}"));
            assert_eq!((aim.authority.as_str(), aim.path_and_query.as_str()), (authority, path), "{uri}");
        }
        assert_eq!(aimed("https://api.acme.dev/%61").unwrap().target.path, [b"a"]);
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_taken_stays_what_it_is_and_goes_nowhere_else(
            host in "[a-zA-Z0-9.:@%\\[\\]_-]{1,24}",
            path in "(/|\\.|%2e|%2F|%5c|%00|;|%|[a-z0-9~?#\\\\]){0,24}",
        ) {
            let Some(first) = aimed(&format!("http://{host}/{path}")) else { return Ok(()) };
            let again = aimed(&format!("http://{}{}", first.authority, first.path_and_query)).expect("what was taken is taken again");
            proptest::prop_assert_eq!(&again.target, &first.target);
            proptest::prop_assert_eq!(&again.path_and_query, &first.path_and_query);
            for segment in &first.target.path {
                proptest::prop_assert!(!matches!(segment.as_slice(), b"." | b".."));
                proptest::prop_assert!(!segment.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0)));
            }
            let numeric = first.target.host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
            proptest::prop_assert!(!numeric || first.address.is_some());
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for uri in [
            "https://user@api.acme.dev/",
            "https://api.acme.dev@evil.example/",
            "https://api.acme.dev:443@evil.example/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://127.0.0.01/",
            "https://1.2.3.4.5/",
            "https://256.0.0.1/",
            "https://api.acme.0x/",
            "https://[::1%25eth0]/",
            "https://[fe80::1%eth0]/",
            "https://[::ffff:127.0.0.1/",
            "https://api..acme.dev/",
            "https://api.acme.dev../",
            "https://-api.acme.dev/",
            "https://api.acme.dev:/",
            "https://api.acme.dev:+443/",
            "https://api.acme.dev:0/",
            "https://api.acme.dev:65536/",
            "https://api.acme.dev:443:80/",
            "https://b\u{fc}cher.example/",
            "https://api.acme.dev%2eevil.example/",
            "https://api.acme.dev/a%2fb",
            "https://api.acme.dev/a%5c..%5cb",
            "https://api.acme.dev/%252e%252e/b",
            "https://api.acme.dev/..;/b",
            "https://api.acme.dev/../b",
            "https://api.acme.dev/a/../../b",
            "https://api.acme.dev/%00",
            "https://api.acme.dev/%0d%0aHost:%20evil",
            "https://api.acme.dev/%zz",
            "https://api.acme.dev/%2",
            "ftp://api.acme.dev/",
            "/only/a/path",
        ] {
            assert!(aimed(uri).is_none(), "{uri}: {:?}", aimed(uri));
        }
        assert!(aimed(&format!("https://api.acme.dev/{}", "a".repeat(PATH_BYTES))).is_none());
    }
}
