//! Resources: the description of a table or of one column, by URI.

use serde::Serialize;
use tidegate_plugin::Resource;
use tidegate_plugin::ResourceContent;
use tidegate_plugin::ResourceError;
use tidegate_plugin::ResourceResult;
use tidegate_plugin::Round;
use tidegate_plugin::catalog;
use tidegate_plugin::uri;
use tidegate_plugin::uri::Variables;

use crate::table_facts::ColumnInTable;
use crate::table_facts::TableFacts;

/// What both resources hold.
pub(crate) const JSON: &str = "application/json";

/// A table, by its place.
pub(crate) struct TableResource;

/// A column, by its place.
pub(crate) struct ColumnResource;

impl Resource for TableResource {
    const URI: &'static str = "tidegate://{database}/{schema}/{table}";
    const NAME: &'static str = "table";
    const TITLE: Option<&'static str> = Some("Table");
    const DESCRIPTION: Option<&'static str> = Some("Columns, keys, indexes, constraints and triggers of a table or view");
    const MIME_TYPE: Option<&'static str> = Some(JSON);

    fn read(uri: &str, variables: &Variables, _: &Round) -> ResourceResult {
        content(uri, &TableFacts::from(table(variables)?))
    }
}

impl Resource for ColumnResource {
    const URI: &'static str = "tidegate://{database}/{schema}/{table}/{column}";
    const NAME: &'static str = "column";
    const TITLE: Option<&'static str> = Some("Column");
    const DESCRIPTION: Option<&'static str> = Some("A column with the keys and indexes that it is part of");
    const MIME_TYPE: Option<&'static str> = Some(JSON);

    fn read(uri: &str, variables: &Variables, _: &Round) -> ResourceResult {
        let column = ColumnInTable::find(table(variables)?, variables.get("column")).ok_or(ResourceError::NotFound)?;
        content(uri, &column)
    }
}

/// The URI of a table.
pub(crate) fn table_uri(database: &str, schema: &str, table: &str) -> String {
    format!("tidegate://{}/{}/{}", uri::encode(database), uri::encode(schema), uri::encode(table))
}

fn table(variables: &Variables) -> Result<catalog::Table, ResourceError> {
    Ok(catalog::describe_table(variables.get("database"), Some(variables.get("schema")), variables.get("table"))?)
}

fn content(uri: &str, facts: &impl Serialize) -> ResourceResult {
    let text = serde_json::to_string(facts).map_err(|error| ResourceError::failed(error.to_string()))?;
    Ok(ResourceContent::text(uri, JSON, text).into())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;
    use tidegate_plugin::Body;
    use tidegate_plugin::Outcome;

    use super::*;
    use crate::Plugin;
    use crate::sample;

    fn read(uri: &str) -> Option<Value> {
        let contents = sample::host().read::<Plugin>(uri).ok().and_then(Outcome::complete)?;
        let [ResourceContent { uri: same, mime_type: Some(mime_type), body: Body::Text(text) }] = contents.as_slice() else { return None };
        assert_eq!((same.as_str(), mime_type.as_str()), (uri, JSON));
        serde_json::from_str(text).ok()
    }

    #[test]
    fn a_table_is_read_by_its_uri() {
        let table = read("tidegate://shop/public/orders").expect("it is there");
        assert_eq!((table["name"].as_str(), table["columns"].as_array().map(Vec::len)), (Some("orders"), Some(4)));
        assert_eq!(table_uri("a b", "c/d", "e"), "tidegate://a%20b/c%2Fd/e");
        assert_eq!(read("tidegate://shop/publi%63/orders"), Some(table));
    }

    #[test]
    fn a_column_is_read_with_its_keys_and_indexes() {
        let column = read("tidegate://shop/public/orders/customer_id").expect("it is there");
        assert_eq!((column["table"].as_str(), column["type"].as_str()), (Some("orders"), Some("bigint")));
        assert_eq!(column["foreign_keys"][0]["table"], "customers");
        assert_eq!(column["indexes"].as_array().map(Vec::len), Some(1));
        assert_eq!(column.get("primary_key"), None);
        let id = read("tidegate://shop/public/orders/id").expect("it is there");
        assert_eq!((&id["primary_key"], &id["referenced_by"][0]["table"]), (&json!(true), &json!("old_items")));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for uri in ["tidegate://shop/public/order", "tidegate://shop/public/orders/x", "tidegate://other/public/orders", "tidegate://shop"]
        {
            assert!(matches!(sample::host().read::<Plugin>(uri), Err(ResourceError::NotFound)), "{uri}");
        }
    }
}
