//! Reads on a server that follows the database's own.

use std::time::Duration;
use std::time::Instant;

use serde_json::json;

use crate::cycles;
use crate::eventually;
use crate::host::Client;
use crate::host::Era;
use crate::load::call;
use crate::proxy::Proxy;
use crate::proxy::Weather;
use crate::server::Kind;
use crate::server::Server;
use crate::tell;
use crate::turn;
use crate::uncached_host;

/// The first value of the first row that a read answers.
async fn value(client: &Client, sql: &str) -> String {
    let called = call(client, "execute_select", json!({ "sql": sql })).await.unwrap();
    assert!(called.error.is_none(), "{}", called.text);
    let rows: serde_json::Value = serde_json::from_str(&called.text).unwrap();
    rows["rows"][0][0].to_string()
}

const WHERE: &str = "select pg_is_in_recovery()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_reads_go_to_a_replica_as_long_as_it_is_close_behind() {
    let _turn = turn().await;
    let primary = Server::new(Kind::Postgres).await;
    primary.make_table().await;
    let mut replica = primary.follower().await;
    let keys = format!("mode = \"read-write\"\nreplicas = [{:?}]\nmax_replica_lag = \"1500ms\"", replica.url());
    let host = uncached_host().database("main", &primary.url(), &keys).start().await;
    let client = host.connect(Era::Modern).await;
    let on_replica = async || value(&client, WHERE).await == "true";
    let first = eventually(Duration::from_secs(5), "reads go to the replica", on_replica).await;

    // A caller reads what it wrote, every time, wherever it is read.
    let mut on_which = [0, 0];
    let rounds = cycles(40, 200);
    for round in 1..=rounds {
        let insert = json!({ "sql": format!("insert into entries values ('r{round}')") });
        assert!(call(&client, "execute_query", insert).await.unwrap().error.is_none());
        assert_eq!(value(&client, "select count(*) from entries").await, round.to_string());
        on_which[usize::from(on_replica().await)] += 1;
        if round % 20 == 0 {
            eventually(Duration::from_secs(5), "the replica has it and is read again", on_replica).await;
        }
    }

    // Nothing is replayed any more: the bound on lag holds, and reads see what is new.
    replica.run("select pg_wal_replay_pause()").await;
    primary.run("insert into entries values ('past the host')").await;
    let left = eventually(Duration::from_secs(3), "the replica is too far behind", async || !on_replica().await).await;
    let all = (rounds + 1).to_string();
    assert_eq!(value(&client, "select count(*) from entries").await, all);
    replica.run("select pg_wal_replay_resume()").await;
    eventually(Duration::from_secs(5), "it has caught up", on_replica).await;
    assert_eq!(value(&client, "select count(*) from entries").await, all);

    // Killed in the middle of reads: not one of them fails.
    let reading = tokio::spawn(async move {
        let mut read = 0;
        while read < 300 {
            assert_eq!(value(&client, "select count(*) from entries").await, all);
            read += 1;
        }
        client
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    replica.kill().await;
    let client = reading.await.unwrap();
    assert_eq!(value(&client, WHERE).await, "false");
    replica.start().await;
    let back = eventually(Duration::from_secs(5), "it is read again", async || value(&client, WHERE).await == "true").await;
    assert_eq!(host.terminate().await, Some(0));
    replica.stop().await;
    tell(&format!(
        "replica: read after {} ms; after a write {} reads went to the database and {} to the replica, none saw less; left {} ms after the \
         replay stopped; read again {} ms after it was killed and started",
        first.as_millis(),
        on_which[0],
        on_which[1],
        left.as_millis(),
        back.as_millis()
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_replica_holds_no_read_for_long() {
    let _turn = turn().await;
    let primary = Server::new(Kind::Postgres).await;
    let replica = primary.follower().await;
    let proxy = Proxy::new(replica.port()).await;
    let keys = format!("replicas = [{:?}]\nmax_replica_lag = \"5s\"", replica.url_at(proxy.port()));
    let host = uncached_host().database("main", &primary.url(), &keys).start().await;
    let client = host.connect(Era::Modern).await;
    eventually(Duration::from_secs(5), "reads go to the replica", async || value(&client, WHERE).await == "true").await;
    proxy.set(Weather::Frozen);
    let started = Instant::now();
    assert_eq!(value(&client, WHERE).await, "false");
    let held = started.elapsed();
    assert!(held < Duration::from_secs(4), "{held:?}");
    host.logs("Replica 1 of database `main` is not read from").await;
    proxy.set(Weather::Fair);
    eventually(Duration::from_secs(5), "it is read again", async || value(&client, WHERE).await == "true").await;
    host.logs("Replica 1 of database `main` is read from again").await;
    tell(&format!("a read on a replica that froze was answered by the database after {} ms", held.as_millis()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_is_read_on_a_replica_that_says_how_far_it_is_behind() {
    let _turn = turn().await;
    let primary = Server::with(Kind::MariaDb, &["--server-id=1", "--log-bin=log"]).await;
    let replica = Server::with(Kind::MariaDb, &["--server-id=2", "--read-only"]).await;
    let follow = format!(
        "change master to master_host = '127.0.0.1', master_port = {}, master_user = 'root', master_connect_retry = 1; start slave",
        primary.port()
    );
    replica.run(&follow).await;
    primary.make_table().await;
    let keys = format!("mode = \"read-write\"\nreplicas = [{:?}]\nmax_replica_lag = \"4s\"", replica.url());
    let host = uncached_host().database("main", &primary.url(), &keys).start().await;
    let client = host.connect(Era::Modern).await;
    let on_replica = async || value(&client, "select @@port").await == replica.port().to_string();
    eventually(Duration::from_secs(10), "reads go to the replica", on_replica).await;
    for round in 1..=5 {
        let insert = json!({ "sql": format!("insert into entries values ('r{round}')") });
        assert!(call(&client, "execute_query", insert).await.unwrap().error.is_none());
        assert_eq!(value(&client, "select count(*) from entries").await, round.to_string());
        assert!(!on_replica().await, "it cannot be known that the replica has it");
    }
    let again = eventually(Duration::from_secs(10), "the replica has it and is read again", on_replica).await;
    assert_eq!(value(&client, "select count(*) from entries").await, "5");
    replica.run("stop slave").await;
    eventually(Duration::from_secs(6), "nothing is known of the replica", async || !on_replica().await).await;
    replica.run("start slave").await;
    eventually(Duration::from_secs(10), "it is read again", on_replica).await;
    tell(&format!("MariaDB replica: read again {} ms after the last write", again.as_millis()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_refuses_writes_and_takes_them_once_it_is_promoted() {
    let _turn = turn().await;
    let primary = Server::new(Kind::Postgres).await;
    primary.make_table().await;
    let standby = primary.follower().await;
    let host = uncached_host().database("main", &standby.url(), "mode = \"read-write\"").start().await;
    let client = host.connect(Era::Modern).await;
    let insert = async || call(&client, "execute_query", json!({ "sql": "insert into entries values ('x')" })).await.unwrap();
    for _ in 0..7 {
        let called = insert().await;
        assert_eq!(called.code(), "READ_ONLY", "{}", called.text);
        assert!(called.text.contains("the server takes no writes now"), "{}", called.text);
    }
    // The connection was not kept: the name may lead elsewhere by now. Reads go on.
    assert_eq!(value(&client, WHERE).await, "true");
    eventually(Duration::from_secs(2), "only the reading session is left", async || standby.connections().await <= 1).await;
    standby.run("select pg_promote()").await;
    let back = eventually(Duration::from_secs(5), "writes go through", async || insert().await.error.is_none()).await;
    assert_eq!(standby.number("select count(*) from entries").await.unwrap(), 1);
    tell(&format!("a standby was promoted: written {} ms after it", back.as_millis()));
}
