//! `list_templates`: what templates there are, and all of one.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::json;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolError;
use tidegate_plugin::ToolResult;
use tidegate_plugin::storage::Scope;

use crate::library;
use crate::library::Found;
use crate::library::Source;
use crate::parameter::Parameter;
use crate::saved;
use crate::template::EngineName;

/// Arguments of `list_templates`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct ListTemplates {
    /// All of this one, statements too.
    name: Option<String>,
    /// An older version of it.
    version: Option<u32>,
    /// Only those for it.
    engine: Option<EngineName>,
}

impl Tool for ListTemplates {
    const NAME: &'static str = "list_templates";
    const TITLE: Option<&'static str> = Some("List templates");
    const DESCRIPTION: &'static str =
        "Lists named statements for run_template: sizes, indexes, locks, slow statements, profiles, cohorts, and saved ones.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        if let Some(name) = &self.name {
            return Ok(Content::json(&whole(&at_version(library::find(name)?, self.version)?)?)?.into());
        }
        let (all, with_saved) = library::all()?;
        let engine = self.engine.map(EngineName::engine);
        let fits = |found: &Found| engine.is_none_or(|engine| found.template.statements.find(engine).is_some());
        let templates: Vec<Json> = all.iter().filter(|found| fits(found)).map(short).collect();
        let mut answer = json!({ "templates": templates });
        if !with_saved {
            answer["note"] = "saved templates cannot be reached now".into();
        }
        Ok(Content::json(&answer)?.into())
    }
}

fn at_version(found: Found, version: Option<u32>) -> Result<Found, ToolError> {
    let Some(version) = version.filter(|version| found.version != Some(*version)) else { return Ok(found) };
    let scope = match found.source {
        Source::Own => Scope::Caller,
        Source::Shared => Scope::Shared,
        Source::BuiltIn | Source::Operator => {
            return Err(ToolError::InvalidArguments(format!("template `{}` was not saved and has no versions", found.template.name)));
        }
    };
    match saved::find_version(scope, &found.template.name, version)? {
        Some(old) => Ok(Found { template: old.template, version: Some(old.version), ..found }),
        None => Err(ToolError::InvalidArguments(format!("version {version} of template `{}` is not kept", found.template.name))),
    }
}

fn short(found: &Found) -> Json {
    let template = &found.template;
    let parameter =
        |parameter: &Parameter| if parameter.default.is_some() { format!("{}?", parameter.name) } else { parameter.name.clone() };
    let mut short = json!({ "name": template.name, "description": template.description, "source": found.source });
    let parameters: Vec<String> = template.parameters.iter().map(parameter).collect();
    if !parameters.is_empty() {
        short["params"] = parameters.join(", ").into();
    }
    if template.statements.engines().len() < 3 {
        short["engines"] = template.statements.engines().into();
    }
    short
}

/// All that there is to say of one.
pub(crate) fn whole(found: &Found) -> Result<Json, ToolError> {
    let mut whole = serde_json::to_value(&found.template)
        .map_err(|error| ToolError::failed("INTERNAL", format!("the template has no JSON form: {error}")))?;
    whole["source"] = json!(found.source);
    if let Some(version) = found.version {
        whole["version"] = version.into();
    }
    Ok(whole)
}
