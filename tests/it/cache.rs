//! The `cache` plugin over the real wire: what is kept, what ends it, and that nobody reads what was before a write.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::database::Engine;
use crate::database::LOANS;
use crate::database::Library;
use crate::database::on_each_engine;
use crate::folder::Folder;
use crate::guests;
use crate::host::Client;
use crate::host::Era;
use crate::host::Host;
use crate::host::HttpHost;

on_each_engine! {
    a_read_is_answered_from_the_cache_until_the_host_writes
    what_depends_on_the_moment_is_never_kept
    no_read_after_an_acknowledged_write_is_of_before_it
    equal_statements_at_the_same_time_run_once
}

const WRITABLE: &str = "mode = \"read-write\"";

/// Ten minutes, and nobody asked about writes past the host: only the host's own writes end what is kept.
const LONG: &str = "settings = { ttl = \"10m\", probe = false }";

async fn open(library: &Library, cache: &str, tiers: &str) -> (HttpHost, Client) {
    let host = Host::new().database("main", &library.url, WRITABLE).table("plugins.cache", cache).table("cache", tiers).start().await;
    let client = host.connect(Era::Modern).await;
    (host, client)
}

async fn select(client: &Client, sql: &str) -> Value {
    client.call("execute_select", json!({ "sql": sql })).await.rows()
}

async fn figure(client: &Client, name: &str) -> u64 {
    client.call("get_cache_stats", json!({})).await.json()[name].as_u64().unwrap_or_else(|| panic!("there is a figure `{name}`"))
}

/// A figure of one tier.
async fn tier(client: &Client, tier: &str, name: &str) -> u64 {
    let stats = client.call("get_cache_stats", json!({})).await.json();
    let tiers = stats["tiers"].as_array().unwrap();
    tiers.iter().find(|it| it["tier"] == tier).unwrap_or_else(|| panic!("there is a tier `{tier}`: {stats}"))[name].as_u64().unwrap()
}

async fn write(client: &Client, sql: &str) {
    let answer = client.call("execute_query", json!({ "sql": sql })).await;
    assert!(!answer.failed(), "{}", answer.text());
}

async fn a_read_is_answered_from_the_cache_until_the_host_writes(engine: Engine) {
    let library = Library::new(engine).await;
    let (_host, client) = open(&library, LONG, "").await;
    let direct = "select count(*) from loans";
    let through_view = "select times from lent_books where title = 'Book 1'";
    assert_eq!(select(&client, direct).await, json!([[LOANS]]));
    let times = select(&client, through_view).await[0][0].as_i64().unwrap();
    let before = figure(&client, "hits").await;
    assert_eq!(select(&client, "select  count(*)\n from loans -- the same").await, json!([[LOANS]]));
    assert_eq!(select(&client, through_view).await, json!([[times]]));
    assert_eq!(figure(&client, "hits").await, before + 2);

    // Past the host: nobody knows.
    library.run("insert into loans values (900001, 1, '2026-01-01', null)").await;
    assert_eq!(select(&client, direct).await, json!([[LOANS]]));
    // Through the host: both, also the one that names the view only.
    write(&client, "insert into loans values (900002, 1, '2026-01-01', null)").await;
    assert_eq!(select(&client, direct).await, json!([[LOANS + 2]]));
    assert_eq!(select(&client, through_view).await, json!([[times + 2]]));
    // Another table's rows stay.
    let authors = "select count(*) from authors";
    select(&client, authors).await;
    write(&client, "insert into loans values (900003, 2, '2026-01-01', null)").await;
    let hits = figure(&client, "hits").await;
    select(&client, authors).await;
    assert_eq!(figure(&client, "hits").await, hits + 1);
    // The schema is part of it.
    write(&client, "create table later (id integer)").await;
    let hits = figure(&client, "hits").await;
    select(&client, authors).await;
    assert_eq!(figure(&client, "hits").await, hits, "a change of the schema ends everything");
    library.close().await;
}

#[tokio::test]
async fn an_answer_made_of_kept_rows_is_kept_as_a_whole_too() {
    let library = Library::new(Engine::Sqlite).await;
    let (_host, client) = open(&library, LONG, "").await;
    let [first, again] = ["select count(*) from loans", "select  count(*)  from loans"];
    select(&client, first).await;
    select(&client, again).await;
    let (hits, of_rows) = (figure(&client, "hits").await, tier(&client, "memory", "hits").await);
    assert_eq!((hits, of_rows), (1, 1), "the same statement in another call: its rows are found");
    select(&client, again).await;
    assert_eq!((figure(&client, "hits").await, tier(&client, "memory", "hits").await), (2, 1), "nobody looked for rows");
    write(&client, "insert into loans values (900001, 1, '2026-01-01', null)").await;
    assert_eq!(select(&client, again).await, json!([[LOANS + 1]]));
    library.close().await;
}

async fn what_depends_on_the_moment_is_never_kept(engine: Engine) {
    let library = Library::new(engine).await;
    let (_host, client) = open(&library, LONG, "").await;
    let statements: &[&str] = match engine {
        Engine::Sqlite => &["select random()", "select datetime('now')", "select current_timestamp", "select count(*) from sqlite_schema"],
        Engine::Postgres => &[
            "select random()",
            "select now()",
            "select current_date",
            "select current_user",
            "select count(*) from pg_class",
            "show timezone",
        ],
        Engine::MySql => {
            &["select rand()", "select now()", "select current_user()", "select @@version", "show tables", "select connection_id()"]
        }
    };
    for sql in statements {
        for _ in 0..2 {
            assert!(!client.call("execute_select", json!({ "sql": sql })).await.failed(), "{sql}");
        }
    }
    assert_eq!(figure(&client, "kept").await, 0);
    select(&client, "select count(*) from loans").await;
    assert_eq!(figure(&client, "kept").await, 1);
    library.close().await;
}

/// Writers raise a number, readers read it, all at once: whoever begins to read after a write was acknowledged reads at least that.
async fn no_read_after_an_acknowledged_write_is_of_before_it(engine: Engine) {
    let quick = std::env::var("TIDEGATE_TEST_QUICK").is_ok_and(|quick| quick == "1");
    let reads_each = if quick { 150 } else { 700 };
    let library = Library::new(engine).await;
    library.run("create table tally (id integer primary key, n integer not null); insert into tally values (1, 0); create view tallies as select n from tally where id = 1").await;
    let (_host, client) = open(&library, LONG, "").await;
    let (client, acknowledged, done) = (Arc::new(client), Arc::new(AtomicI64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut tasks = Vec::new();
    for reader in 0..6 {
        let (client, acknowledged, done) = (client.clone(), acknowledged.clone(), done.clone());
        tasks.push(tokio::spawn(async move {
            let sql = if reader % 2 == 0 { "select n from tally where id = 1" } else { "select n from tallies" };
            for _ in 0..reads_each {
                let least = acknowledged.load(Ordering::SeqCst);
                let read = select(&client, sql).await[0][0].as_i64().unwrap();
                assert!(read >= least, "read {read} after {least} was acknowledged");
            }
            done.fetch_add(1, Ordering::SeqCst);
        }));
    }
    let mut writes = 0;
    while done.load(Ordering::SeqCst) < 6 {
        writes += 1;
        write(&client, &format!("update tally set n = {writes} where id = 1")).await;
        acknowledged.store(writes, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(u64::try_from(writes % 7).unwrap())).await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    let hits = figure(&client, "hits").await + figure(&client, "collapsed").await;
    assert!(writes > 5 && hits > 0, "{writes} writes, {hits} hits: nothing was raced");
    library.close().await;
}

async fn equal_statements_at_the_same_time_run_once(engine: Engine) {
    let library = Library::new(engine).await;
    let (_host, client) = open(&library, LONG, "").await;
    let client = Arc::new(client);
    // Long enough for all of them to come while the first runs.
    let sql = "select count(*) from loans a, loans b where a.id % 10 < b.id % 9";
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { select(&client, sql).await })
        })
        .collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");
    assert_eq!(figure(&client, "kept").await, 1, "one of them ran");
    assert_eq!(figure(&client, "collapsed").await + figure(&client, "hits").await, 19);
    library.close().await;
}

#[tokio::test]
async fn what_is_kept_is_cleared_by_table_by_pattern_and_as_a_whole() {
    let library = Library::new(Engine::Sqlite).await;
    let (_host, client) = open(&library, LONG, "").await;
    for sql in ["select count(*) from loans", "select count(*) from authors", "select count(*) from books"] {
        select(&client, sql).await;
    }
    let clear = async |arguments| client.call("clear_cache", arguments).await.json()["cleared"].as_u64().unwrap();
    assert_eq!(clear(json!({ "table": "loans" })).await, 1);
    assert_eq!(clear(json!({ "table": "Loans" })).await, 0);
    assert_eq!(clear(json!({ "pattern": "*FROM authors*" })).await, 1);
    assert_eq!(clear(json!({ "all": true })).await, 1);
    assert_eq!(client.call("clear_cache", json!({})).await.code(), "INVALID_ARGUMENTS");
    library.close().await;
}

#[tokio::test]
async fn what_was_cleared_is_read_again_however_often_it_had_been_found() {
    let library = Library::new(Engine::Sqlite).await;
    let (_host, client) = open(&library, LONG, "").await;
    let sql = "select count(*) from loans";
    for clear in [json!({ "table": "loans" }), json!({ "pattern": "*from loans*" }), json!({ "all": true })] {
        let before = select(&client, sql).await[0][0].as_i64().unwrap();
        let hits = figure(&client, "hits").await;
        library.run("insert into loans (book_id, lent_on) values (1, '2026-01-01')").await;
        for found in 1..=3 {
            assert_eq!(select(&client, sql).await, json!([[before]]), "past the host: nobody knows");
            assert_eq!(figure(&client, "hits").await, hits + found);
        }
        client.call("clear_cache", clear.clone()).await.json();
        assert_eq!(select(&client, sql).await, json!([[before + 1]]), "{clear}");
    }
    library.close().await;
}

#[tokio::test]
async fn a_write_under_another_name_of_the_same_data_ends_what_was_kept() {
    for engine in [Engine::Sqlite, Engine::Postgres, Engine::MySql] {
        let library = Library::new(engine).await;
        let host = Host::new()
            .database("reads", &library.url, "")
            .database("writes", &library.url, WRITABLE)
            .table("plugins.cache", LONG)
            .start()
            .await;
        let client = host.connect(Era::Modern).await;
        let read = async || {
            let arguments = json!({ "database": "reads", "sql": "select count(*) from loans" });
            client.call("execute_select", arguments).await.rows()
        };
        assert_eq!(read().await, json!([[LOANS]]));
        assert_eq!(read().await, json!([[LOANS]]));
        assert_eq!(figure(&client, "hits").await, 1, "{engine:?}");
        let insert = json!({ "database": "writes", "sql": "insert into loans values (900001, 1, '2026-01-01', null)" });
        let written = client.call("execute_query", insert).await;
        assert!(!written.failed(), "{}", written.text());
        assert_eq!(read().await, json!([[LOANS + 1]]), "{engine:?}");
        library.close().await;
    }
}

#[tokio::test]
async fn without_a_tier_nothing_is_kept() {
    let library = Library::new(Engine::Sqlite).await;
    let no_tiers = "settings = { ttl = \"10m\", probe = false, tiers = [] }";
    for (cache, tiers) in [(LONG, "memory = \"0 B\""), (no_tiers, "")] {
        let (_host, client) = open(&library, cache, tiers).await;
        for _ in 0..3 {
            select(&client, "select count(*) from loans").await;
        }
        assert_eq!(figure(&client, "hits").await, 0, "{cache} {tiers}");
    }
    library.close().await;
}

/// Otherwise whoever let the first statement pass would not be asked about the next.
#[tokio::test]
async fn a_hook_that_saw_a_statement_before_it_was_rewritten_sees_it_each_time() {
    let library = Library::new(Engine::Sqlite).await;
    let declared = |kind: &str| {
        format!("[[hooks]]\nevent = \"before-query\"\nkind = \"{kind}\"\nreason = \"Tests.\"\ntimeout = \"2s\"\ntables = [\"authors\"]")
    };
    let guard = "settings = { act = \"refuses\", text = \"authors\" }\nhooks = { before-query = { mode = \"audit\" } }";
    let turns = "settings = { act = \"rewrites\", text = \"select count(*) from loans where 7 = ?\" }\nhooks = { before-query = { mode = \"enforce\" } }";
    let host = Host::new()
        .database("main", &library.url, "")
        .table("plugins.cache", LONG)
        .hooks(guests::HOOK_ACTS, "guard", &declared("validate"), guard)
        .hooks(guests::HOOK_ACTS, "turns", &declared("mutate"), turns)
        .start()
        .await;
    let client = host.connect(Era::Modern).await;
    for given in 1..=4 {
        assert_eq!(select(&client, "select count(*) from authors").await, json!([[LOANS]]));
        let until = Instant::now() + Duration::from_secs(10);
        while host.log().matches("would refuse").count() < given {
            assert!(Instant::now() < until, "{given} of them were given:\n{}", host.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    assert_eq!(figure(&client, "hits").await, 3);
    library.close().await;
}

#[tokio::test]
async fn hooks_see_an_answer_that_is_kept_as_often_as_it_is_given() {
    let library = Library::new(Engine::Sqlite).await;
    let declared = "event = \"EVENT\"\nkind = \"observe\"\nreason = \"Tests.\"\ntimeout = \"2s\"";
    for (event, note) in
        [("after-query", "noted `select 1 + 1`: 0 affected, 1 rows"), ("after-call", "noted the call of `execute_select`: ok")]
    {
        let hook = format!("[[hooks]]\n{}", declared.replace("EVENT", event));
        let keys = format!("settings = {{ act = \"notes\" }}\nhooks = {{ {event} = {{ mode = \"enforce\" }} }}");
        let host = Host::new()
            .database("main", &library.url, "")
            .table("plugins.cache", LONG)
            .hooks(guests::HOOK_ACTS, "notes", &hook, &keys)
            .start()
            .await;
        let client = host.connect(Era::Modern).await;
        for given in 1..=4 {
            assert_eq!(select(&client, "select 1 + 1").await, json!([[2]]));
            let until = Instant::now() + Duration::from_secs(10);
            while host.log().matches(note).count() < given {
                assert!(Instant::now() < until, "{event}: {given} of them were given:\n{}", host.log());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        assert_eq!(figure(&client, "hits").await, 3, "{event}");
    }
    library.close().await;
}

#[tokio::test]
async fn a_provider_that_is_asked_before_the_cache_is_asked_about_kept_answers_too() {
    let library = Library::new(Engine::Sqlite).await;
    let declared = "[[hooks]]\nevent = \"before-query\"\nkind = \"provide\"\npriority = 500\nreason = \"Tests.\"\ntimeout = \"2s\"";
    let keys = "settings = { act = \"watches\" }\nhooks = { before-query = { mode = \"enforce\" } }";
    let host = Host::new()
        .database("main", &library.url, "")
        .table("plugins.cache", LONG)
        .hooks(guests::HOOK_ACTS, "watch", declared, keys)
        .start()
        .await;
    let client = host.connect(Era::Modern).await;
    for given in 1..=4 {
        assert_eq!(select(&client, "select 1 + 1").await, json!([[2]]));
        assert_eq!(host.log().matches("watched `select 1 + 1`").count(), given, "{}", host.log());
    }
    assert_eq!(figure(&client, "hits").await, 3);
    library.close().await;
}

#[tokio::test]
async fn who_waits_for_the_same_statement_of_another_waits_no_longer_than_its_own_limit() {
    let library = Library::new(Engine::Sqlite).await;
    let (_host, client) = open(&library, LONG, "").await;
    let client = Arc::new(client);
    // Some 10^10 rows: it runs until it is stopped.
    let sql = "select count(*) from loans a cross join loans b cross join loans c where a.id < b.id and b.id < c.id";
    let until = Instant::now() + Duration::from_secs(60);
    let mut is_waiter = false;
    while !is_waiter {
        assert!(Instant::now() < until, "it never waited for another");
        let leading = tokio::spawn({
            let client = client.clone();
            async move { client.call("execute_select", json!({ "sql": sql, "timeout_ms": 50_000 })).await.error() }
        });
        // It most likely comes first then. If not, it runs the statement apart when the other has failed, and both begin again.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let error = client.call("execute_select", json!({ "sql": sql, "timeout_ms": 300 })).await.error();
        assert_eq!(error["code"], "TIMEOUT", "{error}");
        is_waiter = error["message"].as_str().unwrap().contains("the same statement of another call");
        assert!(!leading.is_finished(), "the other still runs it");
        leading.abort();
    }
    library.close().await;
}

#[tokio::test]
async fn quick_statements_that_never_come_again_are_passed_over_and_answered_all_the_same() {
    let library = Library::new(Engine::Sqlite).await;
    let (_host, client) = open(&library, LONG, "").await;
    let until = Instant::now() + Duration::from_secs(60);
    let mut number = 0;
    while figure(&client, "passed_over").await == 0 {
        assert!(Instant::now() < until, "each of {number} was looked for");
        for _ in 0..100 {
            number += 1;
            assert_eq!(select(&client, &format!("select {number} + 0")).await, json!([[number]]));
        }
    }
    assert!(number > 200 && figure(&client, "kept").await < number, "{number}");
    // Another statement has another worth.
    let sql = "select count(*) from loans";
    let hits = figure(&client, "hits").await;
    for _ in 0..2 {
        assert_eq!(select(&client, sql).await, json!([[LOANS]]));
    }
    assert_eq!(figure(&client, "hits").await, hits + 1);
    library.close().await;
}

#[tokio::test]
async fn a_write_past_the_host_is_seen_at_once_where_the_engine_tells_and_after_its_time_elsewhere() {
    let count = "select count(*) from loans";
    let insert = "insert into loans values (900001, 1, '2026-01-01', null)";
    let library = Library::new(Engine::Sqlite).await;
    let (_host, client) = open(&library, "settings = { ttl = \"10m\" }", "").await;
    select(&client, count).await;
    select(&client, count).await;
    assert!(figure(&client, "hits").await > 0);
    library.run(insert).await;
    // What was asked a moment ago is believed for a tenth of a second.
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert_eq!(select(&client, count).await, json!([[LOANS + 1]]));
    library.close().await;

    let library = Library::new(Engine::Postgres).await;
    let (_host, client) = open(&library, "settings = { ttl = \"1s\" }", "").await;
    select(&client, count).await;
    library.run(insert).await;
    let until = Instant::now() + Duration::from_secs(10);
    while select(&client, count).await != json!([[LOANS + 1]]) {
        assert!(Instant::now() < until, "rows outlive their time");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    library.close().await;
}

#[tokio::test]
async fn rows_on_disk_answer_after_a_restart_unless_something_was_written() {
    let (library, folder) = (Library::new(Engine::Postgres).await, Folder::new());
    let tiers = format!("memory = \"0 B\"\ndisk = {{ path = {:?} }}", folder.path().join("results"));
    let (loans, authors) = ("select count(*) from loans", "select count(*) from authors");
    let (host, client) = open(&library, LONG, &tiers).await;
    select(&client, loans).await;
    select(&client, authors).await;
    let until = Instant::now() + Duration::from_secs(10);
    while tier(&client, "disk", "entries").await < 2 {
        assert!(Instant::now() < until, "rows are written to disk");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    write(&client, "insert into authors values (900, 'New', null)").await;
    drop(client);
    assert_eq!(host.terminate().await, Some(0));

    let (_host, client) = open(&library, LONG, &tiers).await;
    assert_eq!(select(&client, loans).await, json!([[LOANS]]));
    assert_eq!(select(&client, authors).await, json!([[21]]));
    assert_eq!(tier(&client, "disk", "hits").await, 1, "the loans, and not the authors");
    library.close().await;
}

#[tokio::test]
async fn replicas_share_rows_and_hear_of_each_others_writes() {
    let library = Library::new(Engine::Postgres).await;
    let redis = std::env::var("TIDEGATE_TEST_REDIS").expect("`tests/run` sets it");
    let prefix = library.url.rsplit('/').next().unwrap().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let tiers = format!("shared = {{ url = {redis:?}, timeout = \"2s\", prefix = {prefix:?} }}");
    let (_one, first) = open(&library, LONG, &tiers).await;
    let (_two, second) = open(&library, LONG, &tiers).await;
    let count = "select count(*) from loans";
    assert_eq!(select(&first, count).await, json!([[LOANS]]));
    // It is written to the server off the path of the answer; each statement of the second is one that only the first has run.
    let until = Instant::now() + Duration::from_secs(20);
    let mut n = 0;
    while tier(&second, "shared", "hits").await == 0 {
        assert!(Instant::now() < until, "the second finds what the first kept");
        n += 1;
        let sql = format!("select count(*) from loans where id > -{n}");
        select(&first, &sql).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(select(&second, &sql).await, json!([[LOANS]]));
    }
    for (n, writer, reader) in [(1, &second, &first), (2, &first, &second)] {
        write(writer, &format!("insert into loans values ({}, 1, '2026-01-01', null)", 900_000 + n)).await;
        assert_eq!(select(reader, count).await, json!([[LOANS + n]]));
        assert_eq!(select(writer, count).await, json!([[LOANS + n]]));
    }
    library.close().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_miss_and_no_error() {
    let library = Library::new(Engine::Sqlite).await;
    let (_host, client) = open(&library, LONG, "shared = { url = \"redis://127.0.0.1:9\" }").await;
    for _ in 0..3 {
        assert_eq!(select(&client, "select count(*) from loans").await, json!([[LOANS]]));
    }
    write(&client, "insert into loans values (900001, 1, '2026-01-01', null)").await;
    assert_eq!(select(&client, "select count(*) from loans").await, json!([[LOANS + 1]]));
    assert_eq!(figure(&client, "hits").await, 0);
    library.close().await;
}
