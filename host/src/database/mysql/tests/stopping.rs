//! Timeouts, cancellation, limits: whatever ends early ends on the server too.

use std::time::Duration;
use std::time::Instant;

use super::Fixture;
use super::call;
use super::claimed;
use super::json;
use super::options;
use super::read;
use super::read_traceless;
use super::writable;
use crate::database::RunOptions;
use crate::database::error::ErrorKind;
use crate::database::rows::RowLimits;
use crate::database::statement::StatementKind;

/// A statement that runs for very long without sending a row.
fn endless(mark: &str) -> String {
    format!("SELECT /* {mark} */ COUNT(*) FROM n a, n b, n c, n d, n e, n f WHERE a.i + b.i + c.i + d.i + e.i + f.i = -1")
}

/// A thousand numbers.
const NUMBERS: &[&str] = &["CREATE TABLE n AS SELECT seq AS i FROM seq_1_to_1000"];

fn within(timeout: Duration) -> RunOptions {
    RunOptions { timeout, ..options() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_takes_the_statement_off_the_server() {
    let mut fixture = Fixture::new(NUMBERS).await;
    let engine = fixture.engine(|config| config.pool.max = 1);
    for (mark, traceless) in [("tg_timeout_a", false), ("tg_timeout_b", true)] {
        let begun = Instant::now();
        let statement = claimed(&endless(mark), StatementKind::Read, traceless);
        let error = engine.read(&call(), &statement, &[], &within(Duration::from_millis(300))).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Timeout, "{error:?}");
        assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
        fixture.wait_for_statements(mark, 0).await;
        assert_eq!(json(&read(&engine, "SELECT 1").await.unwrap()), "[1]", "the only connection is free again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_answer_when_they_are_killed_count_as_timed_out() {
    let mut fixture = Fixture::new(&[]).await;
    let engine = fixture.engine(|_| {});
    for text in [
        "SELECT SLEEP(30) AS tg_sleep",
        "SELECT BENCHMARK(1000000000, SHA2('tg_sleep', 512)) AS tg_sleep",
        "SELECT GET_LOCK('tg_held', 30) AS tg_sleep",
    ] {
        fixture.run("DO GET_LOCK('tg_held', 0)").await;
        let begun = Instant::now();
        let statement = claimed(text, StatementKind::Read, false);
        let error = engine.read(&call(), &statement, &[], &within(Duration::from_millis(200))).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Timeout, "{text}: {error:?}");
        assert!(begun.elapsed() < Duration::from_millis(1500), "{text}: {:?}", begun.elapsed());
        fixture.wait_for_statements("tg_sleep", 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_takes_the_statement_off_the_server() {
    let mut fixture = Fixture::new(NUMBERS).await;
    let engine = fixture.engine(|_| {});
    let call = call();
    let statement = claimed(&endless("tg_cancel"), StatementKind::Read, false);
    let options = options();
    let running = engine.read(&call, &statement, &[], &options);
    let cancelling = async {
        fixture.wait_for_statements("tg_cancel", 1).await;
        call.cancellation.cancel();
    };
    let (result, ()) = tokio::join!(running, cancelling);
    assert_eq!(result.unwrap_err().kind, ErrorKind::Cancelled);
    fixture.wait_for_statements("tg_cancel", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_takes_the_statement_off_the_server() {
    let mut fixture = Fixture::new(NUMBERS).await;
    let engine = fixture.engine(|config| config.pool.max = 1);
    let statement = claimed(&endless("tg_drop"), StatementKind::Read, true);
    let call = call();
    let options = options();
    tokio::select! {
        result = engine.read(&call, &statement, &[], &options) => panic!("{result:?}"),
        () = fixture.wait_for_statements("tg_drop", 1) => {}
    }
    fixture.wait_for_statements("tg_drop", 0).await;
    assert_eq!(json(&read(&engine, "SELECT 1").await.unwrap()), "[1]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_runs_out_of_time_leaves_nothing() {
    let mut fixture = Fixture::new(NUMBERS).await;
    fixture.run("CREATE TABLE t (id INT)").await;
    let engine = fixture.engine(writable);
    let statements = vec![
        (claimed("INSERT INTO t VALUES (1)", StatementKind::Write, true), Vec::new()),
        (claimed("INSERT INTO t SELECT SLEEP(30)", StatementKind::Write, true), Vec::new()),
    ];
    let failed = engine.write(&call(), statements, &within(Duration::from_millis(300))).await.unwrap_err();
    assert_eq!((failed.index, failed.error.kind), (1, ErrorKind::Timeout), "{failed:?}");
    fixture.wait_for_statements("SLEEP(30)", 0).await;
    assert_eq!(fixture.ask("SELECT COUNT(*) FROM t").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_million_rows_cost_no_more_than_the_rows_that_are_kept() {
    let mut fixture = Fixture::new(NUMBERS).await;
    let engine = fixture.engine(|config| config.pool.max = 1);
    read_traceless(&engine, "SELECT 1").await.unwrap();
    let text = "SELECT /* tg_many */ a.i, b.i, c.i FROM n a, n b, n c LIMIT 10000000";
    for traceless in [true, false] {
        let begun = Instant::now();
        let rows = engine.read(&call(), &claimed(text, StatementKind::Read, traceless), &[], &options()).await.unwrap();
        assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
        assert_eq!((rows.len(), rows.truncated()), (1_000, true));
        fixture.wait_for_statements("tg_many", 0).await;
    }
    assert_eq!(json(&read(&engine, "SELECT 1").await.unwrap()), "[1]");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_cut_exactly_at_rows_and_bytes() {
    let fixture = Fixture::new(NUMBERS).await;
    let engine = fixture.engine(|config| config.pool.max = 1);
    let statement = |text: &str| claimed(text, StatementKind::Read, true);
    let limits = RunOptions { limits: RowLimits { rows: 10, bytes: 1_000 }, ..options() };
    let id = json(&read_traceless(&engine, "SELECT CONNECTION_ID()").await.unwrap());
    let exact = engine.read(&call(), &statement("SELECT i FROM n LIMIT 10"), &[], &limits).await.unwrap();
    assert_eq!((exact.len(), exact.truncated()), (10, false));
    let cut = engine.read(&call(), &statement("SELECT i FROM n LIMIT 11"), &[], &limits).await.unwrap();
    assert_eq!((cut.len(), cut.truncated()), (10, true));
    let wide = engine.read(&call(), &statement("SELECT i, REPEAT('x', 300) FROM n LIMIT 5"), &[], &limits).await.unwrap();
    assert_eq!((wide.len(), wide.truncated()), (3, true));
    assert_eq!(
        json(&read_traceless(&engine, "SELECT CONNECTION_ID()").await.unwrap()),
        id,
        "a few rows left over do not cost the connection"
    );
    let error = engine.read(&call(), &statement("SELECT REPEAT('x', 5000)"), &[], &limits).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    let error = engine.read(&call(), &statement("SELECT REPEAT('x', 5000) FROM n a, n b"), &[], &limits).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert_eq!(json(&read(&engine, "SELECT 1").await.unwrap()), "[1]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_without_a_free_connection_says_so_in_time() {
    let fixture = Fixture::new(&[]).await;
    let engine = fixture.engine(|config| {
        config.pool.max = 2;
        config.pool.acquire_timeout = Duration::from_millis(200);
    });
    let sleep = claimed("SELECT SLEEP(1)", StatementKind::Read, true);
    let (call, options) = (call(), options());
    let begun = Instant::now();
    let waiting = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begun = Instant::now();
        (read(&engine, "SELECT 1").await.unwrap_err(), begun.elapsed())
    };
    let (first, second, (error, waited)) =
        tokio::join!(engine.read(&call, &sleep, &[], &options), engine.read(&call, &sleep, &[], &options), waiting);
    assert_eq!((json(&first.unwrap()), json(&second.unwrap())), ("[0]".into(), "[0]".into()));
    assert_eq!(error.kind, ErrorKind::PoolExhausted);
    assert!(error.message.contains("2 of 2 in use"), "{}", error.message);
    assert!(waited < Duration::from_millis(400), "{waited:?}");
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(read(&engine, "SELECT 1").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_server_closed_are_replaced() {
    let mut fixture = Fixture::new(&["CREATE TABLE t (id INT)"]).await;
    let engine = fixture.engine(|config| {
        config.pool.max = 3;
        writable(config);
    });
    let id = json(&read_traceless(&engine, "SELECT CONNECTION_ID()").await.unwrap());
    fixture.run(&format!("KILL {}", id.trim_matches(['[', ']']))).await;
    let next = json(&read_traceless(&engine, "SELECT CONNECTION_ID()").await.unwrap());
    assert_ne!(next, id);
    let statements = |text: &str| vec![(claimed(text, StatementKind::Write, true), Vec::new())];
    engine.write(&call(), statements("INSERT INTO t VALUES (1)"), &options()).await.unwrap();
    let writer =
        fixture.ask("SELECT GROUP_CONCAT(ID) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()").await;
    for id in writer.split(',') {
        fixture.run(&format!("KILL {id}")).await;
    }
    engine.write(&call(), statements("INSERT INTO t VALUES (2)"), &options()).await.unwrap();
    assert_eq!(fixture.ask("SELECT GROUP_CONCAT(id ORDER BY id) FROM t").await, "1,2");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_server_has_closed_every_connection_no_read_fails() {
    let mut fixture = Fixture::new(&[]).await;
    let engine = fixture.engine(|config| config.pool.max = 4);
    let (call, options) = (call(), options());
    let sleep = claimed("SELECT SLEEP(0.2)", StatementKind::Read, true);
    let four = [(); 4].map(|()| engine.read(&call, &sleep, &[], &options));
    futures_util::future::join_all(four).await;
    let ids = "SELECT GROUP_CONCAT(ID) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()";
    let ids = fixture.ask(ids).await;
    assert_eq!(ids.split(',').count(), 4);
    for id in ids.split(',') {
        fixture.run(&format!("KILL {id}")).await;
    }
    assert_eq!(json(&read_traceless(&engine, "SELECT 1").await.unwrap()), "[1]");
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_and_writing_sessions_together_keep_to_the_limit() {
    let mut fixture = Fixture::new(&["CREATE TABLE t (id INT)"]).await;
    let engine = fixture.engine(|config| {
        config.pool.max = 1;
        writable(config);
    });
    for n in 0..3 {
        read_traceless(&engine, "SELECT 1").await.unwrap();
        let statement = claimed(&format!("INSERT INTO t VALUES ({n})"), StatementKind::Write, true);
        engine.write(&call(), vec![(statement, Vec::new())], &options()).await.unwrap();
        // The server takes a moment to notice a connection that was closed.
        fixture.wait_for_connections(1).await;
    }
    engine.close().await;
    assert_eq!(read(&engine, "SELECT 1").await.unwrap_err().kind, ErrorKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_or_does_not_let_us_in_is_told_without_its_address() {
    let mut fixture = Fixture::new(&[]).await;
    let engine = fixture.engine_at("mysql://someone:hunter2@127.0.0.1:1/x", |_| {});
    let begun = Instant::now();
    let error = read(&engine, "SELECT 1").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(begun.elapsed() < Duration::from_secs(1), "a refused connection is not waited for");
    assert!(!error.message.contains("127.0.0.1") && !error.message.contains("hunter2"), "{}", error.message);

    let user = format!("u{}", fixture.name);
    fixture.run(&format!("CREATE USER {user} IDENTIFIED BY 'right'")).await;
    let url = fixture.url_as(&format!("{user}:wrong"));
    let error = read(&fixture.engine_at(&url, |_| {}), "SELECT 1").await.unwrap_err();
    fixture.run(&format!("DROP USER {user}")).await;
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("refused the login"), "{}", error.message);
    assert!(!error.message.contains(&user) && !error.message.contains("localhost"), "{}", error.message);
}
