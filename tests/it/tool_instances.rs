//! Instances of tools: a new one for each call, or kept for one caller and never for two.
//!
//! Through the dispatcher and not over the wire, because there every caller is the local one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tidegate::call::Call;
use tidegate::call::Caller;
use tidegate::capability::Services;
use tidegate::config::file;
use tidegate::config::file::Sources;
use tidegate::dispatch::DispatchOptions;
use tidegate::dispatch::Dispatcher;
use tidegate::dispatch::ToolRequest;
use tidegate::plugin::source;
use tidegate::runtime::answer::CallError;
use tidegate::runtime::answer::Content;
use tidegate::runtime::answer::Outcome;
use tidegate::runtime::answer::Round;

use crate::folder::Folder;
use crate::guests;
use crate::host::Host;

/// A dispatcher with the guests that remember and that wait, with these keys in their tables.
async fn start(keys: &str) -> Arc<Dispatcher> {
    let folder = Folder::new();
    let host = Host::new().guest(guests::REMEMBERS, keys).guest(guests::SPINS, keys);
    let config = file::load(&Sources { file: Some(host.write(&folder)), ..Sources::default() }).unwrap();
    let packages = source::packages(&config, &[]).map_err(|(_, error)| error).unwrap();
    let options = DispatchOptions { cache: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")), ..DispatchOptions::default() };
    Dispatcher::start(Services::default(), packages, &options).await.unwrap()
}

async fn call(dispatcher: &Dispatcher, call: &Call, tool: &str, arguments: Value) -> Result<String, CallError> {
    let request = ToolRequest { name: tool.into(), arguments: arguments.as_object().unwrap().clone(), round: Round::default() };
    match dispatcher.call(call, request).await? {
        Outcome::Complete(content) => match content.as_slice() {
            [Content::Text(text)] => Ok(text.clone()),
            other => panic!("{other:?}"),
        },
        Outcome::NeedInput(_) => panic!("it asks nothing"),
    }
}

/// Marks that a call of `caller` finds in the memory of its instance.
async fn marks(dispatcher: &Dispatcher, caller: &str, more: Value) -> String {
    let mut arguments = json!({ "mark": 1, "every": 4096 });
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let of = Call::new(Caller::named(caller), Duration::from_secs(60));
    match call(dispatcher, &of, "remembers_run", arguments).await {
        Ok(text) => text.trim_end_matches(" marks").to_owned(),
        Err(error) => error.to_string(),
    }
}

/// How many words are marked in one call.
const MARKED: &str = "68";

#[tokio::test(flavor = "multi_thread")]
async fn a_new_instance_for_each_call_is_the_default() {
    let dispatcher = start("").await;
    for caller in ["ada", "ada", "bob"] {
        assert_eq!(marks(&dispatcher, caller, json!({})).await, "0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_instance_serves_its_caller_again_and_no_other_and_so_often() {
    let dispatcher = start("instances = \"per-caller\"\ninstance_uses = 3").await;
    assert_eq!(marks(&dispatcher, "ada", json!({})).await, "0");
    assert_eq!(marks(&dispatcher, "bob", json!({})).await, "0");
    assert_eq!(marks(&dispatcher, "ada", json!({})).await, MARKED);
    assert_eq!(marks(&dispatcher, "eve", json!({})).await, "0");
    assert_eq!(marks(&dispatcher, "ada", json!({})).await, MARKED);
    // The third use was its last.
    assert_eq!(marks(&dispatcher, "ada", json!({})).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_trapped_or_grew_serves_nobody() {
    let dispatcher = start("instances = \"per-caller\"").await;
    assert_eq!(marks(&dispatcher, "ada", json!({})).await, "0");
    assert_eq!(marks(&dispatcher, "ada", json!({})).await, MARKED);
    let trapped = marks(&dispatcher, "ada", json!({ "traps": true })).await;
    assert!(trapped.contains("remembers"), "{trapped}");
    assert_eq!(marks(&dispatcher, "ada", json!({})).await, "0");
    assert_eq!(marks(&dispatcher, "ada", json!({ "grows": 16 })).await, MARKED);
    assert_eq!(marks(&dispatcher, "ada", json!({})).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_whose_call_was_taken_back_serves_nobody_and_its_place_is_free() {
    let dispatcher = start("instances = \"per-caller\"\nlimits = { cpu_time = \"60s\" }").await;
    for _ in 0..3 {
        let of = Call::new(Caller::named("ada"), Duration::from_secs(60));
        let cancellation = of.cancellation.clone();
        let (ended, ()) = tokio::join!(call(&dispatcher, &of, "spins_run", json!({})), async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            cancellation.cancel();
        });
        assert!(matches!(ended, Err(CallError::Cancelled)), "{ended:?}");
    }
    assert_eq!(marks(&dispatcher, "ada", json!({})).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_waited_too_long_serves_nobody() {
    let dispatcher = start("instances = \"per-caller\"\ninstance_idle = \"100ms\"").await;
    assert_eq!(marks(&dispatcher, "ada", json!({})).await, "0");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(marks(&dispatcher, "ada", json!({})).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_at_once_never_meet_in_an_instance() {
    let dispatcher = start("instances = \"per-caller\"").await;
    let mut tasks = tokio::task::JoinSet::new();
    // Each caller marks another number of words, so that whose marks are found can be told.
    for task in 0..12_usize {
        let dispatcher = dispatcher.clone();
        tasks.spawn(async move {
            let (caller, every) = (format!("c{}", task % 4), 1024 << (task % 4));
            let own = ((1 << 18) + (1 << 14)) / every;
            let mut again = 0;
            for _ in 0..25 {
                let found = marks(&dispatcher, &caller, json!({ "every": every })).await;
                assert!(found == "0" || found == own.to_string(), "{caller} found {found} marks, and its own are {own}");
                again += usize::from(found != "0");
            }
            again
        });
    }
    let again: usize = tasks.join_all().await.into_iter().sum();
    assert!(again > 150, "instances were kept: {again} of 300");
}
