//! Against a real server: `TIDEGATE_TEST_MYSQL` holds the URL of a private one, with an account that may do everything.
//!
//! Each test makes a database of its own and drops it. Statements are made by hand here, with whatever kind a test
//! wants, so that what is shown is what the engine's layer holds when the judge of statements has failed.

mod attacks;
mod catalog;
mod dependencies;
mod setup;
mod stopping;
mod transactions;
mod types;
mod writing;

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::Connection;
use sqlx::Executor;
use sqlx::Row;
use sqlx::mysql::MySqlConnection;

use super::MySql;
use crate::call::Call;
use crate::call::Caller;
use crate::config::DatabaseConfig;
use crate::config::DatabaseName;
use crate::config::EngineKind;
use crate::config::Mode;
use crate::database::Execution;
use crate::database::RunOptions;
use crate::database::error::DatabaseError;
use crate::database::rows::RowLimits;
use crate::database::rows::RowSet;
use crate::database::statement::Statement;
use crate::database::statement::StatementKind;
use crate::database::value::Value;

/// The private server.
fn server_url() -> String {
    std::env::var("TIDEGATE_TEST_MYSQL").expect(
        "`TIDEGATE_TEST_MYSQL` is not set: it must hold the URL of a private MySQL or MariaDB server with an account that may do \
         everything, for example mysql://root@127.0.0.1:3399; `tests/run` starts one",
    )
}

/// A database of one test, dropped with it.
struct Fixture {
    name: String,
    url: String,
    admin: MySqlConnection,
}

impl Fixture {
    /// Makes a database and runs `setup` in it.
    async fn new(setup: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tg_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let server = server_url();
        // Without the database that the URL may name: each test has its own.
        let path = server.find("://").and_then(|scheme| Some(scheme + 3 + server[scheme + 3..].find('/')?));
        let server = &server[..path.unwrap_or(server.len())];
        let url = format!("{server}/{name}");
        let mut first = MySqlConnection::connect(server).await.expect("the server of `TIDEGATE_TEST_MYSQL` does not answer");
        (&mut first).execute(AssertSqlSafe(format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"))).await.unwrap();
        let mut fixture = Self { admin: MySqlConnection::connect(&url).await.unwrap(), name, url };
        for statement in setup {
            fixture.run(statement).await;
        }
        fixture
    }

    /// The URL of this database with another account, as `name:password`.
    fn url_as(&self, account: &str) -> String {
        let (scheme, rest) = self.url.split_once("://").unwrap();
        let (_, place) = rest.rsplit_once('@').unwrap();
        format!("{scheme}://{account}@{place}")
    }

    /// The engine under test on this database, configured by `change`.
    fn engine(&self, change: impl FnOnce(&mut DatabaseConfig)) -> MySql {
        self.engine_at(&self.url, change)
    }

    /// The same by another URL.
    fn engine_at(&self, url: &str, change: impl FnOnce(&mut DatabaseConfig)) -> MySql {
        let mut config = DatabaseConfig::new(DatabaseName::parse("main").unwrap(), url).unwrap();
        change(&mut config);
        MySql::new(&config).unwrap()
    }

    /// Runs one statement as the administrator.
    async fn run(&mut self, text: &str) {
        (&mut self.admin).execute(AssertSqlSafe(text.to_owned())).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    }

    /// The first cell of what the administrator reads, as text.
    async fn ask(&mut self, text: &str) -> String {
        let row = (&mut self.admin).fetch_one(AssertSqlSafe(text.to_owned())).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        let bytes: Option<&[u8]> = row.try_get_unchecked(0).unwrap();
        bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
    }

    /// How many statements with this text the server is running for others.
    async fn statements_like(&mut self, mark: &str) -> u32 {
        let question = format!(
            "SELECT CAST(COUNT(*) AS CHAR) FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND INFO LIKE '%{mark}%'"
        );
        self.ask(&question).await.parse().unwrap()
    }

    /// Waits until exactly `count` statements with this text run. A server lists one for a moment after it has answered.
    async fn wait_for_statements(&mut self, mark: &str, count: u32) {
        for _ in 0..400 {
            if self.statements_like(mark).await == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("there never were {count} statements like `{mark}`");
    }

    /// Waits until exactly `count` connections other than the administrator's are on this database.
    async fn wait_for_connections(&mut self, count: u32) {
        let question = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()";
        for _ in 0..200 {
            if self.ask(question).await == count.to_string() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("there never were {count} connections");
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let text = format!("DROP DATABASE IF EXISTS {}", self.name);
        let url = self.url.clone();
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = MySqlConnection::connect(&url).await?;
                (&mut connection).execute(AssertSqlSafe(text)).await
            })
        });
        let dropped = dropping.join();
        if !std::thread::panicking() {
            dropped.unwrap().unwrap();
        }
    }
}

fn call() -> Call {
    Call::new(Caller::local(), Duration::from_secs(60))
}

fn options() -> RunOptions {
    RunOptions::new(Duration::from_secs(20), RowLimits { rows: 1_000, bytes: 1 << 20 })
}

/// A statement that claims to be of `kind`.
fn claimed(text: &str, kind: StatementKind, traceless: bool) -> Statement {
    let verb = text.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default().to_ascii_uppercase();
    Statement {
        text: text.into(),
        engine: EngineKind::MySql,
        kind,
        verb,
        tables: Vec::new(),
        reason: None,
        functions: Vec::new(),
        destructive: None,
        traceless,
    }
}

/// Runs a text as a reading statement that may leave traces.
async fn read(engine: &MySql, text: &str) -> Result<RowSet, DatabaseError> {
    read_with(engine, text, &[]).await
}

async fn read_with(engine: &MySql, text: &str, parameters: &[Value]) -> Result<RowSet, DatabaseError> {
    engine.read(&call(), &claimed(text, StatementKind::Read, false), parameters, &options()).await
}

/// Runs a text as a reading statement that leaves no traces, so that its session goes back to the pool.
async fn read_traceless(engine: &MySql, text: &str) -> Result<RowSet, DatabaseError> {
    engine.read(&call(), &claimed(text, StatementKind::Read, true), &[], &options()).await
}

/// Runs one writing statement.
async fn write(engine: &MySql, text: &str, parameters: Vec<Value>) -> Result<Execution, DatabaseError> {
    let statements = vec![(claimed(text, StatementKind::Write, false), parameters)];
    let done = engine.write(&call(), statements, &options()).await.map_err(|failed| failed.error)?;
    Ok(done.into_iter().next().unwrap())
}

/// The rows as the client reads them.
fn json(rows: &RowSet) -> String {
    rows.rows_json().map(|row| String::from_utf8_lossy(row).into_owned()).collect::<Vec<_>>().join("\n")
}

/// Opens the engine for writing.
fn writable(config: &mut DatabaseConfig) {
    config.mode = Mode::ReadWrite;
}
