//! Writes a new SQLite file from a script: how `demo` makes its sample database.

use std::path::Path;

use sqlx::AssertSqlSafe;
use sqlx::Connection;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::sqlite::SqliteJournalMode;
use sqlx::sqlite::SqliteSynchronous;

use super::error::DatabaseError;
use super::error::ErrorKind;

/// Runs the statements of `script`, which is the program's own, in one transaction on a new file at `path`.
///
/// # Errors
///
/// A file that cannot be written; a statement that fails. What was written is of no use then.
pub async fn create(path: &Path, script: impl Iterator<Item = String>) -> Result<(), DatabaseError> {
    write(path, script)
        .await
        .map_err(|error| DatabaseError::new(ErrorKind::Failed, format!("the sample database was not written: {error}")))
}

async fn write(path: &Path, script: impl Iterator<Item = String>) -> Result<(), sqlx::Error> {
    // Nobody else reads the file yet, and one that is cut off is thrown away: nothing needs to be safe against a crash.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .foreign_keys(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let mut transaction = connection.begin().await?;
    for statement in script {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    connection.close().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_script_makes_a_file_and_a_bad_one_an_error() {
        let path = std::env::temp_dir().join(format!("tidegate-sample-{:x}.sqlite", getrandom::u64().unwrap()));
        let script = ["create table t (a integer); insert into t values (1), (2);".to_owned()];
        create(&path, script.into_iter()).await.unwrap();
        assert!(create(&path, ["insert into missing values (1)".to_owned()].into_iter()).await.is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
