//! What statements depend on and touch in a file, and readers that keep answers while writers write.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::Folder;
use super::config;
use crate::config::Mode;
use crate::database::Database;
use crate::database::cacheable::Cacheability;
use crate::database::dependencies::coherence;
use crate::database::dependencies::coherence::Change;
use crate::database::dependencies::coherence::Keeping;
use crate::database::dependencies::coherence::Query;
use crate::database::dependencies::coherence::Script;
use crate::database::dependencies::coherence::race;
use crate::database::value::Value;

const SCHEMA: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer REFERENCES customers ON DELETE CASCADE, total INT);
    CREATE TABLE items (id INTEGER PRIMARY KEY, ord REFERENCES Orders ON UPDATE SET NULL, n INT);
    CREATE TABLE notes (id INTEGER PRIMARY KEY, customer REFERENCES customers);
    CREATE TABLE audited (id INTEGER PRIMARY KEY, n INT);
    CREATE TABLE audit (id INTEGER PRIMARY KEY, n INT);
    CREATE TABLE twice (n INT);
    CREATE TRIGGER noted AFTER INSERT ON audited BEGIN INSERT INTO \"audit\" (n) VALUES (NEW.n); END;
    CREATE TRIGGER noted_again AFTER INSERT ON audit BEGIN INSERT INTO twice VALUES (NEW.n); END;
    CREATE TABLE \"Mixed Case\" (\"Id\" INT);
    CREATE VIEW big AS SELECT * FROM orders WHERE total > 10;
    CREATE VIEW biggest (name, total) AS WITH big2 AS (SELECT * FROM Big) SELECT c.name, b.total FROM big2 b JOIN main.customers c ON c.id = b.customer;
    CREATE VIEW lately AS SELECT * FROM orders WHERE date('now') > '2020-01-01';
    CREATE VIEW inside AS SELECT 1 AS one WHERE 1 IN twice;
    CREATE TRIGGER into_big INSTEAD OF INSERT ON big BEGIN INSERT INTO orders VALUES (NEW.id, NEW.customer, NEW.total); END;
    CREATE VIRTUAL TABLE texts USING fts5(body);
";

async fn shop(script: &str) -> (Folder, Arc<Database>) {
    let folder = Folder::new();
    outside(&folder, &format!("PRAGMA journal_mode = WAL; {script}")).await;
    let database = coherence::open(config(&folder.url(""), Mode::ReadWrite));
    (folder, database)
}

/// Runs statements past the host.
async fn outside(folder: &Folder, script: &str) {
    let options =
        SqliteConnectOptions::new().filename(folder.0.join("shop.db")).create_if_missing(true).busy_timeout(Duration::from_secs(5));
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(script.to_owned())).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn a_query_depends_on_the_tables_behind_its_views() {
    let (_folder, database) = shop(SCHEMA).await;
    let reads = |sql: &'static str| {
        let database = database.clone();
        async move { coherence::reads(&database, "main", sql).await }
    };
    for (sql, tables) in [
        ("SELECT 1", ""),
        ("SELECT * FROM orders", "orders"),
        ("SELECT * FROM main.ORDERS o JOIN \"customers\"", "customers orders"),
        ("SELECT * FROM big", "orders"),
        ("SELECT name FROM biggest", "customers orders"),
        ("SELECT * FROM [mixed case]", "Mixed Case"),
        ("WITH orders AS (SELECT 1 AS x) SELECT * FROM orders", "orders"),
        ("WITH o AS (SELECT * FROM items) SELECT * FROM o", "items"),
        ("SELECT * FROM inside", "twice"),
        ("SELECT (SELECT max(n) FROM audit), id FROM audited WHERE id IN (SELECT n FROM twice)", "audit audited twice"),
    ] {
        assert_eq!(reads(sql).await, Ok(tables.to_owned()), "{sql}");
    }
    for sql in [
        "SELECT * FROM lately",
        "SELECT date('now')",
        "SELECT * FROM texts",
        "SELECT * FROM texts_content",
        "SELECT * FROM sqlite_schema",
        "SELECT * FROM nowhere",
        "SELECT 1 WHERE 1 IN twice",
        "SELECT random() FROM orders",
        "PRAGMA table_info(orders)",
        "SELECT * FROM pragma_table_info('orders')",
        "EXPLAIN QUERY PLAN SELECT * FROM orders",
    ] {
        assert!(reads(sql).await.is_err(), "{sql}");
    }
    let statement = database.judge("SELECT * FROM orders WHERE date(?) > 1").unwrap();
    let with = |value: &str| {
        let (database, statement, value) = (database.clone(), statement.clone(), Value::Text(value.into()));
        async move { matches!(database.dependencies(&coherence::call(), &statement, &[value]).await, Cacheability::Yes(_)) }
    };
    assert!(with("2026-01-01").await && !with("Now").await);
}

#[tokio::test]
async fn a_write_touches_what_its_triggers_and_keys_write() {
    let (_folder, database) = shop(SCHEMA).await;
    for (sql, tables) in [
        ("INSERT INTO notes VALUES (1, NULL)", "notes"),
        ("DELETE FROM customers WHERE id = 1", "customers items orders"),
        ("UPDATE orders SET id = 2", "items orders"),
        ("INSERT INTO audited VALUES (1, 2)", "audit audited twice"),
        ("INSERT INTO big VALUES (1, 2, 3)", "big items orders"),
        ("UPDATE OR ROLLBACK audit SET n = 1", "audit twice"),
        ("INSERT INTO texts VALUES ('a')", "texts"),
        ("INSERT INTO \"MIXED CASE\" SELECT id FROM orders", "Mixed Case"),
        ("WITH o AS (SELECT 1) INSERT INTO twice SELECT * FROM o", "twice"),
        ("SELECT * FROM orders", ""),
    ] {
        assert_eq!(coherence::writes(&database, "main", sql).await, tables, "{sql}");
    }
    assert_eq!(coherence::writes(&database, "main", "INSERT INTO nowhere VALUES (1)").await, "*");
    assert_eq!(coherence::writes(&database, "main", "CREATE TABLE x (y)").await, "*");
}

#[tokio::test]
async fn a_change_of_the_schema_through_the_host_is_seen_at_once() {
    let (_folder, database) = shop(SCHEMA).await;
    let before = coherence::stamp(&database, "SELECT * FROM big").await.unwrap();
    coherence::run(&database, "DROP VIEW big").await;
    assert!(coherence::reads(&database, "main", "SELECT * FROM big").await.is_err());
    coherence::run(&database, "CREATE VIEW big AS SELECT * FROM items").await;
    assert_eq!(coherence::reads(&database, "main", "SELECT * FROM big").await.as_deref(), Ok("items"));
    let now = coherence::stamp(&database, "SELECT * FROM big").await.unwrap();
    assert_ne!(now, before);
    coherence::run(&database, "INSERT INTO items VALUES (1, NULL, 2)").await;
    assert_ne!(coherence::stamp(&database, "SELECT * FROM big").await.unwrap(), now);
}

const NUMBERS: &str = "
    CREATE TABLE counters (id INTEGER PRIMARY KEY, n INT);
    INSERT INTO counters VALUES (1, 0), (2, 0);
    CREATE VIEW counted AS SELECT n FROM counters WHERE id = 1;
    CREATE VIEW counted_again AS SELECT n + 0 AS n FROM counted;
    CREATE TABLE audit (id INTEGER PRIMARY KEY, what INT);
    CREATE TABLE audited (id INTEGER PRIMARY KEY);
    CREATE TRIGGER noted AFTER INSERT ON audited BEGIN INSERT INTO audit (what) VALUES (NEW.id); END;
    CREATE TABLE parents (id INTEGER PRIMARY KEY);
    CREATE TABLE children (id INTEGER PRIMARY KEY, parent REFERENCES parents ON DELETE CASCADE);
    CREATE TABLE grandchildren (id INTEGER PRIMARY KEY, child REFERENCES children ON DELETE CASCADE);
    WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 1000) INSERT INTO parents SELECT i FROM s;
    INSERT INTO children SELECT id, id FROM parents;
    INSERT INTO grandchildren SELECT id, id FROM children;
";

const QUERIES: &[Query] = &[
    Query("SELECT n FROM counters WHERE id = 1"),
    Query("SELECT n FROM counted_again"),
    Query("SELECT count(*) FROM audit"),
    Query("SELECT 1000 - count(*) FROM grandchildren"),
];

const CHANGES: &[Change] = &[
    Change(&["UPDATE counters SET n = n + 1 WHERE id = 1"], &[(0, 1), (1, 1)]),
    Change(&["INSERT INTO audited VALUES ({})"], &[(2, 1)]),
    Change(&["DELETE FROM parents WHERE id = {}"], &[(3, 1)]),
    Change(
        &["UPDATE counters SET n = n + 2 WHERE id = 1", "INSERT INTO audited VALUES (100000 + {})", "SELECT n FROM counted"],
        &[(0, 2), (1, 2), (2, 1)],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reader_sees_what_was_before_an_acknowledged_write() {
    let (_folder, database) = shop(NUMBERS).await;
    let figures = race(&database, Script { queries: QUERIES, changes: CHANGES, view: None }, 300, Keeping::ByStamp).await;
    assert_eq!(figures.stale, 0, "{figures:?}");
    assert!(figures.reads > 2_000 && figures.hits > 200 && figures.written == 900, "{figures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_with_a_late_stamp_are_found_to_be_stale() {
    let (_folder, database) = shop(NUMBERS).await;
    let mut figures = race(&database, Script { queries: QUERIES, changes: CHANGES, view: None }, 300, Keeping::ByLateStamp).await;
    for _ in 0..5 {
        if figures.stale == 0 {
            figures = race(&database, Script { queries: QUERIES, changes: &CHANGES[..1], view: None }, 300, Keeping::ByLateStamp).await;
        }
    }
    assert!(figures.stale > 0, "the race is too slow to find a fault: {figures:?}");
}

#[tokio::test]
async fn a_write_past_the_host_moves_the_probe() {
    let (folder, database) = shop(NUMBERS).await;
    let statement = database.judge("SELECT n FROM counters").unwrap();
    let Cacheability::Yes(tables) = database.dependencies(&coherence::call(), &statement, &[]).await else { panic!("it only reads") };
    let call = coherence::call();
    let probe = || database.probe(&call, &tables);
    let before = probe().await.unwrap();
    assert_eq!(probe().await.unwrap(), before);
    outside(&folder, "UPDATE counters SET n = 7").await;
    let started = Instant::now();
    while probe().await.unwrap() == before {
        assert!(started.elapsed() < Duration::from_secs(5), "nothing moves");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let after = probe().await.unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(probe().await.unwrap(), after);
    // Another file in its place.
    std::fs::rename(folder.0.join("shop.db"), folder.0.join("old.db")).unwrap();
    std::fs::write(folder.0.join("shop.db"), b"").unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_ne!(probe().await, Some(after));
}
