//! Transactions over several calls, through the built program, on SQLite, PostgreSQL and MariaDB.

use std::time::Duration;
use std::time::Instant;

use rmcp::model::CallToolRequest;
use rmcp::model::CallToolRequestParams;
use rmcp::model::ClientRequest;
use rmcp::service::PeerRequestOptions;
use serde_json::Value;
use serde_json::json;

use crate::database::Engine;
use crate::database::LOANS;
use crate::database::Library;
use crate::database::on_each_engine;
use crate::host::Client;
use crate::host::Era;
use crate::host::Host;
use crate::host::HttpHost;

on_each_engine! {
    a_second_client_sees_nothing_before_the_commit
    a_savepoint_is_gone_back_to_and_a_failure_takes_back_itself
    an_ended_lease_rolls_back_and_the_next_use_says_so
    a_host_that_is_stopped_rolls_back
    a_database_that_may_only_be_read_is_read_in_one_state
    a_cancelled_statement_leaves_the_transaction_or_says_that_it_ended
}

const WRITABLE: &str = "mode = \"read-write\"";

/// A library with a host before it, and two clients.
async fn open(engine: Engine, keys: &str) -> (Library, HttpHost, Client, Client) {
    let library = Library::new(engine).await;
    let host = Host::new().database("main", &library.url, keys).start().await;
    let clients = (host.connect(Era::Modern).await, host.connect(Era::Legacy).await);
    (library, host, clients.0, clients.1)
}

async fn begin(client: &Client, arguments: Value) -> Value {
    client.call("begin_transaction", arguments).await.json()
}

async fn run(client: &Client, transaction: &Value, sql: &str) -> Value {
    client.call("execute_query", json!({ "sql": sql, "transaction": transaction })).await.json()
}

async fn loans(client: &Client, transaction: Option<&Value>) -> Value {
    let mut arguments = json!({ "sql": "select count(*) from loans" });
    if let Some(transaction) = transaction {
        arguments["transaction"] = transaction.clone();
    }
    client.call("execute_select", arguments).await.rows()[0][0].clone()
}

async fn a_second_client_sees_nothing_before_the_commit(engine: Engine) {
    let (library, _host, client, other) = open(engine, WRITABLE).await;
    let begun = begin(&client, json!({})).await;
    assert_eq!((&begun["database"], &begun["access"], &begun["expires_in_seconds"]), (&json!("main"), &json!("read_write"), &json!(60)));
    let transaction = &begun["transaction"];
    assert_eq!(run(&client, transaction, "delete from loans where id <= 3").await, json!({ "affected": 3 }));
    assert_eq!(loans(&client, Some(transaction)).await, json!(LOANS - 3));
    assert_eq!(loans(&other, None).await, json!(LOANS));
    let batch = json!({ "transaction": transaction, "statements": [
        { "sql": "delete from loans where id = 4" },
        { "sql": "insert into authors values (1, 'taken', null)" },
    ] });
    assert_eq!(client.call("execute_batch", batch).await.code(), "CONSTRAINT_VIOLATION");
    assert_eq!(loans(&client, Some(transaction)).await, json!(LOANS - 3));
    let plan = client.call("explain_query", json!({ "sql": "select * from loans where id = 5", "transaction": transaction })).await;
    assert!(!plan.failed(), "{}", plan.text());
    assert!(!client.call("commit_transaction", json!({ "transaction": transaction })).await.failed());
    assert_eq!(loans(&other, None).await, json!(LOANS - 3));
    let over = client.call("execute_select", json!({ "sql": "select 1", "transaction": transaction })).await;
    assert_eq!(over.code(), "TRANSACTION_NOT_FOUND");
    assert!(over.text().contains("was committed"), "{}", over.text());
    let guessed = client.call("commit_transaction", json!({ "transaction": "t_AAAAAAAAAAAAAAAAAAAAAA" })).await;
    assert_eq!(guessed.code(), "TRANSACTION_NOT_FOUND");
    library.close().await;
}

async fn a_savepoint_is_gone_back_to_and_a_failure_takes_back_itself(engine: Engine) {
    let (library, _host, client, _) = open(engine, WRITABLE).await;
    let begun = begin(&client, json!({ "access": "read_write" })).await;
    let transaction = &begun["transaction"];
    run(&client, transaction, "delete from loans where id = 1").await;
    let set = client.call("create_savepoint", json!({ "transaction": transaction, "name": "here" })).await.json();
    assert_eq!(set, json!({ "savepoints": ["here"] }));
    run(&client, transaction, "delete from loans where id = 2").await;
    let failed =
        client.call("execute_query", json!({ "sql": "insert into authors values (1, 'x', null)", "transaction": transaction })).await;
    assert_eq!(failed.code(), "CONSTRAINT_VIOLATION");
    client.call("rollback_to_savepoint", json!({ "transaction": transaction, "name": "here" })).await.json();
    let missing = client.call("rollback_to_savepoint", json!({ "transaction": transaction, "name": "there" })).await;
    assert_eq!(missing.code(), "INVALID_ARGUMENTS");
    for sql in ["commit", "begin", "savepoint x"] {
        let refused = client.call("execute_query", json!({ "sql": sql, "transaction": transaction })).await;
        assert_eq!(refused.code(), "STATEMENT_REFUSED", "{sql}");
    }
    client.call("commit_transaction", json!({ "transaction": transaction })).await.json();
    assert_eq!(library.number("select count(*) from loans").await, LOANS - 1);
    library.close().await;
}

async fn an_ended_lease_rolls_back_and_the_next_use_says_so(engine: Engine) {
    let keys = format!("{WRITABLE}\ntransactions = {{ lease = \"1s\", max_per_caller = 1 }}");
    let (library, _host, client, other) = open(engine, &keys).await;
    let begun = begin(&client, json!({})).await;
    let transaction = &begun["transaction"];
    run(&client, transaction, "delete from loans where id = 1").await;
    let full = other.call("begin_transaction", json!({})).await;
    assert_eq!(full.code(), "POOL_EXHAUSTED", "{}", full.text());
    // Nobody uses it; when it is over there is room for another, which does not wait for its locks.
    let started = Instant::now();
    while other.call("begin_transaction", json!({ "access": "read_only" })).await.failed() {
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(library.number("select count(*) from loans").await, LOANS);
    let over = client.call("execute_query", json!({ "sql": "delete from loans where id = 2", "transaction": transaction })).await;
    assert_eq!(over.code(), "TRANSACTION_NOT_FOUND");
    assert!(over.text().contains("not used for 1s"), "{}", over.text());
    library.close().await;
}

async fn a_host_that_is_stopped_rolls_back(engine: Engine) {
    let (library, host, client, _) = open(engine, WRITABLE).await;
    let begun = begin(&client, json!({})).await;
    run(&client, &begun["transaction"], "update books set price = 1 where id = 5").await;
    assert_eq!(host.terminate().await, Some(0));
    // Neither the change nor the lock is left.
    library.run("update books set price = price + 1 where id = 5").await;
    assert_eq!(library.number("select count(*) from books where price < 3").await, 0);
    library.close().await;
}

async fn a_database_that_may_only_be_read_is_read_in_one_state(engine: Engine) {
    let (library, _host, client, _) = open(engine, "").await;
    let tools = client.tools().await;
    assert!(tools.contains(&"begin_transaction".to_owned()) && !tools.contains(&"create_savepoint".to_owned()), "{tools:?}");
    if engine == Engine::Sqlite {
        // Without a log beside the file a reader keeps every writer out.
        library.run("pragma journal_mode = wal").await;
    }
    let begun = begin(&client, json!({})).await;
    assert_eq!(begun["access"], "read_only");
    let transaction = &begun["transaction"];
    assert_eq!(loans(&client, Some(transaction)).await, json!(LOANS));
    library.run("delete from loans where id = 1").await;
    assert_eq!(loans(&client, Some(transaction)).await, json!(LOANS));
    assert_eq!(loans(&client, None).await, json!(LOANS - 1));
    assert_eq!(client.call("begin_transaction", json!({ "access": "read_write" })).await.code(), "READ_ONLY");
    client.call("rollback_transaction", json!({ "transaction": transaction })).await.json();
    library.close().await;
}

async fn a_cancelled_statement_leaves_the_transaction_or_says_that_it_ended(engine: Engine) {
    let (library, _host, client, _) = open(engine, WRITABLE).await;
    let begun = begin(&client, json!({})).await;
    let transaction = &begun["transaction"];
    run(&client, transaction, "delete from loans where id = 1").await;
    let slow = match engine {
        Engine::Sqlite => "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000000000) select count(*) from n",
        Engine::Postgres => "select pg_sleep(60)",
        Engine::MySql => "select sleep(60)",
    };
    let arguments = json!({ "sql": slow, "transaction": transaction });
    let parameters = CallToolRequestParams::new("execute_select").with_arguments(arguments.as_object().unwrap().clone());
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(parameters));
    let handle = client.service().send_cancellable_request(request, PeerRequestOptions::no_options()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    handle.cancel(Some("the person went away".to_owned())).await.unwrap();
    // Waits for its turn; a reading statement that is stopped takes nothing else with it.
    assert_eq!(loans(&client, Some(transaction)).await, json!(LOANS - 1));
    client.call("commit_transaction", json!({ "transaction": transaction })).await.json();
    assert_eq!(library.number("select count(*) from loans").await, LOANS - 1);
    library.close().await;
}

#[tokio::test]
async fn an_older_client_that_says_goodbye_leaves_nothing_open() {
    let (library, _host, other, client) = open(Engine::Postgres, WRITABLE).await;
    let begun = begin(&client, json!({})).await;
    run(&client, &begun["transaction"], "update books set price = 1 where id = 5").await;
    client.leave().await;
    let sql = "select count(*) from pg_stat_activity where state like 'idle in transaction%' and datname = current_database()";
    let started = Instant::now();
    while library.number(sql).await > 0 {
        assert!(started.elapsed() < Duration::from_secs(20), "it is still open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let over = other.call("execute_select", json!({ "sql": "select 1", "transaction": begun["transaction"] })).await;
    assert!(over.text().contains("the session of its client ended"), "{}", over.text());
    library.close().await;
}

#[tokio::test]
async fn a_client_over_stdio_that_goes_away_leaves_nothing_open() {
    let library = Library::new(Engine::Postgres).await;
    let (client, _folder) = Host::new().database("main", &library.url, WRITABLE).connect_stdio(Era::Modern).await;
    let begun = begin(&client, json!({})).await;
    run(&client, &begun["transaction"], "update books set price = 1 where id = 5").await;
    client.leave().await;
    // The row lock is free.
    library.run("set lock_timeout = 10000; update books set price = price + 1 where id = 5").await;
    assert_eq!(library.number("select count(*) from books where price < 3").await, 0);
    library.close().await;
}
