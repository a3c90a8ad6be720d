//! The templates that a caller has: built in, the operator's, the caller's own, everybody's. The first with a name counts, so that
//! nobody's template takes the place of another that is trusted more.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;
use tidegate_plugin::ToolError;
use tidegate_plugin::settings;
use tidegate_plugin::storage::Error;
use tidegate_plugin::storage::Scope;

use crate::builtin;
use crate::saved;
use crate::template::Template;

/// Where a template comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// It comes with the plugin.
    BuiltIn,
    /// The operator's settings.
    Operator,
    /// The caller saved it.
    Own,
    /// A caller saved it for all.
    Shared,
}

/// A template with where it comes from.
#[derive(Debug)]
pub(crate) struct Found {
    /// What it says.
    pub(crate) template: Template,
    /// Where it comes from.
    pub(crate) source: Source,
    /// Its version, when it was saved.
    pub(crate) version: Option<u32>,
}

/// The template of a name.
pub(crate) fn find(name: &str) -> Result<Found, ToolError> {
    if let Some(found) = find_trusted(name)? {
        return Ok(found);
    }
    for (scope, source) in [(Scope::Caller, Source::Own), (Scope::Shared, Source::Shared)] {
        match saved::find(scope, name) {
            Ok(Some((saved, _))) => return Ok(Found { template: saved.template, source, version: Some(saved.version) }),
            Ok(None) | Err(Error::Denied | Error::InvalidKey) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ToolError::failed("UNKNOWN_TEMPLATE", format!("there is no template `{}`", name.chars().take(60).collect::<String>()))
        .with_hint("list_templates shows those that there are"))
}

/// One that no caller can change.
pub(crate) fn find_trusted(name: &str) -> Result<Option<Found>, ToolError> {
    if let Some(template) = builtin::find(name) {
        return Ok(Some(Found { template, source: Source::BuiltIn, version: None }));
    }
    let found = operators()?.into_iter().find(|template| template.name == name);
    Ok(found.map(|template| Found { template, source: Source::Operator, version: None }))
}

/// All of them, by source and name, and whether saved ones are among them: where storage cannot be reached, the others are still there.
pub(crate) fn all() -> Result<(Vec<Found>, bool), ToolError> {
    let built_in = builtin::names().filter_map(builtin::find);
    let mut all: Vec<Found> = built_in.map(|template| Found { template, source: Source::BuiltIn, version: None }).collect();
    all.extend(operators()?.into_iter().map(|template| Found { template, source: Source::Operator, version: None }));
    for (scope, source) in [(Scope::Caller, Source::Own), (Scope::Shared, Source::Shared)] {
        let names = match saved::names(scope) {
            Err(Error::Unavailable) => return Ok((all, false)),
            names => names?,
        };
        for name in names {
            if all.iter().all(|found| found.template.name != name)
                && let Some((saved, _)) = saved::find(scope, &name)?
            {
                all.push(Found { template: saved.template, source, version: Some(saved.version) });
            }
        }
    }
    Ok((all, true))
}

/// The operator's, from the setting `templates`.
pub(crate) fn operators() -> Result<Vec<Template>, ToolError> {
    let wrong = |text: String| ToolError::failed("CONFIGURATION", text).with_hint("the operator has to correct it");
    let given: Vec<Json> = settings::get("templates").map_err(wrong)?.unwrap_or_default();
    let read = |(index, json)| Template::from_json(json).map_err(|error| wrong(format!("setting `templates[{index}]`: {error}")));
    given.into_iter().enumerate().map(read).collect()
}
