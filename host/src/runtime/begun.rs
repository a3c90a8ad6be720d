//! What a call of an export is called with, as a cassette says it.

use serde_json::Value as Json;
use serde_json::json;

use crate::bindings::exports::tidegate::plugin::completion;
use crate::bindings::exports::tidegate::plugin::jobs;
use crate::bindings::exports::tidegate::plugin::prompts;
use crate::bindings::exports::tidegate::plugin::resources;
use crate::bindings::exports::tidegate::plugin::tools;
use crate::bindings::tidegate::plugin::input;

/// What a call may begin with.
pub(super) trait Begins {
    /// What tells it from other calls of the same export.
    fn begun(&self) -> Json;
}

impl Begins for tools::Call {
    fn begun(&self) -> Json {
        let arguments = serde_json::from_str(&self.arguments).unwrap_or_else(|_| Json::from(self.arguments.as_str()));
        json!({ "tool": self.name, "arguments": arguments, "round": round(&self.round) })
    }
}

impl Begins for prompts::Request {
    fn begun(&self) -> Json {
        json!({ "prompt": self.name, "arguments": self.arguments, "round": round(&self.round) })
    }
}

impl Begins for resources::Request {
    fn begun(&self) -> Json {
        json!({ "uri": self.uri, "round": round(&self.round) })
    }
}

impl Begins for completion::Request {
    fn begun(&self) -> Json {
        format!("{self:?}").into()
    }
}

impl Begins for jobs::Run {
    fn begun(&self) -> Json {
        json!({ "job": self.name })
    }
}

/// The first round of a call is nothing, a later one what was answered and kept.
fn round(round: &input::Round) -> Json {
    match round.responses.is_empty() && round.state.is_none() {
        true => Json::Null,
        false => format!("{:?} {:?}", round.responses, round.state).into(),
    }
}
