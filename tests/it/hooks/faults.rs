//! Hooks that misbehave: each fault costs what the hook was asked about, or is passed over as granted, and never the host.

use serde_json::json;

use super::enforced;
use super::hook;
use super::keys;
use super::open;
use crate::database::Engine;
use crate::database::LOANS;
use crate::guests;

/// A fault of a hook around statements: what reads `loans` is refused and names the plugin, what reads `authors` is passed
/// over as granted, and what reads `books` is asked of nobody, all of them at once and again.
async fn check(fault: &str, event: &str, kind: &str, keys_of_hook: &str, limits: &str, expected: &str) {
    let declared = |table: &str| hook(event, kind, &format!("tables = [{table:?}]\n{keys_of_hook}"));
    let settings = format!("fault = {fault:?}");
    let (_library, host, client) = open(Engine::Sqlite, "", |host| {
        let guard = enforced(&settings) + limits;
        let skipped = keys(&settings, "mode = \"enforce\", on_failure = \"skip\"") + limits;
        host.hooks(guests::HOOK_MISBEHAVES, "guard", &declared("loans"), &guard).hooks(
            guests::HOOK_MISBEHAVES,
            "skipped",
            &declared("authors"),
            &skipped,
        )
    })
    .await;
    for _ in 0..2 {
        let (refused, skipped, free) = tokio::join!(
            client.call("execute_select", json!({ "sql": "select count(*) from loans" })),
            client.call("execute_select", json!({ "sql": "select count(*) from authors" })),
            client.call("execute_select", json!({ "sql": "select count(*) from books" })),
        );
        assert_eq!(refused.code(), "HOOK_REFUSED", "{}", refused.text());
        assert!(refused.text().contains("`guard`") && refused.text().contains(expected), "{fault}: {}", refused.text());
        assert_eq!((skipped.rows(), free.rows()), (json!([[20]]), json!([[200]])), "{fault}");
    }
    host.logs("A hook of plugin `skipped`").await;
}

/// The same around calls.
async fn check_call(fault: &str, event: &str, kind: &str, keys_of_hook: &str, expected: &str) {
    let declared = |tool: &str| hook(event, kind, &format!("tools = [{tool:?}]\n{keys_of_hook}"));
    let settings = format!("fault = {fault:?}");
    let (_library, _host, client) = open(Engine::Sqlite, "", |host| {
        let skipped = keys(&settings, "mode = \"enforce\", on_failure = \"skip\"");
        host.hooks(guests::HOOK_MISBEHAVES, "guard", &declared("execute_*"), &enforced(&settings)).hooks(
            guests::HOOK_MISBEHAVES,
            "skipped",
            &declared("list_tables"),
            &skipped,
        )
    })
    .await;
    for _ in 0..2 {
        let (refused, skipped, free) = tokio::join!(
            client.call("execute_select", json!({ "sql": "select 1" })),
            client.call("list_tables", json!({})),
            client.call("list_schemas", json!({})),
        );
        assert_eq!(refused.code(), "HOOK_REFUSED", "{}", refused.text());
        assert!(refused.text().contains("`guard`") && refused.text().contains(expected), "{fault}: {}", refused.text());
        assert!(!skipped.failed() && !free.failed(), "{fault}: {} {}", skipped.text(), free.text());
    }
}

#[tokio::test]
async fn a_hook_that_traps_costs_the_statement() {
    check("traps", "before-query", "validate", "", "", "failed").await;
}

#[tokio::test]
async fn a_hook_that_never_comes_back_costs_the_statement() {
    check("spins", "before-query", "mutate", "timeout = \"100ms\"", "", "100ms").await;
}

#[tokio::test]
async fn a_hook_that_waits_for_ever_costs_the_statement() {
    check("waits", "before-query", "validate", "timeout = \"100ms\"", "", "took longer than 100ms").await;
}

#[tokio::test]
async fn a_hook_that_takes_memory_without_end_costs_the_statement() {
    check("allocates", "before-query", "validate", "", "limits = { memory = \"4 MiB\" }", "4 MiB of memory").await;
}

#[tokio::test]
async fn a_hook_that_traps_over_the_rows_costs_them() {
    check("traps", "after-query", "validate", "", "", "the answer of the statement").await;
}

#[tokio::test]
async fn a_verdict_of_another_kind_is_a_fault() {
    check("changes-as-validator", "before-query", "validate", "", "", "`change`, which its kind `validate` may not").await;
}

#[tokio::test]
async fn rows_that_a_hook_does_not_hold_are_a_fault() {
    check("answers-foreign-rows", "before-query", "provide", "", "", "failed").await;
    check("replaces-with-foreign-rows", "after-query", "mutate", "", "", "failed").await;
}

#[tokio::test]
async fn a_mask_of_a_column_that_is_not_there_is_a_fault() {
    check("masks-absent-column", "after-query", "mutate", "reads = [\"columns\"]", "", "it masks column 1, and there are 1").await;
}

#[tokio::test]
async fn masks_without_end_are_a_fault() {
    check("masks-without-end", "after-query", "mutate", "", "", "it masks 100000 columns").await;
}

#[tokio::test]
async fn a_hook_that_traps_costs_the_call() {
    check_call("traps", "before-call", "validate", "", "failed").await;
    check_call("traps", "after-call", "mutate", "", "which has been done").await;
}

#[tokio::test]
async fn a_hook_that_never_comes_back_costs_the_call() {
    check_call("spins", "before-call", "validate", "timeout = \"100ms\"", "100ms").await;
}

#[tokio::test]
async fn arguments_that_are_no_json_or_do_not_fit_the_tool_are_a_fault() {
    let reads = "reads = [\"arguments\"]";
    check_call("rewrites-to-no-json", "before-call", "mutate", reads, "no JSON object").await;
    check_call("rewrites-to-what-does-not-fit", "before-call", "mutate", reads, "do not fit the tool").await;
}

#[tokio::test]
async fn changing_what_a_hook_was_not_shown_is_a_fault() {
    check_call("rewrites-to-what-does-not-fit", "before-call", "mutate", "", "reads `arguments`").await;
    check_call("replaces-with-nothing", "after-call", "mutate", "", "reads `content`").await;
}

#[tokio::test]
async fn an_answer_of_nothing_is_a_fault() {
    check_call("replaces-with-nothing", "after-call", "mutate", "reads = [\"content\"]", "answers with nothing").await;
}

#[tokio::test]
async fn a_reason_of_ten_megabytes_is_cut_and_made_plain() {
    let (_library, _host, client) = open(Engine::Sqlite, "", |host| {
        host.hooks(guests::HOOK_MISBEHAVES, "guard", &hook("before-query", "validate", ""), &enforced("fault = \"refuses-at-length\""))
    })
    .await;
    let answer = client.call("execute_select", json!({ "sql": "select 1" })).await;
    assert_eq!(answer.code(), "HOOK_REFUSED");
    let text = answer.text();
    assert!(text.contains("nonono") && text.len() < 2_000, "{} bytes", text.len());
    assert!(!text.contains('\u{202e}'));
}

#[tokio::test]
async fn a_hook_may_use_no_database_while_it_is_asked() {
    let (_library, _host, client) = open(Engine::Sqlite, "", |host| {
        // It has the right; as a tool it could.
        let keys = enforced("fault = \"uses-database\"") + "databases = { main = \"read\" }";
        host.hooks(guests::HOOK_MISBEHAVES, "guard", &hook("before-query", "validate", ""), &keys)
    })
    .await;
    let answer = client.call("execute_select", json!({ "sql": "select 1" })).await;
    assert_eq!(answer.code(), "HOOK_REFUSED");
    let denied = "a hook may use no database while it is asked";
    assert!(answer.text().contains(&format!("read: {denied}; listed: {denied}; saw 0 databases")), "{}", answer.text());
}

#[tokio::test]
async fn a_hook_never_turns_a_read_into_a_write() {
    let marks = ["becomes_delete", "becomes_returning", "becomes_two", "becomes_commit", "becomes_garbage", "becomes_nothing"];
    for engine in [Engine::Sqlite, Engine::Postgres, Engine::MySql] {
        for mode in ["read-only", "read-write"] {
            let (library, _host, client) = open(engine, &format!("mode = {mode:?}"), |host| {
                let rewrites = |table: &str| hook("before-query", "mutate", &format!("tables = [{table:?}]"));
                let skipped = keys("fault = \"rewrites\"", "mode = \"enforce\", on_failure = \"skip\"");
                host.hooks(guests::HOOK_MISBEHAVES, "guard", &rewrites("loans"), &enforced("fault = \"rewrites\"")).hooks(
                    guests::HOOK_MISBEHAVES,
                    "skipped",
                    &rewrites("authors"),
                    &skipped,
                )
            })
            .await;
            // Fewer than the failures after which it would not be asked any more.
            for mark in &marks[..4] {
                let answer = client.call("execute_select", json!({ "sql": format!("select count(*) as {mark} from loans") })).await;
                assert_eq!(answer.code(), "HOOK_REFUSED", "{engine:?} {mode} {mark}: {}", answer.text());
                assert!(answer.text().contains("`guard`") && answer.text().contains("its rewriting may not run"), "{}", answer.text());
            }
            for mark in &marks[2..] {
                let answer = client.call("execute_select", json!({ "sql": format!("select count(*) as {mark} from authors") })).await;
                // Where the gate knows less of the grammar than the engine, garbage reaches the engine, which reads nothing in it.
                if *mark == "becomes_garbage" && answer.failed() {
                    assert_eq!(answer.code(), "SYNTAX_ERROR", "{engine:?} {mode}");
                } else {
                    assert_eq!(answer.rows(), json!([[20]]), "{engine:?} {mode} {mark}");
                }
            }
            assert_eq!(library.number("select count(*) from loans").await, LOANS, "{engine:?} {mode}");
            library.close().await;
        }
    }
}

#[tokio::test]
async fn a_hook_that_keeps_failing_is_not_asked_any_more() {
    let (_library, host, client) = open(Engine::Sqlite, "", |host| {
        host.hooks(
            guests::HOOK_MISBEHAVES,
            "guard",
            &hook("before-query", "validate", "tables = [\"loans\"]"),
            &enforced("fault = \"traps\""),
        )
    })
    .await;
    let select = json!({ "sql": "select count(*) from loans" });
    for _ in 0..5 {
        let answer = client.call("execute_select", select.clone()).await;
        assert!(answer.text().contains("failed"), "{}", answer.text());
    }
    let answer = client.call("execute_select", select).await;
    assert_eq!(answer.code(), "HOOK_REFUSED");
    assert!(answer.text().contains("`guard` keeps failing; it is tried again in"), "{}", answer.text());
    host.logs("failed too often").await;
    assert_eq!(client.call("execute_select", json!({ "sql": "select count(*) from books" })).await.rows(), json!([[200]]));
}

#[tokio::test]
async fn what_an_advisor_says_is_bounded_and_a_failing_one_silences_no_other() {
    let (_library, _host, client) = open(Engine::Sqlite, "", |host| {
        let advises = hook("on-error", "mutate", "");
        host.hooks(guests::HOOK_MISBEHAVES, "a-traps", &advises, &enforced("fault = \"traps\""))
            .hooks(guests::HOOK_MISBEHAVES, "b-floods", &advises, &enforced("fault = \"advises-without-end\""))
            .hooks(guests::HOOK_ACTS, "c-advises", &advises, &enforced("act = \"advises\", text = \"look again\""))
    })
    .await;
    let answer = client.call("execute_select", json!({ "sql": "select * from lones" })).await;
    assert_eq!(answer.code(), "UNKNOWN_TABLE");
    assert!(answer.text().contains("look again") && answer.text().len() < 10_000, "{} bytes", answer.text().len());
}

#[tokio::test]
async fn observers_that_do_not_keep_up_are_dropped_and_nobody_waits() {
    let (_library, host, client) = open(Engine::Sqlite, "mode = \"read-write\"", |host| {
        host.hooks(guests::HOOK_MISBEHAVES, "waits", &hook("after-query", "observe", ""), &enforced("fault = \"waits\""))
    })
    .await;
    let update = json!({ "sql": "update authors set name = 'x' where id = 1" });
    let batch = json!({ "statements": vec![update; 900] });
    for _ in 0..2 {
        let answer = client.call("execute_batch", batch.clone()).await;
        assert!(!answer.failed(), "{}", answer.text());
    }
    host.logs("Observers do not keep up").await;
    // And late is late, although nobody waits.
    host.logs("A hook of plugin `waits` on `after-query` failed: it took longer than").await;
    assert_eq!(client.call("execute_select", json!({ "sql": "select count(*) from books" })).await.rows(), json!([[200]]));
}
