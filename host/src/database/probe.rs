//! Whether somebody wrote past the host, by what the engine itself counts. Beside versions, never instead of them.
//!
//! | engine | what is compared | how late |
//! | --- | --- | --- |
//! | SQLite | `data_version`, the file's identity | at once; any write to the file counts, also the host's own |
//! | PostgreSQL 15 and later | counters of rows written, the tables' files | 1 s after the writer's transaction, 10 s when the writer was just counted and then rests |
//! | PostgreSQL 13 and 14 | the same | half a second, or until the writer's next transaction, when it was just counted and then rests |
//! | MySQL, MariaDB | `UPDATE_TIME` | at once, with answers only for tables that rested for two seconds |
//!
//! No answer where the engine does not tell: databases in memory, PostgreSQL without `track_counts`, partitioned tables and
//! some storage engines of MySQL, TiDB. An answer is shared for `SHARED_FOR`, which adds to the above.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use super::Database;
use super::versions::touched::Dependencies;
use crate::call::Call;
use crate::config::EngineKind;

/// How long an answer is shared by all who ask about the same tables.
const SHARED_FOR: Duration = Duration::from_millis(100);

/// The longest that one may take.
const LIMIT: Duration = Duration::from_secs(1);

/// Sets of tables whose last answer is remembered.
const REMEMBERED: usize = 256;

/// What the engine tells about writes to some tables: equal as long as nobody wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe(Arc<str>);

impl Probe {
    /// A form to keep beside the rows.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The last answer about one set of tables; whoever asks the engine holds the lock.
type Last = Arc<tokio::sync::Mutex<Option<(Instant, Option<Probe>)>>>;

/// The last answers of one database.
#[derive(Default)]
pub(super) struct Probes(Mutex<HashMap<Box<str>, Last>>);

impl Probes {
    fn of(&self, tables: Box<str>) -> Last {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= REMEMBERED && !last.contains_key(&tables) {
            last.clear();
        }
        last.entry(tables).or_default().clone()
    }
}

impl Database {
    /// A value to compare with one of earlier: when they are equal, nobody wrote to these tables in between, as far as the engine
    /// tells, and as late as it tells. None when it does not tell, or not now; that is no sign of a write, nor of none.
    ///
    /// Take it with the stamp, before the statement is sent. Asks the engine at most once in `SHARED_FOR` for a set of tables.
    pub async fn probe(&self, call: &Call, tables: &Dependencies) -> Option<Probe> {
        let names: Vec<String> = tables.tables().map(str::to_owned).collect();
        let key = match self.config.engine {
            // One answer for the whole file.
            EngineKind::Sqlite => String::new(),
            EngineKind::Postgres | EngineKind::MySql => names.join("\0"),
        };
        let last = self.probes.of(key.into());
        let asked = async {
            let mut last = last.lock().await;
            if let Some((at, probe)) = &*last
                && at.elapsed() < SHARED_FOR
            {
                return probe.clone();
            }
            let at = Instant::now();
            let probe = match self.ask_probe(call, names).await {
                Ok(probe) => probe.map(|probe| Probe(probe.into())),
                Err(error) => {
                    tracing::debug!(%error, "Database `{}` cannot be asked for writes past the host", self.config.name);
                    None
                }
            };
            *last = Some((at, probe.clone()));
            probe
        };
        tokio::time::timeout(LIMIT.min(call.remaining()), asked).await.ok().flatten()
    }
}
