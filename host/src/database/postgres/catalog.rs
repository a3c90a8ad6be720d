//! What is in the database, by statements of the host with bound values, on the reading pool. For PostgreSQL 13 and later.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use sqlx::Arguments;
use sqlx::Row;
use sqlx::postgres::PgArguments;
use sqlx::postgres::PgRow;

use super::Inner;
use super::control::Running;
use super::error::is_broken;
use super::error::is_stale;
use super::error::sqlstate;
use super::error::statement_error;
use crate::call::Call;
use crate::database::catalog::Constraint;
use crate::database::catalog::ForeignKey;
use crate::database::catalog::Index;
use crate::database::catalog::Routine;
use crate::database::catalog::RoutineFilter;
use crate::database::catalog::RoutineKind;
use crate::database::catalog::Schema;
use crate::database::catalog::Table;
use crate::database::catalog::TableColumn;
use crate::database::catalog::TableFilter;
use crate::database::catalog::TableKind;
use crate::database::catalog::TableSummary;
use crate::database::catalog::Trigger;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::setup::Setup;
use crate::database::supervise::supervised;

/// The longest that a look at the catalog takes.
const LIMIT: Duration = Duration::from_secs(15);

const SCHEMAS: &str = "\
SELECT n.nspname::text AS name, coalesce(n.nspname = pg_catalog.current_schema(), false) AS is_default, \
  (SELECT count(*) FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition) AS tables, \
  pg_catalog.obj_description(n.oid, 'pg_namespace') AS comment \
FROM pg_catalog.pg_namespace n \
WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
ORDER BY n.nspname";

/// `$1` schema, `$2` kinds, `$3` pattern, `$4` and `$5` where the page before ended, `$6` at most. The parts of a partitioned table
/// are left out: it stands for them, with the sum of their rows.
const TABLES: &str = "\
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind, \
  CASE WHEN c.relkind = 'p' THEN (SELECT sum(greatest(leaf.reltuples, 0))::float8 \
      FROM pg_catalog.pg_partition_tree(c.oid) t JOIN pg_catalog.pg_class leaf ON leaf.oid = t.relid WHERE t.isleaf) \
    WHEN c.relkind = 'v' OR c.reltuples < 0 OR (c.reltuples = 0 AND c.relpages = 0) THEN NULL \
    ELSE c.reltuples::float8 END AS estimate, \
  pg_catalog.obj_description(c.oid, 'pg_class') AS comment \
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition \
  AND CASE WHEN $1::text IS NULL THEN n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' ELSE n.nspname = $1::text END \
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
  AND ($2::text[] = '{}' OR c.relkind::text = ANY ($2::text[])) \
  AND ($3::text IS NULL OR c.relname ILIKE $3::text) \
  AND ($4::text IS NULL OR (n.nspname, c.relname) > ($4::text::name, $5::text::name)) \
ORDER BY n.nspname, c.relname LIMIT $6::int8";

/// `$1` schema (none: where the search path finds it first), `$2` name.
const TABLE: &str = "\
SELECT pg_catalog.json_build_object( \
 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind, \
 'estimate', CASE WHEN c.relkind = 'p' THEN (SELECT sum(greatest(leaf.reltuples, 0))::float8 \
     FROM pg_catalog.pg_partition_tree(c.oid) t JOIN pg_catalog.pg_class leaf ON leaf.oid = t.relid WHERE t.isleaf) \
   WHEN c.relkind = 'v' OR c.reltuples < 0 OR (c.reltuples = 0 AND c.relpages = 0) THEN NULL ELSE c.reltuples::float8 END, \
 'comment', pg_catalog.obj_description(c.oid, 'pg_class'), \
 'columns', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object( \
     'name', a.attname, \
     'type_name', pg_catalog.format_type(a.atttypid, a.atttypmod), \
     'nullable', NOT (a.attnotnull OR t.typnotnull), \
     'default_value', pg_catalog.pg_get_expr(d.adbin, d.adrelid), \
     'generated', CASE WHEN a.attidentity <> '' THEN 'identity' WHEN a.attgenerated <> '' THEN 'generated' \
       WHEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%' THEN 'auto_increment' END, \
     'choices', coalesce((SELECT pg_catalog.json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e \
       WHERE e.enumtypid IN (t.oid, t.typelem, t.typbasetype)), '[]'), \
     'comment', pg_catalog.col_description(c.oid, a.attnum)) ORDER BY a.attnum) \
   FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
   LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), \
 'primary_key', (SELECT pg_catalog.json_agg(a.attname ORDER BY k.place) \
   FROM pg_catalog.pg_constraint p, pg_catalog.unnest(p.conkey) WITH ORDINALITY AS k(number, place), pg_catalog.pg_attribute a \
   WHERE p.conrelid = c.oid AND p.contype = 'p' AND a.attrelid = c.oid AND a.attnum = k.number), \
 'foreign_keys', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', f.conname, \
     'columns', (SELECT pg_catalog.json_agg(a.attname ORDER BY k.place) FROM pg_catalog.unnest(f.conkey) WITH ORDINALITY AS k(number, place) \
       JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.number), \
     'schema', fn.nspname, 'table', fc.relname, \
     'references', (SELECT pg_catalog.json_agg(a.attname ORDER BY k.place) FROM pg_catalog.unnest(f.confkey) WITH ORDINALITY AS k(number, place) \
       JOIN pg_catalog.pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.number), \
     'on_delete', f.confdeltype, 'on_update', f.confupdtype) ORDER BY f.conname) \
   FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class fc ON fc.oid = f.confrelid JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace \
   WHERE f.conrelid = c.oid AND f.contype = 'f' AND NOT (f.conparentid <> 0 AND fc.relispartition)), \
 'referenced_by', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', f.conname, \
     'columns', (SELECT pg_catalog.json_agg(a.attname ORDER BY k.place) FROM pg_catalog.unnest(f.conkey) WITH ORDINALITY AS k(number, place) \
       JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.number), \
     'schema', fn.nspname, 'table', fc.relname, \
     'references', (SELECT pg_catalog.json_agg(a.attname ORDER BY k.place) FROM pg_catalog.unnest(f.confkey) WITH ORDINALITY AS k(number, place) \
       JOIN pg_catalog.pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.number), \
     'on_delete', f.confdeltype, 'on_update', f.confupdtype) ORDER BY fn.nspname, fc.relname, f.conname) \
   FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class fc ON fc.oid = f.conrelid JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace \
   WHERE f.confrelid = c.oid AND f.contype = 'f' AND f.conparentid = 0), \
 'indexes', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', ic.relname, \
     'columns', (SELECT pg_catalog.json_agg(pg_catalog.pg_get_indexdef(i.indexrelid, k, true) ORDER BY k) \
       FROM pg_catalog.generate_series(1, i.indnkeyatts::int4) AS k), \
     'unique', i.indisunique, 'primary', i.indisprimary, 'method', am.amname, \
     'condition', pg_catalog.pg_get_expr(i.indpred, i.indrelid)) ORDER BY i.indisprimary DESC, ic.relname) \
   FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid JOIN pg_catalog.pg_am am ON am.oid = ic.relam \
   WHERE i.indrelid = c.oid), \
 'constraints', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', x.conname, \
     'definition', pg_catalog.pg_get_constraintdef(x.oid, true)) ORDER BY x.conname) \
   FROM pg_catalog.pg_constraint x WHERE x.conrelid = c.oid AND x.contype IN ('c', 'x')), \
 'triggers', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', g.tgname, \
     'event', CASE WHEN g.tgtype & 2 <> 0 THEN 'BEFORE ' WHEN g.tgtype & 64 <> 0 THEN 'INSTEAD OF ' ELSE 'AFTER ' END \
       || pg_catalog.concat_ws(' OR ', CASE WHEN g.tgtype & 4 <> 0 THEN 'INSERT' END, CASE WHEN g.tgtype & 16 <> 0 THEN 'UPDATE' END, \
         CASE WHEN g.tgtype & 8 <> 0 THEN 'DELETE' END, CASE WHEN g.tgtype & 32 <> 0 THEN 'TRUNCATE' END) \
       || CASE WHEN g.tgtype & 1 <> 0 THEN ' FOR EACH ROW' ELSE ' FOR EACH STATEMENT' END, \
     'definition', pg_catalog.pg_get_triggerdef(g.oid, true)) ORDER BY g.tgname) \
   FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal), \
 'definition', CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid, true) END)::text \
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname = $2::text \
  AND CASE WHEN $1::text IS NULL THEN c.oid = pg_catalog.to_regclass(pg_catalog.quote_ident($2::text)) ELSE n.nspname = $1::text END";

/// `$1` schema, `$2` pattern, `$3` to `$5` where the page before ended, `$6` at most.
const ROUTINES: &str = "\
SELECT * FROM (SELECT n.nspname::text COLLATE \"C\" AS schema, p.proname::text COLLATE \"C\" AS name, p.prokind::text AS kind, \
    pg_catalog.pg_get_function_arguments(p.oid) COLLATE \"C\" AS arguments, pg_catalog.pg_get_function_result(p.oid) AS returns, \
    l.lanname::text AS language, pg_catalog.obj_description(p.oid, 'pg_proc') AS comment \
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
  WHERE CASE WHEN $1::text IS NULL THEN n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' ELSE n.nspname = $1::text END \
    AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
    AND ($2::text IS NULL OR p.proname ILIKE $2::text)) AS r \
WHERE $3::text IS NULL OR (r.schema, r.name, r.arguments) > ($3::text, $4::text, $5::text) \
ORDER BY r.schema, r.name, r.arguments LIMIT $6::int8";

/// Runs a statement of the host and takes all of its rows.
///
/// # Errors
///
/// As `Database::read`.
pub(super) async fn fetch(
    inner: &Arc<Inner>,
    call: &Call,
    text: &'static str,
    arguments: PgArguments,
) -> Result<Vec<PgRow>, DatabaseError> {
    let running = Arc::new(Running::default());
    let control = inner.control.clone();
    let limit = inner.config.statement_timeout.min(LIMIT);
    let work = fetch_all(inner.clone(), running.clone(), text, arguments);
    supervised(call, limit, move || control.interrupt(running), work).await
}

async fn fetch_all(
    inner: Arc<Inner>,
    running: Arc<Running>,
    text: &'static str,
    arguments: PgArguments,
) -> Result<Vec<PgRow>, DatabaseError> {
    let mut retried = false;
    loop {
        let mut session = inner.acquire(&inner.reads, &Setup::default(), &running).await?;
        let result = sqlx::query_with(text, arguments.clone()).fetch_all(session.connection()).await;
        running.clear().await;
        match result {
            Ok(rows) => {
                session.release();
                return Ok(rows);
            }
            Err(error) if !retried && ((session.reused && is_broken(&error)) || is_stale(&error)) => {
                retried = true;
                inner.reads.forget_idle();
            }
            Err(error) => {
                if sqlstate(&error).is_some() && !is_broken(&error) {
                    session.release();
                }
                return Err(statement_error(error));
            }
        }
    }
}

/// Schemas by name.
///
/// # Errors
///
/// What the server says.
pub(super) async fn schemas(inner: &Arc<Inner>, call: &Call) -> Result<Vec<Schema>, DatabaseError> {
    let rows = fetch(inner, call, SCHEMAS, PgArguments::default()).await?;
    let read = |row: &PgRow| -> Result<Schema, sqlx::Error> {
        Ok(Schema {
            name: row.try_get("name")?,
            is_default: row.try_get("is_default")?,
            table_count: u64::try_from(row.try_get::<i64, _>("tables")?).unwrap_or(0),
            comment: row.try_get("comment")?,
        })
    };
    rows.iter().map(read).collect::<Result<_, _>>().map_err(statement_error)
}

/// Tables by schema and name.
///
/// # Errors
///
/// What the server says.
pub(super) async fn tables(inner: &Arc<Inner>, call: &Call, filter: &TableFilter) -> Result<Vec<TableSummary>, DatabaseError> {
    let kinds: Vec<&str> = filter.kinds.iter().flat_map(|kind| relkinds(*kind)).copied().collect();
    let (after_schema, after_name) = filter.after.clone().unzip();
    let mut arguments = PgArguments::default();
    arguments
        .add(filter.schema.clone())
        .and_then(|()| arguments.add(kinds))
        .and_then(|()| arguments.add(filter.pattern.clone()))
        .and_then(|()| arguments.add(after_schema))
        .and_then(|()| arguments.add(after_name))
        .and_then(|()| arguments.add(i64::from(filter.limit)))
        .map_err(|_| too_long())?;
    let rows = fetch(inner, call, TABLES, arguments).await?;
    let read = |row: &PgRow| -> Result<TableSummary, sqlx::Error> {
        let estimate: Option<f64> = row.try_get("estimate")?;
        Ok(TableSummary {
            schema: row.try_get("schema")?,
            name: row.try_get("name")?,
            kind: table_kind(&row.try_get::<String, _>("kind")?),
            row_estimate: estimate.map(whole),
            comment: row.try_get("comment")?,
        })
    };
    rows.iter().map(read).collect::<Result<_, _>>().map_err(statement_error)
}

/// Everything about one table; a name without schema is what the search path finds.
///
/// # Errors
///
/// What the server says.
pub(super) async fn table(inner: &Arc<Inner>, call: &Call, schema: Option<&str>, name: &str) -> Result<Option<Table>, DatabaseError> {
    let mut arguments = PgArguments::default();
    arguments.add(schema.map(str::to_owned)).and_then(|()| arguments.add(name.to_owned())).map_err(|_| too_long())?;
    let rows = fetch(inner, call, TABLE, arguments).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let document: String = row.try_get(0).map_err(statement_error)?;
    let told: Told = serde_json::from_str(&document)
        .map_err(|_| DatabaseError::new(ErrorKind::Failed, format!("the server's description of `{name}` cannot be read")))?;
    Ok(Some(told.into()))
}

/// Routines by schema, name and arguments.
///
/// # Errors
///
/// What the server says.
pub(super) async fn routines(inner: &Arc<Inner>, call: &Call, filter: &RoutineFilter) -> Result<Vec<Routine>, DatabaseError> {
    let (schema, name, after) = match filter.after.clone() {
        Some((schema, name, after)) => (Some(schema), Some(name), Some(after)),
        None => (None, None, None),
    };
    let mut arguments = PgArguments::default();
    arguments
        .add(filter.schema.clone())
        .and_then(|()| arguments.add(filter.pattern.clone()))
        .and_then(|()| arguments.add(schema))
        .and_then(|()| arguments.add(name))
        .and_then(|()| arguments.add(after))
        .and_then(|()| arguments.add(i64::from(filter.limit)))
        .map_err(|_| too_long())?;
    let rows = fetch(inner, call, ROUTINES, arguments).await?;
    let read = |row: &PgRow| -> Result<Routine, sqlx::Error> {
        Ok(Routine {
            schema: row.try_get("schema")?,
            name: row.try_get("name")?,
            kind: match row.try_get::<String, _>("kind")?.as_str() {
                "p" => RoutineKind::Procedure,
                "a" => RoutineKind::Aggregate,
                _ => RoutineKind::Function,
            },
            arguments: row.try_get("arguments")?,
            returns: row.try_get("returns")?,
            language: row.try_get("language")?,
            comment: row.try_get("comment")?,
        })
    };
    rows.iter().map(read).collect::<Result<_, _>>().map_err(statement_error)
}

/// A table as the server describes it in JSON; a list without elements is null.
#[derive(Deserialize)]
struct Told {
    schema: String,
    name: String,
    kind: String,
    estimate: Option<f64>,
    comment: Option<String>,
    columns: Option<Vec<ToldColumn>>,
    primary_key: Option<Vec<String>>,
    foreign_keys: Option<Vec<ToldForeignKey>>,
    referenced_by: Option<Vec<ToldForeignKey>>,
    indexes: Option<Vec<ToldIndex>>,
    constraints: Option<Vec<ToldConstraint>>,
    triggers: Option<Vec<ToldTrigger>>,
    definition: Option<String>,
}

#[derive(Deserialize)]
struct ToldColumn {
    name: String,
    type_name: String,
    nullable: bool,
    default_value: Option<String>,
    generated: Option<String>,
    choices: Vec<String>,
    comment: Option<String>,
}

#[derive(Deserialize)]
struct ToldForeignKey {
    name: String,
    columns: Vec<String>,
    schema: String,
    table: String,
    references: Vec<String>,
    on_delete: String,
    on_update: String,
}

#[derive(Deserialize)]
struct ToldIndex {
    name: String,
    columns: Vec<String>,
    unique: bool,
    primary: bool,
    method: String,
    condition: Option<String>,
}

#[derive(Deserialize)]
struct ToldConstraint {
    name: String,
    definition: String,
}

#[derive(Deserialize)]
struct ToldTrigger {
    name: String,
    event: String,
    definition: String,
}

impl From<Told> for Table {
    fn from(told: Told) -> Self {
        let column = |told: ToldColumn| TableColumn {
            name: told.name,
            type_name: told.type_name,
            nullable: told.nullable,
            default_value: told.default_value,
            generated: told.generated,
            choices: told.choices,
            comment: told.comment,
        };
        let index = |told: ToldIndex| Index {
            name: told.name,
            columns: told.columns,
            unique: told.unique,
            primary: told.primary,
            method: told.method,
            condition: told.condition,
        };
        let list = |keys: Option<Vec<ToldForeignKey>>| keys.unwrap_or_default().into_iter().map(foreign_key).collect();
        Self {
            columns: told.columns.unwrap_or_default().into_iter().map(column).collect(),
            primary_key: told.primary_key.unwrap_or_default(),
            foreign_keys: list(told.foreign_keys),
            referenced_by: list(told.referenced_by),
            indexes: told.indexes.unwrap_or_default().into_iter().map(index).collect(),
            constraints: told
                .constraints
                .unwrap_or_default()
                .into_iter()
                .map(|told| Constraint { name: told.name, definition: told.definition })
                .collect(),
            triggers: told
                .triggers
                .unwrap_or_default()
                .into_iter()
                .map(|told| Trigger { name: told.name, event: told.event, definition: told.definition })
                .collect(),
            definition: told.definition,
            summary: TableSummary {
                schema: told.schema,
                name: told.name,
                kind: table_kind(&told.kind),
                row_estimate: told.estimate.map(whole),
                comment: told.comment,
            },
        }
    }
}

fn foreign_key(told: ToldForeignKey) -> ForeignKey {
    ForeignKey {
        name: told.name,
        columns: told.columns,
        schema: told.schema,
        table: told.table,
        references: told.references,
        on_delete: action(&told.on_delete),
        on_update: action(&told.on_update),
    }
}

fn action(code: &str) -> String {
    let name = match code {
        "c" => "CASCADE",
        "n" => "SET NULL",
        "d" => "SET DEFAULT",
        "r" => "RESTRICT",
        _ => "NO ACTION",
    };
    name.to_owned()
}

fn relkinds(kind: TableKind) -> &'static [&'static str] {
    match kind {
        TableKind::Table => &["r", "p"],
        TableKind::View => &["v"],
        TableKind::MaterializedView => &["m"],
        TableKind::ForeignTable => &["f"],
    }
}

fn table_kind(relkind: &str) -> TableKind {
    match relkind {
        "v" => TableKind::View,
        "m" => TableKind::MaterializedView,
        "f" => TableKind::ForeignTable,
        _ => TableKind::Table,
    }
}

/// An estimate, which the server keeps as a floating-point number, as a count.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates, and an estimate is never negative here")]
fn whole(estimate: f64) -> u64 {
    estimate.round() as u64
}

fn too_long() -> DatabaseError {
    DatabaseError::new(ErrorKind::InvalidParameters, "a name or pattern is too long")
}
