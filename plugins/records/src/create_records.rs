//! `create_record` and `create_records`: new rows, or changed ones where they are there already.

use std::ops::ControlFlow;

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::DatabaseError;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Rows;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolError;
use tidegate_plugin::ToolResult;
use tidegate_plugin::Value;
use tidegate_plugin::catalog::Engine;
use tidegate_plugin::database_read;
use tidegate_plugin::database_read::Options;
use tidegate_plugin::transaction::Options as Transacted;
use tidegate_plugin::transaction::Transaction;

use crate::json::Fields;
use crate::once::once;
use crate::sql::Sql;
use crate::target::Record;
use crate::target::Target;
use crate::target::refused;
use crate::written;
use crate::written::Written;

/// Records of one call.
const RECORDS: usize = 1_000;

/// Statements of one batch, each with rows that it gives back.
const STATEMENTS: usize = 50;

/// The savepoint before all records of a call.
const CALL: &str = "records_call";

/// The savepoint before each record of a partial write.
const RECORD: &str = "records_record";

/// Arguments of `create_record`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct CreateRecord {
    table: String,
    record: Fields,
    /// Columns of a unique key: change the row that has it.
    upsert_on: Option<Vec<String>>,
    /// Written once under it.
    idempotency_key: Option<String>,
    schema: Option<String>,
    #[serde(default)]
    database: String,
    transaction: Option<String>,
}

impl Tool for CreateRecord {
    const NAME: &'static str = "create_record";
    const TITLE: Option<&'static str> = Some("Create a record");
    const DESCRIPTION: &'static str = "Adds a row and answers with it, defaults and generated columns included.";
    const ANNOTATIONS: Annotations = Annotations::ADDS;
    const NEEDS: Needs = Needs::Write;

    fn call(self, _: &Round) -> ToolResult {
        let Self { table, record, upsert_on, idempotency_key, schema, database, transaction } = self;
        let create = Create { table, schema, database, upsert_on, transaction, partial: false, is_one: true };
        create.run(&[record], idempotency_key.as_deref())
    }
}

/// Arguments of `create_records`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct CreateRecords {
    table: String,
    /// At most 1,000.
    records: Vec<Fields>,
    upsert_on: Option<Vec<String>>,
    /// Keep what fits and report the rest; else all or nothing.
    #[serde(default)]
    partial: bool,
    idempotency_key: Option<String>,
    schema: Option<String>,
    #[serde(default)]
    database: String,
    transaction: Option<String>,
}

impl Tool for CreateRecords {
    const NAME: &'static str = "create_records";
    const TITLE: Option<&'static str> = Some("Create records");
    const DESCRIPTION: &'static str = "Adds rows in one transaction, as create_record does.";
    const ANNOTATIONS: Annotations = Annotations::ADDS;
    const NEEDS: Needs = Needs::Write;

    fn call(self, _: &Round) -> ToolResult {
        let Self { table, records, upsert_on, partial, idempotency_key, schema, database, transaction } = self;
        let create = Create { table, schema, database, upsert_on, transaction, partial, is_one: false };
        create.run(&records, idempotency_key.as_deref())
    }
}

/// What both have.
struct Create {
    table: String,
    schema: Option<String>,
    database: String,
    upsert_on: Option<Vec<String>>,
    transaction: Option<String>,
    partial: bool,
    is_one: bool,
}

impl Create {
    fn run(self, records: &[Fields], key: Option<&str>) -> ToolResult {
        if records.is_empty() || records.len() > RECORDS {
            return Err(ToolError::InvalidArguments(format!("`records` is to have 1 to {RECORDS} records, and has {}", records.len())));
        }
        if key.is_some() && self.transaction.is_some() {
            return Err(ToolError::InvalidArguments("`idempotency_key` is for a write by itself, not in a `transaction`".into()));
        }
        let text = format!("{:?}", (records, &self.schema, &self.database, &self.upsert_on, self.partial));
        let arguments = ["create", &self.table, &text];
        once(key, &arguments, || self.write(records))
    }

    fn write(&self, records: &[Fields]) -> ToolResult {
        let target = Target::find(self.database.clone(), self.schema.as_deref(), &self.table, self.transaction.as_deref())?;
        let conflict = self.conflict(&target)?;
        let mut written = Written::default();
        let (mut records_that_fit, mut problems) = (Vec::new(), Vec::new());
        for (index, fields) in records.iter().enumerate() {
            match target.record(fields, conflict.is_none()) {
                Ok(record) => records_that_fit.push((index, record)),
                Err(found) if self.partial => written.failed(index, "INVALID_ARGUMENTS", &found.join("; ")),
                Err(found) => problems.extend(found.into_iter().map(|problem| self.placed(index, &problem))),
            }
        }
        if !problems.is_empty() {
            return Err(refused(&problems));
        }
        let groups = grouped(&records_that_fit);
        if self.partial || !target.returns || groups.len() > STATEMENTS {
            self.one_by_one(&target, &records_that_fit, conflict.as_deref(), &mut written)?;
            return written.answer();
        }
        let batch: Vec<_> = groups.iter().map(|group| insert(&target, group, conflict.as_deref()).into_statement()).collect();
        match target.place.batch(&batch, None, None) {
            Ok(done) => {
                for execution in done {
                    written.add(execution.returned.as_ref().map_or(execution.affected, Rows::count), execution.returned.as_ref());
                }
            }
            // Nothing was written. One by one it is told which of them it was, or it succeeds after all.
            Err(failed) if is_of_record(&failed.error) => self.one_by_one(&target, &records_that_fit, conflict.as_deref(), &mut written)?,
            Err(failed) => return Err(failed.error.into()),
        }
        written.answer()
    }

    /// A problem with the place of its record before it.
    fn placed(&self, index: usize, problem: &str) -> String {
        if self.is_one { problem.to_owned() } else { format!("records[{index}]: {problem}") }
    }

    /// The columns by whose key a row is there already; those of a unique key, or of the primary one.
    fn conflict(&self, target: &Target) -> Result<Option<Vec<String>>, ToolError> {
        let Some(names) = self.upsert_on.as_ref().filter(|names| !names.is_empty()) else { return Ok(None) };
        let mut names: Vec<String> =
            names.iter().map(|name| Ok(target.source.column(name)?.name.clone())).collect::<Result<_, ToolError>>()?;
        names.sort_unstable();
        let table = &target.source.table;
        let unique = table.indexes.iter().filter(|index| index.unique && index.condition.is_none()).map(|index| &index.columns);
        let keys: Vec<Vec<String>> = std::iter::once(&table.primary_key)
            .chain(unique)
            .filter(|key| !key.is_empty())
            .map(|key| {
                let mut key = key.clone();
                key.sort_unstable();
                key
            })
            .collect();
        if !keys.contains(&names) {
            let keys: Vec<String> = keys.iter().map(|key| format!("[{}]", key.join(", "))).collect();
            return Err(ToolError::InvalidArguments(format!("`upsert_on` is to be a unique key; there are {}", keys.join(", "))));
        }
        Ok(Some(names))
    }

    /// Writes each record under a savepoint. What fails is told, or ends it all.
    fn one_by_one(
        &self,
        target: &Target,
        records: &[(usize, Record<'_>)],
        conflict: Option<&[String]>,
        written: &mut Written,
    ) -> Result<(), ToolError> {
        let own;
        let transaction = match target.place.transaction() {
            Some(transaction) => transaction,
            None => {
                own = Transaction::begin(target.place.database(), Transacted::read_write())?;
                &own
            }
        };
        transaction.savepoint(CALL)?;
        for (index, record) in records {
            transaction.savepoint(RECORD)?;
            let done = Target::execute_in(transaction, &insert(target, &[record], conflict)).and_then(|execution| {
                let returned = match execution.returned {
                    Some(rows) => Some(rows),
                    None => look(target, transaction, record)?,
                };
                Ok((execution.affected.min(1), returned))
            });
            match done {
                Ok((affected, returned)) => {
                    transaction.release(RECORD)?;
                    written.add(affected, returned.as_ref());
                }
                Err(error) => match self.goes_on(transaction, error)? {
                    ControlFlow::Continue(error) => written.failed(*index, written::code(&error), &error.failure().message),
                    ControlFlow::Break(error) => {
                        // All or nothing, in a transaction that goes on as well.
                        transaction.rollback_to(CALL)?;
                        transaction.release(CALL)?;
                        let at = self.placed(*index, "");
                        return Err(ToolError::Database(error.map_message(|message| format!("{at}{message}"))));
                    }
                },
            }
        }
        transaction.release(CALL)?;
        if target.place.transaction().is_none() {
            transaction.commit()?;
        }
        Ok(())
    }

    fn goes_on(&self, transaction: &Transaction, error: DatabaseError) -> Result<ControlFlow<DatabaseError, DatabaseError>, ToolError> {
        if !self.partial || !is_of_record(&error) {
            return Ok(ControlFlow::Break(error));
        }
        transaction.rollback_to(RECORD)?;
        transaction.release(RECORD)?;
        Ok(ControlFlow::Continue(error))
    }
}

/// Whether another record could have gone in.
fn is_of_record(error: &DatabaseError) -> bool {
    matches!(
        error,
        DatabaseError::Constraint(_) | DatabaseError::InvalidParameters(_) | DatabaseError::TooLarge(_) | DatabaseError::Failed(_)
    )
}

/// Records that go in with one statement each: neighbours with the same columns. A host gives so many row sets at once and no more.
fn grouped<'a, 'b>(records: &'a [(usize, Record<'b>)]) -> Vec<Vec<&'a Record<'b>>> {
    let together = records.len().div_ceil(STATEMENTS).max(1);
    let mut groups: Vec<Vec<&Record<'_>>> = Vec::new();
    for (_, record) in records {
        match groups.last_mut() {
            Some(group) if group.len() < together && group[0].has_columns_of(record) => group.push(record),
            _ => groups.push(vec![record]),
        }
    }
    groups
}

/// The statement of records that have the same columns.
fn insert(target: &Target, records: &[&Record<'_>], conflict: Option<&[String]>) -> Sql {
    let engine = target.source.engine;
    let record = records[0];
    let mut sql = Sql::new(engine, "insert into ");
    target.source.write_name(&mut sql);
    if record.fields.is_empty() {
        sql.push(if engine == Engine::Mysql { " () values ()" } else { " default values" });
    } else {
        sql.push(" (").list(&record.fields, ", ", |sql, (column, _)| {
            sql.name(&column.name);
        });
        sql.push(") values ").list(records, ", ", |sql, record| {
            sql.push("(").list(&record.fields, ", ", |sql, (_, value)| {
                sql.bind(value.clone());
            });
            sql.push(")");
        });
    }
    if let Some(key) = conflict {
        let changed: Vec<&str> =
            record.fields.iter().map(|(column, _)| column.name.as_str()).filter(|name| !key.iter().any(|of| of == name)).collect();
        // Something has to be set for the row to be given back: the key as it is.
        let changed = if changed.is_empty() { key.iter().map(String::as_str).collect() } else { changed };
        if engine == Engine::Mysql {
            sql.push(" on duplicate key update ").list(&changed, ", ", |sql, name| {
                sql.name(name).push(" = values(").name(name).push(")");
            });
        } else {
            sql.push(" on conflict (").list(key, ", ", |sql, name| {
                sql.name(name);
            });
            sql.push(") do update set ").list(&changed, ", ", |sql, name| {
                sql.name(name).push(" = excluded.").name(name);
            });
        }
    }
    if target.returns {
        sql.push(" returning *");
    }
    sql
}

/// The row of a record that was just written, where the engine did not give it back: by its key, or by the one that was generated.
fn look(target: &Target, transaction: &Transaction, record: &Record<'_>) -> Result<Option<Rows>, DatabaseError> {
    let key = &target.source.table.primary_key;
    let mut sql = Sql::new(target.source.engine, "select * from ");
    target.source.write_name(&mut sql);
    sql.push(" where ");
    for (index, name) in key.iter().enumerate() {
        sql.push(if index > 0 { " and " } else { "" }).name(name).push(" = ");
        let given = record.fields.iter().find(|(column, value)| column.name == *name && *value != Value::Null);
        match given {
            Some((_, value)) => sql.bind(value.clone()),
            None if key.len() == 1 => sql.push("last_insert_id()"),
            None => return Ok(None),
        };
    }
    if key.is_empty() {
        return Ok(None);
    }
    database_read::query_in(transaction, sql.text(), sql.values(), Options { timeout_ms: None, max_rows: Some(1), keep_rest: false })
        .map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_plugin::Content;
    use tidegate_plugin::Outcome;
    use tidegate_plugin::test::ResultRows;

    use super::*;
    use crate::sample;

    fn json_of(result: ToolResult) -> serde_json::Value {
        match result.ok().and_then(Outcome::complete).as_deref() {
            Some([Content::Json(text)]) => serde_json::from_str(text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_record_is_written_and_comes_back_as_it_is() {
        let sql = r#"insert into "public"."people" ("name", "version") values ($1, $2) returning *"#;
        let row = ResultRows::new(&["id", "name"], vec![vec![9_007_199_254_740_993_i64.into(), "Ada".into()]]);
        let host = sample::host(Engine::Postgres).affects(sql, 1, Some(row));
        let answer = json_of(host.call::<CreateRecord>(json!({ "table": "people", "record": { "name": "Ada", "version": 1 } })));
        assert_eq!(answer, json!({ "affected": 1, "columns": ["id", "name"], "rows": [["9007199254740993", "Ada"]] }));
    }

    #[test]
    fn what_does_not_fit_is_said_for_each_field_before_the_database_sees_it() {
        let host = sample::host(Engine::Postgres);
        let records = json!([{ "name": "Ada", "version": 1 }, { "name": 5, "age": "old", "nick": "x" }]);
        let error = host.call::<CreateRecords>(json!({ "table": "people", "records": records })).expect_err("it does not fit");
        let ToolError::InvalidArguments(text) = error else { panic!("{error:?}") };
        for part in
            ["records[1]: `name` is to be text, not `5`", "`age` is to be a whole number", "`nick` is no column", "`version` is missing"]
        {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(host.events().len(), 0, "{:?}", host.events());
    }

    #[test]
    fn an_upsert_is_by_a_unique_key() {
        let host = sample::host(Engine::Postgres);
        let call =
            |on: &str| host.call::<CreateRecord>(json!({ "table": "people", "record": { "id": 1, "name": "Ada" }, "upsert_on": [on] }));
        assert!(format!("{:?}", call("name").expect_err("no key")).contains("there are [id]"));
        let unknown = format!("{:?}", call("id").expect_err("the fake knows no such statement"));
        assert!(unknown.contains(r#"on conflict (\"id\") do update set \"name\" = excluded.\"name\" returning *"#), "{unknown}");
    }
}
