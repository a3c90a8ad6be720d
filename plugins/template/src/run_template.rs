//! `run_template`: one template with its arguments, its rows handed on.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value as Json;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Outcome;
use tidegate_plugin::Round;
use tidegate_plugin::RowFormat;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolError;
use tidegate_plugin::ToolResult;
use tidegate_plugin::catalog;
use tidegate_plugin::catalog::Database;
use tidegate_plugin::database_read;
use tidegate_plugin::database_read::Options;

use crate::bind::bind;
use crate::chart;
use crate::chart::Wanted;
use crate::library;
use crate::requirement;
use crate::template::Template;

/// Arguments of `run_template`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct RunTemplate {
    /// From list_templates.
    name: String,
    /// Its parameters by name.
    #[serde(default)]
    params: Map<String, Json>,
    /// Which, when there are several.
    #[serde(default)]
    database: String,
    /// A picture beside the rows.
    chart: Option<Wanted>,
    /// Most rows to return.
    limit: Option<u32>,
    format: Option<RowFormat>,
    timeout_ms: Option<u32>,
}

impl Tool for RunTemplate {
    const NAME: &'static str = "run_template";
    const TITLE: Option<&'static str> = Some("Run a template");
    const DESCRIPTION: &'static str = "Runs a named statement with typed parameters, as a chart if wanted.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let template = library::find(&self.name)?.template;
        let how = How { chart: self.chart, limit: self.limit, format: self.format.unwrap_or_default(), timeout_ms: self.timeout_ms };
        run(&template, &self.params, &self.database, &how)
    }
}

/// How a template is run.
#[derive(Default)]
pub(crate) struct How {
    /// The picture that is wanted; none when none is.
    pub(crate) chart: Option<Wanted>,
    /// Most rows.
    pub(crate) limit: Option<u32>,
    /// How rows are written.
    pub(crate) format: RowFormat,
    /// When it is to end.
    pub(crate) timeout_ms: Option<u32>,
}

/// Runs a template.
pub(crate) fn run(template: &Template, arguments: &Map<String, Json>, database: &str, how: &How) -> ToolResult {
    let database = find_database(database)?;
    let bound = bind(template, arguments, &database.name, database.engine)?;
    requirement::check(template, &database)?;
    let options = Options { timeout_ms: how.timeout_ms, max_rows: how.limit, keep_rest: false };
    let rows = database_read::query(&database.name, &bound.sql, &bound.parameters, options)?;
    let Some(wanted) = how.chart else { return Ok(Content::rows(rows, how.format, None).into()) };
    chart::beside(rows, wanted, template, how.format).map(Outcome::Complete)
}

/// The database of a name, or the only one there is.
pub(crate) fn find_database(name: &str) -> Result<Database, ToolError> {
    let mut all = catalog::list_databases();
    if name.is_empty() && all.len() == 1 {
        return Ok(all.remove(0));
    }
    let names: Vec<String> = all.iter().map(|database| database.name.clone()).collect();
    match all.into_iter().find(|database| database.name == name) {
        Some(database) => Ok(database),
        None if name.is_empty() => Err(ToolError::InvalidArguments(format!("`database` is missing; there are {}", names.join(", ")))),
        // The host says it in the words that it has for it everywhere.
        None => match catalog::describe_database(name) {
            Err(error) => Err(error.into()),
            Ok(_) => Err(ToolError::InvalidArguments(format!("`database` must be one of {}", names.join(", ")))),
        },
    }
}
