//! The tier that replicas share, in one Redis or Valkey server: entries, and the versions of the tables they were read from.
//!
//! A table's version is a random token. A write replaces it before it is acknowledged; an entry is good while the tokens in its
//! stamp are those of now. Counters would begin again when the server forgets them, by eviction or a restart, and could then
//! meet an old entry; a token that is gone is replaced by one that no entry has. The run of the server is part of the stamp for the
//! same reason: one that comes back from a snapshot has tokens and entries of the past.
//!
//! The server may be away. A lookup is then a miss, within the configured time, and nothing from memory or disk that others
//! might have written since is used either. A write that it could not be told of is remembered and said, as one to the whole
//! database, before this process uses the tier again. Until then other replicas that do reach the server can answer with what was
//! before that write, for as long as the time of an entry; so they can when this process dies in between.
//!
//! Rows lie on the server in the clear, and whoever can write to it decides what clients read: it needs a password and, off the
//! machine, TLS (`rediss:`). A cluster is not supported: keys that are used together lie on different nodes of it.

mod breaker;
mod keys;
mod link;
mod unsent;

use std::collections::BTreeSet;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::SystemTime;

use redis::RedisError;
use tokio::task::AbortHandle;

use crate::config::DatabaseName;
use crate::config::SharedCacheConfig;

use super::Clear;
use super::digest::Digest;
use super::entry::Entry;
use super::entry::Stamp;
use super::figures::Counters;
use super::figures::TierFigures;
use super::memory::Look;
use super::record;
use super::record::Description;

use keys::Keys;
use keys::TOKEN_TTL;
use keys::random_token;
use keys::replace_tokens;
use link::Away;
use link::Link;
use link::Live;
use unsent::Scope;
use unsent::Unsent;

/// Bytes of a record; larger ones are neither sent nor read.
const RECORD_BYTES: usize = 4 << 20;

/// How long each step of a clear may take: it is asked for by a person, and goes through every key.
const CLEAR_TIMEOUT: Duration = Duration::from_secs(2);

/// Keys that one step of a clear looks at.
const CLEAR_STEP: usize = 500;

/// Pauses between attempts to connect, from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long saying what was unsent may take.
const SAY_TIMEOUT: Duration = Duration::from_secs(2);

/// Entries and versions on a server.
pub(super) struct Shared {
    inner: Arc<Inner>,
    /// The task that holds the connection; it begins with the first use, when there is surely a runtime.
    keeper: OnceLock<AbortHandle>,
}

struct Inner {
    link: Link,
    keys: Keys,
    unsent: Mutex<Unsent>,
    counters: Counters,
}

impl Shared {
    /// Prepares the tier. The server need not be there.
    ///
    /// # Errors
    ///
    /// The URL is none.
    pub(super) fn new(config: &SharedCacheConfig) -> Result<Self, RedisError> {
        let inner = Inner {
            link: Link::new(config.url.reveal(), config.timeout)?,
            keys: Keys::new(&config.prefix),
            unsent: Mutex::default(),
            counters: Counters::default(),
        };
        Ok(Self { inner: Arc::new(inner), keeper: OnceLock::new() })
    }

    /// What the versions of these tables are now; none when that cannot be told, or when a write of this process has not been said.
    pub(super) async fn stamp(&self, database: &DatabaseName, tables: &[String]) -> Option<[u8; 32]> {
        let inner = self.used();
        if inner.unsent().concerns(database) {
            inner.link.wake();
            return None;
        }
        let tables: BTreeSet<&str> = tables.iter().map(String::as_str).collect();
        let mut keys = vec![inner.keys.everything(), inner.keys.database(database)];
        keys.extend(tables.iter().map(|table| inner.keys.table(database, table)));
        let mut read = redis::pipe();
        read.cmd("MGET").arg(&keys);
        let ((mut tokens,), mut run): ((Vec<Option<Vec<u8>>>,), _) = inner.link.run(&read).await.ok()?;
        if tokens.iter().any(Option::is_none) {
            let mut begin = redis::pipe();
            for (key, _) in keys.iter().zip(&tokens).filter(|(_, token)| token.is_none()) {
                // Another replica may begin the same one at this moment: the first counts.
                begin.cmd("SET").arg(key).arg(&random_token()).arg("NX").arg("PX").arg(to_ms(TOKEN_TTL)).ignore();
            }
            begin.cmd("MGET").arg(&keys);
            ((tokens,), run) = inner.link.run(&begin).await.ok()?;
        }
        let mut digest = Digest::builder("shared stamp").part(run.as_bytes());
        for (key, token) in keys.iter().zip(tokens) {
            digest = digest.part(key.as_bytes()).part(&token?);
        }
        Some(*digest.finish().as_bytes())
    }

    /// Begins a write to these tables, or to any of the database when none are given.
    pub(super) fn writing(&self, database: &DatabaseName, tables: Option<&[String]>) -> Saying {
        let inner = self.used();
        let keys = match tables {
            Some(tables) => tables.iter().map(|table| inner.keys.table(database, table)).collect(),
            None => vec![inner.keys.database(database)],
        };
        Saying::new(inner.clone(), vec![Some(database.clone())], keys)
    }

    pub(super) async fn find(&self, digest: &Digest, current: &Stamp) -> Look {
        let inner = self.used();
        let look = inner.look(digest, current).await;
        let counter = if matches!(look, Look::Hit(_)) { &inner.counters.hits } else { &inner.counters.misses };
        counter.add(1);
        look
    }

    /// Sends an entry; false when it is too large.
    pub(super) async fn keep(&self, digest: &Digest, entry: &Entry) -> bool {
        let Some(record) = record::encode(digest, entry).filter(|record| record.len() <= RECORD_BYTES) else { return false };
        let Some(ttl) = entry.remaining(SystemTime::now()) else { return true };
        let inner = self.used();
        let mut send = redis::pipe();
        send.cmd("SET").arg(inner.keys.entry(digest)).arg(record).arg("PX").arg(to_ms(ttl).max(1)).ignore();
        let _ = inner.link.run::<()>(&send).await;
        true
    }

    /// Removes what `what` names, and notes the digests. `others` are the tables of entries that the other tiers removed by the same
    /// pattern: replicas hold them in memory, where they can be reached by their tables' versions only.
    pub(super) async fn clear(&self, what: &Clear, removed: &mut HashSet<Digest>, others: &[Description]) {
        let inner = self.used();
        let found = inner.remove_entries(what, removed).await;
        let (scopes, keys): (Vec<Scope>, Vec<String>) = match what {
            Clear::All => (vec![None], vec![inner.keys.everything()]),
            Clear::Table { database, table } => (vec![Some(database.clone())], vec![inner.keys.table(database, table)]),
            Clear::Pattern(_) => {
                let all = || found.iter().chain(others);
                let scopes: BTreeSet<Scope> = all().map(|entry| Some(entry.database.clone())).collect();
                let tables = all().flat_map(|entry| entry.tables.iter().map(|table| inner.keys.table(&entry.database, table)));
                let keys: BTreeSet<String> = tables.collect();
                (scopes.into_iter().collect(), keys.into_iter().collect())
            }
        };
        if keys.is_empty() {
            return;
        }
        Saying::new(inner.clone(), scopes, keys).say_within(CLEAR_TIMEOUT).await;
    }

    pub(super) fn figures(&self) -> TierFigures {
        let figures = self.inner.counters.figures(0, 0, None);
        TierFigures { errors: figures.errors + self.inner.link.errors(), ..figures }
    }

    /// The tier with a task that holds its connection.
    fn used(&self) -> &Arc<Inner> {
        self.keeper.get_or_init(|| tokio::spawn(keep_connected(self.inner.clone())).abort_handle());
        &self.inner
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.get() {
            keeper.abort();
        }
    }
}

impl Inner {
    async fn look(&self, digest: &Digest, current: &Stamp) -> Look {
        let key = self.keys.entry(digest);
        let mut read = redis::pipe();
        // A part, so that what somebody else put there is not read into memory whole.
        read.cmd("GETRANGE").arg(&key).arg(0).arg(RECORD_BYTES - 1);
        let Ok(((bytes,), _)) = self.link.run::<(Vec<u8>,)>(&read).await else { return Look::Miss };
        if bytes.is_empty() {
            return Look::Miss;
        }
        let entry = match record::decode(digest, &bytes) {
            Ok(entry) => entry,
            Err(error) => {
                self.counters.errors.add(1);
                tracing::warn!(%error, "Result in the shared cache is not used: {error}");
                let mut remove = redis::pipe();
                remove.cmd("UNLINK").arg(&key).ignore();
                let _ = self.link.run::<()>(&remove).await;
                return Look::Miss;
            }
        };
        if entry.remaining(SystemTime::now()).is_none() {
            return Look::Miss;
        }
        if current.shared.is_none() || entry.stamp.shared != current.shared {
            return Look::Stale;
        }
        // The tokens show that it holds for what this process sees now, so from here on its own counters decide as well.
        Look::Hit(Arc::new(Entry { stamp: current.clone(), ..entry }))
    }

    /// Removes entries, as far as the server answers.
    async fn remove_entries(&self, what: &Clear, removed: &mut HashSet<Digest>) -> Vec<Description> {
        let mut found = Vec::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::pipe();
            scan.cmd("SCAN").arg(cursor).arg("MATCH").arg(self.keys.every_entry()).arg("COUNT").arg(CLEAR_STEP);
            let Ok((((next, keys),), _)) = self.link.run_within::<((u64, Vec<String>),)>(&scan, CLEAR_TIMEOUT).await else { break };
            if !keys.is_empty() && self.remove_step(what, keys, removed, &mut found).await.is_err() {
                break;
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        found
    }

    async fn remove_step(
        &self,
        what: &Clear,
        keys: Vec<String>,
        removed: &mut HashSet<Digest>,
        found: &mut Vec<Description>,
    ) -> Result<(), Away> {
        let mut gone = Vec::new();
        if matches!(what, Clear::All) {
            gone = keys;
        } else {
            let mut read = redis::pipe();
            for key in &keys {
                read.cmd("GETRANGE").arg(key).arg(0).arg(record::HEAD_BYTES - 1);
            }
            let (heads, _) = self.link.run_within::<Vec<Vec<u8>>>(&read, CLEAR_TIMEOUT).await?;
            for (key, head) in keys.into_iter().zip(heads) {
                let description = record::describe(&head).ok();
                if description.as_ref().is_none_or(|entry| what.names(&entry.database, &entry.tables, &entry.label)) {
                    gone.push(key);
                    found.extend(description);
                }
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        let mut remove = redis::pipe();
        remove.cmd("UNLINK").arg(&gone).ignore();
        self.link.run_within::<()>(&remove, CLEAR_TIMEOUT).await?;
        removed.extend(gone.iter().filter_map(|key| self.keys.parse_entry(key)));
        Ok(())
    }

    /// Says what was unsent, as writes to whole databases.
    async fn say_unsent(&self, live: &mut Live) -> Result<(), RedisError> {
        let list = self.unsent().list();
        if list.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = list.iter().map(|(scope, _)| self.keys.scope(scope)).collect();
        let said = tokio::time::timeout(SAY_TIMEOUT, replace_tokens(&keys).query_async::<()>(&mut live.connection)).await;
        said.unwrap_or_else(|_| Err(RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))))?;
        self.unsent().said(&list);
        Ok(())
    }

    /// The list is whole at every point where a thread could panic.
    fn unsent(&self) -> MutexGuard<'_, Unsent> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds a connection for as long as the tier lives: makes it, says first what was unsent, and makes another one when it breaks.
async fn keep_connected(inner: Arc<Inner>) {
    let mut pause = FIRST_PAUSE;
    loop {
        match hold_one(&inner).await {
            Ok(()) => pause = FIRST_PAUSE,
            Err(error) => {
                inner.link.note_away(&error);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Makes a connection and returns when it is broken.
async fn hold_one(inner: &Inner) -> Result<(), RedisError> {
    let mut live = inner.link.connect().await?;
    inner.say_unsent(&mut live).await?;
    inner.link.publish(live.clone());
    let ended = loop {
        if inner.link.woken(&live).await {
            break Ok(());
        }
        if let Err(error) = inner.say_unsent(&mut live).await {
            break Err(error);
        }
    };
    inner.link.withdraw();
    ended
}

/// A write that is to be said. Dropped before it was, because that failed or the call was cancelled, it is remembered.
pub(super) struct Saying {
    inner: Arc<Inner>,
    scopes: Vec<Scope>,
    keys: Vec<String>,
}

impl Saying {
    fn new(inner: Arc<Inner>, scopes: Vec<Scope>, keys: Vec<String>) -> Self {
        Self { inner, scopes, keys }
    }

    /// Says it within the time of a lookup, or has it remembered.
    pub(super) async fn say(self) {
        let timeout = self.inner.link.timeout();
        self.say_within(timeout).await;
    }

    async fn say_within(self, timeout: Duration) {
        let said = self.keys.is_empty() || self.inner.link.run_within::<()>(&replace_tokens(&self.keys), timeout).await.is_ok();
        if said {
            self.said();
        }
    }

    /// There is nothing left to say.
    pub(super) fn said(mut self) {
        self.scopes.clear();
    }
}

impl Drop for Saying {
    fn drop(&mut self) {
        if !self.scopes.is_empty() {
            let mut unsent = self.inner.unsent();
            self.scopes.drain(..).for_each(|scope| unsent.add(scope));
            drop(unsent);
            self.inner.link.wake();
        }
    }
}

fn to_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
