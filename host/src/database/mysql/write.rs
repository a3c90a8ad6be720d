//! Running statements that write: all of them or none.

use super::MySql;
use super::connect::Access;
use super::connect::Product;
use super::connect::Session;
use super::error;
use super::query;
use super::query::Answer;
use super::query::Fault;
use super::query::Surplus;
use super::running::Running;
use crate::call::Call;
use crate::config::Mode;
use crate::database::BatchError;
use crate::database::Execution;
use crate::database::RunOptions;
use crate::database::confirmation::Guard;
use crate::database::confirmation::counted;
use crate::database::error::DatabaseError;
use crate::database::error::Effect;
use crate::database::error::ErrorKind;
use crate::database::error::FIND_OUT;
use crate::database::error::Fault as Cause;
use crate::database::statement::Statement;
use crate::database::statement::StatementKind;
use crate::database::supervise::supervised;
use crate::database::value::Value;

impl MySql {
    /// See [`super::super::Database::write`].
    pub(super) async fn run_write(
        &self,
        call: &Call,
        statements: Vec<(Statement, Vec<Value>)>,
        guard: Guard,
        options: &RunOptions,
    ) -> Result<Vec<Execution>, BatchError> {
        let running = Running::new();
        if self.mode != Mode::ReadWrite {
            let error = DatabaseError::new(ErrorKind::ReadOnly, "the database is read only");
            return Err(BatchError { index: 0, error });
        }
        let interrupt = running.interrupter(&self.pool);
        let pool = self.pool.clone();
        let state = running.clone();
        let options_copy = options.clone();
        let work = async move {
            let running = state;
            let _ended = running.ended_on_drop();
            // What commits by itself runs alone and outside of a transaction, where it cannot end one behind our back.
            let alone = statements.iter().any(|(statement, _)| statement.kind == StatementKind::Admin);
            let traceless = !alone && statements.iter().all(|(statement, _)| statement.traceless);
            let mut tries_left = 1;
            let mut checkout = loop {
                let mut checkout = running.lend(&pool, Access::Write, &options_copy.setup).await?;
                running.begin(&checkout.session)?;
                match begin(&mut checkout.session, alone).await {
                    Ok(()) => break checkout,
                    // Nothing has happened yet, so another connection may try.
                    Err(error) if checkout.reused && error::is_lost(&error) && tries_left > 0 => {
                        tries_left -= 1;
                        pool.forget_idle();
                    }
                    Err(error) => return Err(error::of_statement(error)),
                }
            };
            let result = run_all(&mut checkout.session, &running, &statements, guard, &options_copy, alone).await;
            let in_step = result.as_ref().err().is_none_or(Fault::is_in_step);
            if in_step && traceless && !running.interrupted() {
                checkout.give_back();
            } else if in_step {
                checkout.close().await;
            } else {
                drop(checkout);
            }
            result.map_err(|fault| left_behind(fault, alone))
        };
        let result = supervised(call, options.timeout, interrupt, work).await;
        result.map_err(|error| {
            let unheard = error.effect == Effect::Undone && running.is_ending();
            let error = if unheard { error.effect(Effect::Unknown).hint(FIND_OUT) } else { error };
            BatchError { index: running.index(), error }
        })
    }
}

/// The error of statements that had begun, with what they have left in the database.
fn left_behind(fault: Fault, alone: bool) -> DatabaseError {
    let error = fault.into_error();
    match (error.effect, error.fault) {
        (Effect::None, Cause::Connection) if alone => error.effect(Effect::Unknown).hint(FIND_OUT),
        (Effect::None, Cause::Connection) => error.effect(Effect::Undone),
        // What commits by itself may have done so before it met the conflict.
        (Effect::None, Cause::Conflict) if alone => error.effect(Effect::Undone),
        _ => error,
    }
}

async fn begin(session: &mut Session, alone: bool) -> Result<(), sqlx::Error> {
    let text = match (session.product, alone) {
        (Product::TiDb, true) => "SET SESSION autocommit = 1",
        (Product::TiDb, false) => "START TRANSACTION",
        (_, true) => "SET SESSION TRANSACTION READ WRITE",
        (_, false) => "SET SESSION TRANSACTION READ WRITE; START TRANSACTION READ WRITE",
    };
    session.host_text(text).await
}

/// Runs the statements and commits, or rolls back.
async fn run_all(
    session: &mut Session,
    running: &Running,
    statements: &[(Statement, Vec<Value>)],
    guard: Guard,
    options: &RunOptions,
    alone: bool,
) -> Result<Vec<Execution>, Fault> {
    if alone {
        running.ends();
    }
    if guard != Guard::Free && !alone {
        check_undoable(session, statements, guard).await?;
    }
    let mut done = Vec::with_capacity(statements.len());
    let mut fault = None;
    for (index, (statement, parameters)) in statements.iter().enumerate() {
        running.at(index);
        match run_one(session, running, statement, parameters, options).await {
            Ok(execution) => done.push(execution),
            Err(error) => {
                fault = Some(error);
                break;
            }
        }
    }
    // `SLEEP` and kin answer with a row when they are killed: what was told to stop is not committed.
    if let (None, Err(stopped)) = (&fault, running.check()) {
        fault = (!alone).then(|| stopped.into());
    }
    if let (None, false) = (&fault, alone) {
        fault = guard.check(done.iter().map(|execution: &Execution| execution.affected).sum()).err().map(Fault::from);
    }
    match fault {
        Some(fault) => {
            if fault.is_in_step() {
                session.host_text("ROLLBACK").await?;
            }
            Err(fault)
        }
        None if alone => Ok(done),
        None => {
            running.ends();
            match session.host_text("COMMIT").await {
                Ok(()) => Ok(done),
                Err(error) if error::is_in_step(&error) => Err(error.into()),
                Err(_) => Err(Fault::OutOfStep(
                    DatabaseError::new(
                        ErrorKind::Unavailable,
                        "the connection was lost during COMMIT: whether the statements took effect is not known",
                    )
                    .hint(FIND_OUT)
                    .fault(Cause::Connection)
                    .effect(Effect::Unknown),
                )),
            }
        }
    }
}

/// Refuses, as one that needs a yes, what could not be taken back after it was counted: changes of rows in a table whose
/// engine has no transactions. When the tables cannot be told, the statement is run, and counted, all the same.
pub(super) async fn check_undoable(session: &mut Session, statements: &[(Statement, Vec<Value>)], guard: Guard) -> Result<(), Fault> {
    let mut tables: Vec<&str> = Vec::new();
    for (statement, _) in statements.iter().filter(|(statement, _)| statement.kind == StatementKind::Write) {
        // What only adds rows is not held up for that; a count of it is.
        if statement.verb == "INSERT" && guard != Guard::Count {
            continue;
        }
        tables.extend(statement.tables.iter().map(|table| table.rsplit('.').next().unwrap_or(table)));
    }
    tables.sort_unstable();
    tables.dedup();
    if tables.is_empty() {
        return Ok(());
    }
    match session.has_other_than_transactional(&tables).await? {
        true => Err(counted(None).into()),
        false => Ok(()),
    }
}

/// Runs one statement and reads its answer to the end.
pub(super) async fn run_one(
    session: &mut Session,
    running: &Running,
    statement: &Statement,
    parameters: &[Value],
    options: &RunOptions,
) -> Result<Execution, Fault> {
    running.check()?;
    let answer = match query::prepare(&mut session.connection, &statement.text).await {
        Err(error) if error::number(&error) == Some(error::NOT_PREPARABLE) && query::may_go_as_text(statement, parameters) => {
            running.check()?;
            query::run_text(session, statement, options.limits).await?
        }
        prepared => {
            let prepared = prepared?;
            running.check()?;
            query::run_prepared(session, &prepared, statement, parameters, options.limits, Surplus::ReadOn).await?
        }
    };
    let Answer { rows, seen, affected, .. } = answer;
    // `INSERT … RETURNING` is counted by its rows: the server's own count is that of a query.
    let returned_by_write = rows.is_some() && statement.kind == StatementKind::Write;
    Ok(Execution { affected: if returned_by_write { affected.max(seen) } else { affected }, returned: rows })
}
