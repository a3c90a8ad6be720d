//! Tells whether what a query runs stands in its text, or whether its tables and the database around it add to that.
//!
//! A view may set something in the session, take a lock or reach another server, a policy may do so for each row, and a
//! function that a user made may hide behind an operator or the name of a built-in one. Such a query still runs, but in a
//! transaction that is rolled back and in a session that is put back, like any other whose text promises nothing.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::config::EngineKind;
use crate::database::statement;

/// How long an answer is believed. The session is read only in any case.
const BELIEVED: Duration = Duration::from_secs(30);

/// Answers kept at most.
const MOST: usize = 2_000;

/// The answer about the database as a whole is kept under this name.
const DATABASE: &str = "";

/// Which of the names in `$1` stand for a relation, in whatever schema, that may run more than a scan: a view, a foreign
/// table or one with such parts, a table with policies, one whose rows a volatile function takes as if it were a column.
/// And the empty name when functions of users may be called by operators, by casts, or by the names of built-in ones (`$2`).
const NOT_PLAIN: &str = "\
SELECT w.name FROM pg_catalog.unnest($1::pg_catalog.text[]) AS w(name) WHERE w.name <> '' AND EXISTS (\
  SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
  WHERE pg_catalog.lower(c.relname) = pg_catalog.lower(w.name::pg_catalog.name::pg_catalog.text) \
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
  AND (c.relkind IN ('v', 'f') OR c.relrowsecurity \
    OR (c.relhassubclass AND EXISTS (SELECT FROM pg_catalog.pg_foreign_table)) \
    OR EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronargs = 1 AND p.proargtypes[0] = c.reltype AND p.provolatile = 'v'))) \
UNION ALL SELECT '' WHERE EXISTS (\
  SELECT FROM pg_catalog.pg_proc p WHERE p.oid >= 16384 AND p.provolatile = 'v' AND (\
    p.proname::pg_catalog.text = ANY ($2::pg_catalog.text[]) \
    OR EXISTS (SELECT FROM pg_catalog.pg_operator o WHERE o.oprcode = p.oid) \
    OR EXISTS (SELECT FROM pg_catalog.pg_cast c WHERE c.castfunc = p.oid)))";

/// What is known about relations of one database.
#[derive(Default)]
pub(super) struct Surroundings {
    known: Mutex<HashMap<String, (Instant, bool)>>,
}

impl Surroundings {
    /// Whether a query on these tables, named as its text names them, runs nothing but its text. When the server does not
    /// say, it does not.
    pub(super) async fn are_plain(&self, connection: &mut PgConnection, tables: &[String]) -> bool {
        let mut names: Vec<String> = tables.iter().flat_map(|table| statement::possible_names(table)).collect();
        names.push(DATABASE.into());
        if let Some(plain) = self.remembered(&names) {
            return plain;
        }
        let builtin = statement::builtin_functions(EngineKind::Postgres);
        let Ok(rows) = sqlx::query(NOT_PLAIN).bind(&names).bind(&builtin).fetch_all(connection).await else { return false };
        let Ok(found) = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>() else { return false };
        self.remember(names, &found);
        found.is_empty()
    }

    /// `None` when one of the names has to be asked about.
    fn remembered(&self, names: &[String]) -> Option<bool> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut plain = true;
        for name in names {
            let (since, is_plain) = known.get(name)?;
            if since.elapsed() > BELIEVED {
                return None;
            }
            plain &= is_plain;
        }
        Some(plain)
    }

    fn remember(&self, names: Vec<String>, not_plain: &[String]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() + names.len() > MOST {
            known.clear();
        }
        known.extend(names.into_iter().map(|name| {
            let is_plain = !not_plain.contains(&name);
            (name, (Instant::now(), is_plain))
        }));
    }
}
