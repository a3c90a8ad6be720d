//! The way of one statement through the hooks and to the database.
//!
//! The right to use the database was looked at before; here the hooks are asked, and whatever they make of the statement is
//! judged again and has to pass the same checks as what came.

use std::sync::Arc;
use std::time::Instant;

use crate::call::Call;
use crate::capability::Guest;
use crate::capability::Services;
use crate::capability::State;
use crate::database::BatchError;
use crate::database::Database;
use crate::database::Execution;
use crate::database::error::DatabaseError;
use crate::database::expect_kind;
use crate::database::rows::RowSet;
use crate::database::setup::Setup;
use crate::database::statement::Statement;
use crate::database::statement::StatementKind;
use crate::database::value::Value;
use crate::hook::statements::Asking;
use crate::hook::statements::Failed;
use crate::hook::statements::Provided;
use crate::hook::statements::Ran;
use crate::hook::statements::StatementHooks;
use crate::hook::statements::may_be_provided;
use crate::hook::statements::may_try_again;

/// What a statement did, whichever way it went.
#[derive(Clone, Debug)]
pub(super) struct Done {
    /// Rows inserted, changed or deleted.
    pub(super) affected: u64,
    /// What it returned.
    pub(super) rows: Option<RowSet>,
}

impl From<RowSet> for Done {
    fn from(rows: RowSet) -> Self {
        Self { affected: 0, rows: Some(rows) }
    }
}

impl From<Execution> for Done {
    fn from(Execution { affected, returned }: Execution) -> Self {
        Self { affected, rows: returned }
    }
}

impl Done {
    /// The rows of a reading statement.
    pub(super) fn into_rows(self) -> RowSet {
        self.rows.unwrap_or_else(RowSet::empty)
    }

    /// What a statement did that may change something.
    pub(super) fn into_execution(self) -> Execution {
        Execution { affected: self.affected, returned: self.rows }
    }
}

/// How a statement runs: what it may be, and in what.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    /// The database.
    pub(super) database: &'a Arc<Database>,
    /// The kinds that may run on this way; checked again on whatever a hook makes of it.
    pub(super) kinds: &'a [StatementKind],
    /// Whether it runs in a transaction that is held over several calls.
    pub(super) in_transaction: bool,
}

/// What the statements of one call pass, apart from the guest that runs them: a future that holds a guest's state cannot move
/// between threads.
#[derive(Clone)]
pub(super) struct Passage {
    /// The call.
    pub(super) call: Call,
    services: Services,
    guest: Arc<Guest>,
}

impl State {
    /// The passage of this call's statements.
    pub(super) fn passage(&self) -> Passage {
        Passage { call: self.call.clone(), services: self.services.clone(), guest: self.guest.clone() }
    }
}

impl Passage {
    /// Runs one statement: hooks, database, hooks.
    ///
    /// `run` sends a statement that may run to the database. It is called at most twice: once more when a hook asks for it
    /// and nothing can be done twice.
    ///
    /// # Errors
    ///
    /// What a hook refuses, and what `run` says.
    pub(super) async fn run<F>(
        &self,
        way: Way<'_>,
        statement: Statement,
        values: Vec<Value>,
        run: impl Fn(Statement, Arc<[Value]>) -> F,
    ) -> Result<Done, DatabaseError>
    where
        F: Future<Output = Result<Done, DatabaseError>> + Send,
    {
        let hooks = self.services.hooks.current();
        if hooks.is_empty() {
            return run(statement, values.into()).await;
        }
        let mut asking = self.asking(way, statement, values);
        self.before(&hooks, way, &mut asking).await?;
        let started = Instant::now();
        let (done, provided_by) = match self.provided(&hooks, &asking).await? {
            Some((plugin, rows)) => (Done::from(rows), Some(plugin)),
            None => (self.send(&hooks, &asking, &run).await?, None),
        };
        let Done { affected, rows } = done;
        let mut ran = Ran { asking, affected, rows, duration: started.elapsed(), provided_by };
        hooks.after(&self.call, self.services.hooks.observers(), &mut ran).await?;
        Ok(Done { affected: ran.affected, rows: ran.rows })
    }

    /// Runs several statements that take effect together: hooks before each, the database, hooks after each.
    ///
    /// # Errors
    ///
    /// The index of the statement that was refused or failed. Nothing has taken effect, unless only rows were refused.
    pub(super) async fn run_batch<F>(
        &self,
        way: Way<'_>,
        statements: Vec<(Statement, Vec<Value>)>,
        run: impl FnOnce(Vec<(Statement, Vec<Value>)>) -> F,
    ) -> Result<Vec<Execution>, BatchError>
    where
        F: Future<Output = Result<Vec<Execution>, BatchError>> + Send,
    {
        let hooks = self.services.hooks.current();
        if hooks.is_empty() {
            return run(statements).await;
        }
        let mut all = Vec::with_capacity(statements.len());
        for (index, (statement, values)) in statements.into_iter().enumerate() {
            let mut asking = self.asking(way, statement, values);
            self.before(&hooks, way, &mut asking).await.map_err(|error| BatchError { index, error })?;
            all.push(asking);
        }
        let started = Instant::now();
        let final_statements = all.iter().map(|asking| (asking.statement.clone(), asking.parameters.to_vec())).collect();
        let executions = match run(final_statements).await {
            Ok(executions) => executions,
            Err(BatchError { index, error }) => {
                let error = match all.into_iter().nth(index) {
                    Some(asking) => self.failed(&hooks, asking, error).await.error,
                    None => error,
                };
                return Err(BatchError { index, error });
            }
        };
        let mut answers = Vec::with_capacity(executions.len());
        for (index, (asking, Execution { affected, returned })) in all.into_iter().zip(executions).enumerate() {
            let mut ran = Ran { asking, affected, rows: returned, duration: started.elapsed(), provided_by: None };
            let observers = self.services.hooks.observers();
            hooks.after(&self.call, observers, &mut ran).await.map_err(|error| BatchError { index, error })?;
            answers.push(Execution { affected: ran.affected, returned: ran.rows });
        }
        Ok(answers)
    }

    /// How the sessions begin that this call is lent.
    ///
    /// # Errors
    ///
    /// A hook that refuses the session.
    pub(super) async fn setup(&self, database: &Database, writes: bool) -> Result<Setup, DatabaseError> {
        let config = database.config();
        self.services.hooks.setup(&self.call, &config.name, config.engine, writes).await
    }

    fn asking(&self, way: Way<'_>, statement: Statement, values: Vec<Value>) -> Asking {
        Asking {
            database: way.database.config().name.clone(),
            statement,
            parameters: values.into(),
            plugin: self.guest.id.as_str().into(),
            in_transaction: way.in_transaction,
            cache_key: None,
        }
    }

    async fn before(&self, hooks: &StatementHooks, way: Way<'_>, asking: &mut Asking) -> Result<(), DatabaseError> {
        let judge = |sql: &str| {
            let statement = way.database.judge(sql)?;
            expect_kind(&statement, way.kinds)?;
            Ok(statement)
        };
        hooks.before(&self.call, self.services.hooks.observers(), asking, judge).await
    }

    /// What a provider answers in place of the database.
    async fn provided(&self, hooks: &StatementHooks, asking: &Asking) -> Result<Option<(Arc<str>, RowSet)>, DatabaseError> {
        if !may_be_provided(hooks, asking) {
            return Ok(None);
        }
        match hooks.provide(&self.call, self.services.hooks.observers(), asking).await? {
            Some((plugin, Provided::Rows(rows))) => Ok(Some((plugin, rows))),
            Some((_, Provided::Keep(_))) | None => Ok(None),
        }
    }

    /// Sends the statement to the database, and once more when that failed and a hook wants it.
    async fn send<F>(
        &self,
        hooks: &StatementHooks,
        asking: &Asking,
        run: &impl Fn(Statement, Arc<[Value]>) -> F,
    ) -> Result<Done, DatabaseError>
    where
        F: Future<Output = Result<Done, DatabaseError>> + Send,
    {
        let error = match run(asking.statement.clone(), asking.parameters.clone()).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let failed = self.failed(hooks, asking.clone(), error).await;
        if failed.try_again && may_try_again(asking.statement.kind, &failed.error) && !asking.in_transaction {
            return run(asking.statement.clone(), asking.parameters.clone()).await;
        }
        Err(failed.error)
    }

    async fn failed(&self, hooks: &StatementHooks, asking: Asking, error: DatabaseError) -> Failed {
        let mut failed = Failed { asking, error, try_again: false };
        if !hooks.failed.is_empty() {
            hooks.on_error(&self.call, self.services.hooks.observers(), &mut failed).await;
        }
        failed
    }
}
