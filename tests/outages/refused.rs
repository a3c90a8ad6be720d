//! A server that is there and does not serve: logins refused, sessions ended, every connection in use.

use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::cycles;
use crate::eventually;
use crate::host::Era;
use crate::host::HttpHost;
use crate::killed::KEYS;
use crate::load::Load;
use crate::load::call;
use crate::middle_and_most;
use crate::server::Kind;
use crate::server::Server;
use crate::tell;
use crate::turn;
use crate::uncached_host;

/// Status and body of `/health/ready`.
async fn readiness(host: &HttpHost) -> (u16, Value) {
    let address = host.url.trim_start_matches("http://").split('/').next().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body.trim()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_logins_is_left_alone_and_taken_back() {
    let _turn = turn().await;
    let server = Server::new(Kind::Postgres).await;
    server.run("create role app login").await;
    let url = server.url().replace("postgres@", "app@");
    let host = uncached_host().database("main", &url, "").start().await;
    let client = host.connect(Era::Modern).await;
    let select = async || call(&client, "execute_select", json!({ "sql": "select 1" })).await.unwrap();
    assert_eq!(select().await.code(), "");
    assert_eq!(readiness(&host).await, (200, json!({ "status": "ok", "databases": { "answering": 1, "silent": 0 } })));

    server.run("alter role app nologin; select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'").await;
    let mut refused = 0;
    let open = loop {
        let called = select().await;
        assert_eq!(called.code(), "DATABASE_UNAVAILABLE", "{}", called.text);
        let error = called.error.clone().unwrap();
        if !error["details"]["retry_after_ms"].is_null() {
            break called;
        }
        refused += 1;
        assert!(refused < 10, "the breaker does not open: {}", called.text);
    };
    let error = open.error.clone().unwrap();
    assert_eq!((refused, error["retryable"].as_bool()), (5, Some(true)), "{}", open.text);
    assert!(
        open.text.contains("5 attempts in a row failed, the last because the database refused the login; the next one is made in 30s"),
        "{}",
        open.text
    );
    let mut took = Vec::new();
    for _ in 0..20 {
        let called = select().await;
        assert_eq!(called.code(), "DATABASE_UNAVAILABLE");
        took.push(called.took);
    }
    took.sort();
    // Most of it is the way of a call through host and plugin.
    assert!(took[10] < Duration::from_millis(50), "{}", middle_and_most(&took));
    assert_eq!(readiness(&host).await, (503, json!({ "status": "not ready", "databases": { "answering": 0, "silent": 1 } })));

    server.run("alter role app login").await;
    let back = eventually(Duration::from_secs(2), "served again", async || select().await.error.is_none()).await;
    assert_eq!(readiness(&host).await.0, 200);
    tell(&format!("logins refused: an open breaker answered in {}; served again after {} ms", middle_and_most(&took), back.as_millis()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ended_sessions_cost_no_read_and_little_time() {
    let _turn = turn().await;
    let server = Server::new(Kind::Postgres).await;
    server.make_table().await;
    let host = uncached_host().database("main", &server.url(), KEYS).start().await;
    let client = host.connect(Era::Modern).await;
    let select = async || call(&client, "execute_select", json!({ "sql": "select count(*) from entries" })).await.unwrap();
    let mut took = Vec::new();
    for _ in 0..cycles(4, 50) {
        // All four reading sessions and both writing ones are open.
        let load = Load::begin(&host, Kind::Postgres).await;
        eventually(Duration::from_secs(10), "writes go through", async || load.journal.acknowledged() > 5).await;
        let journal = load.end().await;
        journal.check(&server).await;
        server.run("truncate entries; select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tidegate'").await;
        let called = select().await;
        assert!(called.error.is_none(), "{}", called.text);
        took.push(called.took);
        let written = call(&client, "execute_query", json!({ "sql": "insert into entries values ('x')" })).await.unwrap();
        assert!(written.error.is_none(), "{}", written.text);
        server.run("truncate entries").await;
    }
    tell(&format!("all sessions ended {} times: the first read after it took {}", took.len(), middle_and_most(&took)));
    took.sort();
    assert!(took[took.len() / 2] < Duration::from_millis(200), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_ended_under_load_lose_nothing() {
    let _turn = turn().await;
    let server = Server::new(Kind::Postgres).await;
    server.make_table().await;
    let host = uncached_host().database("main", &server.url(), KEYS).start().await;
    let load = Load::begin(&host, Kind::Postgres).await;
    let cycles = cycles(5, 100);
    for _ in 0..cycles {
        let before = load.journal.acknowledged();
        eventually(Duration::from_secs(10), "writes go through", async || load.journal.acknowledged() > before + 5).await;
        server.run("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tidegate'").await;
    }
    let figures = load.end().await.check(&server).await;
    tell(&format!("all sessions ended {cycles} times under load: {figures}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_pool_turns_calls_away_in_time_and_says_who_fills_it() {
    let _turn = turn().await;
    let server = Server::new(Kind::Postgres).await;
    let keys = "pool = { max = 2, acquire_timeout = \"500ms\", max_waiting = 10 }";
    let host = uncached_host().database("main", &server.url(), keys).start().await;
    let mut calls = Vec::new();
    for _ in 0..40 {
        let client = host.connect(Era::Modern).await;
        calls.push(tokio::spawn(async move { call(&client, "execute_select", json!({ "sql": "select pg_sleep(0.2)" })).await.unwrap() }));
    }
    let (mut done, mut late, mut many) = (0, 0, 0);
    let started = Instant::now();
    for called in calls {
        let called = called.await.unwrap();
        match called.code() {
            "" => done += 1,
            "POOL_EXHAUSTED" if called.text.contains("calls wait for a connection to `main` already") => many += 1,
            "POOL_EXHAUSTED" => {
                assert!(
                    called.text.contains("no connection to `main` came free within 500ms (2 of 2 in use: 2 by you)"),
                    "{}",
                    called.text
                );
                assert_eq!(called.error.unwrap()["retryable"], true);
                late += 1;
            }
            _ => panic!("{}", called.text),
        }
        assert!(called.took < Duration::from_millis(1_500), "{:?}", called.took);
    }
    assert!(done >= 2 && done + late >= 12 && many > 0, "{done} done, {late} too late, {many} turned away");
    assert!(started.elapsed() < Duration::from_secs(3));
    assert!(server.connections().await <= 2 + 1);
    tell(&format!("40 calls on 2 connections: {done} done, {late} waited in vain, {many} turned away at once"));
}
