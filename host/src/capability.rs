//! What a guest may import, one file each. Every right is looked up in [`grants`] at the moment it is used.
//!
//! The functions here are called by guests, so everything that comes in is hostile: lengths, names, numbers, order. What
//! goes out is an error that the guest can act on; a trap is for what no honest guest does.

pub(crate) mod cache;
mod cache_bytes;
pub mod call_reads;
mod catalog;
pub mod catalog_memory;
mod changes;
mod database;
pub(crate) mod error;
pub mod grants;
pub mod http;
mod log;
pub mod meter;
mod metric;
pub mod plugins;
mod progress;
pub mod recorded;
#[cfg(test)]
mod refusals;
pub(crate) mod row_json;
pub mod rows;
pub mod secret;
mod settings;
mod statement;
mod storage;
pub mod transaction;
pub(crate) mod value;
pub mod vault;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::Component;
use wasmtime::component::HasSelf;
use wasmtime::component::Linker;
use wasmtime::component::ResourceTable;
use wasmtime::component::ResourceType;
use wasmtime::component::types::ComponentItem;
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::WasiCtxView;
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::WasiCli;
use wasmtime_wasi::cli::WasiCliView;
use wasmtime_wasi::p2::DynInputStream;
use wasmtime_wasi::p2::DynOutputStream;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::random::WasiRandomView;

use crate::bindings;
use crate::cache::Cache;
use crate::cache::bytes::PluginBytes;
use crate::call::Call;
use crate::cassette::Run;
use crate::cassette::Tape;
use crate::config::CacheScope;
use crate::config::Secret;
use crate::database::Databases;
use crate::database::cursor::Cursors;
use crate::database::rows::RowSet;
use crate::hook::kept::Kept;
use crate::hook::statements::Hooks;
use crate::storage::Storage;
use crate::telemetry::metrics::Metrics;
use crate::vault::Vaults;
use call_reads::CallReads;
use catalog_memory::CatalogMemory;
use grants::LiveGrants;
use http::HttpClient;
use http::HttpState;
use meter::Meter;
use plugins::PluginBoard;

/// What every plugin's calls draw on.
#[derive(Clone, Default)]
pub struct Services {
    /// The configured databases.
    pub databases: Databases,
    /// Rows kept for later pages.
    pub cursors: Arc<Cursors>,
    /// What statements pass.
    pub hooks: Arc<Hooks>,
    /// Rows kept between statements; none where nothing is kept.
    pub cache: Option<Arc<Cache>>,
    /// What is in the databases, as it was told a moment ago.
    pub catalog: Arc<CatalogMemory>,
    /// Whom kept rows may answer.
    pub cache_scope: CacheScope,
    /// How plugins fare.
    pub plugins: Arc<PluginBoard>,
    /// Where the reads of the call are noted, when its answer is to be kept.
    pub reads: Option<Arc<CallReads>>,
    /// What plugins keep.
    pub storage: Arc<Storage>,
    /// Figures of plugins.
    pub metrics: Arc<Metrics>,
    /// Bytes that plugins keep for a while.
    pub bytes: Arc<PluginBytes>,
    /// Folders for backups and exports.
    pub vaults: Vaults,
    /// What sends their requests.
    pub http: Arc<HttpClient>,
    /// The cassette that is recorded or played; none outside those commands.
    pub tape: Option<Tape>,
}

impl Services {
    /// The same for a plugin that is asked as a hook: hooks cause no hooks.
    #[must_use]
    pub fn for_hooks(&self) -> Self {
        Self { hooks: Arc::default(), ..self.clone() }
    }
}

/// One plugin as its calls see it.
#[derive(Debug)]
pub struct Guest {
    /// Its id.
    pub id: String,
    /// What the operator gave it.
    pub grants: LiveGrants,
    /// `[plugins.NAME] settings`, each value as JSON text.
    pub settings: BTreeMap<String, String>,
    /// `[plugins.NAME.secrets]`.
    pub secrets: BTreeMap<String, Secret>,
    /// Limits of one call.
    pub limits: GuestLimits,
}

/// Limits of one call of a guest, and on how many run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestLimits {
    /// Bytes of all its memories and tables together; default 64 MiB.
    pub memory_bytes: usize,
    /// Time in guest code, without what it waits for in the host; default 2 s.
    pub cpu_time: Duration,
    /// Time in all, what it waits for included; `None` leaves it to the call's deadline.
    pub wall_time: Option<Duration>,
    /// Calls of host functions; default 10,000.
    pub host_calls: u32,
    /// Bytes that one crossing of the border may copy, so also the size of an answer; default 16 MiB.
    pub crossing_bytes: usize,
    /// Row sets held at once; default 64.
    pub row_sets: usize,
    /// Calls that run at once, default 16; `None` leaves it to the host's limit on all calls, as for what is part of the program.
    pub concurrency: Option<usize>,
}

impl Default for GuestLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            cpu_time: Duration::from_secs(2),
            wall_time: None,
            host_calls: 10_000,
            crossing_bytes: 16 << 20,
            row_sets: 64,
            concurrency: Some(16),
        }
    }
}

/// A limit that a guest went over. Travels through wasmtime as the reason of a trap.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct LimitExceeded(pub String);

/// News that a guest announced during its call; acted on when the call is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// The list of tools changed.
    pub tools: bool,
    /// The list of resources or templates changed.
    pub resources: bool,
    /// The list of prompts changed.
    pub prompts: bool,
    /// Resources whose content changed.
    pub updated: Vec<String>,
}

/// Bytes of a guest's own standard error that are kept for the log: the message of a panic.
const STDERR_BYTES: usize = 4 << 10;

/// What a plugin is asked about as a hook.
#[derive(Clone, Debug, Default)]
pub struct HookQuestion {
    /// The rows that it may look for in the cache.
    pub kept: Option<Arc<Kept>>,
}

/// The host's side of one instance: lives as long as its store, which is one call.
pub struct State {
    /// The call on whose behalf the guest runs.
    pub call: Call,
    /// The plugin.
    pub guest: Arc<Guest>,
    /// What it draws on.
    pub services: Services,
    /// What it announced.
    pub announced: Announced,
    /// Host functions called so far.
    pub host_calls: u32,
    /// Whether the guest has ever asked the host for anything, or given anything back to it, since its instance began: the contract's
    /// functions and those of WASI alike.
    pub has_asked_host: bool,
    /// Memory and time taken so far.
    pub meter: Meter,
    /// What it wrote to standard error, cut.
    pub stderr: MemoryOutputPipe,
    /// What it is asked about, when it is asked as a hook.
    pub hook: Option<HookQuestion>,
    log: log::Budget,
    progress: progress::Pace,
    http: HttpState,
    /// Whether the operator was told in this call that something cannot be used.
    told_unusable: bool,
    table: ResourceTable,
    wasi: WasiCtx,
    run: Option<Arc<Run>>,
}

impl State {
    /// The state of a new call.
    pub fn new(call: Call, guest: Arc<Guest>, services: Services) -> Self {
        let stderr = MemoryOutputPipe::new(STDERR_BYTES);
        let mut table = ResourceTable::new();
        table.set_max_capacity(guest.limits.row_sets + 256);
        let wasi = WasiCtx::builder().stderr(stderr.clone()).allow_blocking_current_thread(false).build();
        Self {
            http: HttpState::new(&call, &guest, &services),
            meter: Meter::new(guest.limits),
            call,
            guest,
            services,
            announced: Announced::default(),
            host_calls: 0,
            has_asked_host: false,
            stderr,
            hook: None,
            log: log::Budget::default(),
            progress: progress::Pace::default(),
            told_unusable: false,
            table,
            wasi,
            run: None,
        }
    }

    /// Makes it the state of another question to the same hook. Whatever counts starts anew, but for memory.
    pub fn ask_again(&mut self, call: Call, hook: HookQuestion) {
        self.http = HttpState::new(&call, &self.guest, &self.services);
        self.call = call;
        self.hook = Some(hook);
        self.announced = Announced::default();
        self.host_calls = 0;
        self.meter.restart();
        self.log = log::Budget::default();
        self.progress = progress::Pace::default();
        self.told_unusable = false;
    }

    /// Makes it the state of another call of a tool, of the same caller. Whatever counts starts anew, but for memory.
    pub fn serve_again(&mut self, call: Call, services: Services) {
        self.ask_again(call, HookQuestion::default());
        self.hook = None;
        self.services = services;
    }

    /// Whether the guest holds nothing of the host any more.
    pub fn holds_nothing(&self) -> bool {
        self.table.is_empty()
    }

    /// Gives the guest rows, and the handle of those after them.
    ///
    /// # Errors
    ///
    /// The limit on row sets held at once: a trap.
    pub fn give_rows(&mut self, rows: RowSet, cursor: Option<String>) -> wasmtime::Result<wasmtime::component::Resource<rows::GuestRows>> {
        self.push_rows(rows, cursor)
    }

    /// Takes a row set that the guest handed back out of its table.
    ///
    /// # Errors
    ///
    /// A handle that is not the guest's own: a trap.
    pub fn take_rows(&mut self, rows: wasmtime::component::Resource<rows::GuestRows>) -> wasmtime::Result<rows::GuestRows> {
        Ok(self.table.delete(rows)?)
    }

    /// Notes one call of a host function, whose answer may be another next time.
    ///
    /// # Errors
    ///
    /// The limit on them: a trap.
    fn enter(&mut self) -> wasmtime::Result<()> {
        if let Some(reads) = &self.services.reads {
            reads.spoil();
        }
        self.enter_repeatable()
    }

    /// As [`enter`](Self::enter), for a function whose answer is the same for as long as what the call read is.
    ///
    /// # Errors
    ///
    /// The limit on them: a trap.
    fn enter_repeatable(&mut self) -> wasmtime::Result<()> {
        self.host_calls = self.host_calls.saturating_add(1);
        if self.host_calls > self.guest.limits.host_calls {
            return Err(LimitExceeded(format!("{} calls of host functions in one call", self.guest.limits.host_calls)).into());
        }
        Ok(())
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.has_asked_host = true;
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Links the contract and the harmless part of WASI: clocks, random numbers, an empty environment, closed standard streams.
/// The filesystem and sockets are not linked; a component that calls them traps.
///
/// # Errors
///
/// None that a plugin can cause.
pub fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    use wasmtime_wasi::p2::bindings::cli;
    use wasmtime_wasi::p2::bindings::random;
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(linker)?;
    random::insecure::add_to_linker::<State, WasiRandom>(linker, WasiRandomView::random)?;
    random::insecure_seed::add_to_linker::<State, WasiRandom>(linker, WasiRandomView::random)?;
    cli::environment::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::exit::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    // What a guest asks is answered by the state that this returns.
    bindings::Plugin::add_to_linker::<State, HasSelf<State>>(linker, |state| {
        state.has_asked_host = true;
        state
    })
}

/// Interfaces that [`add_to_linker`] links, as import names begin.
const LINKED: [&str; 5] = ["tidegate:plugin/", "wasi:io/", "wasi:clocks/", "wasi:random/", "wasi:cli/"];

/// Defines whatever else a component imports so that calling it traps; `with_http` says that `wasi:http` is linked too.
///
/// Many languages import the filesystem and sockets without ever calling them, so their presence alone is no reason to
/// refuse a component. What is not linked has no implementation here at all, so there is none to get round.
///
/// # Errors
///
/// An import that is neither a function nor an interface of functions.
pub fn define_traps(linker: &mut Linker<State>, component: &Component, with_http: bool) -> wasmtime::Result<()> {
    let engine = component.engine().clone();
    for (interface, import) in component.component_type().imports(&engine) {
        let linked = LINKED.iter().any(|linked| interface.starts_with(linked));
        if linked || (with_http && http::INTERFACES.iter().any(|linked| interface.starts_with(linked))) {
            continue;
        }
        let ComponentItem::ComponentInstance(instance) = &import.ty else { continue };
        let mut linked = linker.instance(interface)?;
        for (name, export) in instance.exports(&engine) {
            match &export.ty {
                ComponentItem::ComponentFunc(_) => {
                    let function = format!("{interface}#{name}");
                    linked.func_new(name, move |_, _, _, _| Err(NotLinked(function.clone()).into()))?;
                }
                // Never made, so never dropped; streams are those of `wasi:io`, which is linked.
                ComponentItem::Resource(_) => linked.resource(name, stream_or_unit(name), |_, _| Ok(()))?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// A guest called what is not linked for it. Travels through wasmtime as the reason of a trap.
#[derive(Clone, Debug, thiserror::Error)]
#[error("it called `{0}`, which no plugin is given")]
pub struct NotLinked(pub String);

fn stream_or_unit(name: &str) -> ResourceType {
    match name {
        "input-stream" => ResourceType::host::<DynInputStream>(),
        "output-stream" => ResourceType::host::<DynOutputStream>(),
        "pollable" => ResourceType::host::<DynPollable>(),
        "error" | "io-error" => ResourceType::host::<wasmtime::Error>(),
        _ => ResourceType::host::<()>(),
    }
}
