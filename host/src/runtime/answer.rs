//! What plugins offer and answer, in our own types: the side of the contract's exports that layers above may see.

use crate::database::error::DatabaseError;
use crate::database::rows::RowSet;

/// How rows are written for the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowFormat {
    /// Compact JSON text.
    #[default]
    Auto,
    /// JSON as structured content.
    Json,
    /// Tab-separated values with a header line.
    Tsv,
    /// A Markdown table.
    Markdown,
}

/// Rows as output.
#[derive(Clone, Debug)]
pub struct RowOutput {
    /// The rows, without those the guest took.
    pub rows: RowSet,
    /// How to write them.
    pub format: RowFormat,
    /// The tool that continues, by the name clients call it, and the cursor it takes; set when the host holds more rows.
    pub next: Option<(String, String)>,
}

/// Bytes with a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// For example `image/png`.
    pub mime_type: String,
    /// The bytes.
    pub data: Vec<u8>,
}

/// A pointer to a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its URI.
    pub uri: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Its type.
    pub mime_type: Option<String>,
}

/// What a resource holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// A resource with its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceContent {
    /// Its URI.
    pub uri: String,
    /// Its type.
    pub mime_type: Option<String>,
    /// What it holds.
    pub body: Body,
}

/// One piece of an answer.
#[derive(Clone, Debug)]
pub enum Content {
    /// Text for the model.
    Text(String),
    /// Structured content, valid JSON.
    Json(serde_json::Value),
    /// Rows.
    Rows(RowOutput),
    /// A picture.
    Image(Media),
    /// Sound.
    Audio(Media),
    /// A pointer to a resource.
    Link(Link),
    /// A resource, embedded.
    Embedded(ResourceContent),
}

/// One question to the client.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Show a form: message and JSON Schema of the answer.
    Form {
        /// What is asked.
        message: String,
        /// A flat object schema.
        schema: serde_json::Value,
    },
    /// Open a page.
    Page {
        /// Why.
        message: String,
        /// Where.
        url: String,
    },
    /// Run the client's model: the parameters of `sampling/createMessage`.
    Sampling(serde_json::Value),
    /// Ask for the client's folders.
    Roots,
}

/// What a call needs before it can go on.
#[derive(Clone, Debug, PartialEq)]
pub struct InputNeeded {
    /// The questions, by unique name.
    pub requests: Vec<(String, Question)>,
    /// Comes back with the answers; to be sealed by the edge.
    pub state: Option<String>,
}

/// Where a call stands in its rounds of questions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Round {
    /// The answers, as JSON, by the name of their question.
    pub responses: Vec<(String, serde_json::Value)>,
    /// The state of the round before, unsealed.
    pub state: Option<String>,
}

impl Round {
    /// Whether the person accepted a form of the round before and said yes to something in it.
    pub fn accepts_a_form(&self) -> bool {
        self.responses.iter().any(|(_, answer)| {
            let content = answer.get("content").and_then(|content| content.as_object());
            answer.get("action").is_some_and(|action| action == "accept")
                && content.is_some_and(|fields| fields.values().any(|value| *value == serde_json::Value::Bool(true)))
        })
    }
}

/// How a call of any kind ended.
#[derive(Clone, Debug)]
pub enum Outcome<T> {
    /// Done.
    Complete(T),
    /// Ask first, then call again.
    NeedInput(InputNeeded),
}

/// What a tool needs of a database to be of any use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// No database.
    Nothing,
    /// A database that may be read.
    Read,
    /// A database that may be written.
    Write,
}

/// Hints for clients, all of them always set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Annotations {
    /// Changes nothing.
    pub read_only: bool,
    /// May destroy what was there.
    pub destructive: bool,
    /// Calling it again has no further effect.
    pub idempotent: bool,
    /// Reaches outside the host and its databases.
    pub open_world: bool,
}

/// A tool as a plugin defines it, checked.
#[derive(Clone, Debug)]
pub struct ToolDefinition {
    /// Its name; the plugin's own in `runtime`, the one clients call from `plugin` upwards.
    pub name: String,
    /// Name for a person.
    pub title: Option<String>,
    /// What it is for.
    pub description: String,
    /// JSON Schema of the arguments: an object.
    pub input_schema: serde_json::Map<String, serde_json::Value>,
    /// JSON Schema of the structured content.
    pub output_schema: Option<serde_json::Map<String, serde_json::Value>>,
    /// Hints.
    pub annotations: Annotations,
    /// What it needs of a database.
    pub needs: Needs,
    /// For `_meta`.
    pub meta: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A resource or a template of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceDefinition {
    /// URI or URI template.
    pub uri: String,
    /// Name.
    pub name: String,
    /// Name for a person.
    pub title: Option<String>,
    /// What it holds.
    pub description: Option<String>,
    /// Its type.
    pub mime_type: Option<String>,
}

/// An argument of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptArgument {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it must be given.
    pub required: bool,
}

/// A prompt in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptDefinition {
    /// Its name; as for tools.
    pub name: String,
    /// Name for a person.
    pub title: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// Its arguments.
    pub arguments: Vec<PromptArgument>,
}

/// Who speaks in a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// A filled-in prompt.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// What it does.
    pub description: Option<String>,
    /// The messages.
    pub messages: Vec<(Role, Content)>,
}

/// Whose argument is completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompletionTarget {
    /// A prompt, by name.
    Prompt(String),
    /// A resource template, by its URI template.
    ResourceTemplate(String),
}

/// A request for completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletionRequest {
    /// Whose argument.
    pub target: CompletionTarget,
    /// The argument's name.
    pub argument: String,
    /// What was typed so far.
    pub value: String,
    /// Arguments already filled in.
    pub context: Vec<(String, String)>,
}

/// What an argument may become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// The best first, at most 100.
    pub values: Vec<String>,
    /// How many there are in all, where known.
    pub total: Option<u32>,
}

/// A failure that a plugin describes itself.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolFailure {
    /// A stable code in upper case with underscores.
    pub code: String,
    /// What went wrong.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// Particulars.
    pub details: Option<serde_json::Value>,
}

/// One run of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRun {
    /// Its name in the manifest.
    pub name: String,
    /// The moment for which it was due, as milliseconds since 1970 in UTC.
    pub due_ms: u64,
    /// Runs that should have been since the last one.
    pub missed: u32,
}

/// Why a call of a plugin's export failed, whoever is to blame.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// No such tool, prompt or resource. A protocol error.
    #[error("unknown {what} `{name}`")]
    Unknown {
        /// `tool`, `prompt` or `resource`.
        what: &'static str,
        /// As the client named it.
        name: String,
    },
    /// The arguments do not fit; the text says which and why.
    #[error("{0}")]
    InvalidArguments(String),
    /// A database operation failed.
    #[error("{0}")]
    Database(DatabaseError),
    /// The plugin says so.
    #[error("{}", .0.message)]
    Tool(Box<ToolFailure>),
    /// The plugin trapped, or answered what the contract does not allow. Blame: guest.
    #[error("plugin `{plugin}` failed: {reason}")]
    PluginFailed {
        /// Its id.
        plugin: String,
        /// In words, fit for a client.
        reason: String,
    },
    /// The plugin went over a limit. Blame: guest.
    #[error("plugin `{plugin}` went over its limit: {limit}")]
    PluginLimit {
        /// Its id.
        plugin: String,
        /// Which limit, with its value.
        limit: String,
    },
    /// The deadline of the call passed.
    #[error("the call took longer than its limit and was stopped")]
    Timeout,
    /// The client took the call back.
    #[error("the call was cancelled")]
    Cancelled,
    /// Too many calls at once.
    #[error("the host is busy with as many calls as it takes ({limit})")]
    Busy {
        /// The limit on concurrent calls.
        limit: usize,
    },
    /// Too many calls of one plugin at once. Blame: the plugin is slow, or its limit low.
    #[error("plugin `{plugin}` is busy with as many calls as it takes at once ({limit}); its `limits.concurrency` says how many")]
    PluginBusy {
        /// Its id.
        plugin: String,
        /// The limit on its concurrent calls.
        limit: usize,
    },
    /// The host's own fault; particulars are in the log.
    #[error("internal error")]
    Internal,
}

impl CallError {
    /// Whether this plugin is to blame: it trapped, talked nonsense or went over a limit.
    pub fn is_failure_of(&self, id: &str) -> bool {
        match self {
            Self::PluginFailed { plugin, .. } | Self::PluginLimit { plugin, .. } => plugin == id,
            _ => false,
        }
    }
}

impl CallError {
    /// The stable code that clients read; empty for what is a protocol error.
    pub fn code(&self) -> &str {
        match self {
            Self::Unknown { .. } => "",
            Self::InvalidArguments(_) => "INVALID_ARGUMENTS",
            Self::Database(error) => error.kind.code(),
            Self::Tool(failure) => &failure.code,
            Self::PluginFailed { .. } => "PLUGIN_FAILED",
            Self::PluginLimit { .. } => "PLUGIN_LIMIT",
            Self::Timeout => "TIMEOUT",
            Self::Cancelled => "CANCELLED",
            Self::Busy { .. } | Self::PluginBusy { .. } => "RATE_LIMITED",
            Self::Internal => "INTERNAL",
        }
    }
}
