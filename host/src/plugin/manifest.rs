//! `plugin.toml`: what a plugin says of itself and what it asks for.

mod limits;
mod offer;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error as _;

pub use limits::LimitRequest;
pub use offer::Effect;
pub use offer::Provides;
pub use offer::ToolRights;

use super::definition::is_plain_text;
use super::digest::Digest;
use super::jobs::JobDeclaration;
use super::jobs::jobs_problem;
pub use super::request::Request;
use super::trust::PublicKey;
use crate::config::HookEvent;
use crate::config::OnFailure;
use crate::config::PluginName;
use crate::hook::Kind;
use crate::runtime::hook::Reads;

/// Interfaces of the contract that give no right worth granting: types, and words to the host and the caller's own client.
const FREE: [&str; 8] = ["content", "hook", "input", "log", "progress", "rows", "settings", "types"];

/// Interfaces that a manifest can request.
pub(super) const RIGHTS: [&str; 15] = [
    "cache",
    "cache-bytes",
    "catalog",
    "changes",
    "database-admin",
    "database-read",
    "database-write",
    "http",
    "metric",
    "plugins",
    "secret",
    "secret-reveal",
    "storage",
    "transaction",
    "vault",
];

/// Hooks of one plugin.
const HOOKS: usize = 16;

/// The place of a hook that names none.
const PRIORITY: i32 = 100;

/// How long a hook may take that does not say.
const TIMEOUT: Duration = Duration::from_millis(100);

/// The longest that a hook may take.
pub const LONGEST_TIMEOUT: Duration = Duration::from_secs(2);

/// The contract that this host offers.
pub const HOST_API: semver::Version = semver::Version::new(0, 1, 0);

/// A checked manifest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the manifest's own shape: 1.
    pub schema: u32,
    /// What it is.
    pub plugin: About,
    /// Its code.
    pub component: ComponentFile,
    /// The interfaces it imports that give a right.
    #[serde(default)]
    pub capabilities: BTreeMap<String, Request>,
    /// Its hooks.
    #[serde(default)]
    pub hooks: Vec<HookDeclaration>,
    /// What it offers; not said by every plugin that is loaded from a folder.
    #[serde(default)]
    pub provides: Option<Provides>,
    /// Tools that have less than all rights of the plugin, by their names in it.
    #[serde(default)]
    pub tools: BTreeMap<String, ToolRights>,
    /// Limits that it asks for.
    #[serde(default)]
    pub limits: LimitRequest,
    /// Its jobs.
    #[serde(default)]
    pub jobs: Vec<JobDeclaration>,
}

/// A hook: what it is asked about, as what, and what it is shown.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HookDeclaration {
    /// What it is asked about.
    #[serde(deserialize_with = "event")]
    pub event: HookEvent,
    /// What it may do.
    #[serde(deserialize_with = "kind")]
    pub kind: Kind,
    /// Its place; lower ones first, 100 by default.
    #[serde(default = "default_priority")]
    pub priority: i32,
    /// How long one question may take; 100 ms by default, at most 2 s.
    #[serde(default = "default_timeout", deserialize_with = "timeout")]
    pub timeout: Duration,
    /// What its failure means, where the operator does not say; `refuse` by default.
    #[serde(default, deserialize_with = "on_failure")]
    pub on_failure: OnFailure,
    /// What it is shown beside the statement or the call itself: `caller`, `parameters`, `columns`, `rows`, `arguments`, `content`.
    #[serde(default)]
    pub reads: Vec<String>,
    /// Databases that it is asked about; all by default.
    #[serde(default)]
    pub databases: Vec<String>,
    /// Kinds of statements that it is asked about: `read`, `write`, `admin`; all by default.
    #[serde(default)]
    pub statements: Vec<String>,
    /// Tables that it is asked about, with `*` for any characters; all by default.
    #[serde(default)]
    pub tables: Vec<String>,
    /// Tools that it is asked about, with `*` for any characters; all by default.
    #[serde(default)]
    pub tools: Vec<String>,
    /// Whether it is asked only about statements that have a key to the cache; of providers on `before-query`.
    #[serde(default)]
    pub with_cache_key: bool,
    /// Why, in words for the operator.
    pub reason: String,
}

/// Reads a text and makes something of it.
fn parsed<'de, D: Deserializer<'de>, T>(deserializer: D, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is none of {expected}")))
}

fn event<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HookEvent, D::Error> {
    let expected = HookEvent::ALL.map(HookEvent::as_str).join(", ");
    parsed(deserializer, &expected, HookEvent::parse)
}

fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
    parsed(deserializer, "validate, mutate, provide, observe", Kind::parse)
}

fn on_failure<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OnFailure, D::Error> {
    parsed(deserializer, "refuse, skip", OnFailure::parse)
}

fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let fits = |duration: &Duration| (Duration::from_millis(1)..=LONGEST_TIMEOUT).contains(duration);
    parsed(deserializer, "the durations from `1ms` to `2s`", |text| humantime::parse_duration(text).ok().filter(fits))
}

fn default_priority() -> i32 {
    PRIORITY
}

fn default_timeout() -> Duration {
    TIMEOUT
}

impl HookDeclaration {
    /// What it is shown, by what it says that it reads.
    pub fn shown(&self) -> Reads {
        let reads = |name: &str| self.reads.iter().any(|read| read == name);
        Reads {
            caller: reads("caller"),
            parameters: reads("parameters"),
            columns: reads("columns"),
            rows: reads("rows"),
            arguments: reads("arguments"),
            content: reads("content"),
        }
    }

    /// What a hook of this event may be and be shown.
    fn allowed(event: HookEvent) -> (&'static [Kind], &'static [&'static str]) {
        match event {
            HookEvent::BeforeQuery => (&[Kind::Validate, Kind::Mutate, Kind::Provide], &["caller", "parameters"]),
            HookEvent::AfterQuery => (&[Kind::Validate, Kind::Mutate, Kind::Observe], &["caller", "parameters", "columns", "rows"]),
            HookEvent::OnError => (&[Kind::Mutate, Kind::Observe], &["caller", "parameters"]),
            HookEvent::OnConnect => (&[Kind::Mutate], &["caller"]),
            HookEvent::BeforeCall => (&[Kind::Validate, Kind::Mutate, Kind::Provide], &["caller", "arguments"]),
            HookEvent::AfterCall => (&[Kind::Validate, Kind::Mutate, Kind::Observe], &["caller", "arguments", "content"]),
        }
    }

    /// What is wrong with it, if anything.
    fn problem(&self) -> Option<String> {
        let event = self.event.as_str();
        let (kinds, reads) = Self::allowed(self.event);
        if !kinds.contains(&self.kind) {
            let kinds: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
            return Some(format!("a hook on `{event}` cannot be `{}`; it can be {}", self.kind.as_str(), kinds.join(", ")));
        }
        if let Some(unknown) = self.reads.iter().find(|name| !reads.contains(&name.as_str())) {
            return Some(format!("a hook on `{event}` cannot read `{unknown}`; there is {}", reads.join(", ")));
        }
        if let Some(unknown) = self.statements.iter().find(|name| !["read", "write", "admin"].contains(&name.as_str())) {
            return Some(format!("`statements` has `{unknown}`; there are read, write, admin"));
        }
        if self.with_cache_key && (self.event, self.kind) != (HookEvent::BeforeQuery, Kind::Provide) {
            return Some("`with-cache-key` is for providers on `before-query`: nobody else is shown a key".into());
        }
        if !is_plain_text(&self.reason, 512) {
            return Some(format!("the `reason` of the hook on `{event}` is empty, too long, or has invisible or control characters"));
        }
        None
    }
}

/// What a plugin says of itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct About {
    /// Its id: lower-case letters, digits and hyphens, at most 40 characters, a letter first; before that, with a `/`, the
    /// namespace of its publisher.
    pub id: String,
    /// Its version.
    pub version: semver::Version,
    /// Its name for a person.
    pub title: String,
    /// What it is for, in a sentence.
    pub description: String,
    /// Its licence, as an SPDX expression.
    #[serde(default)]
    pub license: Option<String>,
    /// The versions of the contract it works with, for example `^0.1`.
    pub host_api: semver::VersionReq,
    /// Who wrote it.
    #[serde(default)]
    pub authors: Vec<String>,
    /// Where its source is kept.
    #[serde(default)]
    pub repository: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// The public key of its publisher, by which the signature beside the manifest is checked.
    #[serde(default)]
    pub publisher: Option<PublicKey>,
}

impl About {
    /// Something to change in tests.
    #[cfg(test)]
    pub(super) fn for_tests() -> Self {
        Self {
            id: "one".into(),
            version: semver::Version::new(0, 1, 0),
            title: "One".into(),
            description: "One.".into(),
            license: None,
            host_api: semver::VersionReq::parse("^0.1").unwrap(),
            authors: Vec::new(),
            repository: None,
            keywords: Vec::new(),
            publisher: None,
        }
    }
}

/// Where the code of a plugin is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentFile {
    /// Its file name, in the folder of the manifest.
    pub file: String,
    /// The digest of its bytes; a plugin that is installed has to have it.
    #[serde(default)]
    pub sha256: Option<Digest>,
    /// What it was built from.
    #[serde(default)]
    pub source: Option<ComponentSource>,
}

/// Where the source of a component is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentSource {
    /// The URL of a git repository.
    pub git: String,
    /// The commit.
    pub rev: String,
}

/// What is wrong with a manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is not TOML of this shape.
    #[error("{0}")]
    Toml(String),
    /// The shape.
    #[error("`schema` is {0}, and this host reads 1")]
    Schema(u32),
    /// The id.
    #[error(
        "`plugin.id` must be lower-case letters, digits and hyphens, a letter first, at most 40 characters; the namespace of its publisher may stand before it, as in `example.org/advisor`"
    )]
    Id,
    /// The contract.
    #[error("`plugin.host-api` is `{wanted}`, and this host offers {HOST_API}")]
    HostApi {
        /// What the plugin works with.
        wanted: semver::VersionReq,
    },
    /// The file name.
    #[error("`component.file` must be a file name without a folder")]
    File,
    /// A text.
    #[error("`{0}` is empty, too long, or has invisible or control characters")]
    Text(String),
    /// A request for what does not exist.
    #[error("`capabilities.{interface}` is no interface that can be requested; there are {}", RIGHTS.join(", "))]
    UnknownRequest {
        /// As the manifest names it.
        interface: String,
    },
    /// A hook.
    #[error("`hooks`: {0}")]
    Hook(String),
    /// What it offers.
    #[error("{0}")]
    Offer(String),
    /// A job.
    #[error("`jobs`: {0}")]
    Job(String),
    /// A request that says more than its reason.
    #[error("`capabilities.{interface}`: {problem}")]
    Request {
        /// The interface.
        interface: String,
        /// What is wrong.
        problem: String,
    },
}

impl Manifest {
    /// Reads and checks the text of a `plugin.toml`.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text).map_err(|error| ManifestError::Toml(error.to_string().trim_end().into()))?;
        if manifest.schema != 1 {
            return Err(ManifestError::Schema(manifest.schema));
        }
        let About { id, title, description, host_api, .. } = &manifest.plugin;
        if PluginName::parse(id).is_none() {
            return Err(ManifestError::Id);
        }
        if !host_api.matches(&HOST_API) {
            return Err(ManifestError::HostApi { wanted: host_api.clone() });
        }
        let file = &manifest.component.file;
        if file.is_empty() || file.starts_with('.') || !file.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
            return Err(ManifestError::File);
        }
        for (name, text, characters) in [("plugin.title", title, 128), ("plugin.description", description, 1_024)] {
            if !is_plain_text(text, characters) {
                return Err(ManifestError::Text(name.into()));
            }
        }
        let About { license, authors, repository, keywords, .. } = &manifest.plugin;
        let source = manifest
            .component
            .source
            .iter()
            .flat_map(|source| [("component.source.git", &source.git), ("component.source.rev", &source.rev)]);
        let lines = license.iter().map(|text| ("plugin.license", text)).chain(repository.iter().map(|text| ("plugin.repository", text)));
        let lists = authors.iter().map(|text| ("plugin.authors", text)).chain(keywords.iter().map(|text| ("plugin.keywords", text)));
        if let Some((name, _)) = lines.chain(lists).chain(source).find(|(_, text)| !is_plain_text(text, 256) || text.contains('\n')) {
            return Err(ManifestError::Text(name.into()));
        }
        if authors.len() > 32 || keywords.len() > 32 {
            return Err(ManifestError::Offer("`plugin.authors` and `plugin.keywords` have at most 32 entries".into()));
        }
        for (interface, request) in &manifest.capabilities {
            if !RIGHTS.contains(&interface.as_str()) {
                return Err(ManifestError::UnknownRequest { interface: interface.clone() });
            }
            if !is_plain_text(&request.reason, 512) {
                return Err(ManifestError::Text(format!("capabilities.{interface}.reason")));
            }
            if let Some(problem) = request.problem(interface) {
                return Err(ManifestError::Request { interface: interface.clone(), problem });
            }
        }
        if manifest.hooks.len() > HOOKS {
            return Err(ManifestError::Hook(format!("{} hooks, and {HOOKS} are allowed", manifest.hooks.len())));
        }
        if let Some(problem) = manifest.hooks.iter().find_map(HookDeclaration::problem) {
            return Err(ManifestError::Hook(problem));
        }
        offer::check_tools(&manifest.tools, &manifest.capabilities)?;
        if let Some(provides) = &manifest.provides {
            provides.check(manifest.hooks.iter().map(|hook| hook.event))?;
            if let Some(tool) = manifest.tools.keys().find(|tool| !provides.tools.contains(*tool)) {
                return Err(ManifestError::Offer(format!("`tools.{tool}` is no tool of `provides.tools`")));
            }
        }
        if let Some(problem) = jobs_problem(&manifest.jobs) {
            return Err(ManifestError::Job(problem));
        }
        Ok(manifest)
    }
}

/// Whether importing this interface takes a request.
pub fn is_a_right(interface: &str) -> bool {
    !FREE.contains(&interface)
}

/// Whether a request names something that is among the `imports` of the contract.
pub fn is_imported(request: &str, imports: &[&str]) -> bool {
    imports.contains(&request)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        schema = 1
        [plugin]
        id = "query"
        version = "0.1.0"
        title = "SQL"
        description = "Runs statements."
        host-api = "^0.1"
        [component]
        file = "query.wasm"
        [capabilities.catalog]
        reason = "Names."
    "#;

    #[test]
    fn a_good_manifest_is_read() {
        let manifest = Manifest::parse(GOOD).unwrap();
        assert_eq!(manifest.plugin.id, "query");
        assert_eq!(manifest.capabilities["catalog"].reason, "Names.");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("schema = 1", "schema = 2", "`schema`"),
            ("id = \"query\"", "id = \"../query\"", "`plugin.id`"),
            ("0.1.0", "1", "version"),
            ("^0.1", "^0.2", "`plugin.host-api`"),
            ("query.wasm", "../query.wasm", "`component.file`"),
            ("Runs statements.", "Runs\u{200b} statements.", "`plugin.description`"),
            ("capabilities.catalog", "capabilities.everything", "capabilities.everything"),
            ("Names.", "", "capabilities.catalog.reason"),
            ("[capabilities", "[rights", "unknown field `rights`"),
        ];
        for (from, to, expected) in cases {
            let error = Manifest::parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
    }

    #[test]
    fn hooks_are_read_and_what_is_wrong_with_one_is_named() {
        let hook = |text: &str| Manifest::parse(&format!("{GOOD}\n[[hooks]]\nreason = \"Guards.\"\n{text}"));
        let good =
            hook("event = \"before-query\"\nkind = \"validate\"\ntimeout = \"50ms\"\non-failure = \"skip\"\nreads = [\"caller\"]").unwrap();
        assert_eq!((good.hooks[0].priority, good.hooks[0].timeout), (100, Duration::from_millis(50)));
        assert_eq!(good.hooks[0].on_failure, OnFailure::Skip);
        let cases = [
            ("event = \"before-lunch\"\nkind = \"validate\"", "before-lunch"),
            ("event = \"on-connect\"\nkind = \"provide\"", "cannot be `provide`"),
            ("event = \"on-connect\"\nkind = \"mutate\"\nreads = [\"rows\"]", "cannot read `rows`"),
            ("event = \"before-query\"\nkind = \"validate\"\ntimeout = \"1h\"", "`2s`"),
            ("event = \"before-query\"\nkind = \"validate\"\nstatements = [\"select\"]", "`select`"),
            ("event = \"before-query\"\nkind = \"validate\"\norder = 1", "order"),
        ];
        for (text, expected) in cases {
            let error = hook(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn every_interface_of_the_contract_is_free_or_a_right() {
        let world = include_str!("../../../wit/world.wit");
        let imported = world.lines().filter_map(|line| line.trim().strip_prefix("import ")?.strip_suffix(';')).chain(["http"]);
        for interface in imported {
            assert!(FREE.contains(&interface) != RIGHTS.contains(&interface), "{interface}");
        }
    }
}
