//! Refuses functions in a reading statement that say of themselves that they may write.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;

/// How long an answer is believed. The transaction is read only in any case.
const BELIEVED: Duration = Duration::from_secs(30);

/// Answers kept at most.
const MOST: usize = 2_000;

/// Which of the names in `$1`, written as in SQL, with a schema or without, stand for a function that is volatile or an
/// aggregate that calls one. Names are cut where the server cuts them. Those that are volatile only because they never
/// answer the same twice are left out.
const VOLATILE: &str = "\
SELECT w.name FROM pg_catalog.unnest($1::pg_catalog.text[]) AS w(name), \
  LATERAL (SELECT pg_catalog.parse_ident(w.name)::pg_catalog.name[]::pg_catalog.text[] AS parts) AS i, \
  LATERAL (SELECT pg_catalog.cardinality(i.parts) AS parts) AS l \
WHERE EXISTS (\
  SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
  WHERE pg_catalog.lower(p.proname) = pg_catalog.lower(i.parts[l.parts]) \
  AND CASE WHEN l.parts > 1 THEN pg_catalog.lower(n.nspname) = pg_catalog.lower(i.parts[l.parts - 1]) \
    ELSE pg_catalog.pg_function_is_visible(p.oid) END \
  AND CASE WHEN p.prokind = 'a' THEN EXISTS (SELECT FROM pg_catalog.pg_aggregate a JOIN pg_catalog.pg_proc s ON s.oid IN \
      (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn) \
      WHERE a.aggfnoid = p.oid AND s.provolatile = 'v') \
    ELSE p.provolatile = 'v' END \
  AND NOT (n.nspname = 'pg_catalog' AND p.proname = ANY ('{random,random_normal,clock_timestamp,timeofday,gen_random_uuid,uuidv4,uuidv7}')) \
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid \
    WHERE d.objid = p.oid AND d.deptype = 'e' AND e.extname IN ('uuid-ossp', 'pgcrypto')))";

/// What is known about functions of one database.
#[derive(Default)]
pub(super) struct Volatility {
    known: Mutex<HashMap<String, (Instant, bool)>>,
}

impl Volatility {
    /// Which of these functions were found volatile a moment ago; `None` when one of them has to be asked about.
    fn remembered(&self, functions: &[String]) -> Option<Vec<String>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut volatile = Vec::new();
        for name in functions {
            let (since, is_volatile) = known.get(name)?;
            if since.elapsed() > BELIEVED {
                return None;
            }
            volatile.extend(is_volatile.then(|| name.clone()));
        }
        Some(volatile)
    }

    fn remember(&self, functions: &[String], volatile: &[String]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() + functions.len() > MOST {
            known.clear();
        }
        known.extend(functions.iter().map(|name| (name.clone(), (Instant::now(), volatile.contains(name)))));
    }

    /// The error about the first of `functions` that is volatile, if one is.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub(super) async fn refusal(&self, connection: &mut PgConnection, functions: &[String]) -> Result<Option<DatabaseError>, sqlx::Error> {
        if functions.is_empty() {
            return Ok(None);
        }
        let volatile = match self.remembered(functions) {
            Some(volatile) => volatile,
            None => {
                let rows = sqlx::query(VOLATILE).bind(functions).fetch_all(connection).await?;
                let volatile = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
                self.remember(functions, &volatile);
                volatile
            }
        };
        Ok(volatile.first().map(|name| {
            DatabaseError::new(ErrorKind::ReadOnly, format!("function `{name}` is volatile: it may write")).hint(
                "if it only reads, have it declared STABLE or IMMUTABLE; else use `execute_query` on a database that is open for writing",
            )
        }))
    }
}
