//! Checked configuration: every value parsed, every default filled in. `config/file.rs` reads `tidegate.toml`.

mod cache;
pub mod capability;
pub mod environment;
pub mod file;
pub mod http_rule;
mod index;
mod location;
mod outage;
pub mod schedule;
mod section;
pub mod vault;

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use capability::PluginCapabilities;
pub use index::IndexConfig;
pub use index::IndexName;
pub use outage::BreakerConfig;
pub use outage::ReplicaConfig;
pub use outage::RetryConfig;
use vault::VaultConfig;

/// The operator's name for a database: 1 to 64 letters, digits, `_` or `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatabaseName(Arc<str>);

impl DatabaseName {
    /// Checks a name; `None` when it has other characters or is empty or too long.
    pub fn parse(name: &str) -> Option<Self> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        ((1..=64).contains(&name.len()) && name.chars().all(allowed)).then(|| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that must reach no log, error or plugin: prints as `****`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// The family of a database: decides driver, dialect and parameter style.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EngineKind {
    /// SQLite and libSQL files.
    Sqlite,
    /// PostgreSQL and what speaks its protocol.
    Postgres,
    /// MySQL, MariaDB, TiDB.
    MySql,
}

impl EngineKind {
    /// The kind that the scheme of `url` names, if it is one of ours.
    pub fn of_url(url: &str) -> Option<Self> {
        match url.split_once(':')?.0.to_ascii_lowercase().as_str() {
            "sqlite" => Some(Self::Sqlite),
            "postgres" | "postgresql" => Some(Self::Postgres),
            "mysql" | "mariadb" => Some(Self::MySql),
            _ => None,
        }
    }

    /// Its name, as plugins and clients read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
        }
    }
}

/// What the operator allows on a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Reading only; proven per engine.
    #[default]
    ReadOnly,
    /// Reading and writing.
    ReadWrite,
}

/// The connection pool of one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Connections at most; default 10.
    pub max: u32,
    /// How long a call waits for a connection; default 5 s.
    pub acquire_timeout: Duration,
    /// When an idle connection is closed; default 10 min.
    pub idle_timeout: Duration,
    /// When a connection is closed whatever it does; default 30 min.
    pub max_lifetime: Duration,
    /// Calls that may wait for a connection at once; default 256. More are turned away without waiting.
    pub max_waiting: u32,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            max: 10,
            acquire_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_mins(10),
            max_lifetime: Duration::from_mins(30),
            max_waiting: 256,
        }
    }
}

/// Transactions over several calls on one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionConfig {
    /// How long one may wait for its next use before it is rolled back; default 60 s.
    pub lease: Duration,
    /// How long one may last in all; default 10 min.
    pub max_duration: Duration,
    /// Open ones of one caller; default 4. All callers together have at most half of the pool.
    pub max_per_caller: u32,
}

impl Default for TransactionConfig {
    fn default() -> Self {
        Self { lease: Duration::from_mins(1), max_duration: Duration::from_mins(10), max_per_caller: 4 }
    }
}

/// What is asked about before it takes effect on one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmConfig {
    /// Whether statements that change every row, drop or empty something are; default true.
    pub destructive: bool,
    /// Statements that change more rows than this are; default 1,000. None means that no number is.
    pub rows: Option<u64>,
}

impl Default for ConfirmConfig {
    fn default() -> Self {
        Self { destructive: true, rows: Some(1_000) }
    }
}

/// TLS to the database server, beside what the URL's `sslmode`/`ssl-mode` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// PEM file with roots to trust beside the system's; with it, the server's certificate and host name are checked unless the URL says otherwise.
    pub root_certificate: Option<PathBuf>,
    /// PEM file with the client's certificate chain.
    pub client_certificate: Option<PathBuf>,
    /// PEM file with the client's key.
    pub client_key: Option<PathBuf>,
}

/// One database.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// The operator's name for it.
    pub name: DatabaseName,
    /// Its family, from the URL's scheme.
    pub engine: EngineKind,
    /// Where it is, with credentials.
    pub url: Secret,
    /// What may be done to it; default read only.
    pub mode: Mode,
    /// Its pool.
    pub pool: PoolConfig,
    /// Transactions over several calls.
    pub transactions: TransactionConfig,
    /// What is asked about.
    pub confirm: ConfirmConfig,
    /// The longest that one statement may run; default 30 s.
    pub statement_timeout: Duration,
    /// Rows in one answer; default 1,000.
    pub max_rows: u32,
    /// Bytes of rows in one answer, as JSON; default 96 KiB.
    pub max_bytes: usize,
    /// TLS.
    pub tls: TlsConfig,
    /// Whether it may be served to the network with a role that nothing in the database limits; default false.
    pub allow_superuser: bool,
    /// How often what failed for a passing reason is tried.
    pub retry: RetryConfig,
    /// When it is left alone.
    pub breaker: BreakerConfig,
    /// Servers that follow it.
    pub replicas: ReplicaConfig,
}

impl DatabaseConfig {
    /// A database with every default. `None` when the scheme of `url` is not one of ours.
    pub fn new(name: DatabaseName, url: &str) -> Option<Self> {
        Some(Self {
            name,
            engine: EngineKind::of_url(url)?,
            url: Secret::new(url),
            mode: Mode::default(),
            pool: PoolConfig::default(),
            transactions: TransactionConfig::default(),
            confirm: ConfirmConfig::default(),
            statement_timeout: Duration::from_secs(30),
            max_rows: 1000,
            max_bytes: 96 << 10,
            tls: TlsConfig::default(),
            allow_superuser: false,
            retry: RetryConfig::default(),
            breaker: BreakerConfig::default(),
            replicas: ReplicaConfig::default(),
        })
    }
}

/// The id of a plugin: 1 to 40 lower-case letters, digits or hyphens, a letter first. Before it, with a `/`, may stand the
/// namespace of its publisher: names of that form with dots between them, at most 63 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PluginName(Arc<str>);

impl PluginName {
    /// Checks a name; `None` when it has other characters or is empty or too long.
    pub fn parse(name: &str) -> Option<Self> {
        let (namespace, short) = name.split_once('/').map_or((None, name), |(namespace, short)| (Some(namespace), short));
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let good = |name: &str| name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(allowed);
        let namespace_is_good = namespace.is_none_or(|namespace| namespace.len() <= 63 && namespace.split('.').all(good));
        ((1..=40).contains(&short.len()) && good(short) && namespace_is_good).then(|| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without its namespace: what its tools are called after.
    pub fn short(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(_, short)| short)
    }

    /// What the key of its publisher holds for: all of its namespace, as `example.org/*`, or the plugin itself where it has none.
    pub fn key_scope(&self) -> String {
        self.0.split_once('/').map_or_else(|| self.0.to_string(), |(namespace, _)| format!("{namespace}/*"))
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What may be done to a database, least first; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// See it in the catalog and read from it.
    Read,
    /// Change rows.
    Write,
    /// Change schema, roles, settings.
    Admin,
}

impl Right {
    /// Its name in configuration and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// Where a plugin that is not part of the program is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginSource {
    /// The folder that holds its `plugin.toml`.
    pub folder: PathBuf,
    /// Its component; none means the one that the manifest names, or the only `.wasm` file of the folder.
    pub component: Option<PathBuf>,
}

/// How the schemas of a plugin's tools go out to clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schemas {
    /// Rewritten into the part of JSON Schema that every client understands.
    #[default]
    Normalised,
    /// Word for word as the plugin gives them.
    Verbatim,
}

/// Limits of one call of a plugin; none means the host's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PluginLimits {
    /// Bytes of its memory; default 64 MiB.
    pub memory_bytes: Option<usize>,
    /// Time in its own code; default 2 s.
    pub cpu_time: Option<Duration>,
    /// Time in all, what it waits for included; default the call's own limit.
    pub wall_time: Option<Duration>,
    /// Calls that run at once; default 16, and the host's limit for what is part of the program.
    pub concurrency: Option<u32>,
}

/// Something that hooks are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HookEvent {
    /// A statement before it runs.
    BeforeQuery,
    /// A statement that has run.
    AfterQuery,
    /// A statement that failed.
    OnError,
    /// A session before it is lent.
    OnConnect,
    /// The call of a tool before it runs.
    BeforeCall,
    /// The call of a tool that has run.
    AfterCall,
}

impl HookEvent {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::BeforeQuery, Self::AfterQuery, Self::OnError, Self::OnConnect, Self::BeforeCall, Self::AfterCall];

    /// Its name in manifests and configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BeforeQuery => "before-query",
            Self::AfterQuery => "after-query",
            Self::OnError => "on-error",
            Self::OnConnect => "on-connect",
            Self::BeforeCall => "before-call",
            Self::AfterCall => "after-call",
        }
    }

    /// The event of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == name)
    }
}

/// What becomes of a hook's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookMode {
    /// It is obeyed.
    Enforce,
    /// It is logged. The default for plugins that are not part of the program.
    Audit,
    /// The hook is not asked.
    Off,
}

/// What the failure of a hook means for what it was asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It is refused.
    #[default]
    Refuse,
    /// It goes on as if the hook had passed.
    Skip,
}

impl OnFailure {
    /// The meaning of this name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "refuse" => Some(Self::Refuse),
            "skip" => Some(Self::Skip),
            _ => None,
        }
    }
}

/// Whether the instance of a hook or a tool is used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Instances {
    /// Every question or call gets a new one.
    #[default]
    Fresh,
    /// A question gets one that served the same caller before, where there is one; never one that served another.
    PerCaller,
}

/// What the operator says about the hooks of one plugin on one event; none leaves it to the default or the manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookGrant {
    /// What becomes of their verdicts.
    pub mode: Option<HookMode>,
    /// What their failure means.
    pub on_failure: Option<OnFailure>,
    /// Their place in the order; lower ones first.
    pub priority: Option<i32>,
    /// How long one question may take; at most 2 s.
    pub timeout: Option<Duration>,
    /// Whether instances are used again.
    pub instances: Option<Instances>,
}

/// One plugin, as far as the operator said anything about it.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    /// Its name.
    pub name: PluginName,
    /// Whether it is loaded; default true.
    pub enabled: bool,
    /// Where it is; none means that it is part of the program.
    pub source: Option<PluginSource>,
    /// What it reads with `settings.get`, as JSON values; default none.
    pub settings: BTreeMap<String, serde_json::Value>,
    /// What the names of its tools and prompts begin with; none means the default, which is nothing for a plugin that is part
    /// of the program and `<name>_` for others.
    pub tool_prefix: Option<String>,
    /// Whether its tools may name arguments that clients repeat in HTTP headers (`x-mcp-header`); default false.
    pub header_arguments: bool,
    /// How the schemas of its tools go out.
    pub schemas: Schemas,
    /// The databases that it may use. None means the default: everything the mode allows for a plugin that is part of the
    /// program, nothing for others.
    pub databases: Option<BTreeMap<DatabaseName, Right>>,
    /// Limits of one call.
    pub limits: PluginLimits,
    /// Whether the instances of its tools are used again, and those of hooks that say nothing else. None means the default: no for
    /// tools; for hooks yes when it is part of the program, and no for others.
    pub instances: Option<Instances>,
    /// Calls that one kept instance of its tools answers; default 1,000.
    pub instance_uses: Option<u32>,
    /// How long a kept instance of its tools waits for the next call; default 60 s.
    pub instance_idle: Option<Duration>,
    /// Its hooks, by event.
    pub hooks: BTreeMap<HookEvent, HookGrant>,
    /// What it may use beside databases.
    pub capabilities: PluginCapabilities,
}

impl PluginConfig {
    /// A plugin with every default.
    pub fn new(name: PluginName) -> Self {
        Self {
            name,
            enabled: true,
            source: None,
            settings: BTreeMap::new(),
            tool_prefix: None,
            header_arguments: false,
            schemas: Schemas::default(),
            databases: None,
            limits: PluginLimits::default(),
            instances: None,
            instance_uses: None,
            instance_idle: None,
            hooks: BTreeMap::new(),
            capabilities: PluginCapabilities::default(),
        }
    }
}

/// Serving: transports and admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where HTTP listens; default `127.0.0.1:8642`. An address other than loopback takes a token.
    pub http: SocketAddr,
    /// Names that the `Host` header may have beside the loopback ones; default none.
    pub allowed_hosts: Vec<String>,
    /// Web origins that may call, for example `https://app.example`; default none.
    pub allowed_origins: Vec<String>,
    /// The longest that one call may take, whatever it does; default 2 min.
    pub call_timeout: Duration,
    /// Calls that run at the same time; default 64. More wait, then are turned away.
    pub max_concurrent_calls: usize,
    /// What HTTP clients send as `Authorization: Bearer`; only from the environment variable `TIDEGATE_TOKEN`.
    pub token: Option<Secret>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            http: SocketAddr::from((Ipv4Addr::LOCALHOST, 8642)),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            call_timeout: Duration::from_mins(2),
            max_concurrent_calls: 64,
            token: None,
        }
    }
}

/// The tier of the result cache on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskCacheConfig {
    /// The folder; made when it is not there. It holds rows in the clear, belongs to one process at a time and may be read by its
    /// owner only.
    pub path: PathBuf,
    /// Bytes of files at most; default 256 MiB.
    pub max_bytes: u64,
}

/// The tier of the result cache that replicas share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedCacheConfig {
    /// The Redis or Valkey server, with credentials.
    pub url: Secret,
    /// How long a lookup waits for it; default 50 ms. After that it is a miss.
    pub timeout: Duration,
    /// What the names of its keys begin with; default `tidegate`. Replicas with the same prefix share results.
    pub prefix: String,
}

impl SharedCacheConfig {
    /// A tier with every default on the server at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: Secret::new(url), timeout: Duration::from_millis(50), prefix: "tidegate".to_owned() }
    }
}

/// Whom kept results may answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheScope {
    /// The caller for whom they were read.
    #[default]
    Caller,
    /// Every caller. All of them use one role of the database, so that they would read the same.
    Everyone,
}

/// Where results are kept between statements. Which statements use it is for the plugins to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// Bytes of results in memory; default 64 MiB, 0 for none.
    pub memory_bytes: usize,
    /// The tier on disk; default none.
    pub disk: Option<DiskCacheConfig>,
    /// The tier that replicas share; default none.
    pub shared: Option<SharedCacheConfig>,
    /// Whom they may answer; default the caller for whom they were read.
    pub scope: CacheScope,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { memory_bytes: 64 << 20, disk: None, shared: None, scope: CacheScope::default() }
    }
}

/// Everything the operator configured.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The databases, by name.
    pub databases: Vec<DatabaseConfig>,
    /// The plugins that the operator said anything about, by name.
    pub plugins: Vec<PluginConfig>,
    /// Where plugins may be looked for, by name.
    pub indexes: Vec<IndexConfig>,
    /// Serving.
    pub server: ServerConfig,
    /// Where results are kept between statements.
    pub result_cache: CacheConfig,
    /// Where compiled components are kept between runs; none means that they are compiled at each start.
    pub cache: Option<PathBuf>,
    /// Where installed plugins are; none means that there are none.
    pub plugins_folder: Option<PathBuf>,
    /// Folders for backups and exports, by name.
    pub vaults: BTreeMap<String, VaultConfig>,
    /// Where what plugins keep is; none means that they can keep nothing.
    pub state: Option<PathBuf>,
}

impl Config {
    /// The plugin of this name, when the operator said anything about it.
    pub fn find_plugin(&self, name: &str) -> Option<&PluginConfig> {
        self.plugins.iter().find(|plugin| plugin.name.as_str() == name)
    }
}
