//! Sees writes of others by the counters of the statistics system, and rewritten tables by their files.

use std::sync::Arc;

use sqlx::Arguments;
use sqlx::Row;
use sqlx::postgres::PgArguments;

use super::Inner;
use super::catalog::fetch;
use super::error::statement_error;
use crate::call::Call;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;

/// `$1` names as `schema.table`. `TRUNCATE` counts no rows, but makes a new file. Whoever makes a table anew makes a new number.
const COUNTERS: &str = "\
SELECT CASE WHEN pg_catalog.current_setting('track_counts') = 'on' THEN \
  coalesce(pg_catalog.string_agg(pg_catalog.concat_ws(':', s.relid, s.n_tup_ins, s.n_tup_upd, s.n_tup_del, pg_catalog.pg_relation_filenode(s.relid)), \
    ' ' ORDER BY s.relid), '') END AS counters \
FROM pg_catalog.pg_stat_all_tables s WHERE s.schemaname || '.' || s.relname = ANY ($1)";

/// The counters of these tables; none when the server does not count.
///
/// # Errors
///
/// What the server says.
pub(super) async fn probe(inner: &Arc<Inner>, call: &Call, tables: Vec<String>) -> Result<Option<String>, DatabaseError> {
    let mut arguments = PgArguments::default();
    arguments.add(tables).map_err(|_| DatabaseError::new(ErrorKind::InvalidParameters, "there are too many tables"))?;
    let rows = fetch(inner, call, COUNTERS, arguments).await?;
    rows.first().map_or(Ok(None), |row| row.try_get("counters")).map_err(statement_error)
}
