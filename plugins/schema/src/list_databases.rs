//! `list_databases`: the databases there are.

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
use tidegate_plugin::catalog::Engine;
use tidegate_plugin::catalog::Mode;

/// Arguments of `list_databases`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct ListDatabases {}

#[derive(Serialize)]
struct Answer {
    databases: Vec<DatabaseFacts>,
}

#[derive(Serialize)]
struct DatabaseFacts {
    name: String,
    engine: &'static str,
    mode: &'static str,
}

impl Tool for ListDatabases {
    const NAME: &'static str = "list_databases";
    const TITLE: Option<&'static str> = Some("List databases");
    const DESCRIPTION: &'static str =
        "Lists the databases: name, engine, mode. Start here; with one database, `database` may be left out everywhere.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let databases = catalog::list_databases().into_iter().map(DatabaseFacts::from).collect();
        Ok(Content::json(&Answer { databases })?.into())
    }
}

impl From<Database> for DatabaseFacts {
    fn from(database: Database) -> Self {
        Self { name: database.name, engine: engine(database.engine), mode: mode(database.mode) }
    }
}

pub(crate) const fn engine(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
        Engine::Mysql => "mysql",
    }
}

pub(crate) const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::ReadOnly => "read-only",
        Mode::ReadWrite => "read-write",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sample;

    #[test]
    fn every_database_comes_with_engine_and_mode() {
        let answer = sample::json(sample::host().call::<ListDatabases>(json!({})));
        assert_eq!(answer, json!({ "databases": [{ "name": "shop", "engine": "postgres", "mode": "read-only" }] }));
    }
}
