//! What statements depend on and touch in a database, and readers that keep answers while writers write.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use super::Fixture;
use crate::config::DatabaseConfig;
use crate::config::DatabaseName;
use crate::database::Database;
use crate::database::cacheable::Cacheability;
use crate::database::dependencies::coherence;
use crate::database::dependencies::coherence::Change;
use crate::database::dependencies::coherence::Keeping;
use crate::database::dependencies::coherence::Query;
use crate::database::dependencies::coherence::Script;
use crate::database::dependencies::coherence::race;

const SCHEMA: &[&str] = &[
    "CREATE TABLE customers (id INT PRIMARY KEY, name TEXT)",
    "CREATE TABLE orders (id INT PRIMARY KEY, customer INT, total INT, FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE)",
    "CREATE TABLE items (id INT PRIMARY KEY, ord INT, n INT, FOREIGN KEY (ord) REFERENCES orders (id) ON UPDATE SET NULL)",
    "CREATE TABLE notes (id INT PRIMARY KEY, customer INT, FOREIGN KEY (customer) REFERENCES customers (id))",
    "CREATE TABLE audited (id INT)",
    "CREATE TABLE audit (id INT)",
    "CREATE TABLE twice (id INT)",
    "CREATE TRIGGER noted AFTER INSERT ON audited FOR EACH ROW BEGIN INSERT INTO `audit` VALUES (NEW.id); END",
    "CREATE TRIGGER noted_again AFTER INSERT ON audit FOR EACH ROW INSERT INTO twice VALUES (NEW.id)",
    "CREATE TABLE called (id INT)",
    "CREATE PROCEDURE note_it (x INT) INSERT INTO audit VALUES (x)",
    "CREATE TRIGGER calls AFTER INSERT ON called FOR EACH ROW CALL note_it(NEW.id)",
    "CREATE FUNCTION tax (x INT) RETURNS INT DETERMINISTIC RETURN x * 2",
    "CREATE TABLE `Mixed Case` (`Id` INT)",
    "CREATE VIEW big AS SELECT * FROM orders WHERE total > 10",
    "CREATE VIEW biggest AS SELECT c.name, b.total FROM big b JOIN customers c ON c.id = b.customer WHERE b.total IN (SELECT n FROM items)",
    "CREATE VIEW lately AS SELECT * FROM orders WHERE now() > '2020-01-01'",
    "CREATE VIEW taxed AS SELECT tax(total) FROM orders",
    "CREATE VIEW recursive_one AS WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 3) SELECT s.i, a.id FROM s JOIN audit a",
    "CREATE TABLE ages (born DATE, birth_year INT AS (year(born)), age INT AS (timestampdiff(YEAR, born, curdate())) VIRTUAL)",
    "CREATE TABLE years (born DATE, birth_year INT AS (year(born)))",
    "CREATE TABLE parted (id INT) PARTITION BY HASH (id) PARTITIONS 3",
];

fn open(fixture: &Fixture, url: &str) -> Arc<Database> {
    assert!(url.ends_with(&fixture.name));
    coherence::open(DatabaseConfig::new(DatabaseName::parse("main").unwrap(), url).unwrap())
}

#[tokio::test]
async fn a_query_depends_on_the_tables_behind_its_views() {
    let fixture = Fixture::new(SCHEMA).await;
    let database = open(&fixture, &fixture.url);
    for (sql, tables) in [
        ("SELECT 1", ""),
        ("SELECT 1 FROM dual", ""),
        ("SELECT * FROM orders", "orders"),
        ("SELECT o.id FROM `orders` o JOIN customers c USING (id)", "customers orders"),
        ("SELECT * FROM big", "orders"),
        ("SELECT name FROM biggest", "customers items orders"),
        ("SELECT * FROM `mixed case`", "Mixed Case"),
        ("WITH orders AS (SELECT * FROM notes) SELECT * FROM orders", "notes orders"),
        ("SELECT i FROM recursive_one", "audit"),
        ("SELECT * FROM parted", "parted"),
        ("SELECT * FROM years", "years"),
    ] {
        assert_eq!(coherence::reads(&database, &fixture.name, sql).await, Ok(tables.to_owned()), "{sql}");
    }
    let qualified = format!("SELECT * FROM {}.audit", fixture.name);
    assert_eq!(coherence::reads(&database, &fixture.name, &qualified).await.as_deref(), Ok("audit"));
    for sql in [
        "SELECT * FROM lately",
        "SELECT * FROM taxed",
        "SELECT * FROM ages",
        "SELECT tax(1)",
        "SELECT @x",
        "SELECT now()",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM nowhere",
        "SELECT * FROM seq_1_to_3",
        "SHOW TABLES",
        "EXPLAIN SELECT * FROM orders",
    ] {
        assert!(coherence::reads(&database, &fixture.name, sql).await.is_err(), "{sql}");
    }
    database.close().await;
}

#[tokio::test]
async fn a_write_touches_what_its_triggers_and_keys_write() {
    let fixture = Fixture::new(SCHEMA).await;
    let database = open(&fixture, &fixture.url);
    for (sql, tables) in [
        ("INSERT INTO notes VALUES (1, NULL)", "notes"),
        ("INSERT notes VALUES (1, NULL)", "notes"),
        ("DELETE FROM customers WHERE id = 1", "customers items orders"),
        ("UPDATE orders SET id = 2", "items orders"),
        ("INSERT INTO audited VALUES (1)", "audit audited twice"),
        ("REPLACE INTO audit VALUES (1)", "audit twice"),
        ("DELETE n, t FROM notes n JOIN twice t", "notes twice"),
        ("UPDATE big SET total = 1", "big items orders"),
        ("INSERT INTO twice SELECT id FROM audit", "twice"),
        ("SELECT * FROM orders", ""),
    ] {
        assert_eq!(coherence::writes(&database, &fixture.name, sql).await, tables, "{sql}");
    }
    for sql in [
        "INSERT INTO called VALUES (1)",
        "INSERT INTO twice VALUES (tax(1))",
        "INSERT INTO nowhere VALUES (1)",
        "CALL note_it(1)",
        "SELECT tax(1)",
        "SELECT * FROM taxed",
        "CREATE TABLE x (y INT)",
    ] {
        assert_eq!(coherence::writes(&database, &fixture.name, sql).await, "*", "{sql}");
    }
    database.close().await;
}

#[tokio::test]
async fn an_account_that_may_not_see_triggers_touches_everything() {
    let mut fixture = Fixture::new(SCHEMA).await;
    let name = fixture.name.clone();
    for (account, rights, touches) in [
        (format!("{name}_a"), "SELECT, INSERT, SHOW VIEW", "*"),
        (format!("{name}_b"), "SELECT, INSERT, SHOW VIEW, TRIGGER", "audit audited twice"),
    ] {
        fixture.run(&format!("CREATE USER '{account}'@'%' IDENTIFIED BY 'own'")).await;
        fixture.run(&format!("GRANT {rights} ON `{}`.* TO '{account}'@'%'", name.replace('_', "\\_"))).await;
        let database = open(&fixture, &fixture.url_as(&format!("{account}:own")));
        assert_eq!(coherence::writes(&database, &name, "INSERT INTO audited VALUES (1)").await, touches, "{rights}");
        assert_eq!(coherence::reads(&database, &name, "SELECT * FROM big").await.as_deref(), Ok("orders"), "{rights}");
        database.close().await;
        fixture.run(&format!("DROP USER '{account}'@'%'")).await;
    }
}

#[tokio::test]
async fn a_change_of_the_schema_through_the_host_is_seen_at_once() {
    let fixture = Fixture::new(SCHEMA).await;
    let database = open(&fixture, &fixture.url);
    let before = coherence::stamp(&database, "SELECT * FROM big").await.unwrap();
    coherence::run(&database, "CREATE OR REPLACE VIEW big AS SELECT * FROM twice").await;
    assert_eq!(coherence::reads(&database, &fixture.name, "SELECT * FROM big").await.as_deref(), Ok("twice"));
    let now = coherence::stamp(&database, "SELECT * FROM big").await.unwrap();
    assert_ne!(now, before);
    coherence::run(&database, "INSERT INTO audit VALUES (1)").await;
    assert_ne!(coherence::stamp(&database, "SELECT * FROM big").await.unwrap(), now);
    database.close().await;
}

const NUMBERS: &[&str] = &[
    "CREATE TABLE counters (id INT PRIMARY KEY, n INT)",
    "INSERT INTO counters VALUES (1, 0), (2, 0)",
    "CREATE VIEW counted AS SELECT n FROM counters WHERE id = 1",
    "CREATE VIEW counted_again AS SELECT n + 0 AS n FROM counted",
    "CREATE VIEW made AS SELECT 0 AS n",
    "CREATE TABLE audit (id INT PRIMARY KEY AUTO_INCREMENT, what INT)",
    "CREATE TABLE audited (id INT PRIMARY KEY)",
    "CREATE TRIGGER noted AFTER INSERT ON audited FOR EACH ROW BEGIN INSERT INTO audit (what) VALUES (NEW.id); END",
    "CREATE TABLE parents (id INT PRIMARY KEY)",
    "CREATE TABLE children (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE CASCADE)",
    "CREATE TABLE grandchildren (id INT PRIMARY KEY, child INT, FOREIGN KEY (child) REFERENCES children (id) ON DELETE CASCADE)",
    "INSERT INTO parents WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 1000) SELECT i FROM s",
    "INSERT INTO children SELECT id, id FROM parents",
    "INSERT INTO grandchildren SELECT id, id FROM children",
];

const QUERIES: &[Query] = &[
    Query("SELECT n FROM counters WHERE id = 1"),
    Query("SELECT n FROM counted_again"),
    Query("SELECT count(*) FROM audit"),
    Query("SELECT 1000 - count(*) FROM grandchildren"),
    Query("SELECT n FROM made"),
];

const CHANGES: &[Change] = &[
    Change(&["UPDATE counters SET n = n + 1 WHERE id = 1"], &[(0, 1), (1, 1)]),
    Change(&["UPDATE counted SET n = n + 1"], &[(0, 1), (1, 1)]),
    Change(&["INSERT INTO audited VALUES ({})"], &[(2, 1)]),
    Change(&["DELETE FROM parents WHERE id = {}"], &[(3, 1)]),
    Change(&["UPDATE counters SET n = n + 2 WHERE id = 1", "INSERT INTO audited VALUES (100000 + {})"], &[(0, 2), (1, 2), (2, 1)]),
];

const VIEW: &str = "CREATE OR REPLACE VIEW made AS SELECT {} AS n";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reader_sees_what_was_before_an_acknowledged_write() {
    let fixture = Fixture::new(NUMBERS).await;
    let database = open(&fixture, &fixture.url);
    let figures = race(&database, Script { queries: QUERIES, changes: CHANGES, view: Some((4, VIEW)) }, 240, Keeping::ByStamp).await;
    assert_eq!(figures.stale, 0, "{figures:?}");
    assert!(figures.reads > 2_000 && figures.hits > 200 && figures.written > 600, "{figures:?}");
    database.close().await;
}

#[tokio::test]
async fn a_write_past_the_host_moves_the_probe_of_a_table_that_rested() {
    let mut fixture = Fixture::new(NUMBERS).await;
    let database = open(&fixture, &fixture.url);
    let statement = database.judge("SELECT n FROM counters").unwrap();
    let Cacheability::Yes(tables) = database.dependencies(&coherence::call(), &statement, &[]).await else { panic!("it only reads") };
    let rested = || async {
        let started = Instant::now();
        loop {
            if let Some(probe) = database.probe(&coherence::call(), &tables).await {
                return probe;
            }
            assert!(started.elapsed() < Duration::from_secs(15), "it never rests");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let before = rested().await;
    fixture.run("UPDATE counters SET n = n + 1").await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(database.probe(&coherence::call(), &tables).await, None, "it was written a moment ago");
    assert_ne!(rested().await, before);
    database.close().await;
}
