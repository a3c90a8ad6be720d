//! `delete_template`: removes a saved template with its versions.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolError;
use tidegate_plugin::ToolResult;
use tidegate_plugin::changes;

use crate::parameter::is_name;
use crate::save_template::scope;
use crate::saved;

/// Arguments of `delete_template`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct DeleteTemplate {
    name: String,
    /// That of all callers.
    #[serde(default)]
    shared: bool,
}

impl Tool for DeleteTemplate {
    const NAME: &'static str = "delete_template";
    const TITLE: Option<&'static str> = Some("Delete a template");
    const DESCRIPTION: &'static str = "Deletes a saved template and its versions.";
    const ANNOTATIONS: Annotations = Annotations { read_only: false, destructive: true, idempotent: true, open_world: false };
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let scope = scope(self.shared)?;
        if is_name(&self.name) && saved::delete(scope, &self.name)? {
            if self.shared {
                changes::tools_changed();
            }
            return Ok(Content::json(&json!({ "deleted": self.name }))?.into());
        }
        let text = format!("there is no saved template `{}`", self.name.chars().take(60).collect::<String>());
        Err(ToolError::failed("UNKNOWN_TEMPLATE", text).with_hint("those of all callers take `shared`"))
    }
}
