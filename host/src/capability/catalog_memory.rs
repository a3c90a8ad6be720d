//! What was told about the databases a moment ago, so that it is not asked for again with every call.
//!
//! An answer is good for one version of the schema: a statement of the host that changes the schema ends all of them at once.
//! What somebody else changes is seen after `BELIEVED`. The host's one role sees the same for every caller.

use std::sync::Arc;
use std::time::Duration;

use crate::cache::Metadata;
use crate::cache::TierFigures;
use crate::call::Call;
use crate::config::DatabaseName;
use crate::database::Database;
use crate::database::catalog::DatabaseDetails;
use crate::database::catalog::Routine;
use crate::database::catalog::RoutineFilter;
use crate::database::catalog::Schema;
use crate::database::catalog::Table;
use crate::database::catalog::TableFilter;
use crate::database::catalog::TableSummary;
use crate::database::error::DatabaseError;

/// How long an answer is believed.
const BELIEVED: Duration = Duration::from_secs(10);

/// Answers that are remembered.
const ANSWERS: u64 = 2_000;

/// One question about one database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Question {
    Details,
    Schemas,
    Tables(String),
    Table(Option<String>, String),
    Routines(String),
}

/// One answer.
enum Answer {
    Details(DatabaseDetails),
    Schemas(Vec<Schema>),
    Tables(Vec<TableSummary>),
    Table(Box<Table>),
    Routines(Vec<Routine>),
}

/// The answers of a moment ago.
pub struct CatalogMemory {
    answers: Metadata<(DatabaseName, Question), Answer, u64>,
}

impl Default for CatalogMemory {
    fn default() -> Self {
        Self { answers: Metadata::new(ANSWERS, BELIEVED) }
    }
}

/// Looks a question up, else asks it; and takes what kind of answer it has.
macro_rules! remembered {
    ($self:ident, $database:ident, $question:expr, $kind:ident, $ask:expr) => {{
        // From before the question: what is asked while the schema changes is not remembered.
        let version = $database.versions().schema();
        let key = ($database.config().name.clone(), $question);
        if let Some(version) = version
            && let Some(answer) = $self.answers.find(&key, &version)
            && let Answer::$kind(known) = &*answer
        {
            return Ok(known.clone().into());
        }
        let told = $ask.await?;
        if let Some(version) = version {
            $self.answers.keep(key, version, Arc::new(Answer::$kind(told.clone().into())));
        }
        Ok(told)
    }};
}

impl CatalogMemory {
    /// As [`Database::details`].
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub async fn details(&self, call: &Call, database: &Database) -> Result<DatabaseDetails, DatabaseError> {
        remembered!(self, database, Question::Details, Details, database.details(call))
    }

    /// As [`Database::schemas`].
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub async fn schemas(&self, call: &Call, database: &Database) -> Result<Vec<Schema>, DatabaseError> {
        remembered!(self, database, Question::Schemas, Schemas, database.schemas(call))
    }

    /// As [`Database::tables`].
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub async fn tables(&self, call: &Call, database: &Database, filter: &TableFilter) -> Result<Vec<TableSummary>, DatabaseError> {
        remembered!(self, database, Question::Tables(format!("{filter:?}")), Tables, database.tables(call, filter))
    }

    /// As [`Database::table`].
    ///
    /// # Errors
    ///
    /// `UnknownTable` with the nearest names, which is not remembered, else what the engine says.
    pub async fn table(&self, call: &Call, database: &Database, schema: Option<&str>, name: &str) -> Result<Table, DatabaseError> {
        let version = database.versions().schema();
        let key = (database.config().name.clone(), Question::Table(schema.map(str::to_owned), name.to_owned()));
        if let Some(version) = version
            && let Some(answer) = self.answers.find(&key, &version)
            && let Answer::Table(known) = &*answer
        {
            return Ok(Table::clone(known));
        }
        let told = database.table(call, schema, name).await?;
        if let Some(version) = version {
            self.answers.keep(key, version, Arc::new(Answer::Table(Box::new(told.clone()))));
        }
        Ok(told)
    }

    /// As [`Database::routines`].
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub async fn routines(&self, call: &Call, database: &Database, filter: &RoutineFilter) -> Result<Vec<Routine>, DatabaseError> {
        remembered!(self, database, Question::Routines(format!("{filter:?}")), Routines, database.routines(call, filter))
    }

    /// What it did since the start.
    pub fn figures(&self) -> TierFigures {
        self.answers.figures()
    }
}
