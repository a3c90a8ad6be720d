//! What is in a file: pragmas asked as tables, with names bound as values, and the texts that SQLite keeps.

mod table;

pub(super) use table::table;

use super::raw;
use super::session::Session;
use crate::database::catalog::DatabaseDetails;
use crate::database::catalog::Schema;
use crate::database::catalog::TableFilter;
use crate::database::catalog::TableKind;
use crate::database::catalog::TableSummary;
use crate::database::error::DatabaseError;
use crate::database::value::Value;

/// The only schema: attached databases are denied, and temporary objects too.
pub(super) const SCHEMA: &str = "main";

/// Relations of a user: no table of SQLite's own and no table that a virtual one keeps.
const RELATIONS: &str = "pragma_table_list WHERE schema = 'main' AND type <> 'shadow' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";

/// Facts about the file.
pub(super) fn details(session: &Session<'_>) -> Result<DatabaseDetails, DatabaseError> {
    let mut details = DatabaseDetails {
        product: "SQLite".into(),
        version: raw::version(),
        server_name: session.place().label(),
        default_schema: SCHEMA.into(),
        ..DatabaseDetails::default()
    };
    let sql = "SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size), encoding FROM pragma_encoding";
    session.query(sql, &[], |row| {
        details.size_bytes = u64::try_from(row.number(0)).ok();
        details.encoding = row.text(1);
    })?;
    let sql = format!("SELECT count(*) FROM {RELATIONS} AND type = 'table'");
    session.query(&sql, &[], |row| details.table_count = u64::try_from(row.number(0)).unwrap_or(0))?;
    Ok(details)
}

/// The one schema.
pub(super) fn schemas(session: &Session<'_>) -> Result<Vec<Schema>, DatabaseError> {
    let mut table_count = 0;
    session.query(&format!("SELECT count(*) FROM {RELATIONS}"), &[], |row| table_count = u64::try_from(row.number(0)).unwrap_or(0))?;
    Ok(vec![Schema { name: SCHEMA.into(), is_default: true, table_count, comment: None }])
}

/// Tables and views by name.
pub(super) fn tables(session: &Session<'_>, filter: &TableFilter) -> Result<Vec<TableSummary>, DatabaseError> {
    let after = match &filter.after {
        Some((schema, _)) if schema.as_str() > SCHEMA => return Ok(Vec::new()),
        Some((schema, name)) if schema == SCHEMA => Value::Text(name.clone()),
        Some(_) | None => Value::Null,
    };
    if filter.schema.as_deref().is_some_and(|schema| !is_main(schema)) {
        return Ok(Vec::new());
    }
    let wants = |kind| Value::Boolean(filter.kinds.is_empty() || filter.kinds.contains(&kind));
    let values = [
        filter.pattern.clone().map_or(Value::Null, Value::Text),
        after,
        wants(TableKind::Table),
        wants(TableKind::View),
        wants(TableKind::ForeignTable),
        Value::Integer(i64::from(filter.limit)),
    ];
    let sql = format!(
        "SELECT name, type FROM {RELATIONS} AND (?1 IS NULL OR name LIKE ?1) AND (?2 IS NULL OR name > ?2)
         AND CASE type WHEN 'table' THEN ?3 WHEN 'view' THEN ?4 ELSE ?5 END ORDER BY name LIMIT ?6"
    );
    let mut tables = Vec::new();
    session.query(&sql, &values, |row| tables.push(summary(row.text(0), &row.text(1))))?;
    estimate(session, &mut tables)?;
    Ok(tables)
}

/// Whether `schema` means the only one there is.
fn is_main(schema: &str) -> bool {
    schema.eq_ignore_ascii_case(SCHEMA)
}

fn summary(name: String, kind: &str) -> TableSummary {
    let kind = match kind {
        "view" => TableKind::View,
        "virtual" => TableKind::ForeignTable,
        _ => TableKind::Table,
    };
    TableSummary { schema: SCHEMA.into(), name, kind, row_estimate: None, comment: None }
}

/// Fills in what the last `ANALYZE` counted, if there was one.
fn estimate(session: &Session<'_>, tables: &mut [TableSummary]) -> Result<(), DatabaseError> {
    let mut analyzed = false;
    session.query("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'", &[], |_| analyzed = true)?;
    if !analyzed {
        return Ok(());
    }
    let mut counts = std::collections::BTreeMap::new();
    // The first number of each line is the table's rows, or fewer for a partial index.
    session.query("SELECT tbl, max(CAST(stat AS INTEGER)) FROM sqlite_stat1 GROUP BY tbl", &[], |row| {
        counts.insert(row.text(0), u64::try_from(row.number(1)).unwrap_or(0));
    })?;
    for table in tables {
        table.row_estimate = counts.get(&table.name).copied();
    }
    Ok(())
}
