//! The Wasm side of hooks: asks a component about statements, sessions and calls.
//!
//! A question gets an instance of its own, as a call does. Where the operator says so, an instance is kept after it
//! answered and serves the **same caller** again: it never serves two callers, so that nothing of one can reach another
//! through a guest's memory, whatever the guest does ([`kept_instances`](super::kept_instances)).

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value as Json;
use tokio::sync::Semaphore;

use super::around::Called;
use super::around::Calling;
use super::component::Component;
use super::hook_answer;
use super::kept_instances::Keeping;
use super::kept_instances::KeptInstances;
use super::kept_instances::Started;
use super::standing::Question;
use super::standing::Standing;
use crate::bindings::exports::tidegate::plugin::query_hooks;
use crate::bindings::tidegate::plugin::hook as contract;
use crate::call::Call;
use crate::capability::Guest;
use crate::capability::HookQuestion;
use crate::capability::Services;
use crate::capability::State;
use crate::hook::Asked;
use crate::hook::Fault;
use crate::hook::Hook;
use crate::hook::Kind;
use crate::hook::Stage;
use crate::hook::Verdict;
use crate::hook::statements::Asking;
use crate::hook::statements::Connecting;
use crate::hook::statements::Failed;
use crate::hook::statements::Ran;

/// Instances of hooks that may run and be kept at once, over all plugins.
#[derive(Clone)]
pub struct HookSlots {
    /// Questions that run.
    running: Arc<Semaphore>,
    /// Instances that wait for the next question.
    kept: Arc<Semaphore>,
}

impl HookSlots {
    /// So many questions at once, and so many kept instances.
    pub fn new(running: usize, kept: usize) -> Self {
        Self { running: Arc::new(Semaphore::new(running)), kept: Arc::new(Semaphore::new(kept)) }
    }

    /// A place for instances that serve the tools of a plugin; they count with those of hooks.
    pub fn for_tools(&self, keeping: Keeping) -> Arc<KeptInstances> {
        KeptInstances::new(keeping, self.kept.clone())
    }
}

/// What of an event a hook is shown, beside what every hook is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// The caller's name.
    pub caller: bool,
    /// Parameters of statements.
    pub parameters: bool,
    /// Columns of rows.
    pub columns: bool,
    /// Rows, and their columns.
    pub rows: bool,
    /// Arguments of calls.
    pub arguments: bool,
    /// Answers of calls.
    pub content: bool,
}

/// One hook of a component. Cheap to clone: clones keep the same instances.
#[derive(Clone)]
pub struct GuestHook {
    component: Arc<Component>,
    guest: Arc<Guest>,
    services: Services,
    reads: Reads,
    slots: HookSlots,
    /// Where instances are kept; none when every question gets a new one.
    kept: Option<Arc<KeptInstances>>,
    /// Verdicts that stand; none when every question is asked.
    standing: Option<Arc<Standing>>,
}

impl GuestHook {
    /// A hook of `component` as `guest`, whose limits are those of one question. `per_caller` keeps instances for their callers.
    pub fn new(
        component: Arc<Component>,
        guest: Arc<Guest>,
        services: &Services,
        reads: Reads,
        slots: HookSlots,
        per_caller: bool,
    ) -> Self {
        let kept = (per_caller && services.tape.is_none()).then(|| KeptInstances::new(Keeping::default(), slots.kept.clone()));
        // On a tape, each question has to be there.
        let standing = services.tape.is_none().then(Arc::default);
        Self { component, guest, services: services.for_hooks(), reads, kept, slots, standing }
    }

    /// An instance for this caller: a kept one, or a new one.
    async fn start(&self, call: &Call, question: HookQuestion) -> wasmtime::Result<Started> {
        if let Some(mut started) = self.kept.as_ref().and_then(|kept| kept.take(&call.caller, &self.guest)) {
            let store = &mut started.store;
            store.data_mut().ask_again(call.clone(), question);
            store.set_hostcall_fuel(self.guest.limits.crossing_bytes);
            store.set_epoch_deadline(1);
            return Ok(started);
        }
        let mut store = self.component.store(call, &self.guest, &self.services);
        store.data_mut().hook = Some(question);
        store.data_mut().begin("hook", &Json::Null);
        let instance = self.component.instantiate(&mut store).await?;
        Ok(Started::new(store, instance))
    }

    /// Keeps an instance that answered, where that is wanted.
    fn keep(&self, call: &Call, started: Started) {
        if let Some(kept) = &self.kept {
            kept.keep(call, started);
        }
    }

    fn caller(&self, call: &Call) -> Option<String> {
        self.reads.caller.then(|| call.caller.as_str().to_owned())
    }

    fn statement(&self, call: &Call, asking: &Asking) -> query_hooks::Statement {
        hook_answer::statement(asking, self.reads.parameters, self.caller(call))
    }

    fn failed(&self, started: &Started, error: &wasmtime::Error) -> Fault {
        Fault::Failed(self.component.blame(&started.store, error).to_string())
    }
}

/// As what a hook is asked, in the contract's types.
fn asked(asked: Asked) -> contract::Asked {
    let kind = match asked.kind {
        Kind::Validate => contract::Kind::Validate,
        Kind::Mutate => contract::Kind::Mutate,
        Kind::Provide => contract::Kind::Provide,
        Kind::Observe => contract::Kind::Observe,
    };
    let stage = match asked.stage {
        Stage::BeforeChanges => contract::Stage::BeforeChanges,
        Stage::AfterChanges => contract::Stage::AfterChanges,
    };
    contract::Asked { kind, stage }
}

/// Asks one export, in an instance for the caller of the call.
macro_rules! ask {
    ($self:ident, $call:ident, $question:expr, $indices:ident, |$guest:ident, $store:ident| $invoke:expr, $translate:expr) => {{
        let Some(indices) = $self.component.$indices() else {
            return Err(Fault::Failed("it exports no such hook".into()));
        };
        let Ok(_running) = $self.slots.running.acquire().await else { return Err(Fault::CallOver) };
        let running = async {
            let mut started = $self.start($call, $question).await.map_err(|error| Fault::Failed(error.root_cause().to_string()))?;
            let answered: wasmtime::Result<_> = async {
                let Started { store: $store, instance, $indices: loaded, .. } = &mut started;
                // Their types are looked at once for each instance.
                let $guest = match loaded {
                    Some(guest) => &*guest,
                    None => &*loaded.insert(indices.load(&mut *$store, instance)?),
                };
                $invoke
            }
            .await;
            match answered {
                Err(error) => Err($self.failed(&started, &error)),
                Ok(answer) => {
                    let is_first = started.is_first();
                    let verdict = $translate(answer, is_first, started.store.data_mut())?;
                    $self.keep($call, started);
                    Ok(verdict)
                }
            }
        };
        tokio::select! {
            biased;
            () = $call.cancellation.cancelled() => Err(Fault::CallOver),
            ended = tokio::time::timeout_at($call.deadline.into(), running) => ended.unwrap_or(Err(Fault::CallOver)),
        }
    }};
}

/// What a hook answers, or why it does not.
type Answered<'a, S> = BoxFuture<'a, Result<Verdict<S>, Fault>>;

impl Hook<Asking> for GuestHook {
    fn ask<'a>(&'a self, call: &'a Call, subject: &'a Asking, how: Asked) -> Answered<'a, Asking> {
        Box::pin(async move {
            let question = HookQuestion { kept: subject.kept.clone() };
            let statement = self.statement(call, subject);
            ask!(
                self,
                call,
                question,
                query_hooks,
                |guest, store| guest.call_before_query(store, asked(how), &statement).await,
                |verdict, _, state: &mut State| hook_answer::before_query(verdict, state)
            )
        })
    }
}

impl Hook<Ran> for GuestHook {
    fn ask<'a>(&'a self, call: &'a Call, subject: &'a Ran, how: Asked) -> Answered<'a, Ran> {
        Box::pin(async move {
            let statement = self.statement(call, &subject.asking);
            let reads = self.reads;
            ask!(
                self,
                call,
                HookQuestion::default(),
                query_hooks,
                |guest, store| {
                    let outcome = hook_answer::outcome(subject, reads, store.data_mut())?;
                    guest.call_after_query(store, asked(how), &statement, &outcome).await
                },
                |verdict, _, state: &mut State| hook_answer::after_query(verdict, state)
            )
        })
    }
}

impl Hook<Failed> for GuestHook {
    fn ask<'a>(&'a self, call: &'a Call, subject: &'a Failed, how: Asked) -> Answered<'a, Failed> {
        Box::pin(async move {
            let statement = self.statement(call, &subject.asking);
            let error = crate::capability::error::to_guest(subject.error.clone());
            ask!(
                self,
                call,
                HookQuestion::default(),
                query_hooks,
                |guest, store| guest.call_on_error(store, asked(how), &statement, &error).await,
                |advice, _, _: &mut State| Ok::<_, Fault>(hook_answer::advice(how.kind, advice))
            )
        })
    }
}

impl Hook<Connecting> for GuestHook {
    fn ask<'a>(&'a self, call: &'a Call, subject: &'a Connecting, _: Asked) -> Answered<'a, Connecting> {
        Box::pin(async move {
            let connection = query_hooks::Connection {
                database: subject.database.to_string(),
                engine: subject.engine.as_str().into(),
                caller: self.caller(call),
                writes: subject.writes,
            };
            ask!(
                self,
                call,
                HookQuestion::default(),
                query_hooks,
                |guest, store| guest.call_on_connect(store, &connection).await,
                |verdict, _, _: &mut State| Ok::<_, Fault>(hook_answer::on_connect(verdict))
            )
        })
    }
}

impl Hook<Calling> for GuestHook {
    fn ask<'a>(&'a self, call: &'a Call, subject: &'a Calling, how: Asked) -> Answered<'a, Calling> {
        Box::pin(async move {
            let reads = self.reads;
            // Who is shown more is asked about each call.
            let standing = self.standing.as_ref().filter(|_| !reads.arguments && !reads.caller);
            let standing = standing.map(|standing| (standing, Question::of(subject, how)));
            if let Some(verdict) = standing.as_ref().and_then(|(standing, question)| standing.find(question)) {
                return Ok(verdict);
            }
            let event = hook_answer::call(subject, reads.arguments, self.caller(call));
            let translate = |verdict, is_first, state: &mut State| {
                let verdict = hook_answer::before_call(verdict, reads, state)?;
                if let Some((standing, question)) = standing {
                    standing.keep(question, &verdict, is_first, state);
                }
                Ok::<_, Fault>(verdict)
            };
            ask!(
                self,
                call,
                HookQuestion::default(),
                call_hooks,
                |guest, store| guest.call_before_call(store, asked(how), &event).await,
                translate
            )
        })
    }
}

impl Hook<Called> for GuestHook {
    fn ask<'a>(&'a self, call: &'a Call, subject: &'a Called, how: Asked) -> Answered<'a, Called> {
        Box::pin(async move {
            let event = hook_answer::call(&subject.calling, self.reads.arguments, self.caller(call));
            let reads = self.reads;
            ask!(
                self,
                call,
                HookQuestion::default(),
                call_hooks,
                |guest, store| {
                    let outcome = hook_answer::called(subject, reads, store.data_mut())?;
                    guest.call_after_call(store, asked(how), &event, &outcome).await
                },
                |verdict, _, state: &mut State| hook_answer::after_call(verdict, reads, state)
            )
        })
    }
}
