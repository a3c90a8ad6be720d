//! Searching: which plugins a person may have meant, the likeliest first.
//!
//! Every word has to be somewhere in a plugin. Where it is counts: in the name more than among the keywords, there more than in the
//! description. A whole word counts more than its beginning, and that more than a misspelt one; a word that few plugins have counts
//! more than one that all have.

use std::collections::BTreeSet;

use semver::Version;
use serde::Deserialize;
use serde::Serialize;

use super::IndexError;
use super::SEARCH_FILE;
use super::line::LINE_BYTES;
use super::line::Release;
use super::line::lines;
use super::line::name;
use super::time::Timestamp;
use crate::config::PluginName;
use crate::plugin::trust::PublicKey;

/// Words of a search that are looked at.
const WORDS: usize = 16;

/// How much the places count in which a word can be.
const NAME: f64 = 10.0;
const TOOL: f64 = 6.0;
const KEYWORD: f64 = 5.0;
const TITLE: f64 = 4.0;
const NAMESPACE: f64 = 2.0;
const DESCRIPTION: f64 = 1.5;

/// How much of that the beginning of a word counts, and one that is spelt a little differently.
const BEGINNING: f64 = 0.6;
const MISSPELT: f64 = 0.25;

/// The newest release of a plugin, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Found {
    /// The plugin.
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
    /// Its tools.
    pub tools: Vec<String>,
    /// Its hooks, as `before-query:validate`.
    pub hooks: Vec<String>,
    /// The rights that it requests.
    pub capabilities: Vec<String>,
    /// The key that signed it.
    pub publisher: PublicKey,
    /// When it came out.
    pub published: Timestamp,
}

impl From<&Release> for Found {
    fn from(release: &Release) -> Self {
        Self {
            id: release.id.clone(),
            version: release.version.clone(),
            title: release.title.clone(),
            description: release.description.clone(),
            keywords: release.keywords.clone(),
            tools: release.tools.clone(),
            hooks: release.hooks.clone(),
            capabilities: release.capabilities.clone(),
            publisher: release.publisher.clone(),
            published: release.published,
        }
    }
}

/// What is searched for. All of it has to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Words, in any order.
    pub words: String,
    /// A tool, or the beginning of its name.
    pub tool: Option<String>,
    /// A hook: an event as `before-query`, a kind as `mutate`, or both as `before-query:mutate`.
    pub hook: Option<String>,
    /// A right that it requests.
    pub capability: Option<String>,
}

/// Reads the file that is searched in.
pub(super) fn parse_all(index: &str, bytes: &[u8]) -> Result<Vec<Found>, IndexError> {
    let wrong = |number, reason: String| IndexError::damaged(index, SEARCH_FILE, Some(number), reason);
    let mut found = Vec::new();
    for (number, line) in lines(index, SEARCH_FILE, bytes)? {
        if line.len() > LINE_BYTES {
            return Err(wrong(number, format!("it has more than {LINE_BYTES} bytes")));
        }
        found.push(serde_json::from_slice(line).map_err(|error| wrong(number, error.to_string()))?);
    }
    Ok(found)
}

/// The text of the file that is searched in.
pub(super) fn write_all<'a>(releases: impl Iterator<Item = &'a Release>) -> Vec<u8> {
    let mut text = Vec::new();
    for release in releases {
        text.extend(serde_json::to_vec(&Found::from(release)).expect("texts and numbers are JSON"));
        text.push(b'\n');
    }
    text
}

/// The plugins that fit, the likeliest first; without words by name. Each comes with its place in `all`.
pub fn search<'a>(all: &'a [Found], query: &Query) -> Vec<(usize, &'a Found)> {
    let fits = |found: &Found| {
        let tool = query.tool.as_ref().is_none_or(|tool| found.tools.iter().any(|name| name.starts_with(tool.as_str())));
        let hook = query
            .hook
            .as_ref()
            .is_none_or(|wanted| found.hooks.iter().any(|hook| hook == wanted || hook.split(':').any(|part| part == wanted)));
        let capability = query.capability.as_ref().is_none_or(|wanted| found.capabilities.contains(wanted));
        tool && hook && capability
    };
    let candidates: Vec<(usize, &Found, Vec<Place>)> =
        all.iter().enumerate().filter(|(_, found)| fits(found)).map(|(at, found)| (at, found, places(found))).collect();
    let mut wanted: Vec<String> = words(&query.words).into_iter().take(WORDS).collect();
    wanted.dedup();
    let mut scores = vec![0.0; candidates.len()];
    let mut standing = vec![true; candidates.len()];
    for word in &wanted {
        let here: Vec<f64> =
            candidates.iter().map(|(_, _, places)| places.iter().map(|place| place.score(word)).fold(0.0, f64::max)).collect();
        let having = here.iter().filter(|score| **score > 0.0).count();
        // 1 for a word that all have, and more the fewer do.
        let rarity = 1.0 + (candidates.len() as f64 / having.max(1) as f64).ln();
        for (at, score) in here.into_iter().enumerate() {
            standing[at] &= score > 0.0;
            scores[at] += score * rarity;
        }
    }
    let whole = query.words.trim().to_lowercase();
    let mut found: Vec<(f64, usize, &Found)> = Vec::new();
    for (((at, candidate, _), score), stands) in candidates.into_iter().zip(scores).zip(standing) {
        // Somebody who types a whole id means it.
        let exact = candidate.id.as_str() == whole || candidate.id.short() == whole;
        if stands || exact {
            found.push((if exact { score + 1_000.0 } else { score }, at, candidate));
        }
    }
    found.sort_by(|(one, at, found), (other, other_at, other_found)| {
        other.total_cmp(one).then_with(|| found.id.cmp(&other_found.id)).then_with(|| at.cmp(other_at))
    });
    found.into_iter().map(|(_, at, found)| (at, found)).collect()
}

/// Words in one place of a plugin.
struct Place {
    weight: f64,
    words: BTreeSet<String>,
}

impl Place {
    fn score(&self, word: &str) -> f64 {
        if self.words.contains(word) {
            return self.weight;
        }
        if self.words.iter().any(|candidate| candidate.starts_with(word) || plural(candidate, word)) {
            return self.weight * BEGINNING;
        }
        // Short words are too near to too many others.
        let near = |candidate: &String| word.chars().count() >= 5 && strsim::osa_distance(candidate, word) == 1;
        if self.words.iter().any(near) { self.weight * MISSPELT } else { 0.0 }
    }
}

/// Whether one is the other with an ending of more than one.
fn plural(one: &str, other: &str) -> bool {
    let is_plural = |long: &str, short: &str| short.len() >= 3 && (long.strip_prefix(short)).is_some_and(|rest| matches!(rest, "s" | "es"));
    is_plural(one, other) || is_plural(other, one)
}

fn places(found: &Found) -> Vec<Place> {
    let namespace = found.id.as_str().split('/').next().unwrap_or_default();
    let place = |weight, text: &str| Place { weight, words: words(text).into_iter().collect() };
    vec![
        place(NAME, found.id.short()),
        place(TOOL, &found.tools.join(" ")),
        place(KEYWORD, &found.keywords.join(" ")),
        place(TITLE, &found.title),
        place(NAMESPACE, namespace),
        place(DESCRIPTION, &found.description),
    ]
}

/// The words of a text, in lower case. `list_tables` is two, and so is `pg-advisor`.
fn words(text: &str) -> Vec<String> {
    let split = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    split.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plugin::sample;

    fn found(id: &str, title: &str, description: &str, keywords: &[&str], tools: &[&str]) -> Found {
        let list = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Found {
            id: PluginName::parse(id).unwrap(),
            version: Version::new(1, 0, 0),
            title: title.into(),
            description: description.into(),
            keywords: list(keywords),
            tools: list(tools),
            hooks: Vec::new(),
            capabilities: vec!["database-read".into()],
            publisher: sample::publisher().public().clone(),
            published: Timestamp::parse("2026-01-02T03:04:05Z").unwrap(),
        }
    }

    fn market() -> Vec<Found> {
        let mut market = vec![
            found(
                "acme.dev/pg-advisor",
                "Postgres advisor",
                "Suggests indexes from pg_stat_statements.",
                &["postgres", "performance"],
                &["advise_indexes"],
            ),
            found("acme.dev/masker", "Column mask", "Hides columns of people in answers.", &["privacy", "gdpr"], &[]),
            found(
                "beta.example/privacy-report",
                "Privacy report",
                "Finds columns that look personal.",
                &["audit"],
                &["find_personal_columns"],
            ),
            found("beta.example/backup", "Backups", "Backs up PostgreSQL and MySQL databases.", &["backup"], &["backup_database"]),
            found("gamma.example/charts", "Charts", "Draws charts of query results; works with postgres too.", &["chart"], &["draw_chart"]),
            found(
                "gamma.example/slow",
                "Slow queries",
                "Lists slow queries of Postgres.",
                &["postgres", "performance"],
                &["list_slow_queries"],
            ),
        ];
        market[1].hooks = vec!["after-query:mutate".into()];
        market[1].capabilities = Vec::new();
        market[5].hooks = vec!["before-query:observe".into()];
        market
    }

    fn names(query: &Query) -> Vec<String> {
        search(&market(), query).into_iter().map(|(_, found)| found.id.short().to_owned()).collect()
    }

    fn with(words: &str) -> Vec<String> {
        names(&Query { words: words.into(), ..Query::default() })
    }

    #[test]
    fn what_a_person_means_comes_first() {
        assert_eq!(with("backup"), ["backup"]);
        assert_eq!(with("privacy"), ["privacy-report", "masker"]);
        assert_eq!(with("postgres"), ["pg-advisor", "slow", "charts", "backup"]);
        assert_eq!(with("postgres indexes"), ["pg-advisor"]);
        assert_eq!(with("indexes postgres"), ["pg-advisor"]);
        assert_eq!(with("acme.dev/masker"), ["masker"]);
        assert_eq!(with("acme"), ["masker", "pg-advisor"]);
        assert_eq!(with("POSTGRES Performance"), ["pg-advisor", "slow"]);
        assert_eq!(with("list_slow_queries"), ["slow"]);
        assert_eq!(with("kubernetes"), [""; 0]);
    }

    #[test]
    fn beginnings_plurals_and_slips_are_found_behind_whole_words() {
        assert_eq!(with("chart"), ["charts"]);
        assert_eq!(with("charts"), ["charts"]);
        assert_eq!(with("perf"), ["pg-advisor", "slow"]);
        assert_eq!(with("postgers"), ["pg-advisor", "slow", "charts"]);
        assert_eq!(with("bakcup"), ["backup"]);
        assert_eq!(with("index"), ["pg-advisor"]);
    }

    #[test]
    fn filters_hold_beside_words_and_alone() {
        let query = Query::default();
        assert_eq!(names(&query).len(), 6);
        assert_eq!(names(&Query { tool: Some("list_".into()), ..query.clone() }), ["slow"]);
        for hook in ["before-query", "observe", "before-query:observe"] {
            assert_eq!(names(&Query { hook: Some(hook.into()), ..query.clone() }), ["slow"], "{hook}");
        }
        assert_eq!(names(&Query { hook: Some("query".into()), ..query.clone() }), [""; 0]);
        assert_eq!(
            names(&Query { capability: Some("database-read".into()), words: "columns".into(), ..query.clone() }),
            ["privacy-report"]
        );
        assert_eq!(names(&Query { capability: Some("database".into()), ..query }), [""; 0]);
    }

    proptest! {
        #[test]
        fn no_search_makes_it_panic(words in ".{0,60}", tool in proptest::option::of(".{0,10}")) {
            let market = market();
            let found = search(&market, &Query { words, tool, ..Query::default() });
            prop_assert!(found.len() <= market.len());
        }

        #[test]
        fn a_plugin_is_found_by_its_name(at in 0usize..6) {
            let market = market();
            let first = search(&market, &Query { words: market[at].id.to_string(), ..Query::default() });
            prop_assert_eq!(first[0].0, at);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), text in r#"[{}\[\]":,a-z0-9\\ \n]{0,80}"#) {
            let _ = parse_all("test", &bytes);
            let _ = parse_all("test", text.as_bytes());
        }
    }
}
