//! The catalog of a schema that has everything.

use super::Fixture;
use super::call;
use super::writable;
use crate::database::catalog::RoutineFilter;
use crate::database::catalog::RoutineKind;
use crate::database::catalog::TableFilter;
use crate::database::catalog::TableKind;
use crate::database::error::ErrorKind;

const SETUP: &[&str] = &[
    "CREATE TABLE region (code CHAR(2), lang CHAR(2), PRIMARY KEY (code, lang)) COMMENT 'where'",
    "CREATE TABLE customer (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        name VARCHAR(40) NOT NULL DEFAULT 'it''s' COMMENT 'full name',
        state ENUM('new','on''hold','gone, long') NOT NULL DEFAULT 'new',
        tags SET('a','b'),
        code CHAR(2), lang CHAR(2),
        balance DECIMAL(10,2) NOT NULL DEFAULT 0.00,
        made DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
        note TEXT,
        doubled DECIMAL(11,2) AS (balance * 2) STORED,
        CONSTRAINT positive CHECK (balance >= 0),
        CONSTRAINT lives_in FOREIGN KEY (code, lang) REFERENCES region (code, lang) ON DELETE SET NULL ON UPDATE CASCADE,
        UNIQUE KEY by_name (name), KEY by_note (note(10), made), FULLTEXT KEY words (note)
     ) COMMENT 'who buys'",
    "CREATE TABLE Purchase (id INT PRIMARY KEY, customer BIGINT UNSIGNED, CONSTRAINT bought_by FOREIGN KEY (customer) REFERENCES customer (id))",
    "CREATE TRIGGER shout BEFORE INSERT ON customer FOR EACH ROW SET NEW.name = UPPER(NEW.name)",
    "CREATE VIEW rich AS SELECT id, name FROM customer WHERE balance > 1000",
    "CREATE SEQUENCE counting",
    "INSERT INTO customer (name) VALUES ('a'), ('b')",
    "CREATE FUNCTION add_one(a INT) RETURNS INT DETERMINISTIC COMMENT 'adds' RETURN a + 1",
    "CREATE PROCEDURE add_one(IN a INT, OUT b VARCHAR(10)) SET b = a",
    "CREATE PROCEDURE nothing() SELECT 1",
];

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_listed_filtered_and_paged() {
    let fixture = Fixture::new(SETUP).await;
    let engine = fixture.engine(|_| {});
    let here = TableFilter { schema: Some(fixture.name.clone()), limit: 100, ..TableFilter::default() };
    let names = |tables: &[crate::database::catalog::TableSummary]| tables.iter().map(|table| table.name.clone()).collect::<Vec<_>>();
    let all = engine.tables(&call(), &here).await.unwrap();
    assert_eq!(names(&all), ["Purchase", "customer", "region", "rich"]);
    assert_eq!((all[1].kind, all[1].comment.as_deref()), (TableKind::Table, Some("who buys")));
    assert_eq!((all[3].kind, all[3].comment.as_deref(), all[3].row_estimate), (TableKind::View, None, None));
    let views = engine.tables(&call(), &TableFilter { kinds: vec![TableKind::View], ..here.clone() }).await.unwrap();
    assert_eq!(names(&views), ["rich"]);
    let matching = engine.tables(&call(), &TableFilter { pattern: Some("%R%H_SE".into()), ..here.clone() }).await.unwrap();
    assert_eq!(names(&matching), ["Purchase"]);
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = engine.tables(&call(), &TableFilter { limit: 1, after, ..here.clone() }).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.schema.clone(), last.name.clone()));
        paged.extend(page);
    }
    assert_eq!(names(&paged), names(&all));
    let everywhere = engine.tables(&call(), &TableFilter { limit: 500, ..TableFilter::default() }).await.unwrap();
    assert!(everywhere.iter().all(|table| table.schema != "mysql" && table.schema != "sys"));
    assert!(everywhere.iter().any(|table| table.schema == fixture.name));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_described_whole() {
    let fixture = Fixture::new(SETUP).await;
    let engine = fixture.engine(|_| {});
    let table = engine.table(&call(), None, "customer").await.unwrap().unwrap();
    let column = |name: &str| table.columns.iter().find(|column| column.name == name).unwrap();
    assert_eq!((column("id").type_name.as_str(), column("id").nullable), ("bigint(20) unsigned", false));
    assert_eq!(column("id").generated.as_deref(), Some("auto_increment"));
    assert_eq!((column("name").default_value.as_deref(), column("name").comment.as_deref()), (Some("'it''s'"), Some("full name")));
    assert_eq!(column("state").choices, ["new", "on'hold", "gone, long"]);
    assert_eq!((column("state").default_value.as_deref(), column("tags").choices.len()), (Some("'new'"), 2));
    assert_eq!(
        (column("balance").default_value.as_deref(), column("made").default_value.as_deref()),
        (Some("0.00"), Some("current_timestamp()"))
    );
    assert_eq!((column("note").default_value.as_deref(), column("note").nullable), (None, true));
    assert_eq!(
        (column("doubled").generated.as_deref(), column("doubled").default_value.as_deref()),
        (Some("generated"), Some("`balance` * 2"))
    );
    assert_eq!(table.primary_key, ["id"]);
    let key = &table.foreign_keys[0];
    assert_eq!(
        (key.name.as_str(), &key.columns[..], &key.references[..]),
        ("lives_in", &["code".to_owned(), "lang".into()][..], &["code".to_owned(), "lang".into()][..])
    );
    assert_eq!((key.schema.as_str(), key.table.as_str()), (fixture.name.as_str(), "region"));
    assert_eq!((key.on_delete.as_str(), key.on_update.as_str()), ("SET NULL", "CASCADE"));
    let by = &table.referenced_by[0];
    assert_eq!(
        (by.name.as_str(), by.table.as_str(), &by.columns[..], &by.references[..]),
        ("bought_by", "Purchase", &["customer".to_owned()][..], &["id".to_owned()][..])
    );
    assert!(table.indexes[0].primary && table.indexes[0].unique);
    let index = |name: &str| table.indexes.iter().find(|index| index.name == name).unwrap();
    assert!(index("by_name").unique && !index("by_name").primary);
    assert_eq!((&index("by_note").columns[..], index("by_note").method.as_str()), (&["note(10)".to_owned(), "made".into()][..], "btree"));
    assert_eq!(index("words").method, "fulltext");
    assert_eq!((table.constraints[0].name.as_str(), table.constraints[0].definition.as_str()), ("positive", "CHECK (`balance` >= 0)"));
    assert_eq!((table.triggers[0].name.as_str(), table.triggers[0].event.as_str()), ("shout", "BEFORE INSERT"));
    assert!(table.triggers[0].definition.contains("UPPER"));

    let view = engine.table(&call(), Some(&fixture.name), "rich").await.unwrap().unwrap();
    assert_eq!((view.summary.kind, view.columns.len()), (TableKind::View, 2));
    assert!(view.definition.unwrap().contains("1000"));
    assert!(engine.table(&call(), None, "nothing_here").await.unwrap().is_none());
    assert!(engine.table(&call(), Some("mysql"), "customer").await.unwrap().is_none());
    let region = engine.table(&call(), None, "region").await.unwrap().unwrap();
    assert_eq!((region.primary_key.join("+"), region.referenced_by.len()), ("code+lang".into(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn routines_come_with_their_parameters_and_page_over_shared_names() {
    let fixture = Fixture::new(SETUP).await;
    let engine = fixture.engine(|_| {});
    let filter = RoutineFilter { schema: Some(fixture.name.clone()), limit: 50, ..RoutineFilter::default() };
    let all = engine.routines(&call(), &filter).await.unwrap();
    let shown: Vec<_> =
        all.iter().map(|routine| (routine.name.as_str(), routine.kind, routine.arguments.as_str(), routine.returns.as_deref())).collect();
    assert_eq!(
        shown,
        [
            ("add_one", RoutineKind::Procedure, "IN a int(11), OUT b varchar(10)", None),
            ("add_one", RoutineKind::Function, "a int(11)", Some("int(11)")),
            ("nothing", RoutineKind::Procedure, "", None),
        ]
    );
    assert_eq!((all[1].comment.as_deref(), all[1].language.as_str()), (Some("adds"), "SQL"));
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = engine.routines(&call(), &RoutineFilter { limit: 1, after, ..filter.clone() }).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.schema.clone(), last.name.clone(), last.arguments.clone()));
        paged.extend(page);
    }
    assert_eq!(paged, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_sees_only_what_it_may_and_is_warned_of_only_when_it_may_too_much() {
    let mut fixture = Fixture::new(SETUP).await;
    let other = Fixture::new(&["CREATE TABLE hidden (id INT)"]).await;
    let user = format!("u{}", fixture.name);
    fixture.run(&format!("CREATE USER {user} IDENTIFIED BY 'p@ss'")).await;
    fixture.run(&format!("GRANT SELECT, SHOW VIEW ON {}.* TO {user}", fixture.name)).await;
    let url = fixture.url_as(&format!("{user}:p%40ss"));
    let engine = fixture.engine_at(&url, |_| {});
    let schemas = engine.schemas(&call()).await.unwrap();
    let details = engine.details(&call()).await.unwrap();
    let denied = super::read(&engine, &format!("SELECT * FROM {}.hidden", other.name)).await.unwrap_err();
    let root = fixture.engine(writable).details(&call()).await.unwrap();
    let all_schemas = fixture.engine(|_| {}).schemas(&call()).await.unwrap();
    fixture.run(&format!("DROP USER {user}")).await;

    assert_eq!(
        schemas.iter().map(|schema| (schema.name.as_str(), schema.is_default, schema.table_count)).collect::<Vec<_>>(),
        [(fixture.name.as_str(), true, 4)]
    );
    assert!(all_schemas.iter().any(|schema| schema.name == other.name && !schema.is_default && schema.table_count == 1));
    assert_eq!((details.user.as_deref(), &details.warnings[..]), (Some(user.as_str()), &[][..]));
    assert_eq!((details.default_schema.as_str(), details.table_count, details.encoding.as_str()), (fixture.name.as_str(), 3, "utf8mb4"));
    assert!(
        !details.product.is_empty() && details.version.starts_with(|letter: char| letter.is_ascii_digit()) && details.time_zone.is_some()
    );
    assert!(root.warnings.iter().any(|warning| warning.contains("superuser")), "{:?}", root.warnings);
    assert_eq!(denied.kind, ErrorKind::AccessDenied);
    assert!(!denied.message.contains(&user), "{}", denied.message);
}
