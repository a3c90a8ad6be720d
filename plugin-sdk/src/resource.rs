//! Resources: what a client can read by URI, one by one or by a template of many.

use crate::outcome::Outcome;
use crate::types::DatabaseError;
use crate::types::ResourceContent;
use crate::types::Round;
use crate::uri;
use crate::uri::Variables;

pub use crate::bindings::resources::exports::tidegate::plugin::resources::Definition as ResourceDefinition;
pub use crate::bindings::resources::exports::tidegate::plugin::resources::Error as ResourceError;

/// How a read ends: content or questions, or why there is none.
pub type ResourceResult = Result<Outcome<Vec<ResourceContent>>, ResourceError>;

/// A resource, or with `{name}` placeholders in its URI a template of many.
pub trait Resource {
    /// URI, or URI template with `{name}` placeholders (RFC 6570, level 1).
    const URI: &'static str;
    /// Name.
    const NAME: &'static str;
    /// Name for a person.
    const TITLE: Option<&'static str> = None;
    /// What it holds.
    const DESCRIPTION: Option<&'static str> = None;
    /// Type of its content, for example `application/json`.
    const MIME_TYPE: Option<&'static str> = None;

    /// Reads it. `uri` is what the client asked for, `variables` are the values of the placeholders, decoded.
    ///
    /// # Errors
    ///
    /// [`ResourceError::NotFound`] when there is nothing under this URI.
    fn read(uri: &str, variables: &Variables, round: &Round) -> ResourceResult;
}

impl ResourceError {
    /// A failure in a sentence.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }
}

impl From<DatabaseError> for ResourceError {
    /// A table, column or database that is not there is a resource that is not there.
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::UnknownDatabase(_) | DatabaseError::UnknownTable(_) | DatabaseError::UnknownColumn(_) => Self::NotFound,
            other => Self::Database(other),
        }
    }
}

/// A resource with its type forgotten, so that different ones fit into one list.
#[derive(Clone, Copy)]
pub struct ResourceEntry {
    uri: &'static str,
    define: fn() -> ResourceDefinition,
    read: fn(&str, &Variables, &Round) -> ResourceResult,
}

impl ResourceEntry {
    /// The entry of one resource or template.
    #[must_use]
    pub const fn of<R: Resource>() -> Self {
        Self { uri: R::URI, define: define::<R>, read: R::read }
    }

    /// Whether its URI has placeholders.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.uri.contains('{')
    }

    /// Its definition, as the host lists it.
    #[must_use]
    pub fn definition(&self) -> ResourceDefinition {
        (self.define)()
    }
}

/// Finds the resource that a URI names, exact ones before templates, and reads it.
pub(crate) fn dispatch(entries: &[ResourceEntry], uri: &str, round: &Round) -> ResourceResult {
    let exact = entries.iter().find(|entry| entry.uri == uri && !entry.is_template());
    if let Some(entry) = exact {
        return (entry.read)(uri, &Variables::default(), round);
    }
    let matched = entries.iter().filter(|entry| entry.is_template()).find_map(|entry| Some((entry, uri::matches(entry.uri, uri)?)));
    match matched {
        Some((entry, variables)) => (entry.read)(uri, &variables, round),
        None => Err(ResourceError::NotFound),
    }
}

fn define<R: Resource>() -> ResourceDefinition {
    ResourceDefinition {
        uri: R::URI.to_owned(),
        name: R::NAME.to_owned(),
        title: R::TITLE.map(str::to_owned),
        description: R::DESCRIPTION.map(str::to_owned),
        mime_type: R::MIME_TYPE.map(str::to_owned),
    }
}
