//! A guest whose answer is too large.

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolResult;

/// The arguments of `run`.
#[derive(Deserialize, JsonSchema)]
pub struct Run {
    /// How much.
    mebibytes: usize,
}

impl Tool for Run {
    const NAME: &'static str = "run";
    const DESCRIPTION: &'static str = "Answers at length.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Nothing;

    fn call(self, _: &Round) -> ToolResult {
        Ok(Content::text("x".repeat(self.mebibytes << 20)).into())
    }
}

tidegate_plugin::export!(tools: [Run]);
