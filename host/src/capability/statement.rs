//! The way of one statement through the hooks and to the database.
//!
//! The right to use the database was looked at before; here the hooks are asked, and whatever they make of the statement is
//! judged again and has to pass the same checks as what came.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use crate::cache::Cache;
use crate::cache::Entry;
use crate::cache::Flight;
use crate::cache::Landing;
use crate::cache::Stamp;
use crate::cache::Tiers;
use crate::call::Call;
use crate::capability::Guest;
use crate::capability::Services;
use crate::capability::State;
use crate::capability::call_reads::CallRead;
use crate::database::BatchError;
use crate::database::Database;
use crate::database::Execution;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::expect_kind;
use crate::database::rows::RowLimits;
use crate::database::rows::RowSet;
use crate::database::setup::Setup;
use crate::database::statement::Statement;
use crate::database::statement::StatementKind;
use crate::database::value::Value;
use crate::database::versions::Outcome;
use crate::database::versions::touched::Touched;
use crate::hook::kept::Kept;
use crate::hook::kept::remaining;
use crate::hook::statements::Asking;
use crate::hook::statements::Failed;
use crate::hook::statements::KeepPolicy;
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

/// A statement on its way to the database.
pub(super) struct Sending {
    /// As it is after the hooks.
    pub(super) statement: Statement,
    /// Its parameters.
    pub(super) values: Arc<[Value]>,
    /// How its session has to begin, where that is decided already: rows that are kept are kept under it.
    pub(super) setup: Option<Setup>,
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
    /// Where the rows of its answer are cut.
    pub(super) limits: RowLimits,
    /// The longest that it may take.
    pub(super) timeout: Duration,
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
        run: impl Fn(Sending) -> F,
    ) -> Result<Done, DatabaseError>
    where
        F: Future<Output = Result<Done, DatabaseError>> + Send,
    {
        let hooks = self.services.hooks.current();
        if hooks.is_empty() {
            self.spoil();
            return run(Sending { statement, values: values.into(), setup: None }).await;
        }
        let mut asking = self.asking(way, statement, values);
        // Whoever had to see the statement, as it came or as it runs, would not be asked again about an answer of the whole call.
        if hooks.before.concerns(&asking, None) {
            self.spoil();
        }
        self.before(&hooks, way, &mut asking).await?;
        let started = Instant::now();
        let (done, provided_by) = match self.provided(&hooks, way, &mut asking).await? {
            Some((plugin, Provided::Rows(rows))) => {
                self.unless_alone(&hooks, &asking, &plugin);
                match asking.kept.as_ref().and_then(|kept| Some((kept, kept.found(&rows)?))) {
                    Some((kept, found)) => self.note_found(kept, found.entry.stamp.clone(), found.policy, found.remaining),
                    None => self.spoil(),
                }
                (Done::from(rows), Some(plugin))
            }
            Some((plugin, Provided::Keep(policy))) => {
                self.unless_alone(&hooks, &asking, &plugin);
                self.send_and_keep(&hooks, &asking, way, plugin, policy, &run).await?
            }
            None => {
                self.spoil();
                (self.send(&hooks, &asking, &run).await?, None)
            }
        };
        let Done { affected, rows } = done;
        let mut ran = Ran { asking, affected, rows, duration: started.elapsed(), provided_by };
        if hooks.after.concerns(&ran, None) {
            self.spoil();
        }
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

    /// The answer of the call depends on more than what is kept.
    fn spoil(&self) {
        if let Some(reads) = &self.services.reads {
            reads.spoil();
        }
    }

    /// The answer of the call depends on a hook beside the provider `plugin`.
    fn unless_alone(&self, hooks: &StatementHooks, asking: &Asking, plugin: &str) {
        if hooks.before.concerns(asking, Some(plugin)) {
            self.spoil();
        }
    }

    /// The answer of the call depends on these rows, which are kept from now on.
    fn note_read(&self, kept: &Arc<Kept>, stamp: Stamp, policy: KeepPolicy, until: Instant) {
        self.note(CallRead { kept: kept.clone(), stamp, policy, was_found: false, until });
    }

    /// The answer of the call depends on these rows, which were kept.
    fn note_found(&self, kept: &Arc<Kept>, stamp: Stamp, policy: KeepPolicy, remaining: Duration) {
        kept.worth().found();
        self.note(CallRead { kept: kept.clone(), stamp, policy, was_found: true, until: Instant::now() + remaining });
    }

    fn note(&self, read: CallRead) {
        if let Some(reads) = &self.services.reads {
            reads.note(read);
        }
    }

    /// Takes the rows that another call of the same statement got.
    fn taken(&self, kept: &Arc<Kept>, entry: &Entry, policy: KeepPolicy, plugin: Arc<str>) -> (Done, Option<Arc<str>>) {
        match remaining(entry, policy) {
            Some(remaining) => self.note_found(kept, entry.stamp.clone(), policy, remaining),
            None => self.spoil(),
        }
        (Done::from(entry.rows.clone()), Some(plugin))
    }

    fn asking(&self, way: Way<'_>, statement: Statement, values: Vec<Value>) -> Asking {
        Asking {
            database: way.database.config().name.clone(),
            statement,
            parameters: values.into(),
            plugin: self.guest.id.as_str().into(),
            in_transaction: way.in_transaction,
            kept: None,
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

    /// What a provider does about a reading statement.
    async fn provided(
        &self,
        hooks: &StatementHooks,
        way: Way<'_>,
        asking: &mut Asking,
    ) -> Result<Option<(Arc<str>, Provided)>, DatabaseError> {
        if !may_be_provided(hooks, asking) {
            return Ok(None);
        }
        if let Some(cache) = &self.services.cache {
            let setup = self.setup(way.database, false).await?;
            let kept = Kept::of(&self.call, cache, way.database, asking, way.limits, &setup, self.services.cache_scope).await;
            asking.kept = kept.map(Arc::new);
        }
        hooks.provide(&self.call, self.services.hooks.observers(), asking).await
    }

    /// Sends the statement to the database and keeps its rows, unless the same statement is running: then its rows are waited for.
    async fn send_and_keep<F>(
        &self,
        hooks: &StatementHooks,
        asking: &Asking,
        way: Way<'_>,
        plugin: Arc<str>,
        policy: KeepPolicy,
        run: &impl Fn(Sending) -> F,
    ) -> Result<(Done, Option<Arc<str>>), DatabaseError>
    where
        F: Future<Output = Result<Done, DatabaseError>> + Send,
    {
        let (Some(cache), Some(kept)) = (&self.services.cache, &asking.kept) else {
            self.spoil();
            return Ok((self.send(hooks, asking, run).await?, None));
        };
        let Some(stamp) = kept.stamp(&self.call, cache, policy).await else {
            self.spoil();
            return Ok((self.send(hooks, asking, run).await?, None));
        };
        loop {
            match cache.flight(kept.digest(), &stamp, policy.tiers) {
                Flight::Leader(leader) => {
                    let at = Instant::now();
                    let done = match self.send(hooks, asking, run).await {
                        Ok(done) => done,
                        Err(error) => {
                            // They would wait one after another for what fails most likely in the same way.
                            leader.land(None);
                            return Err(error);
                        }
                    };
                    kept.worth().ran(at.elapsed());
                    let entry = done.rows.clone().map(|rows| kept.entry(rows, stamp.clone(), policy));
                    if let Some(entry) = &entry {
                        self.note_read(kept, stamp, policy, at + policy.ttl);
                        self.keep(cache, kept, entry.clone(), policy).await;
                    }
                    leader.land(entry);
                    return Ok((done, None));
                }
                Flight::Landed(entry) => return Ok(self.taken(kept, &entry, policy, plugin)),
                Flight::Follower(follower) => match self.waited(way.timeout, follower.landing()).await? {
                    Landing::Rows(entry) => return Ok(self.taken(kept, &entry, policy, plugin)),
                    Landing::Nothing => {
                        self.spoil();
                        return Ok((self.send(hooks, asking, run).await?, None));
                    }
                    Landing::Abandoned => {}
                },
            }
        }
    }

    /// Puts an entry into memory at once, and into the slower tiers off the path.
    async fn keep(&self, cache: &Arc<Cache>, kept: &Arc<Kept>, entry: Arc<Entry>, policy: KeepPolicy) {
        let Tiers { memory, disk, shared } = policy.tiers;
        let later = cache.has_slow_tiers(policy.tiers);
        if memory && !later {
            cache.keep(*kept.digest(), entry, policy.tiers).await;
            return;
        }
        // In memory already while the rest is under way, so that the next one finds it there.
        cache.keep_in_memory(*kept.digest(), &entry, Tiers { memory, disk, shared });
        let (cache, digest) = (cache.clone(), *kept.digest());
        let rest = async move { cache.keep(digest, entry, Tiers { memory: false, disk, shared }).await };
        self.services.hooks.observers().ask_later(Box::pin(rest));
    }

    /// Runs a write so that whoever shares the cache hears of it: other replicas, and the next process with this one's folder. They are
    /// told before it is sent and before it is acknowledged; one of unknown outcome once more when it can no longer take effect.
    pub(super) async fn write<T>(
        &self,
        database: &Arc<Database>,
        touched: &Touched,
        write: impl Future<Output = Result<T, BatchError>>,
    ) -> Result<T, BatchError> {
        let Some(cache) = self.services.cache.as_ref().filter(|cache| cache.tells_of_writes() && !touched.is_nothing()) else {
            return write.await;
        };
        let tables = database.versions().names(touched).map(|names| names.iter().map(|name| name.to_string()).collect::<Vec<_>>());
        let name = database.data();
        let writing = cache.writing(name, tables.as_deref());
        let done = write.await;
        match Outcome::of(done.as_ref().err().map(|failed| &failed.error)) {
            Outcome::Settled => writing.wrote().await,
            Outcome::Unknown => {
                cache.writing(name, tables.as_deref()).wrote().await;
                let settled = database.settles_after();
                tokio::spawn(async move {
                    tokio::time::sleep(settled).await;
                    writing.wrote().await;
                });
            }
        }
        done
    }

    /// Waits for another statement, for as long as this one's own may take.
    async fn waited(&self, timeout: Duration, landing: impl Future<Output = Landing>) -> Result<Landing, DatabaseError> {
        let until = self.call.deadline.min(Instant::now() + timeout);
        tokio::select! {
            biased;
            () = self.call.cancellation.cancelled() => Err(DatabaseError::new(ErrorKind::Cancelled, "the call was cancelled")),
            landed = tokio::time::timeout_at(until.into(), landing) => {
                landed.map_err(|_| DatabaseError::new(ErrorKind::Timeout, "the same statement of another call took longer than this call may"))
            }
        }
    }

    /// Sends the statement to the database, and once more when that failed and a hook wants it.
    async fn send<F>(&self, hooks: &StatementHooks, asking: &Asking, run: &impl Fn(Sending) -> F) -> Result<Done, DatabaseError>
    where
        F: Future<Output = Result<Done, DatabaseError>> + Send,
    {
        let sending = || Sending {
            statement: asking.statement.clone(),
            values: asking.parameters.clone(),
            setup: asking.kept.as_ref().map(|kept| kept.setup().clone()),
        };
        let error = match run(sending()).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let failed = self.failed(hooks, asking.clone(), error).await;
        if failed.try_again && may_try_again(asking.statement.kind, &failed.error) && !asking.in_transaction {
            return run(sending()).await;
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
