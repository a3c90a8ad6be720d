//! What must not get through a reading run, with the state of files and data looked at afterwards.

use super::*;
use crate::database::error::ErrorKind;

/// Statements that write, reach out or change the session, and one of the words of their error's kind.
const DENIED: &[&str] = &[
    "INSERT INTO orders VALUES (9, 'eve', 1)",
    "REPLACE INTO orders VALUES (1, 'eve', 1)",
    "UPDATE orders SET total = 0",
    "DELETE FROM orders",
    "WITH x AS (SELECT 1) DELETE FROM orders",
    "WITH x AS (SELECT 1) INSERT INTO orders SELECT 9, 'eve', 1 FROM x",
    "INSERT INTO orders VALUES (9, 'eve', 1) RETURNING id",
    "EXPLAIN DELETE FROM orders",
    "CREATE TABLE t (a)",
    "CREATE TABLE t AS SELECT 1",
    "CREATE TEMP TABLE t (a)",
    "CREATE VIEW v AS SELECT 1",
    "CREATE TEMP VIEW v AS SELECT 1",
    "CREATE INDEX i ON orders (total)",
    "CREATE TRIGGER g AFTER INSERT ON orders BEGIN SELECT 1; END",
    "CREATE TEMP TRIGGER g AFTER INSERT ON orders BEGIN SELECT 1; END",
    "CREATE VIRTUAL TABLE f USING fts5(a)",
    "CREATE VIRTUAL TABLE temp.f USING fts5(a)",
    "ALTER TABLE orders RENAME TO o",
    "ALTER TABLE orders ADD COLUMN x",
    "ALTER TABLE orders DROP COLUMN total",
    "DROP TABLE orders",
    "DROP VIEW totals",
    "REINDEX",
    "ANALYZE",
    "VACUUM",
    "VACUUM INTO 'FOLDER/copy.db'",
    "VACUUM main INTO 'FOLDER/copy.db'",
    "VACUUM INTO ('FOLDER' || '/copy.db')",
    "ATTACH 'FOLDER/other.db' AS o",
    "ATTACH 'FOLDER/' || 'other.db' AS o",
    "ATTACH DATABASE 'file:FOLDER/other.db?mode=rwc' AS o",
    "ATTACH ':memory:' AS o",
    "ATTACH '' AS o",
    "DETACH main",
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "RELEASE s",
    "PRAGMA query_only = 0",
    "PRAGMA query_only(0)",
    "PRAGMA main.query_only = OFF",
    "PRAGMA writable_schema = 1",
    "PRAGMA writable_schema = RESET",
    "PRAGMA writable_schema",
    "PRAGMA hard_heap_limit = 1024",
    "PRAGMA soft_heap_limit = 1024",
    "PRAGMA trusted_schema = 1",
    "PRAGMA journal_mode = OFF",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA user_version = 7",
    "PRAGMA user_version(7)",
    "PRAGMA schema_version = 7",
    "PRAGMA application_id = 7",
    "PRAGMA encoding = 'UTF-16'",
    "PRAGMA auto_vacuum = 1",
    "PRAGMA incremental_vacuum(10)",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA optimize",
    "PRAGMA shrink_memory",
    "PRAGMA temp_store_directory = 'FOLDER'",
    "PRAGMA case_sensitive_like = 1",
    "PRAGMA busy_timeout = 0",
    "PRAGMA cache_size = 1000000",
    "PRAGMA mmap_size = 1000000000",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA ignore_check_constraints = 1",
    "PRAGMA page_size = 512",
    "SELECT * FROM pragma_wal_checkpoint",
    "SELECT * FROM pragma_optimize",
    "SELECT load_extension('FOLDER/evil.so')",
    "SELECT load_extension('FOLDER/evil.so', 'main')",
    "SELECT \"load_extension\"('FOLDER/evil.so')",
    "SELECT fts3_tokenizer('simple')",
    "SELECT fts3_tokenizer('simple', x'0000000000000000')",
    "SELECT readfile('/etc/passwd')",
    "SELECT writefile('FOLDER/x', 'x')",
    "SELECT * FROM notes WHERE notes MATCH 'x'; DELETE FROM orders",
    "SELECT optimize(old) FROM old",
    "INSERT INTO notes(notes) VALUES ('optimize')",
    "UPDATE sqlite_schema SET sql = ''",
    "DELETE FROM sqlite_master",
    "SELECT 1; DELETE FROM orders",
    "SELECT 1; SELECT 2",
    "SELECT 1;; PRAGMA query_only = 0",
    "SELECT 1 /* */ ; -- \n DROP TABLE orders",
    "; DELETE FROM orders",
    "SELECT 1; garbage",
    "SELECT 1\0; DELETE FROM orders",
    "DELETE FROM orders\0",
    "",
    " ",
    ";",
    "-- nothing",
    "/* nothing",
];

const WITH_EVERYTHING: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, total REAL)
    INSERT INTO orders VALUES (1, 'ann', 10.5), (2, 'bob', 20), (3, 'cyd', NULL)
    CREATE VIEW totals AS SELECT customer, sum(total) AS total FROM orders GROUP BY customer
    CREATE VIRTUAL TABLE notes USING fts5(body)
    INSERT INTO notes VALUES ('a storm of words')
    CREATE VIRTUAL TABLE old USING fts4(body)
    INSERT INTO old VALUES ('older words')
    CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1)
    INSERT INTO boxes VALUES (1, 0, 10)
    CREATE INDEX by_customer ON orders (customer)
";

/// Everything that a statement could have left behind.
async fn state(folder: &Folder, fresh: &Sqlite, used: &Sqlite) -> Vec<String> {
    let mut state: Vec<String> = folder.files().into_iter().map(|(name, _)| name).collect();
    let file = std::fs::read(folder.0.join("shop.db")).unwrap();
    state.push(format!(
        "{} bytes, {:?}",
        file.len(),
        file.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))
    ));
    for sqlite in [fresh, used] {
        for sql in [
            "SELECT group_concat(quote(id) || quote(customer) || quote(total)) FROM orders",
            "SELECT group_concat(type || name || coalesce(sql, '')) FROM sqlite_schema",
            "SELECT count(*) FROM sqlite_temp_schema",
            "SELECT group_concat(name) FROM pragma_database_list WHERE name <> 'temp'",
            "PRAGMA user_version",
            "PRAGMA journal_mode",
        ] {
            state.push(format!("{:?}", one(sqlite, sql).await));
        }
    }
    state.push(format!("{:?}", one(used, "PRAGMA query_only").await));
    state.push(format!("{:?}", one(used, "PRAGMA trusted_schema").await));
    state
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_writes_or_reaches_out_gets_through_a_reading_run() {
    for mode in [Mode::ReadOnly, Mode::ReadWrite] {
        let (folder, maker) = shop(WITH_EVERYTHING).await;
        maker.close().await;
        let mut config = config(&folder.url(""), mode);
        // One connection, so that what a statement leaves in its session is seen.
        config.pool.max = 1;
        let used = Sqlite::new(&config).unwrap();
        let fresh = open(&folder.url(""), Mode::ReadOnly);
        let before = state(&folder, &fresh, &used).await;
        for sql in DENIED {
            let sql = sql.replace("FOLDER", &folder.0.display().to_string());
            let error = read(&used, &sql, &[]).await.expect_err(&sql);
            let kinds = [
                ErrorKind::ReadOnly,
                ErrorKind::Refused,
                ErrorKind::MultipleStatements,
                ErrorKind::Syntax,
                ErrorKind::Failed,
                ErrorKind::UnknownTable,
            ];
            assert!(kinds.contains(&error.kind), "{sql}: {error:?}");
            assert!(!error.message.contains(&folder.0.display().to_string()), "{sql}: {error:?}");
            let after = state(&folder, &fresh, &used).await;
            let changed = before.iter().zip(&after).find(|(before, after)| before != after);
            assert!(changed.is_none() && before.len() == after.len(), "{sql} left something behind: {changed:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_reads_runs() {
    let (_folder, sqlite) = shop(WITH_EVERYTHING).await;
    for sql in [
        "SELECT 1;",
        "SELECT 1 ; ; -- done",
        "-- first\nSELECT /* in */ 1 /* open",
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT sum(i) FROM n",
        "VALUES (1, 'a'), (2, 'b')",
        "EXPLAIN SELECT * FROM orders",
        "EXPLAIN QUERY PLAN SELECT * FROM orders WHERE customer = 'ann'",
        "SELECT replace('DROP TABLE x; --', 'DROP', 'keep'), 'ATTACH', \"customer\" FROM orders",
        "SELECT customer, row_number() OVER (ORDER BY total) FROM orders",
        "SELECT group_concat(customer, ', '), json_group_array(id) FROM orders",
        "SELECT * FROM json_each('[1, 2]')",
        "SELECT * FROM totals",
        "SELECT * FROM notes WHERE notes MATCH 'storm' ORDER BY rank",
        "SELECT snippet(notes, 0, '<', '>', '', 5), bm25(notes) FROM notes WHERE notes MATCH 'storm'",
        "SELECT * FROM old WHERE old MATCH 'older'",
        "SELECT * FROM boxes WHERE x0 < 5",
        "SELECT name FROM sqlite_schema",
        "SELECT name FROM sqlite_temp_master",
        "SELECT * FROM dbstat LIMIT 1",
        "SELECT date('now'), random(), hex(randomblob(4)), printf('%05d', 42), instr('abc', 'c')",
        "SELECT 'ÄÖÜ' AS \"größe\"",
        "PRAGMA table_info(orders)",
        "PRAGMA main.table_xinfo('orders')",
        "PRAGMA table_list",
        "PRAGMA index_list(orders)",
        "PRAGMA index_info(by_customer)",
        "PRAGMA foreign_key_list(orders)",
        "PRAGMA foreign_key_check",
        "PRAGMA database_list",
        "PRAGMA collation_list",
        "PRAGMA function_list",
        "PRAGMA compile_options",
        "PRAGMA encoding",
        "PRAGMA page_count",
        "PRAGMA page_size",
        "PRAGMA freelist_count",
        "PRAGMA user_version",
        "PRAGMA schema_version",
        "PRAGMA application_id",
        "PRAGMA journal_mode",
        "PRAGMA integrity_check",
        "PRAGMA integrity_check(10)",
        "PRAGMA quick_check(orders)",
        "SELECT * FROM pragma_table_info('orders')",
        "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c",
    ] {
        if let Err(error) = read(&sqlite, sql, &[]).await {
            panic!("{sql}: {error:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reaches_out_is_denied_to_a_writer_too() {
    let (folder, sqlite) = shop(WITH_EVERYTHING).await;
    let before = folder.files().len();
    for sql in DENIED.iter().filter(|sql| {
        let reaches =
            ["ATTACH", "DETACH", "INTO '", "INTO (", "load_extension", "TEMP", "temp.", "SAVEPOINT", "BEGIN", "query_only", "writable"];
        reaches.iter().any(|part| sql.contains(part)) && !sql.contains("CREATE TRIGGER g") || sql.contains("; D") && !sql.starts_with(';')
    }) {
        let sql = sql.replace("FOLDER", &folder.0.display().to_string());
        for kind in [StatementKind::Write, StatementKind::Admin] {
            run(&sqlite, &sql, &[], kind).await.expect_err(&sql);
        }
    }
    for sql in [
        "PRAGMA journal_mode = OFF",
        "PRAGMA journal_mode = MEMORY",
        "PRAGMA foreign_keys = OFF",
        "PRAGMA synchronous = OFF",
        "PRAGMA hard_heap_limit = 1",
    ] {
        administer(&sqlite, sql).await.expect_err(sql);
    }
    assert_eq!(folder.files().len(), before);
    assert_eq!(one(&sqlite, "SELECT count(*) FROM orders").await, Value::Integer(3));
    assert_eq!(one(&sqlite, "SELECT count(*) FROM pragma_database_list").await, Value::Integer(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_to_write_rows_does_not_change_the_schema() {
    let (_folder, sqlite) = shop(SHOP).await;
    for sql in
        ["CREATE TABLE t (a)", "DROP TABLE orders", "ALTER TABLE orders ADD COLUMN x", "ANALYZE", "VACUUM", "PRAGMA user_version = 3"]
    {
        let failed = write(&sqlite, sql, &[]).await.expect_err(sql);
        assert!(matches!(failed.error.kind, ErrorKind::ReadOnly | ErrorKind::Refused) || sql == "VACUUM", "{sql}: {failed:?}");
    }
    let failed = run(&sqlite, "DELETE FROM orders", &[], StatementKind::Read).await.unwrap_err();
    assert_eq!(failed.error.kind, ErrorKind::ReadOnly);
    assert_eq!(one(&sqlite, "SELECT count(*) FROM orders").await, Value::Integer(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_database_has_no_writer() {
    let (folder, maker) = shop(SHOP).await;
    maker.close().await;
    let sqlite = open(&folder.url(""), Mode::ReadOnly);
    assert_eq!(write(&sqlite, "DELETE FROM orders", &[]).await.unwrap_err().error.kind, ErrorKind::ReadOnly);
    assert_eq!(one(&sqlite, "SELECT count(*) FROM orders").await, Value::Integer(3));
}
