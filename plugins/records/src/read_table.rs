//! `read_table` and `filtered_search`: rows of one table, a page at a time.

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::RowFormat;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolError;
use tidegate_plugin::ToolResult;
use tidegate_plugin::catalog::TableColumn;
use tidegate_plugin::place::Place;

use crate::filter;
use crate::json::Fields;
use crate::json::Json;
use crate::page;
use crate::sql::Sql;
use crate::table::Source;

/// Arguments of `read_table`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct ReadTable {
    table: String,
    schema: Option<String>,
    #[serde(default)]
    database: String,
    /// All when left out.
    columns: Option<Vec<String>>,
    /// "-" before a name turns it round.
    order_by: Option<Vec<String>>,
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
    format: Option<RowFormat>,
    transaction: Option<String>,
}

impl Tool for ReadTable {
    const NAME: &'static str = "read_table";
    const TITLE: Option<&'static str> = Some("Read a table");
    const DESCRIPTION: &'static str = "Reads rows of a table, 50 a page, by primary key or order_by. No SQL needed.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        search(self, &Fields::default())
    }
}

/// Arguments of `filtered_search`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct FilteredSearch {
    table: String,
    filter: Fields,
    schema: Option<String>,
    #[serde(default)]
    database: String,
    columns: Option<Vec<String>>,
    order_by: Option<Vec<String>>,
    limit: Option<u32>,
    after: Option<String>,
    format: Option<RowFormat>,
    transaction: Option<String>,
}

impl Tool for FilteredSearch {
    const NAME: &'static str = "filtered_search";
    const TITLE: Option<&'static str> = Some("Find rows");
    const DESCRIPTION: &'static str = "Reads rows that fit a filter, for example {\"city\": \"Ulm\", \"age\": {\"gte\": 18}, \"or\": [{\"name\": {\"ilike\": \"a%\"}}, \
        {\"tags\": {\"contains\": [\"vip\"]}}]}. Operators: eq, ne, gt, gte, lt, lte, in, not_in, between, like, ilike, null, contains, match (words), \
        path (into JSON, beside another); and, or, not.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        // One struct within the other would lose the digits of numbers on its way through serde's buffer.
        let Self { table, filter, schema, database, columns, order_by, limit, after, format, transaction } = self;
        search(ReadTable { table, schema, database, columns, order_by, limit, after, format, transaction }, &filter)
    }
}

fn search(read: ReadTable, filter: &Fields) -> ToolResult {
    let place = Place::find(read.database, read.transaction.as_deref())?;
    let source = Source::find(&place, read.schema.as_deref(), &read.table)?;
    let shown = chosen(&source, read.columns.as_deref())?;
    let keys = page::order(&source, read.order_by.as_deref().unwrap_or_default())?;
    let size = page::size(read.limit);
    let mut sql = Sql::new(source.engine, "select ");
    sql.list(&shown, ", ", |sql, column| {
        sql.push(&source.written(column));
    });
    page::write_keys(&mut sql, &keys);
    sql.push(" from ");
    source.write_name(&mut sql);
    let after: Vec<Json> = match read.after.as_deref() {
        None | Some("") => Vec::new(),
        Some(text) => serde_json::from_str(text)
            .map_err(|_| ToolError::InvalidArguments("`after` is to be the `next` of the page before, as it came".into()))?,
    };
    if !filter.0.is_empty() || !after.is_empty() {
        sql.push(" where ");
        let filtered = filter::write(&mut sql, &source, filter)?;
        if !after.is_empty() {
            sql.push(if filtered { " and " } else { "" });
            page::write_after(&mut sql, &keys, &after)?;
        }
    }
    page::write_order(&mut sql, &keys);
    page::write_limit(&mut sql, size);
    page::answer(&place, &sql, shown.len(), &keys, size, read.format.unwrap_or_default())
}

/// The columns of these names; all when there are none.
fn chosen<'a>(source: &'a Source, names: Option<&[String]>) -> Result<Vec<&'a TableColumn>, ToolError> {
    match names {
        None | Some([]) => Ok(source.table.columns.iter().collect()),
        Some(names) => names.iter().map(|name| source.column(name)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_plugin::Content;
    use tidegate_plugin::Outcome;
    use tidegate_plugin::catalog::Engine;
    use tidegate_plugin::test::ResultRows;

    use super::*;
    use crate::sample;

    #[test]
    fn a_page_says_where_the_next_begins() {
        let rows = (1..=3).map(|id| vec!["n".into(), i64::into(id)]).collect();
        let sql = r#"select "name", "id" as "next_0" from "public"."people" where ("city" = $1) order by "id" limit 3"#;
        let host = sample::host(Engine::Postgres).answers(sql, ResultRows::new(&["name", "next_0"], rows));
        let arguments = json!({ "table": "people", "filter": { "city": "Ulm" }, "columns": ["name"], "limit": 2 });
        let answer = host.call::<FilteredSearch>(arguments).ok().and_then(Outcome::complete).expect("it is complete");
        let [Content::Text(next), Content::Rows(page)] = answer.as_slice() else { panic!("{answer:?}") };
        assert_eq!(next, r#"{"next":"[2]"}"#);
        assert_eq!((page.rows.columns().len(), page.rows.next(9).len()), (1, 2));
    }
}
