//! Calls that wait for each other: for a lock, for a connection.

use std::time::Duration;
use std::time::Instant;

use rmcp::model::CallToolRequest;
use rmcp::model::CallToolRequestParams;
use rmcp::model::ClientRequest;
use rmcp::service::PeerRequestOptions;
use serde_json::json;
use sqlx::Connection;
use sqlx::Executor;
use sqlx::SqliteConnection;

use crate::eventually;
use crate::folder::Folder;
use crate::host::Era;
use crate::load::call;
use crate::server::Kind;
use crate::server::Server;
use crate::tell;
use crate::turn;
use crate::uncached_host;

/// Two callers change the same rows in opposite order: one of them is undone by the server, and goes through at its second try.
async fn deadlocked(kind: Kind) {
    let server = Server::new(kind).await;
    server.run("create table accounts (id int primary key, amount int not null)").await;
    server.run("insert into accounts values (1, 0), (2, 0)").await;
    let host = uncached_host().database("main", &server.url(), "mode = \"read-write\"").start().await;
    let pause = match kind {
        Kind::Postgres => "select pg_sleep(0.3)",
        Kind::MariaDb => "select sleep(0.3)",
    };
    let mut both = Vec::new();
    for (first, second) in [(1, 2), (2, 1)] {
        let client = host.connect(Era::Modern).await;
        let change = |id| json!({ "sql": format!("update accounts set amount = amount + 1 where id = {id}") });
        let statements = json!([change(first), { "sql": pause }, change(second)]);
        both.push(tokio::spawn(async move { call(&client, "execute_batch", json!({ "statements": statements })).await.unwrap() }));
    }
    for called in both {
        let called = called.await.unwrap();
        assert!(called.error.is_none(), "{}", called.text);
    }
    // Each of them once: what was undone was not done twice.
    assert_eq!(
        server
            .number("select cast(min(amount) * 10 + max(amount) as signed) from accounts".replace("signed", integer(kind)).as_str())
            .await
            .unwrap(),
        22
    );
    tell(&format!("{kind:?}: of two deadlocked transactions both went through, once each"));
}

fn integer(kind: Kind) -> &'static str {
    match kind {
        Kind::Postgres => "bigint",
        Kind::MariaDb => "signed",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_tried_again() {
    let _turn = turn().await;
    deadlocked(Kind::Postgres).await;
    deadlocked(Kind::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_another_program_keeps_locked_is_tried_again() {
    let _turn = turn().await;
    let folder = Folder::new();
    let url = format!("sqlite:{}", folder.path().join("shop.sqlite").display());
    let mut other = SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
    other.execute("create table entries (tag text)").await.unwrap();
    let host = uncached_host().database("main", &url, "mode = \"read-write\"").start().await;
    let client = host.connect(Era::Modern).await;
    other.execute("begin immediate").await.unwrap();
    let insert = json!({ "sql": "insert into entries values ('mine')" });
    let written = tokio::spawn(async move { call(&client, "execute_query", insert).await.unwrap() });
    // Longer than a statement waits for a lock by itself.
    tokio::time::sleep(Duration::from_secs(6)).await;
    other.execute("commit").await.unwrap();
    let called = written.await.unwrap();
    assert!(called.error.is_none() && called.took > Duration::from_secs(5), "{:?} {}", called.took, called.text);
    let rows: i64 = sqlx::query_scalar("select count(*) from entries").fetch_one(&mut other).await.unwrap();
    assert_eq!(rows, 1);
}

/// With one connection in use, others wait; those that are taken back are forgotten, and the rest have their turn.
async fn cancelled_waiters(url: &str, slow: &str) {
    let host = uncached_host().database("main", url, "pool = { max = 1, acquire_timeout = \"10s\", max_waiting = 3 }").start().await;
    let client = host.connect(Era::Modern).await;
    let begin = async |sql: &str| {
        let arguments = json!({ "sql": sql, "timeout_ms": 20_000 });
        let parameters = CallToolRequestParams::new("execute_select").with_arguments(arguments.as_object().unwrap().clone());
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(parameters));
        client.service().send_cancellable_request(request, PeerRequestOptions::no_options()).await.unwrap()
    };
    let holds = begin(slow).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    // More of them than may wait at once: each leaves its place in the queue when it is taken back.
    for _ in 0..4 {
        let mut waiting = Vec::new();
        for _ in 0..3 {
            waiting.push(begin("select 1").await);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        for one in waiting {
            one.cancel(None).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let other = host.connect(Era::Modern).await;
    let waits = tokio::spawn(async move { call(&other, "execute_select", json!({ "sql": "select 1" })).await.unwrap() });
    tokio::time::sleep(Duration::from_millis(100)).await;
    if waits.is_finished() {
        panic!("the one connection is not in use: {}", waits.await.unwrap().text);
    }
    let started = Instant::now();
    holds.cancel(None).await.unwrap();
    let called = waits.await.unwrap();
    assert!(called.error.is_none(), "{}", called.text);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_waiter_leaves_no_trace_on_any_engine() {
    let _turn = turn().await;
    let postgres = Server::new(Kind::Postgres).await;
    cancelled_waiters(&postgres.url(), "select pg_sleep(30)").await;
    eventually(Duration::from_secs(3), "no connection is left", async || postgres.connections().await == 0).await;
    let mariadb = Server::new(Kind::MariaDb).await;
    cancelled_waiters(&mariadb.url(), "select sleep(30)").await;
    eventually(Duration::from_secs(3), "no connection is left", async || mariadb.connections().await == 0).await;
    let folder = Folder::new();
    let file = folder.path().join("shop.sqlite");
    std::fs::write(&file, "").unwrap();
    let slow = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000000000) select count(*) from n";
    cancelled_waiters(&format!("sqlite:{}", file.display()), slow).await;
}
