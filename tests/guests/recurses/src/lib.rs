//! A guest that recurses without end.

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
pub struct Run {}

impl Tool for Run {
    const NAME: &'static str = "run";
    const DESCRIPTION: &'static str = "Recurses without end.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Nothing;

    fn call(self, _: &Round) -> ToolResult {
        Ok(Content::text(depth(1).to_string()).into())
    }
}

/// Calls itself with work left to do, so that no call can take the place of the one before.
#[expect(unconditional_recursion, reason = "that is the fault")]
fn depth(level: u64) -> u64 {
    std::hint::black_box(level) + depth(level + 1)
}

tidegate_plugin::export!(tools: [Run]);
