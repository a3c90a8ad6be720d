//! What statements depend on and touch in a database, and readers that keep answers while writers write.

use std::future::Future;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use super::Fixture;
use super::admin;
use super::on_configured;
use crate::config::DatabaseConfig;
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
    CREATE SCHEMA old;
    CREATE TABLE customers (id int PRIMARY KEY, name text);
    CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE, total int);
    CREATE TABLE items (id int PRIMARY KEY, ord int REFERENCES orders ON UPDATE SET NULL, n int);
    CREATE TABLE notes (id int, customer int REFERENCES customers);
    CREATE TABLE old.stock (id int);
    CREATE TABLE stock (id int);
    CREATE TABLE \"Mixed.Case\" (\"Id\" int);
    CREATE VIEW big AS SELECT * FROM orders WHERE total > 10;
    CREATE VIEW biggest AS WITH b AS (SELECT * FROM big) SELECT c.name, b.total FROM b JOIN customers c ON c.id = b.customer;
    CREATE VIEW people AS SELECT name FROM customers;
    CREATE VIEW lately AS SELECT * FROM orders WHERE now() > '2020-01-01';
    CREATE VIEW today AS SELECT * FROM orders WHERE CURRENT_DATE > '2020-01-01';
    CREATE FUNCTION tax(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
    CREATE FUNCTION note_it(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN INSERT INTO notes VALUES ($1, NULL); RETURN $1; END';
    CREATE VIEW taxed AS SELECT tax(total) FROM orders;
    CREATE FUNCTION volume(customers) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT sum(total) FROM orders WHERE customer = $1.id';
    CREATE FUNCTION upper(int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM notes';
    CREATE TABLE measures (at int, n int) PARTITION BY RANGE (at);
    CREATE TABLE measures_1 PARTITION OF measures FOR VALUES FROM (0) TO (10);
    CREATE TABLE measures_2 PARTITION OF measures FOR VALUES FROM (10) TO (20);
    CREATE TABLE cities (name text);
    CREATE TABLE capitals (state text) INHERITS (cities);
    CREATE TABLE audited (id int);
    CREATE TABLE audit (id int);
    CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO audit VALUES (NEW.id); RETURN NEW; END';
    CREATE TRIGGER noted AFTER INSERT ON audited FOR EACH ROW EXECUTE FUNCTION noted();
    CREATE TABLE ruled (id int);
    CREATE RULE also AS ON INSERT TO ruled DO ALSO INSERT INTO audit VALUES (NEW.id);
    CREATE TABLE filled (id int, n int DEFAULT note_it(1));
    CREATE TABLE tenants (id int);
    ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON tenants USING (id IN (SELECT id FROM customers));
    CREATE VIEW of_tenants AS SELECT * FROM tenants;
    CREATE MATERIALIZED VIEW summary AS SELECT sum(total) FROM orders;
    CREATE SEQUENCE numbers;
";

/// As the fixture's own, with the whole database on top of the engine.
async fn on_database<T, F>(schema: &str, test: T)
where
    T: FnOnce(Arc<Database>, Arc<Fixture>) -> F,
    F: Future<Output = ()>,
{
    let configured = Mutex::new(None);
    let keep = |config: &mut DatabaseConfig| *configured.lock().unwrap() = Some(config.clone());
    on_configured(schema, keep, |fixture| async {
        let database = coherence::open(configured.lock().unwrap().take().unwrap());
        test(database.clone(), fixture).await;
        database.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_query_depends_on_the_tables_behind_its_views() {
    on_database(SCHEMA, |database, _| async move {
        for (sql, tables) in [
            ("SELECT 1", ""),
            ("SELECT * FROM orders", "orders"),
            ("SELECT * FROM public.ORDERS o, \"customers\" c WHERE c.name = 'x'", "customers orders"),
            ("SELECT name FROM biggest", "customers orders"),
            ("SELECT * FROM \"Mixed.Case\"", "Mixed.Case"),
            ("SELECT * FROM stock", "old.stock stock"),
            ("SELECT * FROM old.stock", "old.stock"),
            ("WITH orders AS (SELECT * FROM notes) SELECT * FROM orders", "notes orders"),
            ("SELECT * FROM measures", "measures measures_1 measures_2"),
            ("SELECT * FROM measures_1", "measures_1"),
            ("SELECT * FROM cities", "capitals cities"),
            ("SELECT * FROM summary", "summary"),
            ("SELECT count(*), max(total) FROM (SELECT * FROM big UNION SELECT * FROM orders) x", "orders"),
            ("SELECT (SELECT count(*) FROM notes), name FROM customers WHERE id IN (SELECT ord FROM items)", "customers items notes"),
            ("SELECT * FROM generate_series(1, 3) g (i) JOIN orders ON id = i", "orders"),
        ] {
            assert_eq!(coherence::reads(&database, "public", sql).await, Ok(tables.to_owned()), "{sql}");
        }
        for sql in [
            "SELECT * FROM lately",
            "SELECT * FROM today",
            "SELECT * FROM taxed",
            "SELECT * FROM tenants",
            "SELECT * FROM of_tenants",
            "SELECT * FROM pg_class",
            "SELECT * FROM pg_catalog.pg_tables",
            "SELECT * FROM information_schema.tables",
            "SELECT last_value FROM numbers",
            "SELECT * FROM nowhere",
            "SELECT tax(total) FROM orders",
            "SELECT c.volume FROM customers c",
            "SELECT upper(id) FROM orders",
            "SELECT now()",
            "SELECT * FROM orders TABLESAMPLE system (10)",
            "SELECT current_user",
            "SHOW work_mem",
            "EXPLAIN SELECT 1",
        ] {
            assert!(coherence::reads(&database, "public", sql).await.is_err(), "{sql}");
        }
        let statement = database.judge("SELECT * FROM orders WHERE $1::date > '2026-01-01'").unwrap();
        let yes = |value: &str| {
            let (database, statement, value) = (database.clone(), statement.clone(), Value::Text(value.into()));
            async move { matches!(database.dependencies(&coherence::call(), &statement, &[value]).await, Cacheability::Yes(_)) }
        };
        assert!(yes("2026-01-01").await && !yes(" Today ").await);
    })
    .await;
}

#[tokio::test]
async fn a_write_touches_what_its_keys_views_and_partitions_write() {
    on_database(SCHEMA, |database, _| async move {
        for (sql, tables) in [
            ("INSERT INTO notes VALUES (1, NULL)", "notes"),
            ("DELETE FROM customers WHERE id = 1", "customers items orders"),
            ("UPDATE ONLY public.orders SET id = 2", "items orders"),
            ("INSERT INTO people VALUES ('x')", "customers items orders people"),
            ("INSERT INTO measures VALUES (1, 2)", "measures measures_1 measures_2"),
            ("UPDATE measures_2 SET n = 1", "measures measures_1 measures_2"),
            ("UPDATE cities SET name = ''", "capitals cities"),
            ("WITH gone AS (DELETE FROM items RETURNING *) INSERT INTO stock SELECT id FROM gone", "items old.stock stock"),
            ("INSERT INTO audit SELECT id FROM summary", "audit"),
            ("MERGE INTO notes n USING stock s ON n.id = s.id WHEN MATCHED THEN DELETE", "notes old.stock stock"),
            ("SELECT * FROM orders FOR UPDATE", "items orders"),
            ("SELECT * FROM biggest", ""),
        ] {
            assert_eq!(coherence::writes(&database, "public", sql).await, tables, "{sql}");
        }
        for sql in [
            "INSERT INTO audited VALUES (1)",
            "INSERT INTO ruled VALUES (1)",
            "INSERT INTO filled VALUES (1)",
            "INSERT INTO tenants VALUES (1)",
            "INSERT INTO nowhere VALUES (1)",
            "INSERT INTO audit VALUES (note_it(1))",
            // Declared to write nothing; what it calls may.
            "INSERT INTO audit VALUES (tax(1))",
            "SELECT note_it(1)",
            "SELECT * FROM nowhere",
            "CALL something()",
            "CREATE TABLE x (y int)",
            "TRUNCATE orders",
        ] {
            assert_eq!(coherence::writes(&database, "public", sql).await, "*", "{sql}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_change_of_the_schema_through_the_host_is_seen_at_once() {
    on_database(SCHEMA, |database, _| async move {
        let before = coherence::stamp(&database, "SELECT * FROM people").await.unwrap();
        coherence::run(&database, "CREATE OR REPLACE VIEW people AS SELECT name FROM cities").await;
        assert_eq!(coherence::reads(&database, "public", "SELECT * FROM people").await.as_deref(), Ok("capitals cities"));
        let now = coherence::stamp(&database, "SELECT * FROM people").await.unwrap();
        assert_ne!(now, before);
        coherence::run(&database, "INSERT INTO capitals VALUES ('a', 'b')").await;
        assert_ne!(coherence::stamp(&database, "SELECT * FROM people").await.unwrap(), now);
        coherence::run(&database, "REFRESH MATERIALIZED VIEW summary").await;
        let refreshed = coherence::stamp(&database, "SELECT * FROM summary").await.unwrap();
        coherence::run(&database, "INSERT INTO stock VALUES (1)").await;
        assert_eq!(coherence::stamp(&database, "SELECT * FROM summary").await.unwrap(), refreshed);
    })
    .await;
}

#[tokio::test]
async fn code_that_no_text_shows_keeps_answers_from_being_kept() {
    let operator = |volatility: &str| {
        format!(
            "CREATE TABLE lines (n int);
             CREATE FUNCTION times(text, int) RETURNS bigint LANGUAGE sql {volatility} AS 'SELECT count(*) FROM lines';
             CREATE OPERATOR * (LEFTARG = text, RIGHTARG = int, FUNCTION = times);"
        )
    };
    for (volatility, kept, touched) in [("IMMUTABLE", true, "*"), ("STABLE", false, "*"), ("VOLATILE", false, "*")] {
        on_database(&operator(volatility), |database, _| async move {
            assert_eq!(coherence::reads(&database, "public", "SELECT n * 2 FROM lines").await.is_ok(), kept, "{volatility}");
            assert_eq!(coherence::writes(&database, "public", "INSERT INTO lines VALUES (1)").await, touched, "{volatility}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_change_of_the_schema_past_the_host_counts_when_it_is_noticed() {
    on_database(SCHEMA, |database, fixture| async move {
        let before = coherence::stamp(&database, "SELECT * FROM people").await.unwrap();
        let outside = fixture.server.clone().database(&fixture.name);
        admin(&outside, "CREATE OR REPLACE VIEW people AS SELECT name FROM customers WHERE id > 1").await;
        assert_eq!(coherence::stamp(&database, "SELECT * FROM people").await.unwrap(), before, "nobody has looked yet");
        database.keeper.forget();
        let after = coherence::stamp(&database, "SELECT * FROM people").await.unwrap();
        assert_ne!(after, before);
        database.keeper.forget();
        assert_eq!(coherence::stamp(&database, "SELECT * FROM people").await.unwrap(), after, "nothing changed since");
    })
    .await;
}

const NUMBERS: &str = "
    CREATE TABLE counters (id int PRIMARY KEY, n int);
    INSERT INTO counters VALUES (1, 0), (2, 0);
    CREATE VIEW counted AS SELECT n FROM counters WHERE id = 1;
    CREATE VIEW counted_again AS SELECT n + 0 AS n FROM counted;
    CREATE TABLE audit (what int);
    CREATE VIEW made AS SELECT 0 AS n;
    CREATE TABLE audited (id int PRIMARY KEY);
    CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO audit VALUES (NEW.id); RETURN NEW; END';
    CREATE TRIGGER noted AFTER INSERT ON audited FOR EACH ROW EXECUTE FUNCTION noted();
    CREATE TABLE parents (id int PRIMARY KEY);
    CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents ON DELETE CASCADE);
    CREATE TABLE grandchildren (id int PRIMARY KEY, child int REFERENCES children ON DELETE CASCADE);
    INSERT INTO parents SELECT i FROM generate_series(1, 1000) i;
    INSERT INTO children SELECT id, id FROM parents;
    INSERT INTO grandchildren SELECT id, id FROM children;
    CREATE TABLE measures (at int, n int) PARTITION BY RANGE (at);
    CREATE TABLE measures_1 PARTITION OF measures FOR VALUES FROM (0) TO (500);
    CREATE TABLE measures_2 PARTITION OF measures FOR VALUES FROM (500) TO (100000);
";

const QUERIES: &[Query] = &[
    Query("SELECT n FROM counters WHERE id = 1"),
    Query("SELECT n FROM counted_again"),
    Query("SELECT count(*) FROM audit"),
    Query("SELECT 1000 - count(*) FROM grandchildren"),
    Query("SELECT count(*) FROM measures_1"),
    Query("SELECT count(*) FROM measures"),
    Query("SELECT n FROM made"),
];

const CHANGES: &[Change] = &[
    Change(&["UPDATE counters SET n = n + 1 WHERE id = 1"], &[(0, 1), (1, 1)]),
    Change(&["UPDATE counted SET n = n + 1"], &[(0, 1), (1, 1)]),
    Change(&["INSERT INTO audited VALUES ({})"], &[(2, 1)]),
    Change(&["DELETE FROM parents WHERE id = {}"], &[(3, 1)]),
    Change(
        &["UPDATE counters SET n = n + 2 WHERE id = 1", "INSERT INTO measures VALUES (1, {})", "SELECT n FROM counted"],
        &[(0, 2), (1, 2), (4, 1), (5, 1)],
    ),
    Change(&["INSERT INTO measures_2 VALUES (500 + {}, 1)"], &[(5, 1)]),
];

const VIEW: &str = "CREATE OR REPLACE VIEW made AS SELECT {} AS n";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reader_sees_what_was_before_an_acknowledged_write() {
    on_database(NUMBERS, |database, _| async move {
        let figures = race(&database, Script { queries: QUERIES, changes: CHANGES, view: Some((6, VIEW)) }, 240, Keeping::ByStamp).await;
        assert_eq!(figures.stale, 0, "{figures:?}");
        assert!(figures.reads > 2_000 && figures.hits > 200 && figures.written > 600, "{figures:?}");
    })
    .await;
}

#[tokio::test]
async fn a_write_that_is_dropped_in_the_middle_may_still_take_effect() {
    on_database(NUMBERS, |database, fixture| async move {
        let count = "SELECT n FROM counters WHERE id = 1";
        let before = coherence::stamp(&database, count).await.unwrap();
        let slow = database.judge("UPDATE counters SET n = n + 1 FROM pg_sleep(20)").unwrap();
        let call = coherence::call();
        let options = coherence::options();
        let write = database.write(&call, vec![(slow, Vec::new())], None, &options);
        let seen = async {
            fixture.becomes("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'UPDATE counters%pg_sleep%'", "1").await;
            assert!(coherence::stamp(&database, count).await.is_none());
        };
        tokio::select! {
            biased;
            _ = write => panic!("it sleeps longer"),
            () = seen => {}
        }
        assert!(coherence::stamp(&database, count).await.is_none(), "it may have been committing");
        // What the engine refused is settled at once.
        let other = "SELECT count(*) FROM audit";
        let wrong = database.judge("INSERT INTO audit SELECT 1 / 0").unwrap();
        database.write(&coherence::call(), vec![(wrong, Vec::new())], None, &coherence::options()).await.unwrap_err();
        assert!(coherence::stamp(&database, other).await.is_some_and(|stamp| stamp != before));
    })
    .await;
}

#[tokio::test]
async fn a_write_past_the_host_moves_the_probe_when_the_server_has_counted_it() {
    on_database(NUMBERS, |database, fixture| async move {
        let statement = database.judge("SELECT n FROM counters").unwrap();
        let Cacheability::Yes(tables) = database.dependencies(&coherence::call(), &statement, &[]).await else { panic!("it only reads") };
        let call = coherence::call();
        let probe = || database.probe(&call, &tables);
        let before = probe().await.unwrap();
        assert_eq!(probe().await.unwrap(), before);
        // The connection ends after the statement, and a server process counts when it ends.
        for write in ["UPDATE counters SET n = n + 1", "TRUNCATE counters"] {
            let before = probe().await.unwrap();
            admin(&fixture.server.clone().database(&fixture.name), write).await;
            let started = Instant::now();
            while probe().await.unwrap() == before {
                assert!(started.elapsed() < Duration::from_secs(15), "nothing moves after {write}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    })
    .await;
}
