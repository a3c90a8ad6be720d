//! `save_template`: keeps a template for the caller or, where the operator lets them, for all.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value as Json;
use serde_json::json;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolError;
use tidegate_plugin::ToolResult;
use tidegate_plugin::changes;
use tidegate_plugin::settings;
use tidegate_plugin::storage::Scope;

use crate::library;
use crate::published;
use crate::saved;
use crate::template::Template;

/// Arguments of `save_template`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct SaveTemplate {
    /// name, description, statements {any|postgres|mysql|sqlite: SQL with {{param}}}, parameters [{name, type, default, min, max, choices, pattern, list, of}], chart {type, x, y}, tool.
    template: Map<String, Json>,
    /// For all callers.
    #[serde(default)]
    shared: bool,
    /// The version it replaces; 0 for none.
    replaces: Option<u32>,
}

impl Tool for SaveTemplate {
    const NAME: &'static str = "save_template";
    const TITLE: Option<&'static str> = Some("Save a template");
    const DESCRIPTION: &'static str = "Saves a reading statement under a name. list_templates with a name shows the format.";
    const ANNOTATIONS: Annotations = Annotations { read_only: false, destructive: false, idempotent: true, open_world: false };
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let template = Template::from_json(Json::Object(self.template)).map_err(ToolError::InvalidArguments)?;
        if template.tool && !self.shared {
            return Err(ToolError::InvalidArguments("a tool is there for all callers; set `shared`, or leave out `tool`".to_owned()));
        }
        if template.tool {
            published::check(&template)?;
        }
        if library::find_trusted(&template.name)?.is_some() {
            let text = format!("`{}` is the name of a template that is built in or the operator's", template.name);
            return Err(ToolError::InvalidArguments(text));
        }
        let scope = scope(self.shared)?;
        let name = template.name.clone();
        let version = saved::save(scope, template, self.replaces)?;
        if self.shared {
            changes::tools_changed();
        }
        Ok(Content::json(&json!({ "saved": name, "version": version, "shared": self.shared }))?.into())
    }
}

/// The scope to change. What all callers are shown is changed only where the operator says so.
pub(crate) fn scope(shared: bool) -> Result<Scope, ToolError> {
    if !shared {
        return Ok(Scope::Caller);
    }
    let wrong = |text| ToolError::failed("CONFIGURATION", text);
    if settings::get("share").map_err(wrong)?.unwrap_or(false) {
        return Ok(Scope::Shared);
    }
    let refused = ToolError::failed("ACCESS_DENIED", "callers do not share templates here");
    Err(refused.with_hint("leave out `shared`, or the operator can set `share = true` in `[plugins.template.settings]`"))
}
