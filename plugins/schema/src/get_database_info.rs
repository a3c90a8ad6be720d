//! `get_database_info`: facts about one database.

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
use tidegate_plugin::catalog::Database;

use crate::list_databases::engine;
use crate::list_databases::mode;

/// Arguments of `get_database_info`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct GetDatabaseInfo {
    #[serde(default)]
    database: String,
}

#[derive(Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    product: String,
    version: String,
    server_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    default_schema: String,
    tables: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    encoding: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl Tool for GetDatabaseInfo {
    const NAME: &'static str = "get_database_info";
    const TITLE: Option<&'static str> = Some("Database facts");
    const DESCRIPTION: &'static str =
        "Product and version (which SQL dialect to write), size, encoding, time zone, default schema, warnings.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let details = catalog::describe_database(&self.database)?;
        let known = find(&self.database);
        let answer = Answer {
            engine: known.as_ref().map(|known| engine(known.engine)),
            mode: known.as_ref().map(|known| mode(known.mode)),
            name: known.map(|known| known.name),
            product: details.product,
            version: details.version,
            server_name: details.server_name,
            user: details.user,
            default_schema: details.default_schema,
            tables: details.table_count,
            size_bytes: details.size_bytes,
            encoding: details.encoding,
            time_zone: details.time_zone,
            warnings: details.warnings,
        };
        Ok(Content::json(&answer)?.into())
    }
}

/// The database of this name; the only one when the name is empty.
pub(crate) fn find(name: &str) -> Option<Database> {
    let mut databases = catalog::list_databases();
    if name.is_empty() && databases.len() == 1 {
        return databases.pop();
    }
    databases.into_iter().find(|database| database.name == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_plugin::DatabaseError;
    use tidegate_plugin::ToolError;

    use super::*;
    use crate::sample;

    #[test]
    fn facts_of_the_only_database_need_no_name() {
        let answer = sample::json(sample::host().call::<GetDatabaseInfo>(json!({})));
        assert_eq!(
            answer,
            json!({
                "name": "shop",
                "engine": "postgres",
                "mode": "read-only",
                "product": "PostgreSQL",
                "version": "15.18",
                "server_name": "shop",
                "user": "reader",
                "default_schema": "public",
                "tables": 2,
                "encoding": "UTF8",
                "warnings": ["the role may read files"],
            })
        );
    }

    #[test]
    fn an_unknown_database_is_the_database_s_error() {
        let failed = sample::host().call::<GetDatabaseInfo>(json!({ "database": "nothing" }));
        assert!(matches!(failed, Err(ToolError::Database(DatabaseError::UnknownDatabase(_)))));
    }
}
