//! Runs statements that write, in one transaction.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use sqlx::AssertSqlSafe;
use sqlx::Executor;
use sqlx::Row;
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
use crate::database::confirmation::Guard;
use crate::database::error::DatabaseError;
use crate::database::error::Effect;
use crate::database::error::ErrorKind;
use crate::database::error::FIND_OUT;
use crate::database::error::Fault;
use crate::database::setup::Setup;
use crate::database::statement::Statement;
use crate::database::statement::StatementKind;
use crate::database::supervise::supervised;
use crate::database::value::Value;

/// Statements on their way.
pub(super) struct Writing {
    inner: Arc<Inner>,
    pub(super) running: Arc<Running>,
    pub(super) statements: Vec<(Statement, Vec<Value>)>,
    guard: Guard,
    pub(super) options: RunOptions,
    /// Which statement runs.
    pub(super) at: Arc<AtomicUsize>,
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
    guard: Guard,
    options: &RunOptions,
) -> Result<Vec<Execution>, BatchError> {
    let running = Arc::new(Running::default());
    let writing = Writing::new(inner.clone(), running.clone(), statements, guard, options.clone());
    let at = writing.at.clone();
    let control = inner.control.clone();
    let interrupted = running.clone();
    let result = supervised(call, options.timeout, move || control.interrupt(interrupted), writing.run()).await;
    result.map_err(|error| {
        let unheard = error.effect == Effect::Undone && running.ending.load(Ordering::Relaxed);
        let error = if unheard { error.effect(Effect::Unknown).hint(FIND_OUT) } else { error };
        BatchError { index: index(&at), error }
    })
}

/// Which statement ran last.
pub(super) fn index(at: &AtomicUsize) -> usize {
    at.load(Ordering::Relaxed)
}

impl Writing {
    /// Statements that have not begun.
    pub(super) fn new(
        inner: Arc<Inner>,
        running: Arc<Running>,
        statements: Vec<(Statement, Vec<Value>)>,
        guard: Guard,
        options: RunOptions,
    ) -> Self {
        Self { inner, running, statements, guard, options, at: Arc::default() }
    }

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
            let mut session = self.inner.acquire(pool, &self.options.setup, &self.running).await?;
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
                    1 if self.guard != Guard::Count => wrapped = Wrapped::No,
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
            let repeated = if session.is_shared() { self.options.setup.clone() } else { Setup::default() };
            let pid = connector.begin(session.connection(), self.options.timeout, &repeated).await?;
            session.set_pid(pid);
            self.running.set(pid).await;
        }
        *began = true;
        // Outside of a transaction of ours each statement ends by itself.
        self.running.ending.store(wrapped == Wrapped::No, Ordering::Relaxed);
        if wrapped == Wrapped::No {
            // It has taken effect already.
            return self.run_all(session).await;
        }
        let executions = self.run_checked(session).await?;
        self.running.ending.store(true, Ordering::Relaxed);
        host_batch(session.connection(), "COMMIT".to_owned()).await.map_err(commit_failed)?;
        Ok(executions)
    }

    /// Runs the statements, one after another; fails when what they did may not stay, and then the transaction, or the
    /// savepoint, must be rolled back.
    pub(super) async fn run_checked(&self, session: &mut Session) -> Result<Vec<Execution>, Stop> {
        // The server's answer counts the rows of the outermost command only.
        let hidden = |statement: &Statement| {
            statement.kind == StatementKind::Write && !matches!(statement.verb.as_str(), "INSERT" | "UPDATE" | "DELETE" | "MERGE")
        };
        let counts_hidden = self.guard != Guard::Free && self.statements.iter().any(|(statement, _)| hidden(statement));
        let before = if counts_hidden { changed_rows(session).await? } else { 0 };
        let executions = self.run_all(session).await?;
        self.check_stopped()?;
        let mut affected: u64 = executions.iter().map(|execution| execution.affected).sum();
        if counts_hidden {
            let changed = changed_rows(session).await?.saturating_sub(before);
            // What such a statement answers with is rows read as well.
            affected = if self.statements.iter().all(|(statement, _)| hidden(statement)) { changed } else { changed.max(affected) };
        }
        self.guard.check(affected)?;
        Ok(executions)
    }

    async fn run_all(&self, session: &mut Session) -> Result<Vec<Execution>, Stop> {
        let mut executions = Vec::with_capacity(self.statements.len());
        for (index, (statement, values)) in self.statements.iter().enumerate() {
            self.at.store(index, Ordering::Relaxed);
            executions.push(self.execute(session, statement, values).await?);
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
            false => pool.connector().restore(session.connection(), pid, &self.options.setup).await,
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
pub(super) fn is_refused_in_transaction(error: &sqlx::Error) -> bool {
    matches!(sqlstate(error), Some("25001" | "2D000"))
}

/// Rows that the transaction has changed so far, also in common table expressions, functions and triggers.
async fn changed_rows(session: &mut Session) -> Result<u64, Stop> {
    let sum = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::pg_catalog.int8 FROM pg_catalog.pg_stat_xact_user_tables";
    let rows = host_batch(session.connection(), sum.to_owned()).await?;
    let sum: i64 = rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)?;
    Ok(u64::try_from(sum).unwrap_or(0))
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

/// A type that has no form which the host can read.
pub(super) fn unreadable() -> DatabaseError {
    DatabaseError::new(ErrorKind::NotSupported, "a returned column or a parameter has a type that this host cannot read here")
        .hint("cast it to text in the statement, for example `RETURNING column::text` or `$1::text`")
}
