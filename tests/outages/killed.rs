//! The server is killed in mid-statement and mid-transaction, again and again.

use std::time::Duration;
use std::time::Instant;

use crate::cycles;
use crate::eventually;
use crate::load::Load;
use crate::middle_and_most;
use crate::server::Kind;
use crate::server::Server;
use crate::tell;
use crate::turn;
use crate::uncached_host;

/// Connections of the host at most: reading and writing ones, one that asks after the server's health, one that stops statements.
const MOST: i64 = 4 + 2 + 2;

pub(crate) const KEYS: &str = "mode = \"read-write\"\npool = { max = 4 }\nstatement_timeout = \"3s\"";

/// A number from 0 to `below`, different each time.
fn chance(below: u64) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::from(now.subsec_micros()) % below
}

async fn killed_again_and_again(kind: Kind, cycles: u32) {
    let mut server = Server::new(kind).await;
    server.make_table().await;
    let host = uncached_host().database("main", &server.url(), KEYS).start().await;
    let load = Load::begin(&host, kind).await;
    let mut recovered = Vec::new();
    for _ in 0..cycles {
        let before = load.journal.acknowledged();
        eventually(Duration::from_secs(20), "writes go through", async || load.journal.acknowledged() > before).await;
        tokio::time::sleep(Duration::from_millis(100 + chance(600))).await;
        server.kill().await;
        tokio::time::sleep(Duration::from_millis(chance(300))).await;
        server.start().await;
        recovered.push(load.journal.served_again_after(Instant::now()).await);
    }
    let journal = load.end().await;
    let figures = journal.check(&server).await;
    eventually(Duration::from_secs(5), "no connection is left over", async || server.connections().await <= MOST).await;
    assert_eq!(host.terminate().await, Some(0));
    eventually(Duration::from_secs(5), "no connection is left", async || server.connections().await == 0).await;
    tell(&format!("{kind:?} killed {cycles} times: {figures}; served again after {}", middle_and_most(&recovered)));
    assert!(recovered.iter().all(|after| *after < Duration::from_secs(2)), "{recovered:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_loses_nothing_and_is_back_at_once() {
    let _turn = turn().await;
    killed_again_and_again(Kind::Postgres, cycles(3, 100)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_loses_nothing_and_is_back_at_once() {
    let _turn = turn().await;
    killed_again_and_again(Kind::MariaDb, cycles(2, 100)).await;
}
