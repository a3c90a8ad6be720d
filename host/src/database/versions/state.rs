//! The counters themselves, under one lock: what begins, what ends, what is still open.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::EVERYTHING;
use super::touched::Dependencies;
use super::touched::Stamp;
use super::touched::Touched;

/// Tables that are told apart, in one database; a schema with more is taken as a whole.
const MOST_TABLES: usize = 100_000;

/// All counters, and the writes under way.
pub(super) struct State {
    pub(super) epoch: u64,
    /// How often the schema changed.
    pub(super) schema: u64,
    /// Changes of the schema under way.
    pub(super) schema_changes: u32,
    pub(super) everything: Counter,
    pub(super) tables: Vec<Counter>,
    pub(super) names: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, u32>,
    writes: HashMap<u64, Write>,
    next_write: u64,
    /// When the first of the writes with unknown outcome is over.
    pub(super) next_settled: Option<Instant>,
}

/// How often writes to something began and ended, overlapping ones as one.
#[derive(Clone, Copy, Default)]
pub(super) struct Counter {
    pub(super) version: u64,
    writers: u32,
}

/// A write under way, or one whose outcome is not known.
struct Write {
    touched: Touched,
    settled_at: Option<Instant>,
}

/// New versions that the log has not heard of.
pub(super) type News = Vec<(Arc<str>, u64)>;

impl State {
    /// Nothing has been written yet.
    pub(super) fn new() -> Self {
        Self {
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
        }
    }

    /// The number of a table; none when there are too many.
    pub(super) fn intern(&mut self, name: &str) -> Option<u32> {
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

    /// See [`super::Versions::stamp`].
    pub(super) fn stamp(&self, dependencies: &Dependencies) -> Option<Stamp> {
        let tables = &dependencies.0;
        if tables.schema != self.schema || !self.everything.is_settled() {
            return None;
        }
        let counter = |id: &u32| Some(self.tables[*id as usize]).filter(Counter::is_settled);
        let versions = tables.ids.iter().map(|id| Some(counter(id)?.version)).collect::<Option<_>>()?;
        Some(Stamp { epoch: self.epoch, everything: self.everything.version, tables: tables.clone(), versions })
    }

    /// Takes note of a write, and gives it a number.
    pub(super) fn begin(&mut self, mut touched: Touched, news: &mut News) -> u64 {
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

    /// Takes note of the end of a write.
    pub(super) fn end(&mut self, id: u64, news: &mut News) {
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
    pub(super) fn defer(&mut self, id: u64, until: Instant) {
        if let Some(write) = self.writes.get_mut(&id) {
            write.settled_at = Some(until);
            self.next_settled = Some(self.next_settled.map_or(until, |next| next.min(until)));
        }
    }

    /// Ends the writes that can take effect no more.
    pub(super) fn settle(&mut self, now: Instant, news: &mut News) {
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
    /// Whether nothing is under way.
    pub(super) fn is_settled(&self) -> bool {
        self.version.is_multiple_of(2)
    }

    /// The new version, if it changes.
    fn begin(&mut self) -> Option<u64> {
        self.writers += 1;
        self.is_settled().then(|| {
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
