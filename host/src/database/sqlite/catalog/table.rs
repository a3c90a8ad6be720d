//! One table or view with its columns, keys, indexes, constraints and triggers.

use super::SCHEMA;
use super::estimate;
use super::is_main;
use super::summary;
use crate::database::catalog::Constraint;
use crate::database::catalog::ForeignKey;
use crate::database::catalog::Index;
use crate::database::catalog::Table;
use crate::database::catalog::TableColumn;
use crate::database::catalog::TableKind;
use crate::database::catalog::TableSummary;
use crate::database::catalog::Trigger;
use crate::database::error::DatabaseError;
use crate::database::sqlite::ddl;
use crate::database::sqlite::ddl::TableText;
use crate::database::sqlite::session::Session;
use crate::database::value::Value;

/// What `PRAGMA table_list` tells beside the name.
struct Found {
    summary: TableSummary,
    without_rowid: bool,
    strict: bool,
    sql: String,
}

/// Everything about one table or view; `None` when it is not there. Case does not count in its name.
pub(in crate::database::sqlite) fn table(session: &Session<'_>, schema: Option<&str>, name: &str) -> Result<Option<Table>, DatabaseError> {
    if schema.is_some_and(|schema| !is_main(schema)) {
        return Ok(None);
    }
    let Some(found) = find(session, name)? else { return Ok(None) };
    let text = match found.summary.kind {
        TableKind::Table => ddl::table(&found.sql),
        _ => TableText::default(),
    };
    let name = Value::Text(found.summary.name.clone());
    let (columns, primary_key) = columns(session, &name, &found, &text)?;
    let mut tables = [found.summary];
    estimate(session, &mut tables)?;
    let [summary] = tables;
    let definition = match summary.kind {
        TableKind::View => Some(ddl::view(&found.sql)),
        TableKind::ForeignTable => Some(found.sql),
        _ => None,
    };
    Ok(Some(Table {
        columns,
        foreign_keys: foreign_keys(session, &name, &text)?,
        referenced_by: referenced_by(session, &name, &primary_key)?,
        primary_key,
        indexes: indexes(session, &name)?,
        constraints: constraints(text, found.strict, found.without_rowid),
        triggers: triggers(session, &name)?,
        definition,
        summary,
    }))
}

fn find(session: &Session<'_>, name: &str) -> Result<Option<Found>, DatabaseError> {
    let sql = "SELECT l.name, l.type, l.wr, l.strict, s.sql
        FROM pragma_table_list l JOIN sqlite_schema s ON s.name = l.name AND s.type IN ('table', 'view')
        WHERE l.schema = 'main' AND l.type <> 'shadow' AND l.name = ?1 COLLATE NOCASE AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut found = None;
    session.query(sql, &[Value::Text(name.into())], |row| {
        found = Some(Found {
            summary: summary(row.text(0), &row.text(1)),
            without_rowid: row.number(2) != 0,
            strict: row.number(3) != 0,
            sql: row.text(4),
        });
    })?;
    Ok(found)
}

fn columns(session: &Session<'_>, name: &Value, found: &Found, text: &TableText) -> Result<(Vec<TableColumn>, Vec<String>), DatabaseError> {
    /// The pragma's word for a column that a virtual table hides.
    const HIDDEN: i64 = 1;
    let mut columns = Vec::new();
    let mut keys: Vec<(i64, String)> = Vec::new();
    let sql = "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid";
    session.query(sql, std::slice::from_ref(name), |row| {
        if row.number(5) == HIDDEN {
            return;
        }
        let name = row.text(0);
        let in_key = row.number(4);
        if in_key > 0 {
            keys.push((in_key, name.clone()));
        }
        let expression =
            text.generated.iter().find(|(column, _)| column.eq_ignore_ascii_case(&name)).map(|(_, expression)| expression.clone());
        let generated = row.number(5) > HIDDEN;
        columns.push(TableColumn {
            type_name: row.text(1),
            // SQLite lets a key be null but where rows have no number or types are kept.
            nullable: row.number(2) == 0 && (in_key == 0 || !(found.without_rowid || found.strict)),
            default_value: if generated { expression } else { (!row.is_null(3)).then(|| row.text(3)) },
            generated: generated.then(|| "generated".into()),
            name,
            ..TableColumn::default()
        });
    })?;
    keys.sort();
    // A single key of exactly this type is the row's number, and is given one when it is left out.
    if let ([(_, key)], TableKind::Table, false) = (keys.as_slice(), found.summary.kind, found.without_rowid)
        && let Some(column) = columns.iter_mut().find(|column| column.name == *key && column.type_name.eq_ignore_ascii_case("INTEGER"))
    {
        column.generated = Some("auto_increment".into());
        column.nullable = false;
    }
    Ok((columns, keys.into_iter().map(|(_, name)| name).collect()))
}

fn foreign_keys(session: &Session<'_>, name: &Value, text: &TableText) -> Result<Vec<ForeignKey>, DatabaseError> {
    let sql = "SELECT id, \"table\", \"from\", \"to\", on_delete, on_update FROM pragma_foreign_key_list(?1) ORDER BY id DESC, seq";
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    session.query(sql, std::slice::from_ref(name), |row| {
        let id = row.number(0);
        if keys.last().is_none_or(|(last, _)| *last != id) {
            let key = ForeignKey {
                name: String::new(),
                columns: Vec::new(),
                schema: SCHEMA.into(),
                table: row.text(1),
                references: Vec::new(),
                on_delete: row.text(4),
                on_update: row.text(5),
            };
            keys.push((id, key));
        }
        if let Some((_, key)) = keys.last_mut() {
            key.columns.push(row.text(2));
            if !row.is_null(3) {
                key.references.push(row.text(3));
            }
        }
    })?;
    let mut keys: Vec<ForeignKey> = keys.into_iter().map(|(_, key)| key).collect();
    // The pragma counts backwards, so that now the order is that of the text.
    if keys.len() == text.foreign_keys.len() {
        for (key, name) in keys.iter_mut().zip(&text.foreign_keys) {
            key.name.clone_from(name);
        }
    }
    for key in &mut keys {
        if key.references.is_empty() {
            key.references = primary_key(session, &key.table)?;
        }
    }
    Ok(keys)
}

/// The columns that a foreign key means which names none.
fn primary_key(session: &Session<'_>, table: &str) -> Result<Vec<String>, DatabaseError> {
    let mut columns = Vec::new();
    let sql = "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk";
    session.query(sql, &[Value::Text(table.into())], |row| columns.push(row.text(0)))?;
    Ok(columns)
}

fn referenced_by(session: &Session<'_>, name: &Value, primary_key: &[String]) -> Result<Vec<ForeignKey>, DatabaseError> {
    let mut tables = Vec::new();
    let sql = "SELECT DISTINCT s.name, s.sql FROM sqlite_schema s JOIN pragma_foreign_key_list(s.name) f
        WHERE s.type = 'table' AND f.\"table\" = ?1 COLLATE NOCASE ORDER BY s.name";
    session.query(sql, std::slice::from_ref(name), |row| tables.push((row.text(0), row.text(1))))?;
    let Value::Text(own) = name else { return Ok(Vec::new()) };
    let mut keys = Vec::new();
    for (table, sql) in tables {
        for key in foreign_keys(session, &Value::Text(table.clone()), &ddl::table(&sql))? {
            if key.table.eq_ignore_ascii_case(own) {
                let references = if key.references.is_empty() { primary_key.to_vec() } else { key.references };
                keys.push(ForeignKey { table: table.clone(), references, ..key });
            }
        }
    }
    Ok(keys)
}

fn indexes(session: &Session<'_>, name: &Value) -> Result<Vec<Index>, DatabaseError> {
    let mut indexes = Vec::new();
    let sql = "SELECT l.name, l.\"unique\", l.origin, s.sql FROM pragma_index_list(?1) l
        LEFT JOIN sqlite_schema s ON s.type = 'index' AND s.name = l.name ORDER BY l.seq DESC";
    session.query(sql, std::slice::from_ref(name), |row| {
        let text = ddl::index(&row.text(3));
        let index = Index {
            name: row.text(0),
            columns: Vec::new(),
            unique: row.number(1) != 0,
            primary: row.text(2) == "pk",
            method: String::new(),
            condition: text.condition,
        };
        indexes.push((index, text.columns));
    })?;
    let mut done = Vec::new();
    for (mut index, expressions) in indexes {
        let sql = "SELECT seqno, name FROM pragma_index_xinfo(?1) WHERE key ORDER BY seqno";
        session.query(sql, &[Value::Text(index.name.clone())], |row| {
            // A column of an expression has no name.
            let expression = || usize::try_from(row.number(0)).ok().and_then(|at| expressions.get(at).cloned());
            index.columns.push(if row.is_null(1) { expression().unwrap_or_default() } else { row.text(1) });
        })?;
        done.push(index);
    }
    Ok(done)
}

fn constraints(text: TableText, strict: bool, without_rowid: bool) -> Vec<Constraint> {
    let mut constraints: Vec<_> = text.checks.into_iter().map(|(name, definition)| Constraint { name, definition }).collect();
    let options = [(strict, "STRICT"), (without_rowid, "WITHOUT ROWID")];
    constraints
        .extend(options.iter().filter(|(on, _)| *on).map(|(_, option)| Constraint { name: String::new(), definition: (*option).into() }));
    constraints
}

fn triggers(session: &Session<'_>, name: &Value) -> Result<Vec<Trigger>, DatabaseError> {
    let mut triggers = Vec::new();
    let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE ORDER BY name";
    session.query(sql, std::slice::from_ref(name), |row| {
        let text = ddl::trigger(&row.text(1));
        triggers.push(Trigger { name: row.text(0), event: text.event, definition: text.body });
    })?;
    Ok(triggers)
}
