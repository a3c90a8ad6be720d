//! Hooks: standing in the way of every statement, or of every call of a tool, of whatever plugin.
//!
//! A hook is a function here and a declaration in `plugin.toml`; without the declaration it is never asked. One that does
//! not override a function lets everything pass.
//!
//! ```
//! use tidegate_plugin::QueryHooks;
//! use tidegate_plugin::hook::{Asked, BeforeQuery, Kind, Statement};
//! use tidegate_plugin::test::{Host, statement};
//!
//! pub struct PayrollGuard;
//!
//! impl QueryHooks for PayrollGuard {
//!     fn before_query(_: Asked, statement: &Statement) -> BeforeQuery {
//!         match statement.tables.iter().find(|table| table.starts_with("payroll")) {
//!             Some(table) => BeforeQuery::Refuse(format!("`{table}` is for the payroll office")),
//!             None => BeforeQuery::Pass,
//!         }
//!     }
//! }
//!
//! tidegate_plugin::export!(query_hooks: PayrollGuard);
//!
//! # fn main() {
//! let mut asked = statement("select * from payroll_2026");
//! asked.tables.push("payroll_2026".to_owned());
//! assert!(matches!(Host::new().before_query::<PayrollGuard>(Kind::Validate, &asked), BeforeQuery::Refuse(_)));
//! # }
//! ```
//!
//! ```toml
//! [[hooks]]
//! event = "before-query"
//! kind = "validate"
//! reason = "Keeps payroll tables for the payroll office"
//! ```
//!
//! What its kind may not say, a trap and a late answer are failures of the hook, and by default a failure refuses what the
//! hook was asked about. While it is asked, a hook has no database.

use crate::content::Content;
use crate::rows::Rows;
use crate::types::Column;
use crate::types::DatabaseError;
use crate::types::Value;

pub use crate::bindings::call_hooks::exports::tidegate::plugin::call_hooks::Call;
pub use crate::bindings::query_hooks::exports::tidegate::plugin::query_hooks::Advice;
pub use crate::bindings::query_hooks::exports::tidegate::plugin::query_hooks::ConnectVerdict;
pub use crate::bindings::query_hooks::exports::tidegate::plugin::query_hooks::Connection;
pub use crate::bindings::query_hooks::exports::tidegate::plugin::query_hooks::Mask;
pub use crate::bindings::query_hooks::exports::tidegate::plugin::query_hooks::Rewriting;
pub use crate::bindings::query_hooks::exports::tidegate::plugin::query_hooks::Statement;
pub use crate::bindings::shared::tidegate::plugin::hook::Asked;
pub use crate::bindings::shared::tidegate::plugin::hook::Kind;
pub use crate::bindings::shared::tidegate::plugin::hook::Policy;
pub use crate::bindings::shared::tidegate::plugin::hook::Stage;
pub use crate::bindings::shared::tidegate::plugin::hook::Tiers;

/// What is to become of a statement.
#[derive(Debug)]
pub enum BeforeQuery {
    /// Nothing in particular.
    Pass,
    /// It does not run; tells the person why, in a sentence. Kinds `validate` and `mutate`.
    Refuse(String),
    /// It runs like this; the host judges it anew. Kind `mutate`.
    Rewrite(Rewriting),
    /// These rows are its answer. Kind `provide`.
    Answer(Rows),
    /// It runs, and the host keeps its rows under its `cache_key`. Kind `provide`.
    Keep(Policy),
}

/// What a statement did.
#[derive(Debug)]
pub struct QueryOutcome {
    /// Rows inserted, changed or deleted.
    pub affected: u64,
    /// The columns of what it returned; empty unless the hook reads `columns` or `rows`.
    pub columns: Vec<Column>,
    /// What it returned; none unless the hook reads `rows`.
    pub rows: Option<Rows>,
    /// How many rows it returned.
    pub row_count: u64,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// The plugin that answered in place of the database.
    pub provided_by: Option<String>,
}

/// What is to become of rows.
#[derive(Debug)]
pub enum AfterQuery {
    /// Nothing in particular.
    Pass,
    /// They do not go out; tells the person why, in a sentence. Kinds `validate` and `mutate`.
    Refuse(String),
    /// The values of these columns do not go out. Kind `mutate`.
    Mask(Vec<Mask>),
    /// These go out in their place. Kind `mutate`.
    Replace(Rows),
}

/// Hooks around statements.
pub trait QueryHooks {
    /// Asked before a statement runs.
    fn before_query(asked: Asked, statement: &Statement) -> BeforeQuery {
        let _ = (asked, statement);
        BeforeQuery::Pass
    }

    /// Asked when a statement has run.
    fn after_query(asked: Asked, statement: &Statement, outcome: QueryOutcome) -> AfterQuery {
        let _ = (asked, statement, outcome);
        AfterQuery::Pass
    }

    /// Asked when a statement has failed.
    fn on_error(asked: Asked, statement: &Statement, error: &DatabaseError) -> Advice {
        let _ = (asked, statement, error);
        Advice::none()
    }

    /// Asked before a session is lent to a caller for the first time.
    fn on_connect(connection: &Connection) -> ConnectVerdict {
        let _ = connection;
        ConnectVerdict::Setup(Vec::new())
    }
}

/// What is to become of a call.
#[derive(Debug)]
pub enum BeforeCall {
    /// Nothing in particular.
    Pass,
    /// It does not run; tells the person why, in a sentence. Kinds `validate` and `mutate`.
    Refuse(String),
    /// It runs with these arguments, a JSON object as text. Kind `mutate`.
    Rewrite(String),
    /// This is its answer. Kind `provide`.
    Answer(Vec<Content>),
    /// What was kept for the same call is its answer; else it runs and its answer is kept. Kind `provide`.
    Keep,
}

/// How a call ended.
#[derive(Debug)]
pub struct CallOutcome {
    /// The code of its failure; none when it succeeded or asks the person something.
    pub failed: Option<String>,
    /// What it answered; empty unless the hook reads `content`.
    pub content: Vec<Content>,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// The plugin that answered in place of the tool.
    pub provided_by: Option<String>,
}

/// What is to become of an answer.
#[derive(Debug)]
pub enum AfterCall {
    /// Nothing in particular.
    Pass,
    /// It does not go out; tells the person why, in a sentence. Kinds `validate` and `mutate`.
    Refuse(String),
    /// This goes out in its place. Kind `mutate`.
    Replace(Vec<Content>),
}

/// Hooks around calls of tools.
pub trait CallHooks {
    /// Asked before a call.
    fn before_call(asked: Asked, call: &Call) -> BeforeCall {
        let _ = (asked, call);
        BeforeCall::Pass
    }

    /// Asked after a call.
    fn after_call(asked: Asked, call: &Call, outcome: CallOutcome) -> AfterCall {
        let _ = (asked, call, outcome);
        AfterCall::Pass
    }
}

impl Advice {
    /// Nothing to say.
    #[must_use]
    pub const fn none() -> Self {
        Self { suggestions: Vec::new(), try_again: false }
    }

    /// One thing to try next.
    pub fn suggest(text: impl Into<String>) -> Self {
        Self { suggestions: vec![text.into()], try_again: false }
    }
}

impl Mask {
    /// Puts `replacement` in place of every value of this column that is not null.
    pub fn new(column: usize, replacement: impl Into<Value>) -> Self {
        Self { column: u32::try_from(column).unwrap_or(u32::MAX), replacement: replacement.into() }
    }
}

impl Rewriting {
    /// Another text with the same parameters.
    pub fn of(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), parameters: None }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;
    use serde_json::json;

    use super::*;
    use crate::test::Host;
    use crate::test::ResultRows;
    use crate::test::statement;
    use crate::test::tool_call;
    use crate::types::Failure;

    /// Hooks that say something about everything.
    struct Strict;

    impl QueryHooks for Strict {
        fn before_query(asked: Asked, statement: &Statement) -> BeforeQuery {
            match asked.kind {
                Kind::Validate if statement.verb == "DELETE" => BeforeQuery::Refuse("nothing is deleted here".to_owned()),
                Kind::Mutate => BeforeQuery::Rewrite(Rewriting::of(format!("{} limit 5", statement.sql))),
                _ => BeforeQuery::Pass,
            }
        }

        fn after_query(_: Asked, _: &Statement, outcome: QueryOutcome) -> AfterQuery {
            match outcome.columns.iter().position(|column| column.name == "ssn") {
                Some(column) => AfterQuery::Mask(vec![Mask::new(column, "***")]),
                None => outcome.rows.map_or(AfterQuery::Pass, AfterQuery::Replace),
            }
        }

        fn on_error(_: Asked, statement: &Statement, error: &DatabaseError) -> Advice {
            Advice::suggest(format!("look at `{}`: {}", statement.sql, error.failure().message))
        }
    }

    impl CallHooks for Strict {
        fn before_call(asked: Asked, call: &Call) -> BeforeCall {
            let arguments: Json = serde_json::from_str(&call.arguments).unwrap_or_default();
            match asked.kind {
                Kind::Validate if !call.read_only => BeforeCall::Refuse(format!("`{}` is closed", call.tool)),
                Kind::Mutate => BeforeCall::Rewrite(json!({ "sql": arguments["sql"], "limit": 5 }).to_string()),
                _ => BeforeCall::Pass,
            }
        }

        fn after_call(_: Asked, _: &Call, outcome: CallOutcome) -> AfterCall {
            AfterCall::Replace(vec![Content::text(format!("{} pieces", outcome.content.len()))])
        }
    }

    #[test]
    fn hooks_around_statements_are_asked_by_the_kit() {
        let host = Host::new();
        let delete = host.before_query::<Strict>(Kind::Validate, &statement("delete from t"));
        assert!(matches!(delete, BeforeQuery::Refuse(reason) if reason.contains("deleted")));
        let select = host.before_query::<Strict>(Kind::Mutate, &statement("select 1"));
        assert!(matches!(select, BeforeQuery::Rewrite(Rewriting { sql, parameters: None }) if sql == "select 1 limit 5"));
        let rows = ResultRows::new(&["id", "ssn"], vec![vec![1.into(), "123".into()]]);
        let masked = host.after_query::<Strict>(Kind::Mutate, &statement("select 1"), &rows);
        assert!(matches!(masked, AfterQuery::Mask(masks) if masks[0].column == 1));
        let rows = ResultRows::new(&["id"], vec![vec![1.into()]]);
        let replaced = host.after_query::<Strict>(Kind::Mutate, &statement("select 1"), &rows);
        assert!(matches!(replaced, AfterQuery::Replace(rows) if rows.count() == 1));
        let advice = host.on_error::<Strict>(&statement("select x"), &DatabaseError::UnknownColumn(Failure::new("no `x`")));
        assert_eq!((advice.suggestions, advice.try_again), (vec!["look at `select x`: no `x`".to_owned()], false));
    }

    #[test]
    fn hooks_around_calls_are_asked_by_the_kit() {
        let host = Host::new();
        let call = tool_call("execute_select", &json!({ "sql": "select 1" }));
        assert!(matches!(host.before_call::<Strict>(Kind::Validate, &call), BeforeCall::Pass));
        let writes = Call { read_only: false, ..call.clone() };
        assert!(matches!(host.before_call::<Strict>(Kind::Validate, &writes), BeforeCall::Refuse(_)));
        let changed = host.before_call::<Strict>(Kind::Mutate, &call);
        assert!(matches!(changed, BeforeCall::Rewrite(text) if text == r#"{"sql":"select 1","limit":5}"#));
        let answer = host.after_call::<Strict>(Kind::Mutate, &call, vec![Content::text("a"), Content::text("b")]);
        assert!(matches!(&answer, AfterCall::Replace(pieces) if matches!(&pieces[0], Content::Text(text) if text == "2 pieces")));
    }

    #[test]
    fn a_hook_that_overrides_nothing_lets_everything_pass() {
        struct Silent;
        impl QueryHooks for Silent {}
        impl CallHooks for Silent {}
        let host = Host::new();
        let (asked, rows) = (statement("select 1"), ResultRows::new(&["1"], vec![vec![1.into()]]));
        assert!(matches!(host.before_query::<Silent>(Kind::Validate, &asked), BeforeQuery::Pass));
        assert!(matches!(host.after_query::<Silent>(Kind::Mutate, &asked, &rows), AfterQuery::Pass));
        assert!(matches!(host.on_connect::<Silent>("main", "postgres", None), ConnectVerdict::Setup(statements) if statements.is_empty()));
        assert!(host.on_error::<Silent>(&asked, &DatabaseError::Failed(Failure::new("no"))).suggestions.is_empty());
        let call = tool_call("execute_select", &json!({}));
        assert!(matches!(host.before_call::<Silent>(Kind::Provide, &call), BeforeCall::Pass));
        assert!(matches!(host.after_call::<Silent>(Kind::Validate, &call, Vec::new()), AfterCall::Pass));
    }
}
