//! What hooks around the calls of tools are asked about, and what they may do to it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;
use serde_json::Value as Json;

use super::answer::Content;
use crate::hook::Filter;
use crate::hook::Nothing;
use crate::hook::Subject;
use crate::hook::chain::Chain;
use crate::hook::is_like;

/// A call of a tool that is about to run.
#[derive(Clone, Debug)]
pub struct Calling {
    /// The tool, by the name clients call it.
    pub tool: Arc<str>,
    /// The plugin that has it.
    pub plugin: Arc<str>,
    /// Its arguments as they are now.
    pub arguments: Map<String, Json>,
    /// Whether the tool says that it changes nothing.
    pub read_only: bool,
    /// Whether its answer may be kept.
    pub may_be_kept: bool,
}

/// What a provider does about a call.
#[derive(Clone, Debug)]
pub enum ProvidedCall {
    /// This is the answer.
    Content(Vec<Content>),
    /// What was kept for it is the answer; else it runs, and its answer is kept.
    Keep,
}

impl Subject for Calling {
    type Change = Map<String, Json>;
    type Answer = ProvidedCall;

    fn matches(&self, filter: &Filter) -> bool {
        filter.tools.is_empty() || filter.tools.iter().any(|pattern| is_like(pattern, &self.tool))
    }
}

/// A call of a tool that has run.
#[derive(Clone, Debug)]
pub struct Called {
    /// What ran.
    pub calling: Calling,
    /// The code of its failure.
    pub failed: Option<String>,
    /// What it answered.
    pub content: Vec<Content>,
    /// How long it took.
    pub duration: Duration,
    /// Who answered in place of the tool.
    pub provided_by: Option<Arc<str>>,
}

impl Subject for Called {
    type Change = Vec<Content>;
    type Answer = Nothing;

    fn matches(&self, filter: &Filter) -> bool {
        self.calling.matches(filter)
    }
}

/// The chains around calls, as the loaded plugins make them.
#[derive(Default)]
pub struct CallHooks {
    /// Before a call.
    pub before: Chain<Calling>,
    /// After it.
    pub after: Chain<Called>,
}

impl CallHooks {
    /// Whether nobody is asked.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }
}
