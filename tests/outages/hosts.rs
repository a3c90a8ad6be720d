//! The host itself is stopped and killed under load.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use serde_json::json;
use sqlx::Connection;
use sqlx::SqliteConnection;

use crate::alone;
use crate::cycles;
use crate::eventually;
use crate::folder::Folder;
use crate::host::Era;
use crate::host::Host;
use crate::killed::KEYS;
use crate::load::Journal;
use crate::load::Load;
use crate::load::call;
use crate::server::Kind;
use crate::server::Server;
use crate::server::signal;
use crate::tell;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_ends_every_call_and_leaves_nothing_running() {
    let _alone = alone().await;
    let server = Server::new(Kind::Postgres).await;
    let host = Host::new().database("main", &server.url(), "pool = { max = 30 }").start().await;
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
    eventually(Duration::from_secs(10), "all of them run", async || server.number(running).await.unwrap() >= 16).await;
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
    let _alone = alone().await;
    for kind in [Kind::Postgres, Kind::MariaDb] {
        let server = Server::new(kind).await;
        server.make_table().await;
        let configured = Host::new().database("main", &server.url(), KEYS);
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
    let _alone = alone().await;
    let folder = Folder::new();
    let file = folder.path().join("shop.sqlite");
    let configured = Host::new().database("main", &format!("sqlite:{}?mode=rwc", file.display()), "mode = \"read-write\"");
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

impl crate::host::HttpHost {
    /// Kills it without a word.
    async fn kill(self) {
        signal("KILL", &[self.process_id()]).await;
    }
}
