//! Questions to hooks: makes what a hook is asked about from a test, and JSON of what it says.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use serde_json::json;

use super::case::Case;
use crate::call::Call;
use crate::capability::Services;
use crate::config::DatabaseName;
use crate::config::EngineKind;
use crate::config::HookEvent;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::setup::Setup;
use crate::database::statement::Statement;
use crate::database::value::Value;
use crate::hook::Asked;
use crate::hook::Fault;
use crate::hook::Hook;
use crate::hook::Kind;
use crate::hook::Stage;
use crate::hook::Subject;
use crate::hook::Verdict;
use crate::hook::statements::Asking;
use crate::hook::statements::Connecting;
use crate::hook::statements::Failed;
use crate::hook::statements::Provided;
use crate::hook::statements::Ran;
use crate::hook::statements::RowChange;
use crate::plugin::Plugin;
use crate::runtime::answer::Content;
use crate::runtime::around::Called;
use crate::runtime::around::Calling;
use crate::runtime::around::ProvidedCall;
use crate::runtime::hook::GuestHook;
use crate::runtime::hook::HookSlots;
use crate::runtime::scripted;

/// Asks the hook of a test, with what its manifest says that it reads. What it says comes as a JSON object whose keys are
/// those of expectations.
///
/// # Errors
///
/// A test that makes no sense, and a hook that fails.
pub(super) async fn ask(plugin: &Plugin, case: &Case, call: &Call, services: &Services) -> Result<Json, String> {
    let name = case.hook.as_deref().unwrap_or_default();
    let event = HookEvent::parse(name).ok_or_else(|| format!("there is no hook `{name}`"))?;
    let declared =
        plugin.manifest.hooks.iter().find(|hook| hook.event == event && case.kind.as_deref().is_none_or(|kind| hook.kind.as_str() == kind));
    let declared = declared.ok_or_else(|| format!("the manifest declares no such hook on `{name}`"))?;
    let reads = declared.shown();
    let slots = HookSlots::new(1, 0);
    let hook = GuestHook::new(plugin.component.clone(), plugin.guest.clone(), services, reads, slots, false);
    let how = Asked { kind: declared.kind, stage: Stage::BeforeChanges };
    match event {
        HookEvent::BeforeQuery => verdict(&hook, call, &asking(case)?, how, before_query, provided).await,
        HookEvent::AfterQuery => {
            let rows = case.outcome.as_ref().map(scripted::row_set).transpose()?;
            let ran = Ran { asking: asking(case)?, affected: 0, rows, duration: Duration::ZERO, provided_by: None };
            verdict(&hook, call, &ran, how, after_query, |never| match never {}).await
        }
        HookEvent::OnError => {
            let failed = Failed { asking: asking(case)?, error: failure(case)?, try_again: false };
            let said =
                |advice: crate::hook::statements::Advice| json!({ "suggestions": advice.suggestions, "try-again": advice.try_again });
            verdict(&hook, call, &failed, how, said, |never| match never {}).await
        }
        HookEvent::OnConnect => {
            let connecting = Connecting { database: database(case)?, engine: engine(case)?, writes: false, setup: Setup::default() };
            verdict(&hook, call, &connecting, how, |setup| json!({ "setup": setup }), |never| match never {}).await
        }
        HookEvent::BeforeCall => {
            verdict(&hook, call, &calling(case)?, how, |arguments| json!({ "rewrite": arguments }), provided_call).await
        }
        HookEvent::AfterCall => {
            let content = case.content.iter().map(|text| Content::Text(text.clone())).collect();
            let called = Called { calling: calling(case)?, failed: None, content, duration: Duration::ZERO, provided_by: None };
            verdict(&hook, call, &called, how, |content| json!({ "rewrite": text(&content) }), |never| match never {}).await
        }
    }
}

async fn verdict<S: Subject>(
    hook: &GuestHook,
    call: &Call,
    subject: &S,
    how: Asked,
    changed: impl FnOnce(S::Change) -> Json,
    answered: impl FnOnce(S::Answer) -> Json,
) -> Result<Json, String>
where
    GuestHook: Hook<S>,
{
    match hook.ask(call, subject, how).await {
        Ok(Verdict::Pass) => Ok(json!({ "pass": true })),
        Ok(Verdict::Refuse(reason)) => Ok(json!({ "refuse": reason })),
        Ok(Verdict::Change(change)) if how.kind == Kind::Mutate => Ok(changed(change)),
        Ok(Verdict::Answer(answer)) if how.kind == Kind::Provide => Ok(answered(answer)),
        Ok(Verdict::Change(_) | Verdict::Answer(_)) => Err(format!("its verdict is none of a hook that is to `{}`", how.kind.as_str())),
        Err(Fault::Failed(reason)) => Err(reason),
        Err(Fault::CallOver) => Err("it did not answer in time".into()),
    }
}

fn before_query(rewriting: crate::hook::statements::Rewriting) -> Json {
    json!({ "rewrite": rewriting.sql })
}

fn provided(answer: Provided) -> Json {
    match answer {
        Provided::Rows(rows) => json!({ "answer": scripted::rows_json(&rows)["rows"] }),
        Provided::Keep(_) => json!({ "answer": "keep" }),
    }
}

fn after_query(change: RowChange) -> Json {
    match change {
        RowChange::Mask(masks) => json!({ "mask": masks.iter().map(|(column, _)| *column).collect::<Vec<_>>() }),
        RowChange::Replace(rows) => json!({ "rewrite": scripted::rows_json(&rows)["rows"] }),
    }
}

fn provided_call(answer: ProvidedCall) -> Json {
    match answer {
        ProvidedCall::Content(content) => json!({ "answer": text(&content) }),
        ProvidedCall::Keep => json!({ "answer": "keep" }),
    }
}

/// The text of an answer.
fn text(content: &[Content]) -> String {
    let texts = content.iter().filter_map(|piece| match piece {
        Content::Text(text) => Some(text.clone()),
        Content::Json(json) => Some(json.to_string()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn engine(case: &Case) -> Result<EngineKind, String> {
    match case.statement.as_ref().and_then(|statement| statement.engine.as_deref()).unwrap_or("sqlite") {
        "sqlite" => Ok(EngineKind::Sqlite),
        "postgres" => Ok(EngineKind::Postgres),
        "mysql" => Ok(EngineKind::MySql),
        other => Err(format!("there is no engine `{other}`")),
    }
}

fn database(case: &Case) -> Result<DatabaseName, String> {
    let name = case.statement.as_ref().and_then(|statement| statement.database.as_deref()).unwrap_or("main");
    DatabaseName::parse(name).ok_or_else(|| format!("`{name}` cannot be the name of a database"))
}

/// The statement, judged as the host judges it: its kind and its tables are not for a test to say.
fn asking(case: &Case) -> Result<Asking, String> {
    let statement = case.statement.as_ref().ok_or("the test has no `statement`")?;
    let parameters: Result<Vec<Value>, String> =
        statement.parameters.iter().map(|json| scripted::cell(json).ok_or_else(|| format!("{json} is no SQL value"))).collect();
    Ok(Asking {
        database: database(case)?,
        statement: Statement::parse(&statement.sql, engine(case)?).map_err(|error| format!("its statement: {error}"))?,
        parameters: parameters?.into(),
        plugin: Arc::from("query"),
        in_transaction: false,
        kept: None,
    })
}

fn failure(case: &Case) -> Result<DatabaseError, String> {
    let failure = case.error.as_ref().ok_or("the test has no `error`")?;
    let kind = ErrorKind::ALL.into_iter().find(|kind| kind.code() == failure.code);
    Ok(DatabaseError::new(kind.ok_or_else(|| format!("there is no code `{}`", failure.code))?, failure.message.clone()))
}

fn calling(case: &Case) -> Result<Calling, String> {
    let call = case.call.as_ref().ok_or("the test has no `call`")?;
    Ok(Calling {
        tool: call.tool.as_str().into(),
        plugin: call.plugin.as_str().into(),
        arguments: call.arguments.clone(),
        read_only: call.read_only,
        may_be_kept: false,
    })
}
