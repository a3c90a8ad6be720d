//! `profile_table`: one statement that tells what is in every column of a table.

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::RowFormat;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolError;
use tidegate_plugin::ToolResult;
use tidegate_plugin::catalog;
use tidegate_plugin::catalog::Engine;
use tidegate_plugin::catalog::Table;
use tidegate_plugin::catalog::TableColumn;
use tidegate_plugin::database_read::Options;
use tidegate_plugin::database_read::query;

/// Columns of one profile: each is a part of the statement.
const COLUMNS: usize = 40;

/// Arguments of `profile_table`.
#[derive(Deserialize, JsonSchema)]
pub struct ProfileTable {
    /// The table, as `list_tables` names it.
    table: String,
    /// Its schema; the default one when left out.
    schema: Option<String>,
    /// The database; may be left out when there is one.
    #[serde(default)]
    database: String,
}

impl Tool for ProfileTable {
    const NAME: &'static str = "profile_table";
    const TITLE: Option<&'static str> = Some("Profile a table");
    const DESCRIPTION: &'static str = "Tells for every column of a table how many values are null, how many differ, and the least and greatest. \
        Reads the whole table.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let databases = catalog::list_databases();
        let database = databases.iter().find(|database| self.database.is_empty() || database.name == self.database);
        let engine = database.map_or(Engine::Sqlite, |database| database.engine);
        let table = catalog::describe_table(&self.database, self.schema.as_deref(), &self.table)?;
        if table.columns.len() > COLUMNS {
            let text = format!("it has {} columns, and {COLUMNS} are profiled at once", table.columns.len());
            return Err(ToolError::InvalidArguments(text));
        }
        let rows = query(&self.database, &profiling(&table, engine), &[], Options::default())?;
        // Handed on unread: the values never enter this plugin.
        Ok(Content::rows(rows, RowFormat::Auto, None).into())
    }
}

/// One statement with a row for each column.
fn profiling(table: &Table, engine: Engine) -> String {
    let place = format!("{}.{}", quoted(&table.summary.schema, engine), quoted(&table.summary.name, engine));
    let text = if engine == Engine::Mysql { "char" } else { "text" };
    let profile = |column: &TableColumn| {
        let literal = column.name.replace('\'', "''");
        let literal = if engine == Engine::Mysql { literal.replace('\\', "\\\\") } else { literal };
        let name = quoted(&column.name, engine);
        // PostgreSQL has types without an order, or even without equality; all of them have a text.
        let column = if engine == Engine::Postgres && !has_an_order(&column.type_name) { format!("cast({name} as text)") } else { name };
        format!(
            "select '{literal}' as name, count(*) as total, count(*) - count({column}) as nulls, count(distinct {column}) as differing, \
             cast(min({column}) as {text}) as least, cast(max({column}) as {text}) as greatest from {place}"
        )
    };
    table.columns.iter().map(profile).collect::<Vec<_>>().join(" union all ")
}

/// Whether values of a type of PostgreSQL are numbers or times, whose order is not that of their texts.
fn has_an_order(type_name: &str) -> bool {
    ["smallint", "integer", "bigint", "numeric", "real", "double", "date", "time"].iter().any(|name| type_name.starts_with(name))
}

/// A name in the quotes of the engine.
fn quoted(name: &str, engine: Engine) -> String {
    let quote = if engine == Engine::Mysql { '`' } else { '"' };
    format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_in_a_name_does_not_end_it() {
        assert_eq!(quoted("a\"b", Engine::Postgres), "\"a\"\"b\"");
        assert_eq!(quoted("a`b", Engine::Mysql), "`a``b`");
    }
}
