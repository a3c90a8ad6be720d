//! The catalog of a file with every kind of object.

use super::*;
use crate::database::catalog::Table;
use crate::database::catalog::TableFilter;
use crate::database::catalog::TableKind;

const EVERYTHING: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(40) NOT NULL DEFAULT 'nobody', city TEXT COLLATE NOCASE)
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INT CONSTRAINT placed_by REFERENCES customers ON DELETE CASCADE, net REAL CONSTRAINT positive CHECK (net > 0), gross REAL AS (net * 1.2) STORED, CHECK (id < 1000))
    CREATE TABLE lines (\"order\" INT, no INT, item TEXT, PRIMARY KEY (no, \"order\"), FOREIGN KEY (\"order\") REFERENCES Orders (id) ON UPDATE SET NULL) WITHOUT ROWID
    CREATE TABLE notes (line INT, \"order\" INT, body TEXT, FOREIGN KEY (line, \"order\") REFERENCES lines) STRICT
    CREATE INDEX by_city ON customers (city DESC, lower(name))
    CREATE UNIQUE INDEX one_big ON orders (customer) WHERE net > 100
    CREATE VIEW totals (customer, total) AS SELECT customer, sum(gross) FROM orders GROUP BY 1
    CREATE TRIGGER kept BEFORE DELETE ON customers WHEN old.id = 1 BEGIN SELECT raise(ABORT, 'kept'); END
    CREATE TRIGGER into_view INSTEAD OF INSERT ON totals BEGIN SELECT 1; END
    CREATE VIRTUAL TABLE words USING fts5(body)
    CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1)
    CREATE TABLE \"odd \"\"name\" (\"a \"\"b\" INT)
    INSERT INTO customers (name, city) VALUES ('ann', 'Bremen'), ('bob', 'Ulm'), ('cyd', 'Ulm')
    ANALYZE
";

async fn describe(sqlite: &Sqlite, name: &str) -> Table {
    sqlite.table(&call(), None, name).await.unwrap().unwrap()
}

fn filter() -> TableFilter {
    TableFilter { limit: 100, ..TableFilter::default() }
}

async fn names(sqlite: &Sqlite, filter: TableFilter) -> Vec<String> {
    sqlite.tables(&call(), &filter).await.unwrap().into_iter().map(|table| table.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_listed_filtered_and_paged() {
    let (_folder, sqlite) = shop(EVERYTHING).await;
    let all = ["boxes", "customers", "lines", "notes", "odd \"name", "orders", "totals", "words"];
    assert_eq!(names(&sqlite, filter()).await, all);
    let views = TableFilter { kinds: vec![TableKind::View], ..filter() };
    assert_eq!(names(&sqlite, views).await, ["totals"]);
    let virtual_ones = TableFilter { kinds: vec![TableKind::ForeignTable], ..filter() };
    assert_eq!(names(&sqlite, virtual_ones).await, ["boxes", "words"]);
    assert_eq!(names(&sqlite, TableFilter { pattern: Some("%ORD%".into()), ..filter() }).await, ["orders", "words"]);
    assert_eq!(names(&sqlite, TableFilter { schema: Some("other".into()), ..filter() }).await, [""; 0]);
    let page = TableFilter { after: Some(("main".into(), "lines".into())), limit: 2, ..filter() };
    assert_eq!(names(&sqlite, page).await, ["notes", "odd \"name"]);
    let customers = sqlite.tables(&call(), &filter()).await.unwrap().remove(1);
    assert_eq!((customers.schema.as_str(), customers.kind, customers.row_estimate), ("main", TableKind::Table, Some(3)));
    let schemas = sqlite.schemas(&call()).await.unwrap();
    assert_eq!((schemas.len(), schemas[0].name.as_str(), schemas[0].table_count, schemas[0].is_default), (1, "main", 8, true));
    let details = sqlite.details(&call()).await.unwrap();
    assert_eq!((details.product.as_str(), details.server_name.as_str(), details.encoding.as_str()), ("SQLite", "shop.db", "UTF-8"));
    assert_eq!(details.table_count, 5);
    assert!(details.version.starts_with("3.") && details.size_bytes.unwrap() > 4096);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_described_with_all_it_has() {
    let (_folder, sqlite) = shop(EVERYTHING).await;
    let customers = describe(&sqlite, "CUSTOMERS").await;
    assert_eq!(customers.summary.name, "customers");
    let columns: Vec<_> = customers
        .columns
        .iter()
        .map(|it| (it.name.as_str(), it.type_name.as_str(), it.nullable, it.default_value.as_deref(), it.generated.as_deref()))
        .collect();
    assert_eq!(
        columns,
        [
            ("id", "INTEGER", false, None, Some("auto_increment")),
            ("name", "VARCHAR(40)", false, Some("'nobody'"), None),
            ("city", "TEXT", true, None, None),
        ]
    );
    assert_eq!(customers.primary_key, ["id"]);
    assert_eq!(
        (customers.indexes[0].name.as_str(), &customers.indexes[0].columns),
        ("by_city", &vec!["city".into(), "lower(name)".into()])
    );
    let from = &customers.referenced_by[0];
    assert_eq!(
        (from.table.as_str(), from.name.as_str(), &from.columns, &from.references),
        ("orders", "placed_by", &vec!["customer".into()], &vec!["id".into()])
    );
    let trigger = &customers.triggers[0];
    assert_eq!((trigger.name.as_str(), trigger.event.as_str()), ("kept", "BEFORE DELETE"));
    assert!(trigger.definition.starts_with("WHEN old.id = 1 BEGIN"));

    let orders = describe(&sqlite, "orders").await;
    let gross = &orders.columns[3];
    assert_eq!((gross.generated.as_deref(), gross.default_value.as_deref()), (Some("generated"), Some("net * 1.2")));
    let checks: Vec<_> = orders.constraints.iter().map(|it| (it.name.as_str(), it.definition.as_str())).collect();
    assert_eq!(checks, [("positive", "CHECK (net > 0)"), ("", "CHECK (id < 1000)")]);
    assert_eq!(orders.foreign_keys[0].on_delete, "CASCADE");
    assert_eq!((orders.indexes[0].unique, orders.indexes[0].condition.as_deref()), (true, Some("net > 100")));
    assert_eq!(orders.referenced_by[0].on_update, "SET NULL");

    let lines = describe(&sqlite, "lines").await;
    assert_eq!(lines.primary_key, ["no", "order"]);
    assert!(lines.indexes[0].primary && lines.columns.iter().take(2).all(|column| !column.nullable));
    assert_eq!(lines.constraints[0].definition, "WITHOUT ROWID");
    let notes = describe(&sqlite, "notes").await;
    assert_eq!(notes.foreign_keys[0].references, ["no", "order"]);
    assert_eq!(notes.constraints[0].definition, "STRICT");
}

#[tokio::test(flavor = "multi_thread")]
async fn views_virtual_tables_and_odd_names_are_described() {
    let (_folder, sqlite) = shop(EVERYTHING).await;
    let totals = describe(&sqlite, "totals").await;
    assert_eq!(totals.summary.kind, TableKind::View);
    assert_eq!(totals.definition.as_deref(), Some("SELECT customer, sum(gross) FROM orders GROUP BY 1"));
    assert_eq!(totals.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["customer", "total"]);
    assert_eq!(totals.triggers[0].event, "INSTEAD OF INSERT");
    let words = describe(&sqlite, "words").await;
    assert_eq!((words.summary.kind, words.columns.len()), (TableKind::ForeignTable, 1));
    assert!(words.definition.unwrap().contains("fts5"));
    assert_eq!(describe(&sqlite, "boxes").await.columns.len(), 3);
    assert_eq!(describe(&sqlite, "odd \"name").await.columns[0].name, "a \"b");
    for hidden in ["words_data", "boxes_node", "sqlite_sequence", "sqlite_schema", "nothing", "by_city", "orders; DROP TABLE orders", ""] {
        assert!(sqlite.table(&call(), None, hidden).await.unwrap().is_none(), "{hidden}");
    }
    assert!(sqlite.table(&call(), Some("other"), "orders").await.unwrap().is_none());
    assert!(sqlite.table(&call(), Some("main"), "orders").await.unwrap().is_some());
}
