//! Reads `tidegate.toml`, the options and the environment into a checked [`Config`].
//!
//! The file's tables are `[databases.NAME]`, `[plugins.NAME]`, `[indexes.NAME]`, `[vaults.NAME]`, `[server]` and `[cache]`; the README lists every key. All problems are
//! reported at once, each with its line and key.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeTable;

pub use super::section::Problem;

use super::Config;
use super::ConfirmConfig;
use super::DatabaseConfig;
use super::DatabaseName;
use super::EngineKind;
use super::HookEvent;
use super::HookGrant;
use super::HookMode;
use super::Instances;
use super::Mode;
use super::OnFailure;
use super::PluginConfig;
use super::PluginLimits;
use super::PluginName;
use super::PluginSource;
use super::PoolConfig;
use super::Right;
use super::Schemas;
use super::Secret;
use super::ServerConfig;
use super::TlsConfig;
use super::TransactionConfig;
use super::cache;
use super::capability;
use super::environment;
use super::index;
use super::outage;
use super::section::Document;
use super::section::Section;
use super::vault;

/// The file that is read when no other is named and it is in the current folder.
pub const FILE_NAME: &str = "tidegate.toml";

/// Bytes of a configuration file; larger ones are not read.
const FILE_BYTES: u64 = 1 << 20;

/// The name of the database that a URL without a name gets.
const DEFAULT_NAME: &str = "main";

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The file; none means [`FILE_NAME`] when it is there.
    pub file: Option<PathBuf>,
    /// `--database NAME=URL`, in order. One with the name of a database in the file takes its place.
    pub databases: Vec<String>,
}

/// Why there is no configuration: everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl Sources {
    /// The file that is read, if any.
    pub fn find_file(&self) -> Option<PathBuf> {
        match &self.file {
            Some(file) => Some(file.clone()),
            None => Path::new(FILE_NAME).exists().then(|| PathBuf::from(FILE_NAME)),
        }
    }
}

impl ConfigError {
    fn one(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { problems: vec![Problem { place: place.into(), line: None, key: String::new(), message: message.into() }] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// Reads the configuration: the file, then the options, then the environment where neither names a database.
///
/// # Errors
///
/// Everything that is wrong with any of them.
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    let file = sources.find_file();
    let mut config = match &file {
        Some(file) => parse(file, &read_text(file)?, &environment::find)?,
        None => Config::default(),
    };
    let mut named: Vec<DatabaseName> = Vec::new();
    for option in &sources.databases {
        let database = parse_option(option)?;
        if named.contains(&database.name) {
            return Err(ConfigError::one(
                "--database",
                format!("`{}` is given twice; give each database a name of its own", database.name),
            ));
        }
        named.push(database.name.clone());
        config.databases.retain(|other| other.name != database.name);
        config.databases.push(database);
    }
    if file.is_none() && config.databases.is_empty() {
        config.databases.extend(from_environment()?);
    }
    config.databases.sort_by(|a, b| a.name.cmp(&b.name));
    config.server.token = environment::token();
    config.cache = environment::cache();
    config.plugins_folder = config.plugins_folder.or_else(environment::plugins);
    config.state = config.state.or_else(environment::state);
    Ok(config)
}

fn read_text(file: &Path) -> Result<String, ConfigError> {
    let place = file.display().to_string();
    match fs::metadata(file) {
        Err(error) => return Err(ConfigError::one(place, format!("cannot be read: {error}"))),
        Ok(facts) if facts.len() > FILE_BYTES => return Err(ConfigError::one(place, format!("is larger than {FILE_BYTES} bytes"))),
        Ok(_) => {}
    }
    fs::read_to_string(file).map_err(|error| ConfigError::one(place, format!("cannot be read: {error}")))
}

/// The database of `DATABASE_URL`, when it is set.
fn from_environment() -> Result<Option<DatabaseConfig>, ConfigError> {
    let Some(url) = environment::find(environment::DATABASE_URL) else { return Ok(None) };
    let name = DatabaseName::parse(DEFAULT_NAME).expect("the default name has letters only");
    match DatabaseConfig::new(name, &url) {
        Some(database) => Ok(Some(database)),
        None => Err(ConfigError::one(environment::DATABASE_URL, EXPECTED_URL)),
    }
}

const EXPECTED_URL: &str = "expected a URL that begins with `sqlite:`, `postgres:`, `postgresql:`, `mysql:` or `mariadb:`";
const EXPECTED_NAME: &str = "a database's name has 1 to 64 letters, digits, `_` or `-`";

/// Parses `NAME=URL`, or a URL alone, which is then called `main`.
fn parse_option(option: &str) -> Result<DatabaseConfig, ConfigError> {
    const PLACE: &str = "--database";
    let named = option.split_once('=').filter(|(name, _)| !name.contains(':'));
    let (name, url) = named.unwrap_or((DEFAULT_NAME, option));
    let name = DatabaseName::parse(name).ok_or_else(|| ConfigError::one(PLACE, EXPECTED_NAME))?;
    DatabaseConfig::new(name, url).ok_or_else(|| ConfigError::one(PLACE, format!("{EXPECTED_URL}, as in `NAME=URL`")))
}

/// Parses the text of a file. `find_variable` gives the values for `${NAME}`.
fn parse(path: &Path, text: &str, find_variable: &dyn Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
    let document = Document::new(path, text, find_variable);
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            document.note(error.span().map(|span| span.start), String::new(), error.message());
            return Err(ConfigError { problems: document.into_problems() });
        }
    };
    let config = read_root(Section::new(&document, String::new(), 0, table), &document.folder);
    let problems = document.into_problems();
    if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
}

fn read_root(mut root: Section<'_>, folder: &Path) -> Config {
    let databases = root.table("databases").into_tables().into_iter().filter_map(|(name, section)| read_database(&name, section, folder));
    let databases = databases.collect();
    let plugins = root.table("plugins").into_tables().into_iter().filter_map(|(name, section)| read_plugin(&name, section)).collect();
    let indexes = root.table("indexes").into_tables().into_iter().filter_map(|(name, section)| index::read(&name, section)).collect();
    let mut server = root.table("server");
    let state = server.path("state_dir");
    let server = read_server(server);
    let result_cache = cache::read(root.table("cache"));
    let vaults = vault::read(root.table("vaults"));
    let plugins_folder = root.path("plugins_folder");
    root.finish();
    Config { databases, plugins, indexes, server, result_cache, cache: None, plugins_folder, vaults, state }
}

fn read_database(name: &str, mut section: Section<'_>, folder: &Path) -> Option<DatabaseConfig> {
    let defaults = DatabaseConfig::new(DatabaseName::parse(DEFAULT_NAME)?, "sqlite::memory:")?;
    let name = DatabaseName::parse(name);
    if name.is_none() {
        section.note("", EXPECTED_NAME);
    }
    let url = section.string("url");
    if url.is_none() && !section.is_wrong("url") {
        section.note("url", "is missing; every database needs its URL");
    }
    let engine = url.as_deref().and_then(EngineKind::of_url);
    if url.is_some() && engine.is_none() {
        section.note("url", EXPECTED_URL);
    }
    let mode = section.parsed("mode", "`\"read-only\"` or `\"read-write\"`", |text| match text {
        "read-only" => Some(Mode::ReadOnly),
        "read-write" => Some(Mode::ReadWrite),
        _ => None,
    });
    let pool = read_pool(section.table("pool"));
    let transactions = read_transactions(section.table("transactions"));
    let confirm = read_confirm(section.table("confirm"));
    let tls = read_tls(section.table("tls"));
    let statement_timeout = section.duration("statement_timeout", Duration::from_millis(10), DAY);
    let max_rows = section.number("max_rows", 1, 1_000_000);
    let max_bytes = section.size("max_bytes", 1 << 10, 64 << 20);
    let allow_superuser = section.boolean("allow_superuser");
    let retry = outage::read_retry(section.table("retry"));
    let breaker = outage::read_breaker(section.table("breaker"));
    let replicas = outage::read_replicas(&mut section, engine);
    section.finish();
    let engine = engine?;
    Some(DatabaseConfig {
        name: name?,
        engine,
        url: Secret::new(anchor(engine, url?, folder)),
        mode: mode.unwrap_or_default(),
        pool,
        transactions,
        confirm,
        statement_timeout: statement_timeout.unwrap_or(defaults.statement_timeout),
        max_rows: max_rows.unwrap_or(defaults.max_rows),
        max_bytes: max_bytes.unwrap_or(defaults.max_bytes),
        tls,
        allow_superuser: allow_superuser.unwrap_or_default(),
        retry,
        breaker,
        replicas,
    })
}

/// Makes the relative path of an SQLite URL start at the configuration's folder: a client may start the host anywhere.
fn anchor(engine: EngineKind, url: String, folder: &Path) -> String {
    if engine != EngineKind::Sqlite {
        return url;
    }
    let Some((scheme, rest)) = url.split_once(':') else { return url };
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.starts_with(':') || path.starts_with('?') || Path::new(path).is_absolute() {
        return url;
    }
    format!("{scheme}:{}", folder.join(path).display())
}

fn read_pool(mut section: Section<'_>) -> PoolConfig {
    let defaults = PoolConfig::default();
    let pool = PoolConfig {
        max: section.number("max", 1, 1_000).unwrap_or(defaults.max),
        acquire_timeout: section
            .duration("acquire_timeout", Duration::from_millis(10), Duration::from_mins(10))
            .unwrap_or(defaults.acquire_timeout),
        idle_timeout: section.duration("idle_timeout", SECOND, DAY).unwrap_or(defaults.idle_timeout),
        max_lifetime: section.duration("max_lifetime", SECOND, 7 * DAY).unwrap_or(defaults.max_lifetime),
        max_waiting: section.number("max_waiting", 0, 100_000).unwrap_or(defaults.max_waiting),
    };
    section.finish();
    pool
}

fn read_transactions(mut section: Section<'_>) -> TransactionConfig {
    let defaults = TransactionConfig::default();
    let transactions = TransactionConfig {
        lease: section.duration("lease", Duration::from_millis(100), DAY).unwrap_or(defaults.lease),
        max_duration: section.duration("max_duration", Duration::from_millis(100), DAY).unwrap_or(defaults.max_duration),
        max_per_caller: section.number("max_per_caller", 0, 1_000).unwrap_or(defaults.max_per_caller),
    };
    section.finish();
    transactions
}

/// `rows = 0` means that no number of rows is asked about.
fn read_confirm(mut section: Section<'_>) -> ConfirmConfig {
    let defaults = ConfirmConfig::default();
    let confirm = ConfirmConfig {
        destructive: section.boolean("destructive").unwrap_or(defaults.destructive),
        rows: section.number("rows", 0, u32::MAX).map_or(defaults.rows, |rows| (rows > 0).then_some(u64::from(rows))),
    };
    section.finish();
    confirm
}

fn read_tls(mut section: Section<'_>) -> TlsConfig {
    let tls = TlsConfig {
        root_certificate: section.path("root_certificate"),
        client_certificate: section.path("client_certificate"),
        client_key: section.path("client_key"),
    };
    if tls.client_certificate.is_some() != tls.client_key.is_some() {
        section.note("", "`client_certificate` and `client_key` go together, and one of them is missing");
    }
    section.finish();
    tls
}

fn read_plugin(name: &str, mut section: Section<'_>) -> Option<PluginConfig> {
    let Some(name) = PluginName::parse(name) else {
        section.note(
            "",
            "a plugin's name has 1 to 40 lower-case letters, digits or hyphens, a letter first; before it may stand its namespace and `/`",
        );
        return None;
    };
    let mut plugin = PluginConfig::new(name);
    plugin.enabled = section.boolean("enabled").unwrap_or(true);
    plugin.settings = section.table("settings").into_json();
    let folder = section.path("path");
    let component = section.path("component");
    if component.is_some() && folder.is_none() {
        section.note("component", "needs `path`, the folder that holds the plugin's `plugin.toml`");
    }
    plugin.source = folder.map(|folder| PluginSource { folder, component });
    plugin.tool_prefix = section.parsed("tool_prefix", "at most 40 letters, digits, `_`, `-` or `.`", parse_prefix);
    plugin.header_arguments = section.boolean("header_arguments").unwrap_or(false);
    plugin.schemas = section.parsed("schemas", "`\"normalised\"` or `\"verbatim\"`", parse_schemas).unwrap_or_default();
    plugin.databases = section.optional_table("databases").map(|databases| {
        let rights = databases.into_parsed("`\"read\"`, `\"write\"` or `\"admin\"`", parse_right);
        rights.into_iter().filter_map(|(name, right)| Some((DatabaseName::parse(&name)?, right))).collect()
    });
    plugin.instances = section.parsed("instances", INSTANCES, parse_instances);
    plugin.instance_uses = section.number("instance_uses", 1, 1_000_000);
    plugin.instance_idle = section.duration("instance_idle", Duration::from_millis(100), DAY);
    plugin.limits = read_limits(section.table("limits"));
    plugin.hooks = read_hooks(section.table("hooks"));
    plugin.capabilities = capability::read(&mut section);
    section.finish();
    Some(plugin)
}

fn parse_prefix(text: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (text.len() <= 40 && text.chars().all(allowed)).then(|| text.to_owned())
}

fn parse_schemas(text: &str) -> Option<Schemas> {
    match text {
        "normalised" => Some(Schemas::Normalised),
        "verbatim" => Some(Schemas::Verbatim),
        _ => None,
    }
}

/// What [`parse_instances`] reads.
const INSTANCES: &str = "`\"fresh\"` or `\"per-caller\"`";

fn parse_instances(text: &str) -> Option<Instances> {
    match text {
        "fresh" => Some(Instances::Fresh),
        "per-caller" => Some(Instances::PerCaller),
        _ => None,
    }
}

fn parse_right(text: &str) -> Option<Right> {
    [Right::Read, Right::Write, Right::Admin].into_iter().find(|right| right.as_str() == text)
}

fn read_limits(mut section: Section<'_>) -> PluginLimits {
    let limits = PluginLimits {
        memory_bytes: section.size("memory", 1 << 20, 4 << 30),
        cpu_time: section.duration("cpu_time", Duration::from_millis(10), Duration::from_mins(10)),
        wall_time: section.duration("wall_time", Duration::from_millis(10), DAY),
        concurrency: section.number("concurrency", 1, 10_000),
    };
    section.finish();
    limits
}

fn read_hooks(section: Section<'_>) -> BTreeMap<HookEvent, HookGrant> {
    let mut hooks = BTreeMap::new();
    for (name, mut section) in section.into_tables() {
        let Some(event) = HookEvent::parse(&name) else {
            let events: Vec<_> = HookEvent::ALL.iter().map(|event| format!("`{}`", event.as_str())).collect();
            section.note("", format!("no such event; there are {}", events.join(", ")));
            continue;
        };
        let grant = HookGrant {
            mode: section.parsed("mode", "`\"enforce\"`, `\"audit\"` or `\"off\"`", |text| match text {
                "enforce" => Some(HookMode::Enforce),
                "audit" => Some(HookMode::Audit),
                "off" => Some(HookMode::Off),
                _ => None,
            }),
            on_failure: section.parsed("on_failure", "`\"refuse\"` or `\"skip\"`", OnFailure::parse),
            priority: section.number("priority", 0, 1_000_000).and_then(|priority| i32::try_from(priority).ok()),
            timeout: section.duration("timeout", Duration::from_millis(1), 2 * SECOND),
            instances: section.parsed("instances", INSTANCES, parse_instances),
        };
        section.finish();
        hooks.insert(event, grant);
    }
    hooks
}

fn read_server(mut section: Section<'_>) -> ServerConfig {
    let defaults = ServerConfig::default();
    let server = ServerConfig {
        http: section.parsed("http", "an address with its port, for example `\"127.0.0.1:8642\"`", parse_address).unwrap_or(defaults.http),
        allowed_hosts: section.strings("allowed_hosts").unwrap_or_default(),
        allowed_origins: section.strings("allowed_origins").unwrap_or_default(),
        call_timeout: section.duration("call_timeout", Duration::from_millis(100), DAY).unwrap_or(defaults.call_timeout),
        max_concurrent_calls: section.number("max_concurrent_calls", 1, 1_000).map_or(defaults.max_concurrent_calls, |n| n as usize),
        token: None,
    };
    section.finish();
    server
}

fn parse_address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BreakerConfig;
    use crate::config::RetryConfig;

    fn variable(name: &str) -> Option<String> {
        (name == "DB").then(|| "postgres://u:p@h/d".to_owned())
    }

    fn read(text: &str) -> Result<Config, String> {
        parse(Path::new("/etc/tidegate.toml"), text, &variable).map_err(|error| error.to_string())
    }

    #[test]
    fn every_key_of_a_database_is_read() {
        let config = read(
            r#"
            [databases.main]
            url = "${DB}"
            mode = "read-write"
            pool = { max = 3, acquire_timeout = "1s", idle_timeout = "2m", max_lifetime = "1h", max_waiting = 7 }
            retry = { attempts = 2, base = "10ms", max = "2s" }
            breaker = { failures = 3, open_for = "5s" }
            replicas = ["${DB}", "postgres://r/d"]
            max_replica_lag = "4s"
            transactions = { lease = "5s", max_duration = "1m", max_per_caller = 2 }
            confirm = { destructive = false, rows = 0 }
            statement_timeout = "7s"
            max_rows = 5
            max_bytes = "2 KiB"
            tls = { root_certificate = "ca.pem", client_certificate = "/c.pem", client_key = "/k.pem" }
            "#,
        )
        .unwrap();
        let [main] = &config.databases[..] else { panic!() };
        assert_eq!((main.name.as_str(), main.engine, main.mode), ("main", EngineKind::Postgres, Mode::ReadWrite));
        assert_eq!(main.url.reveal(), "postgres://u:p@h/d");
        assert_eq!((main.pool.max, main.pool.max_lifetime, main.pool.max_waiting), (3, Duration::from_hours(1), 7));
        assert_eq!(main.retry, RetryConfig { attempts: 2, base: Duration::from_millis(10), max: Duration::from_secs(2) });
        assert_eq!(main.breaker, BreakerConfig { failures: 3, open_for: Duration::from_secs(5) });
        assert_eq!(main.replicas.urls.iter().map(Secret::reveal).collect::<Vec<_>>(), ["postgres://u:p@h/d", "postgres://r/d"]);
        assert_eq!(main.replicas.max_lag, Duration::from_secs(4));
        assert_eq!((main.statement_timeout, main.max_rows, main.max_bytes), (Duration::from_secs(7), 5, 2048));
        assert_eq!((main.transactions.lease, main.transactions.max_duration), (Duration::from_secs(5), Duration::from_mins(1)));
        assert_eq!((main.transactions.max_per_caller, main.confirm.destructive, main.confirm.rows), (2, false, None));
        assert_eq!(main.tls.root_certificate.as_deref(), Some(Path::new("/etc/ca.pem")));
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let config = read("[databases.a]\nurl = 'sqlite:a.db'\n[plugins.cache]\n").unwrap();
        let database = &config.databases[0];
        assert_eq!(database.url.reveal(), "sqlite:/etc/a.db");
        assert_eq!((database.mode, database.max_rows, database.max_bytes), (Mode::ReadOnly, 1000, 96 << 10));
        assert_eq!(database.pool, PoolConfig::default());
        assert_eq!(config.plugins, [PluginConfig::new(PluginName::parse("cache").unwrap())]);
        assert_eq!(config.server, ServerConfig::default());
    }

    #[test]
    fn every_key_of_a_plugin_and_the_server_is_read() {
        let config = read(
            r#"
            [plugins.mine]
            enabled = false
            path = "plugins/mine"
            component = "/m.wasm"
            tool_prefix = ""
            header_arguments = true
            schemas = "verbatim"
            databases = { main = "read", other = "admin" }
            limits = { memory = "8 MiB", cpu_time = "100ms", wall_time = "3s" }
            [plugins.mine.settings]
            url = "${DB}"
            list = [1, 2.5, true, { a = "b" }]
            [server]
            http = "[::1]:9"
            allowed_hosts = ["db.example"]
            allowed_origins = ["https://app.example"]
            call_timeout = "1m"
            max_concurrent_calls = 8
            "#,
        )
        .unwrap();
        let plugin = config.find_plugin("mine").unwrap();
        let source = PluginSource { folder: "/etc/plugins/mine".into(), component: Some("/m.wasm".into()) };
        assert_eq!((plugin.enabled, &plugin.source, plugin.tool_prefix.as_deref()), (false, &Some(source), Some("")));
        assert_eq!((plugin.header_arguments, plugin.schemas), (true, Schemas::Verbatim));
        assert_eq!(plugin.databases.as_ref().unwrap()[&DatabaseName::parse("other").unwrap()], Right::Admin);
        assert_eq!(plugin.limits.memory_bytes, Some(8 << 20));
        assert_eq!(
            serde_json::json!(plugin.settings),
            serde_json::json!({ "url": "postgres://u:p@h/d", "list": [1, 2.5, true, { "a": "b" }] })
        );
        assert_eq!((config.server.http.port(), config.server.max_concurrent_calls), (9, 8));
    }

    #[test]
    fn all_problems_are_named_at_once_with_line_and_key() {
        let problems = read(
            "[databases.main]\nulr = 'postgres://u:secret@h/d'\nmode = 'rw'\nmax_rows = 0\n[databases.b]\nurl = '${NOPE}'\npool = { max = '3' }\n\
             statement_timeout = 30\n[sever]\n",
        )
        .unwrap_err();
        assert_eq!(
            problems,
            "/etc/tidegate.toml:1: `databases.main.url`: is missing; every database needs its URL\n\
             /etc/tidegate.toml:2: `databases.main.ulr`: unknown key; did you mean `url`?\n\
             /etc/tidegate.toml:3: `databases.main.mode`: expected `\"read-only\"` or `\"read-write\"`\n\
             /etc/tidegate.toml:4: `databases.main.max_rows`: expected a whole number from 1 to 1000000\n\
             /etc/tidegate.toml:6: `databases.b.url`: the environment variable `NOPE` is not set\n\
             /etc/tidegate.toml:7: `databases.b.pool.max`: expected a whole number from 1 to 1000\n\
             /etc/tidegate.toml:8: `databases.b.statement_timeout`: expected a duration with its unit, for example `\"30s\"` or `\"10m\"`\n\
             /etc/tidegate.toml:9: `sever`: unknown key; did you mean `server`?"
        );
    }

    #[test]
    fn replicas_are_servers_of_the_same_kind_and_no_files() {
        let problems = read(
            "[databases.a]\nurl = 'sqlite:a.db'\nreplicas = ['sqlite:b.db']\n[databases.b]\nurl = '${DB}'\nreplicas = ['mysql://u:secret@h/d']\n",
        )
        .unwrap_err();
        assert_eq!(
            problems,
            "/etc/tidegate.toml:3: `databases.a.replicas`: SQLite has none: a file is read where it lies; leave this out\n\
             /etc/tidegate.toml:6: `databases.b.replicas`: every URL has to begin as the database's own does: a replica is a server of the same kind"
        );
    }

    #[test]
    fn a_syntax_error_has_its_line() {
        let problem = read("[databases.main]\nurl = 'a\n").unwrap_err();
        assert!(problem.starts_with("/etc/tidegate.toml:2: "), "{problem}");
    }

    #[test]
    fn an_option_names_a_database_or_gives_its_url_alone() {
        let database = parse_option("a=sqlite:x.db?mode=ro").unwrap();
        assert_eq!((database.name.as_str(), database.url.reveal()), ("a", "sqlite:x.db?mode=ro"));
        let database = parse_option("postgres://h/d?sslmode=require").unwrap();
        assert_eq!((database.name.as_str(), database.url.reveal()), ("main", "postgres://h/d?sslmode=require"));
        assert!(parse_option("a=ftp://x").is_err());
        assert!(parse_option("a b=sqlite:x").is_err());
    }

    #[test]
    fn absolute_and_memory_databases_stay_where_they_are() {
        let anchored = |url: &str| anchor(EngineKind::Sqlite, url.to_owned(), Path::new("/f"));
        assert_eq!(anchored("sqlite:///a/b.db"), "sqlite:///a/b.db");
        assert_eq!(anchored("sqlite::memory:"), "sqlite::memory:");
        assert_eq!(anchored("sqlite://b.db?mode=ro"), "sqlite:/f/b.db?mode=ro");
    }
}
