//! Verdicts that stand: what a hook says about every call of a tool, once it has said it about one.
//!
//! A guest whose instance began with the question, and that asked the host for nothing before it answered, has decided by the
//! question and its own code alone: there is nothing else it could have looked at. WebAssembly gives the same answer to the same
//! question then, but for running out of memory or time, which is a failure and no verdict
//! (<https://github.com/WebAssembly/design/blob/main/Nondeterminism.md>; numbers that are no numbers are bits of the same machine
//! here). So the same question needs no guest again. It is proved for each verdict by what happened, and nobody is trusted with it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;

use super::around::Calling;
use super::around::ProvidedCall;
use crate::capability::State;
use crate::hook::Asked;
use crate::hook::Verdict;

/// Questions of one hook whose verdicts are kept.
const QUESTIONS: usize = 256;

/// All that a hook is shown about a call, when it reads neither the arguments nor the caller.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    how: Asked,
    tool: Arc<str>,
    plugin: Arc<str>,
    read_only: bool,
    may_be_kept: bool,
}

impl Question {
    /// The question about a call.
    pub(super) fn of(calling: &Calling, how: Asked) -> Self {
        let Calling { tool, plugin, read_only, may_be_kept, .. } = calling;
        Self { how, tool: tool.clone(), plugin: plugin.clone(), read_only: *read_only, may_be_kept: *may_be_kept }
    }
}

/// A verdict that is the same for every call.
#[derive(Clone)]
enum Verdicted {
    Pass,
    Refuse(String),
    Keep,
}

/// The standing verdicts of one hook.
#[derive(Default)]
pub(super) struct Standing(RwLock<HashMap<Question, Verdicted>>);

impl Standing {
    /// What the hook said about such a call.
    pub(super) fn find(&self, question: &Question) -> Option<Verdict<Calling>> {
        let verdicts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(match verdicts.get(question)? {
            Verdicted::Pass => Verdict::Pass,
            Verdicted::Refuse(reason) => Verdict::Refuse(reason.clone()),
            Verdicted::Keep => Verdict::Answer(ProvidedCall::Keep),
        })
    }

    /// Keeps a verdict, when it can only have come from the question. `is_first` says that the instance began with it.
    pub(super) fn keep(&self, question: Question, verdict: &Verdict<Calling>, is_first: bool, state: &State) {
        if !is_first || state.has_asked_host || !state.stderr.contents().is_empty() {
            return;
        }
        let verdict = match verdict {
            Verdict::Pass => Verdicted::Pass,
            Verdict::Refuse(reason) => Verdicted::Refuse(reason.clone()),
            Verdict::Answer(ProvidedCall::Keep) => Verdicted::Keep,
            Verdict::Change(_) | Verdict::Answer(ProvidedCall::Content(_)) => return,
        };
        let mut verdicts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() < QUESTIONS {
            verdicts.insert(question, verdict);
        }
    }
}
