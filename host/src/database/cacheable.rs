//! Whether the answer of a statement may be kept and shown again, and what it depends on.
//!
//! An answer may be kept when it is a function of rows: of a query whose every function is known to compute from its
//! arguments, whose every relation leads to tables of this database, and whose text says nothing about the moment, the
//! session or chance. Settings of the session that change what an answer looks like are of the key, not of this.
//!
//! Text from a column that is turned into a date is read as the moment when it spells `now`; the host sees no values of
//! columns, so such an answer is kept, for as long as answers are kept at all. So is what the MySQL family makes of a `TIME` that
//! becomes a `DATETIME`: it takes the date of today.

use std::sync::Arc;

use super::Database;
use super::statement::Statement;
use super::statement::StatementKind;
use super::statement::varying::is_moment;
use super::value::Value;
use super::versions::Versions;
use super::versions::touched::Dependencies;
use crate::call::Call;

/// Whether an answer may be kept.
#[derive(Clone, Debug)]
pub enum Cacheability {
    /// It is good for as long as none of these tables is written.
    Yes(Dependencies),
    /// It is not, for this reason: a sentence for a log or an explanation.
    No(Arc<str>),
}

impl Database {
    /// The versions of its tables.
    pub fn versions(&self) -> &Arc<Versions> {
        &self.versions
    }

    /// Whether the answer of a statement with these values may be kept, and what it depends on.
    ///
    /// Looks the statement up by its text; now and then, and after a change of the schema, asks the database for its schema
    /// first, for at most as long as the call may run. A database that does not answer is a `No`.
    pub async fn dependencies(&self, call: &Call, statement: &Statement, parameters: &[Value]) -> Cacheability {
        // What no schema can make a `Yes` of needs none.
        if statement.kind != StatementKind::Read || !statement.traceless {
            return Cacheability::No("it is no query that certainly leaves no trace".into());
        }
        let is_moment = |value: &Value| match value {
            Value::Text(text) | Value::Json(text) => is_moment(self.config.engine, text),
            Value::Blob(bytes) => is_moment(self.config.engine, &String::from_utf8_lossy(bytes)),
            Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Real(_) | Value::Decimal(_) => false,
        };
        if parameters.iter().any(is_moment) {
            return Cacheability::No("a value may mean the moment".into());
        }
        match self.graph(call).await {
            Some(graph) => graph.cacheability(statement),
            None => Cacheability::No("the schema of the database cannot be read now".into()),
        }
    }
}
