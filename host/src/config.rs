//! Checked configuration: every value parsed, every default filled in. `config/file.rs` reads the raw form.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

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
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            max: 10,
            acquire_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_mins(10),
            max_lifetime: Duration::from_mins(30),
        }
    }
}

/// TLS to the database server, beside what the URL's `sslmode`/`ssl-mode` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// PEM file with the roots to trust in place of the system's.
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
    /// The longest that one statement may run; default 30 s.
    pub statement_timeout: Duration,
    /// Rows in one answer; default 1,000.
    pub max_rows: u32,
    /// Bytes of rows in one answer, as JSON; default 96 KiB.
    pub max_bytes: usize,
    /// TLS.
    pub tls: TlsConfig,
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
            statement_timeout: Duration::from_secs(30),
            max_rows: 1000,
            max_bytes: 96 << 10,
            tls: TlsConfig::default(),
        })
    }
}
