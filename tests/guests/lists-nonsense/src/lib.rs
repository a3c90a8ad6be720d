//! A guest whose list of tools holds a schema that is none.

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
    const DESCRIPTION: &'static str = "Has no schema.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Nothing;

    fn input_schema() -> String {
        r#"{"type": "object", "properties": {"a": {"type": "nonsense"}}}"#.to_owned()
    }

    fn call(self, _: &Round) -> ToolResult {
        Ok(Content::text("never called").into())
    }
}

tidegate_plugin::export!(tools: [Run]);
