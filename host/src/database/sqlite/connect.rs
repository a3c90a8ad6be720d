//! Where a database is, and connections to it: read-only ones for reading, one that writes.

use std::ops::Deref;
use std::ops::DerefMut;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::Connection;
use sqlx::Sqlite as Driver;
use sqlx::SqliteConnection;
use sqlx::pool::PoolConnection;
use sqlx::pool::PoolOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::sqlite::SqlitePool;
use tokio::sync::OnceCell;

use super::error;
use super::raw::Handle;
use super::raw::RawError;
use super::session::Wants;
use crate::config::DatabaseConfig;
use crate::config::Mode;
use crate::config::PoolConfig;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::error::Fault;
use crate::database::places::Place as Turn;
use crate::database::places::Places;

/// Where the data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A file.
    File {
        /// Absolute, so that it never looks like a `file:` URI.
        path: PathBuf,
        /// `mode=rwc`: made when it is not there.
        create: bool,
        /// `immutable=1`: nothing writes to it, so nothing is locked.
        immutable: bool,
    },
    /// Memory of this process, under a name that its connections share.
    Memory {
        /// The name.
        name: String,
    },
}

impl Place {
    /// Reads a URL: `sqlite:path`, `sqlite://path` or `sqlite::memory:`, with `?mode=ro|rw|rwc` and `?immutable=1`.
    ///
    /// # Errors
    ///
    /// `Refused` for an unknown parameter and for one that contradicts the configured mode.
    pub(super) fn parse(url: &str, mode: Mode) -> Result<Self, DatabaseError> {
        let rest = url.split_once(':').map_or(url, |(_, rest)| rest);
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (name, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let mut create = false;
        let mut immutable = false;
        let mut memory = name == ":memory:";
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            match (parameter, mode) {
                ("mode=ro", Mode::ReadOnly) | ("mode=rw", Mode::ReadWrite) => {}
                ("mode=rwc", Mode::ReadWrite) => create = true,
                ("mode=ro" | "mode=rw" | "mode=rwc", _) => {
                    return Err(wrong(format!("`{parameter}` in the URL contradicts the database's `mode`")).hint(match mode {
                        Mode::ReadOnly => "leave it out, or set `mode = \"read-write\"`",
                        Mode::ReadWrite => "leave it out, or set `mode = \"read-only\"`",
                    }));
                }
                ("mode=memory", _) => memory = true,
                ("immutable=1" | "immutable=true", Mode::ReadOnly) => immutable = true,
                ("immutable=1" | "immutable=true", Mode::ReadWrite) => {
                    return Err(wrong("`immutable` in the URL contradicts the database's `mode`".into()));
                }
                _ => {
                    return Err(wrong(format!("the URL has an unknown parameter `{parameter}`"))
                        .hint("known are `mode=ro`, `mode=rw`, `mode=rwc`, `mode=memory` and `immutable=1`"));
                }
            }
        }
        if memory {
            static NEXT: AtomicU64 = AtomicU64::new(0);
            return Ok(Self::Memory { name: format!("/tidegate-{}", NEXT.fetch_add(1, Ordering::Relaxed)) });
        }
        let name = decode(name).ok_or_else(|| wrong("the path in the URL is not UTF-8 after decoding its `%` escapes".into()))?;
        if name.is_empty() || name.contains('\0') {
            return Err(wrong("the URL names no file".into()).hint("write `sqlite:path/to/file.db`"));
        }
        let path = std::path::absolute(&name).map_err(|_| wrong("the path in the URL cannot be made absolute".into()))?;
        Ok(Self::File { path, create, immutable })
    }

    /// The name to show: the file without its folder.
    pub(super) fn label(&self) -> String {
        match self {
            Self::File { path, .. } => path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            Self::Memory { .. } => ":memory:".into(),
        }
    }

    /// The file, when it is one.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => Some(path),
            Self::Memory { .. } => None,
        }
    }

    fn options(&self, writes: bool) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new().disable_statement_logging().statement_cache_capacity(0).busy_timeout(Duration::ZERO);
        let options = match self {
            Self::File { path, create, immutable } => {
                options.filename(path).create_if_missing(*create && writes).immutable(*immutable && !writes)
            }
            Self::Memory { name } => options.filename(name).vfs("memdb").create_if_missing(writes),
        };
        match writes {
            true => options,
            // What sorts and groups do not fit goes to memory, under the limit of the process, and not to the disk.
            false => options.read_only(true).pragma("query_only", "ON").pragma("temp_store", "MEMORY"),
        }
    }
}

/// The connections of one database.
pub(super) struct Pools {
    place: Arc<Place>,
    pool: PoolConfig,
    readers: SqlitePool,
    writer: Option<SqlitePool>,
    /// For transactions over several calls, so that one which has written nothing yet is in nobody's way.
    transactions: Option<SqlitePool>,
    /// In front of the driver's own pools, which say neither who waits nor who has the connections.
    reading: Places,
    writing: Places,
    transacting: Places,
    /// Keeps a database in memory alive while no other connection is open.
    anchor: OnceCell<SqliteConnection>,
}

impl Pools {
    /// Prepares the pools without connecting.
    pub(super) fn new(config: &DatabaseConfig, place: Place) -> Self {
        let readers = pool(&config.pool, config.pool.max).connect_lazy_with(place.options(false));
        let writing = |max| (config.mode == Mode::ReadWrite).then(|| pool(&config.pool, max).connect_lazy_with(place.options(true)));
        let held = config.pool.max.div_ceil(2);
        let (writer, transactions) = (writing(1), writing(held));
        let places = |max| Places::new(&config.name, &PoolConfig { max, ..config.pool.clone() });
        let (reading, writing, transacting) = (places(config.pool.max), places(1), places(held));
        let (place, pool) = (Arc::new(place), config.pool.clone());
        Self { place, pool, readers, writer, transactions, reading, writing, transacting, anchor: OnceCell::new() }
    }

    /// Where the data is.
    pub(super) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// A connection of this kind.
    pub(super) async fn acquire(&self, wants: Wants) -> Result<Leased, DatabaseError> {
        let (pool, places) = match wants {
            Wants::Reader => (Some(&self.readers), &self.reading),
            Wants::Writer => (self.writer.as_ref(), &self.writing),
            Wants::TransactionWriter => (self.transactions.as_ref(), &self.transacting),
        };
        let Some(pool) = pool else { return Err(DatabaseError::new(ErrorKind::ReadOnly, "this database is read only")) };
        let turn = places.take().await?;
        self.hold_memory().await?;
        self.acquire_from(pool, turn).await
    }

    /// Opens the file beside the pools and reads its head. One that is still to be made counts as there.
    pub(super) async fn check(&self) -> Result<(), DatabaseError> {
        if matches!(*self.place, Place::Memory { .. }) || self.must_create() {
            return Ok(());
        }
        let read = async {
            let mut connection = self.place.options(false).connect().await?;
            let read = sqlx::query("PRAGMA schema_version").fetch_one(&mut connection).await.map(drop);
            let _ = connection.close().await;
            read
        };
        match read.await.map_err(|source| error::of_driver(source, &self.place)) {
            // Whoever keeps it locked shows that it is there.
            Err(error) if !error.fault.is_of_database() => Ok(()),
            read => read,
        }
    }

    /// A reading connection of its own, for texts of the host alone: nothing guards it.
    pub(super) async fn beside(&self) -> Result<SqliteConnection, sqlx::Error> {
        self.place.options(false).connect().await
    }

    /// Whether the file must be made before it can be read.
    pub(super) fn must_create(&self) -> bool {
        matches!(&*self.place, Place::File { path, create: true, .. } if !path.exists())
    }

    /// Closes every connection; waits for those in use.
    pub(super) async fn close(&self) {
        for writers in self.writer.iter().chain(&self.transactions) {
            writers.close().await;
        }
        self.readers.close().await;
    }

    async fn hold_memory(&self) -> Result<(), DatabaseError> {
        if matches!(*self.place, Place::Memory { .. }) {
            let connect = || async { self.place.options(true).connect().await };
            self.anchor.get_or_try_init(connect).await.map_err(|source| error::of_driver(source, &self.place))?;
        }
        Ok(())
    }

    async fn acquire_from(&self, pool: &SqlitePool, turn: Turn) -> Result<Leased, DatabaseError> {
        let acquired = pool.acquire().await.map_err(|source| match source {
            // Whoever has a place has a connection, unless the file system keeps it from being opened.
            sqlx::Error::PoolTimedOut => {
                let waited = self.pool.acquire_timeout;
                DatabaseError::new(ErrorKind::Unavailable, format!("`{}` could not be opened within {waited:?}", self.place.label()))
                    .fault(Fault::Connection)
            }
            other => error::of_driver(other, &self.place),
        });
        Ok(Leased { connection: acquired?, turn })
    }
}

/// A connection in use, with its place. Dropping it gives both back; [`discard`] closes the connection.
pub(super) struct Leased {
    connection: PoolConnection<Driver>,
    turn: Turn,
}

impl Deref for Leased {
    type Target = PoolConnection<Driver>;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl DerefMut for Leased {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

fn pool(config: &PoolConfig, max: u32) -> PoolOptions<Driver> {
    PoolOptions::new()
        .max_connections(max)
        .acquire_timeout(config.acquire_timeout)
        .idle_timeout(config.idle_timeout)
        .max_lifetime(config.max_lifetime)
        // A connection to a file does not break while it is idle.
        .test_before_acquire(false)
        .after_connect(|connection, _| Box::pin(harden(connection)))
}

async fn harden(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let handle = Handle::new(connection.lock_handle().await?);
    handle.harden().map_err(|RawError { message, .. }| sqlx::Error::Protocol(message))
}

/// Closes a connection that may not be used again, without waiting for it.
pub(super) fn discard(leased: Leased) {
    let Leased { connection, turn } = leased;
    drop(connection.detach());
    drop(turn);
}

/// Decodes `%` escapes.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| after.get(..2)).flatten();
        let byte = escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}

fn wrong(message: String) -> DatabaseError {
    DatabaseError::new(ErrorKind::Refused, message)
}
