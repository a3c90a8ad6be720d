//! Prompts: messages that a person picks from a menu.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Map;
use serde_json::Value;

use crate::arguments;
use crate::content::Content;
use crate::outcome::Outcome;
use crate::schema;
use crate::types::DatabaseError;
use crate::types::Round;

pub use crate::bindings::prompts::exports::tidegate::plugin::prompts::Argument as PromptArgument;
pub use crate::bindings::prompts::exports::tidegate::plugin::prompts::Definition as PromptDefinition;
pub use crate::bindings::prompts::exports::tidegate::plugin::prompts::Error as PromptError;
pub use crate::bindings::prompts::exports::tidegate::plugin::prompts::Role;

/// How a request for a prompt ends: the prompt or questions, or why there is none.
pub type PromptResult = Result<Outcome<Prompted>, PromptError>;

/// A prompt. The implementing type is its arguments: `String` fields are required, `Option<String>` fields are not; doc
/// comments are their descriptions.
pub trait Prompt: DeserializeOwned + JsonSchema {
    /// Name, unique in the plugin.
    const NAME: &'static str;
    /// Name for a person.
    const TITLE: Option<&'static str> = None;
    /// What it does.
    const DESCRIPTION: Option<&'static str> = None;

    /// Fills in the prompt.
    ///
    /// # Errors
    ///
    /// [`PromptError::InvalidArguments`] when an argument makes no sense.
    fn get(self, round: &Round) -> PromptResult;
}

/// One message of a prompt.
#[derive(Debug)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: Content,
}

impl Message {
    /// Text from the person.
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: Role::User, content: Content::text(text) }
    }

    /// Text from the model.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: Content::text(text) }
    }
}

/// A filled-in prompt.
#[derive(Debug)]
pub struct Prompted {
    /// What it does.
    pub description: Option<String>,
    /// The messages.
    pub messages: Vec<Message>,
}

impl Prompted {
    /// A prompt of these messages.
    #[must_use]
    pub const fn new(messages: Vec<Message>) -> Self {
        Self { description: None, messages }
    }
}

impl From<DatabaseError> for PromptError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

/// A prompt with its type forgotten, so that different ones fit into one list.
#[derive(Clone, Copy)]
pub struct PromptEntry {
    name: &'static str,
    define: fn() -> PromptDefinition,
    get: fn(&[(String, String)], &Round) -> PromptResult,
}

impl PromptEntry {
    /// The entry of one prompt.
    #[must_use]
    pub const fn of<P: Prompt>() -> Self {
        Self { name: P::NAME, define: define::<P>, get: get::<P> }
    }

    /// Its definition, as the host lists it.
    #[must_use]
    pub fn definition(&self) -> PromptDefinition {
        (self.define)()
    }
}

/// Finds a prompt by name and fills it in.
pub(crate) fn dispatch(prompts: &[PromptEntry], name: &str, arguments: &[(String, String)], round: &Round) -> PromptResult {
    match prompts.iter().find(|prompt| prompt.name == name) {
        Some(prompt) => (prompt.get)(arguments, round),
        None => Err(PromptError::InvalidArguments(format!("this plugin has no prompt `{name}`"))),
    }
}

fn define<P: Prompt>() -> PromptDefinition {
    let schema = serde_json::from_str::<Value>(&schema::of::<P>()).unwrap_or_default();
    let is_required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|required| required == name));
    let properties = schema["properties"].as_object();
    let arguments = properties.into_iter().flatten().map(|(name, property)| PromptArgument {
        name: name.clone(),
        description: property["description"].as_str().map(str::to_owned),
        required: is_required(name),
    });
    PromptDefinition {
        name: P::NAME.to_owned(),
        title: P::TITLE.map(str::to_owned),
        description: P::DESCRIPTION.map(str::to_owned),
        arguments: arguments.collect(),
    }
}

fn get<P: Prompt>(arguments: &[(String, String)], round: &Round) -> PromptResult {
    let fields: Map<String, Value> = arguments.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let prompt: P = arguments::parse(&Value::Object(fields).to_string()).map_err(PromptError::InvalidArguments)?;
    prompt.get(round)
}
