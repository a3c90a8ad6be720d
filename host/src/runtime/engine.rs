//! The one engine of the process: its settings, its linker, its ticker.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use wasmtime::Config;
use wasmtime::Enabled;
use wasmtime::InstanceAllocationStrategy;
use wasmtime::OptLevel;
use wasmtime::PoolingAllocationConfig;
use wasmtime::component::Linker;

use super::cache::Cache;
use super::component::Component;
use super::scripted;
use super::scripted::Scripted;
use super::share::Share;
use crate::capability;
use crate::capability::State;
use crate::capability::meter::TICK;

/// Bytes of Wasm stack of one instance.
const WASM_STACK_BYTES: usize = 512 << 10;

/// Bytes of the stack that a call's fiber has, the host's functions included.
const FIBER_STACK_BYTES: usize = 2 << 20;

/// Bytes of a component file; larger ones are not read.
pub const COMPONENT_BYTES: usize = 32 << 20;

/// How the engine is set up.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Instances that may live at once; callers wait for a permit before they make one.
    pub instances: u32,
    /// Bytes that one memory of an instance may have at most, whatever its plugin's own limit is.
    pub memory_bytes: usize,
    /// Where compiled code is kept between runs; `None` compiles every time.
    pub cache: Option<PathBuf>,
    /// What answers in place of the capabilities; none outside tests of plugins.
    pub scripted: Option<Scripted>,
    /// Whether what guests ask is noted on the cassette of their services.
    pub recorded: bool,
}

/// Why the engine did not start. Blame: the machine.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine does not start on this machine: {0}")]
pub struct EngineError(String);

/// Why a component was not loaded. Blame: the plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file is larger than is read.
    #[error("the component has {bytes} bytes, and at most {COMPONENT_BYTES} are loaded")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The bytes are no component, or one that this engine cannot run.
    #[error("this is not a component that can be loaded: {0}")]
    Invalid(String),
    /// It imports or exports something in another shape than the contract has.
    #[error("the component does not fit the contract tidegate:plugin@0.1.0: {0}")]
    Contract(String),
}

/// What is linked for a component beside the contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// `wasi:http`; without it, calling that traps.
    pub http: bool,
}

/// wasmtime's engine with everything that belongs to it.
pub struct Engine {
    engine: wasmtime::Engine,
    linker: Linker<State>,
    cache: Option<Cache>,
    scripted: Option<Scripted>,
    recorded: bool,
    share: Arc<Share>,
    ticker: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Engine {
    /// Starts the engine and its ticker.
    ///
    /// # Errors
    ///
    /// A machine that the compiler does not support, or one that refuses even the address space of the small settings.
    pub fn new(options: &EngineOptions) -> Result<Self, EngineError> {
        let pooled = wasmtime::Engine::new(&config(Some(options)));
        let engine = match pooled {
            Ok(engine) => engine,
            // Pools reserve address space, not memory; a process under `ulimit -v` may not have it.
            Err(error) => {
                tracing::warn!(%error, "No address space for pooled instances; every call allocates its own");
                wasmtime::Engine::new(&config(None)).map_err(|error| EngineError(error.to_string()))?
            }
        };
        let mut linker = Linker::new(&engine);
        capability::add_to_linker(&mut linker).map_err(|error| EngineError(error.to_string()))?;
        let cache = options.cache.as_ref().and_then(|folder| Cache::open(folder, &engine));
        let stop = Arc::new(AtomicBool::new(false));
        let ticker = spawn_ticker(&engine, stop.clone())?;
        Ok(Self {
            engine,
            linker,
            cache,
            scripted: options.scripted.clone(),
            recorded: options.recorded,
            share: Arc::new(Share::new()),
            ticker: Some(ticker),
            stop,
        })
    }

    /// Compiles a component, or takes its compiled code from the cache. Blocks for up to seconds: not for async threads.
    ///
    /// # Errors
    ///
    /// Bytes that are no component, or one that does not fit the contract.
    pub fn load(&self, bytes: &[u8]) -> Result<Component, LoadError> {
        self.load_with(bytes, Links::default())
    }

    /// As [`load`](Self::load), with more than the contract linked.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn load_with(&self, bytes: &[u8], links: Links) -> Result<Component, LoadError> {
        if bytes.len() > COMPONENT_BYTES {
            return Err(LoadError::TooLarge { bytes: bytes.len() });
        }
        let cached = self.cache.as_ref().and_then(|cache| cache.find(&self.engine, bytes));
        let compiled = match cached {
            Some(component) => component,
            None => {
                let component = wasmtime::component::Component::new(&self.engine, bytes)
                    .map_err(|error| LoadError::Invalid(error.root_cause().to_string()))?;
                if let Some(cache) = &self.cache {
                    cache.keep(bytes, &component);
                }
                component
            }
        };
        let mut linker = self.linker.clone();
        if self.recorded {
            capability::recorded::define(&mut linker, &compiled).map_err(|error| LoadError::Contract(format!("{error:#}")))?;
            return Component::new(&linker, &compiled, Links { http: false }, self.share.clone());
        }
        let Some(script) = &self.scripted else { return Component::new(&linker, &compiled, links, self.share.clone()) };
        scripted::define(&mut linker, &compiled, script).map_err(|error| LoadError::Contract(format!("{error:#}")))?;
        Component::new(&linker, &compiled, links, self.share.clone())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(ticker) = self.ticker.take() {
            // It ends within one tick; a panic in it has nothing to tell us now.
            let _ = ticker.join();
        }
    }
}

/// The engine's settings, with a pool of instances when `pooled` says how large.
fn config(pooled: Option<&EngineOptions>) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        // The contract's functions are synchronous; without the bookkeeping for async ones a call costs a third.
        .concurrency_support(false);
    if let Some(options) = pooled {
        let instances = options.instances;
        let mut pool = PoolingAllocationConfig::default();
        pool.total_component_instances(instances)
            .total_core_instances(instances.saturating_mul(8))
            .total_memories(instances.saturating_mul(2))
            .total_tables(instances.saturating_mul(8))
            .total_stacks(instances)
            .max_memory_size(options.memory_bytes)
            .table_elements(20_000)
            .max_core_instances_per_component(32)
            .max_memories_per_component(4)
            .max_tables_per_component(32)
            .max_component_instance_size(2 << 20)
            .max_core_instance_size(2 << 20)
            // What a call wrote is found page by page and put back in place. Else the first bytes of every memory are
            // written anew after each call, whatever it did, and the rest is given back and faulted in again.
            .pagemap_scan(Enabled::Auto)
            .linear_memory_keep_resident(256 << 10)
            .table_keep_resident(16 << 10)
            .max_unused_warm_slots(16);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// Starts the thread that advances the epoch. There is exactly one per engine.
fn spawn_ticker(engine: &wasmtime::Engine, stop: Arc<AtomicBool>) -> Result<JoinHandle<()>, EngineError> {
    let engine = engine.clone();
    std::thread::Builder::new()
        .name("tidegate-epoch".into())
        .spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(TICK);
                engine.increment_epoch();
            }
        })
        .map_err(|error| EngineError(error.to_string()))
}
