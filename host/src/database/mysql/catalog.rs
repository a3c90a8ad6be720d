//! Schemas and tables, asked of `information_schema`, which shows an account only what it has rights on.

use std::future::Future;
use std::pin::Pin;

use sqlx::AssertSqlSafe;
use sqlx::Executor;
use sqlx::Row;
use sqlx::mysql::MySqlRow;

use super::MySql;
use super::connect::Access;
use super::connect::Product;
use super::connect::Session;
use super::error;
use super::running::Running;
use super::types;
use crate::call::Call;
use crate::database::catalog::Schema;
use crate::database::catalog::TableFilter;
use crate::database::catalog::TableKind;
use crate::database::catalog::TableSummary;
use crate::database::error::DatabaseError;
use crate::database::setup::Setup;
use crate::database::supervise::supervised;
use crate::database::value::Value;

/// The server's own schemas, for a `NOT IN`.
pub(super) const SYSTEM_SCHEMAS: &str = "('information_schema', 'performance_schema', 'mysql', 'sys', 'ndbinfo', 'metrics_schema', 'inspection_schema', 'lightning_metadata_schema')";

/// What counts as a table or view; the rest are sequences and the server's own views.
pub(super) const TABLE_TYPES: &str = "('BASE TABLE', 'SYSTEM VERSIONED', 'VIEW')";

/// One letter per kind of table.
pub(super) const KIND_LETTER: &str =
    "CASE WHEN TABLE_TYPE = 'VIEW' THEN 'v' WHEN ENGINE IN ('FEDERATED', 'SPIDER', 'CONNECT') THEN 'f' ELSE 't' END";

/// What a question about the catalog is answered by.
pub(super) type Asking<'s, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 's>>;

impl MySql {
    /// Asks the server with texts of the host, in a reading session, within the limit of a statement.
    pub(super) async fn ask<T, F>(&self, call: &Call, question: F) -> Result<T, DatabaseError>
    where
        T: Send + 'static,
        F: for<'s> Fn(&'s mut Session) -> Asking<'s, T> + Send + Sync + 'static,
    {
        let running = Running::new();
        let interrupt = running.interrupter(&self.pool);
        let pool = self.pool.clone();
        let work = async move {
            let _ended = running.ended_on_drop();
            for _ in 0..2 {
                let mut checkout = running.lend(&pool, Access::Read, &Setup::default()).await?;
                running.begin(&checkout.session)?;
                match question(&mut checkout.session).await {
                    Ok(answer) => {
                        if !running.interrupted() {
                            checkout.give_back();
                        }
                        return Ok(answer);
                    }
                    Err(cause) if error::is_lost(&cause) && checkout.reused && !running.interrupted() => pool.forget_idle(),
                    Err(cause) => return Err(error::of_statement(cause)),
                }
            }
            Err(error::lost())
        };
        supervised(call, self.limit, interrupt, work).await
    }

    /// See [`super::super::Database::schemas`].
    pub(super) async fn list_schemas(&self, call: &Call) -> Result<Vec<Schema>, DatabaseError> {
        self.ask(call, |session| Box::pin(schemas(session))).await
    }

    /// See [`super::super::Database::tables`].
    pub(super) async fn list_tables(&self, call: &Call, filter: &TableFilter) -> Result<Vec<TableSummary>, DatabaseError> {
        let filter = filter.clone();
        self.ask(call, move |session| Box::pin(tables(session, filter.clone()))).await
    }
}

/// Runs one text of the host with its parameters and takes all its rows.
pub(super) async fn rows(session: &mut Session, text: String, parameters: &[Value]) -> Result<Vec<MySqlRow>, sqlx::Error> {
    let arguments = types::arguments(parameters, &session.decimal).map_err(|error| sqlx::Error::InvalidArgument(error.message))?;
    (&mut session.connection).fetch_all(sqlx::query_with(AssertSqlSafe(text), arguments)).await
}

/// A cell as text, whatever type the server gives it; none when it is null.
pub(super) fn optional(row: &MySqlRow, index: usize) -> Option<String> {
    let bytes: Option<&[u8]> = row.try_get_unchecked(index).ok()?;
    bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// A cell as text; empty when it is null.
pub(super) fn text(row: &MySqlRow, index: usize) -> String {
    optional(row, index).unwrap_or_default()
}

/// A cell as text; none when it is null or empty.
pub(super) fn filled(row: &MySqlRow, index: usize) -> Option<String> {
    optional(row, index).filter(|text| !text.is_empty())
}

/// A cell of an unsigned type; none when it is null.
pub(super) fn number(row: &MySqlRow, index: usize) -> Option<u64> {
    row.try_get_unchecked::<Option<u64>, _>(index).ok().flatten()
}

/// What [`KIND_LETTER`] says.
pub(super) fn kind(letter: &str) -> TableKind {
    match letter {
        "v" => TableKind::View,
        "f" => TableKind::ForeignTable,
        _ => TableKind::Table,
    }
}

async fn schemas(session: &mut Session) -> Result<Vec<Schema>, sqlx::Error> {
    let comment = match session.product {
        Product::MariaDb => "MAX(s.SCHEMA_COMMENT)",
        Product::MySql | Product::TiDb => "NULL",
    };
    let question = format!(
        "SELECT s.SCHEMA_NAME, CAST(COALESCE(s.SCHEMA_NAME = DATABASE(), 0) AS UNSIGNED), CAST(COUNT(t.TABLE_NAME) AS UNSIGNED), {comment} \
         FROM information_schema.SCHEMATA s \
         LEFT JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = s.SCHEMA_NAME AND t.TABLE_TYPE IN {TABLE_TYPES} \
         WHERE LOWER(s.SCHEMA_NAME) NOT IN {SYSTEM_SCHEMAS} GROUP BY s.SCHEMA_NAME ORDER BY s.SCHEMA_NAME"
    );
    let found = rows(session, question, &[]).await?;
    let schema = |row: &MySqlRow| Schema {
        name: text(row, 0),
        is_default: number(row, 1) == Some(1),
        table_count: number(row, 2).unwrap_or(0),
        comment: filled(row, 3),
    };
    Ok(found.iter().map(schema).collect())
}

async fn tables(session: &mut Session, filter: TableFilter) -> Result<Vec<TableSummary>, sqlx::Error> {
    let mut question = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, {KIND_LETTER}, CAST(TABLE_ROWS AS UNSIGNED), TABLE_COMMENT \
         FROM information_schema.TABLES WHERE TABLE_TYPE IN {TABLE_TYPES}"
    );
    let mut parameters = Vec::new();
    match filter.schema {
        Some(schema) => {
            question.push_str(" AND TABLE_SCHEMA = ?");
            parameters.push(Value::Text(schema));
        }
        None => question.push_str(&format!(" AND LOWER(TABLE_SCHEMA) NOT IN {SYSTEM_SCHEMAS}")),
    }
    if !filter.kinds.is_empty() {
        question.push_str(&format!(" AND LOCATE({KIND_LETTER}, ?) > 0"));
        let letters = filter.kinds.iter().map(|kind| match kind {
            TableKind::Table => "t",
            TableKind::View => "v",
            TableKind::ForeignTable => "f",
            TableKind::MaterializedView => "",
        });
        parameters.push(Value::Text(letters.collect()));
    }
    if let Some(pattern) = filter.pattern {
        question.push_str(" AND LOWER(TABLE_NAME) LIKE LOWER(?)");
        parameters.push(Value::Text(pattern));
    }
    if let Some((schema, name)) = filter.after {
        // By bytes: two names that differ in case only are two tables on most systems.
        question.push_str(" AND (CAST(TABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY)) > (CAST(? AS BINARY), CAST(? AS BINARY))");
        parameters.extend([Value::Text(schema), Value::Text(name)]);
    }
    question.push_str(" ORDER BY CAST(TABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY) LIMIT ?");
    parameters.push(Value::Integer(i64::from(filter.limit)));
    let found = rows(session, question, &parameters).await?;
    Ok(found.iter().map(summary).collect())
}

/// A row of schema, name, kind, estimate and comment.
pub(super) fn summary(row: &MySqlRow) -> TableSummary {
    let kind = kind(&text(row, 2));
    TableSummary {
        schema: text(row, 0),
        name: text(row, 1),
        kind,
        row_estimate: number(row, 3).filter(|_| kind != TableKind::View),
        // The comment of every view is `VIEW`.
        comment: filled(row, 4).filter(|comment| kind != TableKind::View || comment != "VIEW"),
    }
}
