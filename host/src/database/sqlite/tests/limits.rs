//! Time, size and number: what costs without end ends, and the pool goes on.

use std::time::Instant;

use super::*;
use crate::database::error::ErrorKind;

const ENDLESS: &str = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

fn within(limit: Duration) -> RunOptions {
    RunOptions { timeout: limit, ..options() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_without_end_stops_at_its_limit_and_the_pool_goes_on() {
    let (folder, maker) = shop(SHOP).await;
    maker.close().await;
    let mut config = config(&folder.url(""), Mode::ReadOnly);
    config.pool.max = 1;
    let sqlite = Sqlite::new(&config).unwrap();
    for sql in [
        ENDLESS,
        "SELECT count(*) FROM pragma_function_list a, pragma_function_list b, pragma_function_list c, pragma_function_list d",
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT i FROM n ORDER BY random()",
    ] {
        let begun = Instant::now();
        let statement = claimed(sql, StatementKind::Read);
        let error = sqlite.read(&call(), &statement, &[], &within(Duration::from_millis(300))).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Timeout, "{sql}: {error:?}");
        assert!(begun.elapsed() < Duration::from_millis(1300), "{sql} took {:?}", begun.elapsed());
        let begun = Instant::now();
        assert_eq!(one(&sqlite, "SELECT count(*) FROM orders").await, Value::Integer(3));
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_stops_its_statement() {
    let (_folder, sqlite) = shop(SHOP).await;
    let call = call();
    let cancellation = call.cancellation.clone();
    let begun = Instant::now();
    let (statement, options) = (claimed(ENDLESS, StatementKind::Read), options());
    let (result, ()) = tokio::join!(sqlite.read(&call, &statement, &[], &options), async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cancellation.cancel();
    });
    assert_eq!(result.unwrap_err().kind, ErrorKind::Cancelled);
    assert!(begun.elapsed() < Duration::from_millis(1100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_gives_its_connection_back() {
    let (folder, maker) = shop(SHOP).await;
    maker.close().await;
    let mut config = config(&folder.url(""), Mode::ReadOnly);
    config.pool.max = 1;
    let sqlite = Sqlite::new(&config).unwrap();
    let statement = claimed(ENDLESS, StatementKind::Read);
    let dropped = tokio::time::timeout(Duration::from_millis(100), sqlite.read(&call(), &statement, &[], &options())).await;
    assert!(dropped.is_err());
    let begun = Instant::now();
    assert_eq!(one(&sqlite, "SELECT 1").await, Value::Integer(1));
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_million_rows_cost_no_more_than_those_that_are_kept() {
    let (_folder, sqlite) = shop(SHOP).await;
    let sql = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 10000000) SELECT i, 'row ' || i FROM n";
    let begun = Instant::now();
    let rows = read(&sqlite, sql, &[]).await.unwrap();
    assert_eq!((rows.len(), rows.truncated()), (1000, true));
    let statement = claimed(sql, StatementKind::Read);
    let narrow = RunOptions { limits: RowLimits { rows: 100_000, bytes: 500 }, ..options() };
    let rows = sqlite.read(&call(), &statement, &[], &narrow).await.unwrap();
    assert!(rows.len() < 60 && rows.truncated());
    assert!(begun.elapsed() < Duration::from_secs(2), "took {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_too_large_is_an_error_with_the_limit() {
    let (_folder, sqlite) = shop(SHOP).await;
    let error = read(&sqlite, "SELECT hex(zeroblob(1000000))", &[]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    for sql in ["SELECT zeroblob(20000000)", "SELECT length(hex(zeroblob(15000000)))"] {
        assert_eq!(read(&sqlite, sql, &[]).await.unwrap_err().kind, ErrorKind::TooLarge, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_and_long_statements_end_without_harm() {
    let (_folder, sqlite) = shop(SHOP).await;
    let deep =
        |open: &str, middle: &str, close: &str, times: usize| format!("SELECT {}{middle}{}", open.repeat(times), close.repeat(times));
    let chain = |times: usize, body: &str| {
        let links: Vec<_> = (0..times).map(|n| format!("c{n} AS ({})", body.replace('$', &format!("c{}", n + 1)))).collect();
        format!("WITH {}, c{times} AS (SELECT 1 AS a) SELECT 1 FROM c0", links.join(", "))
    };
    for sql in [
        deep("(", "1", ")", 60_000),
        deep("NOT ", "1", "", 30_000),
        deep("- ", "1", "", 60_000),
        deep("abs(", "1", ")", 20_000),
        deep("CASE WHEN 1 THEN ", "1", " END", 5_000),
        deep("(SELECT ", "1", ")", 12_000),
        deep("* FROM (SELECT ", "1", ")", 7_000),
        deep("1 UNION SELECT * FROM (SELECT ", "1", ")", 4_000),
        deep("1 + ", "1", "", 30_000),
        deep("1 UNION ALL SELECT ", "1", "", 6_000),
        deep("1 IN (", "1", ")", 18_000),
        deep("EXISTS (SELECT ", "1", ")", 8_000),
        format!("SELECT * FROM {}orders{}", "(".repeat(60_000), ")".repeat(60_000)),
        chain(2_800, "SELECT 1 UNION SELECT * FROM $"),
        chain(1_800, "SELECT a FROM $ UNION SELECT 2 ORDER BY 1 LIMIT 3"),
        chain(60, "SELECT 1 FROM $ a, $ b"),
        "SELECT * FROM orders a".to_owned() + &" JOIN orders b".repeat(9_000),
        format!("SELECT {}", vec!["1"; 60_000].join(",")),
    ] {
        let begun = Instant::now();
        // Whether it runs or is refused is the same here.
        drop(sqlite.read(&call(), &claimed(&sql, StatementKind::Read), &[], &within(Duration::from_secs(3))).await);
        assert!(begun.elapsed() < Duration::from_secs(6), "{:.40}… took {:?}", sql, begun.elapsed());
    }
    let list = format!("SELECT 5 IN ({})", (0..20_000).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
    assert_eq!(one(&sqlite, &list).await, Value::Integer(1));
    let chain = format!("SELECT 1 WHERE {}", vec!["1 = 1"; 300].join(" AND "));
    assert_eq!(one(&sqlite, &chain).await, Value::Integer(1));
    let long = format!("SELECT '{}'", "x".repeat(200 << 10));
    assert_eq!(read(&sqlite, &long, &[]).await.unwrap_err().kind, ErrorKind::TooLarge);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_pool_says_how_many_are_in_use() {
    let (folder, maker) = shop(SHOP).await;
    maker.close().await;
    let mut config = config(&folder.url(""), Mode::ReadOnly);
    config.pool.max = 1;
    config.pool.acquire_timeout = Duration::from_millis(200);
    let sqlite = Sqlite::new(&config).unwrap();
    let endless = claimed(ENDLESS, StatementKind::Read);
    let (slow_call, slow_options, fast_call) = (call(), within(Duration::from_millis(800)), call());
    let slow = sqlite.read(&slow_call, &endless, &[], &slow_options);
    let fast = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        sqlite.read(&fast_call, &claimed("SELECT 1", StatementKind::Read), &[], &options()).await
    };
    let (slow, fast) = tokio::join!(slow, fast);
    assert_eq!(slow.unwrap_err().kind, ErrorKind::Timeout);
    let error = fast.unwrap_err();
    assert_eq!(error.kind, ErrorKind::PoolExhausted);
    assert!(error.message.contains("1 in use"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_opened_say_why() {
    let folder = Folder::new();
    let error = read(&open(&folder.url(""), Mode::ReadOnly), "SELECT 1", &[]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(error.message, "there is no such file `shop.db`");
    assert!(error.hint.unwrap().contains("create it"));
    let error = read(&open(&folder.url(""), Mode::ReadWrite), "SELECT 1", &[]).await.unwrap_err();
    assert_eq!(error.message, "there is no such file `shop.db`");
    assert!(folder.files().is_empty());
    std::fs::write(folder.0.join("shop.db"), "this is a text, not a database, and long enough to be read as one".repeat(20)).unwrap();
    let error = read(&open(&folder.url(""), Mode::ReadOnly), "SELECT * FROM t", &[]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    let error = read(&open(&format!("sqlite:{}", folder.0.display()), Mode::ReadOnly), "SELECT 1", &[]).await.unwrap_err();
    assert!(error.message.ends_with("is a folder, not a file"), "{error}");
}

#[tokio::test]
async fn a_url_that_contradicts_the_mode_is_refused() {
    let refused = |url: &str, mode| Sqlite::new(&config(url, mode)).err().map(|error| error.message);
    assert!(refused("sqlite:a.db?mode=rwc", Mode::ReadOnly).is_some());
    assert!(refused("sqlite:a.db?mode=rw", Mode::ReadOnly).is_some());
    assert!(refused("sqlite:a.db?mode=ro", Mode::ReadWrite).is_some());
    assert!(refused("sqlite:a.db?immutable=1", Mode::ReadWrite).is_some());
    assert!(refused("sqlite:a.db?vfs=unix-none", Mode::ReadOnly).is_some());
    assert!(refused("sqlite:", Mode::ReadOnly).is_some());
    for (url, mode) in [
        ("sqlite:a.db", Mode::ReadOnly),
        ("sqlite://a.db?mode=ro", Mode::ReadOnly),
        ("sqlite:///tmp/a%20b.db?mode=rwc", Mode::ReadWrite),
        ("sqlite::memory:", Mode::ReadWrite),
    ] {
        assert_eq!(refused(url, mode), None, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_whose_arguments_multiply_end_in_time() {
    let (_folder, sqlite) = shop(SHOP).await;
    for sql in [
        "SELECT instr(zeroblob(800000), CAST(zeroblob(400000) || x'01' AS BLOB))",
        "SELECT instr(hex(zeroblob(400000)), hex(zeroblob(200000)) || '1')",
        "SELECT length(replace(hex(zeroblob(400000)), hex(zeroblob(200000)) || '1', ''))",
        "SELECT length(replace(hex(zeroblob(400000)), '0', '0123456789'))",
        "SELECT length(trim(hex(zeroblob(400000)), replace(hex(zeroblob(390000)), '0', '1') || '0'))",
        "SELECT length(unhex(replace(hex(zeroblob(400000)), '0', '?'), replace(hex(zeroblob(390000)), '0', '1') || '?'))",
        "SELECT group_concat(hex(randomblob(1000000)), '') FROM pragma_function_list, pragma_function_list",
    ] {
        let begun = Instant::now();
        let statement = claimed(sql, StatementKind::Read);
        // Whether it runs to its end or into its limit is the same here.
        drop(sqlite.read(&call(), &statement, &[], &within(Duration::from_secs(4))).await);
        assert!(begun.elapsed() < Duration::from_secs(5), "{sql} took {:?}", begun.elapsed());
    }
}
