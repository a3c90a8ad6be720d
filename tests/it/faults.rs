//! Plugins that misbehave: each costs its own call, the client reads which plugin it was, and the host goes on serving.

use serde_json::Value;
use serde_json::json;

use crate::Guest;
use crate::guests;
use crate::host::Answer;
use crate::host::Client;
use crate::host::Era;
use crate::host::Host;
use crate::host::HttpHost;

/// A host with this guest and one empty database.
async fn start(guest: Guest, keys: &str) -> (HttpHost, Client) {
    let host = Host::new().database("main", "sqlite::memory:", "").guest(guest, keys).start().await;
    let client = host.connect(Era::Modern).await;
    (host, client)
}

async fn run(client: &Client, guest: Guest, arguments: Value) -> Answer {
    client.call(format!("{}_run", guest.name), arguments).await
}

/// The same call fails twice with this code and the plugin's name, and other calls do not notice.
async fn check(guest: Guest, keys: &str, arguments: Value, code: &str) {
    let (host, client) = start(guest, keys).await;
    for _ in 0..2 {
        let answer = run(&client, guest, arguments.clone()).await;
        assert_eq!(answer.code(), code, "{}", answer.text());
        assert!(answer.text().contains(&format!("`{}`", guest.name)), "{}", answer.text());
        let rows = client.call("execute_select", json!({ "sql": "select 1" })).await.rows();
        assert_eq!(rows, json!([[1]]), "{}", host.log());
    }
}

#[tokio::test]
async fn a_plugin_that_panics_costs_its_call() {
    check(guests::TRAPS, "", json!({}), "PLUGIN_FAILED").await;
}

#[tokio::test]
async fn a_plugin_that_recurses_is_stopped_at_its_limit() {
    check(guests::RECURSES, "", json!({}), "PLUGIN_LIMIT").await;
}

#[tokio::test]
async fn a_plugin_that_never_comes_back_is_stopped_at_its_limit() {
    check(guests::SPINS, "limits = { cpu_time = \"200ms\" }", json!({}), "PLUGIN_LIMIT").await;
}

#[tokio::test]
async fn a_plugin_that_waits_for_ever_is_stopped_at_its_limit() {
    check(guests::SLEEPS, "limits = { wall_time = \"300ms\" }", json!({}), "PLUGIN_LIMIT").await;
}

#[tokio::test]
async fn a_call_ends_at_the_limit_of_all_calls() {
    let host = Host::new().guest(guests::SLEEPS, "").server("call_timeout = \"300ms\"").start().await;
    let client = host.connect(Era::Modern).await;
    assert_eq!(run(&client, guests::SLEEPS, json!({})).await.code(), "TIMEOUT");
}

#[tokio::test]
async fn a_plugin_that_takes_memory_without_end_is_stopped_at_its_limit() {
    check(guests::ALLOCATES, "limits = { memory = \"16 MiB\" }", json!({}), "PLUGIN_LIMIT").await;
}

#[tokio::test]
async fn an_answer_of_a_gibibyte_is_over_a_limit() {
    check(guests::ANSWERS_TOO_MUCH, "", json!({ "mebibytes": 1024 }), "PLUGIN_LIMIT").await;
}

#[tokio::test]
async fn an_answer_that_fits_the_memory_of_its_plugin_is_over_the_limit_of_the_border() {
    check(guests::ANSWERS_TOO_MUCH, "", json!({ "mebibytes": 32 }), "PLUGIN_LIMIT").await;
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_the_fault_of_its_plugin() {
    check(guests::ANSWERS_NONSENSE, "", json!({}), "PLUGIN_FAILED").await;
}

#[tokio::test]
async fn a_flood_of_log_lines_is_stopped_at_its_limit() {
    check(guests::FLOODS_LOG, "", json!({ "lines": 1_000_000 }), "PLUGIN_LIMIT").await;
}

#[tokio::test]
async fn log_lines_over_the_budget_are_dropped_and_the_call_goes_on() {
    let (host, client) = start(guests::FLOODS_LOG, "").await;
    let answer = run(&client, guests::FLOODS_LOG, json!({ "lines": 5_000 })).await;
    assert_eq!((answer.failed(), answer.text().as_str()), (false, "wrote 5000 lines"));
    assert!(host.log().len() < 256 << 10, "the log has {} bytes", host.log().len());
}

#[tokio::test]
async fn a_schema_that_is_none_keeps_its_plugin_out_and_says_so() {
    let host = Host::new().database("main", "sqlite::memory:", "").guest(guests::LISTS_NONSENSE, "");
    let ended = host.run(&["check"]).await;
    assert_eq!(ended.code, Some(3), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("`lists-nonsense`"), "{}", ended.stderr);
}

#[tokio::test]
async fn many_faults_at_once_leave_nothing_behind() {
    let host = Host::new()
        .database("main", "sqlite::memory:", "")
        .guest(guests::TRAPS, "")
        .guest(guests::ALLOCATES, "limits = { memory = \"16 MiB\" }")
        .guest(guests::SPINS, "limits = { cpu_time = \"50ms\" }")
        .start()
        .await;
    let client = host.connect(Era::Modern).await;
    for _ in 0..8 {
        let (traps, allocates, spins, select) = tokio::join!(
            run(&client, guests::TRAPS, json!({})),
            run(&client, guests::ALLOCATES, json!({})),
            run(&client, guests::SPINS, json!({})),
            client.call("execute_select", json!({ "sql": "select 2" })),
        );
        assert_eq!((traps.code(), allocates.code(), spins.code()), ("PLUGIN_FAILED".into(), "PLUGIN_LIMIT".into(), "PLUGIN_LIMIT".into()));
        assert_eq!(select.rows(), json!([[2]]));
    }
}

#[tokio::test]
async fn nothing_of_a_call_outlives_it() {
    let (_host, client) = start(guests::REMEMBERS, "").await;
    // One mark in a page, one in many pages, and everything; each call twice, so that memories are used again.
    for every in [1 << 10, 1 << 16, 1, 1 << 10, 1] {
        for mark in [1, 2] {
            let (one, other) = tokio::join!(
                run(&client, guests::REMEMBERS, json!({ "mark": mark, "every": every })),
                run(&client, guests::REMEMBERS, json!({ "mark": mark, "every": every })),
            );
            assert_eq!((one.text(), other.text()), ("0 marks".to_owned(), "0 marks".to_owned()));
        }
    }
}
