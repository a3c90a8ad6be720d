//! `execute_batch`: several changes in one transaction.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::DatabaseError;
use tidegate_plugin::Needs;
use tidegate_plugin::Parameter;
use tidegate_plugin::Round;
use tidegate_plugin::Rows;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolError;
use tidegate_plugin::ToolResult;
use tidegate_plugin::confirm;
use tidegate_plugin::confirm::Run;
use tidegate_plugin::database_read;
use tidegate_plugin::database_read::StatementKind;
use tidegate_plugin::database_write::BatchError;
use tidegate_plugin::database_write::Execution;
use tidegate_plugin::database_write::Statement;
use tidegate_plugin::place::Place;

/// All statements together return at most this many rows; what is over is marked as cut.
const MAX_ROWS: usize = 1_000;
/// All statements together return at most this much JSON for rows, in bytes.
const MAX_BYTES: usize = 96 * 1024;
/// Rows taken from the host at a time.
const PAGE: u32 = 100;

/// Arguments of `execute_batch`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct ExecuteBatch {
    statements: Vec<Step>,
    #[serde(default)]
    database: String,
    timeout_ms: Option<u32>,
    transaction: Option<String>,
    confirm: Option<String>,
}

// No doc comment: it would become a description.
#[derive(Deserialize, JsonSchema)]
struct Step {
    sql: String,
    #[serde(default)]
    params: Vec<Parameter>,
}

/// What a batch did.
#[derive(Serialize)]
struct Done {
    results: Vec<StepDone>,
}

/// What one statement did.
#[derive(Serialize)]
struct StepDone {
    affected: u64,
    #[serde(flatten)]
    returned: Option<Returned>,
}

/// The rows that a statement returned.
#[derive(Serialize)]
struct Returned {
    columns: Vec<String>,
    rows: Vec<Vec<serde_json::Value>>,
    truncated: bool,
}

impl Tool for ExecuteBatch {
    const NAME: &'static str = "execute_batch";
    const TITLE: Option<&'static str> = Some("Run statements together");
    const DESCRIPTION: &'static str = "Runs up to 1,000 statements that change rows (not schema) together: all take effect or none does.";
    const ANNOTATIONS: Annotations = Annotations::DESTRUCTIVE;
    const NEEDS: Needs = Needs::Write;

    fn call(self, round: &Round) -> ToolResult {
        if self.statements.is_empty() {
            return Err(ToolError::InvalidArguments("`statements` is empty; give at least one".to_owned()));
        }
        let statements = self.statements.into_iter().map(|step| Statement { sql: step.sql, parameters: Parameter::values(step.params) });
        let statements: Vec<Statement> = statements.collect();
        let place = Place::find(self.database, self.transaction.as_deref())?;
        let batch = |token: Option<&str>| place.batch(&statements, self.timeout_ms, token);
        match confirm::run(round, self.confirm.as_deref(), batch)? {
            Run::Ended(Ok(executions)) => Ok(Content::json(&done(executions))?.into()),
            Run::Ended(Err(error)) => Err(failed(place.database(), &statements, error)),
            Run::Ask(questions) => Ok(questions.into()),
        }
    }
}

/// Says which statement failed. One that no batch can run gets a better next step than the host, which does not know of
/// the other tool, can give.
fn failed(database: &str, statements: &[Statement], failure: BatchError) -> ToolError {
    let BatchError { index, error } = failure;
    // A hook may hold back the answer of what has taken effect; its message says so.
    let none = if matches!(error, DatabaseError::HookRefused(_)) { "" } else { ", none took effect" };
    let place = format!("statement {} of {} failed{none}", index + 1, statements.len());
    let failed = usize::try_from(index).ok().and_then(|index| statements.get(index));
    let kind = failed.and_then(|statement| database_read::inspect(database, &statement.sql).ok()).map(|inspection| inspection.kind);
    let refused = |why: &str, hint: &str| ToolError::failed("STATEMENT_REFUSED", format!("{place}: {why}")).with_hint(hint);
    match kind {
        Some(StatementKind::Admin) => refused(
            "it changes schema or settings, and a batch only rows",
            "run it alone with `execute_query`, where the database allows it",
        ),
        Some(StatementKind::Transaction) => refused("a batch is one transaction already", "leave out BEGIN, COMMIT and their like"),
        Some(StatementKind::Read | StatementKind::Write | StatementKind::Forbidden) | None => {
            ToolError::Database(error.map_message(|message| format!("{place}: {message}")))
        }
    }
}

fn done(executions: Vec<Execution>) -> Done {
    let mut budget = Budget { rows: MAX_ROWS, bytes: MAX_BYTES };
    let results = executions
        .into_iter()
        .map(|execution| StepDone { affected: execution.affected, returned: execution.returned.map(|rows| budget.take(&rows)) });
    Done { results: results.collect() }
}

/// What the rows of a batch may still cost.
struct Budget {
    rows: usize,
    bytes: usize,
}

impl Budget {
    /// Reads rows until they end or the budget does.
    fn take(&mut self, source: &Rows) -> Returned {
        let columns = source.columns().into_iter().map(|column| column.name).collect();
        let mut returned = Returned { columns, rows: Vec::new(), truncated: source.truncated() };
        loop {
            let page = source.next(PAGE);
            if page.is_empty() {
                return returned;
            }
            for row in page {
                let row: Vec<serde_json::Value> = row.iter().map(tidegate_plugin::Value::to_json).collect();
                let bytes = serde_json::to_string(&row).map_or(0, |text| text.len());
                if self.rows == 0 || self.bytes < bytes {
                    returned.truncated = true;
                    return returned;
                }
                self.rows -= 1;
                self.bytes -= bytes;
                returned.rows.push(row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_plugin::DatabaseError;
    use tidegate_plugin::Failure;
    use tidegate_plugin::Outcome;
    use tidegate_plugin::catalog::Engine;
    use tidegate_plugin::catalog::Mode;
    use tidegate_plugin::test::Host;
    use tidegate_plugin::test::ResultRows;

    use super::*;

    fn host(returned: Vec<Vec<tidegate_plugin::Value>>) -> Host {
        Host::new()
            .database("main", Engine::Sqlite, Mode::ReadWrite)
            .affects("insert into t values (?)", 1, None)
            .affects("delete from t returning n", 2, Some(ResultRows::new(&["n"], returned)))
            .fails("insert into u values (1)", DatabaseError::Constraint(Failure::new("duplicate key")))
    }

    fn run(host: &Host, statements: &serde_json::Value) -> serde_json::Value {
        let outcome = host.call::<ExecuteBatch>(json!({ "statements": statements }));
        match outcome.ok().and_then(Outcome::complete).and_then(|mut contents| contents.pop()) {
            Some(Content::Json(text)) => serde_json::from_str(&text).expect("it is JSON"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_statement_answers_with_its_count_and_its_rows() {
        let host = host(vec![vec![7.into()], vec![8.into()]]);
        let statements = json!([{ "sql": "insert into t values (?)", "params": [7] }, { "sql": "delete from t returning n" }]);
        assert_eq!(
            run(&host, &statements),
            json!({ "results": [{ "affected": 1 }, { "affected": 2, "columns": ["n"], "rows": [[7], [8]], "truncated": false }] })
        );
    }

    #[test]
    fn rows_over_the_budget_are_left_out_and_that_is_said() {
        let many = (0..1_500).map(|number: i64| vec![number.into()]).collect();
        let answer = run(&host(many), &json!([{ "sql": "delete from t returning n" }]));
        assert_eq!(answer["results"][0]["rows"].as_array().map(Vec::len), Some(1_000));
        assert_eq!(answer["results"][0]["truncated"], true);

        let long = (0..3).map(|_| vec!["x".repeat(60 * 1024).into()]).collect();
        let answer = run(&host(long), &json!([{ "sql": "delete from t returning n" }]));
        assert_eq!(answer["results"][0]["rows"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn an_error_says_which_statement_failed_and_keeps_its_kind() {
        let statements = json!([{ "sql": "insert into t values (?)", "params": [7] }, { "sql": "insert into u values (1)" }]);
        let failed = host(Vec::new()).call::<ExecuteBatch>(json!({ "statements": statements }));
        let Err(ToolError::Database(DatabaseError::Constraint(failure))) = failed else { panic!("{failed:?}") };
        assert_eq!(failure.message, "statement 2 of 2 failed, none took effect: duplicate key");
    }

    #[test]
    fn a_statement_that_no_batch_can_run_says_where_it_belongs() {
        let refused = |sql: &str| {
            let host = host(Vec::new()).fails(sql, DatabaseError::ReadOnly(Failure::new("not here")));
            match host.call::<ExecuteBatch>(json!({ "statements": [{ "sql": sql }] })) {
                Err(ToolError::Failed(failure)) => (failure.code, failure.hint.expect("it has a next step")),
                other => panic!("{other:?}"),
            }
        };
        let (code, hint) = refused("drop table t");
        assert!(code == "STATEMENT_REFUSED" && hint.contains("execute_query"), "{code} {hint}");
        let (code, hint) = refused("begin");
        assert!(code == "STATEMENT_REFUSED" && hint.contains("leave out BEGIN"), "{code} {hint}");
    }

    #[test]
    fn an_empty_batch_is_a_mistake() {
        assert!(matches!(host(Vec::new()).call::<ExecuteBatch>(json!({ "statements": [] })), Err(ToolError::InvalidArguments(_))));
    }
}
