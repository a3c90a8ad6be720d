//! MySQL family: connections, statements, types and catalog.

use super::BatchError;
use super::Execution;
use super::RunOptions;
use super::catalog::DatabaseDetails;
use super::catalog::Routine;
use super::catalog::RoutineFilter;
use super::catalog::Schema;
use super::catalog::Table;
use super::catalog::TableFilter;
use super::catalog::TableSummary;
use super::error::DatabaseError;
use super::error::ErrorKind;
use super::rows::RowSet;
use super::statement::Statement;
use super::value::Value;
use crate::call::Call;
use crate::config::DatabaseConfig;

/// The pool of one database.
pub(super) struct MySql {}

impl MySql {
    /// Prepares the pool without connecting. Fails on a URL or a certificate that makes no sense.
    pub(super) fn new(_config: &DatabaseConfig) -> Result<Self, DatabaseError> {
        Ok(Self {})
    }
    /// Runs one statement of kind `Read`; the engine enforces that it is one.
    pub(super) async fn read(
        &self,
        _call: &Call,
        _statement: &Statement,
        _parameters: &[Value],
        _options: &RunOptions,
    ) -> Result<RowSet, DatabaseError> {
        Err(DatabaseError::new(ErrorKind::NotSupported, "not here yet"))
    }
    /// Runs statements in one transaction, committed when all of them succeed.
    pub(super) async fn write(
        &self,
        _call: &Call,
        _statements: Vec<(Statement, Vec<Value>)>,
        _options: &RunOptions,
    ) -> Result<Vec<Execution>, BatchError> {
        Err(BatchError { index: 0, error: DatabaseError::new(ErrorKind::NotSupported, "not here yet") })
    }
    /// Facts about the database and the role.
    pub(super) async fn details(&self, _call: &Call) -> Result<DatabaseDetails, DatabaseError> {
        Err(DatabaseError::new(ErrorKind::NotSupported, "not here yet"))
    }
    /// Its schemas by name.
    pub(super) async fn schemas(&self, _call: &Call) -> Result<Vec<Schema>, DatabaseError> {
        Err(DatabaseError::new(ErrorKind::NotSupported, "not here yet"))
    }
    /// Tables by schema and name, at most `filter.limit`.
    pub(super) async fn tables(&self, _call: &Call, _filter: &TableFilter) -> Result<Vec<TableSummary>, DatabaseError> {
        Err(DatabaseError::new(ErrorKind::NotSupported, "not here yet"))
    }
    /// One table; `None` when it is not there.
    pub(super) async fn table(&self, _call: &Call, _schema: Option<&str>, _name: &str) -> Result<Option<Table>, DatabaseError> {
        Err(DatabaseError::new(ErrorKind::NotSupported, "not here yet"))
    }
    /// Routines by schema and name, at most `filter.limit`.
    pub(super) async fn routines(&self, _call: &Call, _filter: &RoutineFilter) -> Result<Vec<Routine>, DatabaseError> {
        Err(DatabaseError::new(ErrorKind::NotSupported, "not here yet"))
    }
    /// Closes every connection; waits at most for those in use.
    pub(super) async fn close(&self) {}
}
