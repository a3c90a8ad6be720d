//! `describe_table`: everything about one table or view.

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolResult;
use tidegate_plugin::catalog;

use crate::pattern;
use crate::table_facts::TableFacts;

/// Arguments of `describe_table`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct DescribeTable {
    table: String,
    schema: Option<String>,
    #[serde(default)]
    database: String,
}

impl Tool for DescribeTable {
    const NAME: &'static str = "describe_table";
    const TITLE: Option<&'static str> = Some("Describe a table");
    const DESCRIPTION: &'static str = "Describes a table or view: columns, keys, indexes, constraints, triggers. Call it before writing SQL. \
        Columns are not null unless `nullable`.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let table = catalog::describe_table(&self.database, pattern::given(self.schema).as_deref(), &self.table)?;
        Ok(Content::json(&TableFacts::from(table))?.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_plugin::DatabaseError;
    use tidegate_plugin::ToolError;

    use super::*;
    use crate::sample;

    #[test]
    fn a_table_is_described_without_what_is_empty_or_usual() {
        let answer = sample::json(sample::host().call::<DescribeTable>(json!({ "table": "orders", "schema": "public" })));
        assert_eq!(
            answer,
            json!({
                "schema": "public",
                "name": "orders",
                "rows": 4000,
                "columns": [
                    { "name": "id", "type": "bigint", "generated": "identity" },
                    { "name": "customer_id", "type": "bigint" },
                    { "name": "state", "type": "order_state", "default": "'new'", "choices": ["new", "paid"], "comment": "where it is" },
                    { "name": "note", "type": "text", "nullable": true },
                ],
                "primary_key": ["id"],
                "foreign_keys": [
                    { "name": "orders_customer", "columns": ["customer_id"], "table": "customers", "references": ["id"], "on_delete": "CASCADE" },
                ],
                "referenced_by": [
                    { "columns": ["order_id"], "schema": "archive", "table": "old_items", "references": ["id"] },
                ],
                "indexes": [
                    { "name": "orders_pkey", "columns": ["id"], "primary": true },
                    { "name": "orders_open", "columns": ["customer_id"], "unique": true, "method": "hash", "where": "state = 'new'" },
                ],
                "constraints": [{ "name": "orders_note", "definition": "CHECK (note <> '')" }],
                "triggers": [{ "name": "orders_log", "event": "AFTER INSERT", "definition": "EXECUTE FUNCTION log()" }],
            })
        );
    }

    #[test]
    fn a_view_shows_its_statement() {
        let answer = sample::json(sample::host().call::<DescribeTable>(json!({ "table": "order_totals" })));
        assert_eq!((answer["kind"].as_str(), answer["definition"].as_str()), (Some("view"), Some("select 1")));
    }

    #[test]
    fn an_unknown_table_is_the_database_s_error() {
        let failed = sample::host().call::<DescribeTable>(json!({ "table": "order" }));
        assert!(matches!(failed, Err(ToolError::Database(DatabaseError::UnknownTable(_)))));
    }
}
