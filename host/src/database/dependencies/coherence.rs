//! For the tests of every engine: what a statement depends on and touches, and readers that keep answers while writers write.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::call::Call;
use crate::call::Caller;
use crate::config::ConfirmConfig;
use crate::config::DatabaseConfig;
use crate::config::Mode;
use crate::database::Database;
use crate::database::RunOptions;
use crate::database::cacheable::Cacheability;
use crate::database::rows::RowLimits;
use crate::database::value::Value;
use crate::database::versions::Outcome;
use crate::database::versions::touched::Stamp;

/// A call of a test.
pub(in crate::database) fn call() -> Call {
    Call::new(Caller::local(), Duration::from_secs(120))
}

/// Options of a test.
pub(in crate::database) fn options() -> RunOptions {
    RunOptions::new(Duration::from_secs(20), RowLimits { rows: 1000, bytes: 1 << 20 })
}

/// A database that is open for writing.
pub(in crate::database) fn open(mut config: DatabaseConfig) -> Arc<Database> {
    config.mode = Mode::ReadWrite;
    // Nobody is there to ask.
    config.confirm = ConfirmConfig { destructive: false, rows: None };
    Arc::new(Database::new(config).unwrap())
}

/// The tables that a query depends on, without this schema in front; else why its answer is not kept.
pub(in crate::database) async fn reads(database: &Database, schema: &str, sql: &str) -> Result<String, String> {
    let statement = database.judge(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    match database.dependencies(&call(), &statement, &[]).await {
        Cacheability::Yes(dependencies) => Ok(listed(schema, dependencies.tables())),
        Cacheability::No(why) => Err(why.to_string()),
    }
}

/// The tables that a statement touches, without this schema in front; `*` when it may be any.
pub(in crate::database) async fn writes(database: &Database, schema: &str, sql: &str) -> String {
    let statement = database.judge(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    // Whoever keeps something has loaded the schema.
    assert!(database.graph(&call()).await.is_some());
    let names = database.versions().names(&database.touched([&statement]));
    names.map_or("*".to_owned(), |names| listed(schema, names.iter().map(|name| &**name)))
}

fn listed<'n>(schema: &str, names: impl Iterator<Item = &'n str>) -> String {
    let bare = |name: &'n str| name.strip_prefix(schema).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
    let mut names: Vec<&str> = names.map(bare).collect();
    names.sort_unstable();
    names.join(" ")
}

/// Runs one statement of whatever kind that changes something.
pub(in crate::database) async fn run(database: &Database, sql: &str) {
    let statement = database.judge(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let done = match statement.kind {
        crate::database::statement::StatementKind::Admin => {
            database.administer(&call(), statement, Vec::new(), None, &options()).await.map(drop)
        }
        _ => database.write(&call(), vec![(statement, Vec::new())], None, &options()).await.map(drop).map_err(|failed| failed.error),
    };
    done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// The stamp of a query now.
pub(in crate::database) async fn stamp(database: &Database, sql: &str) -> Option<Stamp> {
    let statement = database.judge(sql).unwrap();
    match database.dependencies(&call(), &statement, &[]).await {
        Cacheability::Yes(dependencies) => database.versions().stamp(&dependencies),
        Cacheability::No(why) => panic!("{sql}: {why}"),
    }
}

/// A query for one number that only grows, and how a writer makes it grow.
#[derive(Clone, Copy)]
pub(in crate::database) struct Query(pub(in crate::database) &'static str);

/// Statements in one transaction, with `{}` for a number that no other round has, and by how much they make which query grow.
#[derive(Clone, Copy)]
pub(in crate::database) struct Change(pub(in crate::database) &'static [&'static str], pub(in crate::database) &'static [(usize, i64)]);

/// What readers ask and writers do.
#[derive(Clone, Copy)]
pub(in crate::database) struct Script {
    pub(in crate::database) queries: &'static [Query],
    pub(in crate::database) changes: &'static [Change],
    /// A statement that makes a view anew to show the greater number `{}`, and the query that asks for it.
    pub(in crate::database) view: Option<(usize, &'static str)>,
}

/// How answers are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::database) enum Keeping {
    /// For as long as the stamp is the same.
    ByStamp,
    /// Wrongly: with the stamp of the moment at which the answer has come.
    ByLateStamp,
}

/// What happened.
#[derive(Debug, Default)]
pub(in crate::database) struct Figures {
    pub(in crate::database) reads: usize,
    pub(in crate::database) hits: usize,
    pub(in crate::database) written: usize,
    pub(in crate::database) stale: usize,
}

struct Race {
    database: Arc<Database>,
    script: Script,
    keeping: Keeping,
    /// What every reader that begins now must see of each query at least.
    acknowledged: Vec<AtomicI64>,
    kept: Mutex<HashMap<usize, (Stamp, i64)>>,
    over: AtomicBool,
    next_number: AtomicU64,
    figures: [AtomicUsize; 4],
}

/// Lets readers that keep answers race with writers, for so many rounds of each writer.
pub(in crate::database) async fn race(database: &Arc<Database>, script: Script, rounds: u64, keeping: Keeping) -> Figures {
    let race = Arc::new(Race {
        database: database.clone(),
        script,
        keeping,
        acknowledged: script.queries.iter().map(|_| AtomicI64::new(0)).collect(),
        kept: Mutex::default(),
        over: AtomicBool::new(false),
        next_number: AtomicU64::new(1),
        figures: Default::default(),
    });
    for (index, query) in script.queries.iter().enumerate() {
        race.acknowledged[index].store(race.ask(query).await, Ordering::SeqCst);
    }
    let readers: Vec<_> = (0..6).map(|seed| tokio::spawn(race.clone().read_on(seed))).collect();
    let writers: Vec<_> = (0..3).map(|seed| tokio::spawn(race.clone().write_on(seed, rounds))).collect();
    race.change_view(rounds / 8).await;
    for writer in writers {
        writer.await.unwrap();
    }
    race.over.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    let [reads, hits, written, stale] = race.figures.each_ref().map(|figure| figure.load(Ordering::SeqCst));

    Figures { reads, hits, written, stale }
}

impl Race {
    /// The answer of the database itself.
    async fn ask(&self, query: &Query) -> i64 {
        let statement = self.database.judge(query.0).unwrap();
        let rows = self.database.read(&call(), &statement, &[], &options()).await.unwrap_or_else(|error| panic!("{}: {error:?}", query.0));
        match &rows.values(0).unwrap()[0] {
            Value::Integer(number) => *number,
            Value::Decimal(number) | Value::Text(number) => number.parse().unwrap(),
            other => panic!("{}: {other:?}", query.0),
        }
    }

    /// The answer with what was kept; whether it was kept.
    async fn answer(&self, index: usize) -> (i64, bool) {
        let query = &self.script.queries[index];
        let statement = self.database.judge(query.0).unwrap();
        let dependencies = match self.database.dependencies(&call(), &statement, &[]).await {
            Cacheability::Yes(dependencies) => dependencies,
            // Nothing is told while the schema is being changed.
            Cacheability::No(_) if self.script.view.is_some() => return (self.ask(query).await, false),
            Cacheability::No(why) => panic!("{}: {why}", query.0),
        };
        let mut stamp = self.database.versions().stamp(&dependencies);
        if let Some((kept, answer)) = self.kept.lock().unwrap().get(&index)
            && stamp.as_ref() == Some(kept)
        {
            return (*answer, true);
        }
        let answer = self.ask(query).await;
        if self.keeping == Keeping::ByLateStamp {
            stamp = self.database.versions().stamp(&dependencies);
        }
        if let Some(stamp) = stamp {
            self.kept.lock().unwrap().insert(index, (stamp, answer));
        }
        (answer, false)
    }

    async fn read_on(self: Arc<Self>, seed: usize) {
        let [reads, hits, _, stale] = &self.figures;
        let mut index = seed;
        while !self.over.load(Ordering::SeqCst) {
            index = (index + 1) % self.script.queries.len();
            let at_least = self.acknowledged[index].load(Ordering::SeqCst);
            let (answer, was_kept) = self.answer(index).await;
            reads.fetch_add(1, Ordering::SeqCst);
            hits.fetch_add(usize::from(was_kept), Ordering::SeqCst);
            stale.fetch_add(usize::from(answer < at_least), Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    }

    async fn change_view(&self, rounds: u64) {
        let Some((query, text)) = self.script.view else { return };
        for number in 1..=rounds {
            run(&self.database, &text.replace("{}", &number.to_string())).await;
            self.acknowledged[query].store(number.cast_signed(), Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn write_on(self: Arc<Self>, seed: usize, rounds: u64) {
        for round in 0..rounds {
            let Change(texts, effects) = self.script.changes[(seed + usize::try_from(round).unwrap()) % self.script.changes.len()];
            let number = self.next_number.fetch_add(1, Ordering::SeqCst).to_string();
            let judged = texts.iter().map(|text| (self.database.judge(&text.replace("{}", &number)).unwrap(), Vec::new()));
            match self.database.write(&call(), judged.collect(), None, &options()).await {
                Ok(_) => {
                    for (query, grows) in effects {
                        self.acknowledged[*query].fetch_add(*grows, Ordering::SeqCst);
                    }
                    self.figures[2].fetch_add(1, Ordering::SeqCst);
                }
                // A deadlock: the engine gave this one up.
                Err(failed) => assert_eq!(Outcome::of(Some(&failed.error)), Outcome::Settled, "{texts:?}: {:?}", failed.error),
            }
            // Readers get a turn with stamps that stay for a moment.
            tokio::time::sleep(Duration::from_millis(round % 4)).await;
        }
    }
}
