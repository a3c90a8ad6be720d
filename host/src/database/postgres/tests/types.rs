//! Every type on its way out, on its way in, and through both.

use super::*;
use crate::database::rows::Kind;

const SCHEMA: &str = "\
CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE EXTENSION citext; CREATE EXTENSION cube;\
CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s \"fine\"');\
CREATE DOMAIN positive AS int4 CHECK (VALUE > 0);\
CREATE TYPE inner_pair AS (n numeric, m mood);\
CREATE TYPE pair AS (a int4, b text, c inner_pair, d positive[]);\
CREATE TYPE floatrange AS RANGE (subtype = float8);";

/// A type, a literal of it, and the JSON that it comes out as.
const OUT: &[(&str, &str, &str)] = &[
    ("bool", "true", "true"),
    ("int2", "-32768", "-32768"),
    ("int4", "2147483647", "2147483647"),
    ("int8", "9007199254740991", "9007199254740991"),
    ("int8", "9007199254740992", r#""9007199254740992""#),
    ("int8", "-9223372036854775808", r#""-9223372036854775808""#),
    ("oid", "4294967295", "4294967295"),
    ("float4", "0.1", "0.1"),
    ("float4", "NaN", r#""NaN""#),
    ("float8", "0.1", "0.1"),
    ("float8", "-Infinity", r#""-Infinity""#),
    ("float8", "1e300", "1e+300"),
    ("numeric", "1.10", r#""1.10""#),
    ("numeric", "-12345678901234567890.000100", r#""-12345678901234567890.000100""#),
    ("numeric", "NaN", r#""NaN""#),
    ("numeric", "Infinity", r#""Infinity""#),
    ("numeric", "0.000", r#""0.000""#),
    ("numeric", "1e20", r#""100000000000000000000""#),
    ("money", "-1234.5", r#""-1234.50""#),
    ("text", "a \"b\"\n\u{1F600}", r#""a \"b\"\n😀""#),
    ("varchar", "x", r#""x""#),
    ("bpchar", "x ", r#""x ""#),
    ("name", "n", r#""n""#),
    ("\"char\"", "c", r#""c""#),
    ("citext", "MiXed", r#""MiXed""#),
    ("bytea", "\\x00ff", r#""AP8=""#),
    ("date", "2024-02-29", r#""2024-02-29""#),
    ("date", "infinity", r#""infinity""#),
    ("date", "0044-03-15 BC", r#""0044-03-15 BC""#),
    ("date", "20000-01-01", r#""20000-01-01""#),
    ("time", "24:00:00", r#""24:00:00""#),
    ("time", "12:34:56.789", r#""12:34:56.789""#),
    ("timetz", "12:00:00+05:30", r#""12:00:00+05:30""#),
    ("timestamp", "2024-01-02 03:04:05.000001", r#""2024-01-02T03:04:05.000001""#),
    ("timestamp", "-infinity", r#""-infinity""#),
    ("timestamp", "4713-01-01 00:00:00 BC", r#""4713-01-01T00:00:00 BC""#),
    ("timestamptz", "2024-01-02 03:04:05+02", r#""2024-01-02T01:04:05Z""#),
    ("timestamptz", "infinity", r#""infinity""#),
    ("interval", "1 year 2 mons 3 days 04:05:06.7", r#""P1Y2M3DT4H5M6.7S""#),
    ("interval", "-1 day 2 hours", r#""P-1DT2H""#),
    ("interval", "0", r#""PT0S""#),
    ("uuid", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", r#""6ba7b810-9dad-11d1-80b4-00c04fd430c8""#),
    ("json", "{\"a\": [1, 2.50, null]}", r#"{"a": [1, 2.50, null]}"#),
    ("jsonb", "{\"b\":1,\"a\":12345678901234567890}", r#"{"a": 12345678901234567890, "b": 1}"#),
    ("jsonpath", "$.a[*]", r#""$.\"a\"[*]""#),
    ("xml", "<a>1</a>", r#""<a>1</a>""#),
    ("bit(3)", "101", r#""101""#),
    ("varbit", "10101010101", r#""10101010101""#),
    ("varbit", "", r#""""#),
    ("inet", "192.168.0.1", r#""192.168.0.1""#),
    ("inet", "192.168.0.1/24", r#""192.168.0.1/24""#),
    ("inet", "2001:db8::1", r#""2001:db8::1""#),
    ("inet", "::ffff:1.2.3.4", r#""::ffff:1.2.3.4""#),
    ("cidr", "10.0.0.0/8", r#""10.0.0.0/8""#),
    ("cidr", "10.0.0.1/32", r#""10.0.0.1/32""#),
    ("macaddr", "08:00:2b:01:02:03", r#""08:00:2b:01:02:03""#),
    ("macaddr8", "08:00:2b:01:02:03:04:05", r#""08:00:2b:01:02:03:04:05""#),
    ("point", "(1.5,-2)", r#""(1.5,-2)""#),
    ("line", "{1,2,3}", r#""{1,2,3}""#),
    ("lseg", "[(0,0),(1,1)]", r#""[(0,0),(1,1)]""#),
    ("box", "(3,4),(1,2)", r#""(3,4),(1,2)""#),
    ("path", "[(0,0),(1,1)]", r#""[(0,0),(1,1)]""#),
    ("path", "((0,0),(1e20,1))", r#""((0,0),(1e+20,1))""#),
    ("polygon", "((0,0),(1,1),(2,0))", r#""((0,0),(1,1),(2,0))""#),
    ("circle", "<(1,2),3>", r#""<(1,2),3>""#),
    ("int4range", "[1,5)", r#""[1,5)""#),
    ("int4range", "empty", r#""empty""#),
    ("int8range", "(,5)", r#""(,5)""#),
    ("numrange", "[1.10,2.0]", r#""[1.10,2.0]""#),
    ("daterange", "[2024-01-01,infinity)", r#""[2024-01-01,infinity)""#),
    ("tsrange", "[2024-01-01 00:00:00,)", r#""[2024-01-01T00:00:00,)""#),
    ("tstzrange", "[2024-01-01 00:00:00+00,)", r#""[2024-01-01T00:00:00Z,)""#),
    ("floatrange", "[0.5,1e20)", r#""[0.5,1e+20)""#),
    ("int4multirange", "{[1,3),[5,7)}", r#""{[1,3),[5,7)}""#),
    ("nummultirange", "{}", r#""{}""#),
    ("floatmultirange", "{[0.5,1)}", r#""{[0.5,1)}""#),
    ("int4[]", "{1,NULL,3}", "[1,null,3]"),
    ("int4[]", "{}", "[]"),
    ("int4[]", "{{1,2},{3,4}}", "[[1,2],[3,4]]"),
    ("int8[]", "{9007199254740993}", r#"["9007199254740993"]"#),
    ("text[]", "{\"a b\",\"NULL\",NULL}", r#"["a b","NULL",null]"#),
    ("numeric[]", "{1.10}", r#"["1.10"]"#),
    ("float8[]", "{0.5,NaN,-Infinity}", r#"[0.5,"NaN","-Infinity"]"#),
    ("timestamptz[]", "{2024-01-01 00:00:00+00}", r#"["2024-01-01T00:00:00Z"]"#),
    ("jsonb[]", "{\"{\\\"a\\\": 1}\"}", r#"[{"a": 1}]"#),
    ("bytea[]", "{\"\\\\x01\"}", r#"["\\x01"]"#),
    ("uuid[]", "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}", r#"["6ba7b810-9dad-11d1-80b4-00c04fd430c8"]"#),
    ("int4range[]", "{\"[1,2)\"}", r#"["[1,2)"]"#),
    ("mood", "ok", r#""ok""#),
    ("mood[]", "{sad,\"it's \\\"fine\\\"\"}", r#"["sad","it's \"fine\""]"#),
    ("positive", "7", "7"),
    ("positive[]", "{7,8}", "[7,8]"),
    ("pair", "(1,\"x,y\",\"(2.50,ok)\",\"{3}\")", r#"{"a":1,"b":"x,y","c":{"n":"2.50","m":"ok"},"d":[3]}"#),
    ("pair[]", "{\"(1,,,)\"}", r#"[{"a":1,"b":null,"c":null,"d":null}]"#),
    ("tsvector", "'it''s':2A,5 'fox':3", r#""'fox':3 'it''s':2A,5""#),
    ("tsquery", "!'a' & ('b':*A | 'c' <2> 'd')", r#""!'a' & ( 'b':*A | 'c' <2> 'd' )""#),
    ("pg_lsn", "16/B374D848", r#""16/B374D848""#),
    ("tid", "(3,7)", r#""(3,7)""#),
    ("xid", "42", "42"),
    ("cid", "7", "7"),
    ("xid8", "18446744073709551615", r#""18446744073709551615""#),
    ("pg_snapshot", "10:20:10,14", r#""10:20:10,14""#),
    ("regclass", "pg_class", r#""pg_class""#),
    ("regclass[]", "{pg_class,pg_type}", r#"["pg_class","pg_type"]"#),
    ("regtype", "int4", r#""integer""#),
    ("regproc", "now", r#""now""#),
    ("regprocedure", "now()", r#""now()""#),
    ("regnamespace", "pg_catalog", r#""pg_catalog""#),
    ("regconfig", "simple", r#""simple""#),
    ("regrole", "pg_monitor", r#""pg_monitor""#),
    ("aclitem", "=r/pg_monitor", r#""=r/pg_monitor""#),
    ("aclitem[]", "{=r/pg_monitor}", r#"["=r/pg_monitor"]"#),
    ("int2vector", "1 2", "[1,2]"),
    ("oidvector", "1 2", "[1,2]"),
    ("hstore", "a=>1,b=>NULL", r#"{"a":"1","b":null}"#),
    ("ltree", "a.b.c", r#""a.b.c""#),
    ("lquery", "a.*", r#""a.*""#),
    ("cube", "(1, 2)", r#""(1, 2)""#),
    ("refcursor", "c", r#""c""#),
];

/// `aclitem` cannot be a parameter: the server reads and writes it as text only.
fn has_binary_form(type_name: &str) -> bool {
    !type_name.starts_with("aclitem")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_comes_out_with_its_meaning() {
    on_database(SCHEMA, |db| async move {
        for (type_name, literal, expected) in OUT {
            let sql = format!("SELECT '{}'::{type_name}, NULL::{type_name}", literal.replace('\'', "''"));
            for rows in [db.read_fast(&sql, &[]).await, db.read(&sql).await] {
                let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
                assert_eq!(json(&rows), [format!("[{expected},null]")], "{sql}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_out_goes_in_again_and_is_the_same() {
    on_database(SCHEMA, |db| async move {
        for (type_name, literal, _) in OUT.iter().filter(|(type_name, ..)| has_binary_form(type_name)) {
            let literal = format!("'{}'::{type_name}", literal.replace('\'', "''"));
            let out = db.read_fast(&format!("SELECT {literal}"), &[]).await.unwrap();
            let value = out.values(0).unwrap().remove(0);
            // `json`, `xml`, `point` and others have no `=`: the text of both sides is compared.
            let sql = format!("SELECT $1::{type_name}::text = {literal}::text, $1::{type_name}");
            for rows in [db.read_fast(&sql, std::slice::from_ref(&value)).await, db.read_with(&sql, std::slice::from_ref(&value)).await] {
                let rows = rows.unwrap_or_else(|error| panic!("{sql} with {value:?}: {error:?}"));
                let back = rows.values(0).unwrap();
                assert_eq!(back[0], Value::Boolean(true), "{sql} with {value:?}: {:?}", back[1]);
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_out_can_be_stored() {
    on_database(SCHEMA, |db| async move {
        for (index, (type_name, literal, _)) in OUT.iter().enumerate().filter(|(_, (type_name, ..))| has_binary_form(type_name)) {
            let literal = format!("'{}'::{type_name}", literal.replace('\'', "''"));
            let value = db.read_fast(&format!("SELECT {literal}"), &[]).await.unwrap().values(0).unwrap().remove(0);
            db.administer(&format!("CREATE TABLE t{index} (v {type_name})")).await.unwrap();
            let insert = format!("INSERT INTO t{index} VALUES ($1)");
            let done = db.write(&[(&insert, vec![value.clone()])]).await.unwrap_or_else(|error| panic!("{type_name} {value:?}: {error:?}"));
            assert_eq!(done[0].affected, 1);
            let same = db.state(&format!("SELECT v::text = {literal}::text FROM t{index}")).await;
            assert_eq!(same, "true", "{type_name} {value:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_tell_name_type_and_kind_also_without_rows() {
    on_database(SCHEMA, |db| async move {
        let list = "1::int8 AS a, 'x'::text AS a, '{}'::text[] AS c, 'ok'::mood AS d, 1::numeric(5,2) AS e, now() AS f, \
             'pg_class'::regclass AS g, '{}'::int4multirange AS h, ROW(1) AS i, '\\x'::bytea AS j, true AS k, 0.5 :: float8 AS l";
        for condition in ["true", "false"] {
            let rows = db.read_fast(&format!("SELECT {list} WHERE {condition}"), &[]).await.unwrap();
            let told: Vec<(&str, &str, Kind)> =
                rows.columns().iter().map(|column| (column.name.as_str(), column.type_name.as_str(), column.kind)).collect();
            let expected = [
                ("a", "int8", Kind::Integer),
                ("a", "text", Kind::Text),
                ("c", "text[]", Kind::Json),
                ("d", "mood", Kind::Text),
                ("e", "numeric", Kind::Decimal),
                ("f", "timestamptz", Kind::Temporal),
                ("g", "regclass", Kind::Text),
                ("h", "int4multirange", Kind::Text),
                ("i", "record", Kind::Json),
                ("j", "bytea", Kind::Blob),
                ("k", "bool", Kind::Boolean),
                ("l", "float8", Kind::Real),
            ];
            assert_eq!(told, expected);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_named_type_and_system_views_can_be_read() {
    on_database(SCHEMA, |db| async move {
        let rows = db.read_fast("SELECT ROW(1, 'ok'::mood, ROW('[1,2)'::int4range)), pg_sleep(0)", &[]).await.unwrap();
        assert_eq!(json(&rows), [r#"[{"f1":1,"f2":"ok","f3":{"f1":"[1,2)"}},null]"#]);
        for view in ["pg_stats", "pg_class", "pg_attrdef", "pg_index", "pg_type", "pg_proc", "pg_settings", "pg_stat_activity"] {
            let rows = db.read_fast(&format!("SELECT * FROM {view} LIMIT 5"), &[]).await;
            assert!(rows.is_ok(), "{view}: {rows:?}");
        }
        let rows = db.read_fast("SELECT t FROM (SELECT 1 AS a, 'x' AS b) t -- a comment", &[]).await.unwrap();
        assert_eq!(json(&rows), [r#"[{"f1":1,"f2":"x"}]"#]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_changed_is_read_as_it_is_now() {
    on_database("CREATE TABLE t (a int4); INSERT INTO t VALUES (1);", |db| async move {
        assert_eq!(json(&db.read_fast("SELECT * FROM t", &[]).await.unwrap()), ["[1]"]);
        db.administer("ALTER TABLE t ALTER a TYPE text, ADD b regclass").await.unwrap();
        assert_eq!(json(&db.read_fast("SELECT * FROM t", &[]).await.unwrap()), [r#"["1",null]"#]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_values_read_as_the_server_writes_them_and_go_in_unchanged() {
    let random: &[(&str, &str)] = &[
        ("int8", "(random() * 2e18 - 1e18)::int8"),
        ("float8", "(random() - 0.5) * 10 ^ (random() * 600 - 300)::int"),
        ("float4", "((random() - 0.5) * 10 ^ (random() * 60 - 30)::int)::float4"),
        ("numeric", "round(((random() - 0.5) * 10 ^ (random() * 30)::int)::numeric, (random() * 12)::int)"),
        ("money", "((random() - 0.5) * 1e12)::numeric::money"),
        ("date", "date '0001-01-01 BC' + (random() * 4e6)::int"),
        ("timestamp", "timestamp '0001-01-01 BC' + random() * interval '12000 years'"),
        ("timestamptz", "timestamptz '0001-01-01 00:00:00+00' + random() * interval '12000 years'"),
        ("time", "time '00:00' + random() * interval '1 day'"),
        (
            "interval",
            "make_interval((random() * 20 - 10)::int, (random() * 20 - 10)::int, 0, (random() * 60 - 30)::int, 0, 0, random() * 1e6 - 5e5)",
        ),
        ("uuid", "gen_random_uuid()"),
        ("bytea", "decode(md5(random()::text), 'hex')"),
        ("point", "point(random() * 10 ^ (random() * 40 - 20)::int, -random())"),
        ("inet", "'::'::inet + (random() * 1e18)::int8"),
        ("numrange", "numrange(least(a, b), greatest(a, b), '[]')"),
        ("tstzrange", "tstzrange(to_timestamp(least(a, b)::float8 * 1e9), NULL)"),
        ("varbit", "substr(((random() * 1e9)::int)::bit(31)::text, (random() * 30)::int)::varbit"),
        ("int4[]", "ARRAY[(random() * 1e9)::int, NULL, -(random() * 1e9)::int]"),
        ("text[]", "ARRAY[md5(random()::text), '\"', E'\\\\', ',{}', '', NULL, 'null', E'\\n\\t', chr(1 + (random() * 50000)::int)]"),
    ];
    on_database("", |db| async move {
        for (type_name, expression) in random {
            let sql = format!(
                "SELECT v, v::text, to_json(v) #>> '{{}}' FROM (SELECT {expression} AS v FROM \
                 (SELECT random()::numeric AS a, random()::numeric AS b FROM generate_series(1, 100)) AS n) AS r"
            );
            let rows = db.read_fast(&sql, &[]).await.unwrap_or_else(|error| panic!("{type_name}: {error:?}"));
            for index in 0..rows.len() {
                let mut cells = rows.values(index).unwrap();
                let (Value::Text(document), Value::Text(written), value) = (cells.remove(2), cells.remove(1), cells.remove(0)) else {
                    panic!()
                };
                let ours = match &value {
                    Value::Integer(number) => number.to_string(),
                    Value::Text(text) | Value::Decimal(text) => text.clone(),
                    _ => String::new(),
                };
                match *type_name {
                    "int8" | "numeric" | "interval" | "uuid" | "numrange" | "varbit" | "time" => assert_eq!(ours, written),
                    "date" | "timestamp" | "inet" => assert_eq!(ours, document),
                    "timestamptz" => assert_eq!(ours.replace('Z', "+00:00"), document),
                    _ => {}
                }
                let check = format!("SELECT $1::{type_name}::text = $2");
                let back = db.read_fast(&check, &[value.clone(), Value::Text(written.clone())]).await;
                let back = back.unwrap_or_else(|error| panic!("{type_name} {value:?}: {error:?}"));
                assert_eq!(json(&back), ["[true]"], "{type_name} {value:?} {written}");
            }
        }
    })
    .await;
}
