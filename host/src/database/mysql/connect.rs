//! How a session begins: options from the configuration, and settings that the host fixes before anything else runs.

use std::str::FromStr;
use std::time::Duration;
use std::time::Instant;

use sqlx::AssertSqlSafe;
use sqlx::Column;
use sqlx::ConnectOptions;
use sqlx::Connection;
use sqlx::Executor;
use sqlx::Row;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::mysql::MySqlConnection;
use sqlx::mysql::MySqlSslMode;
use sqlx::mysql::MySqlTypeInfo;

use crate::config::DatabaseConfig;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::setup::Setup;

/// Prepared statements that a session keeps.
const PREPARED_KEPT: usize = 32;

/// What the query part of the URL may hold; anything else is refused, because a misspelt safety option that is silently
/// ignored is worse than none.
const URL_OPTIONS: &[&str] = &[
    "ssl-mode",
    "sslmode",
    "ssl-ca",
    "sslca",
    "ssl-cert",
    "sslcert",
    "ssl-key",
    "sslkey",
    "socket",
    "timezone",
    "time-zone",
    "charset",
    "collation",
];

/// SQL modes that are kept as the server has them. Left out are those that change how the next text is cut into tokens
/// (`ANSI_QUOTES`, `NO_BACKSLASH_ESCAPES`, `IGNORE_SPACE`) and those that bring them along (`ANSI`, `ORACLE`, `MSSQL`, …):
/// the judge of statements reads every text without them.
const KEPT_SQL_MODES: &[&str] = &[
    "ALLOW_INVALID_DATES",
    "EMPTY_STRING_IS_NULL",
    "ERROR_FOR_DIVISION_BY_ZERO",
    "HIGH_NOT_PRECEDENCE",
    "NO_AUTO_CREATE_USER",
    "NO_AUTO_VALUE_ON_ZERO",
    "NO_DIR_IN_CREATE",
    "NO_ENGINE_SUBSTITUTION",
    "NO_UNSIGNED_SUBTRACTION",
    "NO_ZERO_DATE",
    "NO_ZERO_IN_DATE",
    "ONLY_FULL_GROUP_BY",
    "PAD_CHAR_TO_FULL_LENGTH",
    "PIPES_AS_CONCAT",
    "REAL_AS_FLOAT",
    "SIMULTANEOUS_ASSIGNMENT",
    "STRICT_ALL_TABLES",
    "STRICT_TRANS_TABLES",
    "TIME_ROUND_FRACTIONAL",
    "TIME_TRUNCATE_FRACTIONAL",
];

/// How long a reading session waits for a lock.
const READ_LOCK_WAIT_SECONDS: u32 = 2;

/// How long a writing session waits for a lock.
const WRITE_LOCK_WAIT_SECONDS: u32 = 5;

/// How much later than the host the server itself stops a statement: a backstop for the case that the host is gone.
const SERVER_LIMIT_AFTER: Duration = Duration::from_secs(1);

/// `ER_UNKNOWN_SYSTEM_VARIABLE`.
const UNKNOWN_VARIABLE: &str = "1193";

/// Which of the family a server is; they differ in limits, catalogs and in what `READ ONLY` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    /// Oracle MySQL and what is built from it.
    MySql,
    /// MariaDB.
    MariaDb,
    /// TiDB. It has no read-only transactions; there a statement without a result is refused, and all else rolled back.
    TiDb,
}

impl Product {
    /// Tells it from what `VERSION()` says, for example `10.11.6-MariaDB` or `8.0.11-TiDB-v8.1.0`.
    pub(super) fn of_version(version: &str) -> Self {
        let version = version.to_ascii_lowercase();
        if version.contains("mariadb") {
            Self::MariaDb
        } else if version.contains("tidb") {
            Self::TiDb
        } else {
            Self::MySql
        }
    }

    /// Its name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::MySql => "MySQL",
            Self::MariaDb => "MariaDB",
            Self::TiDb => "TiDB",
        }
    }
}

/// What a session is for. A session never changes from one to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Read only, enforced by the server.
    Read,
    /// Reading and writing.
    Write,
}

/// One connection, ready for a statement.
pub(super) struct Session {
    /// The driver's connection.
    pub(super) connection: MySqlConnection,
    /// The server's number for it, by which its statement can be killed.
    pub(super) id: u64,
    /// Whose server it is.
    pub(super) product: Product,
    /// The type of an exact number, as the server announced it; the driver has no name for it.
    pub(super) decimal: MySqlTypeInfo,
    /// How it was begun; it serves nobody who wants it otherwise.
    pub(super) setup: Setup,
    /// When it was opened.
    pub(super) opened: Instant,
}

impl Session {
    /// Connects, fixes the settings, and begins the session as `setup` says.
    ///
    /// # Errors
    ///
    /// What the driver says; also when a server does not let the session be made read only.
    pub(super) async fn open(options: &MySqlConnectOptions, access: Access, setup: &Setup, limit: Duration) -> Result<Self, sqlx::Error> {
        let mut connection = options.connect().await?;
        let hello = (&mut connection)
            .fetch_one("SELECT CONNECTION_ID(), VERSION(), CAST(@@SESSION.sql_mode AS CHAR), CAST(0 AS DECIMAL(1, 0))")
            .await?;
        let id: u64 = hello.try_get_unchecked(0)?;
        let product = Product::of_version(hello.try_get_unchecked(1)?);
        let sql_mode = kept_modes(hello.try_get_unchecked(2)?);
        let decimal = hello.try_column(3)?.type_info().clone();
        // Host text: the modes come from the list above, the rest is fixed.
        (&mut connection).execute(AssertSqlSafe(settings(product, access, &sql_mode))).await?;
        match (&mut connection).execute(AssertSqlSafe(limits(product, access, limit))).await {
            // Forks and proxies lack one or the other; the host's own timer holds all the same.
            Err(sqlx::Error::Database(error)) if error_number(error.as_ref()) == UNKNOWN_VARIABLE => {}
            other => {
                other?;
            }
        }
        for statement in setup.statements() {
            // Host text; see `Setup`.
            (&mut connection).execute(AssertSqlSafe(statement.clone())).await?;
        }
        Ok(Self { connection, id, product, decimal, setup: setup.clone(), opened: Instant::now() })
    }

    /// Runs text of the host, by the text protocol. The type keeps everybody else's text out.
    pub(super) async fn host_text(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        (&mut self.connection).execute(text).await.map(drop)
    }

    /// Runs a savepoint command, whose name the host made of a number.
    pub(super) async fn savepoint(&mut self, statement: &str) -> Result<(), sqlx::Error> {
        (&mut self.connection).execute(AssertSqlSafe(statement.to_owned())).await.map(drop)
    }

    /// Whether a table of one of these names is kept by an engine that takes nothing back. Names are values here.
    pub(super) async fn has_other_than_transactional(&mut self, tables: &[&str]) -> Result<bool, sqlx::Error> {
        let places = vec!["?"; tables.len()].join(", ");
        let text = format!(
            "SELECT COUNT(*) FROM information_schema.TABLES t JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE \
             WHERE t.TABLE_TYPE = 'BASE TABLE' AND COALESCE(e.TRANSACTIONS, 'NO') <> 'YES' AND t.TABLE_NAME IN ({places}) \
             AND t.TABLE_SCHEMA NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')"
        );
        let mut question = sqlx::query(AssertSqlSafe(text)).persistent(false);
        for table in tables {
            question = question.bind(*table);
        }
        let count: i64 = question.fetch_one(&mut self.connection).await?.try_get_unchecked(0)?;
        Ok(count > 0)
    }

    /// Says goodbye and closes the connection. Waits for the socket only.
    pub(super) async fn close(self) {
        // The connection is gone whether or not the server heard of it.
        let _ = tokio::time::timeout(Duration::from_millis(200), self.connection.close()).await;
    }
}

/// The driver's options for a database.
///
/// # Errors
///
/// `Unavailable` with what is wrong in the URL or the TLS files, without quoting the URL.
pub(super) fn options(config: &DatabaseConfig) -> Result<MySqlConnectOptions, DatabaseError> {
    let url = config.url.reveal();
    let given = url_options(url);
    if let Some(unknown) = given.iter().find(|name| !URL_OPTIONS.contains(&name.as_str())) {
        let known = "`ssl-mode`, `ssl-ca`, `ssl-cert`, `ssl-key`, `socket`, `timezone`";
        return Err(wrong_setting(config, &format!("its URL has an unknown option `{unknown}`")).hint(format!("known are {known}")));
    }
    let has = |names: &[&str]| given.iter().any(|name| names.contains(&name.as_str()));
    let mut options = MySqlConnectOptions::from_str(url).map_err(|error| match error {
        sqlx::Error::Configuration(why) => wrong_setting(config, &format!("its URL makes no sense: {why}")),
        _ => wrong_setting(config, "its URL makes no sense"),
    })?;
    // What the session needs is set in `Session::open`, in one round trip.
    options = options.pipes_as_concat(false).no_engine_substitution(false).set_names(false);
    if !has(&["timezone", "time-zone"]) {
        // The server's own zone: a `TIMESTAMP` reads as it does in every other client of this server.
        options = options.timezone(None);
    }
    let tls = &config.tls;
    if let Some(path) = &tls.root_certificate {
        options = options.ssl_ca_from_pem(pem(config, path, "root_certificate")?);
        if !has(&["ssl-mode", "sslmode"]) {
            options = options.ssl_mode(MySqlSslMode::VerifyIdentity);
        }
    }
    match (&tls.client_certificate, &tls.client_key) {
        (Some(certificate), Some(key)) => {
            options = options.ssl_client_cert_from_pem(pem(config, certificate, "client_certificate")?);
            options = options.ssl_client_key_from_pem(pem(config, key, "client_key")?);
            if !has(&["ssl-mode", "sslmode"]) && tls.root_certificate.is_none() {
                options = options.ssl_mode(MySqlSslMode::Required);
            }
        }
        (None, None) => {}
        _ => return Err(wrong_setting(config, "`client_certificate` and `client_key` go together")),
    }
    // The driver would log statements, slow ones even as warnings.
    Ok(options.statement_cache_capacity(PREPARED_KEPT).disable_statement_logging())
}

/// Names of the options in the query part of a URL, in lower case.
fn url_options(url: &str) -> Vec<String> {
    let query = url.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or_default());
    let names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    names.filter(|name| !name.is_empty()).map(str::to_ascii_lowercase).collect()
}

fn pem(config: &DatabaseConfig, path: &std::path::Path, setting: &str) -> Result<Vec<u8>, DatabaseError> {
    let text =
        std::fs::read(path).map_err(|error| wrong_setting(config, &format!("the file of `tls.{setting}` cannot be read: {error}")))?;
    if !text.windows(11).any(|window| window == b"-----BEGIN ") {
        return Err(wrong_setting(config, &format!("the file of `tls.{setting}` holds no PEM text")));
    }
    Ok(text)
}

fn wrong_setting(config: &DatabaseConfig, what: &str) -> DatabaseError {
    DatabaseError::new(ErrorKind::Unavailable, format!("database `{}` cannot be set up: {what}", config.name))
}

/// The names in `modes` that are kept, as the server lists them.
fn kept_modes(modes: &str) -> String {
    let kept: Vec<&str> =
        KEPT_SQL_MODES.iter().copied().filter(|kept| modes.split(',').any(|mode| mode.eq_ignore_ascii_case(kept))).collect();
    kept.join(",")
}

/// Settings without which no statement may run.
fn settings(product: Product, access: Access, sql_mode: &str) -> String {
    let mut text = format!("SET NAMES utf8mb4; SET SESSION sql_mode = '{sql_mode}', autocommit = 1");
    if product != Product::TiDb {
        // TiDB refuses this statement: it has no read-only transactions.
        text.push_str(match access {
            Access::Read => "; SET SESSION completion_type = 0; SET SESSION TRANSACTION READ ONLY",
            Access::Write => "; SET SESSION completion_type = 0; SET SESSION TRANSACTION READ WRITE",
        });
    }
    text
}

/// Limits that the server holds as well.
fn limits(product: Product, access: Access, limit: Duration) -> String {
    let limit = limit.saturating_add(SERVER_LIMIT_AFTER);
    let lock_wait = match access {
        Access::Read => READ_LOCK_WAIT_SECONDS,
        Access::Write => WRITE_LOCK_WAIT_SECONDS,
    };
    let statement = match product {
        Product::MariaDb => format!("max_statement_time = {:.3}", limit.as_secs_f64()),
        Product::MySql | Product::TiDb => format!("max_execution_time = {}", limit.as_millis()),
    };
    format!("SET SESSION {statement}, lock_wait_timeout = {lock_wait}, innodb_lock_wait_timeout = {lock_wait}")
}

/// The server's own number of an error, as text; empty when it is not the server's.
fn error_number(error: &dyn sqlx::error::DatabaseError) -> String {
    error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map(|error| error.number().to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DatabaseName;

    fn config(url: &str) -> DatabaseConfig {
        DatabaseConfig::new(DatabaseName::parse("main").unwrap(), url).unwrap()
    }

    #[test]
    fn modes_that_change_the_lexer_are_dropped_and_the_rest_is_kept() {
        let modes = "REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ORACLE,NO_BACKSLASH_ESCAPES,STRICT_TRANS_TABLES";
        assert_eq!(kept_modes(modes), "PIPES_AS_CONCAT,REAL_AS_FLOAT,STRICT_TRANS_TABLES");
    }

    #[test]
    fn a_misspelt_url_option_is_refused_and_the_url_is_not_repeated() {
        let error = options(&config("mysql://root:secret@db.internal/x?ssl_mode=required")).unwrap_err();
        assert!(error.message.contains("`ssl_mode`"), "{}", error.message);
        assert!(!error.message.contains("secret") && !error.message.contains("internal"));
        let error = options(&config("mysql://root:secret@db.internal/x?ssl-mode=maybe")).unwrap_err();
        assert!(!error.message.contains("secret") && !error.message.contains("internal"), "{}", error.message);
    }

    #[test]
    fn both_schemes_are_read_and_the_product_is_told_from_the_version() {
        let options = options(&config("mariadb://app@db:3307/shop?ssl-mode=DISABLED")).unwrap();
        assert_eq!((options.get_port(), options.get_database()), (3307, Some("shop")));
        assert_eq!(Product::of_version("5.5.5-10.6.1-MariaDB-log"), Product::MariaDb);
        assert_eq!(Product::of_version("8.0.11-TiDB-v8.1.0"), Product::TiDb);
        assert_eq!(Product::of_version("8.4.2"), Product::MySql);
    }

    #[test]
    fn a_root_certificate_that_is_no_certificate_is_refused() {
        let mut config = config("mysql://root@localhost/x");
        config.tls.root_certificate = Some("/dev/null".into());
        assert!(options(&config).unwrap_err().message.contains("`tls.root_certificate`"));
    }
}
