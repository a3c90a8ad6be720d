//! A fake host with a small shop in it, for the tests of this plugin.

use tidegate_plugin::Content;
use tidegate_plugin::Outcome;
use tidegate_plugin::ToolResult;
use tidegate_plugin::catalog::Constraint;
use tidegate_plugin::catalog::DatabaseDetails;
use tidegate_plugin::catalog::Engine;
use tidegate_plugin::catalog::ForeignKey;
use tidegate_plugin::catalog::Index;
use tidegate_plugin::catalog::Mode;
use tidegate_plugin::catalog::Routine;
use tidegate_plugin::catalog::RoutineKind;
use tidegate_plugin::catalog::Schema;
use tidegate_plugin::catalog::Table;
use tidegate_plugin::catalog::TableColumn;
use tidegate_plugin::catalog::TableKind;
use tidegate_plugin::catalog::TableSummary;
use tidegate_plugin::catalog::Trigger;
use tidegate_plugin::test::Host;

/// The JSON of an answer that is nothing else.
pub(crate) fn json(result: ToolResult) -> serde_json::Value {
    match result.ok().and_then(Outcome::complete).as_deref() {
        Some([Content::Json(text)]) => serde_json::from_str(text).expect("it is JSON"),
        other => panic!("{other:?}"),
    }
}

/// A host with one database, `shop`.
pub(crate) fn host() -> Host {
    let schema = |name: &str, table_count, comment: Option<&str>| Schema {
        name: name.into(),
        is_default: name == "public",
        table_count,
        comment: comment.map(str::to_owned),
    };
    Host::new()
        .database("shop", Engine::Postgres, Mode::ReadOnly)
        .details("shop", details())
        .schema("shop", schema("archive", 0, Some("old")))
        .schema("shop", schema("public", 3, None))
        .table("shop", table("customers", TableKind::Table, Some(120), Some("who buys")))
        .table("shop", Table { definition: Some("select 1".into()), ..table("order_totals", TableKind::View, None, None) })
        .table("shop", orders())
        .routine("shop", routine("total_of", RoutineKind::Function, Some("numeric")))
        .routine("shop", routine("ship_order", RoutineKind::Procedure, None))
}

fn details() -> DatabaseDetails {
    DatabaseDetails {
        product: "PostgreSQL".into(),
        version: "15.18".into(),
        server_name: "shop".into(),
        user: Some("reader".into()),
        default_schema: "public".into(),
        size_bytes: None,
        table_count: 2,
        encoding: "UTF8".into(),
        time_zone: None,
        warnings: vec!["the role may read files".into()],
    }
}

fn table(name: &str, kind: TableKind, row_estimate: Option<u64>, comment: Option<&str>) -> Table {
    Table {
        summary: TableSummary { schema: "public".into(), name: name.into(), kind, row_estimate, comment: comment.map(str::to_owned) },
        columns: vec![column("id", "bigint")],
        primary_key: Vec::new(),
        foreign_keys: Vec::new(),
        referenced_by: Vec::new(),
        indexes: Vec::new(),
        constraints: Vec::new(),
        triggers: Vec::new(),
        definition: None,
    }
}

fn orders() -> Table {
    let key = |name: &str, columns: &str, schema: &str, table: &str, on_delete: &str| ForeignKey {
        name: name.into(),
        columns: vec![columns.into()],
        schema: schema.into(),
        table: table.into(),
        references: vec!["id".into()],
        on_delete: on_delete.into(),
        on_update: "NO ACTION".into(),
    };
    let index = |name: &str, column: &str, primary, method: &str, condition: Option<&str>| Index {
        name: name.into(),
        columns: vec![column.into()],
        unique: true,
        primary,
        method: method.into(),
        condition: condition.map(str::to_owned),
    };
    Table {
        columns: vec![
            TableColumn { generated: Some("identity".into()), ..column("id", "bigint") },
            column("customer_id", "bigint"),
            TableColumn {
                default_value: Some("'new'".into()),
                choices: vec!["new".into(), "paid".into()],
                comment: Some("where it is".into()),
                ..column("state", "order_state")
            },
            TableColumn { nullable: true, ..column("note", "text") },
        ],
        primary_key: vec!["id".into()],
        foreign_keys: vec![key("orders_customer", "customer_id", "public", "customers", "CASCADE")],
        referenced_by: vec![key("", "order_id", "archive", "old_items", "NO ACTION")],
        indexes: vec![
            index("orders_pkey", "id", true, "btree", None),
            index("orders_open", "customer_id", false, "hash", Some("state = 'new'")),
        ],
        constraints: vec![Constraint { name: "orders_note".into(), definition: "CHECK (note <> '')".into() }],
        triggers: vec![Trigger { name: "orders_log".into(), event: "AFTER INSERT".into(), definition: "EXECUTE FUNCTION log()".into() }],
        ..table("orders", TableKind::Table, Some(4000), None)
    }
}

fn column(name: &str, type_name: &str) -> TableColumn {
    TableColumn {
        name: name.into(),
        type_name: type_name.into(),
        nullable: false,
        default_value: None,
        generated: None,
        choices: Vec::new(),
        comment: None,
    }
}

fn routine(name: &str, kind: RoutineKind, returns: Option<&str>) -> Routine {
    Routine {
        schema: "public".into(),
        name: name.into(),
        kind,
        arguments: "id bigint".into(),
        returns: returns.map(str::to_owned),
        language: "plpgsql".into(),
        comment: None,
    }
}
