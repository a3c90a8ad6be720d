//! Runs statements that write, in one transaction.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use sqlx::AssertSqlSafe;
use sqlx::Executor;
use sqlx::SqlSafeStr;
use sqlx::postgres::PgArguments;

use super::Inner;
use super::connect::host_batch;
use super::control::Running;
use super::error::is_broken;
use super::error::is_stale;
use super::error::sqlstate;
use super::error::statement_error;
use super::parameters;
use super::pool::Session;
use super::query::parameter_types;
use super::rows;
use super::rows::Rest;
use super::rows::Stop;
use super::shape;
use super::shape::Sent;
use crate::call::Call;
use crate::database::BatchError;
use crate::database::Execution;
use crate::database::RunOptions;
use crate::database::error::DatabaseError;
use crate::database::error::Effect;
use crate::database::error::ErrorKind;
use crate::database::error::FIND_OUT;
use crate::database::error::Fault;
use crate::database::statement::Statement;
use crate::database::statement::StatementKind;
use crate::database::supervise::supervised;
use crate::database::value::Value;

/// Statements on their way.
struct Writing {
    inner: Arc<Inner>,
    running: Arc<Running>,
    statements: Vec<(Statement, Vec<Value>)>,
    options: RunOptions,
    /// Which statement runs.
    at: Arc<AtomicUsize>,
}

/// Whether the statements run in a transaction of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrapped {
    Yes,
    /// One statement that the server runs outside of transactions only.
    No,
}

/// Runs the statements; all take effect or none.
///
/// # Errors
///
/// As `Database::write`.
pub(super) async fn write(
    inner: &Arc<Inner>,
    call: &Call,
    statements: Vec<(Statement, Vec<Value>)>,
    options: &RunOptions,
) -> Result<Vec<Execution>, BatchError> {
    let running = Arc::new(Running::default());
    let at = Arc::new(AtomicUsize::new(0));
    let writing = Writing { inner: inner.clone(), running: running.clone(), statements, options: *options, at: at.clone() };
    let control = inner.control.clone();
    let interrupted = running.clone();
    let result = supervised(call, options.timeout, move || control.interrupt(interrupted), writing.run()).await;
    result.map_err(|error| {
        let unheard = error.effect == Effect::Undone && running.ending.load(Ordering::Relaxed);
        let error = if unheard { error.effect(Effect::Unknown).hint(FIND_OUT) } else { error };
        BatchError { index: at.load(Ordering::Relaxed), error }
    })
}

impl Writing {
    async fn run(self) -> Result<Vec<Execution>, DatabaseError> {
        let result = self.attempts().await;
        self.running.clear().await;
        result
    }

    async fn attempts(&self) -> Result<Vec<Execution>, DatabaseError> {
        let Some(pool) = &self.inner.writes else {
            return Err(DatabaseError::new(ErrorKind::ReadOnly, "this database is read only"));
        };
        let mut wrapped = Wrapped::Yes;
        let mut retried = false;
        loop {
            let mut session = self.inner.acquire(pool, &self.running).await?;
            self.at.store(0, Ordering::Relaxed);
            let mut began = false;
            let result = self.attempt(&mut session, wrapped, &mut began).await;
            let reused = session.reused;
            let clean = match &result {
                _ if session.broken => false,
                Ok(_) => self.is_plain() || self.restore(&mut session).await,
                Err(Stop::Driver(error)) if sqlstate(error).is_none() || is_broken(error) || is_stale(error) => false,
                // After a failover the name of the server may lead to the one that takes writes.
                Err(Stop::Driver(error)) if takes_no_writes(error, began) => {
                    pool.forget_idle();
                    false
                }
                Err(Stop::Undescribed) => false,
                Err(_) => self.restore(&mut session).await,
            };
            if let (Err(Stop::MissingTypes(oids)), true) = (&result, clean) {
                self.inner.types.load(session.connection(), oids).await.map_err(statement_error)?;
            }
            self.running.clear().await;
            if self.statements.iter().any(|(statement, _)| statement.kind == StatementKind::Admin) {
                self.inner.types.forget();
            }
            if clean && !session.is_shared() {
                session.release();
            }
            match result {
                Ok(executions) => return Ok(executions),
                Err(Stop::Failed(error)) => return Err(error),
                // The transaction was rolled back, so that nothing has taken effect twice.
                Err(Stop::MissingTypes(_)) if clean && wrapped == Wrapped::Yes && !retried => retried = true,
                Err(Stop::Driver(error)) if is_refused_in_transaction(&error) && wrapped == Wrapped::Yes => match self.statements.len() {
                    1 => wrapped = Wrapped::No,
                    _ => return Err(statement_error(error).hint("run this statement alone: the server does not run it in a transaction")),
                },
                // Not one statement was sent.
                Err(Stop::Driver(error)) if reused && !began && !retried && is_broken(&error) => {
                    retried = true;
                    pool.forget_idle();
                }
                // The server refused to begin with it, and the transaction is gone.
                Err(Stop::Driver(error)) if !retried && wrapped == Wrapped::Yes && is_stale(&error) => {
                    retried = true;
                    pool.forget_idle();
                }
                Err(Stop::Driver(error)) if takes_no_writes(&error, began) => return Err(follows_another(error)),
                Err(Stop::Driver(error)) if began => return Err(left_behind(error, wrapped)),
                Err(Stop::Driver(error)) => return Err(statement_error(error)),
                Err(Stop::MissingTypes(_) | Stop::NeedsCast | Stop::Undescribed) => return Err(unreadable()),
            }
        }
    }

    async fn attempt(&self, session: &mut Session, wrapped: Wrapped, began: &mut bool) -> Result<Vec<Execution>, Stop> {
        if wrapped == Wrapped::Yes {
            let connector = self.inner.writes.as_ref().unwrap_or(&self.inner.reads).connector();
            let pid = connector.begin(session.connection(), self.options.timeout).await?;
            session.set_pid(pid);
            self.running.set(pid).await;
        }
        *began = true;
        // Outside of a transaction of ours each statement ends by itself.
        self.running.ending.store(wrapped == Wrapped::No, Ordering::Relaxed);
        let mut executions = Vec::with_capacity(self.statements.len());
        for (index, (statement, values)) in self.statements.iter().enumerate() {
            self.at.store(index, Ordering::Relaxed);
            executions.push(self.execute(session, statement, values).await?);
        }
        if wrapped == Wrapped::Yes {
            self.check_stopped()?;
            self.running.ending.store(true, Ordering::Relaxed);
            host_batch(session.connection(), "COMMIT".to_owned()).await.map_err(commit_failed)?;
        }
        Ok(executions)
    }

    async fn execute(&self, session: &mut Session, statement: &Statement, values: &[Value]) -> Result<Execution, Stop> {
        let Inner { types, blanks, control, .. } = &*self.inner;
        let prepare = || AssertSqlSafe(statement.text.clone()).into_sql_str();
        let mut blank = None;
        let arguments = match values.is_empty() {
            true => PgArguments::default(),
            false => {
                let oids = match session.connection().prepare(prepare()).await {
                    Ok(prepared) => parameter_types(&prepared),
                    // The server knows the parameters; what the statement returns, if anything, has no names then.
                    Err(error) if shape::is_undescribed(&error) => {
                        blank = Some(blanks.of(session.connection(), 0).await?);
                        shape::parameters_of(session.connection(), &statement.text).await?
                    }
                    Err(error) => return Err(Stop::Driver(error)),
                };
                parameters::bind(session.connection(), types, blanks, &oids, values).await?
            }
        };
        self.check_stopped()?;
        // What changes the schema is seldom run twice, and would only push others out.
        let keep = statement.kind != StatementKind::Admin && !session.is_shared();
        let mut sent = Sent::new(&statement.text, arguments, keep);
        let unnamed = blank.is_some();
        if let Some(blank) = blank {
            sent = sent.described_by(blank);
        }
        let fetched = rows::fetch(session, control, types, sent, None, self.options.limits, Rest::Discard).await?;
        let returned = match fetched.rows {
            Some(_) if unnamed => return Err(Stop::Undescribed),
            Some(rows) => Some(rows),
            None if !keep || unnamed => None,
            None => {
                let prepared = session.connection().prepare(prepare()).await?;
                let (names, oids) = shape::described(&prepared);
                let of = rows::all_known(types, &oids)?;
                if names.is_empty() { None } else { Some(rows::empty(rows::columns(&names, &of), self.options.limits)?) }
            }
        };
        let affected = match statement.kind {
            StatementKind::Write => fetched.affected,
            _ => 0,
        };
        Ok(Execution { affected, returned })
    }

    /// Whether nothing that ran can have left a trace in the session.
    fn is_plain(&self) -> bool {
        self.statements.iter().all(|(statement, _)| statement.traceless)
    }

    async fn restore(&self, session: &mut Session) -> bool {
        let Some(pool) = &self.inner.writes else { return false };
        let pid = session.pid();
        match session.is_shared() {
            true => {
                pool.connector().rollback(session.connection()).await;
                false
            }
            false => pool.connector().restore(session.connection(), pid).await,
        }
    }

    fn check_stopped(&self) -> Result<(), Stop> {
        match self.running.stopped.is_cancelled() {
            true => Err(Stop::Failed(super::stopped())),
            false => Ok(()),
        }
    }
}

/// `VACUUM`, `CREATE DATABASE`, `CREATE INDEX CONCURRENTLY` and kin, and procedures that commit: refused before they did anything,
/// or rolled back.
fn is_refused_in_transaction(error: &sqlx::Error) -> bool {
    matches!(sqlstate(error), Some("25001" | "2D000"))
}

/// Whether the server follows another one: then it does not begin a transaction that writes (`0A000`), or ends the one that it was
/// writing in when it was demoted (`25006`).
fn takes_no_writes(error: &sqlx::Error, began: bool) -> bool {
    matches!((sqlstate(error), began), (Some("0A000"), false) | (Some("25006"), _))
}

fn follows_another(error: sqlx::Error) -> DatabaseError {
    let error = statement_error(error);
    let said = DatabaseError::new(ErrorKind::ReadOnly, "the server takes no writes now: it follows another one, or was made read only");
    let said = said.hint("nothing has taken effect; try again when the operator has put a server there that takes writes");
    match error.sqlstate {
        Some(code) => said.sqlstate(code),
        None => said,
    }
}

/// A connection that breaks while it commits leaves open whether it did.
fn commit_failed(error: sqlx::Error) -> Stop {
    if sqlstate(&error).is_some() && !is_broken(&error) {
        return Stop::Driver(error);
    }
    let error =
        DatabaseError::new(ErrorKind::Unavailable, "the connection broke during COMMIT: whether the statements took effect is not known");
    Stop::Failed(error.hint(FIND_OUT).fault(Fault::Connection).effect(Effect::Unknown))
}

/// The error of statements that had begun, with what they have left in the database.
fn left_behind(error: sqlx::Error, wrapped: Wrapped) -> DatabaseError {
    let error = statement_error(error);
    match (error.fault, wrapped) {
        (Fault::Connection, Wrapped::Yes) => error.effect(Effect::Undone),
        (Fault::Connection, Wrapped::No) => error.effect(Effect::Unknown).hint(FIND_OUT),
        // A part of it may stay, as an index that was built concurrently does.
        (Fault::Conflict, Wrapped::No) => error.effect(Effect::Undone),
        _ => error,
    }
}

fn unreadable() -> DatabaseError {
    DatabaseError::new(ErrorKind::NotSupported, "a returned column or a parameter has a type that this host cannot read here")
        .hint("cast it to text in the statement, for example `RETURNING column::text` or `$1::text`")
}
