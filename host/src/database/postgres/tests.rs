//! Against a real server: every test makes a database of its own and drops it.

mod catalog;
mod dependencies;
mod limits;
mod parameters;
mod reading;
mod readonly;
mod setup;
mod transactions;
mod types;
mod writing;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use futures_util::FutureExt;
use sqlx::AssertSqlSafe;
use sqlx::ConnectOptions;
use sqlx::Connection;
use sqlx::Row;
use sqlx::postgres::PgConnectOptions;
use sqlx::postgres::PgConnection;

use super::Postgres;
use crate::call::Call;
use crate::call::Caller;
use crate::config::DatabaseConfig;
use crate::config::DatabaseName;
use crate::config::EngineKind;
use crate::config::Mode;
use crate::database::BatchError;
use crate::database::Execution;
use crate::database::RunOptions;
use crate::database::error::DatabaseError;
use crate::database::rows::RowLimits;
use crate::database::rows::RowSet;
use crate::database::statement::Statement;
use crate::database::statement::StatementKind;
use crate::database::value::Value;

/// The URL of a superuser of a server that tests may make databases on.
const SERVER: &str = "TIDEGATE_TEST_POSTGRES";

/// A database of one test.
struct Fixture {
    name: String,
    server: PgConnectOptions,
    postgres: Arc<Postgres>,
    config: DatabaseConfig,
}

/// Runs `test` on a database of its own, set up by `schema` (several statements).
async fn on_database<T, F>(schema: &str, test: T)
where
    T: FnOnce(Arc<Fixture>) -> F,
    F: Future<Output = ()>,
{
    on_configured(schema, |_| {}, test).await;
}

/// As [`on_database`], with a configuration of its own.
async fn on_configured<T, F>(schema: &str, configure: impl FnOnce(&mut DatabaseConfig), test: T)
where
    T: FnOnce(Arc<Fixture>) -> F,
    F: Future<Output = ()>,
{
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let url = std::env::var(SERVER).unwrap_or_else(|_| panic!("{SERVER} must be the URL of a PostgreSQL superuser for these tests"));
    let server: PgConnectOptions = url.parse().unwrap();
    let server = server.disable_statement_logging();
    let name = format!("tidegate_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    admin(&server, &format!("CREATE DATABASE {name}")).await;
    let here = server.clone().database(&name);
    if !schema.is_empty() {
        admin(&here, schema).await;
    }
    let mut config = DatabaseConfig::new(DatabaseName::parse("main").unwrap(), here.to_url_lossy().as_str()).unwrap();
    config.mode = Mode::ReadWrite;
    configure(&mut config);
    let postgres = Arc::new(Postgres::new(&config).unwrap());
    let fixture = Arc::new(Fixture { name: name.clone(), server: server.clone(), postgres, config });
    let outcome = AssertUnwindSafe(test(fixture.clone())).catch_unwind().await;
    fixture.postgres.close().await;
    admin(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

async fn admin(options: &PgConnectOptions, sql: &str) {
    let mut connection: PgConnection = options.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    connection.close().await.unwrap();
}

fn call() -> Call {
    Call::new(Caller::local(), Duration::from_secs(60))
}

fn options() -> RunOptions {
    RunOptions::new(Duration::from_secs(20), RowLimits { rows: 1000, bytes: 1 << 20 })
}

/// A statement as the judge would have it if it took everything for reading.
fn reading(text: &str, traceless: bool) -> Statement {
    Statement {
        text: text.into(),
        engine: EngineKind::Postgres,
        kind: StatementKind::Read,
        verb: "SELECT".into(),
        tables: Vec::new(),
        reason: None,
        functions: Vec::new(),
        destructive: None,
        traceless,
    }
}

fn writing(text: &str, kind: StatementKind) -> Statement {
    Statement { kind, ..reading(text, false) }
}

impl Fixture {
    /// The same database behind the layer that knows transactions and asks before destruction.
    fn database(&self, change: impl FnOnce(&mut DatabaseConfig)) -> crate::database::Database {
        let mut config = self.config.clone();
        change(&mut config);
        crate::database::Database::new(config).unwrap()
    }

    /// Runs statements past the host.
    async fn run(&self, sql: &str) {
        admin(&self.server.clone().database(&self.name), sql).await;
    }

    /// Runs a statement on the path of those that may leave a trace.
    async fn read(&self, sql: &str) -> Result<RowSet, DatabaseError> {
        self.read_with(sql, &[]).await
    }

    async fn read_with(&self, sql: &str, values: &[Value]) -> Result<RowSet, DatabaseError> {
        self.postgres.read(&call(), &reading(sql, false), values, &options()).await
    }

    /// Runs a statement on the path of one round trip.
    async fn read_fast(&self, sql: &str, values: &[Value]) -> Result<RowSet, DatabaseError> {
        self.postgres.read(&call(), &reading(sql, true), values, &options()).await
    }

    async fn write(&self, statements: &[(&str, Vec<Value>)]) -> Result<Vec<Execution>, BatchError> {
        let statements = statements.iter().map(|(sql, values)| (writing(sql, StatementKind::Write), values.clone())).collect();
        self.postgres.write(&call(), statements, &options()).await
    }

    async fn administer(&self, sql: &str) -> Result<Vec<Execution>, BatchError> {
        self.postgres.write(&call(), vec![(writing(sql, StatementKind::Admin), Vec::new())], &options()).await
    }

    /// The first column of the first row, asked by a connection of the test's own; empty when there is no row.
    async fn state(&self, sql: &str) -> String {
        let mut connection = self.server.clone().database(&self.name).connect().await.unwrap();
        let rows = sqlx::query(AssertSqlSafe(format!("SELECT (q.v)::text FROM ({sql}) AS q(v)"))).fetch_all(&mut connection).await.unwrap();
        let state = rows.first().and_then(|row| row.try_get::<Option<String>, _>(0).unwrap());
        connection.close().await.unwrap();
        state.unwrap_or_default()
    }

    /// Waits until `sql` answers `wanted`, for 5 s at most.
    async fn becomes(&self, sql: &str, wanted: &str) {
        let started = Instant::now();
        loop {
            let state = self.state(sql).await;
            if state == wanted {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(5), "{sql} is {state}, not {wanted}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The rows as JSON text.
fn json(rows: &RowSet) -> Vec<String> {
    rows.rows_json().map(|row| String::from_utf8(row.to_vec()).unwrap()).collect()
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}
