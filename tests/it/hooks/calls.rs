//! Hooks around the calls of tools.

use serde_json::json;

use super::enforced;
use super::hook;
use super::open;
use crate::database::Engine;
use crate::guests;

#[tokio::test]
async fn a_call_is_refused_by_the_name_of_its_tool() {
    let (_library, _host, client) = open(Engine::Sqlite, "", |host| {
        let settings = "act = \"refuses-tool\", text = \"list_tables\"";
        host.hooks(guests::HOOK_ACTS, "guard", &hook("before-call", "validate", ""), &enforced(settings))
    })
    .await;
    let answer = client.call("list_tables", json!({})).await;
    assert_eq!(answer.code(), "HOOK_REFUSED");
    assert!(answer.text().contains("plugin `guard` refused the call: `list_tables` of `schema` is closed"), "{}", answer.text());
    assert_eq!(client.call("execute_select", json!({ "sql": "select 1" })).await.rows(), json!([[1]]));
}

#[tokio::test]
async fn arguments_are_changed_and_checked_by_the_gate_all_the_same() {
    let (library, _host, client) = open(Engine::Sqlite, "mode = \"read-write\"", |host| {
        let changes = hook("before-call", "mutate", "reads = [\"arguments\"]\ntools = [\"execute_select\"]");
        let deletes = hook("before-call", "mutate", "reads = [\"arguments\"]\ntools = [\"explain_query\"]");
        host.hooks(guests::HOOK_ACTS, "changes", &changes, &enforced("act = \"changes-arguments\", text = \"select 2\"")).hooks(
            guests::HOOK_ACTS,
            "deletes",
            &deletes,
            &enforced("act = \"changes-arguments\", text = \"delete from loans\""),
        )
    })
    .await;
    assert_eq!(client.call("execute_select", json!({ "sql": "select 1" })).await.rows(), json!([[2]]));
    let _ = client.call("explain_query", json!({ "sql": "select 1", "analyze": true })).await;
    assert_eq!(library.number("select count(*) from loans").await, crate::database::LOANS);
}

#[tokio::test]
async fn a_call_is_answered_in_place_of_the_tool() {
    let (_library, _host, client) = open(Engine::Sqlite, "", |host| {
        let provides = hook("before-call", "provide", "tools = [\"execute_*\"]");
        host.hooks(guests::HOOK_ACTS, "provides", &provides, &enforced("act = \"answers-call\", text = \"from here\""))
    })
    .await;
    let answer = client.call("execute_select", json!({ "sql": "select * from nowhere" })).await;
    assert_eq!((answer.failed(), answer.text().as_str()), (false, "from here"));
}

#[tokio::test]
async fn an_answer_is_replaced_and_observers_hear_of_failures_too() {
    let (_library, host, client) = open(Engine::Sqlite, "", |host| {
        let replaces = hook("after-call", "mutate", "reads = [\"content\"]");
        let notes = hook("after-call", "observe", "");
        host.hooks(guests::HOOK_ACTS, "replaces", &replaces, &enforced("act = \"replaces-answer\", text = \"pieces:\"")).hooks(
            guests::HOOK_ACTS,
            "notes",
            &notes,
            &enforced("act = \"notes\""),
        )
    })
    .await;
    assert_eq!(client.call("execute_select", json!({ "sql": "select 1" })).await.text(), "pieces: 1");
    host.logs("noted the call of `execute_select`: ok, 0 pieces").await;
    let failed = client.call("execute_select", json!({ "sql": "select * from nowhere" })).await;
    assert_eq!(failed.code(), "UNKNOWN_TABLE");
    host.logs("noted the call of `execute_select`: UNKNOWN_TABLE").await;
}
