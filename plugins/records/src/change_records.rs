//! `update_records` and `delete_records`: rows that a filter names are changed or go.

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolError;
use tidegate_plugin::ToolResult;
use tidegate_plugin::confirm;
use tidegate_plugin::confirm::Run;

use crate::json::Fields;
use crate::once::once;
use crate::sql::Sql;
use crate::target::Target;
use crate::target::refused;
use crate::written::Written;

/// Arguments of `update_records`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct UpdateRecords {
    table: String,
    filter: Option<Fields>,
    /// New values by column.
    set: Fields,
    /// Only rows that still have these values, for example {"version": 3}.
    expect: Option<Fields>,
    /// Without a filter: true, to mean every row.
    #[serde(default)]
    all_rows: bool,
    idempotency_key: Option<String>,
    schema: Option<String>,
    #[serde(default)]
    database: String,
    transaction: Option<String>,
    /// Token of CONFIRMATION_REQUIRED, if the person agrees.
    confirm: Option<String>,
}

impl Tool for UpdateRecords {
    const NAME: &'static str = "update_records";
    const TITLE: Option<&'static str> = Some("Change records");
    const DESCRIPTION: &'static str =
        "Changes the rows that fit a filter (as in filtered_search) and answers with them. Many rows are asked about first.";
    const ANNOTATIONS: Annotations = Annotations::DESTRUCTIVE;
    const NEEDS: Needs = Needs::Write;

    fn call(self, round: &Round) -> ToolResult {
        let Self { table, filter, set, expect, all_rows, idempotency_key, schema, database, transaction, confirm } = self;
        if set.0.is_empty() {
            return Err(ToolError::InvalidArguments("`set` is empty".into()));
        }
        let change = Change { table, filter, expect, all_rows, schema, database, transaction };
        change.run(round, Some(&set), confirm.as_deref(), idempotency_key.as_deref())
    }
}

/// Arguments of `delete_records`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct DeleteRecords {
    table: String,
    filter: Option<Fields>,
    expect: Option<Fields>,
    #[serde(default)]
    all_rows: bool,
    idempotency_key: Option<String>,
    schema: Option<String>,
    #[serde(default)]
    database: String,
    transaction: Option<String>,
    confirm: Option<String>,
}

impl Tool for DeleteRecords {
    const NAME: &'static str = "delete_records";
    const TITLE: Option<&'static str> = Some("Delete records");
    const DESCRIPTION: &'static str = "Deletes the rows that fit a filter and answers with them; arguments as of update_records.";
    const ANNOTATIONS: Annotations = Annotations::DESTRUCTIVE;
    const NEEDS: Needs = Needs::Write;

    fn call(self, round: &Round) -> ToolResult {
        let Self { table, filter, expect, all_rows, idempotency_key, schema, database, transaction, confirm } = self;
        let change = Change { table, filter, expect, all_rows, schema, database, transaction };
        change.run(round, None, confirm.as_deref(), idempotency_key.as_deref())
    }
}

/// What both have.
struct Change {
    table: String,
    filter: Option<Fields>,
    expect: Option<Fields>,
    all_rows: bool,
    schema: Option<String>,
    database: String,
    transaction: Option<String>,
}

impl Change {
    /// Changes the rows, or deletes them when there is nothing to set.
    fn run(self, round: &Round, set: Option<&Fields>, confirm: Option<&str>, key: Option<&str>) -> ToolResult {
        let has_filter = self.filter.as_ref().is_some_and(|filter| !filter.0.is_empty());
        match (has_filter, self.all_rows) {
            (false, false) => {
                return Err(ToolError::InvalidArguments(
                    "`filter` is missing; to mean every row of the table, say so with `all_rows`: true, and the person is asked".into(),
                ));
            }
            (true, true) => return Err(ToolError::InvalidArguments("`filter` and `all_rows` contradict each other".into())),
            _ => {}
        }
        if key.is_some() && self.transaction.is_some() {
            return Err(ToolError::InvalidArguments("`idempotency_key` is for a write by itself, not in a `transaction`".into()));
        }
        let text = format!("{:?}", (&self.filter, &self.expect, set, &self.schema, &self.database));
        let arguments = [if set.is_some() { "update" } else { "delete" }, self.table.as_str(), &text];
        once(key, &arguments, || self.write(round, set, confirm))
    }

    fn write(&self, round: &Round, set: Option<&Fields>, confirm: Option<&str>) -> ToolResult {
        let target = Target::find(self.database.clone(), self.schema.as_deref(), &self.table, self.transaction.as_deref())?;
        let nothing = Fields::default();
        let (filter, expect) = (self.filter.as_ref().unwrap_or(&nothing), self.expect.as_ref().unwrap_or(&nothing));
        let mut sql = Sql::new(target.source.engine, if set.is_some() { "update " } else { "delete from " });
        target.source.write_name(&mut sql);
        if let Some(set) = set {
            let record = target.record(set, false).map_err(|problems| refused(&problems))?;
            sql.push(" set ").list(&record.fields, ", ", |sql, (column, value)| {
                sql.name(&column.name).push(" = ").bind(value.clone());
            });
        }
        target.write_condition(&mut sql, filter, expect)?;
        let returns = if set.is_some() { target.returns_updates } else { target.returns };
        if returns {
            sql.push(" returning *");
        }
        // What the engine does not give back is looked up: rows that go before they go, changed ones by their keys afterwards.
        let keys = if returns { None } else { target.keys(filter, expect)? };
        let before = match (&keys, set) {
            (Some(keys), None) => target.rows_of(keys)?,
            _ => None,
        };
        let ran = confirm::run(round, confirm, |token| target.place.execute(sql.text(), sql.values(), None, token))?;
        let execution = match ran {
            Run::Ended(result) => result?,
            Run::Ask(questions) => return Ok(questions.into()),
        };
        if execution.affected == 0 && !expect.0.is_empty() && target.has_row(filter)? {
            let conflict = ToolError::failed("VERSION_CONFLICT", "there is such a row, and it no longer has what `expect` says");
            return Err(conflict.with_hint("read it again, and decide on what it is now"));
        }
        let after = match (&keys, set) {
            (Some(keys), Some(_)) => target.rows_of(keys)?,
            _ => None,
        };
        let mut written = Written::default();
        written.add(execution.affected, execution.returned.as_ref().or(after.as_ref()).or(before.as_ref()));
        written.answer()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_plugin::Content;
    use tidegate_plugin::Outcome;
    use tidegate_plugin::catalog::Engine;
    use tidegate_plugin::test::ResultRows;

    use super::*;
    use crate::sample;

    #[test]
    fn rows_of_a_filter_are_changed_and_come_back() {
        let sql = r#"update "public"."people" set "city" = $1 where ("id" = $2) and ("version" = $3) returning *"#;
        let row = ResultRows::new(&["id", "city"], vec![vec![1.into(), "Ulm".into()]]);
        let host = sample::host(Engine::Postgres).affects(sql, 1, Some(row));
        let arguments = json!({ "table": "people", "filter": { "id": 1 }, "set": { "city": "Ulm" }, "expect": { "version": 3 } });
        let answer = host.call::<UpdateRecords>(arguments).ok().and_then(Outcome::complete).expect("it is complete");
        let [Content::Json(text)] = answer.as_slice() else { panic!("{answer:?}") };
        assert_eq!(text, r#"{"affected":1,"columns":["id","city"],"rows":[[1,"Ulm"]]}"#);
    }

    #[test]
    fn a_row_that_somebody_changed_is_a_conflict() {
        let sql = r#"delete from "public"."people" where ("id" = $1) and ("version" = $2) returning *"#;
        let look = r#"select 1 from "public"."people" where ("id" = $1) limit 1"#;
        let host = sample::host(Engine::Postgres)
            .affects(sql, 0, Some(ResultRows::new(&["id"], vec![])))
            .answers(look, ResultRows::new(&["1"], vec![vec![1.into()]]));
        let arguments = json!({ "table": "people", "filter": { "id": 1 }, "expect": { "version": 3 } });
        let error = host.call::<DeleteRecords>(arguments).expect_err("it is another one now");
        assert!(format!("{error:?}").contains("VERSION_CONFLICT"));
    }

    #[test]
    fn every_row_is_meant_only_in_so_many_words() {
        let host = sample::host(Engine::Postgres);
        for arguments in [json!({ "table": "people" }), json!({ "table": "people", "filter": {} })] {
            let error = host.call::<DeleteRecords>(arguments).expect_err("every row");
            assert!(format!("{error:?}").contains("all_rows"));
        }
        assert!(host.events().is_empty());
    }
}
