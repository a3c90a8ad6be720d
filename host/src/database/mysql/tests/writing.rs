//! Transactions: all or nothing, counts, returned rows, statements that commit by themselves.

use super::Fixture;
use super::call;
use super::claimed;
use super::json;
use super::options;
use super::read;
use super::writable;
use super::write;
use crate::database::error::ErrorKind;
use crate::database::statement::StatementKind;
use crate::database::value::Value;

const SETUP: &[&str] = &[
    "CREATE TABLE parent (id INT PRIMARY KEY, name VARCHAR(10) NOT NULL UNIQUE, n INT CHECK (n > 0))",
    "CREATE TABLE child (id INT AUTO_INCREMENT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES parent (id))",
    "INSERT INTO parent VALUES (1, 'one', 1)",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_takes_effect_whole_or_not_at_all() {
    let mut fixture = Fixture::new(SETUP).await;
    let engine = fixture.engine(writable);
    let batch = |last: &str| {
        let texts = ["INSERT INTO parent VALUES (2, 'two', 2)", "SELECT name FROM parent ORDER BY id", last];
        let kinds = [StatementKind::Write, StatementKind::Read, StatementKind::Write];
        texts.iter().zip(kinds).map(|(text, kind)| (claimed(text, kind, true), Vec::new())).collect::<Vec<_>>()
    };
    let failed = engine.write(&call(), batch("INSERT INTO parent VALUES (1, 'again', 1)"), &options()).await.unwrap_err();
    assert_eq!((failed.index, failed.error.kind), (2, ErrorKind::Constraint), "{failed:?}");
    assert_eq!(failed.error.sqlstate.as_deref(), Some("23000"));
    assert_eq!(fixture.ask("SELECT COUNT(*) FROM parent").await, "1");
    let done = engine.write(&call(), batch("UPDATE parent SET n = n + 1"), &options()).await.unwrap();
    assert_eq!(done.iter().map(|done| done.affected).collect::<Vec<_>>(), [1, 0, 2]);
    assert_eq!(json(done[1].returned.as_ref().unwrap()), "[\"one\"]\n[\"two\"]");
    assert_eq!(fixture.ask("SELECT SUM(n) FROM parent").await, "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_write_returns_are_given_and_counted_even_beyond_the_limit() {
    let mut fixture = Fixture::new(SETUP).await;
    let engine = fixture.engine(writable);
    let done = write(&engine, "INSERT INTO child (parent) VALUES (1), (?) RETURNING id", vec![Value::Null]).await.unwrap();
    assert_eq!((done.affected, json(&done.returned.unwrap()).as_str()), (2, "[1]\n[2]"));
    let many = "INSERT INTO child (parent) SELECT 1 FROM seq_1_to_5000 RETURNING id";
    let done = write(&engine, many, Vec::new()).await.unwrap();
    let returned = done.returned.unwrap();
    assert_eq!((done.affected, returned.len(), returned.truncated()), (5_000, 1_000, true));
    assert_eq!(fixture.ask("SELECT COUNT(*) FROM child").await, "5002");
}

#[tokio::test(flavor = "multi_thread")]
async fn violated_constraints_are_told_by_kind() {
    let fixture = Fixture::new(SETUP).await;
    let engine = fixture.engine(writable);
    for text in [
        "INSERT INTO parent VALUES (1, 'dup', 1)",
        "INSERT INTO parent VALUES (3, NULL, 1)",
        "INSERT INTO parent VALUES (3, 'three', 0)",
        "INSERT INTO child (parent) VALUES (77)",
        "INSERT INTO parent (id, n) VALUES (4, 1)",
    ] {
        assert_eq!(write(&engine, text, Vec::new()).await.unwrap_err().kind, ErrorKind::Constraint, "{text}");
    }
    let error = write(&engine, "INSERT INTO parent VALUES (5, ?, 1)", vec![Value::Text("much too long".into())]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidParameters, "{error:?}");
    let error = write(&engine, "INSERT INTO nowhere VALUES (1)", Vec::new()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnknownTable);
    let error = write(&engine, "INSERT INTO parent (nmae) VALUES (1)", Vec::new()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnknownColumn);
    assert!(error.message.contains("`nmae`"), "{}", error.message);
    let error = write(&engine, "INSERT INTO parent VALUES (8, 'a', 1); DROP TABLE child", Vec::new()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Syntax);
    assert!(read(&engine, "SELECT * FROM child").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrative_statement_runs_alone() {
    let mut fixture = Fixture::new(SETUP).await;
    let engine = fixture.engine(writable);
    for text in [
        "CREATE TABLE made (id INT)",
        "ALTER TABLE made ADD COLUMN name TEXT",
        "CREATE TRIGGER tr BEFORE INSERT ON made FOR EACH ROW BEGIN SET NEW.name = 'a'; SET NEW.id = 1; END",
        "CREATE VIEW seen AS SELECT * FROM made",
    ] {
        let statement = claimed(text, StatementKind::Admin, false);
        engine.write(&call(), vec![(statement, Vec::new())], &options()).await.unwrap();
    }
    write(&engine, "INSERT INTO made VALUES (7, 'b')", Vec::new()).await.unwrap();
    assert_eq!(fixture.ask("SELECT CONCAT(id, name) FROM seen").await, "1a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writing_session_leaves_nothing_for_the_next() {
    let fixture = Fixture::new(SETUP).await;
    let engine = fixture.engine(|config| {
        config.pool.max = 1;
        writable(config);
    });
    write(&engine, "INSERT INTO child (parent) VALUES (1)", Vec::new()).await.unwrap();
    let statements = vec![(claimed("SELECT LAST_INSERT_ID(), @@SESSION.tx_read_only", StatementKind::Read, true), Vec::new())];
    let done = engine.write(&call(), statements, &options()).await.unwrap();
    assert_eq!(json(done[0].returned.as_ref().unwrap()), "[0,0]");
}
