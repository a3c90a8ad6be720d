//! `list_tables`: one page of tables and views, filtered.

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
use tidegate_plugin::catalog::TableFilter;
use tidegate_plugin::catalog::TableKind;
use tidegate_plugin::catalog::TableSummary;

use crate::pattern;

/// Tables on a page when no limit is given.
pub(crate) const PAGE: u32 = 100;

/// Arguments of `list_tables`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct ListTables {
    #[serde(default)]
    database: String,
    schema: Option<String>,
    kind: Option<Kind>,
    /// Part of a name, or a LIKE pattern with %.
    pattern: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    limit: Option<u32>,
}

// A kind of table, as arguments name it. No doc comment: it would become a description.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Table,
    View,
    MaterializedView,
    ForeignTable,
}

#[derive(Serialize)]
struct Answer {
    tables: Vec<SummaryFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A table in a few words.
#[derive(Serialize)]
pub(crate) struct SummaryFacts {
    schema: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    /// An estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

impl Tool for ListTables {
    const NAME: &'static str = "list_tables";
    const TITLE: Option<&'static str> = Some("List tables");
    const DESCRIPTION: &'static str = "Lists tables and views with estimated row counts. `kind` is shown when it is not table.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let filter = TableFilter {
            schema: pattern::given(self.schema),
            kinds: self.kind.map(TableKind::from).into_iter().collect(),
            pattern: pattern::of(self.pattern),
            after: pattern::given(self.after),
            limit: self.limit.unwrap_or(PAGE).max(1),
        };
        let page = catalog::list_tables(&self.database, &filter)?;
        let tables = page.tables.into_iter().map(SummaryFacts::from).collect();
        Ok(Content::json(&Answer { tables, next: page.next })?.into())
    }
}

impl From<Kind> for TableKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Table => Self::Table,
            Kind::View => Self::View,
            Kind::MaterializedView => Self::MaterializedView,
            Kind::ForeignTable => Self::ForeignTable,
        }
    }
}

impl From<TableSummary> for SummaryFacts {
    fn from(summary: TableSummary) -> Self {
        let TableSummary { schema, name, kind, row_estimate, comment } = summary;
        let kind = match kind {
            TableKind::Table => None,
            TableKind::View => Some("view"),
            TableKind::MaterializedView => Some("materialized_view"),
            TableKind::ForeignTable => Some("foreign_table"),
        };
        Self { schema, name, kind, rows: row_estimate, comment }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::*;
    use crate::sample;

    fn names(arguments: Value) -> Vec<String> {
        let answer = sample::json(sample::host().call::<ListTables>(arguments));
        let tables = answer["tables"].as_array().expect("it is a list");
        tables.iter().filter_map(|table| table["name"].as_str()).map(str::to_owned).collect()
    }

    #[test]
    fn a_plain_table_is_shown_without_its_kind() {
        let answer = sample::json(sample::host().call::<ListTables>(json!({ "limit": 2 })));
        let tables = json!([
            { "schema": "public", "name": "customers", "rows": 120, "comment": "who buys" },
            { "schema": "public", "name": "order_totals", "kind": "view" },
        ]);
        assert_eq!(answer, json!({ "tables": tables, "next": "order_totals" }));
    }

    #[test]
    fn tables_are_filtered_by_schema_kind_and_pattern() {
        assert_eq!(names(json!({ "schema": "archive" })), Vec::<String>::new());
        assert_eq!(names(json!({ "kind": "view" })), ["order_totals"]);
        assert_eq!(names(json!({ "pattern": "ORDER" })), ["order_totals", "orders"]);
        assert_eq!(names(json!({ "pattern": "%s" })), ["customers", "order_totals", "orders"]);
        assert_eq!(names(json!({ "pattern": "o%s", "kind": "table" })), ["orders"]);
        assert_eq!(names(json!({ "schema": "", "pattern": "", "after": "" })).len(), 3);
    }

    #[test]
    fn the_page_after_begins_where_the_one_before_ended() {
        assert_eq!(names(json!({ "after": "order_totals" })), ["orders"]);
        assert_eq!(names(json!({ "limit": 0 })), ["customers"]);
    }
}
