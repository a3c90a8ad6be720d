//! What is wrong with releases that are out: told to whoever has them, or a reason not to run them.

use std::fmt;

use semver::Comparator;
use semver::Op;
use semver::Version;
use semver::VersionReq;
use serde::Deserialize;
use serde::Serialize;

use super::ADVISORIES_FILE;
use super::IndexError;
use super::line::LINE_BYTES;
use super::line::lines;
use super::line::name;
use super::time::Timestamp;
use crate::config::PluginName;
use crate::plugin::definition::is_plain_text;

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The operator is told.
    Warn,
    /// It is not installed, and not run where it is.
    Block,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Hardly.
    Low,
    /// For some.
    Medium,
    /// For most.
    High,
    /// For all.
    Critical,
}

/// An advisory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Advisory {
    /// Its own name, by which people speak of it.
    pub id: String,
    /// The plugin.
    #[serde(with = "name")]
    pub plugin: PluginName,
    /// Which versions of it.
    pub versions: VersionReq,
    /// How bad it is.
    pub severity: Severity,
    /// What is to be done.
    pub action: Action,
    /// What is wrong, and what to do, for people.
    pub summary: String,
    /// Where more is to be read.
    pub url: Option<String>,
    /// When it was written.
    pub published: Timestamp,
}

impl Advisory {
    /// Reads a file of advisories.
    ///
    /// # Errors
    ///
    /// The first line that is wrong.
    pub fn parse_all(index: &str, bytes: &[u8]) -> Result<Vec<Self>, IndexError> {
        let mut found: Vec<Self> = Vec::new();
        for (number, line) in lines(index, ADVISORIES_FILE, bytes)? {
            let wrong = |reason: String| IndexError::damaged(index, ADVISORIES_FILE, Some(number), reason);
            let advisory = Self::parse(line).map_err(wrong)?;
            if found.iter().any(|other| other.id == advisory.id) {
                return Err(wrong(format!("there is another `{}`", advisory.id)));
            }
            found.push(advisory);
        }
        Ok(found)
    }

    fn parse(line: &[u8]) -> Result<Self, String> {
        if line.len() > LINE_BYTES {
            return Err(format!("it has more than {LINE_BYTES} bytes"));
        }
        let advisory: Self = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let Self { id, summary, url, .. } = &advisory;
        let id_fits = (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !id_fits {
            return Err("`id` has 1 to 64 letters, digits or hyphens".into());
        }
        if !is_plain_text(summary, 1_024) || url.as_ref().is_some_and(|url| !is_plain_text(url, 512) || url.contains('\n')) {
            return Err("`summary` or `url` is empty, too long, or has invisible or control characters".into());
        }
        Ok(advisory)
    }

    /// Whether it is about this version. A pre-release counts by its order: 1.4.3-rc.1 comes before 1.4.3 and is among `<1.4.3`, which a
    /// version requirement by itself leaves out because nobody asks for pre-releases that way.
    pub fn affects(&self, plugin: &PluginName, version: &Version) -> bool {
        self.plugin == *plugin
            && (self.versions.matches(version)
                || (!version.pre.is_empty() && self.versions.comparators.iter().all(|comparator| holds(comparator, version))))
    }
}

/// Whether a pre-release fulfils a comparator by its order.
fn holds(comparator: &Comparator, version: &Version) -> bool {
    let Comparator { op, major, minor, patch, pre, .. } = comparator;
    let bound = Version { pre: pre.clone(), ..Version::new(*major, minor.unwrap_or(0), patch.unwrap_or(0)) };
    match (op, patch) {
        (Op::Less, _) => *version < bound,
        (Op::LessEq, Some(_)) => *version <= bound,
        (Op::Greater, Some(_)) => *version > bound,
        (Op::GreaterEq, _) => *version >= bound,
        _ => {
            let release = Version { pre: semver::Prerelease::EMPTY, ..version.clone() };
            VersionReq { comparators: vec![comparator.clone()] }.matches(&release)
        }
    }
}

impl fmt::Display for Advisory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        };
        write!(f, "{} ({severity}): {}", self.id, self.summary)?;
        self.url.as_ref().map_or(Ok(()), |url| write!(f, " See {url}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = r#"{"id":"TG-2026-1","plugin":"example.org/tables","versions":"<1.4.3","severity":"high","action":"block","summary":"It leaks.","url":null,"published":"2026-01-02T03:04:05Z"}"#;

    #[test]
    fn it_is_about_versions_and_about_pre_releases_by_their_order() {
        let id = PluginName::parse("example.org/tables").unwrap();
        for (requirement, version, affected) in [
            ("<1.4.3", "1.4.2", true),
            ("<1.4.3", "1.4.3", false),
            ("<1.4.3", "1.4.3-rc.1", true),
            ("<1.4.3", "1.4.2-rc.1", true),
            (">=1.4.3", "1.4.3-rc.1", false),
            (">=1.2, <1.4", "1.3.0-beta", true),
            ("^1.4", "1.5.0-beta", true),
            ("=1.4.3", "1.4.3-rc.1", true),
            ("*", "0.1.0-rc.1", true),
            ("*", "0.1.0", true),
        ] {
            let advisory = Advisory::parse(LINE.replace("<1.4.3", requirement).as_bytes()).unwrap();
            assert_eq!(advisory.affects(&id, &version.parse().unwrap()), affected, "{requirement} and {version}");
        }
        let advisory = Advisory::parse(LINE.as_bytes()).unwrap();
        assert!(!advisory.affects(&PluginName::parse("example.org/other").unwrap(), &Version::new(1, 0, 0)));
        assert_eq!(advisory.to_string(), "TG-2026-1 (high): It leaks.");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let parse = |text: &str| Advisory::parse_all("test", text.as_bytes());
        assert_eq!(parse(&format!("{LINE}\n")).unwrap().len(), 1);
        assert_eq!(parse("").unwrap().len(), 0);
        for (text, expected) in [
            (LINE.to_owned(), "cut off"),
            (format!("{LINE}\n{LINE}\n"), "line 2: there is another"),
            (format!("{}\n", LINE.replace("block", "praise")), "unknown variant"),
            (format!("{}\n", LINE.replace("\"url\"", "\"link\"")), "unknown field"),
            (format!("{}\n", LINE.replace("TG-2026-1", "a b")), "`id`"),
            (format!("{}\n", LINE.replace("It leaks.", "It\u{200b} leaks.")), "`summary`"),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..80), at in any::<prop::sample::Index>(), byte: u8) {
            let _ = Advisory::parse_all("test", &bytes);
            let mut line = LINE.as_bytes().to_vec();
            let at = at.index(line.len());
            line[at] = byte;
            let _ = Advisory::parse(&line);
        }
    }
}
