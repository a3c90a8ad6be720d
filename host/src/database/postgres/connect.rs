//! Opens sessions: options from the URL, what is fixed on every session before untrusted text reaches it, and what is
//! put back afterwards.

use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::ConnectOptions;
use sqlx::Connection;
use sqlx::Row;
use sqlx::postgres::PgConnectOptions;
use sqlx::postgres::PgConnection;
use sqlx::postgres::PgRow;
use sqlx::postgres::PgSslMode;

use super::error::connect_error;
use super::error::sqlstate;
use crate::config::DatabaseConfig;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::setup::Setup;

/// Statements that a connection keeps prepared; the one used longest ago goes first.
const PREPARED_STATEMENTS: usize = 64;

/// How long a reading statement waits for a lock.
const LOCK_TIMEOUT_MS: u128 = 2_000;

/// How long a writing statement waits for a lock.
const WRITE_LOCK_TIMEOUT_MS: u128 = 10_000;

/// A backend that is older than this when we have just connected belongs to a pooler.
const FRESH_BACKEND: Duration = Duration::from_secs(5);

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Reading: every transaction is read only unless it says otherwise.
    Read,
    /// Writing.
    Write,
}

/// How to open the sessions of one pool.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    options: PgConnectOptions,
    purpose: Purpose,
    statement_timeout: Duration,
}

/// A session as it was opened.
pub(super) struct Opened {
    pub(super) connection: PgConnection,
    /// The server process behind it, at that moment.
    pub(super) pid: i32,
    /// Whether a pooler stands in between, so that the next transaction may run in another process.
    pub(super) shared: bool,
    /// Digits after the decimal point of `money`.
    pub(super) money_digits: u8,
}

impl Connector {
    /// Checks the URL and the certificates' paths of `config`. Connects to nothing.
    ///
    /// # Errors
    ///
    /// A URL that the driver cannot read, without its text: it may hold a password.
    pub(super) fn new(config: &DatabaseConfig, purpose: Purpose) -> Result<Self, DatabaseError> {
        let unreadable = |_| {
            DatabaseError::new(ErrorKind::Unavailable, format!("the URL of database `{}` cannot be read", config.name))
                .hint("write `postgres://user:password@host:port/name`, special characters percent-encoded")
        };
        let mut options: PgConnectOptions = config.url.reveal().parse().map_err(unreadable)?;
        for path in [&config.tls.root_certificate, &config.tls.client_certificate, &config.tls.client_key].into_iter().flatten() {
            if !path.is_file() {
                return Err(DatabaseError::new(
                    ErrorKind::Unavailable,
                    format!("the TLS file `{}` of database `{}` is not there", path.display(), config.name),
                ));
            }
        }
        if let Some(path) = &config.tls.root_certificate {
            // Roots that nothing is checked against would be of no use; `require` with roots means this in libpq too.
            let checked = match options.get_ssl_mode() {
                PgSslMode::Allow | PgSslMode::Prefer => PgSslMode::VerifyFull,
                PgSslMode::Require => PgSslMode::VerifyCa,
                mode => mode,
            };
            options = options.ssl_root_cert(path).ssl_mode(checked);
        }
        if let Some(path) = &config.tls.client_certificate {
            options = options.ssl_client_cert(path);
        }
        if let Some(path) = &config.tls.client_key {
            options = options.ssl_client_key(path);
        }
        let options = options
            .application_name("tidegate")
            .statement_cache_capacity(PREPARED_STATEMENTS)
            // Poolers refuse start-up parameters they do not know; the session is set up afterwards.
            .extra_float_digits(None)
            .disable_statement_logging();
        Ok(Self { options, purpose, statement_timeout: config.statement_timeout })
    }

    /// Opens a session, fixes its settings, and begins it as `setup` says.
    ///
    /// # Errors
    ///
    /// `Unavailable`, without host, user or password.
    pub(super) async fn open(&self, setup: &Setup) -> Result<Opened, DatabaseError> {
        let mut connection = self.options.connect().await.map_err(connect_error)?;
        let facts = "SELECT pg_catalog.pg_backend_pid(), \
             (SELECT extract(epoch FROM pg_catalog.clock_timestamp() - backend_start)::pg_catalog.float8::pg_catalog.text \
              FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()), \
             1::pg_catalog.money::pg_catalog.numeric::pg_catalog.text";
        let rows = host_batch(&mut connection, facts.to_owned()).await.map_err(connect_error)?;
        let row = rows.first().ok_or_else(|| DatabaseError::new(ErrorKind::Unavailable, "the database answered without a row"))?;
        let pid: i32 = row.try_get(0).map_err(connect_error)?;
        let age: Option<String> = row.try_get(1).map_err(connect_error)?;
        let unit: String = row.try_get(2).map_err(connect_error)?;
        let age: f64 = age.and_then(|age| age.parse().ok()).unwrap_or(0.0);
        let shared = age > FRESH_BACKEND.as_secs_f64();
        let money_digits = unit.split_once('.').map_or(0, |(_, digits)| u8::try_from(digits.len()).unwrap_or(2));
        if !shared {
            host_batch(&mut connection, self.setup()).await.map_err(connect_error)?;
            if !setup.is_empty() {
                host_batch(&mut connection, setup.statements().join(";")).await.map_err(setup_error)?;
            }
        }
        Ok(Opened { connection, pid, shared, money_digits })
    }

    /// A plain connection for taking statements back, with nothing set up.
    pub(super) async fn open_control(&self) -> Result<PgConnection, sqlx::Error> {
        self.options.connect().await
    }

    /// Fixes, for the whole session, what decides how text is read and what a session may do.
    fn setup(&self) -> String {
        let read_only = match self.purpose {
            Purpose::Read => "on",
            Purpose::Write => "off",
        };
        let settings = self.settings("SET", self.statement_timeout);
        format!("SET default_transaction_read_only = {read_only};{settings};SET client_encoding = 'UTF8'")
    }

    /// The settings of a session (`SET`) or of a transaction (`SET LOCAL`).
    fn settings(&self, set: &str, statement_timeout: Duration) -> String {
        format!(
            "{set} statement_timeout = {};\
             {set} lock_timeout = {};\
             {set} idle_in_transaction_session_timeout = {};\
             {set} standard_conforming_strings = on;\
             {set} DateStyle = 'ISO, MDY';\
             {set} IntervalStyle = 'iso_8601';\
             {set} extra_float_digits = 1;\
             {set} bytea_output = 'hex';\
             {set} client_min_messages = 'error'",
            statement_timeout.as_millis(),
            self.lock_timeout_ms(),
            // A transaction that the host forgets must not hold its locks for long.
            self.statement_timeout.as_millis() + 10_000,
        )
    }

    fn lock_timeout_ms(&self) -> u128 {
        match self.purpose {
            Purpose::Read => LOCK_TIMEOUT_MS,
            Purpose::Write => WRITE_LOCK_TIMEOUT_MS,
        }
    }

    /// Begins the transaction that one call runs in, with limits of its own; answers the process that it runs in. A session behind
    /// a pooler, which keeps no settings, has its setup repeated here.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub(super) async fn begin(&self, connection: &mut PgConnection, limit: Duration, repeated: &Setup) -> Result<i32, sqlx::Error> {
        let mode = match self.purpose {
            Purpose::Read => "ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Purpose::Write => "READ WRITE",
        };
        // The host's own timer strikes first: its error says more.
        let settings = self.settings("SET LOCAL", limit + Duration::from_millis(250));
        // `PREPARE TRANSACTION` would outlive our `ROLLBACK`; with such a cursor open the server refuses it.
        let held = match self.purpose {
            Purpose::Read => "DECLARE tidegate NO SCROLL CURSOR WITH HOLD FOR SELECT 1;",
            Purpose::Write => "",
        };
        let repeated = local(repeated);
        let rows = host_batch(connection, format!("BEGIN {mode};{settings};{repeated}{held}SELECT pg_catalog.pg_backend_pid()")).await?;
        rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)
    }

    /// Begins a transaction that goes on over several calls, as `mode` says; answers the process that it runs in.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub(super) async fn begin_pinned(
        &self,
        connection: &mut PgConnection,
        mode: &str,
        idle: Duration,
        repeated: &Setup,
    ) -> Result<i32, sqlx::Error> {
        let settings = self.statement_settings(self.statement_timeout, idle);
        // As in `begin`. The snapshot is taken here and not at the first statement.
        let held = match self.purpose {
            Purpose::Read => "DECLARE tidegate NO SCROLL CURSOR WITH HOLD FOR SELECT 1;",
            Purpose::Write => "",
        };
        let repeated = local(repeated);
        let rows = host_batch(connection, format!("BEGIN {mode};{settings};{repeated}{held}SELECT pg_catalog.pg_backend_pid()")).await?;
        rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)
    }

    /// The settings of the next statement of a transaction that goes on: the limit of it, and how long the server waits for
    /// the one after it.
    pub(super) fn statement_settings(&self, limit: Duration, idle: Duration) -> String {
        // The host's own timer strikes first: its error says more.
        let settings = self.settings("SET LOCAL", limit + Duration::from_millis(250));
        format!("{settings};SET LOCAL idle_in_transaction_session_timeout = {}", idle.as_millis())
    }

    /// Ends whatever transaction is open and takes everything back that a statement can leave in a session.
    ///
    /// `true` when the session is as it was when it was opened, begun as `begun` says; `false` means that it must be closed.
    pub(super) async fn restore(&self, connection: &mut PgConnection, pid: i32, begun: &Setup) -> bool {
        let begun: String = begun.statements().iter().map(|text| format!("{text};")).collect();
        let batch = format!(
            "ROLLBACK;\
             SET SESSION AUTHORIZATION DEFAULT;\
             RESET ALL;\
             {};\
             {begun}\
             CLOSE ALL;\
             UNLISTEN *;\
             DISCARD TEMP;\
             DISCARD SEQUENCES;\
             SELECT pg_catalog.pg_advisory_unlock_all();\
             SELECT pg_catalog.pg_backend_pid(), \
              (count(*) FILTER (WHERE from_sql))::pg_catalog.int4, \
              (count(*) FILTER (WHERE NOT from_sql))::pg_catalog.int4 \
             FROM pg_catalog.pg_prepared_statements",
            self.setup()
        );
        let Ok(rows) = host_batch(connection, batch).await else { return false };
        let Some(row) = rows.last() else { return false };
        let counts = (row.try_get::<i32, _>(0), row.try_get::<i32, _>(1), row.try_get::<i32, _>(2));
        let (Ok(now), Ok(by_sql), Ok(by_protocol)) = counts else { return false };
        // A statement prepared by SQL is a trace; one of the driver's that is gone, or that it forgot, would fail a later call.
        now == pid && by_sql == 0 && usize::try_from(by_protocol) == Ok(connection.cached_statements_size())
    }

    /// Ends the transaction of a statement that can leave nothing behind.
    pub(super) async fn rollback(&self, connection: &mut PgConnection) -> bool {
        host_batch(connection, "ROLLBACK".to_owned()).await.is_ok()
    }
}

/// The statements of a setup, for one transaction. Host text; see `Setup`.
fn local(setup: &Setup) -> String {
    setup.statements().iter().map(|text| text.replacen("SET SESSION ", "SET LOCAL ", 1) + ";").collect()
}

/// Why a session could not begin as hooks want it.
fn setup_error(error: sqlx::Error) -> DatabaseError {
    match sqlstate(&error).map(str::to_owned) {
        Some(code) => DatabaseError::new(ErrorKind::HookRefused, "the database refused the settings that a hook wants for the session")
            .hint("the operator can look at the plugin's on-connect hook and at what the role may set")
            .sqlstate(code),
        None => connect_error(error),
    }
}

/// Runs text that the host wrote itself in one round trip. Nothing that came from outside is ever part of it.
///
/// # Errors
///
/// What the driver says.
pub(super) async fn host_batch(connection: &mut PgConnection, batch: String) -> Result<Vec<PgRow>, sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(batch)).fetch_all(connection).await
}
