//! Where an index says that a plugin is: in its own folder, at an https URL, or in a registry.

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::Error as _;
use url::Url;

use crate::plugin::fetch::address;
use crate::plugin::oci::reference::Reference;
use crate::plugin::oci::reference::SCHEME;

/// Characters of a path in an index.
const PATH: usize = 512;

/// A place to fetch a plugin from. Digests beside it say what has to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder of the index itself, by its path in it.
    Folder(String),
    /// The URL of a `plugin.toml`.
    Url(Url),
    /// A registry, by digest.
    Registry(Reference),
}

impl Location {
    /// Reads a location as an index writes it.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with(SCHEME) {
            let reference = Reference::parse(text).map_err(|error| error.to_string())?;
            return match (reference.digest(), reference.tag()) {
                (Some(_), None) => Ok(Self::Registry(reference)),
                _ => Err(format!("`{text}` names no digest; an index names registries by digest, since tags move")),
            };
        }
        if text.contains(':') {
            let url = address::parse(text).map_err(|error| error.to_string())?;
            return if url.as_str() == text { Ok(Self::Url(url)) } else { Err(format!("the URL is written as `{url}`")) };
        }
        if is_path(text) {
            Ok(Self::Folder(text.to_owned()))
        } else {
            Err("a location is a path in the index, an `https:` URL or an `oci:` reference".into())
        }
    }
}

/// Whether a text is a path that stays in its folder on every system and in every URL: parts of lower-case letters, digits, `.`, `_`, `-`
/// and `+`, none of which begins with a dot.
pub(super) fn is_path(path: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-' | '+');
    let begins = |part: &str| part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    path.len() <= PATH && path.split('/').all(|part| begins(part) && part.chars().all(good) && !part.ends_with('.'))
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => f.write_str(path),
            Self::Url(url) => url.fmt(f),
            Self::Registry(reference) => reference.fmt(f),
        }
    }
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Location {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_location_stays_in_the_index_or_is_fetched_safely() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for good in [
            "packages/example.org/tables/1.0.0",
            "packages/a/1.0.0-rc.1+b",
            "https://a.example/b/plugin.toml",
            &format!("oci://a.example/b@{digest}"),
        ] {
            assert_eq!(Location::parse(good).unwrap().to_string(), good);
        }
        for wrong in [
            "",
            "/",
            "/etc",
            "..",
            "packages/../..",
            "packages//a",
            "packages/.git",
            "a\\b",
            "C:/x",
            "packages/a.",
            "packages/A",
            "http://a.example/plugin.toml",
            "file:///etc/passwd",
            "https://me:pw@a.example/plugin.toml",
            "oci://a.example/b:1.0.0",
            &format!("oci://a.example/b:1@{digest}"),
            "packages/%2e%2e",
            "https://a.example/../plugin.toml",
        ] {
            assert!(Location::parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_path_never_climbs(text in "[a-z./\\\\A-Z%+ -]{0,40}") {
            if let Ok(Location::Folder(path)) = Location::parse(&text) {
                prop_assert!(std::path::Path::new(&path).components().all(|part| matches!(part, std::path::Component::Normal(_))));
                let joined = Url::parse("https://a.example/i/").unwrap().join(&path).unwrap();
                prop_assert_eq!(joined.as_str(), format!("https://a.example/i/{path}"));
            }
        }

        #[test]
        fn what_is_read_is_written_the_same(text in "(https://|oci://|packages/)?.{0,80}") {
            if let Ok(location) = Location::parse(&text) {
                prop_assert_eq!(location.to_string(), text);
            }
        }
    }
}
