//! `execute_query`: one statement of any kind, through the import that its kind needs.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::DatabaseError;
use tidegate_plugin::Needs;
use tidegate_plugin::Parameter;
use tidegate_plugin::Round;
use tidegate_plugin::RowFormat;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolError;
use tidegate_plugin::ToolResult;
use tidegate_plugin::confirm;
use tidegate_plugin::confirm::Run;
use tidegate_plugin::database_read;
use tidegate_plugin::database_read::Inspection;
use tidegate_plugin::database_read::Options;
use tidegate_plugin::database_read::StatementKind;
use tidegate_plugin::database_write::Execution;
use tidegate_plugin::place::Place;

use crate::fetch_rows::FetchRows;

/// Arguments of `execute_query`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct ExecuteQuery {
    sql: String,
    #[serde(default)]
    params: Vec<Parameter>,
    #[serde(default)]
    database: String,
    limit: Option<u32>,
    format: Option<RowFormat>,
    timeout_ms: Option<u32>,
    transaction: Option<String>,
    /// Token of CONFIRMATION_REQUIRED, if the person agrees.
    confirm: Option<String>,
}

impl Tool for ExecuteQuery {
    const NAME: &'static str = "execute_query";
    const TITLE: Option<&'static str> = Some("Run a statement");
    const DESCRIPTION: &'static str = "Runs one statement that changes rows, schema or settings, and commits it unless in a transaction. \
        To read, use execute_select; for several changes, execute_batch.";
    const ANNOTATIONS: Annotations = Annotations::DESTRUCTIVE;
    const NEEDS: Needs = Needs::Write;

    fn call(self, round: &Round) -> ToolResult {
        let place = Place::find(self.database, self.transaction.as_deref())?;
        let inspection = database_read::inspect(place.database(), &self.sql)?;
        let format = self.format.unwrap_or_default();
        let parameters = Parameter::values(self.params);
        match inspection.kind {
            StatementKind::Read => {
                let options = Options { timeout_ms: self.timeout_ms, max_rows: self.limit, keep_rest: true };
                let rows = place.query(&self.sql, &parameters, options)?;
                Ok(Content::rows(rows, format, Some(FetchRows::NAME)).into())
            }
            StatementKind::Write => {
                let execute = |token: Option<&str>| place.execute(&self.sql, &parameters, self.timeout_ms, token);
                answer(confirm::run(round, self.confirm.as_deref(), execute)?, format)
            }
            StatementKind::Admin => {
                let execute = |token: Option<&str>| place.administer(&self.sql, &parameters, self.timeout_ms, token);
                answer(confirm::run(round, self.confirm.as_deref(), execute)?, format)
            }
            StatementKind::Transaction => Err(refusal(&inspection, "begins or ends a transaction, which no statement may")
                .with_hint("send the statements together to `execute_batch`, or use `begin_transaction` and `commit_transaction`")),
            StatementKind::Forbidden => Err(refusal(&inspection, "is a statement that the host runs for nobody")),
        }
    }
}

/// The count of changed rows. Where the statement returned rows, those are the answer and the count is a remark before them:
/// an answer has one structured part.
fn answer(run: Run<Execution, DatabaseError>, format: RowFormat) -> ToolResult {
    let execution = match run {
        Run::Ended(result) => result?,
        Run::Ask(questions) => return Ok(questions.into()),
    };
    let count = json!({ "affected": execution.affected });
    Ok(match execution.returned {
        Some(rows) => vec![Content::text(count.to_string()), Content::rows(rows, format, None)].into(),
        None => Content::json(&count)?.into(),
    })
}

fn refusal(inspection: &Inspection, why: &str) -> ToolError {
    ToolError::failed("STATEMENT_REFUSED", format!("`{}` {why}", inspection.verb))
}

#[cfg(test)]
mod tests {
    use tidegate_plugin::Outcome;
    use tidegate_plugin::catalog::Engine;
    use tidegate_plugin::catalog::Mode;
    use tidegate_plugin::test::Event;
    use tidegate_plugin::test::Host;
    use tidegate_plugin::test::ResultRows;

    use super::*;

    const INSERT: &str = "insert into t values (1) returning n";

    fn host() -> Host {
        Host::new()
            .database("main", Engine::Postgres, Mode::ReadWrite)
            .answers("select 1", ResultRows::new(&["1"], vec![vec![1.into()]]))
            .affects("update t set n = 2", 3, None)
            .affects(INSERT, 1, Some(ResultRows::new(&["n"], vec![vec![1.into()]])))
            .affects("create table t (n int)", 0, None)
    }

    fn contents(host: &Host, sql: &str) -> Vec<Content> {
        host.call::<ExecuteQuery>(json!({ "sql": sql })).ok().and_then(Outcome::complete).expect("it is complete")
    }

    #[test]
    fn a_statement_goes_through_the_import_of_its_kind() {
        let host = host();
        for sql in ["select 1", "update t set n = 2", "create table t (n int)"] {
            contents(&host, sql);
        }
        let imports: Vec<&str> = host
            .events()
            .iter()
            .map(|event| match event {
                Event::Query(_) => "read",
                Event::Execute(_) => "write",
                Event::Admin(_) => "admin",
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(imports, ["read", "write", "admin"]);
    }

    #[test]
    fn a_write_answers_with_its_count_and_the_rows_it_returned() {
        assert!(matches!(contents(&host(), "update t set n = 2").as_slice(), [Content::Json(count)] if count == r#"{"affected":3}"#));
        match contents(&host(), INSERT).as_slice() {
            [Content::Text(count), Content::Rows(output)] => {
                assert_eq!(count, r#"{"affected":1}"#);
                assert_eq!(output.rows.next(9), [[1.into()]]);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn transactions_and_forbidden_statements_are_refused_with_the_word_that_is_the_reason() {
        let begin = host().call::<ExecuteQuery>(json!({ "sql": "begin" }));
        let Err(ToolError::Failed(failure)) = begin else { panic!("{begin:?}") };
        assert_eq!((failure.code.as_str(), failure.retryable), ("STATEMENT_REFUSED", false));
        assert!(failure.message.contains("`BEGIN`") && failure.hint.is_some_and(|hint| hint.contains("execute_batch")));

        let copy = host().call::<ExecuteQuery>(json!({ "sql": "copy t to '/x'" }));
        assert!(matches!(copy, Err(ToolError::Failed(failure)) if failure.message.contains("`COPY`")));
    }
}
