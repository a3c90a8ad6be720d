//! A guest that never comes back.

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolResult;

/// The arguments of `run`.
#[derive(Deserialize, JsonSchema)]
pub struct Run {}

impl Tool for Run {
    const NAME: &'static str = "run";
    const DESCRIPTION: &'static str = "Runs for ever.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Nothing;

    fn call(self, _: &Round) -> ToolResult {
        loop {
            std::hint::spin_loop();
        }
    }
}

tidegate_plugin::export!(tools: [Run]);
