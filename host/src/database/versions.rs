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
mod state;
#[cfg(test)]
mod tests;
pub mod touched;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use super::error::DatabaseError;
use super::error::Effect;
use super::error::ErrorKind;
use state::News;
use state::State;
use touched::Dependencies;
use touched::Stamp;
use touched::Tables;
use touched::Touched;

/// The name under which the version of everything is logged. No table is called so: a table has a schema.
pub const EVERYTHING: &str = "*";

/// Keeps counters outside of this process, so that they outlive it or are shared with others.
pub trait VersionLog: Send + Sync {
    /// Notes the new version of a table (`schema.name`), or of [`EVERYTHING`].
    ///
    /// Called before the statement of a write is sent, with an odd number, and before the write is acknowledged, with an
    /// even one; the caller waits. Calls for one table may come in another order than their numbers: the greatest holds.
    fn record(&self, database: &str, table: &str, version: u64);
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
        if error.effect == Effect::Unknown {
            return Self::Unknown;
        }
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
            | ErrorKind::TransactionNotFound
            | ErrorKind::ConfirmationRequired
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

impl Versions {
    /// The name under which they are logged and told to others: that of the first database that has them.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Counters that begin anew. `settles_after` is how long a write of unknown outcome may still take effect.
    pub fn new(database: &str, settles_after: Duration) -> Arc<Self> {
        Arc::new(Self { database: database.into(), settles_after, log: OnceLock::new(), state: Mutex::new(State::new()) })
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
                left_open.everything = !state.everything.is_settled();
            } else if let Some(id) = state.intern(&name) {
                let counter = &mut state.tables[id as usize];
                counter.version = version;
                if !counter.is_settled() {
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

    /// The tables known by now that `name` may mean: with its schema or without, in either case of letters.
    pub fn tables_called(&self, name: &str) -> Vec<Arc<str>> {
        let means =
            |table: &str| table.eq_ignore_ascii_case(name) || table.split_once('.').is_some_and(|(_, own)| own.eq_ignore_ascii_case(name));
        self.lock().names.iter().filter(|table| means(table)).cloned().collect()
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
