//! Where a statement runs: in a database by itself, or in a transaction of an earlier call.

use crate::database_admin;
use crate::database_read;
use crate::database_read::Options;
use crate::database_write;
use crate::database_write::BatchError;
use crate::database_write::Execution;
use crate::database_write::Statement;
use crate::rows::Rows;
use crate::tool::ToolError;
use crate::transaction::Transaction;
use crate::types::DatabaseError;
use crate::types::Value;

/// Where a statement runs.
pub struct Place {
    database: String,
    transaction: Option<Transaction>,
}

impl Place {
    /// The place that the arguments `database` and `transaction` name.
    ///
    /// # Errors
    ///
    /// A transaction that is over, or in another database.
    pub fn find(database: String, transaction: Option<&str>) -> Result<Self, ToolError> {
        let Some(handle) = transaction else { return Ok(Self { database, transaction: None }) };
        let transaction = Transaction::attach(handle)?;
        let own = transaction.describe()?.database;
        if !database.is_empty() && database != own {
            return Err(ToolError::InvalidArguments(format!(
                "the transaction is in database `{own}`, not `{database}`; leave out `database`"
            )));
        }
        Ok(Self { database: own, transaction: Some(transaction) })
    }

    /// Its database; empty for the only one there is.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Runs one reading statement.
    ///
    /// # Errors
    ///
    /// As [`database_read::query`].
    pub fn query(&self, sql: &str, parameters: &[Value], options: Options) -> Result<Rows, DatabaseError> {
        match &self.transaction {
            None => database_read::query(&self.database, sql, parameters, options),
            Some(transaction) => database_read::query_in(transaction, sql, parameters, options),
        }
    }

    /// Shows how the engine would run a statement.
    ///
    /// # Errors
    ///
    /// As [`database_read::explain`].
    pub fn explain(&self, sql: &str, parameters: &[Value], analyze: bool, options: Options) -> Result<Rows, DatabaseError> {
        match &self.transaction {
            None => database_read::explain(&self.database, sql, parameters, analyze, options),
            Some(transaction) => database_read::explain_in(transaction, sql, parameters, analyze, options),
        }
    }

    /// Runs one statement that changes rows.
    ///
    /// # Errors
    ///
    /// As [`database_write::execute`].
    pub fn execute(
        &self,
        sql: &str,
        parameters: &[Value],
        timeout_ms: Option<u32>,
        confirmation: Option<&str>,
    ) -> Result<Execution, DatabaseError> {
        match &self.transaction {
            None => database_write::execute(&self.database, sql, parameters, timeout_ms, confirmation),
            Some(transaction) => database_write::execute_in(transaction, sql, parameters, timeout_ms, confirmation),
        }
    }

    /// Runs one statement that changes schema, roles or settings.
    ///
    /// # Errors
    ///
    /// As [`database_admin::execute`].
    pub fn administer(
        &self,
        sql: &str,
        parameters: &[Value],
        timeout_ms: Option<u32>,
        confirmation: Option<&str>,
    ) -> Result<Execution, DatabaseError> {
        match &self.transaction {
            None => database_admin::execute(&self.database, sql, parameters, timeout_ms, confirmation),
            Some(transaction) => database_admin::execute_in(transaction, sql, parameters, timeout_ms, confirmation),
        }
    }

    /// Runs statements that change rows, all or none of them.
    ///
    /// # Errors
    ///
    /// As [`database_write::batch`].
    pub fn batch(
        &self,
        statements: &[Statement],
        timeout_ms: Option<u32>,
        confirmation: Option<&str>,
    ) -> Result<Vec<Execution>, BatchError> {
        match &self.transaction {
            None => database_write::batch(&self.database, statements, timeout_ms, confirmation),
            Some(transaction) => database_write::batch_in(transaction, statements, timeout_ms, confirmation),
        }
    }
}
