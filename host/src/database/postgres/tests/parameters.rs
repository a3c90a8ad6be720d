//! Values that fit, that almost fit, and that do not.

use super::*;
use crate::database::error::ErrorKind;

async fn error(db: &Fixture, sql: &str, values: &[Value]) -> DatabaseError {
    let error = db.read_fast(sql, values).await.expect_err(sql);
    assert_eq!(error.kind, ErrorKind::InvalidParameters, "{sql}: {error:?}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn values_go_in_under_the_type_of_their_place() {
    on_database("CREATE TYPE pair AS (a int4, b text); CREATE TYPE mood AS ENUM ('sad', 'ok');", |db| async move {
        let cases: &[(&str, Value, &str)] = &[
            ("$1::int4", text("12"), "12"),
            ("$1::int8", Value::Decimal("9007199254740993".into()), r#""9007199254740993""#),
            ("$1::int4", Value::Real(3.0), "3"),
            ("$1::text", Value::Integer(5), r#""5""#),
            ("$1::text", Value::Null, "null"),
            ("$1::numeric", Value::Integer(5), r#""5""#),
            ("$1::numeric", Value::Real(0.1), r#""0.1""#),
            ("$1::numeric", Value::Decimal("1e3".into()), r#""1000""#),
            ("$1::float8", Value::Integer(5), "5.0"),
            ("$1::bool", text("yes"), "true"),
            ("$1::bytea", Value::Blob(vec![1, 2]), r#""AQI=""#),
            ("$1::bytea", text("AQI="), r#""AQI=""#),
            ("$1::bytea", text(r"\x0102"), r#""AQI=""#),
            ("$1::jsonb", Value::Json(r#"{"a":1}"#.into()), r#"{"a": 1}"#),
            ("$1::jsonb", text("plain"), r#""plain""#),
            ("$1::jsonb", text(r#"{"a":1}"#), r#"{"a": 1}"#),
            ("$1::jsonb", Value::Integer(3), "3"),
            ("$1::date", text("epoch"), r#""1970-01-01""#),
            ("$1::timestamptz", text("2024-01-01T00:00:00+01:00"), r#""2023-12-31T23:00:00Z""#),
            ("$1::timestamptz", text("2024-01-01"), r#""2024-01-01T00:00:00Z""#),
            ("$1::int4[]", Value::Json("[1,null,2]".into()), "[1,null,2]"),
            ("$1::int4[]", text("{1,2}"), "[1,2]"),
            ("$1::text[]", Value::Json(r#"["a,b","NULL",null]"#.into()), r#"["a,b","NULL",null]"#),
            ("$1::mood", text("ok"), r#""ok""#),
            ("$1::mood[]", Value::Json(r#"["ok"]"#.into()), r#"["ok"]"#),
            ("$1::pair", Value::Json(r#"{"b":"x","a":1}"#.into()), r#"{"a":1,"b":"x"}"#),
            ("$1::inet", text("10.0.0.1"), r#""10.0.0.1""#),
            ("$1::int4multirange", text("{[1,2)}"), r#""{[1,2)}""#),
        ];
        for (place, value, expected) in cases {
            let sql = format!("SELECT {place}");
            let rows = db.read_fast(&sql, std::slice::from_ref(value)).await.unwrap_or_else(|error| panic!("{sql} {value:?}: {error:?}"));
            assert_eq!(json(&rows), [format!("[{expected}]")], "{sql} {value:?}");
        }
        let values = [Value::Integer(1), Value::Integer(10), Value::Json("[3,5,99]".into())];
        let rows = db.read_with("SELECT * FROM generate_series($1::int4, $2) n WHERE n = ANY ($3)", &values).await.unwrap();
        assert_eq!(json(&rows), ["[3]", "[5]"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_does_not_fit_is_named_by_its_place() {
    on_database("CREATE TYPE mood AS ENUM ('sad', 'ok');", |db| async move {
        let said = error(&db, "SELECT $1::int4 + $2::int4", &[Value::Integer(1), Value::Real(1.5)]).await;
        assert_eq!(said.message, "parameter 2 must be a `int4`, and a number came that is not one");
        let said = error(&db, "SELECT $1::int2", &[Value::Integer(70_000)]).await;
        assert_eq!(said.message, "parameter 1 must be a `int2`, and a whole number came that is not one");
        let said = error(&db, "SELECT $1::inet", &[text("nowhere")]).await;
        assert!(said.message.starts_with("parameter 1 must be a `inet`: invalid input syntax for type inet"), "{}", said.message);
        assert_eq!(said.sqlstate.as_deref(), Some("22P02"));
        let said = error(&db, "SELECT $1::timestamptz", &[text("2024-13-01T00:00:00Z")]).await;
        assert_eq!(said.sqlstate.as_deref(), Some("22008"));
        let said = error(&db, "SELECT $1::int4, $2::int4", &[Value::Integer(1)]).await;
        assert_eq!(said.message, "the statement has 2 parameters and 1 parameter came");
        let said = error(&db, "SELECT 1", &[Value::Integer(1)]).await;
        assert_eq!(said.message, "the statement has 0 parameters and 1 parameter came");
        error(&db, "SELECT $1::int4", &[]).await;
        error(&db, "SELECT $1::text", &[Value::Blob(vec![0])]).await;
        error(&db, "SELECT $1::uuid", &[Value::Integer(1)]).await;
        error(&db, "SELECT $1::int4[]", &[Value::Json("{}".into())]).await;
        error(&db, "SELECT $1 IS NULL", &[Value::Null]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_a_value_is_never_read_as_sql() {
    on_database("CREATE TABLE t (a int4); INSERT INTO t VALUES (1);", |db| async move {
        let evil = "x'::text); DELETE FROM t; --";
        for place in ["text", "inet", "mood", "int4[]"] {
            let _ = db.read_fast(&format!("SELECT $1::{place}"), &[text(evil)]).await;
        }
        let rows = db.read_fast("SELECT $1::text", &[text(evil)]).await.unwrap();
        assert_eq!(rows.values(0).unwrap(), [text(evil)]);
        assert_eq!(db.state("SELECT count(*) FROM t").await, "1");
    })
    .await;
}
