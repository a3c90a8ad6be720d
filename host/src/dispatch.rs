//! Routes a call to its plugin: the function to read first is [`Dispatcher::call`].

mod admission;
mod around;
mod installed;
pub mod jobs;
mod kept_calls;
mod replaced;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::Value as Json;
use tokio::sync::broadcast;

use crate::call::Call;
use crate::call::Caller;
use crate::capability::Announced;
use crate::capability::Services;
use crate::capability::call_reads::CallReads;
use crate::database::Databases;
use crate::plugin::Plugin;
use crate::plugin::PluginError;
use crate::plugin::PluginPackage;
use crate::plugin::registry::Registry;
use crate::plugin::registry::ToolEntry;
use crate::runtime::answer::Annotations;
use crate::runtime::answer::CallError;
use crate::runtime::answer::CompletionRequest;
use crate::runtime::answer::CompletionTarget;
use crate::runtime::answer::Completions;
use crate::runtime::answer::Content;
use crate::runtime::answer::Outcome;
use crate::runtime::answer::Prompt;
use crate::runtime::answer::PromptDefinition;
use crate::runtime::answer::ResourceContent;
use crate::runtime::answer::ResourceDefinition;
use crate::runtime::answer::Round;
use crate::runtime::answer::ToolDefinition;
use crate::runtime::around::CallHooks;
use crate::runtime::around::Calling;
use crate::runtime::around::ProvidedCall;
use crate::runtime::engine::Engine;
use crate::runtime::engine::EngineError;
use crate::runtime::engine::EngineOptions;
use crate::runtime::hook::HookSlots;
use crate::runtime::scripted::Scripted;
use admission::Admission;
use installed::Probation;
use jobs::JobBoard;
use kept_calls::KeptCalls;

/// One `tools/call`.
#[derive(Clone, Debug)]
pub struct ToolRequest {
    /// The tool, by the name clients call it.
    pub name: String,
    /// Its arguments, not validated yet.
    pub arguments: serde_json::Map<String, serde_json::Value>,
    /// Answers of an earlier round.
    pub round: Round,
}

/// One `prompts/get`.
#[derive(Clone, Debug)]
pub struct PromptRequest {
    /// The prompt, by the name clients call it.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<(String, String)>,
    /// Answers of an earlier round.
    pub round: Round,
}

/// One `resources/read`.
#[derive(Clone, Debug)]
pub struct ResourceRequest {
    /// Which.
    pub uri: String,
    /// Answers of an earlier round.
    pub round: Round,
}

/// News for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The list of tools changed.
    Tools,
    /// The list of resources or templates changed.
    Resources,
    /// The list of prompts changed.
    Prompts,
    /// The content of one resource changed.
    Resource(String),
}

/// How a dispatcher is set up.
#[derive(Clone, Debug)]
pub struct DispatchOptions {
    /// Calls that run at once; others wait.
    pub concurrent_calls: usize,
    /// Calls that wait at once; more are refused.
    pub waiting_calls: usize,
    /// Where compiled plugins are kept between runs.
    pub cache: Option<PathBuf>,
    /// What answers in place of the capabilities; none outside tests of plugins.
    pub scripted: Option<Scripted>,
    /// Whether what guests ask is noted on the cassette of the services.
    pub recorded: bool,
}

impl Default for DispatchOptions {
    fn default() -> Self {
        Self { concurrent_calls: 64, waiting_calls: 256, cache: None, scripted: None, recorded: false }
    }
}

/// Why a dispatcher did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The WebAssembly engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// One plugin.
    #[error("plugin `{plugin}` is not loaded: {error}")]
    Plugin {
        /// Its id, or where it was configured.
        plugin: String,
        /// Why.
        error: PluginError,
    },
}

/// News that a receiver may lag behind before it is told that it missed some.
const CHANGES: usize = 256;

/// Instances of hooks that are kept for their callers.
const KEPT_HOOKS: usize = 64;

/// Questions to hooks that run at once.
fn hook_questions(options: &DispatchOptions) -> usize {
    options.concurrent_calls + 16
}

/// Routes calls to plugins.
pub struct Dispatcher {
    registry: Registry,
    services: Services,
    admission: Admission,
    changes: broadcast::Sender<Change>,
    kept: KeptCalls,
    jobs: JobBoard,
    probation: Probation,
    /// When jobs ran last, for when that cannot be kept elsewhere.
    last_runs: Mutex<BTreeMap<(String, String), u64>>,
    // Last, so that it outlives what runs on it.
    engine: Arc<Engine>,
}

impl Dispatcher {
    /// Loads plugins and is ready for calls when all of them are.
    ///
    /// # Errors
    ///
    /// The first plugin that cannot be loaded, by its name in `sources`.
    pub async fn start(
        services: Services,
        sources: Vec<(String, PluginPackage)>,
        options: &DispatchOptions,
    ) -> Result<Arc<Self>, StartError> {
        let engine_options = EngineOptions {
            // Beside calls, plugins are asked what they offer, and as hooks.
            instances: u32::try_from(options.concurrent_calls + 16 + hook_questions(options) + KEPT_HOOKS).unwrap_or(u32::MAX),
            memory_bytes: 512 << 20,
            cache: options.cache.clone(),
            scripted: options.scripted.clone(),
            recorded: options.recorded,
        };
        let engine = Arc::new(Engine::new(&engine_options)?);
        let registry = Registry::new(services.clone(), HookSlots::new(hook_questions(options), KEPT_HOOKS));
        let loading: Vec<_> = sources
            .into_iter()
            .map(|(name, source)| {
                let engine = engine.clone();
                (name, tokio::task::spawn_blocking(move || Plugin::load(&engine, source)))
            })
            .collect();
        for (name, loaded) in loading {
            let loaded = loaded.await.unwrap_or(Err(PluginError::CutOff));
            let added = match loaded {
                Ok(plugin) => registry.add(Arc::new(plugin)).await,
                Err(error) => Err(error),
            };
            added.map_err(|error| StartError::Plugin { plugin: name, error })?;
        }
        let (changes, _) = broadcast::channel(CHANGES);
        let admission = Admission::new(options.concurrent_calls, options.waiting_calls);
        let (kept, jobs, last_runs) = (KeptCalls::default(), JobBoard::default(), Mutex::default());
        Ok(Arc::new(Self { registry, services, admission, changes, kept, jobs, probation: Probation::default(), last_runs, engine }))
    }

    /// The databases that plugins work on.
    pub fn databases(&self) -> &Databases {
        &self.services.databases
    }

    /// What plugins' calls draw on.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// The loaded plugins.
    pub fn plugins(&self) -> Vec<Arc<Plugin>> {
        self.registry.snapshot().plugins().cloned().collect()
    }

    /// News from now on. Bounded: a receiver that lags should take it as "everything changed".
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// The tools that `caller` may see, sorted by name.
    pub fn tools(&self, _caller: &Caller) -> Arc<[ToolDefinition]> {
        self.registry.snapshot().listed_tools()
    }

    /// The tool of this name, listed or not.
    pub fn find_tool(&self, name: &str) -> Option<ToolDefinition> {
        self.registry.snapshot().find_tool(name).map(|entry| entry.tool.definition.clone())
    }

    /// Runs one tool call, from admission to result.
    ///
    /// Dropping the future cancels the call: the guest's store is dropped and a running statement is stopped.
    ///
    /// # Errors
    ///
    /// `Unknown`, `Busy`, `PluginBusy` and `InvalidArguments` come before any guest code has run.
    pub async fn call(&self, call: &Call, request: ToolRequest) -> Result<Outcome<Vec<Content>>, CallError> {
        let started = Instant::now();
        let plugins = self.registry.snapshot();
        let unknown = || CallError::Unknown { what: "tool", name: request.name.clone() };
        let target = plugins.find_tool(&request.name).ok_or_else(unknown)?;
        let arguments = Json::Object(request.arguments);
        target.tool.check_arguments(&arguments)?;
        // First, so that what waits for a slow plugin holds no place that others could have.
        let _turn = target.plugin.turns.take(call, target.plugin.id()).await?;
        let _permit = self.admission.acquire(call).await?;

        let plugin = &target.plugin;
        let hooks = plugins.call_hooks();
        let result = match hooks.is_empty() {
            true => self.invoke(call, &self.services, target, arguments, &request.round).await,
            false => {
                let Json::Object(arguments) = arguments else { return Err(CallError::Internal) };
                self.hooked(call, hooks, target, arguments, &request.round).await
            }
        };
        let result = result.and_then(|outcome| finish(target, outcome));
        log_call(call, &request.name, plugin, started, result.as_ref().err());
        plugin.health.note(result.as_ref().err().is_some_and(|error| error.is_failure_of(plugin.id())));
        result
    }

    /// Calls the tool itself.
    async fn invoke(
        &self,
        call: &Call,
        services: &Services,
        target: &ToolEntry,
        arguments: Json,
        round: &Round,
    ) -> Result<Outcome<Vec<Content>>, CallError> {
        let plugin = &target.plugin;
        let name = &target.tool.local_name;
        let (answer, announced) =
            plugin.component.call_tool(call, &target.guest, services, name, arguments.to_string(), round, target.kept.as_ref()).await;
        self.announce(plugin, announced).await;
        answer
    }

    /// Hooks, the tool, hooks.
    async fn hooked(
        &self,
        call: &Call,
        hooks: &CallHooks,
        target: &ToolEntry,
        arguments: serde_json::Map<String, Json>,
        round: &Round,
    ) -> Result<Outcome<Vec<Content>>, CallError> {
        let observers = self.services.hooks.observers();
        let Annotations { read_only, idempotent, open_world, .. } = target.tool.definition.annotations;
        let mut calling = Calling {
            tool: target.tool.definition.name.as_str().into(),
            plugin: target.plugin.id().into(),
            arguments,
            read_only,
            may_be_kept: read_only && idempotent && !open_world && round.responses.is_empty() && round.state.is_none(),
        };
        let check = |arguments: &Json| target.tool.check_arguments(arguments);
        around::before(hooks, call, observers, &mut calling, check).await?;
        let started = Instant::now();
        let (result, provided_by) = match around::provide(hooks, call, observers, &calling).await? {
            Some((plugin, ProvidedCall::Content(content))) => (Ok(Outcome::Complete(content)), Some(plugin)),
            Some((plugin, ProvidedCall::Keep)) if calling.may_be_kept && self.services.tape.is_none() => {
                self.kept_or_invoked(call, plugin, target, &calling, round).await
            }
            Some(_) | None => {
                let arguments = Json::Object(calling.arguments.clone());
                (self.invoke(call, &self.services, target, arguments, round).await, None)
            }
        };
        around::after(hooks, call, observers, calling, result, started.elapsed(), provided_by).await
    }

    /// Answers with what was kept for the call, else calls the tool and keeps its answer where that may be.
    async fn kept_or_invoked(
        &self,
        call: &Call,
        plugin: Arc<str>,
        target: &ToolEntry,
        calling: &Calling,
        round: &Round,
    ) -> (Result<Outcome<Vec<Content>>, CallError>, Option<Arc<str>>) {
        let key = kept_calls::key(call, target, &calling.arguments, self.services.cache_scope);
        if let Some(content) = self.kept.find(call, &self.services, target, &key).await {
            return (Ok(Outcome::Complete(content)), Some(plugin));
        }
        let from = kept_calls::version(&self.services);
        let reads = Arc::new(CallReads::new());
        let services = Services { reads: Some(reads.clone()), ..self.services.clone() };
        let result = self.invoke(call, &services, target, Json::Object(calling.arguments.clone()), round).await;
        if let (Ok(Outcome::Complete(content)), Some(reads)) = (&result, reads.take()) {
            self.kept.keep(&self.services, key, from, content, reads);
        }
        (result, None)
    }

    /// Every resource, sorted by URI.
    pub fn resources(&self) -> Arc<[ResourceDefinition]> {
        self.registry.snapshot().listed_resources()
    }

    /// Every resource template, sorted by URI.
    pub fn resource_templates(&self) -> Arc<[ResourceDefinition]> {
        self.registry.snapshot().listed_templates()
    }

    /// Reads one resource.
    ///
    /// # Errors
    ///
    /// `Unknown` when no plugin has it.
    pub async fn read_resource(&self, call: &Call, request: ResourceRequest) -> Result<Outcome<Vec<ResourceContent>>, CallError> {
        let started = Instant::now();
        let plugins = self.registry.snapshot();
        let unknown = || CallError::Unknown { what: "resource", name: request.uri.clone() };
        let plugin = plugins.find_resource(&request.uri).ok_or_else(unknown)?;
        let _turn = plugin.turns.take(call, plugin.id()).await?;
        let _permit = self.admission.acquire(call).await?;
        let (result, announced) = plugin.component.read_resource(call, &plugin.guest, &self.services, &request.uri, &request.round).await;
        self.announce(plugin, announced).await;
        log_call(call, "resources/read", plugin, started, result.as_ref().err());
        result
    }

    /// Every prompt, sorted by name.
    pub fn prompts(&self, _caller: &Caller) -> Arc<[PromptDefinition]> {
        self.registry.snapshot().listed_prompts()
    }

    /// Fills in one prompt.
    ///
    /// # Errors
    ///
    /// `Unknown` when no plugin has it, `InvalidArguments` when a required argument is missing.
    pub async fn get_prompt(&self, call: &Call, request: PromptRequest) -> Result<Outcome<Prompt>, CallError> {
        let started = Instant::now();
        let plugins = self.registry.snapshot();
        let unknown = || CallError::Unknown { what: "prompt", name: request.name.clone() };
        let (plugin, local_name) = plugins.find_prompt(&request.name).ok_or_else(unknown)?;
        let definition = plugins.prompt_definition(&request.name).ok_or_else(unknown)?;
        let given = |name: &str| request.arguments.iter().any(|(given, _)| given == name);
        if let Some(missing) = definition.arguments.iter().find(|argument| argument.required && !given(&argument.name)) {
            return Err(CallError::InvalidArguments(format!("the argument `{}` is missing", missing.name)));
        }
        let _turn = plugin.turns.take(call, plugin.id()).await?;
        let _permit = self.admission.acquire(call).await?;
        let (result, announced) =
            plugin.component.get_prompt(call, &plugin.guest, &self.services, local_name, request.arguments, &request.round).await;
        self.announce(plugin, announced).await;
        log_call(call, "prompts/get", plugin, started, result.as_ref().err());
        result
    }

    /// Completes one argument.
    ///
    /// # Errors
    ///
    /// `Unknown` when no plugin has the prompt or template.
    pub async fn complete(&self, call: &Call, mut request: CompletionRequest) -> Result<Completions, CallError> {
        let plugins = self.registry.snapshot();
        let plugin = match &mut request.target {
            CompletionTarget::Prompt(name) => {
                let unknown = CallError::Unknown { what: "prompt", name: name.clone() };
                let (plugin, local_name) = plugins.find_prompt(name).ok_or(unknown)?;
                *name = local_name.into();
                plugin
            }
            CompletionTarget::ResourceTemplate(uri) => {
                let unknown = CallError::Unknown { what: "resource", name: uri.clone() };
                plugins.find_template(uri).or_else(|| plugins.find_resource(uri)).ok_or(unknown)?
            }
        };
        let _turn = plugin.turns.take(call, plugin.id()).await?;
        let _permit = self.admission.acquire(call).await?;
        plugin.component.complete(call, &plugin.guest, &self.services, request).await
    }

    /// Ends what hooks do off the path, then closes the databases' pools. Calls that still run fail.
    pub async fn close(&self) {
        self.services.hooks.close().await;
        self.services.databases.close().await;
    }

    /// Tells clients that every list is another one.
    fn tell_lists_changed(&self) {
        for change in [Change::Tools, Change::Resources, Change::Prompts] {
            // No receiver is no error: nobody listens now.
            let _ = self.changes.send(change);
        }
    }

    /// Acts on what a guest announced: asks it again what it offers, then tells clients.
    async fn announce(&self, plugin: &Plugin, announced: Announced) {
        let Announced { tools, resources, prompts, updated } = announced;
        if (tools || resources || prompts)
            && let Err(error) = self.registry.refresh(plugin.id()).await
        {
            tracing::warn!(plugin.id = %plugin.id(), %error, "Plugin `{}` said that its offer changed, but the new one is not taken: {error}", plugin.id());
            return;
        }
        let lists = [(tools, Change::Tools), (resources, Change::Resources), (prompts, Change::Prompts)];
        let news = lists.into_iter().filter_map(|(changed, change)| changed.then_some(change));
        for change in news.chain(updated.into_iter().map(Change::Resource)) {
            // No receiver is no error: nobody listens now.
            let _ = self.changes.send(change);
        }
    }
}

/// Checks a structured answer against the tool's output schema, and names the tool that continues as clients call it.
fn finish(target: &ToolEntry, outcome: Outcome<Vec<Content>>) -> Result<Outcome<Vec<Content>>, CallError> {
    let Outcome::Complete(mut pieces) = outcome else { return Ok(outcome) };
    for piece in &mut pieces {
        match piece {
            Content::Json(value) => {
                if let Some(error) = target.tool.output_error(value) {
                    let reason = format!("its answer does not fit its output schema: {error}");
                    return Err(CallError::PluginFailed { plugin: target.plugin.id().into(), reason });
                }
            }
            Content::Rows(rows) => {
                if let Some((tool, _)) = &mut rows.next {
                    tool.insert_str(0, &target.plugin.rules.prefix);
                }
            }
            _ => {}
        }
    }
    Ok(Outcome::Complete(pieces))
}

/// One line per call.
fn log_call(call: &Call, tool: &str, plugin: &Plugin, started: Instant, error: Option<&CallError>) {
    let outcome = error.map_or("ok", |_| "error");
    let duration_ms = started.elapsed().as_secs_f64() * 1000.0;
    tracing::debug!(call.id = %call.id, plugin.id = %plugin.id(), tool.name = %tool, duration_ms, outcome, "Call of `{tool}` ended: {outcome}");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::config::Config;
    use crate::config::DatabaseConfig;
    use crate::config::DatabaseName;
    use crate::plugin::source;

    #[tokio::test]
    async fn a_select_is_answered_through_the_plugin() {
        let main = DatabaseConfig::new(DatabaseName::parse("main").unwrap(), "sqlite::memory:").unwrap();
        let services = Services { databases: Databases::new(vec![main]).unwrap(), ..Services::default() };
        let packages = source::packages(&Config::default(), tidegate_bundle::PLUGINS).unwrap();
        let dispatcher = Dispatcher::start(services, packages, &DispatchOptions::default()).await.unwrap();
        let call = Call::new(Caller::local(), Duration::from_secs(10));
        let arguments = json!({"sql": "select 1 as one, 'a' as two"}).as_object().unwrap().clone();
        let request = ToolRequest { name: "execute_select".into(), arguments, round: Round::default() };
        let Outcome::Complete(pieces) = dispatcher.call(&call, request).await.unwrap() else { panic!("an answer") };
        let [Content::Rows(output)] = pieces.as_slice() else { panic!("rows: {pieces:?}") };
        let rows: Vec<_> = output.rows.rows_json().map(|row| String::from_utf8_lossy(row).into_owned()).collect();
        assert_eq!(rows, [r#"[1,"a"]"#]);
    }
}
