//! What is behind the names of a database, from the system catalogs: they record what views, rules, defaults and keys refer to.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::Row;
use sqlx::postgres::PgArguments;
use sqlx::postgres::PgRow;

use super::Inner;
use super::catalog::fetch;
use super::error::statement_error;
use crate::call::Call;
use crate::database::dependencies::Facts;
use crate::database::dependencies::Function;
use crate::database::dependencies::Hidden;
use crate::database::dependencies::Link;
use crate::database::dependencies::Relation;
use crate::database::dependencies::RelationKind;
use crate::database::error::DatabaseError;

/// Relations with what decides how they are read and written. `acts`: triggers, rules, and defaults or checks that call a function
/// which may write, run with every write. A function may write whatever it is declared as: PostgreSQL forbids a stable one to write
/// by itself, and not to call one that does; those of extensions are believed. `calls`: the definition of a view runs functions or operators that are not built in.
/// Functions of extensions that only make identifiers are volatile and write nothing. Sets come first, so that thousands of tables
/// take tenths of a second.
const RELATIONS: &str = "\
WITH writing AS (\
  SELECT p.oid FROM pg_catalog.pg_proc p WHERE p.oid >= 16384 AND NOT EXISTS (\
    SELECT FROM pg_catalog.pg_depend x JOIN pg_catalog.pg_extension e ON e.oid = x.refobjid \
    WHERE x.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND x.objid = p.oid AND x.deptype = 'e' \
      AND (p.provolatile <> 'v' OR e.extname IN ('uuid-ossp', 'pgcrypto')))), \
acting AS (\
  SELECT tgrelid AS oid FROM pg_catalog.pg_trigger WHERE NOT tgisinternal \
  UNION SELECT ev_class FROM pg_catalog.pg_rewrite WHERE ev_type <> '1' \
  UNION SELECT a.adrelid FROM pg_catalog.pg_attrdef a JOIN pg_catalog.pg_depend d \
    ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = a.oid \
    AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass JOIN writing v ON v.oid = d.refobjid \
  UNION SELECT k.conrelid FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_depend d \
    ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objid = k.oid \
    AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass JOIN writing v ON v.oid = d.refobjid \
  UNION SELECT coalesce(i.indrelid, d.objid) FROM pg_catalog.pg_depend d JOIN writing v ON v.oid = d.refobjid \
    LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = d.objid \
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass), \
calling AS (\
  SELECT r.ev_class AS oid FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d \
    ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid \
  WHERE d.refobjid >= 16384 \
    AND d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass)) \
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind, \
  (n.nspname = 'information_schema' OR n.nspname ~ '^pg_') AS system, \
  (n.nspname <> 'information_schema' OR 'information_schema' = ANY (pg_catalog.current_schemas(true))) AS unqualified, \
  c.relrowsecurity AS secured, c.oid IN (SELECT oid FROM acting) AS acts, c.oid IN (SELECT oid FROM calling) AS calls, \
  CASE WHEN c.relkind = 'v' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' THEN pg_catalog.pg_get_viewdef(c.oid) END AS definition \
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_toast'";

/// Views and what they show; parents and their partitions or heirs; tables and those whose keys follow them.
const LINKS: &str = "\
SELECT r.ev_class::int8 AS one, d.refobjid::int8 AS other, 'view' AS what \
  FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class AND c.relkind = 'v' \
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid \
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> r.ev_class \
UNION SELECT inhparent::int8, inhrelid::int8, 'heir' FROM pg_catalog.pg_inherits \
UNION SELECT confrelid::int8, conrelid::int8, 'key' FROM pg_catalog.pg_constraint \
  WHERE contype = 'f' AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'))";

/// Functions that are not built in, by name. One whose argument is a row can be called like a column of it.
const FUNCTIONS: &str = "\
SELECT pg_catalog.lower(p.proname)::text AS name, \
  pg_catalog.bool_or(NOT EXISTS (SELECT FROM pg_catalog.pg_depend x JOIN pg_catalog.pg_extension e ON e.oid = x.refobjid \
    WHERE x.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND x.objid = p.oid AND x.deptype = 'e' \
      AND (p.provolatile <> 'v' OR e.extname IN ('uuid-ossp', 'pgcrypto')))) AS writes, \
  pg_catalog.bool_or(p.pronargs > 0 AND t.typtype IN ('c', 'p')) AS like_column \
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace LEFT JOIN pg_catalog.pg_type t ON t.oid = p.proargtypes[0] \
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND p.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype GROUP BY 1";

/// What runs a function without its name in the text: an operator, a cast, a type's own functions, the check of a domain. Those of an
/// extension that are stable look at its settings, not at tables.
const HIDDEN: &str = "\
SELECT coalesce(pg_catalog.bool_or(h.provolatile <> 'i' AND NOT h.of_extension), false) AS varies, \
  coalesce(pg_catalog.bool_or(h.provolatile = 'v' OR NOT h.of_extension), false) AS writes \
FROM (SELECT p.provolatile, EXISTS (SELECT FROM pg_catalog.pg_depend x WHERE x.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
    AND x.objid = p.oid AND x.deptype = 'e') AS of_extension \
  FROM pg_catalog.pg_proc p WHERE p.oid >= 16384 AND p.oid IN (\
    SELECT oprcode::pg_catalog.oid FROM pg_catalog.pg_operator WHERE oid >= 16384 \
    UNION SELECT castfunc FROM pg_catalog.pg_cast WHERE oid >= 16384 \
    UNION SELECT f.oid FROM pg_catalog.pg_type t, LATERAL (VALUES (t.typinput::pg_catalog.oid), (t.typoutput::pg_catalog.oid), \
      (t.typreceive::pg_catalog.oid), (t.typsend::pg_catalog.oid)) AS f (oid) WHERE t.oid >= 16384 \
    UNION SELECT d.refobjid FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_depend d \
      ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objid = k.oid \
      WHERE k.contypid <> 0 AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass)) AS h";

/// What the catalog says.
///
/// # Errors
///
/// What the server says.
pub(super) async fn facts(inner: &Arc<Inner>, call: &Call) -> Result<Facts, DatabaseError> {
    let ask = |text| fetch(inner, call, text, PgArguments::default());
    let relations = ask(RELATIONS).await?;
    let links = ask(LINKS).await?;
    let functions = ask(FUNCTIONS).await?;
    let hidden = ask(HIDDEN).await?;
    read(&relations, &links, &functions, &hidden).map_err(statement_error)
}

fn read(relations: &[PgRow], links: &[PgRow], functions: &[PgRow], hidden: &[PgRow]) -> Result<Facts, sqlx::Error> {
    let mut facts = Facts::default();
    let mut places: HashMap<i64, usize> = HashMap::new();
    for row in relations {
        places.insert(row.try_get("oid")?, facts.relations.len());
        facts.relations.push(relation(row)?);
    }
    for row in links {
        let (Some(one), Some(other)) = (places.get(&row.try_get("one")?), places.get(&row.try_get("other")?)) else { continue };
        let what: String = row.try_get("what")?;
        facts.links.push(Link { from: *one, to: *other, reads: what != "key", writes: true });
        if what == "heir" {
            // What holds for the whole, its keys above all, holds for the part.
            facts.links.push(Link { from: *other, to: *one, reads: false, writes: true });
        }
    }
    for row in functions {
        facts.functions.insert(row.try_get("name")?, Function { writes: row.try_get("writes")?, like_column: row.try_get("like_column")? });
    }
    if let Some(row) = hidden.first() {
        facts.hidden = Hidden { varies: row.try_get("varies")?, writes: row.try_get("writes")? };
    }
    Ok(facts)
}

fn relation(row: &PgRow) -> Result<Relation, sqlx::Error> {
    let system: bool = row.try_get("system")?;
    let kind: String = row.try_get("kind")?;
    let acts: bool = row.try_get("acts")?;
    let other = |why, acts| RelationKind::Other { why, acts };
    Ok(Relation {
        schema: row.try_get("schema")?,
        name: row.try_get("name")?,
        unqualified: row.try_get("unqualified")?,
        writes_anything: system || acts || kind == "f",
        triggers: Vec::new(),
        kind: match kind.as_str() {
            _ if system => other("the system's own tables change with the server", false),
            // A policy may ask who reads, and may run any function.
            _ if row.try_get("secured")? => other("row-level security decides what the table shows to whom", true),
            "v" => RelationKind::View { definition: row.try_get("definition")?, linked: true, calls: row.try_get("calls")? },
            "f" => other("a foreign table changes without the host", true),
            "S" => other("a sequence is no table", false),
            _ => RelationKind::Table,
        },
    })
}
