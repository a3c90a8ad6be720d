//! The hooks of one event in their order, and what follows from what they say.
//!
//! | what a hook does | enforced, `refuse` | enforced, `skip` | audit |
//! |---|---|---|---|
//! | refuses | refused | refused | logged |
//! | changes, answers | obeyed | obeyed | logged |
//! | fails, is late, says what its kind may not | refused | as if it had passed | logged |
//! | its breaker is open | refused unasked | skipped unasked | skipped unasked |

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use futures_util::future;

use super::Asked;
use super::Fault;
use super::Filter;
use super::Hook;
use super::Kind;
use super::Stage;
use super::Subject;
use super::Verdict;
use super::breaker::Admission;
use super::breaker::Breaker;
use super::observers::Observers;
use crate::call::Call;
use crate::config::HookMode;
use crate::config::OnFailure;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;

/// Characters of a reason that go out to a person.
const REASON_CHARACTERS: usize = 500;

/// One hook in its place.
pub struct Link<S: Subject> {
    /// The id of its plugin.
    pub plugin: Arc<str>,
    /// The event, by its name in manifests.
    pub event: &'static str,
    /// What it may do.
    pub kind: Kind,
    /// Lower ones first.
    pub priority: i32,
    /// Whether its verdict is obeyed.
    pub mode: HookMode,
    /// What its failure means.
    pub on_failure: OnFailure,
    /// How long it may take.
    pub timeout: Duration,
    /// What it is asked about.
    pub filter: Filter,
    /// Its code.
    pub hook: Arc<dyn Hook<S>>,
    /// Opens when it keeps failing. Outlives the link where a set of plugins is swapped for another.
    pub breaker: Arc<Breaker>,
}

/// Somebody in a chain said no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whose hook it was.
    pub plugin: Arc<str>,
    /// What was the matter.
    pub why: Why,
}

/// What was the matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The hook refused, with its reason.
    Said(String),
    /// The hook failed, and its failure means refusal.
    Failed(String),
    /// The hook failed too often and is not asked for so long; that means refusal too.
    Open(Duration),
    /// The call is over.
    CallOver,
}

impl Refusal {
    /// The error of what was refused; `what` names it, as in `the statement`.
    pub fn into_error(self, what: &str) -> DatabaseError {
        let plugin = &self.plugin;
        let refused = |text: String| DatabaseError::new(ErrorKind::HookRefused, text);
        match self.why {
            Why::Said(reason) => refused(format!("plugin `{plugin}` refused {what}: {reason}")),
            Why::Failed(reason) => refused(format!("{what} was refused because a hook of plugin `{plugin}` failed: {reason}"))
                .hint("the operator can look into the log, or let this hook be passed over with `on_failure = \"skip\"`"),
            Why::Open(left) => refused(format!(
                "{what} was refused because a hook of plugin `{plugin}` keeps failing; it is tried again in {} s",
                left.as_secs() + 1
            ))
            .hint("the operator can look into the log, or let this hook be passed over with `on_failure = \"skip\"`"),
            Why::CallOver => DatabaseError::new(ErrorKind::Cancelled, "the call is over"),
        }
    }
}

/// How asking one hook ended.
enum Ended<S: Subject> {
    Verdict(Verdict<S>),
    Skipped,
    Refused(Why),
}

impl<S: Subject> Link<S> {
    /// Asks the hook and judges what comes of it.
    async fn ask(&self, call: &Call, subject: &S, stage: Stage) -> Ended<S> {
        if let Admission::Wait(left) = self.breaker.admit(Instant::now()) {
            return self.unless_skipped(Why::Open(left));
        }
        // Tells the breaker when this future is dropped in the middle.
        let mut told = Told { breaker: &self.breaker, done: false };
        let asked = Asked { kind: self.kind, stage };
        let answered = tokio::time::timeout(self.timeout, self.hook.ask(call, subject, asked)).await;
        told.done = true;
        let verdict = match answered {
            Ok(Ok(verdict)) if verdict.suits(self.kind) => verdict,
            Ok(Ok(verdict)) => {
                return self.failed(format!("it answered `{}`, which its kind `{}` may not", verdict.name(), self.kind.as_str()));
            }
            Ok(Err(Fault::Failed(reason))) => return self.failed(reason),
            Ok(Err(Fault::CallOver)) => {
                self.breaker.left();
                return Ended::Refused(Why::CallOver);
            }
            Err(_) => return self.failed(format!("it took longer than {:?}", self.timeout)),
        };
        match verdict {
            Verdict::Refuse(reason) => {
                self.breaker.answered();
                Ended::Refused(Why::Said(plain(&reason)))
            }
            // What it wants may turn out to make no sense; whoever applies it says how it went.
            Verdict::Change(_) => Ended::Verdict(verdict),
            Verdict::Pass | Verdict::Answer(_) => {
                self.breaker.answered();
                Ended::Verdict(verdict)
            }
        }
    }

    /// Notes a failure and says what it means.
    fn failed(&self, reason: String) -> Ended<S> {
        let Self { plugin, event, .. } = self;
        tracing::warn!(plugin.id = %plugin, hook.event = event, "A hook of plugin `{plugin}` on `{event}` failed: {reason}");
        if self.breaker.failed(Instant::now()) {
            tracing::warn!(plugin.id = %plugin, hook.event = event, "The hook of plugin `{plugin}` on `{event}` failed too often and is not asked for a while");
        }
        self.unless_skipped(Why::Failed(reason))
    }

    fn unless_skipped(&self, why: Why) -> Ended<S> {
        match self.on_failure {
            OnFailure::Refuse => Ended::Refused(why),
            OnFailure::Skip => Ended::Skipped,
        }
    }

    fn refusal(&self, why: Why) -> Refusal {
        Refusal { plugin: self.plugin.clone(), why }
    }
}

/// Tells the breaker of a question that was left in the middle.
struct Told<'a> {
    breaker: &'a Breaker,
    done: bool,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.breaker.left();
        }
    }
}

/// The hooks of one event, in their order.
pub struct Chain<S: Subject> {
    links: Vec<Arc<Link<S>>>,
}

impl<S: Subject> Default for Chain<S> {
    fn default() -> Self {
        Self { links: Vec::new() }
    }
}

impl<S: Subject> Chain<S> {
    /// Puts hooks in their order: by priority, then by the id of their plugin, then as the plugin declares them.
    pub fn new(mut links: Vec<Arc<Link<S>>>) -> Self {
        links.sort_by(|a, b| (a.priority, &a.plugin).cmp(&(b.priority, &b.plugin)));
        Self { links }
    }

    /// Whether nobody is asked.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Whether somebody is asked in this kind.
    pub fn has(&self, kind: Kind) -> bool {
        self.links.iter().any(|link| link.kind == kind)
    }

    /// Whether somebody is asked about `subject`, in whatever mode, beside the provider of the plugin `beside`; without one, beside
    /// any provider.
    pub fn concerns(&self, subject: &S, beside: Option<&str>) -> bool {
        let counts = |link: &Link<S>| match (link.kind, beside) {
            (Kind::Provide, None) => false,
            (Kind::Provide, Some(plugin)) => &*link.plugin != plugin,
            _ => true,
        };
        self.links.iter().any(|link| counts(link) && link.mode != HookMode::Off && subject.matches(&link.filter))
    }

    /// The hooks, in their order.
    pub fn links(&self) -> &[Arc<Link<S>>] {
        &self.links
    }

    /// Those to ask in this kind about `subject`, in their order. The ones whose verdict is only logged are asked off the path.
    fn of<'a>(
        &'a self,
        kind: Kind,
        subject: &'a S,
        stage: Stage,
        call: &'a Call,
        observers: &'a Observers,
    ) -> impl Iterator<Item = &'a Arc<Link<S>>> {
        self.links.iter().filter(move |link| link.kind == kind && subject.matches(&link.filter)).filter(move |link| match link.mode {
            HookMode::Enforce => true,
            HookMode::Audit => {
                audit((*link).clone(), call, subject, stage, observers);
                false
            }
            HookMode::Off => false,
        })
    }

    /// Asks the validators side by side.
    ///
    /// # Errors
    ///
    /// The first refusal in their order, whichever came first in time.
    pub async fn validate(&self, call: &Call, subject: &S, stage: Stage, observers: &Observers) -> Result<(), Refusal> {
        let asked: Vec<_> = self.of(Kind::Validate, subject, stage, call, observers).collect();
        let ended = match asked.as_slice() {
            [] => return Ok(()),
            [only] => vec![only.ask(call, subject, stage).await],
            several => future::join_all(several.iter().map(|link| link.ask(call, subject, stage))).await,
        };
        for (link, ended) in asked.into_iter().zip(ended) {
            if let Ended::Refused(why) = ended {
                return Err(link.refusal(why));
            }
        }
        Ok(())
    }

    /// Asks the mutators one after another, each about what those before it made of `subject`. `apply` makes a change and
    /// says why it makes no sense, which is a failure of the hook that wanted it. Whether anything changed.
    ///
    /// # Errors
    ///
    /// The first refusal; nobody is asked after it.
    pub async fn change(
        &self,
        call: &Call,
        subject: &mut S,
        observers: &Observers,
        mut apply: impl FnMut(&mut S, S::Change) -> Result<(), String>,
    ) -> Result<bool, Refusal> {
        let mut changed = false;
        for link in &self.links {
            if link.kind != Kind::Mutate || !subject.matches(&link.filter) {
                continue;
            }
            match link.mode {
                HookMode::Enforce => {}
                HookMode::Audit => {
                    audit(link.clone(), call, subject, Stage::BeforeChanges, observers);
                    continue;
                }
                HookMode::Off => continue,
            }
            let mut ended = link.ask(call, subject, Stage::BeforeChanges).await;
            if let Ended::Verdict(Verdict::Change(change)) = ended {
                // On a copy: a change that makes no sense leaves no trace.
                let mut next = subject.clone();
                ended = match apply(&mut next, change) {
                    Ok(()) => {
                        link.breaker.answered();
                        *subject = next;
                        changed = true;
                        Ended::Skipped
                    }
                    Err(reason) => link.failed(reason),
                };
            }
            if let Ended::Refused(why) = ended {
                return Err(link.refusal(why));
            }
        }
        Ok(changed)
    }

    /// Asks the providers one after another until one answers.
    ///
    /// # Errors
    ///
    /// The first failure that means refusal.
    pub async fn provide(&self, call: &Call, subject: &S, observers: &Observers) -> Result<Option<(Arc<str>, S::Answer)>, Refusal> {
        for link in self.of(Kind::Provide, subject, Stage::AfterChanges, call, observers) {
            match link.ask(call, subject, Stage::AfterChanges).await {
                Ended::Verdict(Verdict::Answer(answer)) => return Ok(Some((link.plugin.clone(), answer))),
                Ended::Refused(why) => return Err(link.refusal(why)),
                Ended::Verdict(_) | Ended::Skipped => {}
            }
        }
        Ok(None)
    }

    /// Has the observers asked, off the path.
    pub fn observe(&self, call: &Call, subject: &S, observers: &Observers) {
        for link in &self.links {
            if link.kind == Kind::Observe && link.mode != HookMode::Off && subject.matches(&link.filter) {
                audit(link.clone(), call, subject, Stage::AfterChanges, observers);
            }
        }
    }
}

/// Asks a hook off the path. Nobody obeys it; what it would have done is in the log, unless it only looks.
fn audit<S: Subject>(link: Arc<Link<S>>, call: &Call, subject: &S, stage: Stage, observers: &Observers) {
    let (mut call, subject) = (call.detached(link.timeout), subject.clone());
    observers.ask_later(Box::pin(async move {
        // The time in the queue is not the hook's. What ends a late question is the limit of its link, with the blame for it:
        // the deadline of a call blames nobody.
        call.deadline = Instant::now() + 2 * link.timeout;
        let ended = link.ask(&call, &subject, stage).await;
        let Link { plugin, event, .. } = &*link;
        if matches!(ended, Ended::Verdict(Verdict::Change(_))) {
            link.breaker.answered();
        }
        let would = match &ended {
            Ended::Verdict(Verdict::Pass) | Ended::Skipped => return,
            Ended::Verdict(verdict) => verdict.name().to_owned(),
            Ended::Refused(Why::Said(reason)) => format!("refuse ({reason})"),
            Ended::Refused(Why::CallOver) => return,
            Ended::Refused(_) => "refuse, because it failed".to_owned(),
        };
        if link.kind != Kind::Observe {
            tracing::info!(plugin.id = %plugin, hook.event = event, call.id = %call.id, "Hook of plugin `{plugin}` on `{event}`, in audit, would {would}");
        }
    }));
}

/// A guest-controlled reason without what could forge lines or hide text, cut.
pub(super) fn plain(reason: &str) -> String {
    let reason: String = reason.chars().filter(|c| !is_hidden(*c)).take(REASON_CHARACTERS).collect();
    match reason.trim() {
        "" => "it gives no reason".into(),
        reason => reason.trim_end_matches('.').into(),
    }
}

/// Control characters, and those that show nothing or turn the direction of text.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}
