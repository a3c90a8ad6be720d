//! A guest whose hooks do what its settings say: `act` names what, `text` with what.

use serde_json::Value as Json;
use tidegate_plugin::CallHooks;
use tidegate_plugin::Column;
use tidegate_plugin::Content;
use tidegate_plugin::DatabaseError;
use tidegate_plugin::Kind;
use tidegate_plugin::QueryHooks;
use tidegate_plugin::Rows;
use tidegate_plugin::Value;
use tidegate_plugin::hook::Advice;
use tidegate_plugin::hook::AfterCall;
use tidegate_plugin::hook::AfterQuery;
use tidegate_plugin::hook::Asked;
use tidegate_plugin::hook::BeforeCall;
use tidegate_plugin::hook::BeforeQuery;
use tidegate_plugin::hook::Call;
use tidegate_plugin::hook::CallOutcome;
use tidegate_plugin::hook::ConnectVerdict;
use tidegate_plugin::hook::Connection;
use tidegate_plugin::hook::QueryOutcome;
use tidegate_plugin::hook::Rewriting;
use tidegate_plugin::hook::Statement;
use tidegate_plugin::log;
use tidegate_plugin::settings;

/// The hooks of this guest.
pub struct Hooks;

/// A setting that is a text; empty when it is not there.
fn setting(name: &str) -> String {
    settings::get(name).ok().flatten().unwrap_or_default()
}

/// One row with one value, made here.
fn row(column: &str, value: &str) -> Rows {
    let column = Column { name: column.to_owned(), type_name: "text".to_owned(), kind: Kind::Text };
    Rows::build(&[column], &[vec![Value::Text(value.to_owned())]]).expect("as many values as columns")
}

impl QueryHooks for Hooks {
    fn before_query(asked: Asked, statement: &Statement) -> BeforeQuery {
        let (act, text) = (setting("act"), setting("text"));
        match act.as_str() {
            // Answers in the text of the refusal.
            "tells" => BeforeQuery::Refuse(format!(
                "{:?} {:?} `{}` by {} for {}",
                asked.kind,
                asked.stage,
                statement.sql,
                statement.plugin,
                statement.caller.as_deref().unwrap_or("nobody")
            )),
            "refuses" if statement.sql.contains(&text) => BeforeQuery::Refuse(format!("`{}` has `{text}`", statement.sql)),
            "appends" => BeforeQuery::Rewrite(Rewriting::of(format!("{}{text}", statement.sql))),
            "rewrites" => BeforeQuery::Rewrite(Rewriting { sql: text, parameters: Some(vec![Value::Integer(7)]) }),
            "watches" => {
                log::info(&format!("watched `{}`", statement.sql));
                BeforeQuery::Pass
            }
            "provides" => BeforeQuery::Answer(row("provided", &text)),
            _ => BeforeQuery::Pass,
        }
    }

    fn after_query(_: Asked, statement: &Statement, outcome: QueryOutcome) -> AfterQuery {
        let (act, text) = (setting("act"), setting("text"));
        match (act.as_str(), outcome.rows) {
            ("notes", rows) => {
                let by = outcome.provided_by.as_deref().unwrap_or("the database");
                let shown = if rows.is_some() { "shown" } else { "not shown" };
                log::info(&format!(
                    "noted `{}`: {} affected, {} rows {shown}, by {by}",
                    statement.sql, outcome.affected, outcome.row_count
                ));
                AfterQuery::Pass
            }
            ("drops-first", Some(rows)) => {
                drop(rows.next(1));
                AfterQuery::Replace(rows)
            }
            ("replaces", _) => AfterQuery::Replace(row("replaced", &text)),
            ("refuses-rows", _) => AfterQuery::Refuse(text),
            _ => AfterQuery::Pass,
        }
    }

    fn on_error(_: Asked, _: &Statement, error: &DatabaseError) -> Advice {
        match setting("act").as_str() {
            "advises" => Advice::suggest(format!("{}: {}", setting("text"), error.failure().message.len())),
            "tries-again" => Advice { suggestions: Vec::new(), try_again: true },
            _ => Advice::none(),
        }
    }

    fn on_connect(connection: &Connection) -> ConnectVerdict {
        match setting("act").as_str() {
            "refuses-sessions" => ConnectVerdict::Refuse(format!("{}, {}", connection.engine, setting("text"))),
            _ => ConnectVerdict::Setup(Vec::new()),
        }
    }
}

impl CallHooks for Hooks {
    fn before_call(_: Asked, call: &Call) -> BeforeCall {
        let (act, text) = (setting("act"), setting("text"));
        match act.as_str() {
            "refuses-tool" if call.tool == text => BeforeCall::Refuse(format!("`{}` of `{}` is closed", call.tool, call.plugin)),
            "changes-arguments" => {
                let mut arguments: Json = serde_json::from_str(&call.arguments).unwrap_or_default();
                arguments["sql"] = text.into();
                BeforeCall::Rewrite(arguments.to_string())
            }
            "answers-call" => BeforeCall::Answer(vec![Content::text(text)]),
            _ => BeforeCall::Pass,
        }
    }

    fn after_call(_: Asked, call: &Call, outcome: CallOutcome) -> AfterCall {
        let (act, text) = (setting("act"), setting("text"));
        match act.as_str() {
            "notes" => {
                let how = outcome.failed.as_deref().unwrap_or("ok");
                log::info(&format!("noted the call of `{}`: {how}, {} pieces", call.tool, outcome.content.len()));
                AfterCall::Pass
            }
            "replaces-answer" => {
                let shown = outcome.content.len();
                AfterCall::Replace(vec![Content::text(format!("{text} {shown}"))])
            }
            _ => AfterCall::Pass,
        }
    }
}

tidegate_plugin::export! {
    query_hooks: Hooks,
    call_hooks: Hooks,
}
