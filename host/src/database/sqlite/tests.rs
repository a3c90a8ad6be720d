//! The engine layer alone, on real files: statements come by hand and claim to be what the test says.

mod attacks;
mod catalog;
mod dependencies;
mod limits;
mod transactions;
mod values;
mod writes;

use std::path::PathBuf;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Sqlite;
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

/// A folder of its own, removed at the end.
pub(in crate::database) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(in crate::database) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tidegate-sqlite-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(in crate::database) fn url(&self, parameters: &str) -> String {
        format!("sqlite:{}{parameters}", self.0.join("shop.db").display())
    }

    /// Names and sizes of the files there are, the side files of WAL left out.
    pub(super) fn files(&self) -> Vec<(String, u64)> {
        let mut files: Vec<_> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.metadata().unwrap().len()))
            .filter(|(name, _)| !name.ends_with("-wal") && !name.ends_with("-shm"))
            .collect();
        files.sort();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn config(url: &str, mode: Mode) -> DatabaseConfig {
    let mut config = DatabaseConfig::new(DatabaseName::parse("shop").unwrap(), url).unwrap();
    config.mode = mode;
    config
}

pub(super) fn open(url: &str, mode: Mode) -> Sqlite {
    Sqlite::new(&config(url, mode)).unwrap()
}

/// A new file with what `script` makes, a statement a line, and a writing database on it.
pub(super) async fn shop(script: &str) -> (Folder, Sqlite) {
    let folder = Folder::new();
    let sqlite = open(&folder.url("?mode=rwc"), Mode::ReadWrite);
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty());
    let statements = lines.map(|line| (claimed(line, StatementKind::Admin), Vec::new())).collect();
    sqlite.write(&call(), statements, &options()).await.unwrap();
    (folder, sqlite)
}

pub(super) const SHOP: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, total REAL)
    INSERT INTO orders VALUES (1, 'ann', 10.5), (2, 'bob', 20), (3, 'cyd', NULL)
";

pub(super) fn call() -> Call {
    Call::new(Caller::local(), Duration::from_secs(60))
}

pub(super) fn options() -> RunOptions {
    RunOptions::new(Duration::from_secs(20), RowLimits { rows: 1000, bytes: 1 << 20 })
}

/// A statement that claims to be of `kind`, whatever it is.
pub(super) fn claimed(sql: &str, kind: StatementKind) -> Statement {
    let verb = sql.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default().to_ascii_uppercase();
    Statement {
        text: sql.into(),
        engine: EngineKind::Sqlite,
        kind,
        verb,
        tables: Vec::new(),
        reason: None,
        functions: Vec::new(),
        destructive: None,
        traceless: false,
    }
}

pub(super) async fn read(sqlite: &Sqlite, sql: &str, values: &[Value]) -> Result<RowSet, DatabaseError> {
    sqlite.read(&call(), &claimed(sql, StatementKind::Read), values, &options()).await
}

pub(super) async fn write(sqlite: &Sqlite, sql: &str, values: &[Value]) -> Result<Execution, BatchError> {
    run(sqlite, sql, values, StatementKind::Write).await
}

pub(super) async fn administer(sqlite: &Sqlite, sql: &str) -> Result<Execution, BatchError> {
    run(sqlite, sql, &[], StatementKind::Admin).await
}

async fn run(sqlite: &Sqlite, sql: &str, values: &[Value], kind: StatementKind) -> Result<Execution, BatchError> {
    let done = sqlite.write(&call(), vec![(claimed(sql, kind), values.to_vec())], &options()).await?;
    Ok(done.into_iter().next().unwrap())
}

/// All values of a result.
pub(super) fn values(rows: &RowSet) -> Vec<Vec<Value>> {
    (0..rows.len()).map(|row| rows.values(row).unwrap()).collect()
}

/// The only value of a result.
pub(super) async fn one(sqlite: &Sqlite, sql: &str) -> Value {
    let rows = read(sqlite, sql, &[]).await.unwrap();
    values(&rows).remove(0).remove(0)
}
