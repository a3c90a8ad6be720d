//! SQLite under attack: files, data and sessions are looked at after each statement.

mod cases;

use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use sqlx::AssertSqlSafe;
use sqlx::ConnectOptions;
use sqlx::Connection;
use sqlx::Row;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::sqlite::SqliteRow;

use super::Account;
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
use crate::config::Mode;
use crate::database::Database;
use crate::database::error::ErrorKind;
use crate::database::sqlite::writes_by_its_own_word;
use crate::database::statement::Statement;
use crate::database::statement::StatementKind;
use cases::CASES;
use cases::SETUP;

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The file of one test.
struct Shop {
    folder: Folder,
    database: Database,
}

fn new_folder() -> Folder {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("tidegate-attack-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    Folder(folder)
}

/// A connection without any of the host's guards, open for writing.
async fn bare(folder: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(folder.join("shop.db")).create_if_missing(true).disable_statement_logging();
    options.connect().await.unwrap()
}

async fn batch(connection: &mut SqliteConnection, sql: &str) -> Result<Vec<SqliteRow>, sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await
}

/// Fills a new file.
async fn make(folder: &Path) {
    let mut connection = bare(folder).await;
    batch(&mut connection, SETUP).await.unwrap();
    connection.close().await.unwrap();
    // It is there to be opened by `ATTACH`, and to be left as it is.
    std::fs::write(folder.join("other.db"), b"").unwrap();
}

/// The columns of a row, one after another, as text.
fn line(row: &SqliteRow) -> String {
    let column = |at| row.try_get_unchecked::<Option<Vec<u8>>, _>(at).unwrap_or_default().unwrap_or_default();
    (0..row.len()).map(|at| String::from_utf8_lossy(&column(at)).into_owned()).collect::<Vec<_>>().join(" ")
}

/// Names, sizes and contents of all files, those beside a write-ahead log left out.
fn files(folder: &Path) -> Facts {
    let mut facts = Facts::default();
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let side = |path: &PathBuf| ["-wal", "-shm", "-journal"].iter().any(|end| path.to_string_lossy().ends_with(end));
    let digest = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{} {} {sum:x}", path.file_name().unwrap().to_string_lossy(), bytes.len())
    };
    let lines: Vec<String> = names.iter().filter(|path| !side(path)).map(digest).collect();
    facts.add("files", lines.join("\n"));
    facts
}

impl Shop {
    async fn open() -> Self {
        let folder = new_folder();
        make(&folder.0).await;
        let url = format!("sqlite:{}", folder.0.join("shop.db").display());
        let mut config = DatabaseConfig::new(DatabaseName::parse("shop").unwrap(), &url).unwrap();
        // The connections for reading must hold even where another of the same database may write.
        config.mode = Mode::ReadWrite;
        config.pool.max = 1;
        Self { database: Database::new(config).unwrap(), folder }
    }
}

impl Target for Shop {
    fn database(&self) -> &Database {
        &self.database
    }

    async fn facts(&mut self) -> Facts {
        let mut facts = files(&self.folder.0);
        facts.extend(state::session(&self.database).await);
        facts
    }

    fn fill(&self, sql: &str) -> String {
        sql.replace("{file}", &self.folder.0.join("taken.db").display().to_string())
            .replace("{other}", &self.folder.0.join("other.db").display().to_string())
            .replace("{db}", &self.folder.0.join("shop.db").display().to_string())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_ends_as_it_must() {
    check_table(CASES, 50);
    check(&mut Shop::open().await, CASES, Account::Superuser).await;
}

/// The facts see what the cases do, or comparing them would prove nothing.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_gate_the_cases_do_what_they_say() {
    let mut unseen = Vec::new();
    for (case, fact) in CASES.iter().filter_map(|case| Some((case, case.harms?))) {
        let shop = Shop::open().await;
        let mut attacker = bare(&shop.folder.0).await;
        let before = bare_facts(&shop.folder.0, &mut attacker).await;
        let result = batch(&mut attacker, &shop.fill(case.sql)).await;
        let after = bare_facts(&shop.folder.0, &mut attacker).await;
        if before.get(fact) == after.get(fact) {
            unseen.push(format!("{}: {}\n    leaves `{fact}` as it was: {:?}", case.name, case.sql, result.err()));
        }
    }
    assert!(unseen.is_empty(), "{}", unseen.join("\n"));
}

async fn bare_facts(folder: &Path, attacker: &mut SqliteConnection) -> Facts {
    let mut facts = files(folder);
    let mut lines = Vec::new();
    for sql in state::SQLITE_SESSION {
        lines.extend(batch(attacker, sql).await.unwrap_or_default().iter().map(|row| format!("{sql} {}", line(row))));
    }
    facts.add("session", lines.join("\n"));
    facts
}

/// Mutants of one run.
const MUTANTS: usize = 20_000;

#[tokio::test(flavor = "multi_thread")]
async fn no_mutant_of_a_refused_case_changes_anything() {
    let ran = mutate::check(&mut Shop::open().await, CASES, EngineKind::Sqlite, MUTANTS).await;
    assert!(ran > MUTANTS / 50, "only {ran} mutants came to the engine");
}

/// Texts of one run that are taken for reading.
const GENERATED: usize = 4_000;

/// What the gate takes for reading is reading to SQLite too: by its own word (`sqlite3_stmt_readonly`), by the authorizer of the
/// host, and by the state of a file that the text was run on without any guard.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_judged_to_read_only_reads() {
    let mut shop = Shop::open().await;
    let guarded = shop.facts().await;
    let unguarded = new_folder();
    make(&unguarded.0).await;
    let mut connection = bare(&unguarded.0).await;
    let before = bare_facts(&unguarded.0, &mut connection).await;
    let mut random = Random::new(0x5EED_0003);
    let mut texts = 0;
    let mut taken = 0;
    let mut answered = 0;
    while taken < GENERATED {
        let text = generate::text(&mut random, EngineKind::Sqlite);
        texts += 1;
        assert!(texts < 100 * GENERATED, "too few texts are taken for reading");
        let Ok(statement) = Statement::parse(&text, EngineKind::Sqlite) else { continue };
        if statement.kind != StatementKind::Read {
            continue;
        }
        taken += 1;
        let writes = writes_by_its_own_word(&mut connection, &statement.text).await;
        // Of what is only explained SQLite says what it would do, and the pragmas that tell a setting it counts as writing.
        let is_told = matches!(statement.verb.as_str(), "EXPLAIN" | "PRAGMA");
        assert!(is_told || writes != Some(true), "taken for reading, but SQLite says that it writes: {text}");
        if writes.is_some() {
            let bare_run = batch(&mut connection, &statement.text).await;
            let result = super::run(&shop.database, &statement, &[]).await;
            answered += usize::from(result.is_ok());
            if let (Ok(_), Err(error)) = (bare_run, result) {
                // The host takes no text in double quotes, and has limits.
                let known = is_told || matches!(error.kind, ErrorKind::UnknownColumn | ErrorKind::InvalidParameters | ErrorKind::TooLarge);
                assert!(known, "runs without the gate, is taken for reading and refused: {text}: {error:?}");
            }
        }
        if taken % 200 == 0 {
            let differences = before.differences(&bare_facts(&unguarded.0, &mut connection).await);
            assert!(differences.is_empty(), "one of the 200 texts up to this one changes something: {text}: {differences:?}");
        }
    }
    assert!(answered > GENERATED / 10, "{answered} of {taken} texts ran");
    assert!(before.differences(&bare_facts(&unguarded.0, &mut connection).await).is_empty());
    assert!(guarded.differences(&shop.facts().await).is_empty());
    connection.close().await.unwrap();
}

/// A file that somebody else made may hold views and triggers that do more than read.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_with_a_function_that_reaches_out_reaches_nothing() {
    let shop = Shop::open().await;
    let mut connection = bare(&shop.folder.0).await;
    batch(&mut connection, "CREATE VIEW reaching AS SELECT load_extension('x') AS e, fts3_tokenizer('simple') AS f").await.unwrap();
    connection.close().await.unwrap();
    let error = read(&shop.database, "SELECT e FROM reaching", &[]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error:?}");
    let rows = read(&shop.database, "SELECT count(*) FROM items", &[]).await.unwrap();
    assert_eq!(json(&rows), ["[20]"]);
}
