//! Writing: all or nothing, and sessions that are clean afterwards.

use super::*;
use crate::database::error::ErrorKind;

const SHOP: &str = "\
CREATE TABLE t (id int PRIMARY KEY, v text, CONSTRAINT short CHECK (length(v) < 10));\
CREATE TABLE child (t_id int REFERENCES t DEFERRABLE INITIALLY DEFERRED);\
CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES (100, 'p'); COMMIT; END $$;";

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_takes_effect_as_a_whole_or_not_at_all() {
    on_database(SHOP, |db| async move {
        let done = db
            .write(&[
                ("INSERT INTO t VALUES ($1, $2), (2, 'b')", vec![Value::Integer(1), text("a")]),
                ("UPDATE t SET v = upper(v) RETURNING id, v", vec![]),
                ("SELECT count(*) FROM t", vec![]),
                ("DELETE FROM t WHERE false RETURNING v", vec![]),
            ])
            .await
            .unwrap();
        assert_eq!(done.iter().map(|execution| execution.affected).collect::<Vec<_>>(), [2, 2, 1, 0]);
        assert!(done[0].returned.is_none());
        assert_eq!(json(done[1].returned.as_ref().unwrap()), [r#"[1,"A"]"#, r#"[2,"B"]"#]);
        assert_eq!(json(done[2].returned.as_ref().unwrap()), ["[2]"]);
        assert_eq!(done[3].returned.as_ref().unwrap().columns()[0].name, "v");

        let failed =
            db.write(&[("INSERT INTO t VALUES (3, 'c')", vec![]), ("INSERT INTO t VALUES (1, 'again')", vec![])]).await.unwrap_err();
        assert_eq!((failed.index, failed.error.kind), (1, ErrorKind::Constraint));
        assert!(failed.error.message.contains("Key (id)=(1) already exists"), "{}", failed.error.message);
        assert_eq!(db.state("SELECT string_agg(id || v, ',' ORDER BY id) FROM t").await, "1A,2B");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constraint_that_is_checked_at_the_end_fails_the_whole() {
    on_database(SHOP, |db| async move {
        let failed = db.write(&[("INSERT INTO t VALUES (1, 'a')", vec![]), ("INSERT INTO child VALUES (7)", vec![])]).await.unwrap_err();
        assert_eq!((failed.index, failed.error.kind), (1, ErrorKind::Constraint), "{failed:?}");
        assert_eq!(db.state("SELECT count(*) FROM t").await, "0");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_run_in_a_transaction_runs_alone() {
    on_database(SHOP, |db| async move {
        for sql in [
            "VACUUM t",
            "CREATE INDEX CONCURRENTLY v_index ON t (v)",
            "REINDEX TABLE CONCURRENTLY t",
            "CALL commits()",
            "CREATE TABLE x (a int)",
        ] {
            db.administer(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        }
        assert_eq!(db.state("SELECT count(*) FROM pg_indexes WHERE indexname = 'v_index'").await, "1");
        assert_eq!(db.state("SELECT v FROM t WHERE id = 100").await, "p");
        let failed = db.write(&[("DELETE FROM t", vec![]), ("VACUUM t", vec![])]).await.unwrap_err();
        assert_eq!(failed.index, 1);
        assert!(failed.error.hint.unwrap().contains("alone"));
        assert_eq!(db.state("SELECT count(*) FROM t").await, "1");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_wrote_is_clean_for_the_next() {
    on_configured(SHOP, |config| config.pool.max = 1, |db| async move {
        db.administer("SET search_path = nowhere").await.unwrap();
        db.administer("SET default_transaction_read_only = on").await.unwrap();
        db.administer("CREATE TEMP TABLE t (id int, v text)").await.unwrap();
        db.administer("PREPARE p AS SELECT 1").await.unwrap();
        db.administer("DISCARD ALL").await.unwrap();
        db.write(&[("SELECT pg_advisory_lock(7)", vec![])]).await.unwrap();
        db.write(&[("INSERT INTO t VALUES (1, 'real')", vec![])]).await.unwrap();
        assert_eq!(db.state("SELECT v FROM public.t").await, "real");
        db.becomes("SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE locktype = 'advisory' AND datname = current_database()", "0").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn returned_rows_over_the_limit_are_left_out_and_the_write_stands() {
    on_database(SHOP, |db| async move {
        let few = RunOptions { limits: RowLimits { rows: 3, bytes: 1 << 20 }, ..options() };
        let insert = writing("INSERT INTO t SELECT n, 'x' FROM generate_series(1, 50000) n RETURNING id", StatementKind::Write);
        let done = db.postgres.write(&call(), vec![(insert, vec![])], &few).await.unwrap();
        let returned = done[0].returned.as_ref().unwrap();
        assert_eq!((done[0].affected, returned.len(), returned.truncated()), (50_000, 3, true));
        assert_eq!(db.state("SELECT count(*) FROM t").await, "50000");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_over_its_time_has_no_effect() {
    on_database(SHOP, |db| async move {
        let options = RunOptions { timeout: Duration::from_secs(2), ..options() };
        let statements = vec![
            (writing("INSERT INTO t VALUES (1, 'a')", StatementKind::Write), vec![]),
            (writing("SELECT pg_sleep(30)", StatementKind::Write), vec![]),
        ];
        let failed = db.postgres.write(&call(), statements, &options).await.unwrap_err();
        assert_eq!((failed.index, failed.error.kind), (1, ErrorKind::Timeout));
        assert_eq!(db.state("SELECT count(*) FROM t").await, "0");
        db.becomes("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidegate' AND state <> 'idle' AND datname = current_database()", "0").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_read_only_has_no_way_to_write() {
    on_configured(
        SHOP,
        |config| config.mode = Mode::ReadOnly,
        |db| async move {
            let failed = db.write(&[("INSERT INTO t VALUES (1, 'a')", vec![])]).await.unwrap_err();
            assert_eq!(failed.error.kind, ErrorKind::ReadOnly);
            assert_eq!(db.state("SELECT count(*) FROM t").await, "0");
        },
    )
    .await;
}
