//! Sees writes of other connections and processes by `PRAGMA data_version`, on a connection kept for it.
//!
//! The number means something only to the connection that asks. <https://www.sqlite.org/pragma.html#pragma_data_version>

use std::path::Path;

use sqlx::SqliteConnection;
use tokio::sync::Mutex;

use super::connect::Pools;
use super::error;
use crate::database::error::DatabaseError;

/// The connection, with a number of its own.
#[derive(Default)]
pub(super) struct Watcher(Mutex<Option<(u64, SqliteConnection)>>);

impl Watcher {
    /// A value that changes with every write to the file; none for a database in memory, which nobody else can write.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub(super) async fn probe(&self, pools: &Pools) -> Result<Option<String>, DatabaseError> {
        let Some(path) = pools.place().path() else { return Ok(None) };
        let of_driver = |source| error::of_driver(source, pools.place());
        let mut kept = self.0.lock().await;
        // Taken out, so that a connection which fails or is dropped in the middle is not asked again.
        let (number, mut connection) = match kept.take() {
            Some(kept) => kept,
            None => (getrandom::u64().unwrap_or_default(), pools.beside().await.map_err(of_driver)?),
        };
        let version: i64 = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut connection).await.map_err(of_driver)?;
        let identity = identity(path).await;
        *kept = Some((number, connection));
        Ok(Some(format!("{number:x}.{version}.{identity}")))
    }

    /// Closes the connection.
    pub(super) async fn close(&self) {
        self.0.lock().await.take();
    }
}

/// Which file it is: another one may have taken its name, which the connection does not see.
async fn identity(path: &Path) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        match tokio::fs::metadata(path).await {
            Ok(metadata) => format!("{:x}.{:x}", metadata.dev(), metadata.ino()),
            Err(_) => String::new(),
        }
    }
    #[cfg(not(unix))]
    {
        // Elsewhere an open file cannot be replaced.
        let _ = path;
        String::new()
    }
}
