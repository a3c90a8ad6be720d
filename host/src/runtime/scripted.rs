//! Capabilities that a script answers, in place of the host's own: for tests of plugins, which then need no database.
//!
//! Every interface of the contract that gives a right is taken over, whatever it is: arguments and answers are turned into
//! JSON and back by their types, so that an interface that is added later needs nothing here. What gives no right, rows above
//! all, stays as it is, and so do the limits of a call and everything that happens to its answer.

mod from_json;
mod to_json;

use std::fmt;
use std::sync::Arc;

use serde_json::Map;
use serde_json::Value as Json;
use wasmtime::StoreContextMut;
use wasmtime::component::Component;
use wasmtime::component::Linker;
use wasmtime::component::ResourceType;
use wasmtime::component::Type;
use wasmtime::component::Val;
use wasmtime::component::types::ComponentFunc;
use wasmtime::component::types::ComponentItem;

use crate::capability::LimitExceeded;
use crate::capability::State;
use crate::capability::row_json;
use crate::cassette;
use crate::database::rows::RowSet;
use crate::database::value::Value;

/// The package whose interfaces are the contract, as import names begin.
const CONTRACT: &str = "tidegate:plugin/";

/// Interfaces that stay the host's own.
const REAL: [&str; 8] = ["changes", "content", "hook", "input", "log", "progress", "rows", "types"];

/// The resource that stays too.
const ROWS: &str = "rows";

/// A call of a capability.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The interface and the function, for example `database-read.query`. Functions of resources are `transaction.commit`.
    pub function: String,
    /// Its arguments by their names in the contract.
    pub arguments: Map<String, Json>,
}

/// What a script says to it.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// This is what it returns.
    Value(Json),
    /// It fails with this: for functions that can fail.
    Error(Json),
    /// The operator has not granted it.
    Denied,
    /// It is over this limit, so the call of the guest ends there.
    Limit(String),
}

/// What answers in place of the host.
pub trait Script: Send + Sync {
    /// Answers one call.
    ///
    /// # Errors
    ///
    /// A call that the script does not have; the call of the guest ends there.
    fn answer(&self, asked: Asked) -> Result<Answer, String>;
}

/// Answers from the cassette that the calls of guests are on.
pub struct FromTape;

impl Script for FromTape {
    fn answer(&self, asked: Asked) -> Result<Answer, String> {
        Err(format!("`{}` is asked by a call that is on no cassette", asked.function))
    }
}

/// A script, as options hold it.
#[derive(Clone)]
pub struct Scripted(pub Arc<dyn Script>);

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

/// Something of the host that a scripted guest holds a handle to; the number is its own.
struct Thing;

/// Why a call went no further. Travels through wasmtime as the reason of a trap.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
struct OffScript(String);

/// Why a question has no answer.
enum Ended {
    OffScript(String),
    Limit(String),
}

impl Ended {
    fn into_error(self, function: &str) -> wasmtime::Error {
        match self {
            Self::OffScript(reason) => OffScript(format!("`{function}`: {reason}")).into(),
            Self::Limit(limit) => LimitExceeded(limit).into(),
        }
    }
}

impl From<String> for Ended {
    fn from(reason: String) -> Self {
        Self::OffScript(reason)
    }
}

/// What a cassette has, as a script says it.
fn from_tape(answer: cassette::Answer) -> Result<Answer, String> {
    match answer {
        cassette::Answer::Ok(json) => Ok(Answer::Value(json)),
        cassette::Answer::Error(json) => Ok(Answer::Error(json)),
        cassette::Answer::Trap(limit) => Ok(Answer::Limit(limit)),
        cassette::Answer::Unanswered => Err("the recorded call was cut off while it waited for this answer".into()),
    }
}

/// Puts the script in the place of everything that gives a right and that `component` imports.
///
/// # Errors
///
/// An import that is no interface of functions.
pub(super) fn define(linker: &mut Linker<State>, component: &Component, script: &Scripted) -> wasmtime::Result<()> {
    let engine = component.engine().clone();
    linker.allow_shadowing(true);
    for (name, import) in component.component_type().imports(&engine) {
        let Some(interface) = name.strip_prefix(CONTRACT).and_then(|name| name.split('@').next()) else { continue };
        if REAL.contains(&interface) {
            continue;
        }
        let ComponentItem::ComponentInstance(instance) = &import.ty else { continue };
        let mut linked = linker.instance(name)?;
        for (name, export) in instance.exports(&engine) {
            match &export.ty {
                ComponentItem::ComponentFunc(_) => {
                    let function = readable(interface, name);
                    let script = script.clone();
                    linked.func_new(name, move |mut store, ty, parameters, results| {
                        store.data_mut().has_asked_host = true;
                        call(&script, &function, &mut store, &ty, parameters, results).map_err(|ended| ended.into_error(&function))
                    })?;
                }
                // Rows stay the host's own, also where an interface takes them from theirs.
                ComponentItem::Resource(_) if name == ROWS => {}
                ComponentItem::Resource(_) => linked.resource(name, ResourceType::host::<Thing>(), |_, _| Ok(()))?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// A function's name as scripts have it: `[method]transaction.commit` is `transaction.commit`.
fn readable(interface: &str, name: &str) -> String {
    match name.split_once(']') {
        Some((_, method)) => method.to_owned(),
        None => format!("{interface}.{name}"),
    }
}

fn call(
    script: &Scripted,
    function: &str,
    store: &mut StoreContextMut<'_, State>,
    ty: &ComponentFunc,
    parameters: &[Val],
    results: &mut [Val],
) -> Result<(), Ended> {
    let mut arguments = Map::new();
    for ((name, _), value) in ty.params().zip(parameters) {
        if let Some(json) = to_json::value(value, store)? {
            arguments.insert(name.to_owned(), json);
        }
    }
    let answer = match store.data().run().cloned() {
        Some(run) => from_tape(run.play(function, &Json::Object(arguments))?)?,
        None => script.0.answer(Asked { function: function.to_owned(), arguments })?,
    };
    if let Answer::Limit(limit) = answer {
        return Err(Ended::Limit(limit));
    }
    let (Some(result), Some(ty)) = (results.first_mut(), ty.results().next()) else { return Ok(()) };
    *result = match (answer, &ty) {
        (Answer::Value(json), Type::Result(both)) => Val::Result(Ok(payload(both.ok(), &json, store)?)),
        (Answer::Value(json), ty) => from_json::value(ty, &json, store)?,
        (Answer::Error(json), Type::Result(both)) => Val::Result(Err(payload(both.err(), &json, store)?)),
        (Answer::Error(_), _) => return Err("it cannot fail, so a script cannot make it".to_owned().into()),
        (Answer::Denied | Answer::Limit(_), ty) => from_json::denial(ty)?,
    };
    Ok(())
}

/// Rows that JSON describes: `{"columns": […], "rows": [[…]]}`, where a column is its name or `{"name", "type-name"}`.
///
/// # Errors
///
/// Cells that are no SQL values, and rows that do not fit their columns.
pub fn row_set(json: &Json) -> Result<RowSet, String> {
    from_json::row_set(json)
}

/// The SQL value that JSON describes.
pub fn cell(json: &Json) -> Option<Value> {
    from_json::cell(json)
}

/// Columns and rows as JSON, as [`row_set`] reads them.
pub fn rows_json(rows: &RowSet) -> Json {
    row_json::rows(rows)
}

fn payload(ty: Option<Type>, json: &Json, store: &mut StoreContextMut<'_, State>) -> Result<Option<Box<Val>>, String> {
    ty.map(|ty| from_json::value(&ty, json, store).map(Box::new)).transpose()
}
