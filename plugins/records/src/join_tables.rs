//! `join_tables`: rows of several tables along their foreign keys.

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::RowFormat;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolError;
use tidegate_plugin::ToolResult;
use tidegate_plugin::catalog::Engine;
use tidegate_plugin::catalog::ForeignKey;
use tidegate_plugin::place::Place;

use crate::filter;
use crate::json::Fields;
use crate::page;
use crate::sql::Sql;
use crate::table::Columns;
use crate::table::Named;
use crate::table::Source;

/// Tables of one call.
const TABLES: usize = 8;

/// A table that is joined.
#[derive(Deserialize, JsonSchema)]
struct Join {
    table: String,
    /// The foreign key, by its name or columns, when there are several.
    along: Option<String>,
    /// Keep rows without a partner.
    #[serde(default)]
    left: bool,
    /// Its name in columns and filter; default: its own.
    name: Option<String>,
}

/// Arguments of `join_tables`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct JoinTables {
    table: String,
    joins: Vec<Join>,
    /// As "table.column"; default: all.
    columns: Option<Vec<String>>,
    filter: Option<Fields>,
    order_by: Option<Vec<String>>,
    limit: Option<u32>,
    schema: Option<String>,
    #[serde(default)]
    database: String,
    format: Option<RowFormat>,
    transaction: Option<String>,
}

impl Tool for JoinTables {
    const NAME: &'static str = "join_tables";
    const TITLE: Option<&'static str> = Some("Join tables");
    const DESCRIPTION: &'static str =
        "Reads rows of a table with those of others that foreign keys connect it with. Filters as in filtered_search, on \"table.column\".";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let place = Place::find(self.database, self.transaction.as_deref())?;
        let mut first = Source::find(&place, self.schema.as_deref(), &self.table)?;
        first.alias = Some(first.table.summary.name.clone());
        if self.joins.is_empty() || self.joins.len() >= TABLES {
            return Err(ToolError::InvalidArguments(format!("`joins` is to have 1 to {} tables", TABLES - 1)));
        }
        let engine = first.engine;
        let mut joined = Joined { engine, all: vec![first] };
        let mut from = Sql::new(engine, " from ");
        joined.all[0].write_name(&mut from);
        for join in &self.joins {
            let mut source = Source::find(&place, self.schema.as_deref(), &join.table)?;
            let name = join.name.clone().unwrap_or_else(|| source.table.summary.name.clone());
            if name.is_empty() || name.contains('.') || joined.all.iter().any(|other| other.alias.as_deref() == Some(&*name)) {
                return Err(ToolError::InvalidArguments(format!("`{name}` is there already, or no name; give the table another `name`")));
            }
            source.alias = Some(name);
            let pairs = joined.pairs(&source, join.along.as_deref())?;
            from.push(if join.left { " left join " } else { " join " });
            source.write_name(&mut from);
            from.push(" on ").list(&pairs, " and ", |sql, (one, other)| {
                sql.push(one).push(" = ").push(other);
            });
            joined.all.push(source);
        }

        let shown = match self.columns.as_deref() {
            None | Some([]) => joined.every_column(),
            Some(names) => names.iter().map(|name| Ok((name.clone(), joined.find(name)?.written))).collect::<Result<_, ToolError>>()?,
        };
        let mut sql = Sql::new(engine, "select ");
        sql.list(&shown, ", ", |sql, (name, written)| {
            sql.push(written).push(" as ").name(name);
        });
        sql.push(from.text());
        if let Some(filter) = self.filter.filter(|filter| !filter.0.is_empty()) {
            sql.push(" where ");
            filter::write(&mut sql, &joined, &filter)?;
        }
        let order = match self.order_by.unwrap_or_default() {
            names if names.is_empty() => {
                joined.all[0].table.primary_key.iter().map(|name| format!("{}.{name}", joined.name_of(0))).collect()
            }
            names => names,
        };
        let order: Vec<(String, bool)> = order
            .iter()
            .map(|name| {
                let (bare, descending) = name.strip_prefix('-').map_or((name.as_str(), false), |bare| (bare, true));
                Ok((joined.find(bare)?.written, descending))
            })
            .collect::<Result<_, ToolError>>()?;
        page::write_order_by(&mut sql, &order);
        page::first(&place, &mut sql, page::size(self.limit), self.format.unwrap_or_default())
    }
}

/// The tables so far.
struct Joined {
    engine: Engine,
    all: Vec<Source>,
}

impl Joined {
    fn name_of(&self, index: usize) -> &str {
        self.all[index].alias.as_deref().unwrap_or_default()
    }

    fn every_column(&self) -> Vec<(String, String)> {
        let of = |index: usize| {
            let source = &self.all[index];
            source.table.columns.iter().map(move |column| (format!("{}.{}", self.name_of(index), column.name), source.written(column)))
        };
        (0..self.all.len()).flat_map(of).collect()
    }

    /// What is equal in rows that belong together: along the one foreign key between `source` and a table before it, in either
    /// direction.
    fn pairs(&self, source: &Source, along: Option<&str>) -> Result<Vec<(String, String)>, ToolError> {
        let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
        for other in &self.all {
            for (from, to) in [(source, other), (other, source)] {
                for key in &from.table.foreign_keys {
                    if is_of(key, to) && along.is_none_or(|along| is_called(key, along)) {
                        found.push((called(key), equal(from, to, key)?));
                    }
                }
                // A table that refers to itself is seen from both ends.
                if std::ptr::eq(from, to) || from.table.summary.name == to.table.summary.name {
                    break;
                }
            }
        }
        let name = &source.table.summary.name;
        match found.len() {
            1 => Ok(found.swap_remove(0).1),
            0 => Err(ToolError::failed(
                "NOT_SUPPORTED",
                format!(
                    "no foreign key connects `{name}` with the tables before it{}",
                    match along {
                        Some(along) => format!(" along `{along}`"),
                        None => String::new(),
                    }
                ),
            )
            .with_hint("name the tables in an order in which each is connected with one before, or write SQL")),
            _ => {
                let names: Vec<String> = found.into_iter().map(|(name, _)| name).collect();
                Err(ToolError::InvalidArguments(format!(
                    "several foreign keys connect `{name}`; choose with `along`: {}",
                    names.join(", ")
                )))
            }
        }
    }
}

fn is_of(key: &ForeignKey, source: &Source) -> bool {
    let summary = &source.table.summary;
    key.table.eq_ignore_ascii_case(&summary.name) && (key.schema.is_empty() || key.schema == summary.schema)
}

/// By its name, or by the columns where it has none.
fn called(key: &ForeignKey) -> String {
    if key.name.is_empty() { key.columns.join(",") } else { key.name.clone() }
}

fn is_called(key: &ForeignKey, along: &str) -> bool {
    key.name == along || key.columns.join(",") == along.replace(' ', "")
}

fn equal(from: &Source, to: &Source, key: &ForeignKey) -> Result<Vec<(String, String)>, ToolError> {
    // Without columns it means the primary key (SQLite).
    let references = if key.references.is_empty() { &to.table.primary_key } else { &key.references };
    key.columns.iter().zip(references).map(|(one, other)| Ok((from.written(from.column(one)?), to.written(to.column(other)?)))).collect()
}

impl Columns for Joined {
    fn engine(&self) -> Engine {
        self.engine
    }

    fn find(&self, name: &str) -> Result<Named, ToolError> {
        let by_table = name.split_once('.').and_then(|(table, column)| {
            let source = self.all.iter().find(|source| source.alias.as_deref() == Some(table))?;
            Some(source.find(column))
        });
        if let Some(found) = by_table {
            return found;
        }
        let mut having = self.all.iter().filter(|source| source.column(name).is_ok());
        match (having.next(), having.next()) {
            (Some(source), None) => source.find(name),
            (Some(_), Some(_)) => Err(ToolError::InvalidArguments(format!("several tables have a column `{name}`; write `table.{name}`"))),
            (None, _) => {
                let tables: Vec<&str> = (0..self.all.len()).map(|index| self.name_of(index)).collect();
                let unknown = ToolError::failed("UNKNOWN_COLUMN", format!("there is no column `{name}`"));
                Err(unknown.with_hint(format!("write `table.column`; the tables are {}", tables.join(", "))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_plugin::catalog::Mode;
    use tidegate_plugin::catalog::Table;
    use tidegate_plugin::test::Host;
    use tidegate_plugin::test::ResultRows;

    use super::*;
    use crate::sample;

    fn key(name: &str, column: &str) -> ForeignKey {
        ForeignKey {
            name: name.into(),
            columns: vec![column.into()],
            schema: "public".into(),
            table: "people".into(),
            references: vec!["id".into()],
            on_delete: "NO ACTION".into(),
            on_update: "NO ACTION".into(),
        }
    }

    fn loans(keys: Vec<ForeignKey>) -> Table {
        let mut table = sample::people(Engine::Postgres);
        table.summary.name = "loans".into();
        table.columns[3].name = "person".into();
        table.columns[5].name = "lender".into();
        table.foreign_keys = keys;
        table
    }

    fn host(keys: Vec<ForeignKey>) -> Host {
        Host::new()
            .database("main", Engine::Postgres, Mode::ReadOnly)
            .table("main", sample::people(Engine::Postgres))
            .table("main", loans(keys))
    }

    #[test]
    fn tables_are_joined_along_the_foreign_key_between_them_from_either_end() {
        let arguments = |table: &str, other: &str| {
            json!({
                "table": table, "joins": [{ "table": other, "left": true }], "columns": ["people.name", "person"],
                "filter": { "people.city": "Ulm" }, "limit": 5, "order_by": ["-person"],
            })
        };
        let sql = |from: &str, join: &str| {
            format!(
                r#"select "people"."name" as "people.name", "loans"."person" as "person" from "public"."{from}" as "{from}" left join "public"."{join}" as "{join}" on "loans"."person" = "people"."id" where ("people"."city" = $1) order by ("loans"."person" is null), "loans"."person" desc limit 6"#
            )
        };
        for (table, other) in [("loans", "people"), ("people", "loans")] {
            let host = host(vec![key("of", "person")]).answers(&sql(table, other), ResultRows::new(&["a", "b"], vec![]));
            let answer = host.call::<JoinTables>(arguments(table, other));
            assert!(answer.is_ok(), "{answer:?}");
        }
    }

    #[test]
    fn one_of_several_keys_has_to_be_chosen() {
        let host = host(vec![key("of", "person"), key("by", "lender")]);
        let call = |along: serde_json::Value| {
            let answer = host.call::<JoinTables>(json!({ "table": "loans", "joins": [{ "table": "people", "along": along }] }));
            format!("{:?}", answer.expect_err("there are no rows"))
        };
        assert!(call(json!(null)).contains("choose with `along`: of, by"));
        assert!(call(json!("nope")).contains("no foreign key connects"));
        assert!(!call(json!("lender")).contains("foreign key"), "by its columns");
    }
}
