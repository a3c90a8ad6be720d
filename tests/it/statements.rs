//! The first-party tools on SQLite, PostgreSQL and MariaDB: the same questions, the same answers.

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
    tables_are_listed_and_described
    rows_are_counted_joined_and_keep_their_types
    a_misspelt_name_is_told_the_right_one
    nothing_that_writes_gets_through_to_a_read_only_database
    two_statements_are_refused
    harmless_statements_are_not_refused
    a_cut_answer_is_fetched_to_its_end
    a_writable_database_is_written_and_one_failure_undoes_a_batch
    a_statement_ends_at_its_time_limit_on_the_server_too
    a_cancelled_call_ends_on_the_server_too
}

/// A library with a host before it.
async fn open(engine: Engine, keys: &str) -> (Library, HttpHost, Client) {
    let library = Library::new(engine).await;
    let host = Host::new().database("main", &library.url, keys).start().await;
    let client = host.connect(Era::Modern).await;
    (library, host, client)
}

async fn select(client: &Client, sql: &str) -> Value {
    client.call("execute_select", json!({ "sql": sql })).await.rows()
}

async fn tables_are_listed_and_described(engine: Engine) {
    let (library, _host, client) = open(engine, "").await;
    let listed = client.call("list_tables", json!({})).await.json();
    let names: Vec<&str> = listed["tables"].as_array().unwrap().iter().map(|table| table["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["authors", "books", "lent_books", "loans"]);
    let views = client.call("list_tables", json!({ "kind": "view" })).await.json();
    assert_eq!(views["tables"].as_array().unwrap().len(), 1, "{views}");

    let described = client.call("describe_table", json!({ "table": "books" })).await.text();
    for part in ["author_id", "authors", "books_title", "loans", "price"] {
        assert!(described.contains(part), "{part}: {described}");
    }
    let info = client.call("get_database_info", json!({})).await.text();
    let product = match engine {
        Engine::Sqlite => "SQLite",
        Engine::Postgres => "PostgreSQL",
        Engine::MySql => "MariaDB",
    };
    assert!(info.contains(product), "{info}");
    library.close().await;
}

async fn rows_are_counted_joined_and_keep_their_types(engine: Engine) {
    let (library, _host, client) = open(engine, "").await;
    assert_eq!(select(&client, "select count(*) from loans").await, json!([[LOANS]]));
    let sql = "select a.name, count(*) as n, min(l.lent_on) as first_day from loans l join books b on b.id = l.book_id \
        join authors a on a.id = b.author_id where a.id = 7 group by a.name";
    assert_eq!(select(&client, sql).await, json!([["Author 7", 175, "2026-02-15"]]));
    let answer = client.call("execute_select", json!({ "sql": "select id, title, price from books where id = 12" })).await.json();
    assert_eq!(answer["columns"], json!(["id", "title", "price"]));
    assert_eq!(answer["row_count"], json!(1));
    assert_eq!(answer["truncated"], json!(false));
    assert_eq!(answer["rows"][0][0], json!(12));
    // Exact numbers are text; SQLite has none and keeps a number.
    let price = if engine == Engine::Sqlite { json!(17.12) } else { json!("17.12") };
    assert_eq!(answer["rows"][0][2], price);
    library.close().await;
}

async fn a_misspelt_name_is_told_the_right_one(engine: Engine) {
    let (library, _host, client) = open(engine, "").await;
    let answer = client.call("execute_select", json!({ "sql": "select count(*) from laons" })).await;
    assert_eq!(answer.code(), "UNKNOWN_TABLE");
    assert!(answer.text().contains("loans`"), "{}", answer.text());
    let answer = client.call("execute_select", json!({ "sql": "select titel from books" })).await;
    assert_eq!(answer.code(), "UNKNOWN_COLUMN");
    assert!(answer.text().contains("title"), "{}", answer.text());
    let answer = client.call("describe_table", json!({ "table": "autors" })).await;
    assert_eq!(answer.code(), "UNKNOWN_TABLE");
    assert!(answer.text().contains("authors`"), "{}", answer.text());
    library.close().await;
}

async fn nothing_that_writes_gets_through_to_a_read_only_database(engine: Engine) {
    let (library, _host, client) = open(engine, "").await;
    let tools = client.tools().await;
    assert!(!tools.contains(&"execute_query".to_owned()), "{tools:?}");
    for sql in [
        "delete from loans",
        "update books set price = 0",
        "insert into authors values (99, 'x', null)",
        "drop table loans",
        "create table intruders (id integer)",
        "with gone as (select 1) delete from loans",
    ] {
        for tool in ["execute_select", "execute_query"] {
            let answer = client.call(tool, json!({ "sql": sql })).await;
            assert!(answer.failed(), "{tool} {sql}: {}", answer.text());
        }
    }
    assert_eq!(library.number("select count(*) from loans").await, LOANS);
    assert_eq!(library.number("select count(*) from authors").await, 20);
    assert_eq!(library.number("select count(*) from books where price = 0").await, 0);
    library.close().await;
}

async fn two_statements_are_refused(engine: Engine) {
    let (library, _host, client) = open(engine, "").await;
    for sql in ["select 1; select 2", "select 1; delete from loans", "select 1;; drop table loans"] {
        let answer = client.call("execute_select", json!({ "sql": sql })).await;
        assert_eq!(answer.code(), "MULTIPLE_STATEMENTS", "{sql}: {}", answer.text());
    }
    assert_eq!(library.number("select count(*) from loans").await, LOANS);
    library.close().await;
}

async fn harmless_statements_are_not_refused(engine: Engine) {
    let (library, _host, client) = open(engine, "").await;
    for (sql, expected) in [
        ("select 1;", json!([[1]])),
        ("select 1 -- delete from loans", json!([[1]])),
        ("/* drop */ select 'delete from loans; drop table loans' as text", json!([["delete from loans; drop table loans"]])),
        ("with n as (select 2 as two) select two from n", json!([[2]])),
        ("select count(*) from (select id, row_number() over (order by id desc) as place from books) t where place <= 3", json!([[3]])),
    ] {
        assert_eq!(select(&client, sql).await, expected, "{sql}");
    }
    let plan = client.call("explain_query", json!({ "sql": "select * from books where title = 'Book 3'" })).await;
    assert!(!plan.failed(), "{}", plan.text());
    library.close().await;
}

async fn a_cut_answer_is_fetched_to_its_end(engine: Engine) {
    let (library, _host, client) = open(engine, "max_rows = 100").await;
    let mut answer = client.call("execute_select", json!({ "sql": "select id from loans order by id" })).await.json();
    assert_eq!((answer["truncated"].as_bool(), answer["row_count"].as_u64()), (Some(true), Some(100)));
    let mut ids: Vec<i64> = Vec::new();
    for _ in 0..100 {
        ids.extend(answer["rows"].as_array().unwrap().iter().map(|row| row[0].as_i64().unwrap()));
        let Some(next) = answer.get("next") else { break };
        assert_eq!(next["tool"], json!("fetch_rows"));
        answer = client.call("fetch_rows", next["arguments"].clone()).await.json();
    }
    assert_eq!(ids, (1..=LOANS).collect::<Vec<_>>());
    assert_eq!(client.call("fetch_rows", json!({ "cursor": "guessed" })).await.code(), "INVALID_ARGUMENTS");
    library.close().await;
}

async fn a_writable_database_is_written_and_one_failure_undoes_a_batch(engine: Engine) {
    let (library, _host, client) = open(engine, "mode = \"read-write\"").await;
    let placeholder = if engine == Engine::Postgres { "$1" } else { "?" };
    let sql = format!("update books set price = 1 where id = {placeholder}");
    let answer = client.call("execute_query", json!({ "sql": sql, "params": [5] })).await;
    assert!(!answer.failed(), "{}", answer.text());
    assert_eq!(library.number("select count(*) from books where price = 1").await, 1);

    let batch = json!({ "statements": [
        { "sql": "delete from loans where id = 1" },
        { "sql": "insert into authors values (1, 'taken', null)" },
    ] });
    let answer = client.call("execute_batch", batch).await;
    assert_eq!(answer.code(), "CONSTRAINT_VIOLATION", "{}", answer.text());
    assert_eq!(library.number("select count(*) from loans").await, LOANS);
    library.close().await;
}

/// A statement that runs for a minute unless it is stopped, and how many of it the server runs now.
fn slow(engine: Engine) -> (&'static str, Option<&'static str>) {
    match engine {
        Engine::Sqlite => {
            ("with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000000000) select count(*) from n", None)
        }
        Engine::Postgres => (
            "select pg_sleep(60)",
            Some(
                "select count(*) from pg_stat_activity where state = 'active' and query like '%pg_sleep(60)%' and pid <> pg_backend_pid() \
                  and datname = current_database()",
            ),
        ),
        Engine::MySql => (
            "select sleep(60)",
            Some(
                "select count(*) from information_schema.processlist where info like '%sleep(60)%' and id <> connection_id() \
                  and db = database()",
            ),
        ),
    }
}

/// Waits until the server runs so many of the slow statement.
async fn wait_for(library: &Library, running: i64) {
    let (_, Some(count)) = slow(library.engine) else { return };
    for _ in 0..200 {
        if library.number(count).await == running {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the server does not run {running} of it");
}

async fn a_statement_ends_at_its_time_limit_on_the_server_too(engine: Engine) {
    let (library, _host, client) = open(engine, "").await;
    let begun = Instant::now();
    let answer = client.call("execute_select", json!({ "sql": slow(engine).0, "timeout_ms": 300 })).await;
    assert_eq!(answer.code(), "TIMEOUT", "{}", answer.text());
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    wait_for(&library, 0).await;
    assert_eq!(select(&client, "select 1").await, json!([[1]]));
    library.close().await;
}

async fn a_cancelled_call_ends_on_the_server_too(engine: Engine) {
    // One connection: only when the statement has ended can another run.
    let (library, _host, client) = open(engine, "pool = { max = 1, acquire_timeout = \"15s\" }").await;
    let arguments = json!({ "sql": slow(engine).0 });
    let parameters = CallToolRequestParams::new("execute_select").with_arguments(arguments.as_object().unwrap().clone());
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(parameters));
    let handle = client.service().send_cancellable_request(request, PeerRequestOptions::no_options()).await.unwrap();
    wait_for(&library, 1).await;
    if engine == Engine::Sqlite {
        // It has no server to ask.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    handle.cancel(Some("the person went away".to_owned())).await.unwrap();
    wait_for(&library, 0).await;
    let begun = Instant::now();
    assert_eq!(select(&client, "select 1").await, json!([[1]]));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    library.close().await;
}
