//! Random chains of scripted hooks: who is asked in which order, and what comes of it.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use futures_util::future;
use futures_util::future::BoxFuture;
use proptest::prelude::Just;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert_eq;
use proptest::prop_oneof;
use proptest::test_runner::Config;
use proptest::test_runner::TestCaseError;
use proptest::test_runner::TestRunner;

use super::model::Cause;
use super::model::Expected;
use crate::call::Call;
use crate::call::Caller;
use crate::config::HookMode;
use crate::config::OnFailure;
use crate::hook::Asked;
use crate::hook::Fault;
use crate::hook::Filter;
use crate::hook::Hook;
use crate::hook::Kind;
use crate::hook::Stage;
use crate::hook::Subject;
use crate::hook::Verdict;
use crate::hook::breaker::Breaker;
use crate::hook::chain::Chain;
use crate::hook::chain::Link;
use crate::hook::chain::Refusal;
use crate::hook::chain::Why;
use crate::hook::observers::Observers;

/// Chains that are tried.
const CASES: u32 = 3_000;

/// Whose changes were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trail(pub(super) Vec<usize>);

/// A change by a hook, and whether it makes sense.
pub(super) struct Mark {
    by: usize,
    sensible: bool,
}

impl Subject for Trail {
    type Change = Mark;
    type Answer = usize;

    fn matches(&self, filter: &Filter) -> bool {
        match filter.tables.first().map(String::as_str) {
            None => true,
            Some("changed") => !self.0.is_empty(),
            Some(_) => false,
        }
    }
}

/// When a hook wants to see the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Always,
    OnceChanged,
    Never,
}

/// What a hook does when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Pass,
    Refuse,
    Change,
    ChangeWithoutSense,
    Answer,
    Fail,
    NeverAnswer,
}

/// One hook of a random chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Script {
    pub(super) kind: Kind,
    pub(super) priority: i32,
    pub(super) plugin: usize,
    pub(super) mode: HookMode,
    pub(super) on_failure: OnFailure,
    pub(super) shown: Shown,
    pub(super) does: Does,
    pub(super) open: bool,
}

/// Questions in the order in which they were asked.
type Questions = Arc<Mutex<Vec<(usize, Stage, Vec<usize>)>>>;

/// A hook that follows its script and notes what it was asked.
struct Scripted {
    at: usize,
    kind: Kind,
    does: Does,
    questions: Questions,
}

impl Hook<Trail> for Scripted {
    fn ask<'a>(&'a self, _: &'a Call, subject: &'a Trail, asked: Asked) -> BoxFuture<'a, Result<Verdict<Trail>, Fault>> {
        assert_eq!(asked.kind, self.kind);
        self.questions.lock().unwrap().push((self.at, asked.stage, subject.0.clone()));
        let mark = |sensible| Ok(Verdict::Change(Mark { by: self.at, sensible }));
        let verdict = match self.does {
            Does::Pass => Ok(Verdict::Pass),
            Does::Refuse => Ok(Verdict::Refuse("no".into())),
            Does::Change => mark(true),
            Does::ChangeWithoutSense => mark(false),
            Does::Answer => Ok(Verdict::Answer(self.at)),
            Does::Fail => Err(Fault::Failed("it fell over".into())),
            Does::NeverAnswer => return Box::pin(future::pending()),
        };
        Box::pin(future::ready(verdict))
    }
}

/// A hook in its place; its plugin is called after its number.
fn link(script: &Script, at: usize, asked: &Questions, audited: &Questions) -> Arc<Link<Trail>> {
    let breaker = Breaker::default();
    if script.open {
        (0..5).for_each(|_| {
            breaker.failed(Instant::now());
        });
    }
    let questions = if script.mode == HookMode::Enforce { asked.clone() } else { audited.clone() };
    let tables = match script.shown {
        Shown::Always => Vec::new(),
        Shown::OnceChanged => vec!["changed".to_owned()],
        Shown::Never => vec!["elsewhere".to_owned()],
    };
    Arc::new(Link {
        plugin: format!("plugin-{}", script.plugin).into(),
        event: "before-query",
        kind: script.kind,
        priority: script.priority,
        mode: script.mode,
        on_failure: script.on_failure,
        // Whoever answers does so at once, so that one limit is never met and the other always.
        timeout: if script.does == Does::NeverAnswer { Duration::from_millis(1) } else { Duration::from_mins(1) },
        filter: Filter { tables, ..Filter::default() },
        hook: Arc::new(Scripted { at, kind: script.kind, does: script.does, questions }),
        breaker: Arc::new(breaker),
    })
}

/// Runs a subject through all that a statement passes before it reaches the database.
async fn pass(chain: &Chain<Trail>, call: &Call, trail: &mut Trail, observers: &Observers) -> Result<Option<usize>, Refusal> {
    chain.validate(call, trail, Stage::BeforeChanges, observers).await?;
    let apply = |trail: &mut Trail, mark: Mark| {
        // Before it fails it has changed something: none of that may be seen later.
        trail.0.push(mark.by);
        mark.sensible.then_some(()).ok_or_else(|| "it makes no sense".to_owned())
    };
    if chain.change(call, trail, observers, apply).await? {
        chain.validate(call, trail, Stage::AfterChanges, observers).await?;
    }
    Ok(chain.provide(call, trail, observers).await?.map(|(_, answer)| answer))
}

async fn check(scripts: &[Script]) -> Result<(), TestCaseError> {
    let (asked, audited) = (Questions::default(), Questions::default());
    let links = scripts.iter().enumerate().map(|(at, script)| link(script, at, &asked, &audited)).collect();
    let (chain, observers) = (Chain::new(links), Observers::default());
    let call = Call::new(Caller::local(), Duration::from_mins(1));
    let mut trail = Trail::default();
    let ended = pass(&chain, &call, &mut trail, &observers).await;

    let expected = Expected::of(scripts);
    prop_assert_eq!(&*asked.lock().unwrap(), &expected.asked);
    prop_assert_eq!(&trail.0, &expected.changes);
    let plugin_of = |at: usize| format!("plugin-{}", scripts[at].plugin);
    match ended {
        Ok(answered) => prop_assert_eq!((answered, None), (expected.answered, expected.refused)),
        Err(refusal) => {
            let cause = match refusal.why {
                Why::Said(_) => Cause::Said,
                Why::Failed(_) => Cause::Failed,
                Why::Open(_) => Cause::Open,
                Why::CallOver => return Err(TestCaseError::fail("the call is not over")),
            };
            let wanted = expected.refused.map(|(at, cause)| (plugin_of(at), cause));
            prop_assert_eq!(Some((refusal.plugin.to_string(), cause)), wanted);
        }
    }
    // Those in audit are asked off the path, four at once.
    let patience = Instant::now() + Duration::from_secs(10);
    while audited.lock().unwrap().len() < expected.audited.len() && Instant::now() < patience {
        tokio::task::yield_now().await;
    }
    let sorted = |mut questions: Vec<(usize, Stage, Vec<usize>)>| {
        questions.sort_by_key(|(at, stage, _)| (*at, *stage == Stage::AfterChanges));
        questions
    };
    prop_assert_eq!(sorted(audited.lock().unwrap().clone()), sorted(expected.audited));
    Ok(())
}

fn script() -> impl Strategy<Value = Script> {
    let kind = prop_oneof![3 => Just(Kind::Validate), 4 => Just(Kind::Mutate), 2 => Just(Kind::Provide), 1 => Just(Kind::Observe)];
    let mode = prop_oneof![8 => Just(HookMode::Enforce), 2 => Just(HookMode::Audit), 1 => Just(HookMode::Off)];
    let on_failure = prop_oneof![Just(OnFailure::Refuse), Just(OnFailure::Skip)];
    let shown = prop_oneof![6 => Just(Shown::Always), 2 => Just(Shown::OnceChanged), 1 => Just(Shown::Never)];
    let does = prop_oneof![
        8 => Just(Does::Pass),
        1 => Just(Does::Refuse),
        6 => Just(Does::Change),
        1 => Just(Does::ChangeWithoutSense),
        3 => Just(Does::Answer),
        1 => Just(Does::Fail),
        1 => Just(Does::NeverAnswer),
    ];
    let open = prop_oneof![12 => Just(false), 1 => Just(true)];
    (kind, 0..3, 0..4_usize, mode, on_failure, shown, does, open).prop_map(
        |(kind, priority, plugin, mode, on_failure, shown, does, open)| Script {
            kind,
            priority,
            plugin,
            mode,
            on_failure,
            shown,
            does,
            open,
        },
    )
}

/// A hook whose kind has what it does, more often than chance gives it: else most chains end early.
fn suited() -> impl Strategy<Value = Script> {
    (script(), any::<bool>()).prop_map(|(script, leave)| match (script.does, script.kind) {
        _ if leave => script,
        (Does::Change, Kind::Validate | Kind::Provide) | (Does::Answer, Kind::Validate | Kind::Mutate) => {
            Script { does: Does::Pass, ..script }
        }
        _ => script,
    })
}

#[test]
fn random_chains_do_what_the_model_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let outcomes = std::cell::RefCell::new([0_u32; 4]);
    let chains = proptest::collection::vec(suited(), 0..9);
    let ended = TestRunner::new(config).run(&chains, |scripts| {
        let expected = Expected::of(&scripts);
        let [refused, answered, changed, audited] = &mut *outcomes.borrow_mut();
        *refused += u32::from(expected.refused.is_some());
        *answered += u32::from(expected.answered.is_some());
        *changed += u32::from(expected.changes.len() > 1);
        *audited += u32::from(!expected.audited.is_empty());
        runtime.block_on(check(&scripts))
    });
    ended.unwrap_or_else(|error| panic!("{error}"));
    // A generator that always ends in the same way would prove nothing.
    let outcomes = outcomes.into_inner();
    assert!(outcomes.iter().all(|seen| *seen > CASES / 150), "refused, answered, changed twice, audited: {outcomes:?}");
}
