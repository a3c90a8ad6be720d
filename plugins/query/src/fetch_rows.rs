//! `fetch_rows`: the rows after those of an earlier answer.

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::RowFormat;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolResult;
use tidegate_plugin::database_read;

/// Arguments of `fetch_rows`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct FetchRows {
    /// From the cut answer.
    cursor: String,
    limit: Option<u32>,
    format: Option<RowFormat>,
}

impl Tool for FetchRows {
    const NAME: &'static str = "fetch_rows";
    const TITLE: Option<&'static str> = Some("Read more rows");
    const DESCRIPTION: &'static str = "Returns the next rows of a cut answer.";
    // Each call moves on: the same cursor does not give the same rows twice.
    const ANNOTATIONS: Annotations = Annotations { idempotent: false, ..Annotations::READ_ONLY };
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let rows = database_read::fetch(&self.cursor, self.limit)?;
        Ok(Content::rows(rows, self.format.unwrap_or_default(), Some(Self::NAME)).into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_plugin::DatabaseError;
    use tidegate_plugin::Outcome;
    use tidegate_plugin::Rows;
    use tidegate_plugin::ToolError;
    use tidegate_plugin::catalog::Engine;
    use tidegate_plugin::catalog::Mode;
    use tidegate_plugin::test::Host;
    use tidegate_plugin::test::ResultRows;

    use super::*;
    use crate::execute_select::ExecuteSelect;

    fn rows(result: ToolResult) -> Rows {
        match result.ok().and_then(Outcome::complete).and_then(|mut contents| contents.pop()) {
            Some(Content::Rows(output)) => output.rows,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_cut_answer_is_continued_to_its_end() {
        let numbers = (1..=5).map(|number: i64| vec![number.into()]).collect();
        let host =
            Host::new().database("main", Engine::Sqlite, Mode::ReadOnly).answers("select n from t", ResultRows::new(&["n"], numbers));

        let first = rows(host.call::<ExecuteSelect>(json!({ "sql": "select n from t", "limit": 2 })));
        let second = rows(host.call::<FetchRows>(json!({ "cursor": first.cursor(), "limit": 2 })));
        let third = rows(host.call::<FetchRows>(json!({ "cursor": second.cursor() })));

        assert_eq!(first.next(9), [[1.into()], [2.into()]]);
        assert_eq!(second.next(9), [[3.into()], [4.into()]]);
        assert_eq!(third.next(9), [[5.into()]]);
        assert_eq!((third.truncated(), third.cursor()), (false, None));
    }

    #[test]
    fn an_unknown_cursor_is_the_database_s_error() {
        let host = Host::new().database("main", Engine::Sqlite, Mode::ReadOnly);
        let failed = host.call::<FetchRows>(json!({ "cursor": "nothing" }));
        assert!(matches!(failed, Err(ToolError::Database(DatabaseError::UnknownCursor(_)))));
    }
}
