//! What every statement passes: the chains of its four events, and how they fit together.
//!
//! ```text
//! before-query: validators -> mutators -> (judged and checked again) -> validators -> providers
//! the database
//! after-query:  mutators on the rows -> validators -> observers
//! ```

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use super::Filter;
use super::Kind;
use super::Nothing;
use super::Stage;
use super::Subject;
use super::chain::Chain;
use super::chain::Refusal;
use super::chain::Why;
use super::chain::plain;
use super::is_like;
use super::kept::Kept;
use super::observers::Observers;
use crate::cache::Tiers;
use crate::call::Call;
use crate::call::Caller;
use crate::config::DatabaseName;
use crate::config::EngineKind;
use crate::database::error::DatabaseError;
use crate::database::error::Effect;
use crate::database::error::ErrorKind;
use crate::database::error::Fault;
use crate::database::rows::RowSet;
use crate::database::setup::Setup;
use crate::database::statement::Statement;
use crate::database::statement::StatementKind;
use crate::database::value::Value;

/// How long the setup of a caller's sessions is believed.
const SETUP_BELIEVED: Duration = Duration::from_mins(1);

/// Setups that are remembered at most.
const SETUPS: usize = 4_096;

/// Suggestions of one hook that are taken.
const SUGGESTIONS: usize = 8;

/// A statement that is about to run.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Where.
    pub database: DatabaseName,
    /// As it is now.
    pub statement: Statement,
    /// Its parameters.
    pub parameters: Arc<[Value]>,
    /// The plugin that runs it.
    pub plugin: Arc<str>,
    /// Whether it runs in a transaction that is held over several calls.
    pub in_transaction: bool,
    /// Its rows in the cache; none when they may not be kept, or nobody could ask.
    pub kept: Option<Arc<Kept>>,
}

/// What a mutator makes of a statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Rewriting {
    /// The text.
    pub sql: String,
    /// The parameters, when they change too.
    pub parameters: Option<Vec<Value>>,
}

/// How rows are kept, as a plugin wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepPolicy {
    /// For how long.
    pub ttl: Duration,
    /// Where.
    pub tiers: Tiers,
    /// Whether the database is asked for writes of others before each answer.
    pub probe: bool,
}

/// What a provider does about a statement.
#[derive(Clone, Debug)]
pub enum Provided {
    /// These rows are the answer.
    Rows(RowSet),
    /// It runs, and its rows are kept.
    Keep(KeepPolicy),
}

impl Subject for Asking {
    type Change = Rewriting;
    type Answer = Provided;

    fn matches(&self, filter: &Filter) -> bool {
        let kind = match self.statement.kind {
            StatementKind::Read => "read",
            StatementKind::Write => "write",
            StatementKind::Admin | StatementKind::Transaction | StatementKind::Forbidden => "admin",
        };
        let named = |pattern: &String| self.statement.tables.iter().any(|table| is_table_like(pattern, table));
        (filter.databases.is_empty() || filter.databases.iter().any(|name| name == self.database.as_str()))
            && (filter.statements.is_empty() || filter.statements.iter().any(|wanted| wanted == kind))
            && (filter.tables.is_empty() || self.statement.tables.is_empty() || filter.tables.iter().any(named))
            && (!filter.with_cache_key || self.kept.is_some())
    }
}

/// Whether a table is like a pattern, with its schema or without.
fn is_table_like(pattern: &str, table: &str) -> bool {
    is_like(pattern, table) || table.rsplit_once('.').is_some_and(|(_, name)| is_like(pattern, name))
}

/// A statement that has run.
#[derive(Clone, Debug)]
pub struct Ran {
    /// What ran.
    pub asking: Asking,
    /// Rows inserted, changed or deleted.
    pub affected: u64,
    /// What it returned.
    pub rows: Option<RowSet>,
    /// How long it took.
    pub duration: Duration,
    /// Who answered in place of the database.
    pub provided_by: Option<Arc<str>>,
}

/// What a mutator makes of rows.
#[derive(Clone, Debug)]
pub enum RowChange {
    /// Other values in these columns.
    Mask(Vec<(usize, Value)>),
    /// Other rows.
    Replace(RowSet),
}

impl Subject for Ran {
    type Change = RowChange;
    type Answer = Nothing;

    fn matches(&self, filter: &Filter) -> bool {
        self.asking.matches(filter)
    }
}

/// A statement that failed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// What failed.
    pub asking: Asking,
    /// How.
    pub error: DatabaseError,
    /// Whether somebody wants it tried again.
    pub try_again: bool,
}

/// What a hook has to say about a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What to try next.
    pub suggestions: Vec<String>,
    /// Try again.
    pub try_again: bool,
}

impl Subject for Failed {
    type Change = Advice;
    type Answer = Nothing;

    fn matches(&self, filter: &Filter) -> bool {
        self.asking.matches(filter)
    }
}

/// A session that is about to be lent.
#[derive(Clone, Debug)]
pub struct Connecting {
    /// To which database.
    pub database: DatabaseName,
    /// Of which engine.
    pub engine: EngineKind,
    /// Whether it may write.
    pub writes: bool,
    /// The statements so far.
    pub setup: Setup,
}

impl Subject for Connecting {
    type Change = Vec<String>;
    type Answer = Nothing;

    fn matches(&self, filter: &Filter) -> bool {
        filter.databases.is_empty() || filter.databases.iter().any(|name| name == self.database.as_str())
    }
}

/// The chains around statements, as the loaded plugins make them.
#[derive(Default)]
pub struct StatementHooks {
    /// Before a statement.
    pub before: Chain<Asking>,
    /// After it.
    pub after: Chain<Ran>,
    /// When it failed.
    pub failed: Chain<Failed>,
    /// Before a session is lent.
    pub connect: Chain<Connecting>,
}

impl StatementHooks {
    /// Whether nobody is asked about statements that run.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty() && self.failed.is_empty()
    }

    /// Asks validators and mutators, and the validators again when something changed. `judge` judges the text of a change
    /// and checks every right again.
    ///
    /// # Errors
    ///
    /// `HookRefused`; `Cancelled` when the call is over.
    pub async fn before(
        &self,
        call: &Call,
        observers: &Observers,
        asking: &mut Asking,
        judge: impl Fn(&str) -> Result<Statement, DatabaseError>,
    ) -> Result<(), DatabaseError> {
        let chain = &self.before;
        let refused = |refusal: Refusal| refusal.into_error("the statement");
        chain.validate(call, asking, Stage::BeforeChanges, observers).await.map_err(refused)?;
        let apply = |asking: &mut Asking, rewriting: Rewriting| {
            asking.statement = judge(&rewriting.sql).map_err(|error| format!("its rewriting may not run: {error}"))?;
            if let Some(parameters) = rewriting.parameters {
                asking.parameters = parameters.into();
            }
            Ok(())
        };
        let changed = chain.change(call, asking, observers, apply).await.map_err(refused)?;
        if changed {
            chain.validate(call, asking, Stage::AfterChanges, observers).await.map_err(refused)?;
        }
        Ok(())
    }

    /// Asks the providers.
    ///
    /// # Errors
    ///
    /// As [`before`](Self::before).
    pub async fn provide(
        &self,
        call: &Call,
        observers: &Observers,
        asking: &Asking,
    ) -> Result<Option<(Arc<str>, Provided)>, DatabaseError> {
        self.before.provide(call, asking, observers).await.map_err(|refusal| refusal.into_error("the statement"))
    }

    /// Asks the mutators about the rows, then the validators, and leaves a copy to the observers.
    ///
    /// # Errors
    ///
    /// `HookRefused`: the rows do not go out. A write has taken effect all the same, and the text says so.
    pub async fn after(&self, call: &Call, observers: &Observers, ran: &mut Ran) -> Result<(), DatabaseError> {
        let chain = &self.after;
        if chain.is_empty() {
            return Ok(());
        }
        let wrote = ran.asking.statement.kind != StatementKind::Read;
        let refused = move |refusal: Refusal| {
            refusal.into_error(if wrote { "the answer of a statement that has taken effect" } else { "the answer of the statement" })
        };
        let apply = |ran: &mut Ran, change: RowChange| {
            match (change, &ran.rows) {
                (RowChange::Mask(_), None) => {}
                (RowChange::Mask(masks), Some(rows)) => {
                    let width = rows.columns().len();
                    if let Some((column, _)) = masks.iter().find(|(column, _)| *column >= width) {
                        return Err(format!("it masks column {column}, and there are {width}"));
                    }
                    ran.rows = Some(rows.masked(&masks));
                }
                (RowChange::Replace(_), None) => return Err("it replaces rows where there are none".into()),
                (RowChange::Replace(rows), Some(_)) => ran.rows = Some(rows),
            }
            Ok(())
        };
        chain.change(call, ran, observers, apply).await.map_err(refused)?;
        chain.validate(call, ran, Stage::AfterChanges, observers).await.map_err(refused)?;
        chain.observe(call, ran, observers);
        Ok(())
    }

    /// Collects advice about a failure. Whether somebody wants the statement tried again. A hook that fails gives none.
    pub async fn on_error(&self, call: &Call, observers: &Observers, failed: &mut Failed) -> bool {
        let chain = &self.failed;
        let apply = |failed: &mut Failed, advice: Advice| {
            let suggestions = advice.suggestions.iter().take(SUGGESTIONS).map(|text| plain(text));
            let hints: Vec<String> = failed.error.hint.take().into_iter().chain(suggestions).collect();
            failed.error.hint = (!hints.is_empty()).then(|| hints.join("; "));
            failed.try_again |= advice.try_again;
            Ok(())
        };
        // Nothing is left to refuse.
        let _ = chain.change(call, failed, observers, apply).await;
        chain.observe(call, failed, observers);
        failed.try_again
    }

    /// Collects the setup of a caller's sessions.
    async fn on_connect(&self, call: &Call, observers: &Observers, connecting: &mut Connecting) -> Result<(), DatabaseError> {
        let apply = |connecting: &mut Connecting, statements: Vec<String>| {
            connecting.setup = connecting.setup.and(&statements, connecting.engine)?;
            Ok(())
        };
        let changed = self.connect.change(call, connecting, observers, apply).await;
        changed.map(drop).map_err(|refusal| refusal.into_error("the session"))
    }
}

/// Which sessions a setup is remembered for.
type SetupKey = (Caller, DatabaseName, bool);

/// The hooks around statements as they are now. Swapped whole when the set of plugins changes.
#[derive(Default)]
pub struct Hooks {
    current: RwLock<Arc<StatementHooks>>,
    /// Grows with every swap.
    generation: AtomicU64,
    observers: Observers,
    setups: Mutex<HashMap<SetupKey, (Instant, u64, Setup)>>,
}

impl Hooks {
    /// The chains as they are now; a statement keeps them to its end.
    pub fn current(&self) -> Arc<StatementHooks> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes other chains from now on.
    pub fn swap(&self, chains: StatementHooks) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(chains);
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// A number that another set of hooks does not have.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Where questions off the path go.
    pub fn observers(&self) -> &Observers {
        &self.observers
    }

    /// How the sessions begin that `call`'s caller is lent; asked of the hooks at most once a minute.
    ///
    /// # Errors
    ///
    /// `HookRefused`; nothing is remembered then.
    pub async fn setup(&self, call: &Call, database: &DatabaseName, engine: EngineKind, writes: bool) -> Result<Setup, DatabaseError> {
        let chains = self.current();
        if chains.connect.is_empty() {
            return Ok(Setup::default());
        }
        let generation = self.generation.load(Ordering::Relaxed);
        let key = (call.caller.clone(), database.clone(), writes);
        if let Some((since, of, setup)) = self.setups.lock().unwrap_or_else(PoisonError::into_inner).get(&key)
            && *of == generation
            && since.elapsed() < SETUP_BELIEVED
        {
            return Ok(setup.clone());
        }
        let mut connecting = Connecting { database: database.clone(), engine, writes, setup: Setup::default() };
        chains.on_connect(call, &self.observers, &mut connecting).await?;
        let mut setups = self.setups.lock().unwrap_or_else(PoisonError::into_inner);
        if setups.len() >= SETUPS {
            setups.retain(|_, (since, of, _)| *of == generation && since.elapsed() < SETUP_BELIEVED);
        }
        if setups.len() < SETUPS {
            setups.insert(key, (Instant::now(), generation, connecting.setup.clone()));
        }
        Ok(connecting.setup)
    }

    /// Ends what runs off the path.
    pub async fn close(&self) {
        self.observers.close().await;
    }
}

/// Whether a failed statement may run once more: nothing of it can have taken effect, and another time may be better.
pub fn may_try_again(kind: StatementKind, error: &DatabaseError) -> bool {
    let passing = matches!(error.fault, Fault::Conflict | Fault::Connection | Fault::Rejection) || error.kind == ErrorKind::PoolExhausted;
    match kind {
        StatementKind::Read => passing,
        StatementKind::Write => passing && error.effect == Effect::None,
        StatementKind::Admin | StatementKind::Transaction | StatementKind::Forbidden => false,
    }
}

/// Whether rows of this statement can be answered by somebody else than the database.
pub fn may_be_provided(chains: &StatementHooks, asking: &Asking) -> bool {
    chains.before.has(Kind::Provide) && asking.statement.kind == StatementKind::Read
}

impl Refusal {
    /// Whether the call is over, so that nobody is to blame.
    pub fn is_end_of_call(&self) -> bool {
        self.why == Why::CallOver
    }
}
