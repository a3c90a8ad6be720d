//! The table that a write goes to: what its engine gives back, and records that are checked against its columns.

use tidegate_plugin::DatabaseError;
use tidegate_plugin::Rows;
use tidegate_plugin::ToolError;
use tidegate_plugin::Value;
use tidegate_plugin::catalog;
use tidegate_plugin::catalog::Engine;
use tidegate_plugin::catalog::TableColumn;
use tidegate_plugin::database_read::Options;
use tidegate_plugin::database_write;
use tidegate_plugin::database_write::Execution;
use tidegate_plugin::place::Place;
use tidegate_plugin::transaction::Transaction;

use crate::filter;
use crate::json::Fields;
use crate::sql::Sql;
use crate::table::Source;

/// Rows whose keys are noted before they are changed, where the engine does not give changed rows back.
const NOTED: u32 = 1_000;

/// A table to write to.
pub(crate) struct Target {
    /// Where.
    pub(crate) place: Place,
    /// The table.
    pub(crate) source: Source,
    /// Whether `RETURNING` is there for inserts and deletes.
    pub(crate) returns: bool,
    /// Whether it is there for updates.
    pub(crate) returns_updates: bool,
}

/// A record whose names and values fit.
pub(crate) struct Record<'a> {
    /// Columns with their values.
    pub(crate) fields: Vec<(&'a TableColumn, Value)>,
}

impl Record<'_> {
    /// Whether both go into the same columns, and into some.
    pub(crate) fn has_columns_of(&self, other: &Self) -> bool {
        let names = |record: &Self| record.fields.iter().map(|(column, _)| column.name.clone()).collect::<Vec<_>>();
        !self.fields.is_empty() && names(self) == names(other)
    }
}

impl Target {
    /// The table that the arguments name.
    ///
    /// # Errors
    ///
    /// As [`Source::find`]; what is no table.
    pub(crate) fn find(database: String, schema: Option<&str>, table: &str, transaction: Option<&str>) -> Result<Self, ToolError> {
        let place = Place::find(database, transaction)?;
        let source = Source::find(&place, schema, table)?;
        let (returns, returns_updates) = match source.engine {
            Engine::Postgres | Engine::Sqlite => (true, true),
            // MariaDB has it for INSERT and DELETE (<https://mariadb.com/kb/en/insertreturning/>), MySQL not at all.
            Engine::Mysql => (catalog::describe_database(place.database())?.product == "MariaDB", false),
        };
        Ok(Self { place, source, returns, returns_updates })
    }

    /// A record of values for its columns. `complete` says that what has neither value nor default is missed.
    ///
    /// # Errors
    ///
    /// What is wrong, a sentence for each field.
    pub(crate) fn record<'a>(&'a self, fields: &Fields, complete: bool) -> Result<Record<'a>, Vec<String>> {
        let mut problems = Vec::new();
        let mut fitting: Vec<(&TableColumn, Value)> = Vec::new();
        for (name, json) in &fields.0 {
            let column = match self.source.column(name) {
                Ok(column) => column,
                Err(_) => {
                    let names: Vec<&str> = self.source.table.columns.iter().take(40).map(|column| column.name.as_str()).collect();
                    problems.push(format!("`{name}` is no column of `{}`; there are {}", self.source.table.summary.name, names.join(", ")));
                    continue;
                }
            };
            if column.generated.as_deref() == Some("generated") {
                problems.push(format!("`{name}` is computed by the database"));
                continue;
            }
            match self.source.family(column).fit(json) {
                Ok(Value::Null) if !column.nullable && column.generated.is_none() => problems.push(format!("`{name}` may not be null")),
                Ok(value) => fitting.push((column, value)),
                Err(problem) => problems.push(format!("`{name}` {problem}")),
            }
        }
        let is_missing = |column: &&TableColumn| {
            // The key of a table in SQLite is made by it, whatever the catalog says.
            let own_key = self.source.engine == Engine::Sqlite && self.source.table.primary_key.contains(&column.name);
            !column.nullable && column.default_value.is_none() && column.generated.is_none() && !own_key
        };
        if complete {
            let missing = self.source.table.columns.iter().filter(is_missing);
            let given = |column: &TableColumn| fields.0.iter().any(|(name, _)| name.eq_ignore_ascii_case(&column.name));
            problems.extend(
                missing
                    .filter(|column| !given(column))
                    .map(|column| format!("`{}` is missing: a {} that may not be null", column.name, column.type_name)),
            );
        }
        if problems.is_empty() { Ok(Record { fields: fitting }) } else { Err(problems) }
    }

    /// Adds the condition of a filter, and with it that of a version; nothing where both are empty.
    ///
    /// # Errors
    ///
    /// As [`filter::write`].
    pub(crate) fn write_condition(&self, sql: &mut Sql, filter: &Fields, version: &Fields) -> Result<(), ToolError> {
        if filter.0.is_empty() && version.0.is_empty() {
            return Ok(());
        }
        sql.push(" where ");
        let filtered = filter::write(sql, &self.source, filter)?;
        if !version.0.is_empty() {
            sql.push(if filtered { " and " } else { "" });
            filter::write(sql, &self.source, version)?;
        }
        Ok(())
    }

    /// The primary keys of the rows of a condition, for an engine that does not give changed rows back; none when the table has no key or
    /// there are too many.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub(crate) fn keys(&self, filter: &Fields, version: &Fields) -> Result<Option<Vec<Vec<Value>>>, ToolError> {
        let key = &self.source.table.primary_key;
        if key.is_empty() {
            return Ok(None);
        }
        let mut sql = Sql::new(self.source.engine, "select ");
        sql.list(key, ", ", |sql, name| {
            sql.name(name);
        });
        sql.push(" from ");
        self.source.write_name(&mut sql);
        self.write_condition(&mut sql, filter, version)?;
        sql.push(&format!(" limit {}", NOTED + 1));
        let keys = crate::page::read(&self.read(&sql)?);
        Ok((keys.len() <= NOTED as usize).then_some(keys))
    }

    /// The rows of these primary keys.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub(crate) fn rows_of(&self, keys: &[Vec<Value>]) -> Result<Option<Rows>, ToolError> {
        if keys.is_empty() {
            return Ok(None);
        }
        let mut sql = Sql::new(self.source.engine, "select * from ");
        self.source.write_name(&mut sql);
        sql.push(" where ");
        sql.list(keys, " or ", |sql, values| {
            let pairs: Vec<_> = self.source.table.primary_key.iter().zip(values).collect();
            sql.push("(").list(&pairs, " and ", |sql, (name, value)| {
                sql.name(name).push(" = ").bind((*value).clone());
            });
            sql.push(")");
        });
        self.read(&sql).map(Some)
    }

    /// Whether there is a row of this filter.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub(crate) fn has_row(&self, filter: &Fields) -> Result<bool, ToolError> {
        let mut sql = Sql::new(self.source.engine, "select 1 from ");
        self.source.write_name(&mut sql);
        self.write_condition(&mut sql, filter, &Fields::default())?;
        sql.push(" limit 1");
        Ok(self.read(&sql)?.count() > 0)
    }

    fn read(&self, sql: &Sql) -> Result<Rows, ToolError> {
        let options = Options { timeout_ms: None, max_rows: Some(NOTED + 1), keep_rest: false };
        Ok(self.place.query(sql.text(), sql.values(), options)?)
    }

    /// Runs one statement in a transaction.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub(crate) fn execute_in(transaction: &Transaction, sql: &Sql) -> Result<Execution, DatabaseError> {
        database_write::execute_in(transaction, sql.text(), sql.values(), None, None)
    }
}

/// Problems as one error.
pub(crate) fn refused(problems: &[String]) -> ToolError {
    const SHOWN: usize = 10;
    let more = problems.len().saturating_sub(SHOWN);
    let mut text = problems.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if more > 0 {
        text += &format!("; and {more} more");
    }
    ToolError::InvalidArguments(text)
}
