//! Attacks on the engine layer alone: statements that a judge would refuse, run as if it had not, and what the database and
//! the session look like afterwards.

use super::*;

/// What must be the same afterwards.
const STATE: &str = "\
SELECT concat_ws(' ', (SELECT count(*) FROM t), (SELECT sum(a) FROM t), (SELECT last_value::text || is_called FROM s), \
  (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace), \
  (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace), \
  (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()), (SELECT count(*) FROM pg_largeobject_metadata), \
  (SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_'), \
  (SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE l.locktype = 'advisory' AND d.datname = current_database()), \
  (SELECT count(*) FROM pg_publication), (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'evil%'), \
  (SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())))";

/// What a session must look like to the next statement.
const SESSION: &str = "\
SELECT current_setting('default_transaction_read_only'), current_setting('search_path'), current_setting('statement_timeout'), \
  current_setting('standard_conforming_strings'), current_setting('client_encoding'), current_setting('DateStyle'), \
  current_setting('lock_timeout'), current_setting('session_replication_role'), session_user = current_user, \
  coalesce(current_setting('evil.x', true), ''), \
  (SELECT count(*) FROM pg_prepared_statements WHERE from_sql), (SELECT count(*) FROM pg_cursors), \
  (SELECT count(*) FROM pg_listening_channels()), (SELECT count(*) FROM pg_class WHERE relpersistence = 't'), \
  (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())";

const ATTACKS: &[&str] = &[
    "INSERT INTO t VALUES (9)",
    "UPDATE t SET a = 9",
    "DELETE FROM t",
    "TRUNCATE t",
    "DROP TABLE t",
    "CREATE TABLE evil (a int)",
    "CREATE TABLE evil AS SELECT 1",
    "SELECT 1 AS a INTO evil",
    "CREATE SCHEMA evil",
    "CREATE ROLE evil",
    "ALTER TABLE t ADD b int",
    "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
    "EXPLAIN ANALYZE DELETE FROM t",
    "EXPLAIN (ANALYZE, COSTS OFF) UPDATE t SET a = 9",
    "EXPLAIN ANALYZE CREATE TABLE evil AS SELECT 1",
    "EXPLAIN ANALYZE CREATE MATERIALIZED VIEW evil AS SELECT 1",
    "SELECT * FROM t FOR UPDATE",
    "LOCK TABLE t IN ACCESS EXCLUSIVE MODE",
    "SELECT nextval('s')",
    "SELECT setval('s', 99)",
    "PREPARE TRANSACTION 'evil'",
    "COMMIT",
    "COMMIT AND CHAIN",
    "ROLLBACK",
    "ROLLBACK AND CHAIN",
    "END",
    "SAVEPOINT x",
    "BEGIN",
    "START TRANSACTION READ WRITE",
    "SET TRANSACTION READ WRITE",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SET default_transaction_read_only = off",
    "SET SESSION AUTHORIZATION pg_monitor",
    "SET ROLE pg_monitor",
    "SET search_path = evil",
    "SET standard_conforming_strings = off",
    "SET client_encoding = 'SQL_ASCII'",
    "SET session_replication_role = replica",
    "SET evil.x = '1'",
    "RESET ALL",
    "DISCARD ALL",
    "DISCARD PLANS",
    "DEALLOCATE ALL",
    "SELECT set_config('default_transaction_read_only', 'off', false)",
    "SELECT set_config('transaction_read_only', 'off', true)",
    "SELECT set_config('search_path', 'evil', false), set_config('statement_timeout', '0', false), set_config('evil.x', '1', false)",
    "PREPARE evil AS DELETE FROM t",
    "PREPARE evil AS SELECT 1",
    "DECLARE evil CURSOR WITH HOLD FOR SELECT * FROM t",
    "LISTEN evil",
    "NOTIFY evil",
    "SELECT pg_notify('evil', 'x')",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_advisory_lock_shared(2), pg_advisory_xact_lock(3)",
    "CREATE TEMP TABLE evil (a int)",
    "CREATE TEMP TABLE evil AS SELECT 1",
    "DO $$ BEGIN DELETE FROM t; END $$",
    "DO $$ BEGIN COMMIT; SET TRANSACTION READ WRITE; DELETE FROM t; END $$",
    "DO $$ BEGIN ROLLBACK; SET TRANSACTION READ WRITE; DELETE FROM t; COMMIT; END $$",
    "DO $$ BEGIN PERFORM set_config('default_transaction_read_only', 'off', false); COMMIT; DELETE FROM t; COMMIT; END $$",
    "CALL evil_procedure()",
    "SELECT evil_function()",
    "SELECT query_to_xml('DELETE FROM t', true, true, '')",
    "SELECT lo_create(4711)",
    "SELECT lo_from_bytea(4712, 'x')",
    "COPY t FROM STDIN",
    "COPY t TO STDOUT",
    "COPY t FROM PROGRAM 'echo 9'",
    "VACUUM t",
    "ANALYZE t",
    "REINDEX TABLE t",
    "CLUSTER",
    "CHECKPOINT",
    "CREATE DATABASE tidegate_evil",
    "CREATE INDEX CONCURRENTLY evil ON t (a)",
    "ALTER SYSTEM SET work_mem = '1MB'",
    "ALTER DATABASE postgres SET work_mem = '1MB'",
    "CREATE PUBLICATION evil",
    "GRANT ALL ON t TO public",
    "COMMENT ON TABLE t IS 'evil'",
    "SECURITY LABEL ON TABLE t IS 'evil'",
    "LOAD 'plpgsql'",
    "DELETE FROM t; COMMIT",
    "COMMIT; DELETE FROM t",
    "SELECT 1; DELETE FROM t",
];

/// The tables, and routines that a judge cannot look into.
const SETUP: &str = "\
CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2), (3); CREATE SEQUENCE s;\
CREATE PROCEDURE evil_procedure() LANGUAGE plpgsql AS $$ BEGIN COMMIT; SET TRANSACTION READ WRITE; DELETE FROM t; COMMIT; END $$;\
CREATE FUNCTION evil_function() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; RETURN 1; END $$;";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_reaches_the_engine_changes_the_database_or_the_session() {
    on_configured(
        SETUP,
        |config| config.pool.max = 1,
        |db| async move {
            let before = db.state(STATE).await;
            let session = json(&db.read_fast(SESSION, &[]).await.unwrap());
            for attack in ATTACKS {
                let result = db.read(attack).await;
                assert_eq!(db.state(STATE).await, before, "{attack}: {result:?}");
                assert_eq!(json(&db.read_fast(SESSION, &[]).await.unwrap()), session, "{attack}: {result:?}");
                // Had the session become writable, this would show it.
                assert!(db.read_fast("DELETE FROM t", &[]).await.is_err(), "{attack}");
                assert_eq!(db.state(STATE).await, before, "{attack}");
            }
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_round_trip_path_refuses_writes_too() {
    on_configured(
        SETUP,
        |config| config.pool.max = 1,
        |db| async move {
            let before = db.state(STATE).await;
            for attack in ATTACKS.iter().filter(|attack| !is_session_attack(attack)) {
                let result = db.read_fast(attack, &[]).await;
                assert_eq!(db.state(STATE).await, before, "{attack}: {result:?}");
            }
        },
    )
    .await;
}

/// Statements that leave something in the session or end a transaction: the judge never calls these traceless.
fn is_session_attack(attack: &str) -> bool {
    let words = ["SET", "BEGIN", "START", "DO", "CALL", "ANALYZE", "VACUUM", "set_config", "advisory", "lo_", "RESET", "DISCARD", "LISTEN"];
    words.iter().any(|word| attack.contains(word))
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_of_several_callers_do_not_see_each_others_session() {
    on_configured(
        SETUP,
        |config| config.pool.max = 2,
        |db| async move {
            let tasks = (0..20).map(|n| {
                let db = db.clone();
                async move {
                    let set = format!("SELECT set_config('evil.x', '{n}', false), current_setting('evil.x', true)");
                    let rows = db.read(&set).await.unwrap();
                    assert_eq!(json(&rows), [format!(r#"["{n}","{n}"]"#)]);
                    let rows = db.read_fast("SELECT coalesce(current_setting('evil.x', true), '')", &[]).await.unwrap();
                    assert_eq!(json(&rows), [r#"[""]"#]);
                }
            });
            futures_util::future::join_all(tasks).await;
        },
    )
    .await;
}
