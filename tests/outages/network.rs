//! The network between host and server: cut, frozen, slow.

use std::time::Duration;
use std::time::Instant;

use serde_json::json;
use tokio::task::JoinSet;

use crate::cycles;
use crate::eventually;
use crate::host::Client;
use crate::host::Era;
use crate::killed::KEYS;
use crate::load::Load;
use crate::load::call;
use crate::middle_and_most;
use crate::proxy::Proxy;
use crate::proxy::Weather;
use crate::server::Kind;
use crate::server::Server;
use crate::tell;
use crate::turn;
use crate::uncached_host;

async fn select(client: &Client, database: &str, timeout_ms: u32) -> crate::load::Called {
    call(client, "execute_select", json!({ "sql": "select 1", "database": database, "timeout_ms": timeout_ms })).await.unwrap()
}

async fn cut_and_frozen(kind: Kind) {
    let server = Server::new(kind).await;
    server.make_table().await;
    let proxy = Proxy::new(server.port()).await;
    let host = uncached_host().database("main", &server.url_at(proxy.port()), KEYS).start().await;
    let load = Load::begin(&host, kind).await;
    let mut recovered = Vec::new();
    for cycle in 0..cycles(3, 40) {
        let before = load.journal.acknowledged();
        eventually(Duration::from_secs(20), "writes go through", async || load.journal.acknowledged() > before + 10).await;
        // Every third time long enough for statements to run into their limit.
        let (weather, pause) = match cycle % 3 {
            0 => (Weather::Cut, 300),
            1 => (Weather::Frozen, 300),
            _ => (Weather::Frozen, 4_000),
        };
        proxy.set(weather);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        proxy.set(Weather::Fair);
        recovered.push(load.journal.served_again_after(Instant::now()).await);
    }
    let journal = load.end().await;
    // What was frozen and given up may still be on its way to the server.
    eventually(Duration::from_secs(10), "no connection is left over", async || server.connections().await <= 4 + 2 + 2).await;
    let figures = journal.check(&server).await;
    assert_eq!(host.terminate().await, Some(0));
    tell(&format!("{kind:?} cut and frozen: {figures}; served again after {}", middle_and_most(&recovered)));
    assert!(recovered.iter().all(|after| *after < Duration::from_secs(2)), "{recovered:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_behind_a_network_that_comes_and_goes() {
    let _turn = turn().await;
    cut_and_frozen(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_behind_a_network_that_comes_and_goes() {
    let _turn = turn().await;
    cut_and_frozen(Kind::MariaDb).await;
}

/// The server commits, and nobody hears of it.
async fn lost_commits(kind: Kind) {
    let server = Server::new(kind).await;
    server.make_table().await;
    let proxy = Proxy::new(server.port()).await;
    let host = uncached_host().database("main", &server.url_at(proxy.port()), KEYS).start().await;
    let client = host.connect(Era::Modern).await;
    let insert = async |tag: &str| {
        let called = call(&client, "execute_query", json!({ "sql": format!("insert into entries values ('{tag}')") })).await;
        called.unwrap()
    };
    assert_eq!(insert("before").await.code(), "");
    for round in 1..=2 {
        proxy.set(Weather::SwallowsCommits);
        let called = insert("lost").await;
        assert_eq!(called.code(), "DATABASE_UNAVAILABLE", "{}", called.text);
        let error = called.error.unwrap();
        assert_eq!((&error["retryable"], &error["details"]), (&json!(false), &json!({ "effect": "unknown" })), "{}", called.text);
        assert!(called.text.contains("read the rows that it would have changed"), "{}", called.text);
        proxy.set(Weather::Fair);
        // Done once, and not again by the host.
        assert_eq!(server.number("select count(*) from entries where tag = 'lost'").await.unwrap(), round);
        assert_eq!(insert("after").await.code(), "");
    }
    tell(&format!("{kind:?}: 2 lost answers to COMMIT were told as unknown, and none was tried again"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_commit_is_told_and_not_tried_again() {
    let _turn = turn().await;
    lost_commits(Kind::Postgres).await;
    lost_commits(Kind::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_slow_database_does_not_slow_another() {
    let _turn = turn().await;
    let server = Server::new(Kind::Postgres).await;
    let proxy = Proxy::new(server.port()).await;
    let host = uncached_host().database("slow", &server.url_at(proxy.port()), "").database("quick", &server.url(), "").start().await;
    let client = host.connect(Era::Modern).await;
    for database in ["slow", "quick"] {
        assert_eq!(select(&client, database, 5_000).await.code(), "");
    }
    proxy.set(Weather::Slow(Duration::from_millis(400)));
    let slow = select(&client, "slow", 5_000).await;
    assert!(slow.error.is_none() && slow.took > Duration::from_millis(700), "{:?}", slow.took);
    // Many that are late, and none of them keeps the other database waiting.
    let mut late = JoinSet::new();
    for _ in 0..20 {
        let client = host.connect(Era::Modern).await;
        late.spawn(async move { select(&client, "slow", 600).await });
    }
    let late = tokio::spawn(late.join_all());
    let mut quick = Vec::new();
    while !late.is_finished() {
        let called = select(&client, "quick", 5_000).await;
        assert!(called.error.is_none(), "{}", called.text);
        quick.push(called.took);
    }
    for called in late.await.unwrap() {
        assert!(["TIMEOUT", "POOL_EXHAUSTED", ""].contains(&called.code()), "{}", called.text);
        assert!(called.took < Duration::from_millis(600 + 2_500), "{:?}", called.took);
    }
    quick.sort();
    assert!(quick.len() > 20 && quick[quick.len() * 9 / 10] < Duration::from_millis(200), "{}", middle_and_most(&quick));
    proxy.set(Weather::Fair);
    eventually(Duration::from_secs(2), "the slow one is quick again", async || select(&client, "slow", 5_000).await.error.is_none()).await;
    tell(&format!("beside a slow database another one answered {} calls, {}", quick.len(), middle_and_most(&quick)));
}
