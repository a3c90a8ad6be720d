//! Routes a call to its plugin: the function to read first is [`Dispatcher::call`].

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::call::Call;
use crate::call::Caller;
use crate::runtime::answer::CallError;
use crate::runtime::answer::CompletionRequest;
use crate::runtime::answer::Completions;
use crate::runtime::answer::Content;
use crate::runtime::answer::Outcome;
use crate::runtime::answer::Prompt;
use crate::runtime::answer::PromptDefinition;
use crate::runtime::answer::ResourceContent;
use crate::runtime::answer::ResourceDefinition;
use crate::runtime::answer::Round;
use crate::runtime::answer::ToolDefinition;

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

/// Routes calls to plugins.
pub struct Dispatcher {
    changes: broadcast::Sender<Change>,
}

impl Dispatcher {
    /// News from now on. Bounded: a receiver that lags should take it as "everything changed".
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// The tools that `caller` may see, sorted by name.
    pub fn tools(&self, _caller: &Caller) -> Arc<[ToolDefinition]> {
        Arc::new([])
    }

    /// The tool of this name, seen or not.
    pub fn find_tool(&self, _name: &str) -> Option<ToolDefinition> {
        None
    }

    /// Runs one tool call, from admission to result.
    ///
    /// # Errors
    ///
    /// `Unknown` and `Busy` come before any guest code has run.
    pub async fn call(&self, _call: &Call, request: ToolRequest) -> Result<Outcome<Vec<Content>>, CallError> {
        Err(CallError::Unknown { what: "tool", name: request.name })
    }

    /// Every resource, sorted by URI.
    ///
    /// # Errors
    ///
    /// A plugin that fails costs its own resources only; `Busy`, `Timeout` and `Cancelled` end the list.
    pub async fn resources(&self, _call: &Call) -> Result<Vec<ResourceDefinition>, CallError> {
        Ok(Vec::new())
    }

    /// Every resource template, sorted by URI.
    ///
    /// # Errors
    ///
    /// As [`resources`](Self::resources).
    pub async fn resource_templates(&self, _call: &Call) -> Result<Vec<ResourceDefinition>, CallError> {
        Ok(Vec::new())
    }

    /// Reads one resource.
    ///
    /// # Errors
    ///
    /// `Unknown` when no plugin has it.
    pub async fn read_resource(&self, _call: &Call, request: ResourceRequest) -> Result<Outcome<Vec<ResourceContent>>, CallError> {
        Err(CallError::Unknown { what: "resource", name: request.uri })
    }

    /// Every prompt, sorted by name.
    pub fn prompts(&self, _caller: &Caller) -> Arc<[PromptDefinition]> {
        Arc::new([])
    }

    /// Fills in one prompt.
    ///
    /// # Errors
    ///
    /// `Unknown` when no plugin has it, `InvalidArguments` when a required argument is missing.
    pub async fn get_prompt(&self, _call: &Call, request: PromptRequest) -> Result<Outcome<Prompt>, CallError> {
        Err(CallError::Unknown { what: "prompt", name: request.name })
    }

    /// Completes one argument.
    ///
    /// # Errors
    ///
    /// `Unknown` when no plugin has the prompt or template.
    pub async fn complete(&self, _call: &Call, request: CompletionRequest) -> Result<Completions, CallError> {
        let _ = request;
        Ok(Completions::default())
    }
}
