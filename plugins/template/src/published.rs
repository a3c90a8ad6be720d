//! Templates that are tools of their own: the operator's and, where the operator lets callers, shared ones.

use serde_json::Map;
use serde_json::Value as Json;
use serde_json::json;
use tidegate_plugin::Annotations;
use tidegate_plugin::MoreTools;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::ToolDefinition;
use tidegate_plugin::ToolError;
use tidegate_plugin::ToolResult;
use tidegate_plugin::log;
use tidegate_plugin::settings;
use tidegate_plugin::storage::Error;
use tidegate_plugin::storage::Scope;

use crate::library;
use crate::run_template;
use crate::run_template::How;
use crate::saved;
use crate::template::Template;

/// What a tool made of a template is called: apart from all that other plugins have.
const PREFIX: &str = "template_";

/// Templates that are tools at most, when the operator says nothing.
const TOOLS: usize = 20;

/// The tools made of templates.
pub(crate) struct Published;

impl MoreTools for Published {
    fn list() -> Vec<ToolDefinition> {
        match published() {
            Ok(templates) => templates.iter().map(definition).collect(),
            Err(error) => {
                // A setting that is wrong takes these tools away and no others; a call of list_templates says what is wrong.
                log::warn(&format!("templates are no tools: {error:?}"));
                Vec::new()
            }
        }
    }

    fn call(name: &str, arguments: &str, _: &Round) -> Option<ToolResult> {
        let name = name.strip_prefix(PREFIX)?;
        let template = match published() {
            Ok(templates) => templates.into_iter().find(|template| template.name == name)?,
            Err(error) => return Some(Err(error)),
        };
        let mut arguments: Map<String, Json> = match serde_json::from_str(arguments) {
            Ok(arguments) => arguments,
            Err(error) => return Some(Err(ToolError::InvalidArguments(error.to_string()))),
        };
        let database = arguments.remove("database").and_then(|database| database.as_str().map(str::to_owned)).unwrap_or_default();
        Some(run_template::run(&template, &arguments, &database, &How::default()))
    }
}

/// Whether one more template may be a tool.
pub(crate) fn check(template: &Template) -> Result<(), ToolError> {
    if !may_publish()? {
        let refused = ToolError::failed("ACCESS_DENIED", "callers do not make tools of templates here");
        return Err(refused.with_hint("leave out `tool`, or the operator can set `publish = true` in `[plugins.template.settings]`"));
    }
    let others = published()?.into_iter().filter(|other| other.name != template.name).count();
    if others >= most()? {
        let text = format!("{others} templates are tools, and no more may be");
        return Err(ToolError::failed("TOO_MANY", text).with_hint("delete one, or the operator can raise `max_tools`"));
    }
    Ok(())
}

fn published() -> Result<Vec<Template>, ToolError> {
    let mut templates: Vec<Template> = library::operators()?.into_iter().filter(|template| template.tool).collect();
    if may_publish()? {
        let names = match saved::names(Scope::Shared) {
            // The operator's are there all the same.
            Err(Error::Unavailable) => Vec::new(),
            names => names?,
        };
        for name in names {
            if library::find_trusted(&name)?.is_none()
                && let Some((saved, _)) = saved::find(Scope::Shared, &name)?
                && saved.template.tool
            {
                templates.push(saved.template);
            }
        }
    }
    templates.truncate(most()?);
    Ok(templates)
}

fn may_publish() -> Result<bool, ToolError> {
    Ok(settings::get("publish").map_err(|text| ToolError::failed("CONFIGURATION", text))?.unwrap_or(false))
}

fn most() -> Result<usize, ToolError> {
    Ok(settings::get("max_tools").map_err(|text| ToolError::failed("CONFIGURATION", text))?.unwrap_or(TOOLS))
}

fn definition(template: &Template) -> ToolDefinition {
    let mut properties: Map<String, Json> =
        template.parameters.iter().map(|parameter| (parameter.name.clone(), parameter.schema())).collect();
    properties.insert("database".to_owned(), json!({ "type": "string", "description": "Which, when there are several." }));
    let is_required = |parameter: &&crate::parameter::Parameter| parameter.default.is_none();
    let required: Vec<&str> = template.parameters.iter().filter(is_required).map(|parameter| parameter.name.as_str()).collect();
    let schema = json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    ToolDefinition {
        name: format!("{PREFIX}{}", template.name),
        title: None,
        description: template.description.clone(),
        input_schema: schema.to_string(),
        output_schema: None,
        annotations: Annotations::READ_ONLY,
        needs: Needs::Read,
        meta: None,
    }
}
