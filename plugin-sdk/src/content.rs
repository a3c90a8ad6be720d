//! Content: the pieces that an answer is made of.

use std::borrow::Cow;

use serde::Serialize;

use crate::rows::Rows;
use crate::tool::ToolError;
use crate::types::Body;
use crate::types::Link;
use crate::types::Media;
use crate::types::ResourceContent;
use crate::types::RowFormat;

/// One piece of an answer.
#[derive(Debug)]
pub enum Content {
    /// Text for the model.
    Text(String),
    /// A JSON value as text. Goes out as structured content and, for older clients, as text. At most one in an answer.
    Json(String),
    /// Rows, handed on unread. At most one in an answer.
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

/// Rows as output. The host writes them; the values never enter the guest.
#[derive(Debug)]
pub struct RowOutput {
    /// The rows. What the guest took with [`Rows::next`] is left out.
    pub rows: Rows,
    /// How to write them.
    pub format: RowFormat,
    /// The tool of this plugin that takes `cursor` and continues; the answer names it when there is more.
    pub next_tool: Option<Cow<'static, str>>,
}

impl Content {
    /// Text for the model.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A JSON value, made from anything that serialises.
    ///
    /// # Errors
    ///
    /// Code `INTERNAL` when the value has no JSON form, for example a map whose keys are not strings.
    pub fn json(value: &impl Serialize) -> Result<Self, ToolError> {
        match serde_json::to_string(value) {
            Ok(text) => Ok(Self::Json(text)),
            Err(error) => Err(ToolError::failed("INTERNAL", format!("the answer has no JSON form: {error}"))),
        }
    }

    /// Rows, handed on unread.
    #[must_use]
    pub fn rows(rows: Rows, format: RowFormat, next_tool: Option<&'static str>) -> Self {
        Self::Rows(RowOutput { rows, format, next_tool: next_tool.map(Cow::Borrowed) })
    }
}

impl ResourceContent {
    /// A resource that is text.
    pub fn text(uri: impl Into<String>, mime_type: &str, text: impl Into<String>) -> Self {
        Self { uri: uri.into(), mime_type: Some(mime_type.to_owned()), body: Body::Text(text.into()) }
    }

    /// A resource that is bytes.
    pub fn blob(uri: impl Into<String>, mime_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { uri: uri.into(), mime_type: Some(mime_type.to_owned()), body: Body::Blob(bytes.into()) }
    }
}

impl Media {
    /// Bytes with their type, for example `image/png`.
    pub fn new(mime_type: &str, data: impl Into<Vec<u8>>) -> Self {
        Self { mime_type: mime_type.to_owned(), data: data.into() }
    }
}
