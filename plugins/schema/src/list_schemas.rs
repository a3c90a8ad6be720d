//! `list_schemas`: the schemas of a database.

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
use tidegate_plugin::catalog::Schema;

/// Arguments of `list_schemas`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct ListSchemas {
    #[serde(default)]
    database: String,
}

#[derive(Serialize)]
struct Answer {
    schemas: Vec<SchemaFacts>,
}

#[derive(Serialize)]
struct SchemaFacts {
    name: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    default: bool,
    tables: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

impl Tool for ListSchemas {
    const NAME: &'static str = "list_schemas";
    const TITLE: Option<&'static str> = Some("List schemas");
    const DESCRIPTION: &'static str = "Lists the schemas of a database and how many tables each has.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let schemas = catalog::list_schemas(&self.database)?.into_iter().map(SchemaFacts::from).collect();
        Ok(Content::json(&Answer { schemas })?.into())
    }
}

impl From<Schema> for SchemaFacts {
    fn from(schema: Schema) -> Self {
        let Schema { name, is_default, table_count, comment } = schema;
        Self { name, default: is_default, tables: table_count, comment }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sample;

    #[test]
    fn the_default_schema_is_marked_and_empty_facts_are_left_out() {
        let answer = sample::json(sample::host().call::<ListSchemas>(json!({ "database": "shop" })));
        let schemas = json!([{ "name": "archive", "tables": 0, "comment": "old" }, { "name": "public", "default": true, "tables": 3 }]);
        assert_eq!(answer, json!({ "schemas": schemas }));
    }
}
