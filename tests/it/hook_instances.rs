//! Instances of hooks: a new one for each question, or kept for one caller and never for two.
//!
//! Through the dispatcher and not over the wire, because there every caller is the local one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tidegate::call::Call;
use tidegate::call::Caller;
use tidegate::capability::Services;
use tidegate::config::file;
use tidegate::config::file::Sources;
use tidegate::database::Databases;
use tidegate::dispatch::DispatchOptions;
use tidegate::dispatch::Dispatcher;
use tidegate::dispatch::ToolRequest;
use tidegate::plugin::source;
use tidegate::runtime::answer::Round;

use crate::folder::Folder;
use crate::guests;
use crate::host::Host;

/// A dispatcher whose statements pass the hook that remembers, with this grant.
async fn start(grant: &str) -> Arc<Dispatcher> {
    start_with(&format!("before-query = {{ mode = \"enforce\", timeout = \"2s\", {grant} }}, before-call = {{ mode = \"off\" }}")).await
}

/// A dispatcher whose calls pass it, in instances that are kept.
async fn start_for_calls() -> Arc<Dispatcher> {
    let grant = "mode = \"enforce\", timeout = \"2s\", instances = \"per-caller\"";
    start_with(&format!("before-query = {{ mode = \"off\" }}, before-call = {{ {grant} }}")).await
}

async fn start_with(hooks: &str) -> Arc<Dispatcher> {
    let folder = Folder::new();
    let keys = format!("hooks = {{ {hooks} }}");
    let host = Host::new().database("main", "sqlite::memory:", "").guest(guests::HOOK_REMEMBERS, &keys);
    let sources = Sources { file: Some(host.write(&folder)), ..Sources::default() };
    let config = file::load(&sources).unwrap();
    let databases = Databases::new(config.databases.clone()).map_err(|(_, error)| error).unwrap();
    let packages = source::packages(&config, tidegate_bundle::PLUGINS).map_err(|(_, error)| error).unwrap();
    let options = DispatchOptions { cache: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")), ..DispatchOptions::default() };
    Dispatcher::start(Services { databases, ..Services::default() }, packages, &options).await.unwrap()
}

/// Whom the hook's instance had served before this statement of `caller`.
async fn served(dispatcher: &Dispatcher, caller: &str, sql: &str) -> String {
    served_before(dispatcher, caller, "execute_select", sql).await
}

/// Whom or what it had served before this call.
async fn served_before(dispatcher: &Dispatcher, caller: &str, tool: &str, sql: &str) -> String {
    let call = Call::new(Caller::named(caller), Duration::from_secs(30));
    let arguments = json!({ "sql": sql }).as_object().unwrap().clone();
    let request = ToolRequest { name: tool.into(), arguments, round: Round::default() };
    let error = dispatcher.call(&call, request).await.expect_err("the hook refuses everything").to_string();
    match error.split_once("served [").and_then(|(_, rest)| rest.split_once(']')) {
        Some((served, _)) => served.to_owned(),
        None => error,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_instance_has_served_nobody() {
    let dispatcher = start("instances = \"fresh\"").await;
    for caller in ["ada", "ada", "bob"] {
        assert_eq!(served(&dispatcher, caller, "select 1").await, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_instance_serves_its_caller_again_and_no_other() {
    let dispatcher = start("instances = \"per-caller\"").await;
    assert_eq!(served(&dispatcher, "ada", "select 1").await, "");
    assert_eq!(served(&dispatcher, "bob", "select 1").await, "");
    assert_eq!(served(&dispatcher, "ada", "select 1").await, "ada");
    assert_eq!(served(&dispatcher, "bob", "select 1").await, "bob");
    assert_eq!(served(&dispatcher, "ada", "select 1").await, "ada ada");
    assert_eq!(served(&dispatcher, "eve", "select 1").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_at_once_never_meet_in_an_instance() {
    let dispatcher = start("instances = \"per-caller\"").await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..12 {
        let dispatcher = dispatcher.clone();
        tasks.spawn(async move {
            let caller = format!("c{}", task % 4);
            let mut again = 0;
            for _ in 0..40 {
                let before = served(&dispatcher, &caller, "select 1").await;
                assert!(before.split_whitespace().all(|other| other == caller), "{caller} met {before}");
                again += usize::from(!before.is_empty());
            }
            again
        });
    }
    let again: usize = tasks.join_all().await.into_iter().sum();
    assert!(again > 240, "instances were kept: {again} of 480");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_failed_or_grew_is_not_kept() {
    let dispatcher = start("instances = \"per-caller\"").await;
    assert_eq!(served(&dispatcher, "ada", "select 1").await, "");
    let trapped = served(&dispatcher, "ada", "select 1 as traps").await;
    assert!(trapped.contains("failed"), "{trapped}");
    assert_eq!(served(&dispatcher, "ada", "select 1").await, "");
    assert_eq!(served(&dispatcher, "ada", "select 1 as grows").await, "ada");
    assert_eq!(served(&dispatcher, "ada", "select 1").await, "");
    assert_eq!(served(&dispatcher, "ada", "select 1").await, "ada");
}

/// What decided is seen in the marks: a guest that was asked again would find its own.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_hook_said_by_the_question_alone_stands() {
    let dispatcher = start_for_calls().await;
    let served = |caller, tool| served_before(&dispatcher, caller, tool, "select 1");
    for caller in ["ada", "ada", "bob", "ada"] {
        assert_eq!(served(caller, "execute_select").await, "");
    }
    assert_eq!(served("ada", "explain_query").await, "execute_select", "another question");
    assert_eq!(served("ada", "explain_query").await, "execute_select explain_query", "what was said by memory does not stand");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hook_said_after_it_asked_the_host_does_not_stand() {
    let dispatcher = start_for_calls().await;
    let served = |tool| served_before(&dispatcher, "ada", tool, "select 1");
    assert_eq!(served("explain_query").await, "");
    assert_eq!(served("explain_query").await, "explain_query");
    assert_eq!(served("execute_select").await, "explain_query explain_query");
    assert_eq!(served("execute_select").await, "explain_query explain_query execute_select");
}
