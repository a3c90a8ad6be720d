//! What the catalog says about a rich schema.

use super::*;
use crate::database::catalog::RoutineFilter;
use crate::database::catalog::RoutineKind;
use crate::database::catalog::TableFilter;
use crate::database::catalog::TableKind;

const RICH: &str = "\
COMMENT ON SCHEMA public IS 'the shop';\
CREATE SCHEMA \"Odd Name\";\
CREATE EXTENSION btree_gist; CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;\
CREATE TYPE status AS ENUM ('new', 'paid', 'sent');\
CREATE TABLE customers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email varchar(80) NOT NULL UNIQUE, name text DEFAULT 'x' || 'y',\
  shout text GENERATED ALWAYS AS (upper(name)) STORED);\
COMMENT ON TABLE customers IS 'who buys'; COMMENT ON COLUMN customers.email IS 'unique';\
CREATE TABLE orders (id serial PRIMARY KEY, customer_id int REFERENCES customers ON DELETE CASCADE ON UPDATE SET NULL, state status NOT NULL DEFAULT 'new',\
  tags text[], total numeric(10,2) CONSTRAINT positive CHECK (total > 0), during tsrange, EXCLUDE USING gist (customer_id WITH =, during WITH &&));\
CREATE INDEX open_orders ON orders USING btree (lower(tags[1]), id DESC) WHERE state = 'new';\
CREATE TABLE \"Odd Name\".\"Wéird Table\" (a int, b int, PRIMARY KEY (b, a));\
CREATE TABLE \"Odd Name\".refers (x int, y int, FOREIGN KEY (x, y) REFERENCES \"Odd Name\".\"Wéird Table\" (b, a));\
CREATE TABLE parts (k int, v text) PARTITION BY RANGE (k);\
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);\
CREATE VIEW totals AS SELECT customer_id, sum(total) AS total FROM orders GROUP BY customer_id;\
CREATE MATERIALIZED VIEW snapshot AS SELECT count(*) FROM orders;\
CREATE FOREIGN TABLE passwd (line text) SERVER files OPTIONS (filename '/dev/null');\
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; COMMENT ON FUNCTION stamp() IS 'stamps';\
CREATE FUNCTION add(a int, b int DEFAULT 1) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + b';\
CREATE PROCEDURE tidy_up(INOUT n int) LANGUAGE sql AS 'SELECT 1';\
CREATE AGGREGATE product(int) (SFUNC = int4mul, STYPE = int);\
CREATE TRIGGER stamp_orders BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION stamp();\
INSERT INTO customers (email) SELECT n::text FROM generate_series(1, 500) n; INSERT INTO parts SELECT n % 10, 'x' FROM generate_series(1, 300) n;\
ANALYZE;";

#[tokio::test(flavor = "multi_thread")]
async fn schemas_and_tables_are_listed_filtered_and_paged() {
    on_database(RICH, |db| async move {
        let call = call();
        let schemas = db.postgres.schemas(&call).await.unwrap();
        let names: Vec<(&str, bool, u64)> =
            schemas.iter().map(|schema| (schema.name.as_str(), schema.is_default, schema.table_count)).collect();
        assert_eq!(names, [("Odd Name", false, 2), ("public", true, 6)]);
        assert_eq!(schemas[1].comment.as_deref(), Some("the shop"));

        let list = async |filter: TableFilter| {
            let tables = db.postgres.tables(&call, &filter).await.unwrap();
            tables.into_iter().map(|table| table.name).collect::<Vec<_>>()
        };
        let all = TableFilter { limit: 100, ..TableFilter::default() };
        let every = ["Wéird Table", "refers", "customers", "orders", "parts", "passwd", "snapshot", "totals"];
        assert_eq!(list(all.clone()).await, every);
        assert_eq!(list(TableFilter { schema: Some("Odd Name".into()), ..all.clone() }).await, every[..2]);
        assert_eq!(list(TableFilter { pattern: Some("%ORDER%".into()), ..all.clone() }).await, ["orders"]);
        assert_eq!(list(TableFilter { kinds: vec![TableKind::View, TableKind::ForeignTable], ..all.clone() }).await, ["passwd", "totals"]);
        let mut seen = Vec::new();
        let mut page = TableFilter { limit: 3, ..all };
        loop {
            let tables = db.postgres.tables(&call, &page).await.unwrap();
            let Some(last) = tables.last() else { break };
            page.after = Some((last.schema.clone(), last.name.clone()));
            seen.extend(tables.into_iter().map(|table| table.name));
        }
        assert_eq!(seen, every);

        let tables = db.postgres.tables(&call, &TableFilter { limit: 100, ..TableFilter::default() }).await.unwrap();
        let find = |name: &str| tables.iter().find(|table| table.name == name).unwrap();
        assert_eq!((find("customers").row_estimate, find("customers").comment.as_deref()), (Some(500), Some("who buys")));
        assert_eq!((find("parts").row_estimate, find("parts").kind), (Some(300), TableKind::Table));
        assert_eq!((find("totals").row_estimate, find("totals").kind), (None, TableKind::View));
        assert_eq!(find("snapshot").kind, TableKind::MaterializedView);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_described_whole() {
    on_database(RICH, |db| async move {
        let call = call();
        let orders = db.postgres.table(&call, None, "orders").await.unwrap().unwrap();
        let columns: Vec<String> = orders
            .columns
            .iter()
            .map(|column| {
                format!("{} {} {} {:?} {:?}", column.name, column.type_name, column.nullable, column.default_value, column.generated)
            })
            .collect();
        assert_eq!(
            columns,
            [
                r#"id integer false Some("nextval('orders_id_seq'::regclass)") Some("auto_increment")"#,
                "customer_id integer true None None",
                r#"state status false Some("'new'::status") None"#,
                "tags text[] true None None",
                "total numeric(10,2) true None None",
                "during tsrange true None None",
            ]
        );
        assert_eq!(orders.columns[2].choices, ["new", "paid", "sent"]);
        assert_eq!(orders.primary_key, ["id"]);
        let key = &orders.foreign_keys[0];
        assert_eq!((key.table.as_str(), key.on_delete.as_str(), key.on_update.as_str()), ("customers", "CASCADE", "SET NULL"));
        assert_eq!((key.columns.as_slice(), key.references.as_slice()), (&["customer_id".to_owned()][..], &["id".to_owned()][..]));
        let index = orders.indexes.iter().find(|index| index.name == "open_orders").unwrap();
        assert_eq!(index.columns, ["lower(tags[1])", "id"]);
        assert_eq!((index.unique, index.method.as_str(), index.condition.as_deref()), (false, "btree", Some("(state = 'new'::status)")));
        assert!(orders.indexes[0].primary);
        assert_eq!(orders.constraints.len(), 2);
        assert!(orders.constraints.iter().any(|constraint| constraint.definition == "CHECK (total > 0::numeric)"));
        assert_eq!(orders.triggers[0].event, "BEFORE INSERT OR UPDATE FOR EACH ROW");
        assert!(orders.triggers[0].definition.contains("EXECUTE FUNCTION stamp()"));

        let customers = db.postgres.table(&call, Some("public"), "customers").await.unwrap().unwrap();
        assert_eq!(customers.referenced_by[0].table, "orders");
        assert_eq!(customers.columns[0].generated.as_deref(), Some("identity"));
        assert_eq!(customers.columns[1].comment.as_deref(), Some("unique"));
        assert_eq!(customers.columns[3].generated.as_deref(), Some("generated"));

        let odd = db.postgres.table(&call, Some("Odd Name"), "Wéird Table").await.unwrap().unwrap();
        assert_eq!(
            (odd.primary_key.as_slice(), odd.referenced_by[0].columns.as_slice()),
            (&["b".to_owned(), "a".to_owned()][..], &["x".to_owned(), "y".to_owned()][..])
        );
        let view = db.postgres.table(&call, None, "totals").await.unwrap().unwrap();
        assert!(view.definition.unwrap().contains("sum(orders.total)"));
        assert_eq!(db.postgres.table(&call, None, "nothing").await.unwrap(), None);
        assert_eq!(db.postgres.table(&call, None, "orders'; DROP TABLE orders; --").await.unwrap(), None);
        assert!(db.postgres.table(&call, Some("pg_catalog"), "pg_class").await.unwrap().is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn routines_are_listed_and_paged() {
    on_database(RICH, |db| async move {
        let call = call();
        let own = RoutineFilter { schema: Some("public".into()), pattern: Some("%".into()), limit: 1000, ..RoutineFilter::default() };
        let all = db.postgres.routines(&call, &own).await.unwrap();
        let find = |name: &str| all.iter().find(|routine| routine.name == name).unwrap();
        assert_eq!((find("add").arguments.as_str(), find("add").returns.as_deref()), ("a integer, b integer DEFAULT 1", Some("integer")));
        assert_eq!((find("tidy_up").kind, find("tidy_up").returns.as_deref()), (RoutineKind::Procedure, None));
        assert_eq!(find("product").kind, RoutineKind::Aggregate);
        assert_eq!((find("stamp").language.as_str(), find("stamp").comment.as_deref()), ("plpgsql", Some("stamps")));
        let mut seen = 0;
        let mut page = RoutineFilter { limit: 7, ..own };
        loop {
            let routines = db.postgres.routines(&call, &page).await.unwrap();
            let Some(last) = routines.last() else { break };
            page.after = Some((last.schema.clone(), last.name.clone(), last.arguments.clone()));
            seen += routines.len();
        }
        assert_eq!(seen, all.len());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn details_name_what_is_risky_about_the_role() {
    on_database(RICH, |db| async move {
        let details = db.postgres.details(&call()).await.unwrap();
        assert_eq!(details.product, "PostgreSQL");
        assert!(details.version.starts_with(|first: char| first.is_ascii_digit()) && !details.version.contains(' '));
        assert_eq!((details.server_name.as_str(), details.table_count, details.default_schema.as_str()), (db.name.as_str(), 5, "public"));
        assert!(details.size_bytes.unwrap() > 1 << 20);
        assert_eq!(details.encoding, "UTF8");
        assert!(details.warnings.iter().any(|warning| warning.contains("superuser")), "{:?}", details.warnings);
    })
    .await;
}
