//! Hooks: what plugins say about statements and calls, in which order, and what follows. No Wasm in it.
//!
//! A hook is asked about a [`Subject`] and answers with a [`Verdict`]. A [`chain::Chain`] holds the hooks of one event in
//! their order and decides what a refusal, a failure, a late answer or one of the wrong kind means. [`statements`] is the
//! set of chains that every statement passes; `dispatch` has another one around calls.

pub mod breaker;
pub mod chain;
pub mod kept;
pub mod observers;
pub mod statements;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fmt;

use futures_util::future::BoxFuture;

use crate::call::Call;

/// What a hook may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Refuse, or let pass.
    Validate,
    /// Change.
    Mutate,
    /// Answer in place of the database or the tool.
    Provide,
    /// Look, off the path.
    Observe,
}

impl Kind {
    /// Its name in manifests and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Mutate => "mutate",
            Self::Provide => "provide",
            Self::Observe => "observe",
        }
    }

    /// The kind of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Validate, Self::Mutate, Self::Provide, Self::Observe].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// When a hook is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// About what came.
    BeforeChanges,
    /// About what the mutators made of it.
    AfterChanges,
}

/// As what a hook is asked, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    /// In which of its kinds.
    pub kind: Kind,
    /// When.
    pub stage: Stage,
}

/// What hooks of one event are asked about.
pub trait Subject: Clone + Send + Sync + 'static {
    /// What a mutator may want of it.
    type Change: Send + 'static;
    /// What a provider may put in its place.
    type Answer: Send + 'static;

    /// Whether a hook that asked for this part only wants to see it.
    fn matches(&self, filter: &Filter) -> bool;
}

/// Which part of an event a hook is asked about; an empty list is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Databases, by name.
    pub databases: Vec<String>,
    /// Kinds of statements: `read`, `write`, `admin`.
    pub statements: Vec<String>,
    /// Tables, with `*` for any characters. A statement whose tables cannot be told matches every one.
    pub tables: Vec<String>,
    /// Tools, with `*` for any characters.
    pub tools: Vec<String>,
    /// Only statements that come with a key to the cache.
    pub with_cache_key: bool,
}

/// What a hook says.
pub enum Verdict<S: Subject> {
    /// Nothing in particular.
    Pass,
    /// No, with a reason for the person.
    Refuse(String),
    /// Like this.
    Change(S::Change),
    /// This, instead.
    Answer(S::Answer),
}

impl<S: Subject> Verdict<S> {
    /// Whether a hook of this kind may say it.
    fn suits(&self, kind: Kind) -> bool {
        match self {
            Self::Pass => true,
            Self::Refuse(_) => matches!(kind, Kind::Validate | Kind::Mutate),
            Self::Change(_) => kind == Kind::Mutate,
            Self::Answer(_) => kind == Kind::Provide,
        }
    }

    /// What it is called in logs.
    fn name(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Refuse(_) => "refuse",
            Self::Change(_) => "change",
            Self::Answer(_) => "answer",
        }
    }
}

impl<S: Subject> fmt::Debug for Verdict<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a hook gave no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It trapped, went over a limit, or answered what the contract does not allow. Blame: guest.
    Failed(String),
    /// The call it was asked for is over; nobody is to blame.
    CallOver,
}

/// A hook of one event, whatever its code is.
pub trait Hook<S: Subject>: Send + Sync {
    /// Asks it. Dropping the future ends it at once.
    fn ask<'a>(&'a self, call: &'a Call, subject: &'a S, asked: Asked) -> BoxFuture<'a, Result<Verdict<S>, Fault>>;
}

/// What no provider can answer with.
pub type Nothing = Infallible;

/// Whether `name` is like `pattern`, in which `*` stands for any characters; without regard to ASCII case.
pub fn is_like(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        if at < pattern.len() && pattern[at] == b'*' {
            star = Some((at, from));
            at += 1;
        } else if at < pattern.len() && pattern[at].eq_ignore_ascii_case(&name[from]) {
            at += 1;
            from += 1;
        } else if let Some((back, taken)) = star {
            // The last star takes one character more.
            star = Some((back, taken + 1));
            at = back + 1;
            from = taken + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}
