//! Runs one reading statement.
//!
//! A statement that is certain to leave nothing behind takes one round trip: the session is read only by default and
//! nothing it can do changes that. Every other one runs in a transaction that says `READ ONLY` itself and always ends in
//! `ROLLBACK`, and the session is put back to what it was, or closed.

use std::sync::Arc;

use sqlx::AssertSqlSafe;
use sqlx::Executor;
use sqlx::SqlSafeStr;
use sqlx::Statement as _;
use sqlx::postgres::PgArguments;

use super::Inner;
use super::control::Running;
use super::error::is_broken;
use super::error::is_stale;
use super::error::sqlstate;
use super::error::statement_error;
use super::parameters;
use super::pool::Session;
use super::rows;
use super::rows::Rest;
use super::rows::Stop;
use super::shape;
use super::shape::Sent;
use super::shape::Shape;
use crate::call::Call;
use crate::database::RunOptions;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::rows::RowSet;
use crate::database::setup::Setup;
use crate::database::statement::Statement;
use crate::database::supervise::supervised;
use crate::database::value::Value;

/// Times that a statement is sent at most: once more for types to be looked up, for columns to be cast, for a stale session.
pub(super) const MOST_ATTEMPTS: usize = 6;

/// One reading statement on its way.
pub(super) struct Reading {
    pub(super) inner: Arc<Inner>,
    pub(super) running: Arc<Running>,
    pub(super) statement: Statement,
    pub(super) values: Vec<Value>,
    pub(super) options: RunOptions,
}

/// The text in which a statement is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Plain,
    /// In a subquery whose columns are cast, once the server has described it.
    Cast,
}

/// Runs one statement of kind `Read`.
///
/// # Errors
///
/// As `Database::read`.
pub(super) async fn read(
    inner: &Arc<Inner>,
    call: &Call,
    statement: &Statement,
    values: &[Value],
    options: &RunOptions,
) -> Result<RowSet, DatabaseError> {
    let running = Arc::new(Running::default());
    let reading = Reading {
        inner: inner.clone(),
        running: running.clone(),
        statement: statement.clone(),
        values: values.to_vec(),
        options: options.clone(),
    };
    let control = inner.control.clone();
    supervised(call, options.timeout, move || control.interrupt(running), reading.run()).await
}

impl Reading {
    async fn run(self) -> Result<RowSet, DatabaseError> {
        let result = self.attempts().await;
        self.running.clear().await;
        result
    }

    async fn attempts(&self) -> Result<RowSet, DatabaseError> {
        let mut form = Form::Plain;
        let mut retried = false;
        for _ in 0..MOST_ATTEMPTS {
            let mut session = self.inner.acquire(&self.inner.reads, &self.options.setup, &self.running).await?;
            let traceless = self.is_traceless(&mut session).await;
            let in_transaction = session.is_shared() || !traceless;
            let result = self.attempt(&mut session, form, in_transaction).await;
            let reused = session.reused;
            let mut keep = match &result {
                _ if session.broken => false,
                Err(Stop::Driver(error)) => !is_broken(error) && !is_stale(error) && sqlstate(error).is_some(),
                Err(Stop::Undescribed) => false,
                Ok(_) | Err(_) => true,
            };
            if keep && in_transaction {
                keep = self.end(&mut session, traceless).await;
            }
            if let (Err(Stop::MissingTypes(oids)), true) = (&result, keep) {
                self.inner.types.load(session.connection(), oids).await.map_err(statement_error)?;
            }
            self.running.clear().await;
            if keep {
                session.release();
            }
            match result {
                Ok(rows) => return Ok(rows),
                Err(Stop::Failed(error)) => return Err(error),
                Err(Stop::MissingTypes(_)) => {}
                Err(Stop::NeedsCast | Stop::Undescribed) if form == Form::Plain => form = Form::Cast,
                Err(Stop::NeedsCast | Stop::Undescribed) => return Err(unreadable()),
                Err(Stop::Driver(error)) if !retried && ((reused && is_broken(&error)) || is_stale(&error)) => {
                    // Nothing of a reading statement can have taken effect.
                    retried = true;
                    self.inner.reads.forget_idle();
                }
                Err(Stop::Driver(error)) => return Err(failed(error, form)),
            }
        }
        Err(unreadable())
    }

    /// Whether it is certain to leave nothing in the session: by its text, and by what its tables add to that.
    async fn is_traceless(&self, session: &mut Session) -> bool {
        let Statement { traceless, functions, tables, .. } = &self.statement;
        *traceless && functions.is_empty() && self.inner.surroundings.are_plain(session.connection(), tables).await
    }

    /// Sends the statement once.
    pub(super) async fn attempt(&self, session: &mut Session, form: Form, in_transaction: bool) -> Result<RowSet, Stop> {
        let refusal = self.inner.volatility.refusal(session.connection(), &self.statement.functions).await?;
        if let Some(refusal) = refusal {
            return Err(Stop::Failed(refusal));
        }
        if in_transaction {
            let repeated = if session.is_shared() { self.options.setup.clone() } else { Setup::default() };
            let pid = self.inner.reads.connector().begin(session.connection(), self.options.timeout, &repeated).await?;
            session.set_pid(pid);
            self.running.set(pid).await;
        }
        match form {
            Form::Plain => self.plain(session).await,
            Form::Cast => self.cast(session).await,
        }
    }

    /// Sends the statement as it is.
    async fn plain(&self, session: &mut Session) -> Result<RowSet, Stop> {
        let Inner { types, blanks, control, .. } = &*self.inner;
        let text = &self.statement.text;
        let arguments = match self.values.is_empty() {
            true => PgArguments::default(),
            false => {
                let prepared = session.connection().prepare(AssertSqlSafe(text.clone()).into_sql_str()).await?;
                let oids = parameter_types(&prepared);
                parameters::bind(session.connection(), types, blanks, &oids, &self.values).await?
            }
        };
        self.check_stopped()?;
        let sent = Sent::new(text, arguments, !session.is_shared());
        let fetched = match rows::fetch(session, control, types, sent, None, self.options.limits, Rest::Stop).await {
            // "no binary output function available for type …"
            Err(Stop::Driver(error)) if sqlstate(&error) == Some("42883") => return Err(self.no_binary_form(session, error).await),
            fetched => fetched?,
        };
        if let Some(rows) = fetched.rows {
            return Ok(rows);
        }
        // Described already: this is no round trip.
        let prepared = session.connection().prepare(AssertSqlSafe(text.clone()).into_sql_str()).await?;
        let (names, oids) = shape::described(&prepared);
        let of = rows::all_known(types, &oids)?;
        rows::empty(rows::columns(&names, &of), self.options.limits)
    }

    /// Has the server describe the statement, and sends it in a subquery.
    async fn cast(&self, session: &mut Session) -> Result<RowSet, Stop> {
        let Inner { types, blanks, control, .. } = &*self.inner;
        let text = &self.statement.text;
        let shape = Shape::describe(session.connection(), types, blanks, text, self.values.len()).await.map_err(Stop::Driver)?;
        let arguments = parameters::bind(session.connection(), types, blanks, &shape.parameters, &self.values).await?;
        let blank = blanks.of(session.connection(), shape.columns.len()).await?;
        self.check_stopped()?;
        let sent = Sent::new(&shape.text, arguments, !session.is_shared()).described_by(blank);
        let fetched = rows::fetch(session, control, types, sent, Some(&shape), self.options.limits, Rest::Stop).await?;
        match fetched.rows {
            Some(rows) => Ok(rows),
            None => rows::empty(shape.columns, self.options.limits),
        }
    }

    /// Tells whether a missing function was the statement's own, or that of a type which has no binary form.
    async fn no_binary_form(&self, session: &mut Session, error: sqlx::Error) -> Stop {
        // The driver has the description already when the statement itself was fine; else this fails, as it did.
        let text = AssertSqlSafe(self.statement.text.clone()).into_sql_str();
        let Ok(prepared) = session.connection().prepare(text).await else { return Stop::Driver(error) };
        let (_, oids) = shape::described(&prepared);
        match rows::all_known(&self.inner.types, &oids) {
            Ok(types) if types.iter().any(|of| of.cast().is_some()) => Stop::NeedsCast,
            Ok(_) => Stop::Driver(error),
            Err(missing) => missing,
        }
    }

    /// Ends the transaction and cleans the session; `false` when it must be closed.
    async fn end(&self, session: &mut Session, traceless: bool) -> bool {
        let connector = self.inner.reads.connector();
        let pid = session.pid();
        match (traceless, session.is_shared()) {
            (true, _) => connector.rollback(session.connection()).await,
            (false, false) => connector.restore(session.connection(), pid, &self.options.setup).await,
            // The settings of a session behind a pooler are not ours to reset.
            (false, true) => {
                connector.rollback(session.connection()).await;
                false
            }
        }
    }

    fn check_stopped(&self) -> Result<(), Stop> {
        match self.running.stopped.is_cancelled() {
            true => Err(Stop::Failed(super::stopped())),
            false => Ok(()),
        }
    }
}

/// Why the statement failed, when the driver or the server said so.
pub(super) fn failed(error: sqlx::Error, form: Form) -> DatabaseError {
    match form {
        // The server refused the subquery, not the statement: that one it had parsed before.
        Form::Cast if sqlstate(&error).is_some_and(|code| code.starts_with("42")) => unreadable(),
        _ => statement_error(error),
    }
}

/// The types of a statement's parameters.
pub(super) fn parameter_types(prepared: &sqlx::postgres::PgStatement) -> Vec<u32> {
    match prepared.parameters() {
        Some(sqlx::Either::Left(types)) => types.iter().map(|of| of.oid().map_or(0, |oid| oid.0)).collect(),
        _ => Vec::new(),
    }
}

/// A type that has no form which the host can read.
pub(super) fn unreadable() -> DatabaseError {
    DatabaseError::new(ErrorKind::NotSupported, "the result or a parameter has a type that this host cannot read here")
        .hint("cast it to text in the statement, for example `column::text` or `$1::text`")
}
