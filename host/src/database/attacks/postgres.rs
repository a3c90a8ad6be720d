//! PostgreSQL under attack, as superuser and as a role that may read some tables.

mod cases;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use sqlx::AssertSqlSafe;
use sqlx::ConnectOptions;
use sqlx::Connection;
use sqlx::Row;
use sqlx::postgres::PgConnectOptions;
use sqlx::postgres::PgConnection;
use sqlx::postgres::PgRow;

use super::Account;
use super::Outcome;
use super::Target;
use super::check;
use super::check_table;
use super::generate;
use super::json;
use super::mutate;
use super::random::Random;
use super::read;
use super::state;
use super::state::Facts;
use crate::config::DatabaseConfig;
use crate::config::DatabaseName;
use crate::config::EngineKind;
use crate::database::Database;
use crate::database::error::ErrorKind;
use crate::database::statement::Statement;
use crate::database::statement::StatementKind;
use cases::CASES;
use cases::FACTS;
use cases::SETUP;

/// The database of one test, and everything that a cleaner has to know.
struct Server {
    name: String,
    server: PgConnectOptions,
    database: Database,
    /// As superuser, past the gate.
    beside: PgConnection,
}

/// Runs `test` on a database of its own that SETUP has filled.
async fn on_database(account: Account, test: impl AsyncFnOnce(&mut Server)) {
    let mut server = Server::start(account).await;
    let outcome = AssertUnwindSafe(test(&mut server)).catch_unwind().await;
    server.stop().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

fn server_options() -> PgConnectOptions {
    let url = std::env::var("TIDEGATE_TEST_POSTGRES").expect("TIDEGATE_TEST_POSTGRES must be the URL of a PostgreSQL superuser");
    let options: PgConnectOptions = url.parse().unwrap();
    options.disable_statement_logging()
}

fn new_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("tidegate_attack_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn batch(connection: &mut PgConnection, sql: &str) -> Result<Vec<PgRow>, sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await
}

async fn done(connection: &mut PgConnection, sql: &str) -> Vec<PgRow> {
    batch(connection, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// A URL that libpq reads too: without the driver's own parameters.
fn plain_url(options: &PgConnectOptions) -> String {
    let mut url = options.to_url_lossy();
    url.set_query(None);
    url.into()
}

/// The columns of a row, one after another, as text.
fn line(row: &PgRow) -> String {
    let columns = (0..row.len()).map(|column| row.try_get_unchecked::<Option<String>, _>(column).unwrap().unwrap_or_default());
    columns.collect::<Vec<_>>().join(" ")
}

impl Server {
    async fn start(account: Account) -> Self {
        let name = new_name();
        let server = server_options();
        let mut first: PgConnection = server.connect().await.unwrap();
        done(&mut first, &format!("CREATE DATABASE {name}")).await;
        done(&mut first, &format!("CREATE ROLE {name}_reader LOGIN PASSWORD 'reads'")).await;
        first.close().await.unwrap();
        let own = server.clone().database(&name);
        let mut beside: PgConnection = own.connect().await.unwrap();
        let setup = SETUP.replace("{db}", &name).replace("{url}", &plain_url(&own));
        done(&mut beside, &setup).await;
        let options = match account {
            Account::Superuser => own.clone(),
            Account::Reader => own.clone().username(&format!("{name}_reader")).password("reads"),
        };
        let mut config = DatabaseConfig::new(DatabaseName::parse("main").unwrap(), options.to_url_lossy().as_str()).unwrap();
        config.pool.max = 1;
        Self { name, server, database: Database::new(config).unwrap(), beside }
    }

    async fn stop(self) {
        let Self { name, server, database, beside } = self;
        database.close().await;
        let _ = beside.close().await;
        let mut last: PgConnection = server.connect().await.unwrap();
        done(&mut last, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
        done(&mut last, &format!("DROP ROLE {name}_reader")).await;
        last.close().await.unwrap();
    }

    /// What an attack could have changed in the database, asked by `beside`.
    async fn database_facts(beside: &mut PgConnection, name: &str) -> Facts {
        let mut facts = Facts::default();
        for row in done(beside, &FACTS.replace("{db}", name)).await {
            facts.add(&row.try_get::<String, _>(0).unwrap(), row.try_get::<Option<String>, _>(1).unwrap().unwrap_or_default());
        }
        facts
    }
}

impl Target for Server {
    fn database(&self) -> &Database {
        &self.database
    }

    async fn facts(&mut self) -> Facts {
        let mut facts = Self::database_facts(&mut self.beside, &self.name).await;
        facts.extend(state::session(&self.database).await);
        facts
    }

    fn fill(&self, sql: &str) -> String {
        let url = plain_url(&self.server.clone().database(&self.name));
        sql.replace("{db}", &self.name).replace("{file}", &format!("/tmp/{}.out", self.name)).replace("{url}", &url)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_ends_as_it_must_for_a_superuser() {
    check_table(CASES, 80);
    assert!(Statement::parse(state::POSTGRES_SETTINGS, EngineKind::Postgres).unwrap().traceless);
    on_database(Account::Superuser, async |server| check(server, CASES, Account::Superuser).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_ends_as_it_must_for_a_role_that_only_reads() {
    on_database(Account::Reader, async |server| check(server, CASES, Account::Reader).await).await;
}

/// The facts see what the cases do, or comparing them would prove nothing.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_gate_the_cases_do_what_they_say() {
    on_database(Account::Superuser, async |server| {
        // A database that is a template may have no session.
        server.database.close().await;
        let template = server.name.clone();
        std::mem::replace(&mut server.beside, server.server.connect().await.unwrap()).close().await.unwrap();
        let mut unseen = Vec::new();
        for (case, fact) in CASES.iter().filter_map(|case| Some((case, case.harms?))) {
            let copy = new_name();
            done(&mut server.beside, &format!("CREATE DATABASE {copy} TEMPLATE {template}")).await;
            let options = server.server.clone().database(&copy);
            let mut beside: PgConnection = options.connect().await.unwrap();
            let mut attacker: PgConnection = options.connect().await.unwrap();
            let before = bare_facts(&mut beside, &mut attacker, &copy).await;
            let sql = case.sql.replace("{db}", &copy).replace("{file}", &format!("/tmp/{copy}.out"));
            let sql = sql.replace("{url}", &plain_url(&options));
            let result = batch(&mut attacker, &sql).await;
            let after = bare_facts(&mut beside, &mut attacker, &copy).await;
            if before.get(fact) == after.get(fact) {
                unseen.push(format!("{}: {sql}\n    leaves `{fact}` as it was: {:?}", case.name, result.err()));
            }
            let _ = attacker.close().await;
            beside.close().await.unwrap();
            done(&mut server.beside, &format!("DROP DATABASE {copy} WITH (FORCE)")).await;
            done(&mut server.beside, &format!("DROP ROLE IF EXISTS {copy}_evil")).await;
            // The server wrote it, and it may be on another machine.
            let _ = std::fs::remove_file(format!("/tmp/{copy}.out"));
        }
        assert!(unseen.is_empty(), "{}", unseen.join("\n"));
    })
    .await;
}

/// The facts of a database and of an open session of the test's own.
async fn bare_facts(beside: &mut PgConnection, attacker: &mut PgConnection, name: &str) -> Facts {
    let mut facts = Server::database_facts(beside, name).await;
    let mut lines = Vec::new();
    for sql in [state::POSTGRES_SETTINGS, state::POSTGRES_SESSION] {
        lines.extend(batch(attacker, sql).await.unwrap_or_default().iter().map(line));
    }
    facts.add("session", lines.join("\n"));
    facts
}

/// Mutants of one run.
const MUTANTS: usize = 3_000;

#[tokio::test(flavor = "multi_thread")]
async fn no_mutant_of_a_refused_case_changes_anything() {
    on_database(Account::Superuser, async |server| {
        let ran = mutate::check(server, CASES, EngineKind::Postgres, MUTANTS).await;
        assert!(ran > MUTANTS / 50, "only {ran} mutants came to the engine");
    })
    .await;
}

/// Texts of one run that are taken for reading.
const GENERATED: usize = 400;

/// What the gate takes for reading is reading to the server too: in a transaction that is read only, and by the state afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_judged_to_read_only_reads() {
    on_database(Account::Superuser, async |server| {
        let before = server.facts().await;
        let mut random = Random::new(0x5EED_0001);
        let mut texts = 0;
        let mut ran = 0;
        let mut answered = 0;
        while ran < GENERATED {
            let text = generate::text(&mut random, EngineKind::Postgres);
            texts += 1;
            assert!(texts < 100 * GENERATED, "too few texts are taken for reading");
            let Ok(statement) = Statement::parse(&text, EngineKind::Postgres) else { continue };
            if statement.kind != StatementKind::Read {
                continue;
            }
            ran += 1;
            let result = super::run(&server.database, &statement, &[]).await;
            answered += usize::from(result.is_ok());
            // Volatile functions of users are left to the engine's own catalog; nothing else may be found to write there.
            let found_late = result.as_ref().err().filter(|error| error.kind == ErrorKind::ReadOnly && error.sqlstate.is_some());
            assert!(found_late.is_none(), "taken for reading, but the server says that it writes: {text}: {found_late:?}");
            if ran % 25 == 0 {
                let differences = before.differences(&server.facts().await);
                assert!(differences.is_empty(), "one of the 25 texts up to this one left something behind: {text}: {differences:?}");
            }
        }
        assert!(answered > GENERATED / 10, "{answered} of {ran} texts ran");
        assert!(before.differences(&server.facts().await).is_empty());
    })
    .await;
}

/// A view may do in the session what the text of a query does not show.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_opens_the_session_for_writing_opens_nothing() {
    on_database(Account::Superuser, async |server| {
        let before = server.facts().await;
        for _ in 0..3 {
            let _ = read(&server.database, "SELECT * FROM loosening", &[]).await;
            let _ = read(&server.database, "SELECT * FROM emptying", &[]).await;
        }
        let rows = read(&server.database, "SHOW default_transaction_read_only", &[]).await.unwrap();
        assert_eq!(json(&rows), [r#"["on"]"#]);
        assert_eq!(before.differences(&server.facts().await), [""; 0]);
    })
    .await;
}

#[test]
fn what_is_refused_by_its_text_is_refused_without_a_server() {
    for case in CASES.iter().filter(|case| case.sql.contains(';')) {
        if let Outcome::Refused(ErrorKind::MultipleStatements) = case.outcome {
            assert!(Statement::parse(case.sql, EngineKind::Postgres).is_err(), "{}", case.name);
        }
    }
}
