//! The host itself is stopped and killed under load.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use serde_json::json;
use sqlx::Connection;
use sqlx::SqliteConnection;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::cycles;
use crate::eventually;
use crate::folder::Folder;
use crate::host::Client;
use crate::host::Era;
use crate::killed::KEYS;
use crate::load::Journal;
use crate::load::Load;
use crate::load::call;
use crate::server::Kind;
use crate::server::Server;
use crate::server::signal;
use crate::tell;
use crate::turn;
use crate::uncached_host;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_ends_every_call_and_leaves_nothing_running() {
    let _turn = turn().await;
    let server = Server::new(Kind::Postgres).await;
    let host = uncached_host().database("main", &server.url(), "pool = { max = 30 }").start().await;
    let mut calls = Vec::new();
    // From a moment to longer than a stop waits.
    for tenths in [1, 2, 5, 10, 20, 30, 40, 50, 70, 300] {
        for _ in 0..2 {
            let client = host.connect(Era::Modern).await;
            let sql = format!("select pg_sleep({tenths} / 10.0)");
            calls.push((tenths, tokio::spawn(async move { call(&client, "execute_select", json!({ "sql": sql })).await })));
        }
    }
    let running = "select count(*) from pg_stat_activity where application_name = 'tidegate' and state = 'active'";
    // Each of them runs or has ended: however slowly they came, none is still on its way.
    let has_begun = async || {
        let ended = calls.iter().filter(|(_, called)| called.is_finished()).count();
        server.number(running).await.unwrap() + i64::try_from(ended).unwrap() >= 20
    };
    eventually(Duration::from_secs(20), "all of them run", has_begun).await;
    let started = Instant::now();
    assert_eq!(host.terminate().await, Some(0));
    let took = started.elapsed();
    assert!(took < Duration::from_secs(14), "{took:?}");
    let (mut done, mut ended) = (0, 0);
    for (tenths, called) in calls {
        match called.await.unwrap() {
            Some(called) if called.error.is_none() => done += 1,
            _ => {
                ended += 1;
                assert!(tenths > 70, "a call of {tenths} tenths of a second was not waited for");
            }
        }
    }
    eventually(Duration::from_secs(2), "nothing runs any more", async || server.connections().await == 0).await;
    tell(&format!("SIGTERM with 20 calls: {done} done, {ended} ended early, the process was gone after {} ms", took.as_millis()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_host_loses_nothing_it_acknowledged() {
    let _turn = turn().await;
    for kind in [Kind::Postgres, Kind::MariaDb] {
        let server = Server::new(kind).await;
        server.make_table().await;
        let configured = uncached_host().database("main", &server.url(), KEYS);
        let journal: Arc<Journal> = Arc::default();
        let (cycles, mut ready) = (cycles(1, 100), Vec::new());
        for _ in 0..cycles {
            let started = Instant::now();
            let host = configured.start().await;
            ready.push(started.elapsed());
            let before = journal.acknowledged();
            let load = Load::continue_with(&host, kind, journal.clone()).await;
            eventually(Duration::from_secs(10), "writes go through", async || journal.acknowledged() > before + 20).await;
            host.kill().await;
            load.end().await;
        }
        eventually(Duration::from_secs(10), "no connection is left", async || server.connections().await == 0).await;
        let figures = journal.check(&server).await;
        tell(&format!("host before {kind:?} killed {cycles} times: {figures}; ready after {}", crate::middle_and_most(&ready)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_host_leaves_a_whole_sqlite_file() {
    let _turn = turn().await;
    let folder = Folder::new();
    let file = folder.path().join("shop.sqlite");
    let configured = uncached_host().database("main", &format!("sqlite:{}?mode=rwc", file.display()), "mode = \"read-write\"");
    let (cycles, mut acknowledged) = (cycles(2, 100), 0_i64);
    for cycle in 0..cycles {
        let host = configured.start().await;
        let client = host.connect(Era::Modern).await;
        if cycle == 0 {
            let table = json!({ "sql": "create table entries (id integer primary key, a text, b text)" });
            assert!(call(&client, "execute_query", table).await.unwrap().error.is_none());
        }
        let writing = tokio::spawn(async move {
            let mut written = 0;
            let insert = json!({ "sql": "insert into entries (a, b) values ('a', 'b')" });
            let twice = json!({ "statements": [insert, { "sql": "update entries set b = a where id = last_insert_rowid()" }] });
            while let Some(called) = call(&client, "execute_batch", twice.clone()).await {
                assert!(called.error.is_none(), "{}", called.text);
                written += 1;
            }
            written
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        host.kill().await;
        acknowledged += writing.await.unwrap();
        let mut connection = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
        let whole: String = sqlx::query_scalar("pragma integrity_check").fetch_one(&mut connection).await.unwrap();
        let rows: i64 = sqlx::query_scalar("select count(*) from entries").fetch_one(&mut connection).await.unwrap();
        let torn: i64 = sqlx::query_scalar("select count(*) from entries where b <> a").fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        assert_eq!((whole.as_str(), torn), ("ok", 0));
        // One that was under way each time may have come to its end.
        assert!(rows >= acknowledged && rows <= acknowledged + i64::from(cycle) + 1, "{rows} rows, {acknowledged} acknowledged");
    }
    tell(&format!("host before SQLite killed {cycles} times: {acknowledged} acknowledged, 0 lost, the file is whole"));
}

/// More connections than it may have files are opened to a host, and closed again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_without_files_left_survives_and_serves_again() {
    let _turn = turn().await;
    let server = Server::new(Kind::Postgres).await;
    let host = uncached_host().database("main", &server.url(), "").start().await;
    let client = host.connect(Era::Modern).await;
    let select = async |client: &Client| call(client, "execute_select", json!({ "sql": "select 1" })).await;
    assert!(select(&client).await.unwrap().error.is_none());
    let process = host.process_id();
    let limited = Command::new("prlimit").args(["--pid", &process.to_string(), "--nofile=100:100"]).status().await.unwrap();
    assert!(limited.success());
    let address = host.url.trim_start_matches("http://").split('/').next().unwrap();
    let mut flood = Vec::new();
    // Until no more are queued either.
    while let Ok(connected) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        flood.push(connected.unwrap());
        assert!(flood.len() < 5_000, "there is no end to its connections");
    }
    assert!(flood.len() > 50, "{}", flood.len());
    // Its sessions are gone, and there is no file for a new one.
    server.run("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tidegate'").await;
    let busy = cpu_time(process);
    let started = Instant::now();
    // A call that needs a new connection waits among the others for the host to take it.
    if let Ok(Some(called)) = tokio::time::timeout(Duration::from_secs(1), select(&client)).await {
        assert!(["", "DATABASE_UNAVAILABLE"].contains(&called.code()), "{}", called.text);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (busy, over) = (cpu_time(process) - busy, started.elapsed());
    assert!(busy < over / 2, "it was busy for {busy:?} of {over:?}");
    drop(flood);
    let back = eventually(Duration::from_secs(2), "it serves a new client again", async || {
        let asked = async { select(&host.connect(Era::Modern).await).await };
        let called = tokio::time::timeout(Duration::from_millis(500), asked).await;
        called.is_ok_and(|called| called.is_some_and(|called| called.error.is_none()))
    })
    .await;
    assert_eq!(host.terminate().await, Some(0));
    tell(&format!(
        "no files left: busy for {} ms of {} ms; served again after {} ms",
        busy.as_millis(),
        over.as_millis(),
        back.as_millis()
    ));
}

/// Processor time that a process has used, in its own code and the system's.
fn cpu_time(process: u32) -> Duration {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // After the name, which is in brackets; ticks are hundredths of a second on every Linux of today.
    let fields: Vec<&str> = status.rsplit(')').next().unwrap().split_whitespace().collect();
    Duration::from_millis(10 * (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()))
}

impl crate::host::HttpHost {
    /// Kills it without a word.
    async fn kill(self) {
        signal("KILL", &[self.process_id()]).await;
    }
}
