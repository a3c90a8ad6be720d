//! Transactions over several calls, as the server and a second client see them.

use super::*;
use crate::database::Database;
use crate::database::error::ErrorKind;
use crate::database::transaction::Access;
use crate::database::transaction::Act;
use crate::database::transaction::BeginOptions;
use crate::database::transaction::Isolation;
use crate::database::transaction::Transaction;

const SHOP: &str = "\
CREATE TABLE t (id int PRIMARY KEY, v text);\
INSERT INTO t SELECT n, 'v' || n FROM generate_series(1, 5) n;\
CREATE TABLE child (t_id int REFERENCES t DEFERRABLE INITIALLY DEFERRED);\
CREATE TYPE mood AS ENUM ('sad', 'happy');\
CREATE TABLE moods (id int, m mood);\
CREATE FUNCTION sneaky() RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES (99, 'sneaky'); RETURN 1; END $$;\
CREATE VIEW peeks AS SELECT sneaky() AS n;\
CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES (100, 'p'); COMMIT; END $$;\
CREATE FUNCTION resets() RETURNS int LANGUAGE plpgsql AS $$ BEGIN \
  PERFORM set_config('standard_conforming_strings', 'off', false); PERFORM set_config('DateStyle', 'German', false); RETURN 1; END $$;";

const READ_ONLY: BeginOptions = BeginOptions { isolation: None, access: Access::ReadOnly, deferrable: false };
const READ_WRITE: BeginOptions = BeginOptions { isolation: None, access: Access::ReadWrite, deferrable: false };

/// How many transactions of the host the server has open in this database.
const OPEN: &str = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidegate' \
    AND state LIKE 'idle in transaction%' AND datname = current_database()";

async fn read(db: &Database, transaction: &Transaction, sql: &str) -> Result<Vec<String>, DatabaseError> {
    db.read_in(&call(), transaction, &db.judge(sql)?, &[], &options()).await.map(|rows| json(&rows))
}

async fn write(db: &Database, transaction: &Transaction, sql: &str) -> Result<u64, DatabaseError> {
    let statements = vec![(db.judge(sql)?, Vec::new())];
    let done = db.write_in(&call(), transaction, statements, None, &options()).await;
    Ok(done.map_err(|failed| failed.error)?[0].affected)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_client_sees_nothing_before_the_commit() {
    on_database(SHOP, |fixture| async move {
        let db = fixture.database(|_| {});
        let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
        assert_eq!(write(&db, &transaction, "INSERT INTO t VALUES (6, 'six')").await.unwrap(), 1);
        assert_eq!(read(&db, &transaction, "SELECT count(*) FROM t").await.unwrap(), ["[6]"]);
        assert_eq!(fixture.state("SELECT count(*) FROM t").await, "5");
        fixture.becomes(OPEN, "1").await;
        db.commit(&call(), &transaction).await.unwrap();
        assert_eq!(fixture.state("SELECT count(*) FROM t").await, "6");
        fixture.becomes(OPEN, "0").await;
        db.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_only_means_one_snapshot_and_other_levels_mean_what_they_say() {
    on_database(SHOP, |fixture| async move {
        let db = fixture.database(|_| {});
        let snapshot = db.begin(&call(), READ_ONLY).await.unwrap();
        let committed = BeginOptions { isolation: Some(Isolation::ReadCommitted), ..READ_ONLY };
        let current = db.begin(&call(), committed).await.unwrap();
        let safe = BeginOptions { isolation: Some(Isolation::Serializable), access: Access::ReadOnly, deferrable: true };
        let safe = db.begin(&call(), safe).await.unwrap();
        fixture.run("DELETE FROM t WHERE id = 1").await;
        assert_eq!(read(&db, &snapshot, "SELECT count(*) FROM t").await.unwrap(), ["[5]"]);
        assert_eq!(read(&db, &current, "SELECT count(*) FROM t").await.unwrap(), ["[4]"]);
        let settings = "SELECT current_setting('transaction_isolation'), current_setting('transaction_deferrable'), \
            current_setting('transaction_read_only')";
        assert_eq!(read(&db, &safe, settings).await.unwrap(), [r#"["serializable","on","on"]"#]);
        let wrong = BeginOptions { deferrable: true, ..READ_WRITE };
        assert_eq!(db.begin(&call(), wrong).await.unwrap_err().kind, ErrorKind::NotSupported);
        db.close().await;
        fixture.becomes(OPEN, "0").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_statement_of_a_writing_transaction_cannot_write() {
    on_database(SHOP, |fixture| async move {
        let db = fixture.database(|_| {});
        let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
        write(&db, &transaction, "INSERT INTO t VALUES (6, 'six')").await.unwrap();
        // A view hides the function from the judge of statements; the server is asked to hold it.
        let hidden = db.read_in(&call(), &transaction, &reading("SELECT * FROM peeks", false), &[], &options()).await.unwrap_err();
        assert_eq!(hidden.kind, ErrorKind::ReadOnly, "{hidden:?}");
        for sql in
            ["INSERT INTO t VALUES (98, 'x')", "DELETE FROM t WHERE id = 2", "COMMIT", "SET TRANSACTION READ WRITE", "SELECT nextval('s')"]
        {
            db.read_in(&call(), &transaction, &reading(sql, false), &[], &options()).await.unwrap_err();
        }
        assert_eq!(read(&db, &transaction, "SELECT sneaky()").await.unwrap_err().kind, ErrorKind::ReadOnly);
        // And afterwards it writes again.
        write(&db, &transaction, "INSERT INTO t VALUES (7, 'seven')").await.unwrap();
        db.commit(&call(), &transaction).await.unwrap();
        assert_eq!(fixture.state("SELECT string_agg(id::text, ',' ORDER BY id) FROM t").await, "1,2,3,4,5,6,7");
        db.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_taken_back_and_the_transaction_goes_on() {
    on_database(SHOP, |fixture| async move {
        let db = fixture.database(|_| {});
        let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
        write(&db, &transaction, "INSERT INTO t VALUES (6, 'six')").await.unwrap();
        assert_eq!(write(&db, &transaction, "INSERT INTO t VALUES (6, 'again')").await.unwrap_err().kind, ErrorKind::Constraint);
        assert_eq!(read(&db, &transaction, "SELECT nothing FROM t").await.unwrap_err().kind, ErrorKind::UnknownColumn);
        assert_eq!(read(&db, &transaction, "SELECT 1 / 0").await.unwrap_err().kind, ErrorKind::Failed);
        let batch = ["INSERT INTO t VALUES (7, 'seven')", "INSERT INTO t VALUES (1, 'taken')"];
        let statements = batch.iter().map(|sql| (db.judge(sql).unwrap(), Vec::new())).collect();
        let failed = db.write_in(&call(), &transaction, statements, None, &options()).await.unwrap_err();
        assert_eq!((failed.index, failed.error.kind), (1, ErrorKind::Constraint));
        // Types that the host has not seen are looked up in the middle of it.
        write(&db, &transaction, "INSERT INTO moods VALUES (1, 'happy')").await.unwrap();
        assert_eq!(read(&db, &transaction, "SELECT m FROM moods").await.unwrap(), [r#"["happy"]"#]);
        let refused = write(&db, &transaction, "CALL commits()").await.unwrap_err();
        assert!(refused.hint.unwrap_or_default().contains("outside of the transaction"));
        db.commit(&call(), &transaction).await.unwrap();
        assert_eq!(fixture.state("SELECT string_agg(id::text, ',' ORDER BY id) FROM t").await, "1,2,3,4,5,6");
        db.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_statement_takes_back_itself_and_nothing_else() {
    on_database(SHOP, |fixture| async move {
        let db = fixture.database(|_| {});
        let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
        write(&db, &transaction, "INSERT INTO t VALUES (6, 'six')").await.unwrap();
        let short = RunOptions { timeout: Duration::from_millis(300), ..options() };
        let sleep = db.judge("SELECT pg_sleep(30)").unwrap();
        let late = db.read_in(&call(), &transaction, &sleep, &[], &short).await.unwrap_err();
        assert_eq!(late.kind, ErrorKind::Timeout, "{late:?}");
        let cancelled = call();
        let stopper = cancelled.cancellation.clone();
        let statements = vec![(writing("INSERT INTO t SELECT 8, pg_sleep(30)::text", StatementKind::Write), Vec::new())];
        let options = options();
        let (stopped, ()) = tokio::join!(db.write_in(&cancelled, &transaction, statements, None, &options), async {
            fixture
                .becomes("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO t SELECT 8%' AND state = 'active'", "1")
                .await;
            stopper.cancel();
        });
        assert_eq!(stopped.unwrap_err().error.kind, ErrorKind::Cancelled);
        assert_eq!(read(&db, &transaction, "SELECT count(*) FROM t").await.unwrap(), ["[6]"]);
        db.commit(&call(), &transaction).await.unwrap();
        assert_eq!(fixture.state("SELECT count(*) FROM t").await, "6");
        db.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_lease_is_a_rollback_on_the_server() {
    on_database(SHOP, |fixture| async move {
        let db = fixture.database(|config| config.transactions.lease = Duration::from_millis(400));
        let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
        write(&db, &transaction, "UPDATE t SET v = 'x' WHERE id = 1").await.unwrap();
        fixture.becomes(OPEN, "1").await;
        fixture.becomes(OPEN, "0").await;
        // The row lock is free.
        fixture.run("SET lock_timeout = 1000; UPDATE t SET v = v || '!' WHERE id = 1").await;
        assert_eq!(fixture.state("SELECT v FROM t WHERE id = 1").await, "v1!");
        let error = write(&db, &transaction, "UPDATE t SET v = 'y' WHERE id = 1").await.unwrap_err();
        assert!(error.kind == ErrorKind::TransactionNotFound && error.message.contains("was not used for 400ms"), "{error}");
        db.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_changes_and_savepoints_are_part_of_it() {
    on_database(SHOP, |fixture| async move {
        let db = fixture.database(|_| {});
        let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
        let admin = |sql: &'static str| {
            let (db, transaction) = (&db, &transaction);
            async move { db.administer_in(&call(), transaction, db.judge(sql).unwrap(), Vec::new(), None, &options()).await }
        };
        admin("CREATE TABLE made (a int)").await.unwrap();
        db.savepoint(&call(), &transaction, Act::Set, "made").await.unwrap();
        write(&db, &transaction, "INSERT INTO made VALUES (1)").await.unwrap();
        admin("CREATE TABLE unmade (a int)").await.unwrap();
        db.savepoint(&call(), &transaction, Act::RollbackTo, "made").await.unwrap();
        assert_eq!(read(&db, &transaction, "SELECT count(*) FROM made").await.unwrap(), ["[0]"]);
        assert_eq!(admin("SET search_path = nowhere").await.unwrap_err().kind, ErrorKind::NotSupported);
        assert!(admin("VACUUM t").await.unwrap_err().hint.unwrap_or_default().contains("outside of the transaction"));
        db.savepoint(&call(), &transaction, Act::Release, "made").await.unwrap();
        db.commit(&call(), &transaction).await.unwrap();
        assert_eq!(fixture.state("SELECT to_regclass('made') IS NOT NULL AND to_regclass('unmade') IS NULL").await, "true");
        db.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_reading_of_a_text_depends_on_is_set_again_for_every_statement() {
    on_configured(
        SHOP,
        |config| config.pool.max = 2,
        |fixture| async move {
            let db = fixture.database(|config| config.pool.max = 2);
            let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
            write(&db, &transaction, "INSERT INTO child SELECT id FROM t WHERE resets() = 1 AND id = 1").await.unwrap();
            let settings = "SELECT current_setting('standard_conforming_strings'), current_setting('DateStyle')";
            assert_eq!(read(&db, &transaction, settings).await.unwrap(), [r#"["on","ISO, MDY"]"#]);
            db.commit(&call(), &transaction).await.unwrap();
            // And the session comes back clean, or does not come back.
            let next = db.begin(&call(), READ_WRITE).await.unwrap();
            assert_eq!(read(&db, &next, settings).await.unwrap(), [r#"["on","ISO, MDY"]"#]);
            db.close().await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_the_server_refuses_is_a_rollback_and_says_why() {
    on_database(SHOP, |fixture| async move {
        let db = fixture.database(|_| {});
        let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
        write(&db, &transaction, "INSERT INTO child VALUES (77)").await.unwrap();
        let refused = db.commit(&call(), &transaction).await.unwrap_err();
        assert!(refused.kind == ErrorKind::Constraint && refused.message.contains("rolled back"), "{refused:?}");
        let over = db.find_transaction(&Caller::local(), transaction.handle()).unwrap_err();
        assert!(over.message.contains("the database rolled it back"), "{over}");
        assert_eq!(fixture.state("SELECT count(*) FROM child").await, "0");

        let serializable = BeginOptions { isolation: Some(Isolation::Serializable), ..READ_WRITE };
        let first = db.begin(&call(), serializable).await.unwrap();
        let second = db.begin(&call(), serializable).await.unwrap();
        for (transaction, sql) in [(&first, "INSERT INTO t VALUES (10, 'a')"), (&second, "INSERT INTO t VALUES (11, 'b')")] {
            read(&db, transaction, "SELECT count(*) FROM t").await.unwrap();
            write(&db, transaction, sql).await.unwrap();
        }
        db.commit(&call(), &first).await.unwrap();
        let conflict = db.commit(&call(), &second).await.unwrap_err();
        assert_eq!(conflict.sqlstate.as_deref(), Some("40001"), "{conflict:?}");
        assert_eq!(fixture.state("SELECT count(*) FROM t").await, "6");
        db.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_connection_is_told_at_the_next_use() {
    on_database(SHOP, |fixture| async move {
        let db = fixture.database(|_| {});
        let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
        write(&db, &transaction, "INSERT INTO t VALUES (6, 'six')").await.unwrap();
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tidegate' \
            AND state LIKE 'idle in transaction%' AND datname = current_database()";
        fixture.run(kill).await;
        let lost = write(&db, &transaction, "INSERT INTO t VALUES (7, 'seven')").await.unwrap_err();
        assert!(lost.message.contains("the transaction is over"), "{lost:?}");
        let over = db.find_transaction(&Caller::local(), transaction.handle()).unwrap_err();
        assert!(over.kind == ErrorKind::TransactionNotFound && over.message.contains("connection was lost"), "{over}");
        // Its place is free again, and others go on.
        for _ in 0..4 {
            db.begin(&call(), READ_WRITE).await.unwrap();
        }
        assert_eq!(fixture.state("SELECT count(*) FROM t").await, "5");
        db.close().await;
    })
    .await;
}

/// Stands between host and server, and cuts every connection that commits: before the server hears of it, or before the
/// host hears of the answer. With `deaf` it takes no new connections afterwards.
async fn cutter(server: PgConnectOptions, forward: bool, deaf: bool) -> u16 {
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let upstream = (server.get_host().to_owned(), server.get_port());
    tokio::spawn(async move {
        let (cut, mut was_cut) = tokio::sync::mpsc::unbounded_channel::<()>();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(()) = was_cut.recv(), if deaf => return,
            };
            let Ok((mut client, _)) = accepted else { return };
            let (upstream, cut) = (upstream.clone(), cut.clone());
            tokio::spawn(async move {
                let Ok(mut server) = tokio::net::TcpStream::connect((upstream.0.as_str(), upstream.1)).await else { return };
                let (mut down, mut up) = (vec![0; 1 << 16], vec![0; 1 << 16]);
                loop {
                    tokio::select! {
                        Ok(length) = client.read(&mut up) => {
                            if length == 0 {
                                return;
                            }
                            if up[..length].windows(7).any(|window| window == b"COMMIT\0") {
                                let _ = cut.send(());
                                if forward {
                                    server.write_all(&up[..length]).await.unwrap();
                                    // Until the server has answered, which nobody hears.
                                    let _ = server.read(&mut down).await;
                                }
                                return;
                            }
                            server.write_all(&up[..length]).await.unwrap();
                        }
                        Ok(length) = server.read(&mut down) => {
                            if length == 0 || client.write_all(&down[..length]).await.is_err() {
                                return;
                            }
                        }
                        else => return,
                    }
                }
            });
        }
    });
    port
}

async fn commit_through(fixture: &Fixture, forward: bool, deaf: bool) -> (Result<(), DatabaseError>, Option<DatabaseError>) {
    let port = cutter(fixture.server.clone(), forward, deaf).await;
    let url = fixture.server.clone().database(&fixture.name).host("127.0.0.1").port(port).to_url_lossy();
    let mut config = DatabaseConfig::new(DatabaseName::parse("main").unwrap(), url.as_str()).unwrap();
    config.mode = Mode::ReadWrite;
    let db = Database::new(config).unwrap();
    let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
    write(&db, &transaction, "INSERT INTO t VALUES (6, 'six')").await.unwrap();
    let committed = db.commit(&call(), &transaction).await;
    let over = db.find_transaction(&Caller::local(), transaction.handle()).err();
    db.close().await;
    (committed, over)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_asked_after() {
    on_database(SHOP, |fixture| async move {
        let (committed, over) = commit_through(&fixture, true, false).await;
        committed.unwrap();
        assert!(over.unwrap().message.contains("was committed"));
        assert_eq!(fixture.state("SELECT count(*) FROM t").await, "6");
        fixture.run("DELETE FROM t WHERE id = 6").await;

        let (aborted, over) = commit_through(&fixture, false, false).await;
        let error = aborted.unwrap_err();
        assert!(error.message.contains("before COMMIT took effect"), "{error}");
        assert!(over.unwrap().message.contains("rolled back"));
        assert_eq!(fixture.state("SELECT count(*) FROM t").await, "5");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_nobody_can_be_asked_about_is_told_as_unknown() {
    on_database(SHOP, |fixture| async move {
        let (unknown, over) = commit_through(&fixture, true, true).await;
        let error = unknown.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed, "not one to try again: {error:?}");
        assert!(error.message.contains("is not known"), "{error}");
        let hint = error.hint.unwrap();
        assert!(hint.contains("pg_xact_status('"), "{hint}");
        // What the hint says answers the question.
        let id: String = hint.split('\'').nth(1).unwrap().to_owned();
        assert_eq!(fixture.state(&format!("SELECT pg_xact_status('{id}'::xid8)")).await, "committed");
        assert!(over.unwrap().message.contains("is not known"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_changed_inside_a_query_are_counted_too() {
    on_database(SHOP, |fixture| async move {
        let db = fixture.database(|config| config.confirm.rows = Some(3));
        let affected = |error: DatabaseError| {
            assert_eq!(error.kind, ErrorKind::ConfirmationRequired, "{error:?}");
            error.confirmation.unwrap().affected
        };
        let statements = |sql: &str| vec![(db.judge(sql).unwrap(), Vec::new())];
        for sql in [
            "WITH gone AS (DELETE FROM t WHERE id > 1 RETURNING id) SELECT count(*) FROM gone",
            "EXPLAIN ANALYZE DELETE FROM t WHERE id > 1",
        ] {
            let asked = db.write(&call(), statements(sql), None, &options()).await.unwrap_err().error;
            assert_eq!(affected(asked), Some(4), "{sql}");
        }
        let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
        write(&db, &transaction, "UPDATE t SET v = 'x' WHERE id < 3").await.unwrap();
        let hidden = "WITH gone AS (DELETE FROM t RETURNING id) SELECT count(*) FROM gone";
        let asked = db.write_in(&call(), &transaction, statements(hidden), None, &options()).await.unwrap_err().error;
        assert_eq!(affected(asked), Some(5));
        // A query that writes little and reads much is not asked about.
        let reads = "WITH one AS (UPDATE t SET v = 'y' WHERE id = 1 RETURNING id) SELECT n FROM one, generate_series(1, 50) n";
        db.write_in(&call(), &transaction, statements(reads), None, &options()).await.unwrap();
        db.commit(&call(), &transaction).await.unwrap();
        assert_eq!(fixture.state("SELECT count(*) FROM t").await, "5");
        db.close().await;
    })
    .await;
}
