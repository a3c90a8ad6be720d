//! Reads on a server that follows the database's own.

use std::time::Duration;

use serde_json::json;

use crate::alone;
use crate::eventually;
use crate::host::Client;
use crate::host::Era;
use crate::host::Host;
use crate::load::call;
use crate::server::Kind;
use crate::server::Server;
use crate::tell;

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
    let _alone = alone().await;
    let primary = Server::new(Kind::Postgres).await;
    primary.make_table().await;
    let mut replica = primary.follower().await;
    let keys = format!("mode = \"read-write\"\nreplicas = [{:?}]\nmax_replica_lag = \"1500ms\"", replica.url());
    let host = Host::new().database("main", &primary.url(), &keys).start().await;
    let client = host.connect(Era::Modern).await;
    let on_replica = async || value(&client, WHERE).await == "true";
    let first = eventually(Duration::from_secs(5), "reads go to the replica", on_replica).await;

    // A caller reads what it wrote, every time, wherever it is read.
    let mut on_which = [0, 0];
    for round in 1..=200 {
        let insert = json!({ "sql": format!("insert into entries values ('r{round}')") });
        assert!(call(&client, "execute_query", insert).await.unwrap().error.is_none());
        assert_eq!(value(&client, "select count(*) from entries").await, round.to_string());
        on_which[usize::from(on_replica().await)] += 1;
        if round % 50 == 0 {
            eventually(Duration::from_secs(5), "the replica has it and is read again", on_replica).await;
        }
    }

    // Nothing is replayed any more: the bound on lag holds, and reads see what is new.
    replica.run("select pg_wal_replay_pause()").await;
    primary.run("insert into entries values ('past the host')").await;
    let left = eventually(Duration::from_secs(3), "the replica is too far behind", async || !on_replica().await).await;
    assert_eq!(value(&client, "select count(*) from entries").await, "201");
    replica.run("select pg_wal_replay_resume()").await;
    eventually(Duration::from_secs(5), "it has caught up", on_replica).await;
    assert_eq!(value(&client, "select count(*) from entries").await, "201");

    // Killed in the middle of reads: not one of them fails.
    let reading = tokio::spawn(async move {
        let mut read = 0;
        while read < 300 {
            assert_eq!(value(&client, "select count(*) from entries").await, "201");
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
    let mut replica = replica;
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
