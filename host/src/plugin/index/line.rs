//! The history of one plugin: a line for each release and for each that was taken back. Lines are only ever added.

use semver::Version;
use semver::VersionReq;
use serde::Deserialize;
use serde::Serialize;

use super::IndexError;
use super::location::Location;
use super::time::Timestamp;
use crate::config::PluginName;
use crate::plugin::definition::is_plain_text;
use crate::plugin::digest::Digest;
use crate::plugin::trust::PublicKey;

/// Bytes of one line.
pub const LINE_BYTES: usize = 64 << 10;

/// Lines of one plugin.
const LINES: usize = 10_000;

/// Entries of each list of a release.
const ENTRIES: usize = 256;

/// Characters of each entry.
const ENTRY: usize = 256;

/// The folder of histories.
pub(super) const FOLDER: &str = "plugins/";

/// How the file of a history ends.
pub(super) const ENDING: &str = ".jsonl";

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Line {
    /// A version came out.
    Release(Box<Release>),
    /// A version was taken back: it is not chosen any more, and stays for those who have it.
    Yank(Yank),
}

/// A version that came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Release {
    /// The plugin; with a namespace.
    #[serde(with = "name")]
    pub id: PluginName,
    /// The version.
    pub version: Version,
    /// Its name for people.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Words to find it by.
    pub keywords: Vec<String>,
    /// Its licence, as an SPDX expression.
    pub license: Option<String>,
    /// The versions of the contract it works with.
    pub host_api: VersionReq,
    /// The digest of its `plugin.toml`.
    pub manifest: Digest,
    /// The digest of its component.
    pub component: Digest,
    /// The digest of all texts that a model reads, when its manifest holds it.
    pub contract: Option<Digest>,
    /// The key that signed it.
    pub publisher: PublicKey,
    /// Where it is; the first that answers is taken.
    pub locations: Vec<Location>,
    /// The rights that it requests.
    pub capabilities: Vec<String>,
    /// Its hooks, as `before-query:validate`.
    pub hooks: Vec<String>,
    /// Its tools.
    pub tools: Vec<String>,
    /// Bytes of its component.
    pub bytes: u64,
    /// When it came out.
    pub published: Timestamp,
}

/// A version that was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Yank {
    /// The version.
    pub version: Version,
    /// Why, for people.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A release and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The release.
    pub release: Release,
    /// Why it was taken back, if it was.
    pub yanked: Option<String>,
}

/// All releases of a plugin, in the order in which they came out. At least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// They.
    pub entries: Vec<Entry>,
}

/// Reads and writes the id of a plugin.
pub(super) mod name {
    use serde::Deserialize;
    use serde::Deserializer;
    use serde::Serializer;
    use serde::de::Error as _;

    use crate::config::PluginName;

    pub(in crate::plugin::index) fn serialize<S: Serializer>(name: &PluginName, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(name.as_str())
    }

    pub(in crate::plugin::index) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PluginName, D::Error> {
        let text = String::deserialize(deserializer)?;
        let name = PluginName::parse(&text).filter(|name| name.as_str().contains('/'));
        name.ok_or_else(|| D::Error::custom("the id of a plugin in an index is a namespace, `/` and a name, as in `example.org/advisor`"))
    }
}

/// The file of a plugin's history in an index.
pub fn file_of(id: &PluginName) -> String {
    format!("{FOLDER}{id}{ENDING}")
}

/// The plugin whose history is in this file of an index, if it is such a file.
pub fn find_plugin(file: &str) -> Option<PluginName> {
    PluginName::parse(file.strip_prefix(FOLDER)?.strip_suffix(ENDING)?).filter(|name| name.as_str().contains('/'))
}

impl Release {
    /// What is wrong with it, if anything is: texts that show less than they say, lists without end, no place to fetch it from.
    fn problem(&self) -> Option<String> {
        let texts =
            [("title", Some(&self.title), 128), ("description", Some(&self.description), 1_024), ("license", self.license.as_ref(), ENTRY)];
        for (name, text, characters) in texts {
            if text.is_some_and(|text| !is_plain_text(text, characters)) {
                return Some(format!("`{name}` is empty, too long, or has invisible or control characters"));
            }
        }
        let lists = [("keywords", &self.keywords), ("capabilities", &self.capabilities), ("hooks", &self.hooks), ("tools", &self.tools)];
        for (name, list) in lists {
            if list.len() > ENTRIES || !list.iter().all(|text| is_plain_text(text, ENTRY) && !text.contains(['\n', '\t'])) {
                return Some(format!("`{name}` has more than {ENTRIES} entries, or one that is no plain text"));
            }
        }
        if self.locations.is_empty() || self.locations.len() > 16 {
            return Some("`locations` has at least one entry, and at most 16".into());
        }
        None
    }
}

impl Line {
    /// Reads one line, without its end.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() > LINE_BYTES {
            return Err(format!("it has more than {LINE_BYTES} bytes"));
        }
        let line: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let problem = match &line {
            Self::Release(release) => release.problem(),
            Self::Yank(yank) if !is_plain_text(&yank.reason, 512) => {
                Some("`reason` is empty, too long, or has invisible or control characters".into())
            }
            Self::Yank(_) => None,
        };
        problem.map_or(Ok(line), Err)
    }

    /// The line, without its end.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }
}

impl History {
    /// Reads the file of a plugin.
    ///
    /// # Errors
    ///
    /// The first line that is wrong by itself or after those before it.
    pub fn parse(index: &str, id: &PluginName, bytes: &[u8]) -> Result<Self, IndexError> {
        let file = file_of(id);
        let wrong = |line, reason: String| IndexError::damaged(index, &file, Some(line), reason);
        let mut entries: Vec<Entry> = Vec::new();
        for (number, line) in lines(index, &file, bytes)? {
            if number > LINES {
                return Err(wrong(number, format!("it has more than {LINES} lines")));
            }
            match Line::parse(line).map_err(|reason| wrong(number, reason))? {
                Line::Release(release) if release.id != *id => return Err(wrong(number, format!("it is about `{}`", release.id))),
                Line::Release(release) => {
                    if entries.iter().any(|entry| entry.release.version == release.version) {
                        return Err(wrong(number, format!("version {} came out before", release.version)));
                    }
                    entries.push(Entry { release: *release, yanked: None });
                }
                Line::Yank(yank) => {
                    let entry = entries.iter_mut().find(|entry| entry.release.version == yank.version && entry.yanked.is_none());
                    let entry = entry.ok_or_else(|| wrong(number, format!("version {} is not there to be taken back", yank.version)))?;
                    entry.yanked = Some(yank.reason);
                }
            }
        }
        if entries.is_empty() { Err(IndexError::damaged(index, &file, None, "it has no release")) } else { Ok(Self { entries }) }
    }

    /// The highest version that was not taken back; a pre-release where there is nothing else.
    pub fn newest(&self) -> Option<&Release> {
        let standing = self.entries.iter().filter(|entry| entry.yanked.is_none()).map(|entry| &entry.release);
        standing.max_by(|one, other| (one.version.pre.is_empty(), &one.version).cmp(&(other.version.pre.is_empty(), &other.version)))
    }

    /// A version.
    pub fn find(&self, version: &Version) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.release.version == *version)
    }
}

/// The lines of a file of lines, counted from 1. Each ends with a line break, the last too, so that a cut file is noticed.
pub(super) fn lines<'a>(index: &str, file: &str, bytes: &'a [u8]) -> Result<impl Iterator<Item = (usize, &'a [u8])>, IndexError> {
    let body = match bytes {
        [] => bytes,
        [body @ .., b'\n'] => body,
        _ => return Err(IndexError::damaged(index, file, None, "its last line is cut off")),
    };
    let split = body.split(|byte| *byte == b'\n').enumerate().map(|(at, line)| (at + 1, line));
    Ok(split.take(if bytes.is_empty() { 0 } else { usize::MAX }))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::plugin::sample;

    fn digest() -> impl Strategy<Value = Digest> {
        any::<[u8; 4]>().prop_map(|bytes| Digest::of(&bytes))
    }

    fn version() -> impl Strategy<Value = Version> {
        "[0-9]{1,3}\\.(0|[1-9][0-9]?)\\.(0|[1-9])(-rc\\.[1-9])?".prop_filter_map("a version", |text| Version::parse(&text).ok())
    }

    /// Any release.
    pub(in crate::plugin::index) fn release() -> impl Strategy<Value = Release> {
        let texts = ("[a-z][a-z0-9]{0,9}(\\.[a-z]{2,5})?/[a-z][a-z0-9-]{0,12}", "[A-Za-zäß\"\\\\ ]{0,20}x", "[a-z🦀 .]{0,60}y");
        let lists = (vec("[a-z_-]{1,12}", 0..4), vec("[a-z_]{1,12}", 0..4), vec("[a-z-]{1,12}", 0..4), vec("[a-z]{1,6}:[a-z]{1,6}", 0..4));
        let rest = (version(), digest(), digest(), option::of(digest()), any::<u32>(), 0..4_000_000_000u64);
        (texts, lists, rest).prop_map(
            |((id, title, description), (keywords, tools, capabilities, hooks), (version, manifest, component, contract, bytes, at))| {
                Release {
                    id: PluginName::parse(&id).unwrap(),
                    locations: vec![Location::Folder(format!("packages/{id}/{version}"))],
                    version,
                    title,
                    description,
                    keywords,
                    license: None,
                    host_api: VersionReq::parse("^0.1").unwrap(),
                    manifest,
                    component,
                    contract,
                    publisher: sample::publisher().public().clone(),
                    capabilities,
                    hooks,
                    tools,
                    bytes: bytes.into(),
                    published: Timestamp::parse("2020-01-01T00:00:00Z").unwrap().after(std::time::Duration::from_secs(at)),
                }
            },
        )
    }

    fn parse(release: &Release, text: &str) -> Result<History, IndexError> {
        History::parse("test", &release.id, text.as_bytes())
    }

    proptest! {
        #[test]
        fn a_line_is_read_as_it_is_written(release in release()) {
            let line = Line::Release(Box::new(release));
            let text = line.to_text();
            prop_assert!(!text.contains('\n'));
            prop_assert_eq!(Line::parse(text.as_bytes()), Ok(line));
        }

        #[test]
        fn an_unknown_key_is_an_error(release in release(), key in "[a-z]{3,8}x") {
            let text = Line::Release(Box::new(release)).to_text();
            let text = format!("{{\"{key}\":1,{}", &text[1..]);
            prop_assert!(Line::parse(text.as_bytes()).unwrap_err().contains("unknown field"));
        }

        #[test]
        fn no_bytes_make_it_panic(text in r#"[{}\[\]":,a-z0-9\\ ]{0,80}"#, bytes in vec(any::<u8>(), 0..80), cut in any::<prop::sample::Index>(), release in release()) {
            let _ = Line::parse(text.as_bytes());
            let _ = Line::parse(&bytes);
            let line = Line::Release(Box::new(release.clone())).to_text();
            let _ = Line::parse(&line.as_bytes()[..cut.index(line.len())]);
            let _ = History::parse("test", &release.id, &bytes);
        }

        #[test]
        fn the_newest_is_the_highest_that_stands(mut releases in vec(release(), 1..6), yanked in any::<prop::sample::Index>()) {
            let id = releases[0].id.clone();
            releases.iter_mut().for_each(|release| release.id = id.clone());
            releases.sort_by(|one, other| one.version.cmp(&other.version));
            releases.dedup_by(|one, other| one.version == other.version);
            let gone = releases[yanked.index(releases.len())].version.clone();
            let mut text: String = releases.iter().map(|release| Line::Release(Box::new(release.clone())).to_text() + "\n").collect();
            text += &(Line::Yank(Yank { version: gone.clone(), reason: "broken".into(), at: Timestamp::now() }).to_text() + "\n");
            let history = parse(&releases[0], &text).unwrap();
            let standing: Vec<&Version> = releases.iter().map(|release| &release.version).filter(|version| **version != gone).collect();
            let expected = standing.iter().rev().find(|version| version.pre.is_empty()).or(standing.last());
            prop_assert_eq!(history.newest().map(|release| &release.version), expected.copied());
        }
    }

    #[test]
    fn a_history_that_makes_no_sense_is_refused_with_its_line() {
        let release = sample_release();
        let line = Line::Release(Box::new(release.clone())).to_text();
        let yank = |version: &str| format!(r#"{{"event":"yank","version":"{version}","reason":"Broken.","at":"2026-01-02T03:04:05Z"}}"#);
        assert_eq!(parse(&release, &format!("{line}\n{}\n", yank("1.0.0"))).unwrap().entries[0].yanked.as_deref(), Some("Broken."));
        for (text, expected) in [
            (String::new(), "no release"),
            (line.clone(), "cut off"),
            (format!("{line}\n\n"), "line 2"),
            (format!("{line}\n{line}\n"), "line 2: version 1.0.0 came out before"),
            (format!("{line}\n{}\n", yank("2.0.0")), "line 2: version 2.0.0 is not there"),
            (format!("{line}\n{}\n{}\n", yank("1.0.0"), yank("1.0.0")), "line 3: version 1.0.0 is not there"),
            (format!("{}\n", line.replace("example.org/", "example.com/")), "line 1: it is about `example.com/tables`"),
            (format!("{}\n", line.replace("example.org/", "")), "a namespace, `/` and a name"),
            (format!("{}\n", line.replace("Lists tables.", "Lists\u{202e} tables.")), "`description`"),
            (format!("{}\n", line.replace("[\"packages/example.org/tables/1.0.0\"]", "[]")), "`locations`"),
            (format!("{}\n", line.replace("packages/example.org/tables/1.0.0", "../x")), "a location is"),
            (format!("{}\n", line.replace("\"event\":\"release\"", "\"event\":\"praise\"")), "unknown variant"),
        ] {
            let error = parse(&release, &text).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    /// A release of the sample plugin.
    pub(in crate::plugin::index) fn sample_release() -> Release {
        Release {
            id: PluginName::parse("example.org/tables").unwrap(),
            version: Version::new(1, 0, 0),
            title: "Tables".into(),
            description: "Lists tables.".into(),
            keywords: Vec::new(),
            license: Some("MIT".into()),
            host_api: VersionReq::parse("^0.1").unwrap(),
            manifest: Digest::of(b"manifest"),
            component: Digest::of(b"component"),
            contract: None,
            publisher: sample::publisher().public().clone(),
            locations: vec![Location::Folder("packages/example.org/tables/1.0.0".into())],
            capabilities: vec!["catalog".into()],
            hooks: Vec::new(),
            tools: vec!["list_tables".into()],
            bytes: 1,
            published: Timestamp::parse("2026-01-02T03:04:05Z").unwrap(),
        }
    }

    #[test]
    fn a_file_belongs_to_a_plugin() {
        let release = sample_release();
        assert_eq!(file_of(&release.id), "plugins/example.org/tables.jsonl");
        assert_eq!(find_plugin("plugins/example.org/tables.jsonl"), Some(release.id));
        for wrong in ["plugins/tables.jsonl", "plugins/../tables.jsonl", "plugins/a/b/c.jsonl", "search.jsonl", "plugins/a/b.json"] {
            assert_eq!(find_plugin(wrong), None, "{wrong}");
        }
    }
}
