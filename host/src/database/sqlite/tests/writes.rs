//! Transactions, counts, returned rows, and readers beside a writer.

use std::sync::Arc;

use super::*;
use crate::database::error::ErrorKind;

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_takes_effect_whole_or_not_at_all() {
    let (_folder, sqlite) = shop(SHOP).await;
    let statement = |sql: &str| (claimed(sql, StatementKind::Write), Vec::new());
    let failed = sqlite
        .write(
            &call(),
            vec![
                statement("UPDATE orders SET total = 0"),
                statement("DELETE FROM orders WHERE id = 1"),
                statement("INSERT INTO orders VALUES (2, 'again', 1)"),
                statement("DELETE FROM orders"),
            ],
            &options(),
        )
        .await
        .unwrap_err();
    assert_eq!((failed.index, failed.error.kind), (2, ErrorKind::Constraint));
    assert_eq!(failed.error.message, "there is a row with the same `orders.id` already");
    assert_eq!(failed.error.sqlstate.as_deref(), Some("SQLITE_CONSTRAINT_PRIMARYKEY"));
    assert_eq!(one(&sqlite, "SELECT count(*) || ' ' || sum(total) FROM orders").await, Value::Text("3 30.5".into()));

    let done = sqlite
        .write(
            &call(),
            vec![
                statement("UPDATE orders SET total = 1 WHERE id < 3"),
                (claimed("SELECT count(*) FROM orders", StatementKind::Read), Vec::new()),
                statement("DELETE FROM orders"),
                statement("DELETE FROM orders"),
            ],
            &options(),
        )
        .await
        .unwrap();
    assert_eq!(done.iter().map(|it| it.affected).collect::<Vec<_>>(), [2, 0, 3, 0]);
    assert_eq!(values(done[1].returned.as_ref().unwrap()), [[Value::Integer(3)]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn returned_rows_are_cut_and_all_changes_are_made() {
    let (_folder, sqlite) = shop(SHOP).await;
    let few = RunOptions { limits: RowLimits { rows: 2, bytes: 1000 }, ..options() };
    let statement = claimed("UPDATE orders SET total = 7 RETURNING id, total", StatementKind::Write);
    let done = sqlite.write(&call(), vec![(statement, Vec::new())], &few).await.unwrap().remove(0);
    let returned = done.returned.unwrap();
    assert_eq!((done.affected, returned.len(), returned.truncated()), (3, 2, true));
    assert_eq!(one(&sqlite, "SELECT count(*) FROM orders WHERE total = 7").await, Value::Integer(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn constraints_say_what_they_keep() {
    let (_folder, sqlite) = shop(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, code TEXT UNIQUE, n INT NOT NULL CONSTRAINT positive CHECK (n > 0))
         CREATE TABLE c (p INT REFERENCES p (id))
         CREATE TABLE s (n INT) STRICT
         CREATE TRIGGER no_nine BEFORE INSERT ON p WHEN new.n = 9 BEGIN SELECT raise(ABORT, 'nine is taken'); END
         INSERT INTO p VALUES (1, 'a', 1)",
    )
    .await;
    for (sql, message) in [
        ("INSERT INTO p VALUES (2, 'a', 1)", "there is a row with the same `p.code` already"),
        ("INSERT INTO p VALUES (2, 'b', NULL)", "`p.n` may not be null"),
        ("INSERT INTO p VALUES (2, 'b', -1)", "a row does not keep the check `positive`"),
        ("INSERT INTO p VALUES (2, 'b', 9)", "nine is taken"),
        ("INSERT INTO c VALUES (5)", "a row refers to one that is not there, or is still referred to"),
        ("INSERT INTO s VALUES ('x')", "cannot store TEXT value in INT column s.n"),
    ] {
        let error = write(&sqlite, sql, &[]).await.unwrap_err().error;
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Constraint, message), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_changes_the_schema_and_vacuums() {
    let (folder, sqlite) = shop(SHOP).await;
    for sql in [
        "CREATE TABLE t AS SELECT * FROM orders",
        "CREATE INDEX i ON t (customer)",
        "CREATE VIEW v AS SELECT * FROM t",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM orders WHERE id = new.id; END",
        "CREATE VIRTUAL TABLE f USING fts5(a)",
        "ALTER TABLE t RENAME COLUMN customer TO client",
        "ALTER TABLE t ADD COLUMN x INT DEFAULT 5",
        "ALTER TABLE t DROP COLUMN x",
        "ALTER TABLE t RENAME TO u",
        "ANALYZE",
        "REINDEX",
        "VACUUM",
        "PRAGMA user_version = 5",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "PRAGMA journal_mode = delete",
        "PRAGMA journal_mode = wal",
        "DROP VIEW v",
        "DROP TABLE f",
    ] {
        if let Err(failed) = administer(&sqlite, sql).await {
            panic!("{sql}: {failed:?}");
        }
    }
    assert_eq!(one(&sqlite, "SELECT client FROM u WHERE id = 2").await, Value::Text("bob".into()));
    assert_eq!(one(&sqlite, "PRAGMA user_version").await, Value::Integer(5));
    assert_eq!(folder.files().len(), 1);
    let failed = sqlite
        .write(
            &call(),
            vec![(claimed("SELECT 1", StatementKind::Read), Vec::new()), (claimed("VACUUM", StatementKind::Admin), Vec::new())],
            &options(),
        )
        .await
        .unwrap_err();
    assert_eq!(failed.index, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_was_stopped_has_no_effect() {
    let (_folder, sqlite) = shop(SHOP).await;
    let endless = "INSERT INTO orders (customer) WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT 'x' FROM n";
    let statements =
        vec![(claimed("DELETE FROM orders", StatementKind::Write), Vec::new()), (claimed(endless, StatementKind::Write), Vec::new())];
    let short = RunOptions { timeout: Duration::from_millis(300), ..options() };
    let failed = sqlite.write(&call(), statements, &short).await.unwrap_err();
    assert_eq!((failed.index, failed.error.kind), (1, ErrorKind::Timeout));
    assert_eq!(one(&sqlite, "SELECT count(*) FROM orders").await, Value::Integer(3));
    assert_eq!(write(&sqlite, "DELETE FROM orders", &[]).await.unwrap().affected, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_go_on_beside_a_writer() {
    let (_folder, sqlite) = shop("CREATE TABLE t (a INT)").await;
    assert_eq!(one(&sqlite, "PRAGMA journal_mode").await, Value::Text("wal".into()));
    side_by_side(sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_in_memory_is_one_for_all_its_connections() {
    let sqlite = open("sqlite::memory:", Mode::ReadWrite);
    administer(&sqlite, "CREATE TABLE t (a INT)").await.unwrap();
    side_by_side(sqlite).await;
    let other = open("sqlite::memory:", Mode::ReadWrite);
    assert_eq!(one(&other, "SELECT count(*) FROM sqlite_schema").await, Value::Integer(0));
    let empty = open("sqlite::memory:", Mode::ReadOnly);
    assert_eq!(one(&empty, "SELECT count(*) FROM sqlite_schema").await, Value::Integer(0));
}

/// Pairs are written and never seen alone.
async fn side_by_side(sqlite: Sqlite) {
    let sqlite = Arc::new(sqlite);
    let writer = tokio::spawn({
        let sqlite = sqlite.clone();
        async move {
            for n in 0..50 {
                let insert = || (claimed("INSERT INTO t VALUES (?)", StatementKind::Write), vec![Value::Integer(n)]);
                sqlite.write(&call(), vec![insert(), insert()], &options()).await.unwrap();
            }
        }
    });
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let sqlite = sqlite.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    assert_eq!(one(&sqlite, "SELECT count(*) % 2 FROM t").await, Value::Integer(0));
                }
            })
        })
        .collect();
    writer.await.unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(one(&sqlite, "SELECT count(*) FROM t").await, Value::Integer(100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_ahead_log_is_read_from_a_folder_that_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, maker) = shop(SHOP).await;
    maker.close().await;
    assert_eq!(folder.files().len(), 1);
    let set = |mode| std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o555);
    let plain = read(&open(&folder.url(""), Mode::ReadOnly), "SELECT count(*) FROM orders", &[]).await;
    let immutable = read(&open(&folder.url("?immutable=1"), Mode::ReadOnly), "SELECT count(*) FROM orders", &[]).await;
    set(0o755);
    assert_eq!(values(&immutable.unwrap()), [[Value::Integer(3)]]);
    // A superuser may write to any folder, and then it is read without more ado.
    if let Err(error) = plain {
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.hint.unwrap().contains("immutable=1"));
    }
}
