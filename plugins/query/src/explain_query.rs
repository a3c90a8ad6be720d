//! `explain_query`: how the engine would run a statement.

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

/// Arguments of `explain_query`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct ExplainQuery {
    /// Without EXPLAIN.
    sql: String,
    #[serde(default)]
    params: Vec<Parameter>,
    #[serde(default)]
    database: String,
    /// Run and measure it.
    analyze: Option<bool>,
    format: Option<RowFormat>,
    timeout_ms: Option<u32>,
    transaction: Option<String>,
}

impl Tool for ExplainQuery {
    const NAME: &'static str = "explain_query";
    const TITLE: Option<&'static str> = Some("Explain a statement");
    const DESCRIPTION: &'static str = "Shows the plan of a statement without running it.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let options = Options { timeout_ms: self.timeout_ms, ..Options::default() };
        let parameters = Parameter::values(self.params);
        let place = Place::find(self.database, self.transaction.as_deref())?;
        let rows = place.explain(&self.sql, &parameters, self.analyze.unwrap_or(false), options)?;
        Ok(Content::rows(rows, self.format.unwrap_or_default(), None).into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_plugin::catalog::Engine;
    use tidegate_plugin::catalog::Mode;
    use tidegate_plugin::test::Event;
    use tidegate_plugin::test::Host;
    use tidegate_plugin::test::ResultRows;

    use super::*;

    #[test]
    fn a_statement_is_run_only_when_that_is_asked_for() {
        let plan = ResultRows::new(&["detail"], vec![vec!["SCAN t".into()]]);
        let host = Host::new().database("main", Engine::Sqlite, Mode::ReadOnly).answers("delete from t", plan);
        host.call::<ExplainQuery>(json!({ "sql": "delete from t" })).expect("it explains");
        host.call::<ExplainQuery>(json!({ "sql": "delete from t", "analyze": true })).expect("the fake explains");
        let ran: Vec<bool> =
            host.events().iter().filter_map(|event| if let Event::Explain(_, ran) = event { Some(*ran) } else { None }).collect();
        assert_eq!(ran, [false, true]);
    }
}
