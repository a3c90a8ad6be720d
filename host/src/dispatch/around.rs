//! The hooks around one call of a tool.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;
use serde_json::Value as Json;

use crate::call::Call;
use crate::hook::Stage;
use crate::hook::chain::Refusal;
use crate::hook::observers::Observers;
use crate::runtime::answer::CallError;
use crate::runtime::answer::Content;
use crate::runtime::answer::Outcome;
use crate::runtime::around::CallHooks;
use crate::runtime::around::Called;
use crate::runtime::around::Calling;
use crate::runtime::around::ProvidedCall;

/// Asks validators and mutators, and the validators again when something changed. `check` checks arguments against the
/// tool's schema: a change that does not fit it is a failure of the hook.
///
/// # Errors
///
/// `HookRefused`; `Cancelled` when the call is over.
pub(super) async fn before(
    hooks: &CallHooks,
    call: &Call,
    observers: &Observers,
    calling: &mut Calling,
    check: impl Fn(&Json) -> Result<(), CallError>,
) -> Result<(), CallError> {
    let chain = &hooks.before;
    chain.validate(call, calling, Stage::BeforeChanges, observers).await.map_err(refused)?;
    let apply = |calling: &mut Calling, arguments: Map<String, Json>| {
        check(&Json::Object(arguments.clone())).map_err(|error| format!("the arguments it wants do not fit the tool: {error}"))?;
        calling.arguments = arguments;
        Ok(())
    };
    let changed = chain.change(call, calling, observers, apply).await.map_err(refused)?;
    if changed {
        chain.validate(call, calling, Stage::AfterChanges, observers).await.map_err(refused)?;
    }
    Ok(())
}

/// Asks the providers.
///
/// # Errors
///
/// As [`before`].
pub(super) async fn provide(
    hooks: &CallHooks,
    call: &Call,
    observers: &Observers,
    calling: &Calling,
) -> Result<Option<(Arc<str>, ProvidedCall)>, CallError> {
    hooks.before.provide(call, calling, observers).await.map_err(refused)
}

/// Asks the mutators about the answer, then the validators, and leaves a copy to the observers. An answer that is a failure
/// or a question goes out as it is, and only observers hear of it.
///
/// # Errors
///
/// What the call itself failed with; `HookRefused` for an answer that does not go out.
pub(super) async fn after(
    hooks: &CallHooks,
    call: &Call,
    observers: &Observers,
    calling: Calling,
    result: Result<Outcome<Vec<Content>>, CallError>,
    duration: Duration,
    provided_by: Option<Arc<str>>,
) -> Result<Outcome<Vec<Content>>, CallError> {
    let chain = &hooks.after;
    if chain.is_empty() {
        return result;
    }
    let (content, failed) = match &result {
        Ok(Outcome::Complete(content)) => (content.clone(), None),
        Ok(Outcome::NeedInput(_)) => (Vec::new(), None),
        Err(error) => (Vec::new(), Some(error.code().to_owned())),
    };
    let mut called = Called { calling, failed, content, duration, provided_by };
    let Ok(Outcome::Complete(_)) = &result else {
        chain.observe(call, &called, observers);
        return result;
    };
    let apply = |called: &mut Called, content: Vec<Content>| {
        if content.is_empty() {
            return Err("it answers with nothing".to_owned());
        }
        called.content = content;
        Ok(())
    };
    let refused = |refusal: Refusal| CallError::Database(refusal.into_error("the answer of the call, which has been done,"));
    chain.change(call, &mut called, observers, apply).await.map_err(refused)?;
    chain.validate(call, &called, Stage::AfterChanges, observers).await.map_err(refused)?;
    chain.observe(call, &called, observers);
    Ok(Outcome::Complete(called.content))
}

fn refused(refusal: Refusal) -> CallError {
    CallError::Database(refusal.into_error("the call"))
}
