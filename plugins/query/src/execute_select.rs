//! `execute_select`: one reading statement, its rows handed on.

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Parameter;
use tidegate_plugin::Round;
use tidegate_plugin::RowFormat;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolResult;
use tidegate_plugin::database_read::Options;
use tidegate_plugin::place::Place;

use crate::fetch_rows::FetchRows;

/// Arguments of `execute_select`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct ExecuteSelect {
    sql: String,
    /// Values of the placeholders.
    #[serde(default)]
    params: Vec<Parameter>,
    /// Which, when there are several.
    #[serde(default)]
    database: String,
    /// Most rows to return.
    limit: Option<u32>,
    format: Option<RowFormat>,
    timeout_ms: Option<u32>,
    /// From begin_transaction.
    transaction: Option<String>,
}

impl Tool for ExecuteSelect {
    const NAME: &'static str = "execute_select";
    const TITLE: Option<&'static str> = Some("Read rows");
    const DESCRIPTION: &'static str = "Runs one statement that reads: SELECT, WITH, VALUES, SHOW. Get names from list_tables and describe_table first. \
        Placeholders: $1, $2 in PostgreSQL, ? elsewhere. A cut answer names the call that continues.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let options = Options { timeout_ms: self.timeout_ms, max_rows: self.limit, keep_rest: true };
        let place = Place::find(self.database, self.transaction.as_deref())?;
        let rows = place.query(&self.sql, &Parameter::values(self.params), options)?;
        Ok(Content::rows(rows, self.format.unwrap_or_default(), Some(FetchRows::NAME)).into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_plugin::Outcome;
    use tidegate_plugin::ToolError;
    use tidegate_plugin::catalog::Engine;
    use tidegate_plugin::catalog::Mode;
    use tidegate_plugin::test::Event;
    use tidegate_plugin::test::Host;
    use tidegate_plugin::test::Ran;
    use tidegate_plugin::test::ResultRows;

    use super::*;

    fn host() -> Host {
        let rows = (1..=3).map(|number: i64| vec![number.into()]).collect();
        Host::new().database("main", Engine::Sqlite, Mode::ReadOnly).answers("select n from t", ResultRows::new(&["n"], rows))
    }

    #[test]
    fn rows_are_handed_on_with_the_tool_that_continues() {
        let outcome = host().call::<ExecuteSelect>(json!({ "sql": "select n from t", "limit": 2, "format": "tsv" }));
        let contents = outcome.ok().and_then(Outcome::complete).expect("it is complete");
        let [Content::Rows(output)] = contents.as_slice() else { panic!("{contents:?}") };
        assert_eq!(output.rows.next(10), [[1.into()], [2.into()]]);
        assert!(output.rows.truncated());
        assert!(output.rows.cursor().is_some());
        assert_eq!((output.format, output.next_tool.as_deref()), (RowFormat::Tsv, Some("fetch_rows")));
    }

    #[test]
    fn parameters_and_limits_reach_the_host() {
        let host = host();
        let arguments = json!({ "sql": "select n from t", "params": [1, "a", null, 0.5, [1]], "database": "main", "timeout_ms": 500 });
        host.call::<ExecuteSelect>(arguments).expect("it runs");
        let parameters = vec![1.into(), "a".into(), tidegate_plugin::Value::Null, 0.5.into(), tidegate_plugin::Value::Json("[1]".into())];
        assert_eq!(
            host.events(),
            [Event::Query(Ran {
                database: "main".into(),
                sql: "select n from t".into(),
                parameters,
                timeout_ms: Some(500),
                transaction: None
            })]
        );
    }

    #[test]
    fn what_the_host_refuses_reaches_the_model_as_it_is() {
        let refused = host().call::<ExecuteSelect>(json!({ "sql": "delete from t" }));
        assert!(matches!(refused, Err(ToolError::Database(tidegate_plugin::DatabaseError::ReadOnly(_)))));
    }
}
