//! The test kit: a fake host, so that a plugin's functions run under plain `cargo test`, natively and without Wasm.
//!
//! ```
//! use tidegate_plugin::test::Host;
//! use tidegate_plugin::test::ResultRows;
//! use tidegate_plugin::catalog::{Engine, Mode};
//! use tidegate_plugin::database_read;
//!
//! let host = Host::new()
//!     .database("main", Engine::Sqlite, Mode::ReadOnly)
//!     .answers("select 1", ResultRows::new(&["1"], vec![vec![1.into()]]));
//!
//! let rows = host.run(|| database_read::query("", "select 1", &[], database_read::Options::default())).unwrap();
//! assert_eq!(rows.next(10), [[1.into()]]);
//! ```
//!
//! Every import is there: catalog, reading, writing, administration, transactions, storage, vaults, secrets, metrics, HTTP, settings, log, progress
//! and changes. Statements are
//! answered by their text; one that was not announced fails with a message that shows it. What a plugin did is in
//! [`Host::events`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::cache::Selection;
use crate::catalog::Database;
use crate::catalog::DatabaseDetails;
use crate::catalog::Engine;
use crate::catalog::Mode;
use crate::catalog::Routine;
use crate::catalog::Schema;
use crate::catalog::Table;
use crate::completion::CompletionRequest;
use crate::completion::Completions;
use crate::content::Content;
use crate::database_read::StatementKind;
use crate::export::Completes;
use crate::export::Jobs;
use crate::export::Prompts;
use crate::export::Resources;
use crate::export::Tools;
use crate::hook;
use crate::hook::Advice;
use crate::hook::AfterCall;
use crate::hook::AfterQuery;
use crate::hook::Asked;
use crate::hook::BeforeCall;
use crate::hook::BeforeQuery;
use crate::hook::CallHooks;
use crate::hook::CallOutcome;
use crate::hook::ConnectVerdict;
use crate::hook::Connection;
use crate::hook::Policy;
use crate::hook::QueryHooks;
use crate::hook::QueryOutcome;
use crate::hook::Stage;
use crate::hook::Statement;
use crate::http;
use crate::job::JobError;
use crate::job::Run;
use crate::log::Level;
use crate::metric::Label;
use crate::metric::Measured;
use crate::plugins::Plugin;
use crate::prompt;
use crate::prompt::PromptResult;
use crate::resource;
use crate::resource::ResourceResult;
use crate::rows::Rows;
use crate::storage::Scope;
use crate::tool;
use crate::tool::Tool;
use crate::tool::ToolDefinition;
use crate::tool::ToolEntry;
use crate::tool::ToolResult;
use crate::transaction::Options;
use crate::types::ClientFeatures;
use crate::types::Column;
use crate::types::DatabaseError;
use crate::types::Kind;
use crate::types::Round;
use crate::types::Value;

pub(crate) mod fake;

thread_local! {
    static CURRENT: RefCell<Option<Rc<RefCell<State>>>> = const { RefCell::new(None) };
}

/// A fake host. What a plugin may see and get is announced first; then its functions run in it.
#[derive(Default)]
pub struct Host(Rc<RefCell<State>>);

/// Something a plugin did that the host would have noticed.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A statement was read with `database-read.query`.
    Query(Ran),
    /// A statement was explained; `true` when it was to be run.
    Explain(Ran, bool),
    /// A statement was run with `database-write.execute`.
    Execute(Ran),
    /// Statements were run with `database-write.batch`.
    Batch(Vec<Ran>),
    /// A statement was run with `database-admin.execute`.
    Admin(Ran),
    /// A transaction was begun, under this handle.
    Begin(String, Options),
    /// A savepoint was set.
    Savepoint(String),
    /// A transaction was rolled back to a savepoint.
    RollbackTo(String),
    /// A savepoint was forgotten.
    Release(String),
    /// A transaction was committed, by its handle.
    Commit(String),
    /// A transaction was rolled back, by its handle.
    Rollback(String),
    /// A cursor was continued.
    Fetch(String),
    /// Rows were looked for under a key of the cache.
    CacheFind(String, Policy),
    /// Rows were forgotten.
    CacheClear(Selection),
    /// A value was stored, or with none removed.
    Stored(Scope, String, Option<Vec<u8>>),
    /// A figure was given.
    Metric(String, Measured, Vec<Label>),
    /// A secret was revealed.
    Revealed(String),
    /// A request was sent.
    Sent(http::Request),
    /// A log line.
    Log(Level, String),
    /// Progress: how far, of how much, and why.
    Progress(f64, Option<f64>, Option<String>),
    /// A list or a resource changed: `tools`, `resources`, `prompts` or the URI of the resource.
    Changed(String),
}

/// A statement that ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    /// The database, by the name it was found under.
    pub database: String,
    /// The text.
    pub sql: String,
    /// The parameters.
    pub parameters: Vec<Value>,
    /// The time limit that was asked for.
    pub timeout_ms: Option<u32>,
    /// The handle of the transaction that it ran in.
    pub transaction: Option<String>,
}

/// Rows that a statement answers with.
#[derive(Clone, Debug, Default)]
pub struct ResultRows {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Value>>,
}

impl ResultRows {
    /// Rows under columns of these names, whose types are not fixed.
    #[must_use]
    pub fn new(columns: &[&str], rows: Vec<Vec<Value>>) -> Self {
        let columns = columns.iter().map(|name| Column { name: (*name).to_owned(), type_name: String::new(), kind: Kind::Any });
        Self { columns: columns.collect(), rows }
    }
}

/// What a statement does when it is run.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Rows(ResultRows),
    Affected(u64, Option<ResultRows>),
    Fails(DatabaseError),
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) databases: Vec<Database>,
    pub(crate) details: BTreeMap<String, DatabaseDetails>,
    pub(crate) schemas: BTreeMap<String, Vec<Schema>>,
    pub(crate) tables: BTreeMap<String, Vec<Table>>,
    pub(crate) routines: BTreeMap<String, Vec<Routine>>,
    pub(crate) answers: BTreeMap<String, Answer>,
    pub(crate) kinds: BTreeMap<String, StatementKind>,
    pub(crate) kept: BTreeMap<String, ResultRows>,
    pub(crate) transactions: BTreeMap<String, fake::transaction::Open>,
    /// Statements that are asked about, with what they affect.
    pub(crate) asked: BTreeMap<String, Option<u64>>,
    /// Confirmation tokens, with their statements.
    pub(crate) tokens: BTreeMap<String, String>,
    /// Handles and tokens given out so far.
    pub(crate) issued: u32,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) plugins: Vec<Plugin>,
    pub(crate) cached: BTreeMap<String, ResultRows>,
    pub(crate) storage: fake::storage::Store,
    pub(crate) bytes: BTreeMap<String, Vec<u8>>,
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) vaults: BTreeMap<String, fake::vault::Vault>,
    pub(crate) responses: BTreeMap<(String, String), Result<http::Response, http::Error>>,
    pub(crate) events: Vec<Event>,
}

impl Host {
    /// A host with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a database.
    #[must_use]
    pub fn database(self, name: &str, engine: Engine, mode: Mode) -> Self {
        self.with(|state| state.databases.push(Database { name: name.to_owned(), engine, mode }))
    }

    /// Gives a database its facts.
    #[must_use]
    pub fn details(self, database: &str, details: DatabaseDetails) -> Self {
        self.with(|state| state.details.insert(database.to_owned(), details))
    }

    /// Adds a schema to a database.
    #[must_use]
    pub fn schema(self, database: &str, schema: Schema) -> Self {
        self.with(|state| state.schemas.entry(database.to_owned()).or_default().push(schema))
    }

    /// Adds a table to a database.
    #[must_use]
    pub fn table(self, database: &str, table: Table) -> Self {
        self.with(|state| state.tables.entry(database.to_owned()).or_default().push(table))
    }

    /// Adds a routine to a database.
    #[must_use]
    pub fn routine(self, database: &str, routine: Routine) -> Self {
        self.with(|state| state.routines.entry(database.to_owned()).or_default().push(routine))
    }

    /// Answers a statement with rows. They are cut as the real host cuts them, and the rest is kept when that is asked for.
    #[must_use]
    pub fn answers(self, sql: &str, rows: ResultRows) -> Self {
        self.with(|state| state.answers.insert(sql.to_owned(), Answer::Rows(rows)))
    }

    /// Answers a statement with a count of changed rows.
    #[must_use]
    pub fn affects(self, sql: &str, affected: u64, returned: Option<ResultRows>) -> Self {
        self.with(|state| state.answers.insert(sql.to_owned(), Answer::Affected(affected, returned)))
    }

    /// Lets a statement fail.
    #[must_use]
    pub fn fails(self, sql: &str, error: DatabaseError) -> Self {
        self.with(|state| state.answers.insert(sql.to_owned(), Answer::Fails(error)))
    }

    /// Lets a statement fail with `confirmation-required` until it comes with the token of that failure. The tokens are called
    /// `token-1`, `token-2`, …
    #[must_use]
    pub fn asks(self, sql: &str, affected: Option<u64>) -> Self {
        self.with(|state| state.asked.insert(sql.to_owned(), affected))
    }

    /// Says what a statement does. Without it, its first word decides.
    #[must_use]
    pub fn judges(self, sql: &str, kind: StatementKind) -> Self {
        self.with(|state| state.kinds.insert(sql.to_owned(), kind))
    }

    /// Sets a setting of the plugin, as JSON text.
    #[must_use]
    pub fn setting(self, key: &str, json: &str) -> Self {
        self.with(|state| state.settings.insert(key.to_owned(), json.to_owned()))
    }

    /// Adds a plugin that there is.
    #[must_use]
    pub fn plugin(self, plugin: Plugin) -> Self {
        self.with(|state| state.plugins.push(plugin))
    }

    /// Puts rows under a key of the cache.
    #[must_use]
    pub fn cached(self, key: &str, rows: ResultRows) -> Self {
        self.with(|state| state.cached.insert(key.to_owned(), rows))
    }

    /// Puts a value into the plugin's storage, where it has 1 MiB.
    #[must_use]
    pub fn stored(self, scope: Scope, key: &str, value: &[u8]) -> Self {
        self.with(|state| state.storage.put(scope, key, value))
    }

    /// Gives the plugin another quota of storage, and says whether it may store what callers share; with 0 bytes it has none.
    #[must_use]
    pub fn storage_quota(self, bytes: u64, shared: bool) -> Self {
        self.with(|state| state.storage.limit(bytes, shared))
    }

    /// Gives the plugin a vault that holds so many bytes.
    #[must_use]
    pub fn vault(self, name: &str, max_bytes: u64) -> Self {
        self.with(|state| state.vaults.entry(name.to_owned()).or_default().max_bytes = max_bytes)
    }

    /// Puts something into a vault of the plugin.
    #[must_use]
    pub fn blob(self, vault: &str, name: &str, bytes: &[u8]) -> Self {
        self.with(|state| state.vaults.entry(vault.to_owned()).or_default().blobs.insert(name.to_owned(), bytes.to_vec()))
    }

    /// What is in a vault of the plugin under a name.
    #[must_use]
    pub fn find_blob(&self, vault: &str, name: &str) -> Option<Vec<u8>> {
        self.0.borrow().vaults.get(vault)?.blobs.get(name).cloned()
    }

    /// Gives the plugin a secret.
    #[must_use]
    pub fn secret(self, name: &str, secret: &str) -> Self {
        self.with(|state| state.secrets.insert(name.to_owned(), secret.to_owned()))
    }

    /// Answers requests to a URL. Others are denied, as they are where nothing grants them.
    #[must_use]
    pub fn responds(self, method: &str, url: &str, response: Result<http::Response, http::Error>) -> Self {
        self.with(|state| state.responses.insert((method.to_owned(), url.to_owned()), response))
    }

    /// Runs a job of a plugin, as if nothing was missed.
    ///
    /// # Errors
    ///
    /// What the job fails with.
    pub fn run_job<P: Jobs>(&self, name: &str, due_ms: u64) -> Result<String, JobError> {
        self.run(|| P::run_job(&Run { name: name.to_owned(), due_ms, missed: 0 }))
    }

    /// Asks a plugin's hook about a statement before it runs.
    pub fn before_query<H: QueryHooks>(&self, kind: hook::Kind, statement: &Statement) -> BeforeQuery {
        self.run(|| H::before_query(Asked { kind, stage: Stage::AfterChanges }, statement))
    }

    /// Asks a plugin's hook about a statement that answered with these rows.
    pub fn after_query<H: QueryHooks>(&self, kind: hook::Kind, statement: &Statement, rows: &ResultRows) -> AfterQuery {
        let held = fake::rows::Rows::build(&rows.columns, &rows.rows).map(Rows::new);
        let (columns, row_count) = (rows.columns.clone(), rows.rows.len() as u64);
        let outcome = QueryOutcome { affected: 0, columns, rows: held, row_count, duration_us: 0, provided_by: None };
        self.run(|| H::after_query(Asked { kind, stage: Stage::AfterChanges }, statement, outcome))
    }

    /// Asks a plugin's hook about a statement that failed.
    pub fn on_error<H: QueryHooks>(&self, statement: &Statement, error: &DatabaseError) -> Advice {
        self.run(|| H::on_error(Asked { kind: hook::Kind::Mutate, stage: Stage::BeforeChanges }, statement, error))
    }

    /// Asks a plugin's hook how the sessions of `caller` begin.
    pub fn on_connect<H: QueryHooks>(&self, database: &str, engine: &str, caller: Option<&str>) -> ConnectVerdict {
        let (database, engine, caller) = (database.to_owned(), engine.to_owned(), caller.map(str::to_owned));
        self.run(|| H::on_connect(&Connection { database, engine, caller, writes: false }))
    }

    /// Asks a plugin's hook about a call of a tool before it runs.
    pub fn before_call<H: CallHooks>(&self, kind: hook::Kind, call: &hook::Call) -> BeforeCall {
        self.run(|| H::before_call(Asked { kind, stage: Stage::AfterChanges }, call))
    }

    /// Asks a plugin's hook about a call of a tool that answered with `content`.
    pub fn after_call<H: CallHooks>(&self, kind: hook::Kind, call: &hook::Call, content: Vec<Content>) -> AfterCall {
        let outcome = CallOutcome { failed: None, content, duration_us: 0, provided_by: None };
        self.run(|| H::after_call(Asked { kind, stage: Stage::AfterChanges }, call, outcome))
    }

    /// Runs `body` in this host: what it imports comes from here.
    pub fn run<T>(&self, body: impl FnOnce() -> T) -> T {
        let before = CURRENT.replace(Some(Rc::clone(&self.0)));
        let _restore = Restore(before);
        body()
    }

    /// Calls a tool as a client would, with its arguments as JSON.
    ///
    /// # Errors
    ///
    /// What the tool fails with, or that its arguments do not parse.
    pub fn call<T: Tool>(&self, arguments: serde_json::Value) -> ToolResult {
        self.call_in::<T>(arguments, &Round::first(ClientFeatures::all()))
    }

    /// Calls a tool in a later round of questions.
    ///
    /// # Errors
    ///
    /// As [`Host::call`].
    pub fn call_in<T: Tool>(&self, arguments: serde_json::Value, round: &Round) -> ToolResult {
        self.run(|| ToolEntry::of::<T>().call(&arguments.to_string(), round))
    }

    /// Calls a tool of a plugin by its name.
    ///
    /// # Errors
    ///
    /// As [`Host::call`].
    pub fn call_plugin<P: Tools>(&self, name: &str, arguments: serde_json::Value, round: &Round) -> ToolResult {
        self.run(|| tool::dispatch::<P>(name, &arguments.to_string(), round))
    }

    /// Lists the tools of a plugin, also those that it knows only when it runs.
    #[must_use]
    pub fn tools<P: Tools>(&self) -> Vec<ToolDefinition> {
        self.run(tool::definitions::<P>)
    }

    /// Reads a resource of a plugin.
    ///
    /// # Errors
    ///
    /// What the resource fails with; `not-found` when no resource and no template has this URI.
    pub fn read<P: Resources>(&self, uri: &str) -> ResourceResult {
        self.run(|| resource::dispatch(P::RESOURCES, uri, &Round::first(ClientFeatures::all())))
    }

    /// Gets a prompt of a plugin.
    ///
    /// # Errors
    ///
    /// What the prompt fails with, or that its arguments do not parse.
    pub fn prompt<P: Prompts>(&self, name: &str, arguments: &[(&str, &str)]) -> PromptResult {
        let arguments: Vec<(String, String)> = arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.run(|| prompt::dispatch(P::PROMPTS, name, &arguments, &Round::first(ClientFeatures::all())))
    }

    /// Completes an argument of a plugin's prompt or resource template.
    pub fn complete<P: Completes>(&self, request: &CompletionRequest) -> Completions {
        self.run(|| P::complete(request))
    }

    /// What the plugin did so far, in order.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.0.borrow().events.clone()
    }

    fn with<T>(self, change: impl FnOnce(&mut State) -> T) -> Self {
        change(&mut self.0.borrow_mut());
        self
    }
}

/// A reading statement on the SQLite database `main`, as a hook is asked about it. What it does is told by its first word, and
/// its tables are not known; a test that needs more sets the fields.
#[must_use]
pub fn statement(sql: &str) -> Statement {
    let verb = sql.split_whitespace().next().unwrap_or("").to_uppercase();
    let kind = match verb.as_str() {
        "INSERT" | "UPDATE" | "DELETE" => StatementKind::Write,
        "CREATE" | "ALTER" | "DROP" => StatementKind::Admin,
        _ => StatementKind::Read,
    };
    Statement {
        database: "main".to_owned(),
        engine: "sqlite".to_owned(),
        sql: sql.to_owned(),
        parameters: Vec::new(),
        kind,
        verb,
        tables: Vec::new(),
        plugin: "query".to_owned(),
        caller: None,
        in_transaction: false,
        cache_key: None,
    }
}

/// A call of a reading tool of the plugin `query`, as a hook that reads `arguments` is asked about it; a test that needs more
/// sets the fields.
#[must_use]
pub fn tool_call(tool: &str, arguments: &serde_json::Value) -> hook::Call {
    hook::Call {
        tool: tool.to_owned(),
        plugin: "query".to_owned(),
        arguments: arguments.to_string(),
        caller: None,
        read_only: true,
        may_be_kept: true,
    }
}

/// The tools of a plugin as MCP's `tools/list` shows them: what they cost a model in each conversation.
#[must_use]
pub fn tool_list<P: Tools>() -> serde_json::Value {
    let tool = |entry: &ToolEntry| {
        let tool = entry.definition();
        let mut listed = serde_json::json!({
            "name": tool.name,
            "title": tool.title,
            "description": tool.description,
            "inputSchema": serde_json::from_str::<serde_json::Value>(&tool.input_schema).unwrap_or_default(),
            "annotations": {
                "readOnlyHint": tool.annotations.read_only,
                "destructiveHint": tool.annotations.destructive,
                "idempotentHint": tool.annotations.idempotent,
                "openWorldHint": tool.annotations.open_world,
            },
        });
        if let Some(fields) = listed.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        listed
    };
    P::TOOLS.iter().map(tool).collect()
}

/// Puts back the host that was current before, also when a test panics.
struct Restore(Option<Rc<RefCell<State>>>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// The state of the host that runs on this thread; an empty one when none does.
pub(crate) fn state() -> Rc<RefCell<State>> {
    CURRENT.with_borrow(|current| current.clone().unwrap_or_default())
}
