//! Counters one by one: what has a stamp when, what two stamps say, what the log hears.

use std::collections::BTreeMap;
use std::time::Instant;

use super::*;

const SETTLES_AFTER: Duration = Duration::from_secs(40);

struct Shop {
    versions: Arc<Versions>,
    orders: Touched,
    items: Touched,
}

fn shop() -> Shop {
    let versions = Versions::new("main", SETTLES_AFTER);
    let ids = versions.intern(["public.orders", "public.items"]).unwrap();
    Shop { orders: Touched::tables(0, BTreeSet::from([ids[0]])), items: Touched::tables(0, BTreeSet::from([ids[1]])), versions }
}

impl Shop {
    fn reads(&self, touched: &[&Touched]) -> Dependencies {
        let ids = touched.iter().flat_map(|touched| touched.tables.iter().copied()).collect();
        self.versions.dependencies(self.versions.schema().unwrap(), &ids)
    }
}

/// What a log was told: the greatest number of each table.
#[derive(Default)]
struct Heard(Mutex<BTreeMap<String, u64>>);

impl VersionLog for Heard {
    fn record(&self, database: &str, table: &str, version: u64) {
        assert_eq!(database, "main");
        let mut heard = self.0.lock().unwrap();
        let greatest = heard.entry(table.to_owned()).or_default();
        *greatest = (*greatest).max(version);
    }
}

#[test]
fn a_write_takes_the_stamp_of_its_tables_away_and_changes_it() {
    let shop = shop();
    let (orders, both, none) = (shop.reads(&[&shop.orders]), shop.reads(&[&shop.orders, &shop.items]), shop.reads(&[]));
    let before = shop.versions.stamp(&orders).unwrap();
    let items_only = shop.versions.stamp(&shop.reads(&[&shop.items])).unwrap();
    let of_none = shop.versions.stamp(&none).unwrap();
    let guard = shop.versions.begin(shop.orders.clone());
    let overlapping = shop.versions.begin(shop.orders.clone());
    assert!(shop.versions.stamp(&orders).is_none() && shop.versions.stamp(&both).is_none());
    assert_eq!(shop.versions.stamp(&shop.reads(&[&shop.items])).unwrap(), items_only);
    guard.end(Outcome::Settled);
    assert!(shop.versions.stamp(&orders).is_none(), "another write to it is under way");
    overlapping.end(Outcome::Settled);
    let after = shop.versions.stamp(&orders).unwrap();
    assert!(after != before && after.to_bytes() != before.to_bytes());
    assert_eq!(shop.versions.stamp(&none).unwrap(), of_none);
    shop.versions.written_outside(Touched::everything());
    assert!(shop.versions.stamp(&none).unwrap() != of_none && shop.versions.stamp(&orders).unwrap() != after);
}

#[test]
fn an_unknown_outcome_and_a_dropped_guard_leave_no_stamp_until_they_have_settled() {
    for dropped in [true, false] {
        let shop = shop();
        let orders = shop.reads(&[&shop.orders]);
        let before = shop.versions.stamp(&orders).unwrap();
        let guard = shop.versions.begin(shop.orders.clone());
        if dropped {
            drop(guard)
        } else {
            guard.end(Outcome::Unknown)
        }
        assert!(shop.versions.stamp(&orders).is_none());
        let almost = Instant::now() + SETTLES_AFTER - Duration::from_secs(1);
        assert!(shop.versions.stamp_at(&orders, || almost).is_none());
        let later = Instant::now() + SETTLES_AFTER + Duration::from_secs(1);
        let after = shop.versions.stamp_at(&orders, || later).unwrap();
        assert_ne!(after, before);
    }
}

#[test]
fn a_panic_of_the_writer_counts_as_an_unknown_outcome() {
    let shop = shop();
    let guard = shop.versions.begin(shop.orders.clone());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _guard = guard;
        panic!("in the middle of a write");
    }));
    assert!(panicked.is_err() && shop.versions.stamp(&shop.reads(&[&shop.orders])).is_none());
}

#[test]
fn a_change_of_the_schema_outdates_what_was_told_before_and_widens_what_is_under_way() {
    let shop = shop();
    let (orders, items) = (shop.reads(&[&shop.orders]), shop.reads(&[&shop.items]));
    let write = shop.versions.begin(shop.orders.clone());
    let change = shop.versions.begin(Touched::schema());
    assert!(shop.versions.schema().is_none(), "nothing is told from a schema that is being changed");
    assert!(shop.versions.stamp(&items).is_none());
    change.end(Outcome::Settled);
    assert!(shop.versions.stamp(&items).is_none(), "told from the old schema");
    let items = shop.reads(&[&shop.items]);
    assert!(shop.versions.stamp(&items).is_none(), "the write under way may touch it by a new trigger");
    write.end(Outcome::Settled);
    let now = shop.versions.stamp(&items).unwrap();
    let late = shop.versions.begin(shop.orders.clone());
    assert!(shop.versions.stamp(&items).is_none(), "a write told from the old schema touches everything");
    late.end(Outcome::Settled);
    assert_ne!(shop.versions.stamp(&items).unwrap(), now);
    assert!(shop.versions.stamp(&orders).is_none());
}

#[test]
fn merged_writes_touch_what_each_of_them_touches() {
    let shop = shop();
    let mut all = Touched::nothing();
    assert!(shop.versions.begin(all.clone()).id.is_none());
    all.merge(shop.orders.clone());
    all.merge(Touched::nothing());
    all.merge(shop.items.clone());
    assert!(!all.is_everything());
    let guard = shop.versions.begin(all.clone());
    assert!(shop.versions.stamp(&shop.reads(&[&shop.orders])).is_none() && shop.versions.stamp(&shop.reads(&[&shop.items])).is_none());
    guard.end(Outcome::Settled);
    all.merge(Touched::tables(1, BTreeSet::new()));
    assert!(all.is_everything(), "of two schemas");
}

#[test]
fn counters_go_on_where_the_log_ended_and_what_was_open_settles() {
    let heard = Arc::new(Heard::default());
    let first = shop();
    first.versions.restore(7, [], heard.clone());
    first.versions.begin(first.items.clone()).end(Outcome::Settled);
    let kept = first.versions.stamp(&first.reads(&[&first.items])).unwrap().to_bytes();
    // The process ends in the middle of this one.
    std::mem::forget(first.versions.begin(first.orders.clone()));
    let told = heard.0.lock().unwrap().clone();
    assert_eq!(told, BTreeMap::from([("public.items".to_owned(), 2), ("public.orders".to_owned(), 1)]));

    let second = shop();
    second.versions.restore(7, told, heard.clone());
    assert_eq!(second.versions.stamp(&second.reads(&[&second.items])).unwrap().to_bytes(), kept);
    let orders = second.reads(&[&second.orders]);
    assert!(second.versions.stamp(&orders).is_none());
    let later = Instant::now() + SETTLES_AFTER + Duration::from_secs(1);
    assert!(second.versions.stamp_at(&orders, || later).is_some());
    assert_eq!(heard.0.lock().unwrap()["public.orders"], 2);

    let other_epoch = shop();
    other_epoch.versions.restore(8, heard.0.lock().unwrap().clone(), heard.clone());
    assert_ne!(other_epoch.versions.stamp(&other_epoch.reads(&[&other_epoch.items])).unwrap().to_bytes(), kept);
}

#[test]
fn a_stamp_of_three_tables_is_cheap() {
    let versions = Versions::new("main", SETTLES_AFTER);
    let ids = versions.intern(["a.a", "a.b", "a.c"]).unwrap();
    let dependencies = versions.dependencies(0, &ids.into_iter().collect());
    let started = Instant::now();
    let count = 100_000;
    for _ in 0..count {
        std::hint::black_box(versions.stamp(std::hint::black_box(&dependencies)));
    }
    let each = started.elapsed() / count;
    // A debug build on a busy machine takes some ten times what a release build takes.
    assert!(each < Duration::from_micros(20), "{each:?}");
}
