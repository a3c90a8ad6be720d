//! A transaction over several calls: a connection pinned for as long as it is open.
//!
//! The family keeps a transaction through a failed statement, but not through a deadlock, and it ends one without a word for
//! whatever commits by itself. So what changes the schema is refused here, as are procedures, and every write stands between
//! a savepoint and its release: when the savepoint is gone, so is the transaction, and that is said. A reading statement of a
//! writing transaction cannot be made read only for the server; it must have columns, may call no function of the database's
//! own, and is rolled back to its savepoint.

use std::time::Duration;

use super::MySql;
use super::connect::Access as Purpose;
use super::connect::Product;
use super::error;
use super::pool::Checkout;
use super::pool::Pool;
use super::query;
use super::query::Fault;
use super::query::Surplus;
use super::running::Running;
use super::write;
use crate::call::Call;
use crate::config::Mode;
use crate::database::BatchError;
use crate::database::Execution;
use crate::database::RunOptions;
use crate::database::confirmation::Guard;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::rows::RowSet;
use crate::database::setup::Setup;
use crate::database::statement::Statement;
use crate::database::statement::StatementKind;
use crate::database::supervise::supervised;
use crate::database::transaction::Access;
use crate::database::transaction::Act;
use crate::database::transaction::BeginOptions;
use crate::database::transaction::Ending;
use crate::database::transaction::Isolation;
use crate::database::transaction::savepoint::Savepoints;
use crate::database::transaction::slot::Slot;
use crate::database::value::Value;

/// How long the end of a transaction may take on the server before its connection is closed instead.
const END_LIMIT: Duration = Duration::from_secs(2);

/// `ER_SP_DOES_NOT_EXIST`: also what a savepoint is that is gone.
const NO_SAVEPOINT: u16 = 1305;

/// The savepoint of the statement that runs.
const STATEMENT: &str = "tidegate";

/// A connection with a transaction. Dropping it closes the connection, and the server rolls back.
pub(in crate::database) struct Pinned {
    pool: Pool,
    checkout: Checkout,
    access: Access,
    /// Whether nothing that ran can have left a trace in the session.
    traceless: bool,
    savepoints: Savepoints,
    /// Set when there is no transaction any more.
    dead: Option<Ending>,
}

impl MySql {
    /// Begins a transaction.
    pub(in crate::database) async fn begin(&self, call: &Call, options: BeginOptions, setup: &Setup) -> Result<Pinned, DatabaseError> {
        if options.deferrable {
            return Err(DatabaseError::new(ErrorKind::NotSupported, "this engine has no deferrable transactions").hint("leave it out"));
        }
        if options.access == Access::ReadWrite && self.mode != Mode::ReadWrite {
            return Err(DatabaseError::new(ErrorKind::ReadOnly, "the database is read only"));
        }
        let running = Running::new();
        let interrupt = running.interrupter(&self.pool);
        let (pool, setup) = (self.pool.clone(), setup.clone());
        supervised(call, self.limit, interrupt, async move {
            let _ended = running.ended_on_drop();
            let purpose = match options.access {
                Access::ReadOnly => Purpose::Read,
                Access::ReadWrite => Purpose::Write,
            };
            let mut tries_left = 1;
            loop {
                let mut checkout = running.lend(&pool, purpose, &setup).await?;
                running.begin(&checkout.session)?;
                match begin(&mut checkout, options).await {
                    Ok(()) => {
                        let savepoints = Savepoints::default();
                        return Ok(Pinned { pool, checkout, access: options.access, traceless: true, savepoints, dead: None });
                    }
                    Err(error) if checkout.reused && error::is_lost(&error) && tries_left > 0 => {
                        tries_left -= 1;
                        pool.forget_idle();
                    }
                    Err(error) => return Err(error::of_statement(error)),
                }
            }
        })
        .await
    }
}

async fn begin(checkout: &mut Checkout, options: BeginOptions) -> Result<(), sqlx::Error> {
    let session = &mut checkout.session;
    // For the next transaction only.
    let isolation = match options.isolation {
        None => None,
        Some(Isolation::ReadUncommitted) => Some("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED"),
        Some(Isolation::ReadCommitted) => Some("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"),
        Some(Isolation::RepeatableRead) => Some("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"),
        Some(Isolation::Serializable) => Some("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
    };
    if let (None, Access::ReadOnly) = (isolation, options.access) {
        session.host_text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
    } else if let Some(text) = isolation {
        session.host_text(text).await?;
    }
    // A snapshot from now on, and not from the first statement on, where the level has one.
    let snapshot = matches!(options.isolation, None | Some(Isolation::RepeatableRead));
    let text = match (options.access, session.product, snapshot) {
        // TiDB has no read-only transactions; there every reading statement is rolled back.
        (_, Product::TiDb, _) => "START TRANSACTION",
        (Access::ReadOnly, _, true) => "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        (Access::ReadOnly, _, false) => "START TRANSACTION READ ONLY",
        (Access::ReadWrite, _, _) => "START TRANSACTION READ WRITE",
    };
    session.host_text(text).await
}

impl Pinned {
    /// Its savepoints.
    pub(in crate::database) fn savepoints(&self) -> &Savepoints {
        &self.savepoints
    }

    /// Runs one reading statement.
    pub(in crate::database) async fn read(
        mut slot: Slot<Self>,
        call: &Call,
        statement: &Statement,
        values: &[Value],
        options: &RunOptions,
    ) -> Result<RowSet, DatabaseError> {
        let mut pinned = slot.take()?;
        let running = Running::new();
        let interrupt = running.interrupter(&pinned.pool);
        let (statement, values, options_copy) = (statement.clone(), values.to_vec(), options.clone());
        supervised(call, options.timeout, interrupt, async move {
            let result = pinned.read_now(&running, &statement, &values, &options_copy).await;
            let dead = pinned.dead.take();
            slot.put(pinned, dead);
            result
        })
        .await
    }

    /// Runs statements that write, all or none of them.
    pub(in crate::database) async fn write(
        mut slot: Slot<Self>,
        call: &Call,
        statements: Vec<(Statement, Vec<Value>)>,
        guard: Guard,
        options: &RunOptions,
    ) -> Result<Vec<Execution>, BatchError> {
        if let Some((index, error)) = statements.iter().enumerate().find_map(|(index, (statement, _))| Some((index, refusal(statement)?))) {
            return Err(BatchError { index, error });
        }
        let mut pinned = slot.take().map_err(|error| BatchError { index: 0, error })?;
        let running = Running::new();
        let interrupt = running.interrupter(&pinned.pool);
        let (state, options_copy) = (running.clone(), options.clone());
        let result = supervised(call, options.timeout, interrupt, async move {
            let result = pinned.write_now(&state, &statements, guard, &options_copy).await;
            let dead = pinned.dead.take();
            slot.put(pinned, dead);
            result
        })
        .await;
        result.map_err(|error| BatchError { index: running.index(), error })
    }

    /// Sets a savepoint, rolls back to it or forgets it.
    pub(in crate::database) async fn mark(
        mut slot: Slot<Self>,
        call: &Call,
        act: Act,
        name: &str,
        limit: Duration,
    ) -> Result<(), DatabaseError> {
        let mut pinned = slot.take()?;
        let name = name.to_owned();
        supervised(call, limit, || async {}, async move {
            let result = match pinned.savepoints.statement(act, &name) {
                Ok(statement) => pinned.command(&statement).await.map(|()| pinned.savepoints.note(act, &name)),
                Err(error) => Err(error),
            };
            let dead = pinned.dead.take();
            slot.put(pinned, dead);
            result
        })
        .await
    }

    /// Commits. The transaction is over, whatever comes of it.
    pub(in crate::database) async fn commit(mut slot: Slot<Self>, call: &Call, limit: Duration) -> Result<(), DatabaseError> {
        let mut pinned = slot.take()?;
        // Cut off in the middle it may have taken effect.
        slot.put_ending(Ending::Unknown(LOOK.into()));
        supervised(call, limit, || async {}, async move {
            let (ending, result) = match pinned.checkout.session.host_text("COMMIT").await {
                Ok(()) => {
                    pinned.give_back().await;
                    (Ending::Committed, Ok(()))
                }
                Err(_) if pinned.access == Access::ReadOnly => (Ending::Committed, Ok(())),
                Err(error) if error::is_in_step(&error) => {
                    let error = error::of_statement(error);
                    (Ending::Aborted(error.message.clone()), Err(error))
                }
                Err(_) => {
                    let text = "the connection was lost during COMMIT: whether the transaction took effect is not known";
                    (Ending::Unknown(LOOK.into()), Err(DatabaseError::new(ErrorKind::Failed, text).hint(LOOK)))
                }
            };
            slot.put_ending(ending);
            result
        })
        .await
    }

    /// Rolls back on the server and gives the connection back to its pool when it is clean.
    pub(in crate::database) async fn roll_back(mut self) {
        if let Ok(Ok(())) = tokio::time::timeout(END_LIMIT, self.checkout.session.host_text("ROLLBACK")).await {
            self.give_back().await;
        }
    }

    async fn read_now(
        &mut self,
        running: &Running,
        statement: &Statement,
        values: &[Value],
        options: &RunOptions,
    ) -> Result<RowSet, DatabaseError> {
        let _ended = running.ended_on_drop();
        running.begin(&self.checkout.session)?;
        let undone = self.access == Access::ReadWrite || self.checkout.session.product == Product::TiDb;
        if undone && let Some(function) = statement.functions.first() {
            return Err(DatabaseError::new(
                ErrorKind::ReadOnly,
                format!("`{function}` is a function of the database's own, which may write, and the transaction is not read only"),
            )
            .hint("call it in a transaction with `access` `read_only`, or with `execute_query`"));
        }
        self.traceless &= statement.traceless;
        let undone = undone && !statement.traceless;
        if undone {
            self.command(&format!("SAVEPOINT {STATEMENT}")).await?;
        }
        let session = &mut self.checkout.session;
        let result = query::read_statement(session, running, statement, values, options.limits, Surplus::ReadOn).await;
        let result = match (result, running.interrupted()) {
            // `SLEEP` and kin answer with a row when they are killed; that row is not the answer.
            (Ok(_), true) => Err(Fault::Host(DatabaseError::new(ErrorKind::Cancelled, "the statement was stopped"))),
            (result, _) => result,
        };
        match result {
            Ok(answer) => {
                if undone {
                    self.take_back().await?;
                }
                Ok(answer.rows.unwrap_or_else(RowSet::empty))
            }
            Err(fault) => Err(self.recover(fault, undone, running).await),
        }
    }

    async fn write_now(
        &mut self,
        running: &Running,
        statements: &[(Statement, Vec<Value>)],
        guard: Guard,
        options: &RunOptions,
    ) -> Result<Vec<Execution>, DatabaseError> {
        let _ended = running.ended_on_drop();
        running.begin(&self.checkout.session)?;
        self.traceless &= statements.iter().all(|(statement, _)| statement.traceless);
        self.command(&format!("SAVEPOINT {STATEMENT}")).await?;
        match self.run_all(running, statements, guard, options).await {
            Ok(executions) => {
                self.command(&format!("RELEASE SAVEPOINT {STATEMENT}")).await?;
                Ok(executions)
            }
            Err(fault) => Err(self.recover(fault, true, running).await),
        }
    }

    async fn run_all(
        &mut self,
        running: &Running,
        statements: &[(Statement, Vec<Value>)],
        guard: Guard,
        options: &RunOptions,
    ) -> Result<Vec<Execution>, Fault> {
        let session = &mut self.checkout.session;
        if guard != Guard::Free {
            write::check_undoable(session, statements, guard).await?;
        }
        let mut done = Vec::with_capacity(statements.len());
        for (index, (statement, values)) in statements.iter().enumerate() {
            running.at(index);
            done.push(write::run_one(session, running, statement, values, options).await?);
        }
        running.check()?;
        guard.check(done.iter().map(|execution| execution.affected).sum())?;
        Ok(done)
    }

    /// Takes back what a failed statement did. Its error is the answer, with the end of the transaction where it brought that.
    async fn recover(&mut self, fault: Fault, has_savepoint: bool, running: &Running) -> DatabaseError {
        if !fault.is_in_step() {
            self.dead = Some(Ending::Lost);
            return fault.into_error();
        }
        let error = fault.into_error();
        if has_savepoint {
            // A kill that came too late for its statement hits one command after it, and no second one.
            let mut taken_back = self.take_back().await;
            if taken_back.is_err() && running.interrupted() && self.dead != Some(Ending::Lost) {
                self.dead = None;
                taken_back = self.take_back().await;
            }
            if taken_back.is_err() && self.dead != Some(Ending::Lost) {
                self.dead = Some(Ending::Aborted(error.message.clone()));
            }
        } else if running.interrupted() && self.checkout.session.host_text("DO 0").await.is_err() {
            // Whatever the late kill did not hit goes through now.
            if self.checkout.session.host_text("DO 0").await.is_err() {
                self.dead = Some(Ending::Lost);
            }
        }
        error
    }

    async fn take_back(&mut self) -> Result<(), DatabaseError> {
        self.command(&format!("ROLLBACK TO SAVEPOINT {STATEMENT}")).await
    }

    /// Runs a savepoint command of the host. When that fails the transaction cannot go on.
    async fn command(&mut self, statement: &str) -> Result<(), DatabaseError> {
        self.checkout.session.savepoint(statement).await.map_err(|error| {
            if !error::is_in_step(&error) {
                self.dead = Some(Ending::Lost);
                return error::of_statement(error);
            }
            let gone = error::number(&error) == Some(NO_SAVEPOINT);
            let why = if gone { "something in it ended it".to_owned() } else { error::of_statement(error).message };
            self.dead = Some(Ending::Aborted(why.clone()));
            DatabaseError::new(ErrorKind::Failed, format!("the transaction did not go on: {why}"))
        })
    }

    /// Gives the connection back after the end of the transaction, or closes it.
    async fn give_back(self) {
        match self.traceless {
            true => self.checkout.give_back(),
            false => self.checkout.close().await,
        }
    }
}

/// Why a statement does not run in a transaction.
fn refusal(statement: &Statement) -> Option<DatabaseError> {
    match statement.kind {
        StatementKind::Admin => Some(DatabaseError::new(
            ErrorKind::NotSupported,
            "this engine commits by itself when a statement changes schema, roles or settings, which would end the transaction",
        )),
        StatementKind::Write if statement.verb == "CALL" => {
            Some(DatabaseError::new(ErrorKind::NotSupported, "a procedure may commit by itself, which would end the transaction"))
        }
        _ => None,
    }
    .map(|error| error.hint("commit first and run it by itself, or leave the transaction out"))
}

/// How to find out about a commit whose answer was lost.
const LOOK: &str = "look at the rows that it changed before you try again; the engine keeps no record that could be asked";
