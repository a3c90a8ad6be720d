//! Where a plugin is in a registry: `oci://host[:port]/repository[:tag][@sha256:…]`.

use std::fmt;

use url::Url;

use crate::plugin::digest::Digest;
use crate::plugin::fetch::address;

/// How a reference begins.
pub const SCHEME: &str = "oci://";

/// Characters of a repository's name.
const REPOSITORY: usize = 255;

/// Characters of a tag.
const TAG: usize = 128;

/// The tag of a reference that has none.
const LATEST: &str = "latest";

/// A checked reference.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is no reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no reference to a plugin in a registry: {reason}; write `oci://host[:port]/repository[:tag]` or `…@sha256:…`")]
pub struct ReferenceError {
    text: String,
    reason: &'static str,
}

impl Reference {
    /// Parses and checks a reference.
    ///
    /// # Errors
    ///
    /// The first part that is not as the specification has it.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let wrong = |reason| ReferenceError { text: address::printable(text), reason };
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| wrong("it does not begin with `oci://`"))?;
        let (registry, rest) = rest.split_once('/').ok_or_else(|| wrong("it has no repository"))?;
        if !is_registry(registry) {
            return Err(wrong("the host is none"));
        }
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) if digest.starts_with("sha256:") => {
                let digest = Digest::parse(digest).ok_or_else(|| wrong("a digest is `sha256:` and 64 lower-case hexadecimal digits"))?;
                (rest, Some(digest))
            }
            Some(_) => return Err(wrong("a digest begins with `sha256:`")),
            None => (rest, None),
        };
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        if !is_repository(repository) {
            return Err(wrong("a repository is lower-case letters and digits, with `.`, `_`, `-` between them and `/` between parts"));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong("a tag is letters, digits, `_`, `.` and `-`, at most 128 of them, and begins with none of the last two"));
        }
        Ok(Self { registry: registry.to_owned(), repository: repository.to_owned(), tag: tag.map(str::to_owned), digest })
    }

    /// Host and port.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The name in the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if it names one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if it names one. It decides, whatever the tag says.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same repository at a digest.
    #[must_use]
    pub fn at_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// The same repository at a tag; `None` when a tag cannot be called so.
    pub fn at_tag(&self, tag: &str) -> Option<Self> {
        is_tag(tag).then(|| Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// What a registry is asked for: the digest, else the tag, else `latest`.
    pub(super) fn target(&self) -> String {
        match self.digest {
            Some(digest) => digest.to_string(),
            None => self.tag.as_deref().unwrap_or(LATEST).to_owned(),
        }
    }

    /// The root of the registry's interface. Plain http on this machine alone.
    pub(super) fn root(&self) -> Url {
        // What people call the registry of Docker is not where it is.
        let host = if self.registry == "docker.io" { "registry-1.docker.io" } else { &self.registry };
        let url = |scheme: &str| Url::parse(&format!("{scheme}://{host}/")).expect("a registry was parsed as part of a URL");
        let plain = url("http");
        if address::is_loopback(&plain) { plain } else { url("https") }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Whether this is a host with perhaps a port, and nothing that a URL would take for more.
fn is_registry(registry: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | ':' | '[' | ']');
    if registry.is_empty() || registry.len() > 255 || !registry.chars().all(plain) || registry.ends_with(':') {
        return false;
    }
    // One scheme after the other, because a URL leaves out the port that its scheme implies.
    ["https", "http"].iter().all(|scheme| {
        Url::parse(&format!("{scheme}://{registry}/")).is_ok_and(|url| {
            let host = url.host_str().unwrap_or_default();
            let rest = registry.strip_prefix(host);
            rest.is_some_and(|rest| {
                rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
            })
        })
    })
}

/// <https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests>
fn is_repository(repository: &str) -> bool {
    repository.len() <= REPOSITORY && repository.split('/').all(is_part)
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_part(part: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bounded = part.starts_with(word) && part.ends_with(word);
    let separators = part.split(word).filter(|separator| !separator.is_empty());
    bounded && separators.into_iter().all(|separator| matches!(separator, "." | "_" | "__") || separator.chars().all(|c| c == '-'))
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`
fn is_tag(tag: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=TAG).contains(&tag.len()) && tag.starts_with(begins) && tag.chars().all(|c| begins(c) || matches!(c, '.' | '-'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_are_read_as_they_are_written() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for (text, root) in [
            ("oci://ghcr.io/acme/pg-advisor:1.4.2".to_owned(), "https://ghcr.io/"),
            (format!("oci://ghcr.io/acme/pg__advisor@{digest}"), "https://ghcr.io/"),
            (format!("oci://ghcr.io/acme/pg.advisor:1@{digest}"), "https://ghcr.io/"),
            ("oci://registry.example:5000/a---b/c".to_owned(), "https://registry.example:5000/"),
            ("oci://registry.example:80/a".to_owned(), "https://registry.example:80/"),
            ("oci://localhost:5000/a".to_owned(), "http://localhost:5000/"),
            ("oci://127.0.0.1:5000/a".to_owned(), "http://127.0.0.1:5000/"),
            ("oci://[::1]:5000/a".to_owned(), "http://[::1]:5000/"),
            ("oci://docker.io/library/a".to_owned(), "https://registry-1.docker.io/"),
        ] {
            let reference = Reference::parse(&text).unwrap();
            assert_eq!((reference.to_string(), reference.root().as_str()), (text, root));
        }
        assert_eq!(Reference::parse("oci://a.example/b").unwrap().target(), "latest");
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        let digits = "0a".repeat(32);
        for text in [
            "",
            "oci://",
            "oci://a.example",
            "oci://a.example/",
            "ghcr.io/a",
            "https://ghcr.io/a",
            "oci:///a",
            "oci://a.example/A",
            "oci://a.example/a//b",
            "oci://a.example/../a",
            "oci://a.example/a/..",
            "oci://a.example/-a",
            "oci://a.example/a_-b",
            "oci://a.example/a___b",
            "oci://a.example/a:",
            "oci://a.example/a:.b",
            "oci://a.example/a:b:c",
            "oci://a.example/a:b/c",
            "oci://a.example/a@",
            "oci://a.example/a@sha256:12",
            "oci://me@a.example/b",
            "oci://me:pw@a.example/b",
            "oci://a.example:/b",
            "oci://a.example:0/b",
            "oci://a.example:70000/b",
            "oci://a.example:x/b",
            "oci://A.example/b",
            "oci://a.example?x/b",
            "oci://a.example#x/b",
            "oci://a example/b",
            "oci://a.example/b?x",
            "oci://a.example/b%2e",
            "oci://0x7f.1/a",
            "oci://127.1/a",
            &format!("oci://a.example/a@{digits}"),
            &format!("oci://a.example/a@sha512:{digits}"),
            &format!("oci://a.example/{}", "a".repeat(256)),
            &format!("oci://a.example/a:{}", "a".repeat(129)),
        ] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(text in "oci://[a-z0-9.:\\[\\]-]{1,12}/[a-z0-9./_-]{1,12}(:[A-Za-z0-9._-]{1,5})?") {
            if let Ok(reference) = Reference::parse(&text) {
                prop_assert_eq!(reference.to_string(), text);
                prop_assert!(reference.root().path() == "/");
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "(oci://)?.{0,100}") {
            if let Ok(reference) = Reference::parse(&text) {
                let _ = reference.root();
            }
        }
    }
}
