//! Sees writes of others by `UPDATE_TIME`, where the storage engine keeps it.
//!
//! It is in whole seconds, so it says nothing about a table that was written in this second or the one before: another
//! write would not move it. InnoDB sets it at each commit and forgets it when the server ends.

use super::MySql;
use super::catalog::filled;
use super::catalog::number;
use super::catalog::rows;
use super::catalog::text;
use crate::call::Call;
use crate::database::error::DatabaseError;
use crate::database::value::Value;

impl MySql {
    /// When these tables were written last; none when that is not told of one of them, or is too recent to tell.
    pub(super) async fn find_probe(&self, call: &Call, tables: Vec<String>) -> Result<Option<String>, DatabaseError> {
        if tables.is_empty() {
            return Ok(Some(String::new()));
        }
        // MySQL 8 would answer from a cache of one day. To the others this is a comment.
        let question = format!(
            "SELECT /*+ SET_VAR(information_schema_stats_expiry = 0) */ CONCAT(TABLE_SCHEMA, '.', TABLE_NAME), CAST(CREATE_TIME AS CHAR), \
             CAST(UPDATE_TIME AS CHAR), CAST(COALESCE(UPDATE_TIME < NOW() - INTERVAL 2 SECOND, 0) AS UNSIGNED) \
             FROM information_schema.TABLES WHERE CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) IN ({}) ORDER BY 1",
            vec!["?"; tables.len()].join(", ")
        );
        let names: Vec<Value> = tables.iter().cloned().map(Value::Text).collect();
        let found = self
            .ask(call, move |session| {
                let (question, names) = (question.clone(), names.clone());
                Box::pin(async move { rows(session, question, &names).await })
            })
            .await?;
        let told: Option<Vec<String>> = found
            .iter()
            .map(|row| {
                let rested = number(row, 3) == Some(1);
                filled(row, 2).filter(|_| rested).map(|written| format!("{} {} {written}", text(row, 0), text(row, 1)))
            })
            .collect();
        Ok(told.filter(|told| told.len() == tables.len()).map(|told| told.join("\n")))
    }
}
