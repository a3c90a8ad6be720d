//! The SQLite file: opened in a private folder, written in immediate transactions.

use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use sqlx::Row;
use sqlx::Sqlite;
use sqlx::SqlitePool;
use sqlx::Transaction;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::sqlite::SqliteJournalMode;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::sqlite::SqliteRow;
use sqlx::sqlite::SqliteSynchronous;

use super::Entry;
use super::Expected;
use super::LISTED_KEYS;
use super::Listed;
use super::Owner;
use super::Quota;
use super::Selection;
use super::StorageError;
use super::Usage;
use super::schema;
use crate::cache::disk::folder;

/// The file in the state folder.
const FILE_NAME: &str = "storage.db";

/// Connections to it. Writers wait for each other anyway.
const CONNECTIONS: u32 = 4;

/// How long a change waits for those of others, in this process and in other ones.
const BUSY: Duration = Duration::from_secs(5);

/// The open file.
pub(super) struct StoreFile {
    pool: SqlitePool,
}

/// A plugin's row of `usage`.
struct Counted {
    usage: Usage,
    /// The version that was given last.
    version: u64,
}

impl StoreFile {
    /// Whether there is a file in this folder.
    pub(super) fn is_in(folder: &Path) -> bool {
        folder.join(FILE_NAME).exists()
    }

    /// Opens the file, and makes it and its folder when they are not there.
    pub(super) async fn open(folder: &Path) -> Result<Self, StorageError> {
        let path = folder.join(FILE_NAME);
        let unusable = |reason: String| StorageError::Unusable { path: path.clone(), reason };
        // What SQLite puts beside the file gets the permissions that the file has.
        folder::create_private(folder).and_then(|()| folder::private_file(&path, false)).map_err(|error| unusable(error.to_string()))?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            // A write that was answered survives a loss of power, not only the end of the process.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY);
        let until = Instant::now() + BUSY;
        loop {
            match Self::connect(options.clone()).await {
                // Another host makes the file right now, which SQLite does not wait for.
                Err(error) if is_busy(&error) && Instant::now() < until => tokio::time::sleep(Duration::from_millis(20)).await,
                connected => return connected.map_err(|error| unusable(error.to_string())),
            }
        }
    }

    async fn connect(options: SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(BUSY).connect_with(options).await?;
        for table in schema::TABLES {
            sqlx::query(table).execute(&pool).await?;
        }
        Ok(Self { pool })
    }

    pub(super) async fn get(&self, owner: Owner<'_>, key: &str) -> Result<Option<Entry>, StorageError> {
        let query = sqlx::query(schema::FIND).bind(owner.plugin).bind(scope(owner)).bind(key.as_bytes());
        let row = query.fetch_optional(&self.pool).await.map_err(failed)?;
        row.map(|row| Ok(Entry { version: number(&row, 0)?, value: row.try_get(1).map_err(failed)? })).transpose()
    }

    pub(super) async fn set(
        &self,
        owner: Owner<'_>,
        key: &str,
        value: &[u8],
        expected: Expected,
        quota: Quota,
    ) -> Result<u64, StorageError> {
        let mut change = self.begin().await?;
        let found = find(&mut change, owner, key).await?;
        if !expected.is(found.map(|(version, _)| version)) {
            return Err(StorageError::Conflict { found: found.map(|(version, _)| version) });
        }
        let Counted { usage: held, version } = count(&mut change, owner.plugin).await?;
        let key_bytes = key.len() as u64;
        let usage = Usage {
            keys: held.keys + u64::from(found.is_none()),
            bytes: held.bytes - found.map_or(0, |(_, bytes)| bytes + key_bytes).min(held.bytes) + key_bytes + value.len() as u64,
        };
        // What takes less than before is let in: a plugin whose quota was lowered can still shrink.
        if (usage.keys > quota.keys && usage.keys > held.keys) || (usage.bytes > quota.bytes && usage.bytes > held.bytes) {
            return Err(StorageError::OverQuota { held });
        }
        let version = version + 1;
        let insert = sqlx::query(schema::SET).bind(owner.plugin).bind(scope(owner)).bind(key.as_bytes()).bind(signed(version)).bind(value);
        insert.execute(&mut *change).await.map_err(failed)?;
        keep_count(&mut change, owner.plugin, Counted { usage, version }).await?;
        change.commit().await.map_err(failed)?;
        Ok(version)
    }

    pub(super) async fn delete(&self, owner: Owner<'_>, key: &str, expected: Expected) -> Result<bool, StorageError> {
        let mut change = self.begin().await?;
        let found = find(&mut change, owner, key).await?;
        if !expected.is(found.map(|(version, _)| version)) {
            return Err(StorageError::Conflict { found: found.map(|(version, _)| version) });
        }
        let Some((_, bytes)) = found else { return Ok(false) };
        let delete = sqlx::query(schema::DELETE).bind(owner.plugin).bind(scope(owner)).bind(key.as_bytes());
        delete.execute(&mut *change).await.map_err(failed)?;
        let Counted { usage, version } = count(&mut change, owner.plugin).await?;
        let usage = Usage { keys: usage.keys.saturating_sub(1), bytes: usage.bytes.saturating_sub(bytes + key.len() as u64) };
        keep_count(&mut change, owner.plugin, Counted { usage, version }).await?;
        change.commit().await.map_err(failed)?;
        Ok(true)
    }

    pub(super) async fn list(&self, owner: Owner<'_>, selection: Selection<'_>) -> Result<Vec<Listed>, StorageError> {
        let query = sqlx::query(schema::LIST)
            .bind(owner.plugin)
            .bind(scope(owner))
            .bind(selection.prefix.as_bytes())
            .bind(selection.after.map(str::as_bytes))
            .bind(after_prefix(selection.prefix))
            .bind(selection.limit.min(LISTED_KEYS));
        let rows = query.fetch_all(&self.pool).await.map_err(failed)?;
        let listed = |row: &SqliteRow| {
            let key: Vec<u8> = row.try_get(0).map_err(failed)?;
            let key = String::from_utf8(key).map_err(|_| StorageError::Failed("a key is no text".into()))?;
            Ok(Listed { key, version: number(row, 1)?, bytes: number(row, 2)? })
        };
        rows.iter().map(listed).collect()
    }

    pub(super) async fn usage(&self, plugin: &str) -> Result<Usage, StorageError> {
        let row = sqlx::query(schema::FIND_USAGE).bind(plugin).fetch_optional(&self.pool).await.map_err(failed)?;
        Ok(row.map(|row| counted(&row)).transpose()?.map(|counted| counted.usage).unwrap_or_default())
    }

    pub(super) async fn forget(&self, plugin: &str) -> Result<(), StorageError> {
        let mut change = self.begin().await?;
        for statement in [schema::FORGET_ENTRIES, schema::FORGET_USAGE] {
            sqlx::query(statement).bind(plugin).execute(&mut *change).await.map_err(failed)?;
        }
        change.commit().await.map_err(failed)
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    /// Begins a change: nobody else writes until it ends. Dropped, it is taken back.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StorageError> {
        self.pool.begin_with("begin immediate").await.map_err(failed)
    }
}

/// The version and bytes of the value that is there.
async fn find(change: &mut Transaction<'_, Sqlite>, owner: Owner<'_>, key: &str) -> Result<Option<(u64, u64)>, StorageError> {
    let query = sqlx::query(schema::FIND_FACTS).bind(owner.plugin).bind(scope(owner)).bind(key.as_bytes());
    let row = query.fetch_optional(&mut **change).await.map_err(failed)?;
    row.map(|row| Ok((number(&row, 0)?, number(&row, 1)?))).transpose()
}

async fn count(change: &mut Transaction<'_, Sqlite>, plugin: &str) -> Result<Counted, StorageError> {
    let row = sqlx::query(schema::FIND_USAGE).bind(plugin).fetch_optional(&mut **change).await.map_err(failed)?;
    row.map_or(Ok(Counted { usage: Usage::default(), version: 0 }), |row| counted(&row))
}

async fn keep_count(change: &mut Transaction<'_, Sqlite>, plugin: &str, counted: Counted) -> Result<(), StorageError> {
    let Counted { usage, version } = counted;
    let query = sqlx::query(schema::SET_USAGE).bind(plugin).bind(signed(usage.keys)).bind(signed(usage.bytes)).bind(signed(version));
    query.execute(&mut **change).await.map_err(failed)?;
    Ok(())
}

fn counted(row: &SqliteRow) -> Result<Counted, StorageError> {
    Ok(Counted { usage: Usage { keys: number(row, 0)?, bytes: number(row, 1)? }, version: number(row, 2)? })
}

/// How a scope is written: a caller can have any name, so it is told from what is shared by what stands before it.
fn scope(owner: Owner<'_>) -> String {
    owner.caller.map_or_else(|| "shared".to_owned(), |caller| format!("caller:{}", caller.as_str()))
}

/// The first bytes that come after everything that begins with `prefix`; none when there are none.
fn after_prefix(prefix: &str) -> Option<Vec<u8>> {
    let mut bytes = prefix.as_bytes().to_vec();
    // UTF-8 has no byte 0xFF, so the last one can always be raised.
    let last = bytes.last_mut()?;
    *last += 1;
    Some(bytes)
}

fn number(row: &SqliteRow, column: usize) -> Result<u64, StorageError> {
    let number: i64 = row.try_get(column).map_err(failed)?;
    u64::try_from(number).map_err(|_| StorageError::Failed("a count is negative".into()))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Whether the file is in use by somebody else: `SQLITE_BUSY` or `SQLITE_LOCKED`, also in their longer forms.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn failed(error: sqlx::Error) -> StorageError {
    StorageError::Failed(error.to_string())
}
