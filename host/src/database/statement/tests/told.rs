//! What else a judgement tells: verb, tables, functions, the reason and whether it is traceless.

use super::Statement;
use crate::config::EngineKind;
use crate::config::EngineKind::MySql;
use crate::config::EngineKind::Postgres;
use crate::config::EngineKind::Sqlite;

fn parse(text: &str, engine: EngineKind) -> Statement {
    Statement::parse(text, engine).unwrap()
}

fn check_tables(engine: EngineKind, text: &str, expected: &[&str]) {
    assert_eq!(parse(text, engine).tables, expected, "{text}");
}

fn check_functions(text: &str, expected: &[&str]) {
    assert_eq!(parse(text, Postgres).functions, expected, "{text}");
}

#[test]
fn the_verb_is_the_first_keyword() {
    assert_eq!(parse("/* x */ ((select 1))", Postgres).verb, "SELECT");
    assert_eq!(parse("with a as (select 1) select * from a", Sqlite).verb, "WITH");
    assert_eq!(parse("explain analyze delete from t", Postgres).verb, "EXPLAIN");
}

#[test]
fn tables_are_named_without_quotes_and_common_table_expressions_are_none() {
    check_tables(Postgres, "SELECT * FROM b, a JOIN public.c USING (id)", &["a", "b", "public.c"]);
    check_tables(Postgres, "SELECT * FROM \"Order Items\" o", &["Order Items"]);
    check_tables(Postgres, "WITH x AS (SELECT * FROM a) SELECT * FROM x, X JOIN public.x ON true", &["a", "public.x"]);
    check_tables(Postgres, "WITH t AS (SELECT * FROM t) SELECT * FROM t", &["t"]);
    check_tables(Postgres, "WITH RECURSIVE t AS (SELECT 1 UNION SELECT * FROM t) SELECT * FROM t", &[]);
    check_tables(Postgres, "SELECT * FROM generate_series(1, 2) g, t", &["t"]);
    check_tables(Postgres, "SELECT (SELECT max(a) FROM s) FROM t WHERE EXISTS (SELECT 1 FROM r)", &["r", "s", "t"]);
    check_tables(Postgres, "INSERT INTO t SELECT * FROM s", &["s", "t"]);
    check_tables(Postgres, "UPDATE t SET a = 1 FROM s WHERE t.id = s.id", &["s", "t"]);
    check_tables(Postgres, "WITH t AS (SELECT 1) DELETE FROM t", &["t"]);
    check_tables(Postgres, "EXPLAIN ANALYZE SELECT * FROM t", &["t"]);
    check_tables(Postgres, "TABLE t", &["t"]);
    check_tables(Postgres, "SELECT extract(year FROM a), substring(b FROM 1) FROM t", &["t"]);
    check_tables(MySql, "SELECT * FROM `d`.`t` STRAIGHT_JOIN u", &["d.t", "u"]);
    check_tables(Sqlite, "SELECT * FROM [a b], Track", &["Track", "a b"]);
    check_tables(Sqlite, "SELECT 1", &[]);
}

#[test]
fn tables_are_told_where_the_parser_has_a_gap() {
    check_tables(
        Postgres,
        "SELECT * FROM ROWS FROM (generate_series(1, 2)) AS x(a), t, public.\"U\" WHERE a IS DISTINCT FROM b",
        &["public.U", "t"],
    );
}

#[test]
fn functions_that_are_not_built_in_are_reported() {
    check_functions("SELECT lower(a), pg_catalog.upper(b), count(*) FROM t", &[]);
    check_functions(
        "SELECT My_Func(a), public.Other(b), \"Mixed Case\"(c), public.lower(d)",
        &["\"Mixed Case\"", "my_func", "public.lower", "public.other"],
    );
    check_functions("SELECT DISTINCT ON (a) f(b) FROM t", &["f"]);
    check_functions("SELECT * FROM f(1) AS g(a, b), (VALUES (1)) v(c) JOIN t u(d) ON true", &["f"]);
    check_functions("WITH c (a, b) AS (SELECT 1, 2) SELECT * FROM c", &[]);
    check_functions("SELECT * FROM a, myfunc(b) AS (c int)", &["myfunc"]);
    check_functions("SELECT a::varchar(3), b::geometry(Point, 4326), CAST(c AS mytype(3)) FROM t", &[]);
    check_functions("SELECT NOT f(a), - g(b), concat(VARIADIC h(c))", &["f", "g", "h"]);
    check_functions("INSERT INTO t (a, b) VALUES (f(1), 2)", &["f"]);
    // Only the grammar tells these from keywords and from other names for tables.
    check_functions("SELECT first(a), Last(b) FROM t", &["first", "last"]);
    check_functions("SELECT 1 OPERATOR(pg_catalog.+) f(a), pg_catalog.f(b) FROM t", &["f"]);
    check_functions("SELECT ROW(1, 2), grouping(a), ARRAY(SELECT 1), a = ANY (b) FROM t GROUP BY CUBE (a, b), ROLLUP (a)", &[]);
}

#[test]
fn a_table_may_have_points_in_its_name() {
    let names = |table: &str| super::super::possible_names(table).collect::<Vec<_>>();
    assert_eq!(names("Orders"), ["orders"]);
    assert_eq!(names("public.Orders.2026"), ["public.orders.2026", "orders.2026", "2026"]);
}

#[test]
fn the_reason_says_what_was_found() {
    let reason = |text: &str, engine: EngineKind| parse(text, engine).reason.unwrap();
    assert_eq!(reason("SELECT set_config('a', 'b', false)", Postgres), "the function `set_config` changes settings");
    assert_eq!(reason("SELECT 1 INTO OUTFILE 'x'", MySql), "`INTO OUTFILE` writes a file");
    assert_eq!(reason("WITH a AS (DELETE FROM t RETURNING 1) SELECT 1", Postgres), "`DELETE` in a common table expression changes rows");
    assert_eq!(reason("DROP TABLE t", Sqlite), "`DROP` changes the schema");
    assert_eq!(parse("SELECT 1", Sqlite).reason, None);
}

#[test]
fn an_unknown_verb_gets_a_suggestion() {
    let error = Statement::parse("SELCT 1", Postgres).unwrap_err();
    assert_eq!(error.hint.as_deref(), Some("did you mean `SELECT`?"));
    let error = Statement::parse("SELECT 1; SELECT 2", Postgres).unwrap_err();
    assert!(error.hint.unwrap().contains("execute_batch"));
}

#[test]
fn only_plain_queries_are_traceless() {
    for text in [
        "SELECT * FROM t WHERE a = $1",
        "SELECT lower(a), count(*) FROM t GROUP BY 1",
        "VALUES (1)",
        "WITH a AS (SELECT 1) SELECT * FROM a",
    ] {
        assert!(parse(text, Postgres).traceless, "{text}");
    }
    for text in [
        "SHOW search_path",
        "EXPLAIN SELECT 1",
        "SELECT * FROM t FOR UPDATE",
        "SELECT my_func(1)",
        "SELECT public.lower('a')",
        "SELECT pg_sleep(1)",
        "SELECT setseed(0.5)",
        "SELECT a::my_domain FROM t",
        "SELECT a <<>> b FROM t",
        "SELECT * FROM ROWS FROM (generate_series(1, 2)) AS x",
        "DELETE FROM t",
    ] {
        assert!(!parse(text, Postgres).traceless, "{text}");
    }
    assert!(parse("SELECT a FROM t LIMIT 5", MySql).traceless);
    assert!(!parse("SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 5", MySql).traceless);
    assert!(!parse("SHOW TABLES", MySql).traceless);
    assert!(parse("SELECT a FROM t LIMIT 5", Sqlite).traceless);
    assert!(!parse("PRAGMA table_info(t)", Sqlite).traceless);
}
