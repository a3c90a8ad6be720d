//! MariaDB under attack, as an account that may do everything and as one that may read one database.

mod cases;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::TryStreamExt;
use sqlx::AssertSqlSafe;
use sqlx::Connection;
use sqlx::Row;
use sqlx::mysql::MySqlConnection;
use sqlx::mysql::MySqlRow;

use super::Account;
use super::Target;
use super::check;
use super::check_table;
use super::generate;
use super::mutate;
use super::random::Random;
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

/// The database of one test.
struct Server {
    name: String,
    /// Where the server keeps its files, with a slash at the end.
    folder: String,
    database: Database,
    /// As an account that may do everything, past the gate.
    beside: MySqlConnection,
}

/// The URL of the server without a database.
fn server_url() -> String {
    let url =
        std::env::var("TIDEGATE_TEST_MYSQL").expect("TIDEGATE_TEST_MYSQL must be the URL of a MariaDB account that may do everything");
    let host = url.find("://").expect("a URL") + 3;
    let end = url[host..].find('/').map_or(url.len(), |path| host + path);
    url[..end].to_owned()
}

fn new_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("tg_attack_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Runs a text by the text protocol, all of its statements.
async fn batch(connection: &mut MySqlConnection, sql: &str) -> Result<Vec<MySqlRow>, sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch(connection).try_collect().await
}

async fn done(connection: &mut MySqlConnection, sql: &str) -> Vec<MySqlRow> {
    batch(connection, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// The columns of a row, one after another, as text.
fn line(row: &MySqlRow) -> String {
    let column = |at| row.try_get_unchecked::<Option<Vec<u8>>, _>(at).unwrap_or_default().unwrap_or_default();
    (0..row.len()).map(|at| String::from_utf8_lossy(&column(at)).into_owned()).collect::<Vec<_>>().join(" ")
}

async fn make(beside: &mut MySqlConnection, name: &str) {
    done(beside, &format!("CREATE DATABASE {name} CHARACTER SET utf8mb4")).await;
    done(beside, &format!("USE {name}")).await;
    for statement in SETUP {
        done(beside, &statement.replace("{db}", name)).await;
    }
}

async fn on_database(account: Account, test: impl AsyncFnOnce(&mut Server)) {
    let mut server = Server::start(account).await;
    let outcome = AssertUnwindSafe(test(&mut server)).catch_unwind().await;
    server.stop().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

impl Server {
    async fn start(account: Account) -> Self {
        let name = new_name();
        let server = server_url();
        let mut beside = MySqlConnection::connect(&server).await.unwrap();
        make(&mut beside, &name).await;
        done(&mut beside, &format!("CREATE USER {name}_reader IDENTIFIED BY 'reads'")).await;
        done(&mut beside, &format!("GRANT SELECT, SHOW VIEW ON {name}.* TO {name}_reader")).await;
        done(&mut beside, &format!("GRANT EXECUTE ON FUNCTION {name}.double_it TO {name}_reader")).await;
        let folder = done(&mut beside, "SELECT @@datadir").await.first().map(line).unwrap();
        let url = match account {
            Account::Superuser => format!("{server}/{name}"),
            Account::Reader => {
                let (scheme, rest) = server.split_once("://").unwrap();
                let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
                format!("{scheme}://{name}_reader:reads@{place}/{name}")
            }
        };
        let mut config = DatabaseConfig::new(DatabaseName::parse("main").unwrap(), &url).unwrap();
        config.pool.max = 1;
        Self { name, folder, database: Database::new(config).unwrap(), beside }
    }

    async fn stop(mut self) {
        self.database.close().await;
        done(&mut self.beside, &format!("DROP DATABASE {}", self.name)).await;
        done(&mut self.beside, &format!("DROP USER {}_reader", self.name)).await;
        let _ = self.beside.close().await;
    }
}

/// What an attack could have changed in the database, asked by `beside`.
async fn database_facts(beside: &mut MySqlConnection, name: &str, folder: &str) -> Facts {
    let mut facts = Facts::default();
    for (fact, sql) in FACTS {
        let sql = sql.replace("{db}", name).replace("{file}", &file(folder, name));
        let lines: Vec<String> = done(beside, &sql).await.iter().map(line).collect();
        facts.add(fact, lines.join("\n"));
    }
    facts
}

fn file(folder: &str, name: &str) -> String {
    format!("{folder}{name}.out")
}

impl Target for Server {
    fn database(&self) -> &Database {
        &self.database
    }

    async fn facts(&mut self) -> Facts {
        let mut facts = database_facts(&mut self.beside, &self.name, &self.folder).await;
        // A session that was closed is at its end on the server a moment later. One that was given back keeps what it has.
        let until = Instant::now() + Duration::from_secs(3);
        while (facts.get("locks") != "0" || facts.get("open transactions") != "0") && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
            facts = database_facts(&mut self.beside, &self.name, &self.folder).await;
        }
        facts.extend(state::session(&self.database).await);
        facts
    }

    fn fill(&self, sql: &str) -> String {
        sql.replace("{db}", &self.name).replace("{file}", &file(&self.folder, &self.name))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_ends_as_it_must_for_an_account_that_may_do_everything() {
    check_table(CASES, 50);
    on_database(Account::Superuser, async |server| check(server, CASES, Account::Superuser).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_ends_as_it_must_for_an_account_that_only_reads() {
    on_database(Account::Reader, async |server| check(server, CASES, Account::Reader).await).await;
}

/// The facts see what the cases do, or comparing them would prove nothing.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_gate_the_cases_do_what_they_say() {
    let server = server_url();
    let mut beside = MySqlConnection::connect(&server).await.unwrap();
    let folder = done(&mut beside, "SELECT @@datadir").await.first().map(line).unwrap();
    let mut unseen = Vec::new();
    for (case, fact) in CASES.iter().filter_map(|case| Some((case, case.harms?))) {
        let copy = new_name();
        make(&mut beside, &copy).await;
        let mut attacker = MySqlConnection::connect(&format!("{server}/{copy}")).await.unwrap();
        let before = bare_facts(&mut beside, &mut attacker, &copy, &folder).await;
        let sql = case.sql.replace("{db}", &copy).replace("{file}", &file(&folder, &copy));
        let result = batch(&mut attacker, &sql).await;
        let after = bare_facts(&mut beside, &mut attacker, &copy, &folder).await;
        if before.get(fact) == after.get(fact) {
            unseen.push(format!("{}: {sql}\n    leaves `{fact}` as it was: {:?}", case.name, result.err()));
        }
        let _ = attacker.close().await;
        done(&mut beside, &format!("DROP DATABASE {copy}")).await;
        done(&mut beside, &format!("DROP USER IF EXISTS {copy}_evil")).await;
        // The server wrote it, and it may belong to another account of this machine.
        let _ = std::fs::remove_file(file(&folder, &copy));
    }
    assert!(unseen.is_empty(), "{}", unseen.join("\n"));
}

async fn bare_facts(beside: &mut MySqlConnection, attacker: &mut MySqlConnection, name: &str, folder: &str) -> Facts {
    let mut facts = database_facts(beside, name, folder).await;
    let session: Vec<String> = batch(attacker, state::MYSQL_SESSION).await.unwrap_or_default().iter().map(line).collect();
    facts.add("session", session.join("\n"));
    facts
}

/// Mutants of one run.
const MUTANTS: usize = 3_000;

#[tokio::test(flavor = "multi_thread")]
async fn no_mutant_of_a_refused_case_changes_anything() {
    on_database(Account::Superuser, async |server| {
        let ran = mutate::check(server, CASES, EngineKind::MySql, MUTANTS).await;
        assert!(ran > MUTANTS / 50, "only {ran} mutants came to the engine");
    })
    .await;
}

/// Texts of one run that are taken for reading.
const GENERATED: usize = 400;

/// What the gate takes for reading is reading to the server too: no 1792 from the session that is read only, and nothing that
/// returns no rows; and by the state afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_judged_to_read_only_reads() {
    on_database(Account::Superuser, async |server| {
        let before = server.facts().await;
        let mut random = Random::new(0x5EED_0002);
        let mut texts = 0;
        let mut ran = 0;
        let mut answered = 0;
        while ran < GENERATED {
            let text = generate::text(&mut random, EngineKind::MySql);
            texts += 1;
            assert!(texts < 100 * GENERATED, "too few texts are taken for reading");
            let Ok(statement) = Statement::parse(&text, EngineKind::MySql) else { continue };
            // Functions of users are the engine's to hold: their text is not in the statement.
            if statement.kind != StatementKind::Read || !statement.functions.is_empty() {
                continue;
            }
            ran += 1;
            let result = super::run(&server.database, &statement, &[]).await;
            answered += usize::from(result.is_ok());
            // MariaDB does not even explain a write in a session that is read only.
            let explains = matches!(statement.verb.as_str(), "EXPLAIN" | "DESC" | "DESCRIBE");
            let found_late = result.as_ref().err().filter(|error| error.kind == ErrorKind::ReadOnly && !explains);
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
