//! Tools: the trait that an author implements, and what the host asks of it.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::arguments;
use crate::content::Content;
use crate::export::Tools;
use crate::outcome::Outcome;
use crate::schema;

pub use crate::bindings::tools::exports::tidegate::plugin::tools::Annotations;
pub use crate::bindings::tools::exports::tidegate::plugin::tools::Definition as ToolDefinition;
pub use crate::bindings::tools::exports::tidegate::plugin::tools::Error as ToolError;
pub use crate::bindings::tools::exports::tidegate::plugin::tools::Needs;
pub use crate::bindings::tools::exports::tidegate::plugin::tools::ToolFailure;
use crate::types::DatabaseError;
use crate::types::Round;

/// How a call of a tool ends: content or questions, or an error that a model can act on.
pub type ToolResult = Result<Outcome<Vec<Content>>, ToolError>;

/// A tool. The implementing type is its arguments: fields become the JSON Schema, doc comments their descriptions.
///
/// The schema comes out flat and portable: no references, no unions with `null`, no properties that the type does not
/// have. The host validates arguments against it before the guest sees them.
pub trait Tool: DeserializeOwned + JsonSchema {
    /// Name, unique in the plugin: letters, digits, `_`, `-`, `.`; at most 64 characters.
    const NAME: &'static str;
    /// Name for a person.
    const TITLE: Option<&'static str> = None;
    /// What it is for and when to use it, written for a model; at most 1,024 characters.
    const DESCRIPTION: &'static str;
    /// Hints for clients; [`Annotations::READ_ONLY`] and its siblings cover most tools.
    const ANNOTATIONS: Annotations;
    /// What it needs of a database; it is listed only where some database gives that.
    const NEEDS: Needs;

    /// JSON Schema of the arguments as text. Override it to give a schema word for word.
    fn input_schema() -> String {
        schema::of::<Self>()
    }

    /// JSON Schema of the structured content as text; [`schema::of`] makes one from a type.
    fn output_schema() -> Option<String> {
        None
    }

    /// A JSON object for `_meta`, as text.
    fn meta() -> Option<String> {
        None
    }

    /// Runs one call. `round` holds the answers when an earlier call of it returned questions.
    ///
    /// # Errors
    ///
    /// [`ToolError`] reaches the model as the result of the tool, never as a fault of the plugin.
    fn call(self, round: &Round) -> ToolResult;
}

impl Annotations {
    /// Changes nothing and stays inside the host and its databases.
    pub const READ_ONLY: Self = Self { read_only: true, destructive: false, idempotent: true, open_world: false };
    /// Adds without destroying; calling it twice adds twice.
    pub const ADDS: Self = Self { read_only: false, destructive: false, idempotent: false, open_world: false };
    /// May change or destroy what was there.
    pub const DESTRUCTIVE: Self = Self { read_only: false, destructive: true, idempotent: false, open_world: false };
}

impl ToolError {
    /// A failure with a stable code (upper case with underscores) that retrying does not cure.
    pub fn failed(code: &str, message: impl Into<String>) -> Self {
        Self::Failed(ToolFailure { code: code.to_owned(), message: message.into(), hint: None, retryable: false, details: None })
    }

    /// The same failure with a next step. Only [`ToolError::Failed`] carries one; the others stay as they are.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Failed(failure) => Self::Failed(ToolFailure { hint: Some(hint.into()), ..failure }),
            other @ (Self::InvalidArguments(_) | Self::Database(_)) => other,
        }
    }
}

impl From<DatabaseError> for ToolError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

/// A tool with its type forgotten, so that tools of different types fit into one list.
#[derive(Clone, Copy)]
pub struct ToolEntry {
    name: &'static str,
    define: fn() -> ToolDefinition,
    run: fn(&str, &Round) -> ToolResult,
}

impl ToolEntry {
    /// The entry of one tool.
    #[must_use]
    pub const fn of<T: Tool>() -> Self {
        Self { name: T::NAME, define: define::<T>, run: run::<T> }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its definition, as the host lists it.
    #[must_use]
    pub fn definition(&self) -> ToolDefinition {
        (self.define)()
    }

    /// Parses the arguments, a JSON object as text, and runs the call.
    ///
    /// # Errors
    ///
    /// [`ToolError::InvalidArguments`] names the field, what came and what is wanted; the rest comes from the tool.
    pub fn call(&self, arguments: &str, round: &Round) -> ToolResult {
        (self.run)(arguments, round)
    }
}

/// All tools of a plugin, as the host lists them.
pub(crate) fn definitions<P: Tools>() -> Vec<ToolDefinition> {
    P::TOOLS.iter().map(ToolEntry::definition).chain(P::more()).collect()
}

/// Finds a tool by name and runs it.
pub(crate) fn dispatch<P: Tools>(name: &str, arguments: &str, round: &Round) -> ToolResult {
    match P::TOOLS.iter().find(|tool| tool.name == name) {
        Some(tool) => tool.call(arguments, round),
        None => P::call_more(name, arguments, round)
            .unwrap_or_else(|| Err(ToolError::InvalidArguments(format!("this plugin has no tool `{name}`")))),
    }
}

fn define<T: Tool>() -> ToolDefinition {
    ToolDefinition {
        name: T::NAME.to_owned(),
        title: T::TITLE.map(str::to_owned),
        description: T::DESCRIPTION.to_owned(),
        input_schema: T::input_schema(),
        output_schema: T::output_schema(),
        annotations: T::ANNOTATIONS,
        needs: T::NEEDS,
        meta: T::meta(),
    }
}

fn run<T: Tool>(text: &str, round: &Round) -> ToolResult {
    let arguments: T = arguments::parse(text).map_err(ToolError::InvalidArguments)?;
    arguments.call(round)
}
