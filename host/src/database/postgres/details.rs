//! Facts about the database, and what is risky about the role.

use std::sync::Arc;

use sqlx::Row;
use sqlx::postgres::PgArguments;

use super::Inner;
use super::catalog::fetch;
use super::error::statement_error;
use crate::call::Call;
use crate::database::catalog::DatabaseDetails;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;

const DETAILS: &str = "\
SELECT pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1) AS version, \
  pg_catalog.current_database()::text AS name, current_user::text AS role, \
  coalesce(pg_catalog.current_schema()::text, 'public') AS default_schema, \
  CASE WHEN pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CONNECT') \
    THEN pg_catalog.pg_database_size(pg_catalog.current_database()) END AS size, \
  (SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_') AS tables, \
  pg_catalog.pg_encoding_to_char(d.encoding)::text AS encoding, \
  pg_catalog.current_setting('TimeZone') AS time_zone, \
  r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolcreatedb, r.rolreplication, \
  pg_catalog.pg_has_role(current_user, 'pg_read_server_files', 'MEMBER') AS reads_files, \
  pg_catalog.pg_has_role(current_user, 'pg_write_server_files', 'MEMBER') AS writes_files, \
  pg_catalog.pg_has_role(current_user, 'pg_execute_server_program', 'MEMBER') AS runs_programs \
FROM pg_catalog.pg_roles r, pg_catalog.pg_database d \
WHERE r.rolname = current_user AND d.datname = pg_catalog.current_database()";

/// What each right of the role means; a superuser has all of them, so that one sentence says it.
const RISKS: &[(&str, &str)] = &[
    ("rolbypassrls", "the role has BYPASSRLS: row-level security does not apply to it"),
    ("rolcreaterole", "the role has CREATEROLE: it may make roles and change their passwords"),
    ("rolcreatedb", "the role has CREATEDB: it may make and drop databases"),
    ("rolreplication", "the role has REPLICATION: it may read every change of the server"),
    ("reads_files", "the role is a member of pg_read_server_files: it may read files of the server"),
    ("writes_files", "the role is a member of pg_write_server_files: it may write files of the server"),
    ("runs_programs", "the role is a member of pg_execute_server_program: it may run programs on the server"),
];

/// Asks the server about itself.
///
/// # Errors
///
/// What the server says.
pub(super) async fn details(inner: &Arc<Inner>, call: &Call) -> Result<DatabaseDetails, DatabaseError> {
    let rows = fetch(inner, call, DETAILS, PgArguments::default()).await?;
    let row = rows.first().ok_or_else(|| DatabaseError::new(ErrorKind::Failed, "the database does not know the role that is logged in"))?;
    let read = || -> Result<DatabaseDetails, sqlx::Error> {
        let mut warnings = Vec::new();
        if row.try_get("rolsuper")? {
            warnings.push(
                "the role is a superuser: no right and no row-level security limits it; use one that may only do what is needed".into(),
            );
        } else {
            for (right, sentence) in RISKS {
                if row.try_get(*right)? {
                    warnings.push((*sentence).to_owned());
                }
            }
        }
        Ok(DatabaseDetails {
            product: "PostgreSQL".into(),
            version: row.try_get("version")?,
            server_name: row.try_get("name")?,
            user: Some(row.try_get("role")?),
            default_schema: row.try_get("default_schema")?,
            size_bytes: row.try_get::<Option<i64>, _>("size")?.and_then(|size| u64::try_from(size).ok()),
            table_count: u64::try_from(row.try_get::<i64, _>("tables")?).unwrap_or(0),
            encoding: row.try_get("encoding")?,
            time_zone: Some(row.try_get("time_zone")?),
            superuser: row.try_get("rolsuper")?,
            warnings,
        })
    };
    read().map_err(statement_error)
}
