//! Between the contract's hooks and our own types. Whatever comes from a guest is checked here or not believed.

use super::answer::Content;
use super::around::Called;
use super::around::Calling;
use super::around::ProvidedCall;
use super::exports;
use super::hook::Reads;
use crate::bindings::exports::tidegate::plugin::call_hooks;
use crate::bindings::exports::tidegate::plugin::query_hooks;
use crate::bindings::tidegate::plugin::types;
use crate::capability::State;
use crate::capability::cache::policy;
use crate::capability::value;
use crate::database::statement::StatementKind;
use crate::hook::Fault;
use crate::hook::Kind;
use crate::hook::Verdict;
use crate::hook::statements::Advice;
use crate::hook::statements::Asking;
use crate::hook::statements::Connecting;
use crate::hook::statements::Failed;
use crate::hook::statements::Provided;
use crate::hook::statements::Ran;
use crate::hook::statements::Rewriting;
use crate::hook::statements::RowChange;

/// Masks of one answer.
const MASKS: usize = 4_096;

/// A statement, as a guest reads it.
pub(super) fn statement(asking: &Asking, parameters: bool, caller: Option<String>) -> query_hooks::Statement {
    let statement = &asking.statement;
    let parameters = if parameters { asking.parameters.iter().cloned().map(value::to_guest).collect() } else { Vec::new() };
    query_hooks::Statement {
        database: asking.database.to_string(),
        engine: statement.engine.as_str().into(),
        sql: statement.text.clone(),
        parameters,
        kind: match statement.kind {
            StatementKind::Read => types::StatementKind::Read,
            StatementKind::Write => types::StatementKind::Write,
            StatementKind::Admin => types::StatementKind::Admin,
            StatementKind::Transaction => types::StatementKind::Transaction,
            StatementKind::Forbidden => types::StatementKind::Forbidden,
        },
        verb: statement.verb.clone(),
        tables: statement.tables.clone(),
        plugin: asking.plugin.to_string(),
        caller,
        in_transaction: asking.in_transaction,
        cache_key: asking.kept.as_ref().map(|kept| kept.name().to_owned()),
    }
}

/// What is to become of a statement.
pub(super) fn before_query(verdict: query_hooks::BeforeVerdict, state: &mut State) -> Result<Verdict<Asking>, Fault> {
    Ok(match verdict {
        query_hooks::BeforeVerdict::Pass => Verdict::Pass,
        query_hooks::BeforeVerdict::Refuse(reason) => Verdict::Refuse(reason),
        query_hooks::BeforeVerdict::Rewrite(rewriting) => {
            let parameters = rewriting.parameters.map(|values| values.into_iter().map(value::from_guest).collect());
            Verdict::Change(Rewriting { sql: rewriting.sql, parameters })
        }
        query_hooks::BeforeVerdict::Answer(rows) => Verdict::Answer(Provided::Rows(taken(rows, state)?)),
        query_hooks::BeforeVerdict::Keep(wanted) => Verdict::Answer(Provided::Keep(policy(wanted))),
    })
}

/// Rows that a guest hands back, without those it took.
fn taken(
    rows: wasmtime::component::Resource<crate::capability::rows::GuestRows>,
    state: &mut State,
) -> Result<crate::database::rows::RowSet, Fault> {
    let held = state.take_rows(rows).map_err(|_| Fault::Failed("it answered with rows that it does not hold".into()))?;
    Ok(held.rows.skip(held.taken))
}

/// What a statement did, as a guest reads it.
pub(super) fn outcome(ran: &Ran, reads: Reads, state: &mut State) -> wasmtime::Result<query_hooks::Outcome> {
    let columns = match &ran.rows {
        Some(rows) if reads.columns || reads.rows => rows.columns().iter().map(value::column).collect(),
        _ => Vec::new(),
    };
    Ok(query_hooks::Outcome {
        affected: ran.affected,
        columns,
        row_count: ran.rows.as_ref().map_or(0, |rows| rows.len() as u64),
        rows: ran.rows.clone().filter(|_| reads.rows).map(|rows| state.give_rows(rows, None)).transpose()?,
        duration_us: u64::try_from(ran.duration.as_micros()).unwrap_or(u64::MAX),
        provided_by: ran.provided_by.as_deref().map(str::to_owned),
    })
}

/// What is to become of rows.
pub(super) fn after_query(verdict: query_hooks::AfterVerdict, state: &mut State) -> Result<Verdict<Ran>, Fault> {
    Ok(match verdict {
        query_hooks::AfterVerdict::Pass => Verdict::Pass,
        query_hooks::AfterVerdict::Refuse(reason) => Verdict::Refuse(reason),
        query_hooks::AfterVerdict::Mask(masks) if masks.len() > MASKS => {
            return Err(Fault::Failed(format!("it masks {} columns, and {MASKS} are allowed", masks.len())));
        }
        query_hooks::AfterVerdict::Mask(masks) => {
            let mask = |mask: query_hooks::Mask| (mask.column as usize, value::from_guest(mask.replacement));
            Verdict::Change(RowChange::Mask(masks.into_iter().map(mask).collect()))
        }
        query_hooks::AfterVerdict::Replace(rows) => Verdict::Change(RowChange::Replace(taken(rows, state)?)),
    })
}

/// Advice; nothing when there is none, or only an observer gave it.
pub(super) fn advice(kind: Kind, advice: query_hooks::Advice) -> Verdict<Failed> {
    let query_hooks::Advice { suggestions, try_again } = advice;
    if kind == Kind::Observe || (suggestions.is_empty() && !try_again) {
        return Verdict::Pass;
    }
    Verdict::Change(Advice { suggestions, try_again })
}

/// How a session begins.
pub(super) fn on_connect(verdict: query_hooks::ConnectVerdict) -> Verdict<Connecting> {
    match verdict {
        query_hooks::ConnectVerdict::Setup(statements) if statements.is_empty() => Verdict::Pass,
        query_hooks::ConnectVerdict::Setup(statements) => Verdict::Change(statements),
        query_hooks::ConnectVerdict::Refuse(reason) => Verdict::Refuse(reason),
    }
}

/// A call, as a guest reads it.
pub(super) fn call(calling: &Calling, arguments: bool, caller: Option<String>) -> call_hooks::Call {
    call_hooks::Call {
        tool: calling.tool.to_string(),
        plugin: calling.plugin.to_string(),
        arguments: if arguments { serde_json::to_string(&calling.arguments).unwrap_or_default() } else { "{}".into() },
        caller,
        read_only: calling.read_only,
        may_be_kept: calling.may_be_kept,
    }
}

/// What is to become of a call. Who was not shown the arguments cannot write them anew.
pub(super) fn before_call(verdict: call_hooks::BeforeVerdict, reads: Reads, state: &mut State) -> Result<Verdict<Calling>, Fault> {
    Ok(match verdict {
        call_hooks::BeforeVerdict::Pass => Verdict::Pass,
        call_hooks::BeforeVerdict::Refuse(reason) => Verdict::Refuse(reason),
        call_hooks::BeforeVerdict::Rewrite(_) if !reads.arguments => {
            return Err(Fault::Failed("it changes arguments, and its manifest does not say that it reads `arguments`".into()));
        }
        call_hooks::BeforeVerdict::Rewrite(arguments) => match serde_json::from_str(&arguments) {
            Ok(arguments) => Verdict::Change(arguments),
            Err(error) => return Err(Fault::Failed(format!("its arguments are no JSON object: {error}"))),
        },
        call_hooks::BeforeVerdict::Answer(pieces) => Verdict::Answer(ProvidedCall::Content(contents(pieces, state)?)),
        call_hooks::BeforeVerdict::Keep => Verdict::Answer(ProvidedCall::Keep),
    })
}

fn contents(pieces: Vec<crate::bindings::tidegate::plugin::content::Content>, state: &mut State) -> Result<Vec<Content>, Fault> {
    exports::contents(pieces, state).map_err(|error| Fault::Failed(error.to_string()))
}

/// How a call ended, as a guest reads it.
pub(super) fn called(called: &Called, reads: Reads, state: &mut State) -> wasmtime::Result<call_hooks::Outcome> {
    let content = match reads.content {
        true => called.content.iter().map(|piece| exports::content_to_guest(piece, state)).collect::<wasmtime::Result<_>>()?,
        false => Vec::new(),
    };
    Ok(call_hooks::Outcome {
        failed: called.failed.clone(),
        content,
        duration_us: u64::try_from(called.duration.as_micros()).unwrap_or(u64::MAX),
        provided_by: called.provided_by.as_deref().map(str::to_owned),
    })
}

/// What is to become of an answer. Who was not shown it cannot write it anew.
pub(super) fn after_call(verdict: call_hooks::AfterVerdict, reads: Reads, state: &mut State) -> Result<Verdict<Called>, Fault> {
    Ok(match verdict {
        call_hooks::AfterVerdict::Pass => Verdict::Pass,
        call_hooks::AfterVerdict::Refuse(reason) => Verdict::Refuse(reason),
        call_hooks::AfterVerdict::Replace(_) if !reads.content => {
            return Err(Fault::Failed("it replaces an answer, and its manifest does not say that it reads `content`".into()));
        }
        call_hooks::AfterVerdict::Replace(pieces) => Verdict::Change(contents(pieces, state)?),
    })
}
