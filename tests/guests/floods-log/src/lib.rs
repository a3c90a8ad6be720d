//! A guest that floods the log.

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolResult;
use tidegate_plugin::log;

/// The arguments of `run`.
#[derive(Deserialize, JsonSchema)]
pub struct Run {
    /// How many.
    lines: u32,
}

impl Tool for Run {
    const NAME: &'static str = "run";
    const DESCRIPTION: &'static str = "Writes log lines.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Nothing;

    fn call(self, _: &Round) -> ToolResult {
        let line = "flood ".repeat(1_000);
        for _ in 0..self.lines {
            log::info(&line);
        }
        Ok(Content::text(format!("wrote {} lines", self.lines)).into())
    }
}

tidegate_plugin::export!(tools: [Run]);
