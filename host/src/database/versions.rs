//! Versions of tables: whether what was read before may be shown again.
//!
//! # The protocol
//!
//! Every table of a database has a counter, and the database has one for everything. A write [begins](Versions::begin)
//! before its first statement is sent and [ends](WriteGuard::end) after the engine has answered its commit and **before
//! the write is acknowledged**; both count. A reader takes a [stamp](Versions::stamp) of the tables it depends on
//! **before** its statement is sent, keeps it with the rows, and shows the rows again only while the stamp of the
//! moment is the same.
//!
//! Why no reader ever sees what was before an acknowledged write: let a write take effect in the database at `c`, and
//! be acknowledged at `a`. Its guard began at `b < c` and ended at `e`, with `c ≤ e < a`. Rows without its effect were
//! read by a snapshot before `c`, so their stamp was taken before `c`; there is no stamp between `b` and `e`, so it was
//! taken before `b`, and counts less than every stamp taken after `e`. What is shown after `a` has a stamp of after `e`.
//!
//! A counter is even while nothing is under way, and odd from the moment that a write begins until the last one that
//! overlaps it has ended; an odd counter has no stamp. So a counter that was persisted tells after a crash which tables
//! were being written. A write whose outcome is not known may still take effect: its tables stay odd for a while.
//!
//! What a write touches is told from the schema. A change of the schema counts for everything, and while or after one
//! happens, every other write under way is taken to touch everything too: a trigger may have come under it.
//!
//! Not covered: writes past the host (see [`super::probe`]), and rows read from a replica, which may be older than the
//! stamp. Who reads from a replica must not keep the rows.

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use super::error::DatabaseError;
use super::error::ErrorKind;

/// The name under which the version of everything is logged. No table is called so: a table has a schema.
pub const EVERYTHING: &str = "*";

/// Tables that are told apart, in one database; a schema with more is taken as a whole.
const MOST_TABLES: usize = 100_000;

/// Keeps counters outside of this process, so that they outlive it or are shared with others.
pub trait VersionLog: Send + Sync {
    /// Notes the new version of a table (`schema.name`), or of [`EVERYTHING`].
    ///
    /// Called before the statement of a write is sent, with an odd number, and before the write is acknowledged, with an
    /// even one; the caller waits. Calls for one table may come in another order than their numbers: the greatest holds.
    fn record(&self, database: &str, table: &str, version: u64);
}

/// The tables whose rows an answer depends on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dependencies(Arc<Tables>);

#[derive(Debug)]
struct Tables {
    schema: u64,
    ids: Box<[u32]>,
    names: Box<[Arc<str>]>,
}

impl Dependencies {
    /// The tables by schema and name (`public.orders`), sorted.
    pub fn tables(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.names.iter().map(|name| &**name)
    }

    /// What a write to exactly these tables touches, for one that was seen from outside.
    pub fn as_touched(&self) -> Touched {
        Touched { schema: Some(self.0.schema), tables: self.0.ids.iter().copied().collect(), everything: false, changes_schema: false }
    }
}

impl PartialEq for Dependencies {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.ids == other.0.ids && self.0.schema == other.0.schema)
    }
}

/// What a write may change. Several are merged into that of a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// The schema that the tables were told from; none when it does not matter.
    schema: Option<u64>,
    tables: BTreeSet<u32>,
    everything: bool,
    changes_schema: bool,
}

impl Touched {
    /// Nothing at all.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Every table, because it cannot be told.
    pub fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Every table, and what they are: a statement that changes schema, roles or settings.
    pub fn schema() -> Self {
        Self { everything: true, changes_schema: true, ..Self::default() }
    }

    /// These tables, as the schema of that generation has them.
    pub(super) fn tables(schema: u64, tables: BTreeSet<u32>) -> Self {
        Self { schema: Some(schema), tables, ..Self::default() }
    }

    /// Adds what another write touches.
    pub fn merge(&mut self, other: Self) {
        self.everything |= other.everything || (self.schema.is_some() && other.schema.is_some() && self.schema != other.schema);
        self.changes_schema |= other.changes_schema;
        self.schema = self.schema.or(other.schema);
        self.tables.extend(other.tables);
    }

    /// Whether it may be any table.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// Whether it is no table at all.
    pub fn is_nothing(&self) -> bool {
        !self.everything && self.tables.is_empty()
    }
}

/// The versions that some tables had at one moment. Two are equal when nothing was written in between.
#[derive(Clone)]
pub struct Stamp {
    epoch: u64,
    everything: u64,
    tables: Arc<Tables>,
    versions: Box<[u64]>,
}

impl Stamp {
    /// A form to keep beside the rows, also outside of this process: equal for equal stamps and for no others.
    pub fn to_bytes(&self) -> Vec<u8> {
        let names: usize = self.tables.names.iter().map(|name| name.len() + 12).sum();
        let mut bytes = Vec::with_capacity(16 + names);
        bytes.extend(self.epoch.to_le_bytes());
        bytes.extend(self.everything.to_le_bytes());
        for (name, version) in self.tables.names.iter().zip(&self.versions) {
            bytes.extend(u32::try_from(name.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend(name.as_bytes());
            bytes.extend(version.to_le_bytes());
        }
        bytes
    }
}

impl PartialEq for Stamp {
    fn eq(&self, other: &Self) -> bool {
        self.epoch == other.epoch
            && self.everything == other.everything
            && self.versions == other.versions
            && (Arc::ptr_eq(&self.tables, &other.tables) || self.tables.names == other.tables.names)
    }
}

impl Eq for Stamp {}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = self.tables.names.iter().zip(&self.versions);
        f.debug_map().entry(&EVERYTHING, &self.everything).entries(tables).finish()
    }
}

/// How a write came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect or it did not; nothing of it is still on its way.
    Settled,
    /// It may still take effect.
    Unknown,
}

impl Outcome {
    /// What the answer to a write says: nothing is on its way any more when it succeeded, when it was refused before it was sent, and
    /// when the engine itself says by a code why it failed.
    pub fn of(error: Option<&DatabaseError>) -> Self {
        let Some(error) = error else { return Self::Settled };
        let code = error.sqlstate.as_deref();
        match error.kind {
            // The statement was stopped; whether before its commit is not told.
            ErrorKind::Timeout | ErrorKind::Cancelled => Self::Unknown,
            // A file that is locked or full is no connection that was lost.
            ErrorKind::Unavailable if code.is_some_and(|code| code.starts_with("SQLITE_")) => Self::Settled,
            ErrorKind::Unavailable => Self::Unknown,
            // `statement_completion_unknown` and `transaction_resolution_unknown`.
            ErrorKind::Failed if matches!(code, None | Some("40003" | "08007")) => Self::Unknown,
            ErrorKind::UnknownDatabase
            | ErrorKind::AccessDenied
            | ErrorKind::ReadOnly
            | ErrorKind::MultipleStatements
            | ErrorKind::Refused
            | ErrorKind::HookRefused
            | ErrorKind::Syntax
            | ErrorKind::UnknownTable
            | ErrorKind::UnknownColumn
            | ErrorKind::Constraint
            | ErrorKind::InvalidParameters
            | ErrorKind::PoolExhausted
            | ErrorKind::TooLarge
            | ErrorKind::NotSupported
            | ErrorKind::UnknownCursor
            | ErrorKind::Failed => Self::Settled,
        }
    }
}

/// A write under way. Dropped without [`end`](Self::end), its outcome counts as unknown.
#[must_use = "a write has ended when its guard is dropped"]
pub struct WriteGuard {
    versions: Arc<Versions>,
    /// None once it has ended, and for a write that touches nothing.
    id: Option<u64>,
}

impl WriteGuard {
    /// Takes note of the end. Must be called before the write is acknowledged.
    pub fn end(mut self, outcome: Outcome) {
        self.finish(outcome);
    }

    fn finish(&mut self, outcome: Outcome) {
        if let Some(id) = self.id.take() {
            self.versions.finish(id, outcome, Instant::now());
        }
    }
}

impl Drop for WriteGuard {
    fn drop(&mut self) {
        self.finish(Outcome::Unknown);
    }
}

/// The counters of one database.
pub struct Versions {
    database: Box<str>,
    /// How long a write whose outcome is not known may still take effect.
    settles_after: Duration,
    log: OnceLock<Arc<dyn VersionLog>>,
    state: Mutex<State>,
}

struct State {
    epoch: u64,
    /// How often the schema changed.
    schema: u64,
    /// Changes of the schema under way.
    schema_changes: u32,
    everything: Counter,
    tables: Vec<Counter>,
    names: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, u32>,
    writes: HashMap<u64, Write>,
    next_write: u64,
    /// When the first of the writes with unknown outcome is over.
    next_settled: Option<Instant>,
}

#[derive(Clone, Copy, Default)]
struct Counter {
    version: u64,
    writers: u32,
}

/// A write under way, or one whose outcome is not known.
struct Write {
    touched: Touched,
    settled_at: Option<Instant>,
}

/// New versions that the log has not heard of.
type News = Vec<(Arc<str>, u64)>;

impl Versions {
    /// Counters that begin anew. `settles_after` is how long a write of unknown outcome may still take effect.
    pub fn new(database: &str, settles_after: Duration) -> Arc<Self> {
        let state = State {
            epoch: getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id())),
            schema: 0,
            schema_changes: 0,
            everything: Counter::default(),
            tables: Vec::new(),
            names: Vec::new(),
            ids: HashMap::new(),
            writes: HashMap::new(),
            next_write: 0,
            next_settled: None,
        };
        Arc::new(Self { database: database.into(), settles_after, log: OnceLock::new(), state: Mutex::new(state) })
    }

    /// Goes on with the counters of an earlier process, and tells `log` of every new one. Only before the first write.
    ///
    /// `epoch` names the life of the log: stamps of two epochs are never equal. Take a new random one whenever counters may be
    /// missing. A table that was being written when the other process ended has no stamp for a while.
    pub fn restore(&self, epoch: u64, versions: impl IntoIterator<Item = (String, u64)>, log: Arc<dyn VersionLog>) {
        let mut state = self.lock();
        state.epoch = epoch;
        let mut left_open = Touched::nothing();
        for (name, version) in versions {
            if name == EVERYTHING {
                state.everything.version = version;
                left_open.everything = version % 2 == 1;
            } else if let Some(id) = state.intern(&name) {
                state.tables[id as usize].version = version;
                if version % 2 == 1 {
                    left_open.tables.insert(id);
                }
            }
        }
        if !left_open.is_nothing() {
            let mut news = News::new();
            let id = state.begin(left_open, &mut news);
            state.defer(id, Instant::now() + self.settles_after);
        }
        drop(state);
        // A second log is a mistake of the caller; the first one stays.
        let _ = self.log.set(log);
    }

    /// The versions of these tables now; none while a write to one of them is under way, or may still take effect, and when
    /// the schema has changed since the tables were told.
    pub fn stamp(&self, dependencies: &Dependencies) -> Option<Stamp> {
        self.stamp_at(dependencies, Instant::now)
    }

    /// Takes note of a write. Must be called before its first statement is sent.
    pub fn begin(self: &Arc<Self>, touched: Touched) -> WriteGuard {
        let id = (!touched.is_nothing()).then(|| self.start(touched, Instant::now()));
        WriteGuard { versions: self.clone(), id }
    }

    /// Takes note of a write that happened outside of the host.
    pub fn written_outside(self: &Arc<Self>, touched: Touched) {
        self.begin(touched).end(Outcome::Settled);
    }

    /// The names of the tables that a write touches, sorted, for people; none when it may be any.
    pub fn names(&self, touched: &Touched) -> Option<Vec<Arc<str>>> {
        let state = self.lock();
        let mut names: Vec<_> = touched.tables.iter().map(|id| state.names[*id as usize].clone()).collect();
        names.sort_unstable();
        (!touched.everything).then_some(names)
    }

    /// What a write to these tables (`schema.name`, or [`EVERYTHING`]) touches, for one that another process tells of.
    pub fn touched<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Touched {
        let mut state = self.lock();
        let mut touched = Touched::nothing();
        for name in names {
            match state.intern(name) {
                Some(id) if name != EVERYTHING => drop(touched.tables.insert(id)),
                Some(_) | None => touched.everything = true,
            }
        }
        touched
    }

    /// The generation of the schema, for what is told from the catalog; none while the host is changing it.
    pub fn schema(&self) -> Option<u64> {
        let state = self.lock();
        (state.schema_changes == 0).then_some(state.schema)
    }

    /// Takes note that the schema turned out to be another one than before, without the host. The new generation; none when
    /// `schema` is not the one of now.
    pub(super) fn changed_outside(&self, schema: u64) -> Option<u64> {
        let mut news = News::new();
        let mut state = self.lock();
        let is_now = state.schema_changes == 0 && state.schema == schema;
        if is_now {
            let id = state.begin(Touched::schema(), &mut news);
            state.end(id, &mut news);
        }
        let schema = is_now.then_some(state.schema);
        drop(state);
        self.tell(news);
        schema
    }

    /// The numbers of tables by their names (`schema.name`); none when there are too many.
    pub(super) fn intern<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Option<Vec<u32>> {
        let mut state = self.lock();
        names.into_iter().map(|name| state.intern(name)).collect()
    }

    /// Dependencies on tables by their numbers, as the schema of that generation has them.
    pub(super) fn dependencies(&self, schema: u64, ids: &BTreeSet<u32>) -> Dependencies {
        let state = self.lock();
        let mut tables: Vec<(Arc<str>, u32)> = ids.iter().map(|id| (state.names[*id as usize].clone(), *id)).collect();
        tables.sort_unstable();
        let (names, ids): (Vec<Arc<str>>, Vec<u32>) = tables.into_iter().unzip();
        Dependencies(Arc::new(Tables { schema, ids: ids.into(), names: names.into() }))
    }

    fn stamp_at(&self, dependencies: &Dependencies, now: impl FnOnce() -> Instant) -> Option<Stamp> {
        let mut news = News::new();
        let mut state = self.lock();
        if state.next_settled.is_some() {
            state.settle(now(), &mut news);
        }
        let stamp = state.stamp(dependencies);
        drop(state);
        self.tell(news);
        stamp
    }

    fn start(&self, touched: Touched, now: Instant) -> u64 {
        let mut news = News::new();
        let mut state = self.lock();
        state.settle(now, &mut news);
        let id = state.begin(touched, &mut news);
        drop(state);
        self.tell(news);
        id
    }

    fn finish(&self, id: u64, outcome: Outcome, now: Instant) {
        let mut news = News::new();
        let mut state = self.lock();
        state.settle(now, &mut news);
        match outcome {
            Outcome::Settled => state.end(id, &mut news),
            Outcome::Unknown => state.defer(id, now + self.settles_after),
        }
        drop(state);
        self.tell(news);
    }

    fn tell(&self, news: News) {
        let Some(log) = self.log.get() else { return };
        for (table, version) in news {
            log.record(&self.database, &table, version);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn intern(&mut self, name: &str) -> Option<u32> {
        if let Some(id) = self.ids.get(name) {
            return Some(*id);
        }
        let id = u32::try_from(self.names.len()).ok().filter(|_| self.names.len() < MOST_TABLES)?;
        let name: Arc<str> = name.into();
        self.ids.insert(name.clone(), id);
        self.names.push(name);
        self.tables.push(Counter::default());
        Some(id)
    }

    fn stamp(&self, dependencies: &Dependencies) -> Option<Stamp> {
        let tables = &dependencies.0;
        if tables.schema != self.schema || self.everything.version % 2 == 1 {
            return None;
        }
        let version = |id: &u32| Some(self.tables[*id as usize].version).filter(|version| version % 2 == 0);
        let versions = tables.ids.iter().map(version).collect::<Option<_>>()?;
        Some(Stamp { epoch: self.epoch, everything: self.everything.version, tables: tables.clone(), versions })
    }

    fn begin(&mut self, mut touched: Touched, news: &mut News) -> u64 {
        if touched.changes_schema {
            self.schema_changes += 1;
            self.widen(news);
        }
        // The tables were told from a schema that is not there any more.
        touched.everything |= touched.schema.is_some_and(|schema| schema != self.schema);
        self.count(&touched, Counter::begin, news);
        self.next_write += 1;
        self.writes.insert(self.next_write, Write { touched, settled_at: None });
        self.next_write
    }

    fn end(&mut self, id: u64, news: &mut News) {
        let Some(Write { touched, .. }) = self.writes.remove(&id) else { return };
        if touched.changes_schema {
            self.schema_changes -= 1;
            self.widen(news);
        }
        self.count(&touched, Counter::end, news);
    }

    /// The schema is another one now, and writes under way may touch what they did not touch before.
    fn widen(&mut self, news: &mut News) {
        self.schema += 1;
        for write in self.writes.values_mut().filter(|write| !write.touched.everything) {
            write.touched.everything = true;
            news.extend(self.everything.begin().map(|version| (EVERYTHING.into(), version)));
        }
    }

    fn count(&mut self, touched: &Touched, how: fn(&mut Counter) -> Option<u64>, news: &mut News) {
        if touched.everything {
            news.extend(how(&mut self.everything).map(|version| (EVERYTHING.into(), version)));
        }
        for id in &touched.tables {
            let id = *id as usize;
            news.extend(how(&mut self.tables[id]).map(|version| (self.names[id].clone(), version)));
        }
    }

    /// Lets a write count as under way until then.
    fn defer(&mut self, id: u64, until: Instant) {
        if let Some(write) = self.writes.get_mut(&id) {
            write.settled_at = Some(until);
            self.next_settled = Some(self.next_settled.map_or(until, |next| next.min(until)));
        }
    }

    /// Ends the writes that can take effect no more.
    fn settle(&mut self, now: Instant, news: &mut News) {
        if self.next_settled.is_none_or(|next| next > now) {
            return;
        }
        let over = |write: &Write| write.settled_at.is_some_and(|at| at <= now);
        let settled: Vec<u64> = self.writes.iter().filter(|(_, write)| over(write)).map(|(id, _)| *id).collect();
        for id in settled {
            self.end(id, news);
        }
        self.next_settled = self.writes.values().filter_map(|write| write.settled_at).min();
    }
}

impl Counter {
    /// The new version, if it changes.
    fn begin(&mut self) -> Option<u64> {
        self.writers += 1;
        (self.version % 2 == 0).then(|| {
            self.version += 1;
            self.version
        })
    }

    /// The new version, if it changes.
    fn end(&mut self) -> Option<u64> {
        self.writers -= 1;
        (self.writers == 0).then(|| {
            self.version += 1;
            self.version
        })
    }
}
