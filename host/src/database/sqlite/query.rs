//! Statements on a connection: one that reads, and several that write in one transaction.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use super::authorizer::Role;
use super::error;
use super::error::Stage;
use super::raw::Prepared;
use super::run;
use super::session::Session;
use super::types::Reader;
use crate::database::Execution;
use crate::database::confirmation::Guard;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::rows::Flow;
use crate::database::rows::RowLimits;
use crate::database::rows::RowSet;
use crate::database::rows::RowWriter;
use crate::database::statement::Statement;
use crate::database::statement::StatementKind;
use crate::database::value::Value;

/// Runs one statement in a reader's right. Reading ends at the first row over `limits`.
pub(super) fn read(session: &Session<'_>, sql: &str, values: &[Value], limits: RowLimits) -> Result<RowSet, DatabaseError> {
    session.with_virtual_tables(|| read_once(session, sql, values, limits))
}

fn read_once(session: &Session<'_>, sql: &str, values: &[Value], limits: RowLimits) -> Result<RowSet, DatabaseError> {
    let mut prepared = session.prepare(Role::Reader, sql)?;
    // SQLite counts some pragmas as writing that only tell a setting; the authorizer knows those by name.
    if !prepared.read_only() && !run::pragma_seen() {
        return Err(DatabaseError::new(ErrorKind::ReadOnly, "this statement writes, and only reading ones run here"));
    }
    bind(session, &mut prepared, values)?;
    rows(session, &mut prepared, limits)
}

/// Runs statements in one transaction and commits when all of them succeed. `index` follows the one that runs;
/// `ending` is set when they may have taken effect although nobody heard of it.
pub(super) fn write(
    session: &Session<'_>,
    statements: &[(Statement, Vec<Value>)],
    guard: Guard,
    limits: RowLimits,
    index: &AtomicUsize,
    ending: &AtomicBool,
) -> Result<Vec<Execution>, DatabaseError> {
    if let [(statement, values)] = statements
        && runs_alone(statement)
    {
        ending.store(true, Ordering::Relaxed);
        return Ok(vec![execute(session, statement, values, limits)?]);
    }
    session.execute("BEGIN IMMEDIATE")?;
    let done = run_all(session, statements, guard, limits, index).and_then(|executions| {
        ending.store(true, Ordering::Relaxed);
        session.execute("COMMIT")?;
        Ok(executions)
    });
    if done.is_err() && session.handle().in_transaction() {
        // A connection whose rollback fails is not clean and is closed, which rolls back as well.
        let _ = session.execute("ROLLBACK");
    }
    done
}

/// Runs statements in the transaction that is open, and has them counted; an error means that they are to be taken back.
pub(super) fn run_all(
    session: &Session<'_>,
    statements: &[(Statement, Vec<Value>)],
    guard: Guard,
    limits: RowLimits,
    index: &AtomicUsize,
) -> Result<Vec<Execution>, DatabaseError> {
    let mut executions = Vec::with_capacity(statements.len());
    for (at, (statement, values)) in statements.iter().enumerate() {
        index.store(at, Ordering::Relaxed);
        executions.push(execute(session, statement, values, limits)?);
    }
    // The caller has been told that it was stopped, so it may not take effect now.
    if session.is_stopped() {
        return Err(DatabaseError::new(ErrorKind::Cancelled, "the statement was stopped"));
    }
    guard.check(executions.iter().map(|execution| execution.affected).sum())?;
    Ok(executions)
}

fn execute(session: &Session<'_>, statement: &Statement, values: &[Value], limits: RowLimits) -> Result<Execution, DatabaseError> {
    let role = match statement.kind {
        StatementKind::Write => Role::Writer,
        StatementKind::Admin if statement.verb == "VACUUM" => Role::Vacuum,
        StatementKind::Admin => Role::Admin,
        StatementKind::Read | StatementKind::Transaction | StatementKind::Forbidden => Role::Reader,
    };
    session.handle().allow_vacuum(role == Role::Vacuum);
    let done = match role {
        Role::Reader => read(session, &statement.text, values, limits).map(|rows| Execution { affected: 0, returned: Some(rows) }),
        _ => execute_as(session, role, &statement.text, values, limits),
    };
    session.handle().allow_vacuum(false);
    done
}

fn execute_as(session: &Session<'_>, role: Role, sql: &str, values: &[Value], limits: RowLimits) -> Result<Execution, DatabaseError> {
    let mut prepared = session.prepare(role, sql)?;
    bind(session, &mut prepared, values)?;
    let before = session.handle().total_changes();
    let returned = match prepared.column_count() {
        0 => {
            while prepared.step().map_err(|raw| error::of_sqlite(&raw, Stage::Step, session.place()))? {}
            None
        }
        _ => Some(rows(session, &mut prepared, limits)?),
    };
    // SQLite keeps the count of the last statement that changed rows, whatever ran since.
    let affected = if session.handle().total_changes() == before { 0 } else { session.handle().changes() };
    Ok(Execution { affected, returned })
}

/// Reads what a statement returns. One that writes has done all of it at its first row, and is run to its end so that
/// its changes are counted.
fn rows(session: &Session<'_>, prepared: &mut Prepared<'_>, limits: RowLimits) -> Result<RowSet, DatabaseError> {
    let (mut reader, columns) = Reader::new(prepared);
    let mut writer = RowWriter::new(columns, limits);
    let runs_on = !prepared.read_only();
    let mut complete = true;
    while prepared.step().map_err(|raw| error::of_sqlite(&raw, Stage::Step, session.place()))? {
        if !complete {
            continue;
        }
        writer.start_row();
        reader.write(prepared, &mut writer);
        if writer.end_row() == Flow::Full {
            complete = false;
            if !runs_on {
                break;
            }
        }
    }
    reader.correct(writer.columns_mut());
    writer.finish(complete).map_err(|cause| {
        DatabaseError::new(ErrorKind::TooLarge, cause.to_string()).hint("select fewer or shorter columns, for example with substr()")
    })
}

/// Binds values by position: `?`, `?2` and `$2`. A name is refused: values have none.
fn bind(session: &Session<'_>, prepared: &mut Prepared<'_>, values: &[Value]) -> Result<(), DatabaseError> {
    let mut expected = 0;
    let mut places = Vec::with_capacity(prepared.parameter_count());
    for index in 1..=prepared.parameter_count() {
        let position = match prepared.parameter_name(index) {
            None => index,
            Some(name) => position_of(&name).ok_or_else(|| named(&name))?,
        };
        expected = expected.max(position);
        places.push((index, position));
    }
    if expected != values.len() {
        let message = format!("the statement has {expected} parameters, and {} values were given", values.len());
        return Err(DatabaseError::new(ErrorKind::InvalidParameters, message).hint("give one value for each `?`, in order"));
    }
    for (index, position) in places {
        if let Some(value) = values.get(position - 1) {
            prepared.bind(index, value).map_err(|raw| error::of_sqlite(&raw, Stage::Step, session.place()))?;
        }
    }
    Ok(())
}

/// The position, from 1, that `?2` or `$2` names.
fn position_of(name: &str) -> Option<usize> {
    let digits = name.strip_prefix(['?', '$'])?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|position| (1..=32_767).contains(position))
}

fn named(name: &str) -> DatabaseError {
    DatabaseError::new(ErrorKind::InvalidParameters, format!("the parameter `{name}` has a name, and values are given by position"))
        .hint("write `?` or `?1`, `?2`, …")
}

/// Whether SQLite refuses the statement inside a transaction, or lets it have no effect there.
pub(super) fn runs_alone(statement: &Statement) -> bool {
    statement.kind == StatementKind::Admin && matches!(statement.verb.as_str(), "VACUUM" | "PRAGMA")
}
