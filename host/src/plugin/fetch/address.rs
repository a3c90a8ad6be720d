//! Which addresses are asked at all: https anywhere, plain http on this machine only.

use url::Host;
use url::Url;

/// Characters of an address.
const ADDRESS: usize = 2_048;

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Over https, through the proxy if there is one.
    Remote,
    /// To this machine by its plain name, without a proxy.
    Loopback,
}

/// Why an address is not asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No URL.
    #[error("`{address}` is no URL: {reason}")]
    Invalid {
        /// As it was given.
        address: String,
        /// Why.
        reason: String,
    },
    /// Another protocol.
    #[error("`{0}:` is not fetched from; give an `https:` URL")]
    Scheme(String),
    /// Anybody on the way could read and change it.
    #[error("plain `http:` is taken from this machine alone (127.0.0.1, [::1], localhost); give an `https:` URL for `{0}`")]
    Plain(String),
    /// A password in an address ends up in logs and lock files.
    #[error("an address with a user or a password in it is not taken; leave them out of the URL")]
    Credentials,
    /// From this machine to another, or back.
    #[error("a redirect does not lead from this machine to another, or from another to this one")]
    Reach,
    /// Longer than any address is.
    #[error("the URL has more than {ADDRESS} characters")]
    Long,
}

/// Parses and checks an address.
///
/// # Errors
///
/// Text that is no URL, and URLs that are not asked.
pub fn parse(address: &str) -> Result<Url, AddressError> {
    if address.len() > ADDRESS {
        return Err(AddressError::Long);
    }
    let invalid = |reason: String| AddressError::Invalid { address: printable(address), reason };
    let mut url = Url::parse(address).map_err(|error| invalid(error.to_string()))?;
    url.set_fragment(None);
    check(&url)?;
    Ok(url)
}

/// Checks an address.
pub(crate) fn check(url: &Url) -> Result<Reach, AddressError> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AddressError::Credentials);
    }
    match url.scheme() {
        "https" => Ok(Reach::Remote),
        "http" if is_loopback(url) => Ok(Reach::Loopback),
        "http" => Err(AddressError::Plain(url.host_str().unwrap_or_default().to_owned())),
        scheme => Err(AddressError::Scheme(printable(scheme))),
    }
}

/// Whether an address says by itself that it is on this machine. A name that only resolves to it does not: names change.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An address as it may be shown: without its query, which is where tokens are.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Neither fails for the schemes that are asked; for others there is nothing to hide.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.set_query(None);
    url.set_fragment(None);
    printable(url.as_str())
}

/// The last part of an address's path.
pub(crate) fn last_part(url: &Url) -> &str {
    url.path().rsplit('/').next().unwrap_or_default()
}

/// A text of others in an error message: one line, not long, nothing invisible.
pub(crate) fn printable(text: &str) -> String {
    const SHOWN: usize = 200;
    let mut shown: String =
        text.chars().take(SHOWN).map(|c| if c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric() { c } else { '?' }).collect();
    if text.chars().count() > SHOWN {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn https_is_asked_anywhere_and_http_on_this_machine() {
        for (address, reach) in [
            ("https://plugins.example/a/plugin.toml", Ok(Reach::Remote)),
            ("https://127.0.0.1:8443/", Ok(Reach::Remote)),
            ("http://127.0.0.1:5000/v2/", Ok(Reach::Loopback)),
            ("http://[::1]:5000/", Ok(Reach::Loopback)),
            ("http://localhost:5000/", Ok(Reach::Loopback)),
            ("http://LOCALHOST/", Ok(Reach::Loopback)),
            ("http://0x7f.1/", Ok(Reach::Loopback)),
            ("http://plugins.example/", Err(AddressError::Plain("plugins.example".into()))),
            ("http://localhost.evil.example/", Err(AddressError::Plain("localhost.evil.example".into()))),
            ("http://127.0.0.1.evil.example/", Err(AddressError::Plain("127.0.0.1.evil.example".into()))),
            ("http://0.0.0.0/", Err(AddressError::Plain("0.0.0.0".into()))),
            ("https://me:secret@plugins.example/", Err(AddressError::Credentials)),
            ("https://me@plugins.example/", Err(AddressError::Credentials)),
            ("ftp://plugins.example/", Err(AddressError::Scheme("ftp".into()))),
            ("file:///etc/passwd", Err(AddressError::Scheme("file".into()))),
        ] {
            assert_eq!(parse(address).and_then(|url| check(&url)), reach, "{address}");
        }
        assert!(matches!(parse("plugins.example/a"), Err(AddressError::Invalid { .. })));
        assert_eq!(parse(&format!("https://a.example/{}", "x".repeat(ADDRESS))), Err(AddressError::Long));
    }

    #[test]
    fn what_is_shown_has_no_secret() {
        let url = Url::parse("https://me:secret@a.example/b?token=secret#secret").unwrap();
        assert_eq!(shown(&url), "https://a.example/b");
        assert_eq!(printable("a\u{202e}b\nc"), "a?b?c");
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_an_error(text in ".{0,300}") {
            if let Ok(url) = parse(&text) {
                prop_assert!(url.scheme() == "https" || is_loopback(&url));
                prop_assert!(!shown(&url).contains('?'));
            }
        }
    }
}
