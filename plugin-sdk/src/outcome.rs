//! How a call, a read or a request for a prompt ends when it does not fail.

use crate::content::Content;
use crate::prompt::Prompted;
use crate::types::InputNeeded;
use crate::types::ResourceContent;

/// Done, or asking first.
#[derive(Debug)]
pub enum Outcome<T> {
    /// Done; this is the answer.
    Complete(T),
    /// Ask first: the host calls the same function again with the answers.
    NeedInput(InputNeeded),
}

impl<T> Outcome<T> {
    /// The answer; none when questions stand in its way.
    #[must_use]
    pub fn complete(self) -> Option<T> {
        match self {
            Self::Complete(answer) => Some(answer),
            Self::NeedInput(_) => None,
        }
    }
}

impl From<Content> for Outcome<Vec<Content>> {
    fn from(content: Content) -> Self {
        Self::Complete(vec![content])
    }
}

impl From<Vec<Content>> for Outcome<Vec<Content>> {
    fn from(contents: Vec<Content>) -> Self {
        Self::Complete(contents)
    }
}

impl From<InputNeeded> for Outcome<Vec<Content>> {
    fn from(needed: InputNeeded) -> Self {
        Self::NeedInput(needed)
    }
}

impl From<ResourceContent> for Outcome<Vec<ResourceContent>> {
    fn from(content: ResourceContent) -> Self {
        Self::Complete(vec![content])
    }
}

impl From<InputNeeded> for Outcome<Vec<ResourceContent>> {
    fn from(needed: InputNeeded) -> Self {
        Self::NeedInput(needed)
    }
}

impl From<Prompted> for Outcome<Prompted> {
    fn from(prompt: Prompted) -> Self {
        Self::Complete(prompt)
    }
}

impl From<InputNeeded> for Outcome<Prompted> {
    fn from(needed: InputNeeded) -> Self {
        Self::NeedInput(needed)
    }
}
