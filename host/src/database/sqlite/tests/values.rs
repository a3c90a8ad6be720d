//! Values in and out, columns, parameters, and what errors say.

use super::*;
use crate::database::error::ErrorKind;
use crate::database::rows::Kind;

#[tokio::test(flavor = "multi_thread")]
async fn every_value_comes_back_as_it_went_in() {
    let (_folder, sqlite) =
        shop("CREATE TABLE t (id INTEGER PRIMARY KEY, flag BOOLEAN, n BIGINT, r REAL, d, s VARCHAR(20), b BLOB, j JSON)").await;
    let whole = vec![
        Value::Integer(1),
        Value::Boolean(true),
        Value::Integer(i64::MIN),
        Value::Real(0.1),
        Value::Decimal("12345678901234567890.123".into()),
        Value::Text("größe 'x' \u{1F30A}".into()),
        Value::Blob(vec![0, 255, 1]),
        Value::Json(r#"{"a":[1,null]}"#.into()),
    ];
    let empty = vec![
        Value::Integer(2),
        Value::Boolean(false),
        Value::Null,
        Value::Real(-1e300),
        Value::Text(String::new()),
        Value::Text("a\0b".into()),
        Value::Blob(Vec::new()),
        Value::Null,
    ];
    for row in [&whole, &empty] {
        assert_eq!(write(&sqlite, "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row).await.unwrap().affected, 1);
    }
    let rows = read(&sqlite, "SELECT * FROM t ORDER BY id", &[]).await.unwrap();
    let mut expected = vec![whole, empty];
    // SQLite has no exact decimals: without an affinity the digits stay as text.
    expected[0][4] = Value::Text("12345678901234567890.123".into());
    assert_eq!(values(&rows), expected);
    let columns: Vec<_> = rows.columns().iter().map(|column| (column.type_name.as_str(), column.kind)).collect();
    assert_eq!(
        columns,
        [
            ("INTEGER", Kind::Integer),
            ("BOOLEAN", Kind::Boolean),
            ("BIGINT", Kind::Integer),
            ("REAL", Kind::Real),
            ("text", Kind::Text),
            ("VARCHAR(20)", Kind::Text),
            ("BLOB", Kind::Blob),
            ("JSON", Kind::Json),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_tell_what_their_cells_are() {
    let (_folder, sqlite) = shop(
        "CREATE TABLE t (at DATETIME, day DATE, price DECIMAL(10,2), flag BOOL, mixed, j JSON, u TIMESTAMP)
         INSERT INTO t VALUES ('2026-01-02 03:04:05', '2026-01-02', 12.50, 7, 'a', 'no json', 1700000000), (NULL, NULL, 3, 1, 2, '[]', NULL)",
    )
    .await;
    let rows = read(&sqlite, "SELECT *, 1.5 AS e, NULL AS n, count(*) OVER () AS c FROM t", &[]).await.unwrap();
    let columns: Vec<_> = rows.columns().iter().map(|column| (column.type_name.as_str(), column.kind)).collect();
    assert_eq!(
        columns,
        [
            ("DATETIME", Kind::Temporal),
            ("DATE", Kind::Temporal),
            ("DECIMAL(10,2)", Kind::Any),
            ("BOOL", Kind::Any),
            ("any", Kind::Any),
            ("JSON", Kind::Any),
            ("TIMESTAMP", Kind::Integer),
            ("real", Kind::Real),
            ("null", Kind::Any),
            ("integer", Kind::Integer),
        ]
        .map(|(name, kind)| (if name == "any" { "text" } else { name }, kind))
    );
    assert_eq!(values(&rows)[0][3..6], [Value::Integer(7), Value::Text("a".into()), Value::Text("no json".into())]);
    assert_eq!(values(&rows)[1][3..6], [Value::Boolean(true), Value::Integer(2), Value::Json("[]".into())]);
    let none = read(&sqlite, "SELECT at, price, flag FROM t WHERE 0", &[]).await.unwrap();
    assert!(none.is_empty() && !none.truncated());
    assert_eq!(none.columns().iter().map(|column| column.kind).collect::<Vec<_>>(), [Kind::Temporal, Kind::Any, Kind::Boolean]);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_no_utf8_and_infinities_are_shown() {
    let (_folder, sqlite) = shop(SHOP).await;
    let rows = read(&sqlite, "SELECT CAST(x'ff41' AS TEXT), 9e999, -9e999", &[]).await.unwrap();
    assert_eq!(values(&rows)[0], [Value::Text("\u{fffd}A".into()), Value::Real(f64::INFINITY), Value::Real(f64::NEG_INFINITY)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_go_by_position() {
    let (_folder, sqlite) = shop(SHOP).await;
    let two = [Value::Integer(1), Value::Text("b".into())];
    for sql in ["SELECT ?, ?", "SELECT ?1, ?2", "SELECT $1, $2", "SELECT $1, ?", "SELECT ?1, $2"] {
        assert_eq!(values(&read(&sqlite, sql, &two).await.unwrap()), [two.to_vec()], "{sql}");
    }
    assert_eq!(values(&read(&sqlite, "SELECT $2, $1, ?1", &two).await.unwrap())[0][0], two[1]);
    for (sql, count) in [("SELECT ?", "1"), ("SELECT 1", "0"), ("SELECT ?3", "3"), ("SELECT $1, $5", "5")] {
        let error = read(&sqlite, sql, &two).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidParameters, "{sql}");
        assert!(error.message.contains(count) && error.message.contains('2'), "{error}");
    }
    for sql in ["SELECT :a, :b", "SELECT @a, @b", "SELECT $a, $b", "SELECT $0, $1", "SELECT $1a, $2"] {
        let error = read(&sqlite, sql, &two).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidParameters, "{sql}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_name_what_is_wrong() {
    let (_folder, sqlite) = shop(SHOP).await;
    for (sql, kind, message) in [
        ("SELECT * FROM ordrs", ErrorKind::UnknownTable, "there is no table `ordrs`"),
        ("SELECT * FROM main.ordrs", ErrorKind::UnknownTable, "there is no table `main.ordrs`"),
        ("SELECT custmer FROM orders", ErrorKind::UnknownColumn, "there is no column `custmer`"),
        ("SELECT o.nope FROM orders o", ErrorKind::UnknownColumn, "there is no column `o.nope`"),
        ("SELEC 1", ErrorKind::Syntax, "syntax error near `SELEC`, at byte 1"),
        ("SELECT (1", ErrorKind::Syntax, "the statement ends too early"),
        ("SELECT nofunction(1)", ErrorKind::Syntax, "no such function: nofunction, at byte 8"),
        ("SELECT id FROM orders a, orders b", ErrorKind::Syntax, "the column `id` is in more than one table"),
        ("SELECT json('{')", ErrorKind::Failed, "malformed JSON"),
        ("INSERT INTO orders VALUES (1, 'a', 1)", ErrorKind::ReadOnly, "this statement may not insert into `orders`"),
        ("DROP TABLE orders", ErrorKind::ReadOnly, "this statement may not change the schema"),
        ("PRAGMA user_version = 3", ErrorKind::ReadOnly, "this statement may not set the pragma `user_version`"),
    ] {
        let error = read(&sqlite, sql, &[]).await.unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (kind, message), "{sql}");
    }
    let failed = write(&sqlite, "INSERT INTO orders (nope) VALUES (1)", &[]).await.unwrap_err();
    assert_eq!((failed.error.kind, failed.error.message.as_str()), (ErrorKind::UnknownColumn, "there is no column `nope` in `orders`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_made_again_answer_as_before() {
    let (_folder, sqlite) = shop(SHOP).await;
    for (sql, answer) in [
        ("instr('größe', 'ß')", "4"),
        ("instr('abc', 'd')", "0"),
        ("instr('abc', '')", "1"),
        ("instr(x'c3b6c39f', x'c39f')", "3"),
        ("instr('öß', x'c39f')", "2"),
        ("instr(12345, 34)", "3"),
        ("instr(NULL, 'a') IS NULL AND instr('a', NULL) IS NULL", "1"),
        ("replace('a-b-c', '-', '++')", "'a++b++c'"),
        ("replace('aaa', 'aa', 'b')", "'ba'"),
        ("replace(5, '', 'x')", "5"),
        ("replace(1.5, '.', ',')", "'1,5'"),
        ("replace(x'616263', 'b', NULL)", "NULL"),
        ("typeof(replace(x'616263', 'b', 'x'))", "'text'"),
        ("trim('xxaxbxx', 'x')", "'axb'"),
        ("ltrim('ßöaö', 'öß')", "'aö'"),
        ("rtrim('1.500', '0')", "'1.5'"),
        ("trim('  a ')", "'a'"),
        ("trim('abc', '')", "'abc'"),
        ("trim('aaa', 'a')", "''"),
        ("trim(NULL, 'a')", "NULL"),
        ("hex(unhex('61-62 63', '- '))", "'616263'"),
        ("unhex('6-1', '-')", "NULL"),
        ("unhex('616', '-')", "NULL"),
        ("typeof(unhex('', '-'))", "'blob'"),
    ] {
        assert_eq!(one(&sqlite, &format!("SELECT quote({sql})")).await, Value::Text(answer.into()), "{sql}");
    }
}
