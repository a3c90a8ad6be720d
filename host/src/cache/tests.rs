//! The cache as a whole: tiers one after another, what is dropped, and one run for many callers.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use tokio::sync::Barrier;
use tokio::sync::Notify;

use crate::config::DiskCacheConfig;
use crate::database::rows::Column;
use crate::database::rows::Flow;
use crate::database::rows::Kind;
use crate::database::rows::RowLimits;
use crate::database::rows::RowSet;
use crate::database::rows::RowWriter;

use super::scratch::Scratch;
use super::*;

pub(super) const TTL: Duration = Duration::from_mins(1);

pub(super) fn main_database() -> DatabaseName {
    DatabaseName::parse("main").unwrap()
}

/// One row with this text.
pub(super) fn rows(text: &str) -> RowSet {
    let column = Column { name: "t".into(), type_name: "text".into(), kind: Kind::Text };
    let mut writer = RowWriter::new(vec![column], RowLimits { rows: 10, bytes: 64 << 20 });
    writer.start_row();
    writer.text(text);
    assert_eq!(writer.end_row(), Flow::More);
    writer.finish(true).unwrap()
}

/// The text of the one row.
pub(super) fn text_of(entry: &Entry) -> String {
    let json = entry.rows.rows_json().next().unwrap();
    let [text]: [String; 1] = serde_json::from_slice(json).unwrap();
    text
}

pub(super) fn digest(label: &str) -> Digest {
    Digest::builder("test").part(label.as_bytes()).finish()
}

pub(super) fn local(version: u64) -> Stamp {
    Stamp::local(version.to_le_bytes())
}

/// An entry that was read from one table.
pub(super) fn entry(label: &str, table: &str, stamp: Stamp, text: &str) -> Arc<Entry> {
    Arc::new(Entry {
        rows: rows(text),
        stamp,
        tables: [table.to_owned()].into(),
        database: main_database(),
        label: label.into(),
        kept: SystemTime::now(),
        ttl: TTL,
    })
}

fn in_memory(memory_bytes: usize) -> Cache {
    Cache::new(&CacheConfig { memory_bytes, ..CacheConfig::default() }).unwrap()
}

fn with_disk(folder: &Scratch) -> Cache {
    let disk = DiskCacheConfig { path: folder.path().join("results"), max_bytes: 16 << 20 };
    Cache::new(&CacheConfig { disk: Some(disk), ..CacheConfig::default() }).unwrap()
}

const LOCAL: Tiers = Tiers { memory: true, disk: true, shared: false };
const MEMORY: Tiers = Tiers { memory: true, disk: false, shared: false };
const DISK: Tiers = Tiers { memory: false, disk: true, shared: false };

#[tokio::test]
async fn an_entry_answers_its_own_stamp_and_is_dropped_for_another() {
    let cache = in_memory(1 << 20);
    cache.keep(digest("a"), entry("a", "t", local(1), "one"), LOCAL).await;
    assert_eq!(text_of(&cache.find(&digest("a"), &local(1), LOCAL).await.unwrap()), "one");
    assert!(cache.find(&digest("b"), &local(1), LOCAL).await.is_none());
    assert!(cache.find(&digest("a"), &local(2), LOCAL).await.is_none());
    assert!(cache.find(&digest("a"), &local(1), LOCAL).await.is_none(), "it is gone");
    let figures = cache.figures();
    let memory = figures.memory.unwrap();
    assert_eq!((memory.hits, memory.misses, memory.entries, figures.stale), (1, 3, 0, 1));
    assert_eq!((figures.disk, figures.shared), (None, None));
}

#[tokio::test]
async fn an_entry_ends_with_its_own_time() {
    let cache = in_memory(1 << 20);
    let short = Entry { ttl: Duration::from_millis(200), ..(*entry("a", "t", local(1), "one")).clone() };
    cache.keep(digest("a"), Arc::new(short), LOCAL).await;
    cache.keep(digest("b"), entry("b", "t", local(1), "two"), LOCAL).await;
    assert!(cache.find(&digest("a"), &local(1), LOCAL).await.is_some());
    std::thread::sleep(Duration::from_millis(210));
    assert!(cache.find(&digest("a"), &local(1), LOCAL).await.is_none());
    assert!(cache.find(&digest("b"), &local(1), LOCAL).await.is_some());
}

#[tokio::test]
async fn memory_stays_within_its_budget_and_keeps_nothing_above_an_eighth_of_it() {
    let cache = in_memory(1 << 20);
    cache.keep(digest("large"), entry("large", "t", local(1), &"x".repeat(200 << 10)), LOCAL).await;
    assert!(cache.find(&digest("large"), &local(1), LOCAL).await.is_none());
    assert_eq!(cache.figures().rejected, 1);
    for n in 0..200 {
        let label = format!("select {n}");
        cache.keep(digest(&label), entry(&label, "t", local(1), &"x".repeat(20 << 10)), LOCAL).await;
    }
    let memory = cache.figures().memory.unwrap();
    assert!(memory.bytes <= 1 << 20 && memory.entries > 20 && memory.evictions > 100, "{memory:?}");
}

#[tokio::test]
async fn an_entry_on_disk_is_there_after_a_restart_and_goes_into_memory() {
    let folder = Scratch::new();
    let cache = with_disk(&folder);
    cache.journal().unwrap().record("main", "t", 7);
    cache.keep(digest("a"), entry("a", "t", local(7), "kept"), LOCAL).await;
    drop(cache);
    let cache = with_disk(&folder);
    assert_eq!(cache.journal().unwrap().load()["main"]["t"], 7);
    for _ in 0..2 {
        let found = cache.find(&digest("a"), &local(7), LOCAL).await.unwrap();
        assert_eq!((text_of(&found), &*found.label, &found.tables[..]), ("kept".into(), "a", &["t".to_owned()][..]));
    }
    let figures = cache.figures();
    assert_eq!((figures.disk.unwrap().hits, figures.memory.unwrap().hits), (1, 1));
    assert!(cache.find(&digest("a"), &local(8), DISK).await.is_none());
    assert_eq!(cache.figures().disk.unwrap().entries, 0, "what is stale is removed from disk too");
}

#[tokio::test]
async fn a_write_that_was_under_way_when_the_process_died_is_counted_at_the_next_start() {
    let folder = Scratch::new();
    let cache = with_disk(&folder);
    let table = ["t".to_owned()];
    cache.journal().unwrap().record("main", "t", 7);
    let settled = cache.writing(&main_database(), Some(&table));
    settled.wrote().await;
    cache.writing(&main_database(), Some(&table)).without_effect();
    cache.keep(digest("a"), entry("a", "t", local(7), "kept"), LOCAL).await;
    drop(cache);
    let cache = with_disk(&folder);
    assert_eq!(cache.journal().unwrap().load()["main"]["t"], 7);
    drop(cache.writing(&main_database(), Some(&table)));
    drop(cache);
    let version = with_disk(&folder).journal().unwrap().load()["main"]["t"];
    assert!(version > 1_000_000, "{version}");
}

#[tokio::test]
async fn a_clear_removes_what_it_names_from_every_tier_and_counts_it_once() {
    const LABELS: [(&str, &str); 4] = [("select a from t", "t"), ("select b from t", "t"), ("select c from u", "u"), ("values (1)", "v")];
    let folder = Scratch::new();
    let cache = with_disk(&folder);
    for (label, table) in LABELS {
        cache.keep(digest(label), entry(label, table, local(1), label), LOCAL).await;
    }
    let held = async || {
        let mut held = Vec::new();
        for (label, _) in LABELS {
            let in_memory = cache.find(&digest(label), &local(1), MEMORY).await.is_some();
            assert_eq!(cache.find(&digest(label), &local(1), DISK).await.is_some(), in_memory);
            held.push(in_memory);
        }
        held
    };
    assert_eq!(held().await, [true; 4]);
    assert_eq!(cache.clear(&Clear::Pattern(Pattern::new("SELECT B*"))).await, 1);
    assert_eq!(held().await, [true, false, true, true]);
    let other = DatabaseName::parse("other").unwrap();
    assert_eq!(cache.clear(&Clear::Table { database: other, table: "u".into() }).await, 0);
    assert_eq!(cache.clear(&Clear::Table { database: main_database(), table: "u".into() }).await, 1);
    assert_eq!(held().await, [true, false, false, true]);
    assert_eq!(cache.clear(&Clear::All).await, 2);
    assert_eq!(held().await, [false; 4]);
    assert_eq!(cache.clear(&Clear::All).await, 0);
}

#[tokio::test]
async fn what_was_read_before_a_clear_is_not_kept_after_it() {
    let cache = in_memory(1 << 20);
    let stamp = async || cache.stamp(local(1), &main_database(), &["t".to_owned()], LOCAL).await.unwrap();
    let before = stamp().await;
    cache.clear(&Clear::All).await;
    let after = stamp().await;
    assert_eq!(before, after, "the versions are the same");
    cache.keep(digest("a"), entry("a", "t", before, "old"), LOCAL).await;
    assert!(cache.find(&digest("a"), &after, LOCAL).await.is_none());
    cache.keep(digest("a"), entry("a", "t", after.clone(), "new"), LOCAL).await;
    assert_eq!(text_of(&cache.find(&digest("a"), &after, LOCAL).await.unwrap()), "new");
}

/// What a caller of the cache does: looks, takes part in the flight, runs the statement, keeps.
async fn ask(cache: &Cache, run: impl Future<Output = Option<Arc<Entry>>>) -> Option<Arc<Entry>> {
    loop {
        if let Some(entry) = cache.find(&digest("q"), &local(1), LOCAL).await {
            return Some(entry);
        }
        match cache.flight(&digest("q"), &local(1), LOCAL) {
            Flight::Leader(leader) => {
                let entry = run.await;
                if let Some(entry) = &entry {
                    cache.keep(digest("q"), entry.clone(), LOCAL).await;
                }
                leader.land(entry.clone());
                return entry;
            }
            Flight::Follower(follower) => match follower.landing().await {
                Landing::Rows(entry) => return Some(entry),
                Landing::Nothing => return run.await,
                Landing::Abandoned => {}
            },
            Flight::Landed(entry) => return Some(entry),
        }
    }
}

const CALLERS: u32 = 100;

#[tokio::test]
async fn a_hundred_callers_run_a_statement_once() {
    let cache = Arc::new(in_memory(1 << 20));
    let runs = Arc::new(AtomicU32::new(0));
    let start = Arc::new(Barrier::new(CALLERS as usize));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (cache, runs, start) = (cache.clone(), runs.clone(), start.clone());
        callers.spawn(async move {
            start.wait().await;
            let run = async {
                runs.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some(entry("q", "t", local(1), "answer"))
            };
            text_of(&ask(&cache, run).await.unwrap())
        });
    }
    assert!(callers.join_all().await.iter().all(|text| text == "answer"));
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    let figures = cache.figures();
    assert_eq!(figures.collapsed + figures.memory.unwrap().hits, u64::from(CALLERS) - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_next_one_leads_when_leaders_are_cancelled() {
    const CANCELLED: u32 = 5;
    let cache = Arc::new(in_memory(1 << 20));
    let runs = Arc::new(AtomicU32::new(0));
    let never = Arc::new(Notify::new());
    let (says, mut leaders) = tokio::sync::mpsc::unbounded_channel();
    let caller = |number: usize| {
        let (cache, runs, never, says) = (cache.clone(), runs.clone(), never.clone(), says.clone());
        tokio::spawn(async move {
            let run = async {
                if runs.fetch_add(1, Ordering::SeqCst) < CANCELLED {
                    says.send(number).unwrap();
                    never.notified().await;
                }
                Some(entry("q", "t", local(1), "answer"))
            };
            text_of(&ask(&cache, run).await.unwrap())
        })
    };
    let callers: Vec<_> = (0..CALLERS as usize).map(caller).collect();
    let mut cancelled = Vec::new();
    for _ in 0..CANCELLED {
        let leader = leaders.recv().await.unwrap();
        callers[leader].abort();
        cancelled.push(leader);
    }
    for (number, caller) in callers.into_iter().enumerate() {
        match caller.await {
            Ok(text) => assert_eq!(text, "answer"),
            Err(error) => assert!(error.is_cancelled() && cancelled.contains(&number)),
        }
    }
    assert_eq!(runs.load(Ordering::SeqCst), CANCELLED + 1, "one at a time, and one that ends it");
}

#[tokio::test]
async fn who_looked_before_a_flight_and_comes_after_it_leads_no_second_one() {
    let cache = in_memory(1 << 20);
    assert!(cache.find(&digest("q"), &local(1), LOCAL).await.is_none(), "it looks");
    ask(&cache, async { Some(entry("q", "t", local(1), "answer")) }).await.unwrap();
    let Flight::Landed(landed) = cache.flight(&digest("q"), &local(1), LOCAL) else { panic!("it would run the statement again") };
    assert_eq!(text_of(&landed), "answer");
    assert!(matches!(cache.flight(&digest("q"), &local(2), LOCAL), Flight::Leader(_)), "rows of another stamp are no answer");
    assert!(matches!(cache.flight(&digest("q"), &local(1), DISK), Flight::Leader(_)), "nor those of a tier that was not chosen");
}

#[tokio::test]
async fn rows_that_may_not_be_kept_let_all_run_at_once_and_not_one_after_another() {
    let cache = Arc::new(in_memory(1 << 20));
    let together = Arc::new(Barrier::new(9));
    let runs = Arc::new(AtomicU32::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (cache, together, runs) = (cache.clone(), together.clone(), runs.clone());
        callers.spawn(async move {
            let run = async {
                if runs.fetch_add(1, Ordering::SeqCst) > 0 {
                    // Passes only when all the others run at the same time.
                    together.wait().await;
                } else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                None
            };
            ask(&cache, run).await.is_none()
        });
    }
    let all = tokio::time::timeout(Duration::from_secs(10), callers.join_all()).await.expect("they run together");
    assert_eq!(all, [true; 10]);
}

#[tokio::test]
async fn callers_with_other_stamps_do_not_wait_for_each_other_and_get_no_rows_of_each_other() {
    let cache = in_memory(1 << 20);
    let Flight::Leader(old) = cache.flight(&digest("q"), &local(1), LOCAL) else { panic!() };
    let Flight::Leader(new) = cache.flight(&digest("q"), &local(2), LOCAL) else { panic!() };
    let Flight::Follower(follower) = cache.flight(&digest("q"), &local(2), LOCAL) else { panic!() };
    old.land(Some(entry("q", "t", local(1), "old")));
    new.land(Some(entry("q", "t", local(1), "old")));
    assert!(matches!(follower.landing().await, Landing::Nothing));
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "a figure, for `--nocapture`")]
async fn a_hit_in_memory_takes_microseconds() {
    const LOOKS: u32 = 20_000;
    let cache = in_memory(16 << 20);
    let digests: Vec<Digest> = (0..1_000).map(|n| digest(&n.to_string())).collect();
    let stamp = local(1);
    for digest in &digests {
        cache.keep(*digest, entry("q", "t", stamp.clone(), "row"), LOCAL).await;
    }
    let start = Instant::now();
    for digest in digests.iter().cycle().take(LOOKS as usize) {
        assert!(cache.find(digest, &stamp, LOCAL).await.is_some());
    }
    let each = start.elapsed() / LOOKS;
    println!("a hit in memory: {each:?}");
    // Unoptimised and beside other tests; what it guards against is a tier that is asked on the way.
    assert!(each < Duration::from_micros(200), "{each:?}");
}
