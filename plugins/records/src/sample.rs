//! A table for tests.

use tidegate_plugin::catalog::Engine;
use tidegate_plugin::catalog::Mode;
use tidegate_plugin::catalog::Table;
use tidegate_plugin::catalog::TableColumn;
use tidegate_plugin::catalog::TableKind;
use tidegate_plugin::catalog::TableSummary;
use tidegate_plugin::test::Host;

use crate::table::Source;

/// The table `people`.
pub(crate) fn people(engine: Engine) -> Table {
    let schema = match engine {
        Engine::Postgres => "public",
        Engine::Mysql => "shop",
        Engine::Sqlite => "main",
    };
    let column = |name: &str, type_name: &str, nullable: bool| TableColumn {
        name: name.into(),
        type_name: type_name.into(),
        nullable,
        default_value: None,
        generated: (name == "id").then(|| if engine == Engine::Mysql { "auto_increment".into() } else { "identity".into() }),
        choices: Vec::new(),
        comment: None,
    };
    Table {
        summary: TableSummary { schema: schema.into(), name: "people".into(), kind: TableKind::Table, row_estimate: None, comment: None },
        columns: vec![
            column("id", "bigint", false),
            column("name", "text", false),
            column("city", "text", true),
            column("age", "integer", true),
            column("data", "json", true),
            column("version", "integer", false),
        ],
        primary_key: vec!["id".into()],
        foreign_keys: Vec::new(),
        referenced_by: Vec::new(),
        indexes: Vec::new(),
        constraints: Vec::new(),
        triggers: Vec::new(),
        definition: None,
    }
}

/// The same in a statement.
pub(crate) fn source(engine: Engine) -> Source {
    Source { engine, table: people(engine), alias: None }
}

/// A host with a database that has it.
pub(crate) fn host(engine: Engine) -> Host {
    Host::new().database("main", engine, Mode::ReadWrite).table("main", people(engine))
}
