//! A compiled component, and one call of it.
//!
//! Every call gets a store of its own and nothing of a guest outlives it: no caller's data waits in a global for the next
//! caller, a trap costs one call, and what a call may take is bounded by what its store may take. With pooled instances
//! that costs some 25 µs. After a trap or a call that was taken back the instance is dead, and goes with its store.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value as Json;
use wasmtime::Store;
use wasmtime::UpdateDeadline;
use wasmtime::component::Instance;
use wasmtime::component::InstancePre;
use wasmtime::component::Linker;

use super::answer::CallError;
use super::answer::CompletionRequest;
use super::answer::Completions;
use super::answer::Content;
use super::answer::JobRun;
use super::answer::Outcome;
use super::answer::Prompt;
use super::answer::PromptDefinition;
use super::answer::ResourceContent;
use super::answer::ResourceDefinition;
use super::answer::Round;
use super::answer::ToolDefinition;
use super::begun::Begins;
use super::engine::Links;
use super::engine::LoadError;
use super::exports;
use super::kept_instances::KeptInstances;
use super::kept_instances::Started;
use super::share::Share;
use super::trap;
use crate::bindings::exports::tidegate::plugin::call_hooks;
use crate::bindings::exports::tidegate::plugin::completion;
use crate::bindings::exports::tidegate::plugin::jobs;
use crate::bindings::exports::tidegate::plugin::prompts;
use crate::bindings::exports::tidegate::plugin::query_hooks;
use crate::bindings::exports::tidegate::plugin::resources;
use crate::bindings::exports::tidegate::plugin::tools;
use crate::call::Brought;
use crate::call::Call;
use crate::capability;
use crate::capability::Announced;
use crate::capability::Guest;
use crate::capability::Services;
use crate::capability::State;
use crate::config::HookEvent;

/// The package whose interfaces are the contract, as import and export names begin.
const CONTRACT: &str = "tidegate:plugin/";

/// The interface of WASI that sends requests, as its import begins.
const HTTP: &str = "wasi:http/outgoing-handler@";

/// A compiled component with what it exports found out.
pub struct Component {
    pre: InstancePre<State>,
    tools: Option<tools::GuestIndices>,
    resources: Option<resources::GuestIndices>,
    prompts: Option<prompts::GuestIndices>,
    completion: Option<completion::GuestIndices>,
    query_hooks: Option<query_hooks::GuestIndices>,
    call_hooks: Option<call_hooks::GuestIndices>,
    jobs: Option<jobs::GuestIndices>,
    imports: Vec<String>,
    share: Arc<Share>,
}

/// What a call left behind, beside its answer.
pub type Answered<T> = (Result<T, CallError>, Announced);

/// Starts an instance, calls one export, and says who is to blame when that fails.
macro_rules! call_export {
    ($self:ident, $indices:expr, $call:ident, $guest:ident, $services:ident, $function:ident($($argument:expr),*), $translate:expr) => {{
        let mut store = $self.store($call, $guest, $services);
        if store.data().services.tape.is_some() {
            let arguments = Json::Array(vec![$($argument.begun()),*]);
            store.data_mut().begin(stringify!($function).trim_start_matches("call_"), &arguments);
        }
        let running = async {
            let instance = $self.pre.instantiate_async(&mut store).await?;
            let guest = $indices.load(&mut store, &instance)?;
            guest.$function(&mut store $(, $argument)*).await
        };
        let ended = within($call, $guest, running).await;
        let result = match ended {
            Err(stopped) => Err(stopped),
            Ok(Err(error)) => Err($self.blame(&store, &error)),
            Ok(Ok(answer)) => $translate(answer, store.data_mut()),
        };
        let announced = std::mem::take(&mut store.data_mut().announced);
        (result, announced)
    }};
}

impl Component {
    /// Links a compiled component and finds out what it exports.
    pub(super) fn new(
        linker: &Linker<State>,
        component: &wasmtime::component::Component,
        links: Links,
        share: Arc<Share>,
    ) -> Result<Self, LoadError> {
        let engine = component.engine();
        let contract = |error: wasmtime::Error| LoadError::Contract(format!("{error:#}"));
        let imports: Vec<String> = component.component_type().imports(engine).map(|(name, _)| name.to_owned()).collect();
        let exports: Vec<String> = component.component_type().exports(engine).map(|(name, _)| name.to_owned()).collect();
        let mut linker = linker.clone();
        let with_http = links.http && imports.iter().any(|import| import.starts_with(HTTP));
        if with_http {
            capability::http::add_to_linker(&mut linker).map_err(contract)?;
        }
        capability::define_traps(&mut linker, component, with_http).map_err(contract)?;
        let pre = linker.instantiate_pre(component).map_err(contract)?;
        let exported = |interface: &str| exports.iter().any(|name| name.starts_with(&format!("{CONTRACT}{interface}@")));
        let found = Self {
            tools: exported("tools").then(|| tools::GuestIndices::new(&pre)).transpose().map_err(contract)?,
            resources: exported("resources").then(|| resources::GuestIndices::new(&pre)).transpose().map_err(contract)?,
            prompts: exported("prompts").then(|| prompts::GuestIndices::new(&pre)).transpose().map_err(contract)?,
            completion: exported("completion").then(|| completion::GuestIndices::new(&pre)).transpose().map_err(contract)?,
            query_hooks: exported("query-hooks").then(|| query_hooks::GuestIndices::new(&pre)).transpose().map_err(contract)?,
            call_hooks: exported("call-hooks").then(|| call_hooks::GuestIndices::new(&pre)).transpose().map_err(contract)?,
            jobs: exported("jobs").then(|| jobs::GuestIndices::new(&pre)).transpose().map_err(contract)?,
            imports,
            share,
            pre,
        };
        let hooks = found.query_hooks.is_some() || found.call_hooks.is_some() || found.jobs.is_some();
        if found.tools.is_none() && found.resources.is_none() && found.prompts.is_none() && !hooks {
            let text = "it exports none of the interfaces `tools`, `resources`, `prompts`, `query-hooks`, `call-hooks`, `jobs`";
            return Err(LoadError::Contract(text.into()));
        }
        Ok(found)
    }

    /// The interfaces of the contract that it imports, by their names without package and version, sorted. What is not
    /// among them it cannot do.
    pub fn contract_imports(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.imports.iter().filter_map(|name| name.strip_prefix(CONTRACT)).map(|name| name.split('@').next().unwrap_or(name)).collect();
        names.sort_unstable();
        names
    }

    /// Whether it imports what sends requests over HTTP.
    pub fn imports_http(&self) -> bool {
        self.imports.iter().any(|import| import.starts_with(HTTP))
    }

    /// Whether it exports `jobs`.
    pub fn has_jobs(&self) -> bool {
        self.jobs.is_some()
    }

    /// Runs one of its jobs; gives a sentence for the operator.
    pub async fn run_job(&self, call: &Call, guest: &Arc<Guest>, services: &Services, run: &JobRun) -> Answered<String> {
        let Some(indices) = &self.jobs else { return unknown("job", &run.name) };
        let request = jobs::Run { name: run.name.clone(), due_ms: run.due_ms, missed: run.missed };
        call_export!(self, indices, call, guest, services, call_run_job(&request), |answer, state: &mut State| {
            exports::job_outcome(answer, &state.guest.id, &run.name)
        })
    }

    /// Its hooks around statements.
    pub(super) fn query_hooks(&self) -> Option<&query_hooks::GuestIndices> {
        self.query_hooks.as_ref()
    }

    /// Its hooks around calls.
    pub(super) fn call_hooks(&self) -> Option<&call_hooks::GuestIndices> {
        self.call_hooks.as_ref()
    }

    /// Whether it exports the hooks of this event.
    pub fn has_hooks_on(&self, event: HookEvent) -> bool {
        match event {
            HookEvent::BeforeQuery | HookEvent::AfterQuery | HookEvent::OnError | HookEvent::OnConnect => self.query_hooks.is_some(),
            HookEvent::BeforeCall | HookEvent::AfterCall => self.call_hooks.is_some(),
        }
    }

    /// Makes an instance in a store of [`store`](Self::store).
    pub(super) async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Instance> {
        self.pre.instantiate_async(store).await
    }

    /// Whether it exports `completion`.
    pub fn completes(&self) -> bool {
        self.completion.is_some()
    }

    /// Its tools; none when it does not export any.
    pub async fn list_tools(&self, call: &Call, guest: &Arc<Guest>, services: &Services) -> Result<Vec<ToolDefinition>, CallError> {
        let Some(indices) = &self.tools else { return Ok(Vec::new()) };
        let id = &guest.id;
        call_export!(self, indices, call, guest, services, call_list_tools(), |list: Vec<_>, _: &mut State| exports::tools(id, list)).0
    }

    /// Calls the tool `name`, by its name in the plugin, with `arguments`, a JSON object as text: in a new instance, or in one of
    /// `kept` that served the same caller.
    #[expect(clippy::too_many_arguments, reason = "whom, for whom, with what: each is its own")]
    pub async fn call_tool(
        &self,
        call: &Call,
        guest: &Arc<Guest>,
        services: &Services,
        name: &str,
        arguments: String,
        round: &Round,
        kept: Option<&Arc<KeptInstances>>,
    ) -> Answered<Outcome<Vec<Content>>> {
        let Some(indices) = &self.tools else { return unknown("tool", name) };
        let brought = Brought::new(arguments.clone(), round.accepts_a_form());
        let call = &Call { brought: Arc::new(brought), ..call.clone() };
        let request = tools::Call { name: name.into(), arguments, round: exports::round(round, call) };
        // A call on a cassette has an instance of its own.
        let Some(kept) = kept.filter(|_| services.tape.is_none()) else {
            return call_export!(self, indices, call, guest, services, call_call_tool(&request), exports::tool_outcome);
        };
        // Owned by what runs: taken back or late, the instance goes with it.
        let running = async {
            let mut started = self.started(kept, call, guest, services).await?;
            let called = match indices.load(&mut started.store, &started.instance) {
                Ok(guest) => guest.call_call_tool(&mut started.store, &request).await,
                Err(error) => Err(error),
            };
            Ok::<_, wasmtime::Error>((called, started))
        };
        match within(call, guest, running).await {
            Err(stopped) => (Err(stopped), Announced::default()),
            Ok(Err(error)) => (Err(self.blame(&self.store(call, guest, services), &error)), Announced::default()),
            Ok(Ok((called, mut started))) => {
                let announced = std::mem::take(&mut started.store.data_mut().announced);
                let result = match called {
                    Err(error) => Err(self.blame(&started.store, &error)),
                    Ok(answer) => {
                        let result = exports::tool_outcome(answer, started.store.data_mut());
                        // A tool may fail and be well; one that breaks the contract is not asked again.
                        if !matches!(result, Err(CallError::PluginFailed { .. } | CallError::PluginLimit { .. })) {
                            kept.keep(call, started);
                        }
                        result
                    }
                };
                (result, announced)
            }
        }
    }

    /// An instance for this caller: a kept one, or a new one.
    async fn started(&self, kept: &KeptInstances, call: &Call, guest: &Arc<Guest>, services: &Services) -> wasmtime::Result<Started> {
        if let Some(mut started) = kept.take(&call.caller, guest) {
            let store = &mut started.store;
            store.data_mut().serve_again(call.clone(), services.clone());
            store.set_hostcall_fuel(guest.limits.crossing_bytes);
            store.set_epoch_deadline(1);
            return Ok(started);
        }
        let mut store = self.store(call, guest, services);
        let instance = self.pre.instantiate_async(&mut store).await?;
        Ok(Started::new(store, instance))
    }

    /// Its resources.
    pub async fn list_resources(&self, call: &Call, guest: &Arc<Guest>, services: &Services) -> Result<Vec<ResourceDefinition>, CallError> {
        let Some(indices) = &self.resources else { return Ok(Vec::new()) };
        let id = &guest.id;
        call_export!(self, indices, call, guest, services, call_list_resources(), |list: Vec<_>, _: &mut State| exports::resources(
            id, list
        ))
        .0
    }

    /// Its resource templates.
    pub async fn list_templates(&self, call: &Call, guest: &Arc<Guest>, services: &Services) -> Result<Vec<ResourceDefinition>, CallError> {
        let Some(indices) = &self.resources else { return Ok(Vec::new()) };
        let id = &guest.id;
        call_export!(self, indices, call, guest, services, call_list_templates(), |list: Vec<_>, _: &mut State| exports::resources(
            id, list
        ))
        .0
    }

    /// Reads one resource.
    pub async fn read_resource(
        &self,
        call: &Call,
        guest: &Arc<Guest>,
        services: &Services,
        uri: &str,
        round: &Round,
    ) -> Answered<Outcome<Vec<ResourceContent>>> {
        let Some(indices) = &self.resources else { return unknown("resource", uri) };
        let request = resources::Request { uri: uri.into(), round: exports::round(round, call) };
        call_export!(self, indices, call, guest, services, call_read_resource(&request), |answer, state: &mut State| {
            exports::resource_outcome(answer, state, uri)
        })
    }

    /// Its prompts.
    pub async fn list_prompts(&self, call: &Call, guest: &Arc<Guest>, services: &Services) -> Result<Vec<PromptDefinition>, CallError> {
        let Some(indices) = &self.prompts else { return Ok(Vec::new()) };
        let id = &guest.id;
        call_export!(self, indices, call, guest, services, call_list_prompts(), |list: Vec<_>, _: &mut State| exports::prompts(id, list)).0
    }

    /// Fills in one prompt, by its name in the plugin.
    pub async fn get_prompt(
        &self,
        call: &Call,
        guest: &Arc<Guest>,
        services: &Services,
        name: &str,
        arguments: Vec<(String, String)>,
        round: &Round,
    ) -> Answered<Outcome<Prompt>> {
        let Some(indices) = &self.prompts else { return unknown("prompt", name) };
        let request = prompts::Request { name: name.into(), arguments, round: exports::round(round, call) };
        call_export!(self, indices, call, guest, services, call_get_prompt(&request), exports::prompt_outcome)
    }

    /// Completes one argument; nothing when it does not export `completion`.
    pub async fn complete(
        &self,
        call: &Call,
        guest: &Arc<Guest>,
        services: &Services,
        request: CompletionRequest,
    ) -> Result<Completions, CallError> {
        let Some(indices) = &self.completion else { return Ok(Completions::default()) };
        let request = exports::completion_request(request);
        call_export!(self, indices, call, guest, services, call_complete(&request), |answer, _: &mut State| Ok(exports::completions(
            answer
        )))
        .0
    }

    /// A store for one call, with every limit set.
    pub(super) fn store(&self, call: &Call, guest: &Arc<Guest>, services: &Services) -> Store<State> {
        let state = State::new(call.clone(), guest.clone(), services.clone());
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(guest.limits.crossing_bytes);
        store.set_max_component_handles(guest.limits.row_sets + 256);
        store.set_epoch_deadline(1);
        let share = self.share.clone();
        store.epoch_deadline_callback(move |mut context| {
            let state = context.data_mut();
            state.meter.tick(state.host_calls)?;
            // Lets other calls run on this thread; this one goes on when it is polled again.
            if !state.meter.is_busy() {
                return Ok(UpdateDeadline::Yield(1));
            }
            let share = share.clone();
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(async move { share.slice().await })))
        });
        store
    }

    /// Says who is to blame, and writes the guest's own last words to the log.
    pub(super) fn blame(&self, store: &Store<State>, error: &wasmtime::Error) -> CallError {
        let state = store.data();
        let blamed = trap::blame(&state.guest.id, error, &state.meter, state.guest.limits.crossing_bytes);
        let words = state.stderr.contents();
        let words = String::from_utf8_lossy(&words);
        let words: String = words.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        tracing::warn!(plugin.id = %state.guest.id, call.id = %state.call.id, cause = %error.root_cause(), stderr = %words, "{blamed}");
        blamed
    }
}

fn unknown<T>(what: &'static str, name: &str) -> Answered<T> {
    (Err(CallError::Unknown { what, name: name.into() }), Announced::default())
}

/// Waits for `running` until the call's deadline, the plugin's own limit, or until it is taken back.
///
/// The epoch stops a guest that computes; this stops one that waits, in the host or in WASI.
async fn within<T>(call: &Call, guest: &Guest, running: impl Future<Output = T>) -> Result<T, CallError> {
    let own = guest.limits.wall_time.map(|limit| (Instant::now() + limit, limit)).filter(|(until, _)| *until < call.deadline);
    let until = own.map_or(call.deadline, |(until, _)| until);
    tokio::select! {
        biased;
        () = call.cancellation.cancelled() => Err(CallError::Cancelled),
        ended = tokio::time::timeout_at(until.into(), running) => ended.map_err(|_| match own {
            Some((_, limit)) => CallError::PluginLimit { plugin: guest.id.clone(), limit: format!("{limit:?} for one call") },
            None => CallError::Timeout,
        }),
    }
}
