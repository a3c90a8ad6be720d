//! Reading: what runs, on which path, and what is said when it does not.

use super::*;
use crate::database::error::ErrorKind;

const SHOP: &str = "\
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);\
INSERT INTO customers SELECT n, 'c' || n FROM generate_series(1, 50) n;\
CREATE FUNCTION stable_one() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';\
CREATE FUNCTION volatile_one() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';\
CREATE SCHEMA other; CREATE FUNCTION other.volatile_two() RETURNS int LANGUAGE sql AS 'SELECT 2';";

#[tokio::test(flavor = "multi_thread")]
async fn every_harmless_form_runs_on_both_paths() {
    on_database(SHOP, |db| async move {
        let statements = [
            "SELECT 1",
            "WITH c AS (SELECT * FROM customers) SELECT count(*) FROM c",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT * FROM n",
            "VALUES (1, 'a'), (2, 'b')",
            "TABLE customers",
            "(SELECT 1) UNION (SELECT 2)",
            "SHOW server_version",
            "EXPLAIN SELECT * FROM customers",
            "EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM customers",
            "SELECT rank() OVER (ORDER BY id) FROM customers",
            "SELECT 'DELETE FROM x; --', $$DROP TABLE y$$, \"name\" FROM customers -- DELETE",
            "/* a comment */ SELECT count(*) FROM customers",
            "SELECT",
        ];
        for sql in statements {
            for rows in [db.read(sql).await, db.read_fast(sql, &[]).await] {
                assert!(rows.is_ok(), "{sql}: {rows:?}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volatile_function_is_refused_and_a_stable_one_runs() {
    on_database(SHOP, |db| async move {
        let run = async |name: &str| {
            let statement = Statement { functions: vec![name.into()], ..reading(&format!("SELECT {name}()"), true) };
            db.postgres.read(&call(), &statement, &[], &options()).await
        };
        assert_eq!(json(&run("stable_one").await.unwrap()), ["[1]"]);
        for name in ["volatile_one", "other.volatile_two"] {
            for _ in 0..2 {
                let refused = run(name).await.unwrap_err();
                assert_eq!(refused.kind, ErrorKind::ReadOnly);
                assert!(refused.message.contains(name) && refused.hint.is_some_and(|hint| hint.contains("STABLE")));
            }
        }
        assert_eq!(run("missing").await.unwrap_err().kind, ErrorKind::Failed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_what_is_wrong_and_nothing_about_the_server() {
    on_database(SHOP, |db| async move {
        let cases = [
            ("SELEC 1", ErrorKind::Syntax, "42601", "syntax error"),
            ("SELECT * FROM custmers", ErrorKind::UnknownTable, "42P01", "relation `custmers` does not exist"),
            ("SELECT nme FROM customers", ErrorKind::UnknownColumn, "42703", "column `nme` does not exist"),
            ("SELECT c.nme FROM customers c", ErrorKind::UnknownColumn, "42703", "column `c.nme` does not exist"),
            ("SELECT 1/0", ErrorKind::Failed, "22012", "division by zero"),
            ("SELECT 'x'::int", ErrorKind::Failed, "22P02", "invalid input syntax"),
            ("DELETE FROM customers", ErrorKind::ReadOnly, "25006", "read-only transaction"),
            ("SELECT 1; SELECT 2", ErrorKind::Syntax, "42601", "multiple commands"),
            ("SELECT no_such_function()", ErrorKind::Failed, "42883", "no_such_function"),
        ];
        for (sql, kind, code, words) in cases {
            for result in [db.read(sql).await, db.read_fast(sql, &[]).await] {
                let error = result.expect_err(sql);
                assert_eq!((error.kind, error.sqlstate.as_deref()), (kind, Some(code)), "{sql}: {error:?}");
                assert!(error.message.contains(words), "{sql}: {}", error.message);
            }
        }
        assert_eq!(json(&db.read_fast("SELECT 1", &[]).await.unwrap()), ["[1]"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_told_without_its_address() {
    let url = "postgres://someone:s3cret@127.0.0.1:1/hidden";
    let config = DatabaseConfig::new(DatabaseName::parse("main").unwrap(), url).unwrap();
    let postgres = Postgres::new(&config).unwrap();
    let error = postgres.read(&call(), &reading("SELECT 1", true), &[], &options()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    let said = format!("{error:?}");
    for secret in ["someone", "s3cret", "127.0.0.1", "hidden"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_fails_is_told_without_its_name() {
    on_database("", |db| async move {
        let mut url = db.server.clone().username("nobody_of_this_name").password("s3cret").database("postgres").to_url_lossy();
        url.set_fragment(None);
        let config = DatabaseConfig::new(DatabaseName::parse("main").unwrap(), url.as_str()).unwrap();
        let postgres = Postgres::new(&config).unwrap();
        let error = postgres.read(&call(), &reading("SELECT 1", true), &[], &options()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        // Which of the two depends on how the server checks logins.
        assert!(matches!(error.sqlstate.as_deref(), Some("28000" | "28P01")), "{error:?}");
        assert!(!format!("{error:?}").contains("nobody_of_this_name"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_the_server_ended_are_replaced_unnoticed() {
    on_database(SHOP, |db| async move {
        for _ in 0..3 {
            db.read_fast("SELECT 1", &[]).await.unwrap();
            db.write(&[("UPDATE customers SET name = name WHERE id = 1", vec![])]).await.unwrap();
            db.state("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'tidegate' AND datname = current_database()")
                .await;
            db.becomes("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidegate' AND datname = current_database()", "0").await;
            assert_eq!(json(&db.read_fast("SELECT 2", &[]).await.unwrap()), ["[2]"]);
            db.write(&[("UPDATE customers SET name = name WHERE id = 1", vec![])]).await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_every_statement_has_a_transaction_of_its_own() {
    on_configured(
        SHOP,
        |config| config.pool.max = 1,
        |db| async move {
            for traceless in [true, false] {
                // Another process than at the start is what gives a pooler away.
                let mut session = db.postgres.inner.reads.acquire(&crate::database::setup::Setup::default()).await.unwrap();
                let pid = session.pid();
                session.set_pid(0);
                session.set_pid(pid);
                assert!(session.is_shared());
                session.release();
                for (sql, values, expected) in [
                    ("SHOW transaction_isolation", vec![], r#"["repeatable read"]"#),
                    ("SELECT current_setting('transaction_read_only'), $1::inet", vec![text("10.0.0.1")], r#"["on","10.0.0.1"]"#),
                    ("SELECT 'customers'::regclass, '{[1,2)}'::int4multirange", vec![], r#"["customers","{[1,2)}"]"#),
                ] {
                    let rows = db.postgres.read(&call(), &reading(sql, traceless), &values, &options()).await.unwrap();
                    assert_eq!(json(&rows), [expected]);
                }
                assert!(db.read_fast("DELETE FROM customers", &[]).await.is_err());
            }
            assert_eq!(db.state("SELECT count(*) FROM customers").await, "50");
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_role_can_do_all_of_it_and_earns_no_warning() {
    on_database(SHOP, |db| async move {
        let role = format!("plain_{}", db.name);
        let here = db.server.clone().database(&db.name);
        admin(&here, &format!("CREATE ROLE {role} LOGIN PASSWORD 'plain'; GRANT SELECT, UPDATE ON customers TO {role}")).await;
        let url = here.clone().username(&role).password("plain").to_url_lossy();
        let mut config = DatabaseConfig::new(DatabaseName::parse("main").unwrap(), url.as_str()).unwrap();
        config.mode = Mode::ReadWrite;
        let postgres = Postgres::new(&config).unwrap();
        let details = postgres.details(&call()).await.unwrap();
        assert_eq!((details.user.as_deref(), details.warnings.as_slice()), (Some(role.as_str()), &[][..]));
        for traceless in [true, false] {
            let rows = postgres.read(&call(), &reading("SELECT count(*) FROM customers", traceless), &[], &options()).await.unwrap();
            assert_eq!(json(&rows), ["[50]"]);
            let long = RunOptions { timeout: Duration::from_millis(100), ..options() };
            let error = postgres.read(&call(), &reading("SELECT pg_sleep(30)", traceless), &[], &long).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Timeout);
        }
        let statements = vec![(writing("UPDATE customers SET name = 'x'", StatementKind::Write), vec![])];
        assert_eq!(postgres.write(&call(), statements, &options()).await.unwrap()[0].affected, 50);
        let statements = vec![(writing("DELETE FROM customers", StatementKind::Write), vec![])];
        let failed = postgres.write(&call(), statements, &options()).await.unwrap_err();
        assert_eq!(failed.error.kind, ErrorKind::AccessDenied);
        assert!(postgres.table(&call(), None, "customers").await.unwrap().is_some());
        postgres.close().await;
        admin(&here, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    })
    .await;
}
