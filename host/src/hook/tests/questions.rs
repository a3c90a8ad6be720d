//! One question at a time: side by side, in time, dropped in the middle, off the path.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future;
use futures_util::future::BoxFuture;
use tokio::sync::Barrier;
use tokio::sync::Notify;
use tokio::sync::Semaphore;

use crate::call::Call;
use crate::call::Caller;
use crate::config::HookMode;
use crate::config::OnFailure;
use crate::hook::Asked;
use crate::hook::Fault;
use crate::hook::Filter;
use crate::hook::Hook;
use crate::hook::Kind;
use crate::hook::Nothing;
use crate::hook::Stage;
use crate::hook::Subject;
use crate::hook::Verdict;
use crate::hook::breaker::Breaker;
use crate::hook::chain::Chain;
use crate::hook::chain::Link;
use crate::hook::chain::Why;
use crate::hook::observers::Observers;

/// Long enough for whatever is to come; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_mins(1);

/// Something to ask about.
#[derive(Clone)]
struct Thing;

impl Subject for Thing {
    type Change = ();
    type Answer = Nothing;

    fn matches(&self, _: &Filter) -> bool {
        true
    }
}

type Answered = BoxFuture<'static, Result<Verdict<Thing>, Fault>>;

/// A hook that is a function, and counts.
struct Function<F> {
    answer: F,
    asked: Arc<Mutex<Vec<Duration>>>,
}

impl<F: Fn() -> Answered + Send + Sync> Hook<Thing> for Function<F> {
    fn ask<'a>(&'a self, call: &'a Call, _: &'a Thing, _: Asked) -> BoxFuture<'a, Result<Verdict<Thing>, Fault>> {
        self.asked.lock().unwrap().push(call.remaining());
        (self.answer)()
    }
}

/// A link whose hook is a function, and what remained of the call each time that it was asked.
fn link<F>(kind: Kind, answer: F) -> (Link<Thing>, Arc<Mutex<Vec<Duration>>>)
where
    F: Fn() -> Answered + Send + Sync + 'static,
{
    let asked = Arc::default();
    let hook = Function { answer, asked: Arc::clone(&asked) };
    let link = Link {
        plugin: "guard".into(),
        event: "before-query",
        kind,
        priority: 100,
        mode: HookMode::Enforce,
        on_failure: OnFailure::Refuse,
        timeout: PATIENCE,
        filter: Filter::default(),
        hook: Arc::new(hook),
        breaker: Arc::new(Breaker::default()),
    };
    (link, asked)
}

fn chain(links: impl IntoIterator<Item = Link<Thing>>) -> Chain<Thing> {
    Chain::new(links.into_iter().map(Arc::new).collect())
}

fn fails() -> Answered {
    Box::pin(future::ready(Err(Fault::Failed("it fell over".into()))))
}

async fn validate(chain: &Chain<Thing>) -> Result<(), Why> {
    let call = Call::new(Caller::local(), PATIENCE);
    chain.validate(&call, &Thing, Stage::BeforeChanges, &Observers::default()).await.map_err(|refusal| refusal.why)
}

#[tokio::test]
async fn validators_are_asked_side_by_side() {
    // Nobody answers before all of them are asked.
    let barrier = Arc::new(Barrier::new(3));
    let links = (0..3).map(|_| {
        let barrier = barrier.clone();
        let answer = move || {
            let barrier = barrier.clone();
            Box::pin(async move {
                barrier.wait().await;
                Ok(Verdict::Pass)
            }) as Answered
        };
        link(Kind::Validate, answer).0
    });
    assert_eq!(validate(&chain(links)).await, Ok(()));
}

#[tokio::test]
async fn the_first_refusal_in_order_counts_also_when_it_comes_last() {
    let second_answered = Arc::new(Notify::new());
    let waits = second_answered.clone();
    let (first, _) = link(Kind::Validate, move || {
        let waits = waits.clone();
        Box::pin(async move {
            waits.notified().await;
            Ok(Verdict::Refuse("the first".into()))
        })
    });
    let (second, _) = link(Kind::Validate, move || {
        second_answered.notify_one();
        Box::pin(future::ready(Ok(Verdict::Refuse("the second".into()))))
    });
    assert_eq!(validate(&chain([first, second])).await, Err(Why::Said("the first".into())));
}

#[tokio::test]
async fn five_failures_open_the_breaker_which_means_refusal_unasked_or_a_skip() {
    let ((guards, guards_asked), (skips, skips_asked)) = (link(Kind::Validate, fails), link(Kind::Validate, fails));
    let (guards, skips) = (chain([guards]), chain([Link { on_failure: OnFailure::Skip, ..skips }]));
    for _ in 0..5 {
        assert_eq!(validate(&guards).await, Err(Why::Failed("it fell over".into())));
        assert_eq!(validate(&skips).await, Ok(()));
    }
    for _ in 0..3 {
        assert!(matches!(validate(&guards).await, Err(Why::Open(left)) if left > Duration::from_secs(20)));
        assert_eq!(validate(&skips).await, Ok(()));
    }
    assert_eq!((guards_asked.lock().unwrap().len(), skips_asked.lock().unwrap().len()), (5, 5));
}

#[tokio::test]
async fn a_refusal_is_no_failure() {
    let (guard, asked) = link(Kind::Validate, || Box::pin(future::ready(Ok(Verdict::Refuse("no".into())))));
    let guards = chain([guard]);
    for _ in 0..20 {
        assert_eq!(validate(&guards).await, Err(Why::Said("no".into())));
    }
    assert_eq!(asked.lock().unwrap().len(), 20);
}

#[tokio::test]
async fn a_call_that_is_dropped_or_over_leaves_no_trace_in_the_breaker() {
    let (waits, asked) = link(Kind::Validate, || Box::pin(future::pending()));
    let waits = chain([waits]);
    for _ in 0..20 {
        assert_eq!(validate(&waits).now_or_never(), None);
    }
    assert_eq!(asked.lock().unwrap().len(), 20, "still asked");

    let (over, asked) = link(Kind::Validate, || Box::pin(future::ready(Err(Fault::CallOver))));
    let over = chain([over]);
    for _ in 0..20 {
        assert_eq!(validate(&over).await, Err(Why::CallOver));
    }
    assert_eq!(asked.lock().unwrap().len(), 20, "still asked");
}

#[tokio::test]
async fn a_probe_that_is_dropped_is_made_again() {
    let answers: Arc<Mutex<VecDeque<Answered>>> = Arc::default();
    let pass = || Box::pin(future::ready(Ok(Verdict::Pass))) as Answered;
    answers.lock().unwrap().extend([Box::pin(future::pending()) as Answered, pass(), pass()]);
    let next = answers.clone();
    let (guard, asked) = link(Kind::Validate, move || next.lock().unwrap().pop_front().expect("asked three times"));
    // Opened 31 s ago, so that one question may be asked now.
    let Some(opened) = Instant::now().checked_sub(Duration::from_secs(31)) else { panic!("the machine runs for half a minute") };
    (0..5).for_each(|_| {
        guard.breaker.failed(opened);
    });
    let guards = chain([guard]);
    assert_eq!(validate(&guards).now_or_never(), None);
    assert_eq!(validate(&guards).await, Ok(()));
    assert_eq!(validate(&guards).await, Ok(()));
    assert_eq!(asked.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_late_hook_off_the_path_fails_as_any_other() {
    let observers = Observers::default();
    let (late, asked) = link(Kind::Observe, || Box::pin(future::pending()));
    let breaker = late.breaker.clone();
    let late = chain([Link { timeout: Duration::from_millis(1), ..late }]);
    let call = Call::new(Caller::local(), PATIENCE);
    for _ in 0..6 {
        late.observe(&call, &Thing, &observers);
    }
    observers.close().await;
    assert!(matches!(breaker.admit(Instant::now()), crate::hook::breaker::Admission::Wait(_)), "{:?}", asked.lock().unwrap());
}

#[tokio::test]
async fn a_question_that_waited_in_the_queue_has_all_of_its_time() {
    let observers = Observers::default();
    let gate = Arc::new(Semaphore::new(0));
    for _ in 0..4 {
        let gate = gate.clone();
        observers.ask_later(Box::pin(async move { drop(gate.acquire().await) }));
    }
    let (looks, asked) = link(Kind::Observe, || Box::pin(future::ready(Ok(Verdict::Pass))));
    let timeout = Duration::from_millis(20);
    let looks = chain([Link { timeout, ..looks }]);
    looks.observe(&Call::new(Caller::local(), PATIENCE), &Thing, &observers);
    // The queue is held up for longer than the question may take.
    tokio::time::sleep(2 * timeout).await;
    assert!(asked.lock().unwrap().is_empty());
    gate.add_permits(4);
    observers.close().await;
    let asked = asked.lock().unwrap();
    assert!(asked.len() == 1 && asked[0] >= timeout / 2, "{asked:?}");
}
