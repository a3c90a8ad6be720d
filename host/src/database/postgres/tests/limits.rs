//! What a statement may cost: time, rows, bytes, connections. What is stopped is gone from the server.

use super::*;
use crate::database::error::ErrorKind;

/// Statements of the host that run on this test's database.
const ACTIVE: &str = "SELECT count(*) FROM pg_stat_activity \
     WHERE application_name = 'tidegate' AND state = 'active' AND datname = current_database()";

fn short(timeout_ms: u64) -> RunOptions {
    RunOptions { timeout: Duration::from_millis(timeout_ms), ..options() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_over_its_time_is_gone_from_the_server() {
    on_configured(
        "",
        |config| config.pool.max = 1,
        |db| async move {
            for traceless in [true, false] {
                let started = Instant::now();
                let statement = reading("SELECT pg_sleep(30)", traceless);
                let error = db.postgres.read(&call(), &statement, &[], &short(200)).await.unwrap_err();
                assert_eq!(error.kind, ErrorKind::Timeout, "{error:?}");
                assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
                db.becomes(ACTIVE, "0").await;
                assert_eq!(json(&db.read_fast("SELECT 1", &[]).await.unwrap()), ["[1]"]);
            }
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_stops_a_statement_by_itself_too() {
    let quick = |config: &mut DatabaseConfig| config.statement_timeout = Duration::from_millis(200);
    on_configured("", quick, |db| async move {
        let error = db.read_fast("SELECT pg_sleep(30)", &[]).await.unwrap_err();
        assert_eq!((error.kind, error.sqlstate.as_deref()), (ErrorKind::Timeout, Some("57014")), "{error:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_and_an_abandoned_one_leave_nothing_running() {
    on_configured("CREATE TABLE t (a int);", |config| config.pool.max = 1, |db| async move {
        let running = "SELECT count(*) > 0 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()";
        for traceless in [true, false] {
            let call = call();
            let (task, token) = (db.clone(), call.cancellation.clone());
            let reading_task =
                tokio::spawn(async move { task.postgres.read(&call, &reading("SELECT pg_sleep(30)", traceless), &[], &options()).await });
            db.becomes(running, "true").await;
            token.cancel();
            assert_eq!(reading_task.await.unwrap().unwrap_err().kind, ErrorKind::Cancelled);
            db.becomes(running, "false").await;

            let task = db.clone();
            let abandoned = tokio::spawn(async move { task.read("SELECT pg_sleep(30)").await });
            db.becomes(running, "true").await;
            abandoned.abort();
            db.becomes(running, "false").await;

            let task = db.clone();
            let abandoned =
                tokio::spawn(async move { task.write(&[("INSERT INTO t SELECT 1 FROM (SELECT pg_sleep(30)) s", vec![])]).await });
            db.becomes(running, "true").await;
            abandoned.abort();
            db.becomes(running, "false").await;
        }
        assert_eq!(db.state("SELECT count(*) FROM t").await, "0");
        assert_eq!(json(&db.read_fast("SELECT 1", &[]).await.unwrap()), ["[1]"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_cancelled_at_once_leaves_nothing_running() {
    on_configured(
        "",
        |config| config.pool.max = 2,
        |db| async move {
            for pause_us in (0..2000).step_by(100) {
                let call = call();
                let token = call.cancellation.clone();
                let task = db.clone();
                let running =
                    tokio::spawn(async move { task.postgres.read(&call, &reading("SELECT pg_sleep(30)", true), &[], &options()).await });
                tokio::time::sleep(Duration::from_micros(pause_us)).await;
                token.cancel();
                assert_eq!(running.await.unwrap().unwrap_err().kind, ErrorKind::Cancelled);
            }
            db.becomes(ACTIVE, "0").await;
            assert_eq!(json(&db.read_fast("SELECT 1", &[]).await.unwrap()), ["[1]"]);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_million_rows_cost_neither_their_time_nor_their_memory() {
    on_configured(
        "",
        |config| config.pool.max = 1,
        |db| async move {
            db.read_fast("SELECT 1", &[]).await.unwrap();
            let sql = "SELECT generate_series(1, 10000000), repeat('x', 100)";
            for traceless in [true, false] {
                let before = resident_kib();
                let started = Instant::now();
                let rows = db.postgres.read(&call(), &reading(sql, traceless), &[], &options()).await.unwrap();
                // All of them are over a gigabyte and take several seconds; other tests run beside this one.
                assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
                assert_eq!((rows.len(), rows.truncated()), (1000, true));
                let grown = resident_kib().saturating_sub(before);
                assert!(grown < 128 << 10, "{grown} KiB");
            }
            db.becomes(ACTIVE, "0").await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_result_keeps_its_connection() {
    on_configured(
        "CREATE TABLE t AS SELECT n, repeat('x', 200) x FROM generate_series(1, 200000) n;",
        |config| config.pool.max = 1,
        |db| async move {
            let pid = json(&db.read_fast("SELECT pg_backend_pid()", &[]).await.unwrap());
            for traceless in [true, false] {
                for _ in 0..5 {
                    let rows = db.postgres.read(&call(), &reading("SELECT * FROM t", traceless), &[], &options()).await.unwrap();
                    assert_eq!((rows.len(), rows.truncated()), (1000, true));
                }
            }
            assert_eq!(json(&db.read_fast("SELECT pg_backend_pid()", &[]).await.unwrap()), pid);
            let few = RunOptions { limits: RowLimits { rows: 10, bytes: 1 << 20 }, ..options() };
            let whole = db.postgres.read(&call(), &reading("SELECT * FROM t LIMIT 10", true), &[], &few).await.unwrap();
            assert_eq!((whole.len(), whole.truncated()), (10, false));
            let bytes = RunOptions { limits: RowLimits { rows: 1000, bytes: 1000 }, ..options() };
            let cut = db.postgres.read(&call(), &reading("SELECT * FROM t", true), &[], &bytes).await.unwrap();
            assert_eq!((cut.len(), cut.truncated()), (4, true));
            let error = db.postgres.read(&call(), &reading("SELECT repeat('x', 2000) FROM t", true), &[], &bytes).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::TooLarge);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_pool_says_so() {
    let small = |config: &mut DatabaseConfig| {
        config.pool.max = 2;
        config.pool.acquire_timeout = Duration::from_secs(1);
    };
    on_configured("", small, |db| async move {
        let busy: Vec<_> = (0..2)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { db.read_fast("SELECT pg_sleep(4)", &[]).await.map(|_| ()) })
            })
            .collect();
        db.becomes(ACTIVE, "2").await;
        let error = db.read_fast("SELECT 1", &[]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::PoolExhausted);
        assert!(error.message.contains("2 of 2 in use"), "{}", error.message);
        for task in busy {
            task.await.unwrap().unwrap();
        }
        assert_eq!(json(&db.read_fast("SELECT 1", &[]).await.unwrap()), ["[1]"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_and_old_sessions_are_closed() {
    let brief = |config: &mut DatabaseConfig| config.pool.idle_timeout = Duration::from_millis(500);
    on_configured("", brief, |db| async move {
        db.read_fast("SELECT 1", &[]).await.unwrap();
        let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidegate' AND datname = current_database()";
        assert_eq!(db.state(open).await, "1");
        db.becomes(open, "0").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_share_few_sessions() {
    on_configured(
        "",
        |config| config.pool.max = 3,
        |db| async move {
            let tasks = (0..200).map(|n| {
                let db = db.clone();
                tokio::spawn(
                    async move { json(&db.read_fast("SELECT $1::int4", &[Value::Integer(n)]).await.unwrap()) == [format!("[{n}]")] },
                )
            });
            for right in futures_util::future::join_all(tasks).await {
                assert!(right.unwrap());
            }
            let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidegate' AND datname = current_database()";
            assert!(db.state(open).await.parse::<u32>().unwrap() <= 3);
        },
    )
    .await;
}

/// Memory of this process in KiB, as Linux tells it.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
