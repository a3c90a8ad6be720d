//! The capabilities as a recording has them: each function does what it does anyway, and question and answer are noted.
//!
//! What is linked here is linked over the host's own functions, for the engine of a recording alone. `vault` and `wasi:http`
//! hand over streams, which no cassette holds yet; calling them while recording ends the call.

mod forms;

use std::time::Instant;
use std::time::SystemTime;

use std::sync::Arc;

use serde_json::Map;
use serde_json::Value as Json;
use wasmtime::component::Component;
use wasmtime::component::HasData;
use wasmtime::component::Linker;
use wasmtime::component::Resource;
use wasmtime::component::types::ComponentItem;
use wasmtime_wasi::HostMonotonicClock;
use wasmtime_wasi::HostWallClock;
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::random::Deterministic;

use super::LimitExceeded;
use super::State;
use super::rows::GuestRows;
use super::secret::GuestSecret;
use super::transaction::GuestTransaction;
use crate::bindings::tidegate::plugin::cache;
use crate::bindings::tidegate::plugin::cache_bytes;
use crate::bindings::tidegate::plugin::catalog;
use crate::bindings::tidegate::plugin::database_admin;
use crate::bindings::tidegate::plugin::database_read;
use crate::bindings::tidegate::plugin::database_write;
use crate::bindings::tidegate::plugin::metric;
use crate::bindings::tidegate::plugin::plugins;
use crate::bindings::tidegate::plugin::secret;
use crate::bindings::tidegate::plugin::secret_reveal;
use crate::bindings::tidegate::plugin::settings;
use crate::bindings::tidegate::plugin::storage;
use crate::bindings::tidegate::plugin::transaction;
use crate::bindings::tidegate::plugin::types;
use crate::cassette::Answer;
use crate::cassette::Asking;
use crate::cassette::Begun;
use crate::cassette::Run;
use forms::Form;

/// Interfaces that hand over streams, as import names begin.
const STREAMED: [&str; 2] = ["tidegate:plugin/vault@", "wasi:http/outgoing-handler@"];

/// A guest called, while it was recorded, what no cassette holds. Travels through wasmtime as the reason of a trap.
#[derive(Clone, Debug, thiserror::Error)]
#[error("it called `{0}`, which a cassette cannot hold yet")]
pub struct Unrecordable(pub String);

/// The state of a guest whose questions are noted.
struct Recorded<'a>(&'a mut State);

/// How a store has it.
struct RecordedView;

impl HasData for RecordedView {
    type Data<'a> = Recorded<'a>;
}

fn recorded(state: &mut State) -> Recorded<'_> {
    state.has_asked_host = true;
    Recorded(state)
}

/// Links what is recorded over what is linked.
///
/// # Errors
///
/// An import of another shape than the contract's.
pub fn define(linker: &mut Linker<State>, component: &Component) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    cache::add_to_linker::<_, RecordedView>(linker, recorded)?;
    cache_bytes::add_to_linker::<_, RecordedView>(linker, recorded)?;
    catalog::add_to_linker::<_, RecordedView>(linker, recorded)?;
    database_admin::add_to_linker::<_, RecordedView>(linker, recorded)?;
    database_read::add_to_linker::<_, RecordedView>(linker, recorded)?;
    database_write::add_to_linker::<_, RecordedView>(linker, recorded)?;
    metric::add_to_linker::<_, RecordedView>(linker, recorded)?;
    plugins::add_to_linker::<_, RecordedView>(linker, recorded)?;
    secret::add_to_linker::<_, RecordedView>(linker, recorded)?;
    secret_reveal::add_to_linker::<_, RecordedView>(linker, recorded)?;
    settings::add_to_linker::<_, RecordedView>(linker, recorded)?;
    storage::add_to_linker::<_, RecordedView>(linker, recorded)?;
    transaction::add_to_linker::<_, RecordedView>(linker, recorded)?;
    let engine = component.engine().clone();
    for (interface, import) in component.component_type().imports(&engine) {
        if !STREAMED.iter().any(|streamed| interface.starts_with(streamed)) {
            continue;
        }
        let ComponentItem::ComponentInstance(instance) = &import.ty else { continue };
        let mut linked = linker.instance(interface)?;
        for (name, export) in instance.exports(&engine) {
            if matches!(export.ty, ComponentItem::ComponentFunc(_)) {
                let function = format!("{interface}#{name}");
                linked.func_new(name, move |_, _, _, _| Err(Unrecordable(function.clone()).into()))?;
            }
        }
    }
    Ok(())
}

impl State {
    /// Begins a call of `export` with `arguments`, where there is a tape: then clocks and random numbers are the tape's.
    pub fn begin(&mut self, export: &str, arguments: &Json) {
        let Some(tape) = &self.services.tape else { return };
        let begun = Begun { plugin: self.guest.id.clone(), export: export.to_owned(), arguments: arguments.clone() };
        let run = tape.begin(begun);
        self.wasi = wasi(WasiCtx::builder().stderr(self.stderr.clone()).allow_blocking_current_thread(false), &run);
        self.run = Some(run);
    }

    /// The call on a tape, where there is one.
    pub fn run(&self) -> Option<&Arc<Run>> {
        self.run.as_ref()
    }

    fn ask(&self, function: &str, arguments: &[(&str, &(dyn Form + Sync))]) -> Option<Asking> {
        let run = self.run.as_ref()?;
        let mut request = Map::new();
        for (name, argument) in arguments {
            if let Some(json) = argument.form(self) {
                request.insert(name.trim_end_matches('_').replace('_', "-"), json);
            }
        }
        run.ask(function, Json::Object(request))
    }

    fn answer<T: Form>(&self, asking: Option<Asking>, answer: &wasmtime::Result<T>) {
        let Some(asking) = asking else { return };
        asking.answer(match answer {
            Ok(answer) => answer.answer(self),
            Err(error) => Answer::Trap(error.downcast_ref::<LimitExceeded>().map_or_else(|| error.to_string(), |limit| limit.0.clone())),
        });
    }
}

/// Clocks that a tape notes, or gives.
struct TapeClock {
    run: Arc<Run>,
    start: Instant,
}

impl HostWallClock for TapeClock {
    fn resolution(&self) -> std::time::Duration {
        std::time::Duration::from_nanos(1)
    }

    fn now(&self) -> std::time::Duration {
        let nanos = self.run.number("wall-clock.now", || {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
        });
        std::time::Duration::from_nanos(nanos)
    }
}

impl HostMonotonicClock for TapeClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        self.run.number("monotonic-clock.now", || u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// WASI with the clocks and random numbers of a tape.
fn wasi(builder: &mut WasiCtxBuilder, run: &Arc<Run>) -> WasiCtx {
    let clock = || TapeClock { run: run.clone(), start: Instant::now() };
    let random = run.random();
    let seed = random.first_chunk().copied().map_or(0, u128::from_le_bytes);
    builder
        .wall_clock(clock())
        .monotonic_clock(clock())
        .secure_random(Deterministic::new(random.clone()))
        .insecure_random(Deterministic::new(random))
        .insecure_random_seed(seed)
        .build()
}

/// Functions of an interface: each is noted, and does what it does.
macro_rules! recorded {
    ($interface:path { $($name:ident = $function:literal ($($argument:ident: $ty:ty),*) -> $answer:ty;)* } $($drop:item)?) => {
        impl $interface for Recorded<'_> {
            $(async fn $name(&mut self, $($argument: $ty),*) -> wasmtime::Result<$answer> {
                let asking = self.0.ask($function, &[$((stringify!($argument), &$argument as &(dyn Form + Sync))),*]);
                let answer = <State as $interface>::$name(&mut *self.0, $($argument),*).await;
                self.0.answer(asking, &answer);
                answer
            })*
            $($drop)?
        }
    };
}

/// What functions that run statements answer.
type Ran<T> = Result<T, types::DatabaseError>;

recorded!(settings::Host { get = "settings.get"(key: String) -> Option<String>; });
recorded!(cache_bytes::Host {
    get = "cache-bytes.get"(key: String) -> Option<Vec<u8>>;
    put = "cache-bytes.put"(key: String, value: Vec<u8>, ttl_ms: u32) -> bool;
    remove = "cache-bytes.remove"(key: String) -> ();
});
recorded!(cache::Host {
    find = "cache.find"(key: String, policy: cache::Policy) -> Option<Resource<GuestRows>>;
    clear = "cache.clear"(what: cache::Selection) -> u64;
    read_figures = "cache.read-figures"() -> cache::Figures;
});
recorded!(metric::Host {
    count = "metric.count"(name: String, by: u64, labels: Vec<metric::Label>) -> ();
    observe = "metric.observe"(name: String, value: f64, labels: Vec<metric::Label>) -> ();
    gauge = "metric.gauge"(name: String, value: f64, labels: Vec<metric::Label>) -> ();
});
recorded!(plugins::Host { list_plugins = "plugins.list-plugins"() -> Vec<plugins::Plugin>; });
recorded!(storage::Host {
    get = "storage.get"(scope: storage::Scope, key: String) -> Result<Option<storage::Entry>, storage::Error>;
    set = "storage.set"(scope: storage::Scope, key: String, value: Vec<u8>, expected: storage::Expected) -> Result<u64, storage::Error>;
    delete = "storage.delete"(scope: storage::Scope, key: String, expected: storage::Expected) -> Result<bool, storage::Error>;
    list_keys = "storage.list-keys"(scope: storage::Scope, prefix: String, after: Option<String>, limit: u32) -> Result<Vec<storage::Listed>, storage::Error>;
    read_usage = "storage.read-usage"() -> Result<storage::Usage, storage::Error>;
});
recorded!(secret::Host { find = "secret.find"(name: String) -> Option<Resource<GuestSecret>>; });
recorded!(secret::HostSecret {
    name = "secret.name"(self_: Resource<GuestSecret>) -> String;
    sign = "secret.sign"(self_: Resource<GuestSecret>, message: Vec<u8>) -> Vec<u8>;
}
    async fn drop(&mut self, handle: Resource<GuestSecret>) -> wasmtime::Result<()> {
        secret::HostSecret::drop(&mut *self.0, handle).await
    }
);
recorded!(secret_reveal::Host { reveal = "secret-reveal.reveal"(secret: Resource<GuestSecret>) -> String; });
recorded!(catalog::Host {
    list_databases = "catalog.list-databases"() -> Vec<catalog::Database>;
    describe_database = "catalog.describe-database"(database: String) -> Ran<catalog::DatabaseDetails>;
    list_schemas = "catalog.list-schemas"(database: String) -> Ran<Vec<catalog::Schema>>;
    list_tables = "catalog.list-tables"(database: String, filter: catalog::TableFilter) -> Ran<catalog::TablePage>;
    describe_table = "catalog.describe-table"(database: String, schema: Option<String>, table: String) -> Ran<catalog::Table>;
    list_routines = "catalog.list-routines"(database: String, schema: Option<String>, pattern: Option<String>, after: Option<String>, limit: u32) -> Ran<catalog::RoutinePage>;
});
recorded!(database_read::Host {
    inspect = "database-read.inspect"(database: String, sql: String) -> Ran<database_read::Inspection>;
    query = "database-read.query"(database: String, sql: String, parameters: Vec<types::Value>, options: database_read::Options) -> Ran<Resource<GuestRows>>;
    explain = "database-read.explain"(database: String, sql: String, parameters: Vec<types::Value>, analyze: bool, options: database_read::Options) -> Ran<Resource<GuestRows>>;
    query_in = "database-read.query-in"(transaction: Resource<GuestTransaction>, sql: String, parameters: Vec<types::Value>, options: database_read::Options) -> Ran<Resource<GuestRows>>;
    explain_in = "database-read.explain-in"(transaction: Resource<GuestTransaction>, sql: String, parameters: Vec<types::Value>, analyze: bool, options: database_read::Options) -> Ran<Resource<GuestRows>>;
    fetch = "database-read.fetch"(cursor: String, max_rows: Option<u32>) -> Ran<Resource<GuestRows>>;
});
recorded!(database_write::Host {
    execute = "database-write.execute"(database: String, sql: String, parameters: Vec<types::Value>, timeout_ms: Option<u32>, confirmation: Option<String>) -> Ran<database_write::Execution>;
    batch = "database-write.batch"(database: String, statements: Vec<database_write::Statement>, timeout_ms: Option<u32>, confirmation: Option<String>) -> Result<Vec<database_write::Execution>, database_write::BatchError>;
    execute_in = "database-write.execute-in"(transaction: Resource<GuestTransaction>, sql: String, parameters: Vec<types::Value>, timeout_ms: Option<u32>, confirmation: Option<String>) -> Ran<database_write::Execution>;
    batch_in = "database-write.batch-in"(transaction: Resource<GuestTransaction>, statements: Vec<database_write::Statement>, timeout_ms: Option<u32>, confirmation: Option<String>) -> Result<Vec<database_write::Execution>, database_write::BatchError>;
});
recorded!(database_admin::Host {
    execute = "database-admin.execute"(database: String, sql: String, parameters: Vec<types::Value>, timeout_ms: Option<u32>, confirmation: Option<String>) -> Ran<database_write::Execution>;
    execute_in = "database-admin.execute-in"(transaction: Resource<GuestTransaction>, sql: String, parameters: Vec<types::Value>, timeout_ms: Option<u32>, confirmation: Option<String>) -> Ran<database_write::Execution>;
});
recorded!(transaction::HostTransaction {
    begin = "transaction.begin"(database: String, options: transaction::Options) -> Ran<Resource<GuestTransaction>>;
    attach = "transaction.attach"(handle: String) -> Ran<Resource<GuestTransaction>>;
    detach = "transaction.detach"(self_: Resource<GuestTransaction>) -> Ran<transaction::Detached>;
    describe = "transaction.describe"(self_: Resource<GuestTransaction>) -> Ran<transaction::Description>;
    savepoint = "transaction.savepoint"(self_: Resource<GuestTransaction>, name: String) -> Ran<()>;
    rollback_to = "transaction.rollback-to"(self_: Resource<GuestTransaction>, name: String) -> Ran<()>;
    release = "transaction.release"(self_: Resource<GuestTransaction>, name: String) -> Ran<()>;
    commit = "transaction.commit"(self_: Resource<GuestTransaction>) -> Ran<()>;
    rollback = "transaction.rollback"(self_: Resource<GuestTransaction>) -> Ran<()>;
}
    async fn drop(&mut self, handle: Resource<GuestTransaction>) -> wasmtime::Result<()> {
        transaction::HostTransaction::drop(&mut *self.0, handle).await
    }
);
impl transaction::Host for Recorded<'_> {}
