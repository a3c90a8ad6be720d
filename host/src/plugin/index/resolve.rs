//! Which release is meant: from `[INDEX:]ID[@REQUIREMENT]` and the history of the plugin to one version.

use semver::Version;
use semver::VersionReq;

use super::IndexError;
use super::advisory::Action;
use super::advisory::Advisory;
use super::line::History;
use super::line::Release;
use crate::config::PluginName;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// In which index, by the operator's name for it; in all of them when it is not said.
    pub index: Option<String>,
    /// The plugin.
    pub id: PluginName,
    /// The versions that will do; a version alone is that version and no other.
    pub requirement: VersionReq,
}

/// Why there is no release to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The text.
    #[error("`{0}` is no plugin of an index; write `ID`, `INDEX:ID` or `ID@VERSION`, as in `community:example.org/advisor@^1.2`")]
    Text(String),
    /// An index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The operator has no index of this name.
    #[error("there is no index `{name}` (there are {known}); name it in tidegate.toml, as `[indexes.{name}]` with `url` and `key`")]
    UnknownIndex {
        /// The name.
        name: String,
        /// Those there are, or `none`.
        known: String,
    },
    /// No index has it.
    #[error("no plugin `{id}` in {indexes}{}", suggestion.as_ref().map_or(String::new(), |name| format!("; did you mean `{name}`?")))]
    NotFound {
        /// The plugin.
        id: PluginName,
        /// Where it was looked for.
        indexes: String,
        /// What is called nearly so.
        suggestion: Option<String>,
    },
    /// Several have it.
    #[error("plugin `{id}` is in more than one index; say which is meant: {choices}")]
    Ambiguous {
        /// The plugin.
        id: PluginName,
        /// What to write.
        choices: String,
    },
    /// Its namespace belongs to another index.
    #[error(
        "plugins of `{namespace}` come from index `{pinned}`, since the first of them did; `{asked}` is not asked for them unless you say so with `--allow-index-change`"
    )]
    Elsewhere {
        /// The namespace.
        namespace: String,
        /// The index that it came from.
        pinned: String,
        /// The index that was asked for, or has it now.
        asked: String,
    },
    /// No release fulfils the requirement.
    #[error("no version of `{id}` is `{requirement}`; there are {versions}")]
    NoVersion {
        /// The plugin.
        id: PluginName,
        /// What was asked for.
        requirement: VersionReq,
        /// Those there are.
        versions: String,
    },
    /// All that would do were taken back.
    #[error("version {version} of `{id}` was taken back: {reason}")]
    Yanked {
        /// The plugin.
        id: PluginName,
        /// The highest of them.
        version: Version,
        /// Why.
        reason: String,
    },
    /// All that would do need another contract.
    #[error("version {version} of `{id}` works with the contract `{wanted}`, and this host offers {offered}; {}", if *newer { "update tidegate" } else { "ask its publisher for a newer version" })]
    Contract {
        /// The plugin.
        id: PluginName,
        /// The highest of them.
        version: Version,
        /// The contract it was made for.
        wanted: VersionReq,
        /// The contract of this host.
        offered: Version,
        /// Whether that is a newer one.
        newer: bool,
    },
    /// All that would do are blocked.
    #[error("version {version} of `{id}` is blocked: {advisory}")]
    Blocked {
        /// The plugin.
        id: PluginName,
        /// The highest of them.
        version: Version,
        /// Why.
        advisory: Box<Advisory>,
    },
}

impl Wanted {
    /// Reads `[INDEX:]ID[@REQUIREMENT]`.
    ///
    /// # Errors
    ///
    /// A text that is nothing of the kind.
    pub fn parse(text: &str) -> Result<Self, ResolveError> {
        let wrong = || ResolveError::Text(crate::plugin::fetch::address::printable(text));
        let (rest, requirement) = match text.split_once('@') {
            // A version alone is what people write for exactly that one, and not for anything compatible with it.
            Some((rest, version)) if Version::parse(version).is_ok() => (rest, VersionReq::parse(&format!("={version}"))),
            Some((rest, requirement)) => (rest, VersionReq::parse(requirement)),
            None => (text, Ok(VersionReq::STAR)),
        };
        let (index, id) = match rest.split_once(':') {
            Some((index, id)) => (Some(index), id),
            None => (None, rest),
        };
        let index_fits = index.is_none_or(|index| PluginName::parse(index).is_some_and(|name| !name.as_str().contains('/')));
        let id = PluginName::parse(id).filter(|_| index_fits).ok_or_else(wrong)?;
        Ok(Self { index: index.map(str::to_owned), id, requirement: requirement.map_err(|_| wrong())? })
    }
}

/// The highest release that fulfils the requirement, was not taken back, works with the contract `offered` and is not blocked; with the
/// advisories that warn of it.
///
/// # Errors
///
/// When there is none: what is wrong with the highest that would have done otherwise.
pub fn choose(
    history: &History,
    wanted: &Wanted,
    advisories: &[Advisory],
    offered: &Version,
) -> Result<(Release, Vec<Advisory>), ResolveError> {
    let id = &wanted.id;
    let mut fitting: Vec<_> = history.entries.iter().filter(|entry| wanted.requirement.matches(&entry.release.version)).collect();
    fitting.sort_by(|one, other| other.release.version.cmp(&one.release.version));
    let mut problem = None;
    for entry in &fitting {
        let release = &entry.release;
        let version = release.version.clone();
        let mut about: Vec<Advisory> = advisories.iter().filter(|advisory| advisory.affects(id, &version)).cloned().collect();
        let blocking = about.iter().position(|advisory| advisory.action == Action::Block);
        let found = if let Some(reason) = &entry.yanked {
            ResolveError::Yanked { id: id.clone(), version, reason: reason.clone() }
        } else if !release.host_api.matches(offered) {
            let newer = release
                .host_api
                .comparators
                .iter()
                .any(|comparator| (comparator.major, comparator.minor.unwrap_or(0)) > (offered.major, offered.minor));
            ResolveError::Contract { id: id.clone(), version, wanted: release.host_api.clone(), offered: offered.clone(), newer }
        } else if let Some(at) = blocking {
            ResolveError::Blocked { id: id.clone(), version, advisory: Box::new(about.swap_remove(at)) }
        } else {
            return Ok((release.clone(), about));
        };
        problem.get_or_insert(found);
    }
    Err(problem.unwrap_or_else(|| {
        let mut versions: Vec<&Version> = history.entries.iter().map(|entry| &entry.release.version).collect();
        versions.sort_by(|one, other| other.cmp(one));
        let shown: Vec<String> = versions.iter().take(5).map(ToString::to_string).collect();
        let more = if versions.len() > shown.len() { " and older ones" } else { "" };
        ResolveError::NoVersion { id: id.clone(), requirement: wanted.requirement.clone(), versions: format!("{}{more}", shown.join(", ")) }
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plugin::index::line::Entry;
    use crate::plugin::index::line::tests::sample_release;

    fn wanted(text: &str) -> Wanted {
        Wanted::parse(text).unwrap()
    }

    /// Versions with what is said about each: `yanked`, `new` or `old` (contract), or nothing.
    fn history(versions: &[(&str, &str)]) -> History {
        let entry = |(version, state): &(&str, &str)| {
            let mut release = Release { version: version.parse().unwrap(), ..sample_release() };
            match *state {
                "new" => release.host_api = "^0.2".parse().unwrap(),
                "old" => release.host_api = "~0.0.9".parse().unwrap(),
                _ => {}
            }
            Entry { release, yanked: (*state == "yanked").then(|| "Broken.".to_owned()) }
        };
        History { entries: versions.iter().map(entry).collect() }
    }

    fn advisory(versions: &str, action: &str) -> Advisory {
        let text = format!(
            r#"{{"id":"TG-1","plugin":"example.org/tables","versions":"{versions}","severity":"high","action":"{action}","summary":"It leaks.","url":null,"published":"2026-01-02T03:04:05Z"}}"#
        );
        Advisory::parse_all("test", (text + "\n").as_bytes()).unwrap().remove(0)
    }

    #[test]
    fn what_is_wanted_is_read_with_index_and_requirement() {
        let id = PluginName::parse("example.org/tables").unwrap();
        let any = Wanted { index: None, id, requirement: VersionReq::STAR };
        assert_eq!(wanted("example.org/tables"), any);
        assert_eq!(wanted("community:example.org/tables"), Wanted { index: Some("community".into()), ..any.clone() });
        assert_eq!(wanted("example.org/tables@^1.2").requirement, VersionReq::parse("^1.2").unwrap());
        assert_eq!(wanted("example.org/tables@1.2.3").requirement, VersionReq::parse("=1.2.3").unwrap());
        assert_eq!(wanted("example.org/tables@1.2").requirement, VersionReq::parse("^1.2").unwrap());
        for wrong in [
            "",
            ":a/b",
            "a/b/c",
            "A/b",
            "x:y:a/b",
            "a/b@",
            "a/b@nothing",
            "../a",
            "https://a.example/plugin.toml",
            "oci://a/b",
            "a.b:c/d",
            "a/b:c/d",
        ] {
            assert!(Wanted::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_highest_version_that_can_be_run_is_chosen() {
        let offered = Version::new(0, 1, 0);
        let history = history(&[
            ("1.0.0", ""),
            ("1.2.0", ""),
            ("1.10.0", ""),
            ("1.11.0", "yanked"),
            ("2.0.0-rc.1", ""),
            ("3.0.0", "new"),
            ("0.1.0", "old"),
        ]);
        let choose = |text: &str, advisories: &[Advisory]| {
            let chosen = super::choose(&history, &wanted(&format!("example.org/tables{text}")), advisories, &offered);
            chosen.map(|(release, warnings)| (release.version.to_string(), warnings.len())).map_err(|error| error.to_string())
        };
        let version = |version: &str, warnings| Ok((version.to_owned(), warnings));
        assert_eq!(choose("", &[]), version("1.10.0", 0));
        assert_eq!(choose("@~1.2", &[]), version("1.2.0", 0));
        assert_eq!(choose("@<1.2", &[]), version("1.0.0", 0));
        assert_eq!(choose("@2.0.0-rc.1", &[]), version("2.0.0-rc.1", 0));
        assert_eq!(choose("", &[advisory("=1.10.0", "block")]), version("1.2.0", 0));
        assert_eq!(choose("", &[advisory("=1.10.0", "warn")]), version("1.10.0", 1));
        for (text, advisories, expected) in [
            ("@1.11.0", vec![], "was taken back: Broken."),
            ("@^3", vec![], "works with the contract `^0.2`, and this host offers 0.1.0; update tidegate"),
            ("@0.1.0", vec![], "ask its publisher"),
            ("@1.0.0", vec![advisory("*", "block")], "is blocked: TG-1 (high): It leaks."),
            (
                "@^4",
                vec![],
                "no version of `example.org/tables` is `^4`; there are 3.0.0, 2.0.0-rc.1, 1.11.0, 1.10.0, 1.2.0 and older ones",
            ),
        ] {
            let error = choose(text, &advisories).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}|[a-z:/@^~.0-9]{0,30}") {
            let _ = Wanted::parse(&text);
        }

        #[test]
        fn what_is_chosen_fulfils_everything(
            versions in proptest::collection::vec((0u64..4, 0u64..4, 0..4usize), 1..10), requirement in "[\\^~=<>]{0,1}[0-3](\\.[0-3])?", blocked in 0u64..4
        ) {
            let mut seen = std::collections::BTreeSet::new();
            let versions: Vec<(String, &str)> = versions.iter().filter(|(major, minor, _)| seen.insert((*major, *minor)))
                .map(|(major, minor, state)| (format!("{major}.{minor}.0"), ["", "yanked", "new", "old"][*state])).collect();
            let versions: Vec<(&str, &str)> = versions.iter().map(|(version, state)| (version.as_str(), *state)).collect();
            let history = history(&versions);
            let wanted = wanted(&format!("example.org/tables@{requirement}"));
            let block = advisory(&format!("^{blocked}.1"), "block");
            let runs = |entry: &Entry| {
                let Entry { release, yanked } = entry;
                yanked.is_none() && wanted.requirement.matches(&release.version) && !block.affects(&wanted.id, &release.version)
                    && release.host_api.matches(&Version::new(0, 1, 0))
            };
            let best = history.entries.iter().filter(|entry| runs(entry)).map(|entry| &entry.release.version).max();
            let chosen = choose(&history, &wanted, std::slice::from_ref(&block), &Version::new(0, 1, 0)).ok();
            prop_assert_eq!(chosen.as_ref().map(|(release, _)| &release.version), best);
        }
    }
}
