//! A plugin has so many calls at once and no more, so that it cannot take the places of others.

use std::sync::Arc;

use serde_json::json;

use crate::guests;
use crate::host::Era;
use crate::host::Host;

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_has_so_many_turns_and_more_are_refused_with_what_to_do() {
    let keys = "limits = { cpu_time = \"60s\", wall_time = \"5s\", concurrency = 1 }";
    let host = Host::new().database("main", "sqlite::memory:", "").guest(guests::SPINS, keys).start().await;
    let client = Arc::new(host.connect(Era::Modern).await);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let client = client.clone();
        calls.spawn(async move { client.call("spins_run", json!({})).await });
    }
    let mut codes = Vec::new();
    while let Some(ended) = calls.join_next().await {
        let answer = ended.unwrap();
        if answer.code() == "RATE_LIMITED" {
            assert!(answer.text().contains("`spins`") && answer.text().contains("limits.concurrency"), "{}", answer.text());
            assert_eq!(answer.error()["retryable"], true);
        }
        codes.push(answer.code());
    }
    // One runs and four wait; the others are refused at once, and those whose turn does not come are told so.
    assert!(codes.iter().filter(|code| *code == "RATE_LIMITED").count() >= 3, "{codes:?}");
    assert!(codes.iter().any(|code| code == "PLUGIN_LIMIT"), "{codes:?}");
    assert_eq!(client.call("execute_select", json!({ "sql": "select 1" })).await.rows(), json!([[1]]));
}
