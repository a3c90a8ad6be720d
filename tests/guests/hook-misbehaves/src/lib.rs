//! A guest whose hooks misbehave in the way that its setting `fault` names.
//!
//! It is written on the bare bindings: what the SDK would not let out has to get out here.

use std::time::Duration;

use tidegate_plugin::Value;
use tidegate_plugin::bindings::call_hooks::exports::tidegate::plugin::call_hooks;
use tidegate_plugin::bindings::query_hooks::exports::tidegate::plugin::query_hooks;
use tidegate_plugin::bindings::shared::tidegate::plugin::rows::Rows;
use tidegate_plugin::catalog;
use tidegate_plugin::catalog::TableFilter;
use tidegate_plugin::database_read;
use tidegate_plugin::database_read::Options;
use tidegate_plugin::settings;

/// What a statement says of itself, and what the fault `rewrites` makes of it.
const REWRITINGS: [(&str, &str); 6] = [
    ("becomes_delete", "delete from loans"),
    ("becomes_returning", "delete from loans returning id"),
    ("becomes_two", "select 1; delete from loans"),
    ("becomes_commit", "commit"),
    ("becomes_garbage", "select from where ((("),
    ("becomes_nothing", ""),
];

/// This guest, exported bare.
pub struct Plugin;

/// The fault that the operator wants.
fn fault() -> String {
    settings::get("fault").ok().flatten().unwrap_or_default()
}

/// Never comes back, for faults that are the same whatever is asked.
fn misbehave(fault: &str) {
    match fault {
        "traps" => panic!("it was told to"),
        "spins" => loop {
            std::hint::black_box(());
        },
        "waits" => loop {
            std::thread::sleep(Duration::from_hours(1));
        },
        "allocates" => {
            let mut held = Vec::new();
            loop {
                held.push(std::hint::black_box(vec![1_u8; 1 << 20]));
            }
        }
        _ => {}
    }
}

/// Rows that this guest does not hold.
#[expect(unsafe_code, reason = "a handle out of thin air is what a hostile guest would hand out")]
fn foreign_rows() -> Rows {
    // SAFETY: not sound, and meant so: the host must find out.
    unsafe { Rows::from_handle(4_242) }
}

/// What becomes of attempts to use a database.
fn used_database(database: &str) -> String {
    let read = match database_read::query(database, "select 1", &[], Options::default()) {
        Ok(rows) => format!("{} rows", rows.count()),
        Err(error) => error.failure().message.clone(),
    };
    let tables = match catalog::list_tables(database, &TableFilter::default()) {
        Ok(page) => format!("{} tables", page.tables.len()),
        Err(error) => error.failure().message.clone(),
    };
    format!("read: {read}; listed: {tables}; saw {} databases", catalog::list_databases().len())
}

impl query_hooks::Guest for Plugin {
    fn before_query(_: query_hooks::Asked, statement: query_hooks::Statement) -> query_hooks::BeforeVerdict {
        let fault = fault();
        misbehave(&fault);
        match fault.as_str() {
            "changes-as-validator" => {
                query_hooks::BeforeVerdict::Rewrite(query_hooks::Rewriting { sql: "select 2".to_owned(), parameters: None })
            }
            "answers-foreign-rows" => query_hooks::BeforeVerdict::Answer(foreign_rows()),
            "refuses-at-length" => query_hooks::BeforeVerdict::Refuse("no\n\u{202e}".repeat(2 << 20)),
            "uses-database" => query_hooks::BeforeVerdict::Refuse(used_database(&statement.database)),
            "rewrites" => match REWRITINGS.iter().find(|(mark, _)| statement.sql.contains(mark)) {
                Some((_, sql)) => query_hooks::BeforeVerdict::Rewrite(query_hooks::Rewriting { sql: (*sql).to_owned(), parameters: None }),
                None => query_hooks::BeforeVerdict::Pass,
            },
            _ => query_hooks::BeforeVerdict::Pass,
        }
    }

    fn after_query(_: query_hooks::Asked, _: query_hooks::Statement, outcome: query_hooks::Outcome) -> query_hooks::AfterVerdict {
        let fault = fault();
        misbehave(&fault);
        match fault.as_str() {
            "masks-absent-column" => {
                let column = u32::try_from(outcome.columns.len()).unwrap_or(u32::MAX);
                query_hooks::AfterVerdict::Mask(vec![query_hooks::Mask { column, replacement: Value::Null }])
            }
            "masks-without-end" => {
                let mask = query_hooks::Mask { column: 0, replacement: Value::Null };
                query_hooks::AfterVerdict::Mask(vec![mask; 100_000])
            }
            "replaces-with-foreign-rows" => query_hooks::AfterVerdict::Replace(foreign_rows()),
            _ => query_hooks::AfterVerdict::Pass,
        }
    }

    fn on_error(_: query_hooks::Asked, _: query_hooks::Statement, _: query_hooks::DatabaseError) -> query_hooks::Advice {
        let fault = fault();
        misbehave(&fault);
        let suggestions = if fault == "advises-without-end" { vec!["try\nthis ".repeat(1_000); 1_000] } else { Vec::new() };
        query_hooks::Advice { suggestions, try_again: false }
    }

    fn on_connect(_: query_hooks::Connection) -> query_hooks::ConnectVerdict {
        let fault = fault();
        misbehave(&fault);
        match fault.as_str() {
            "sets-what-it-may-not" => query_hooks::ConnectVerdict::Setup(vec!["SET statement_timeout = 0".to_owned()]),
            _ => query_hooks::ConnectVerdict::Setup(Vec::new()),
        }
    }
}

impl call_hooks::Guest for Plugin {
    fn before_call(_: call_hooks::Asked, _: call_hooks::Call) -> call_hooks::BeforeVerdict {
        let fault = fault();
        misbehave(&fault);
        match fault.as_str() {
            "rewrites-to-no-json" => call_hooks::BeforeVerdict::Rewrite("[not json".to_owned()),
            "rewrites-to-what-does-not-fit" => call_hooks::BeforeVerdict::Rewrite(r#"{"sql": 7}"#.to_owned()),
            _ => call_hooks::BeforeVerdict::Pass,
        }
    }

    fn after_call(_: call_hooks::Asked, _: call_hooks::Call, _: call_hooks::Outcome) -> call_hooks::AfterVerdict {
        let fault = fault();
        misbehave(&fault);
        match fault.as_str() {
            "replaces-with-nothing" => call_hooks::AfterVerdict::Replace(Vec::new()),
            _ => call_hooks::AfterVerdict::Pass,
        }
    }
}

#[cfg(target_arch = "wasm32")]
tidegate_plugin::bindings::query_hooks::export_query_hooks!(Plugin with_types_in tidegate_plugin::bindings::query_hooks);
#[cfg(target_arch = "wasm32")]
tidegate_plugin::bindings::call_hooks::export_call_hooks!(Plugin with_types_in tidegate_plugin::bindings::call_hooks);
