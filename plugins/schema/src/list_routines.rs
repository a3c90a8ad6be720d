//! `list_routines`: one page of stored functions and procedures.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolResult;
use tidegate_plugin::catalog;
use tidegate_plugin::catalog::Routine;
use tidegate_plugin::catalog::RoutineKind;

use crate::list_tables::PAGE;
use crate::pattern;

/// Arguments of `list_routines`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct ListRoutines {
    #[serde(default)]
    database: String,
    schema: Option<String>,
    pattern: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

#[derive(Serialize)]
struct Answer {
    routines: Vec<RoutineFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
struct RoutineFacts {
    schema: String,
    name: String,
    kind: &'static str,
    arguments: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    returns: Option<String>,
    language: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

impl Tool for ListRoutines {
    const NAME: &'static str = "list_routines";
    const TITLE: Option<&'static str> = Some("List routines");
    const DESCRIPTION: &'static str = "Lists stored functions and procedures with their arguments. Filters and pages as list_tables does.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let (schema, pattern, after) = (pattern::given(self.schema), pattern::of(self.pattern), pattern::given(self.after));
        let limit = self.limit.unwrap_or(PAGE).max(1);
        let page = catalog::list_routines(&self.database, schema.as_deref(), pattern.as_deref(), after.as_deref(), limit)?;
        let routines = page.routines.into_iter().map(RoutineFacts::from).collect();
        Ok(Content::json(&Answer { routines, next: page.next })?.into())
    }
}

impl From<Routine> for RoutineFacts {
    fn from(routine: Routine) -> Self {
        let Routine { schema, name, kind, arguments, returns, language, comment } = routine;
        let kind = match kind {
            RoutineKind::Function => "function",
            RoutineKind::Procedure => "procedure",
            RoutineKind::Aggregate => "aggregate",
        };
        Self { schema, name, kind, arguments, returns, language, comment }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sample;

    #[test]
    fn a_routine_shows_how_it_is_called() {
        let answer = sample::json(sample::host().call::<ListRoutines>(json!({ "pattern": "ship" })));
        let ship =
            json!({ "schema": "public", "name": "ship_order", "kind": "procedure", "arguments": "id bigint", "language": "plpgsql" });
        assert_eq!(answer, json!({ "routines": [ship] }));
    }
}
