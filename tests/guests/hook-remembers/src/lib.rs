//! A guest whose hooks leave marks in their memory and tell of those that they find: who or what was served before, and how often.

use std::sync::Mutex;

use tidegate_plugin::CallHooks;
use tidegate_plugin::QueryHooks;
use tidegate_plugin::hook::Asked;
use tidegate_plugin::hook::BeforeCall;
use tidegate_plugin::hook::BeforeQuery;
use tidegate_plugin::hook::Call;
use tidegate_plugin::hook::Statement;
use tidegate_plugin::log;

/// Callers, or tools, that this instance served, in order.
static SERVED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What it takes when it is told to grow.
static HELD: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// The hooks of this guest.
pub struct Hooks;

impl QueryHooks for Hooks {
    fn before_query(_: Asked, statement: &Statement) -> BeforeQuery {
        let mut served = SERVED.lock().expect("nobody panics while holding it");
        let before = served.join(" ");
        served.push(statement.caller.clone().unwrap_or_default());
        if statement.sql.contains("grows") {
            HELD.lock().expect("nobody panics while holding it").resize(16 << 20, 1);
        }
        if statement.sql.contains("traps") {
            panic!("it was told to");
        }
        BeforeQuery::Refuse(format!("served [{before}]"))
    }
}

impl CallHooks for Hooks {
    fn before_call(_: Asked, call: &Call) -> BeforeCall {
        let mut served = SERVED.lock().expect("nobody panics while holding it");
        let before = served.join(" ");
        served.push(call.tool.clone());
        if call.tool == "explain_query" {
            log::debug("it asks the host for something");
        }
        BeforeCall::Refuse(format!("served [{before}]"))
    }
}

tidegate_plugin::export!(query_hooks: Hooks, call_hooks: Hooks);
