//! Completion of database, schema, table and column names, for the resource templates and the prompt alike.

use tidegate_plugin::CompletionRequest;
use tidegate_plugin::Completions;
use tidegate_plugin::DatabaseError;
use tidegate_plugin::catalog;
use tidegate_plugin::catalog::TableFilter;

/// Tables to choose from: as many as the host gives at once.
const TABLES: u32 = 500;

/// Completes one argument from those before it. Where they name nothing, there is nothing to offer.
pub(crate) fn complete(request: &CompletionRequest) -> Completions {
    candidates(request).map_or_else(|_| Completions::none(), |candidates| request.choose(candidates))
}

fn candidates(request: &CompletionRequest) -> Result<Vec<String>, DatabaseError> {
    let database = request.given("database").unwrap_or_default();
    Ok(match request.argument.as_str() {
        "database" => catalog::list_databases().into_iter().map(|database| database.name).collect(),
        "schema" => catalog::list_schemas(database)?.into_iter().map(|schema| schema.name).collect(),
        "table" => {
            let filter = TableFilter {
                schema: request.given("schema").map(str::to_owned),
                // A wildcard in what was typed finds too much, which the choice puts right.
                pattern: Some(format!("%{}%", request.value)),
                limit: TABLES,
                ..TableFilter::default()
            };
            let mut names: Vec<String> = catalog::list_tables(database, &filter)?.tables.into_iter().map(|table| table.name).collect();
            names.sort();
            names.dedup();
            names
        }
        "column" => match request.given("table") {
            Some(table) => {
                let columns = catalog::describe_table(database, request.given("schema"), table)?.columns;
                columns.into_iter().map(|column| column.name).collect()
            }
            None => Vec::new(),
        },
        _ => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use tidegate_plugin::Resource;
    use tidegate_plugin::Target;

    use super::*;
    use crate::Plugin;
    use crate::resources::ColumnResource;
    use crate::sample;

    fn completed(argument: &str, value: &str, context: &[(&str, &str)]) -> Vec<String> {
        let request = CompletionRequest {
            target: Target::ResourceTemplate(ColumnResource::URI.into()),
            argument: argument.into(),
            value: value.into(),
            context: context.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        sample::host().complete::<Plugin>(&request).values
    }

    #[test]
    fn names_are_completed_from_the_arguments_before_them() {
        let place = [("database", "shop"), ("schema", "public"), ("table", "orders")];
        assert_eq!(completed("database", "s", &[]), ["shop"]);
        assert_eq!(completed("schema", "", &place[..1]), ["archive", "public"]);
        assert_eq!(completed("table", "ord", &place[..2]), ["order_totals", "orders"]);
        assert_eq!(completed("table", "", &[("database", "shop"), ("schema", "archive")]), Vec::<String>::new());
        assert_eq!(completed("column", "id", &place), ["id", "customer_id"]);
    }

    #[test]
    fn a_database_left_out_is_the_only_one() {
        assert_eq!(completed("table", "tot", &[]), ["order_totals"]);
    }

    #[test]
    fn what_is_unknown_has_no_completions() {
        assert_eq!(completed("colour", "", &[]), Vec::<String>::new());
        assert_eq!(completed("column", "", &[]), Vec::<String>::new());
        assert_eq!(completed("column", "", &[("table", "nothing")]), Vec::<String>::new());
        assert_eq!(completed("schema", "", &[("database", "other")]), Vec::<String>::new());
    }
}
