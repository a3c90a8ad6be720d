//! `clear_cache`: forgets kept rows, by table, by pattern, or all of them.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolError;
use tidegate_plugin::ToolResult;
use tidegate_plugin::cache;
use tidegate_plugin::cache::Selection;
use tidegate_plugin::cache::Table;

/// Arguments of `clear_cache`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct ClearCache {
    /// Only what was read from this table.
    table: Option<String>,
    /// Where the table is; not with `pattern` or `all`, which are about every database.
    database: Option<String>,
    /// Only statements like this; * is any text.
    pattern: Option<String>,
    /// Everything.
    #[serde(default)]
    all: bool,
}

impl Tool for ClearCache {
    const NAME: &'static str = "clear_cache";
    const TITLE: Option<&'static str> = Some("Clear the cache");
    const DESCRIPTION: &'static str = "Forgets kept results, so that the next read asks the database: give table, pattern or all. \
        Only needed when data was changed outside of this server.";
    const ANNOTATIONS: Annotations = Annotations { read_only: true, destructive: false, idempotent: true, open_world: false };
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let selection = match (self.table, self.pattern, self.all) {
            (Some(name), None, false) => Selection::Table(Table { database: self.database.unwrap_or_default(), name }),
            _ if self.database.is_some() => {
                return Err(ToolError::InvalidArguments("`database` goes with `table` and with nothing else".to_owned()));
            }
            (None, Some(pattern), false) => Selection::Pattern(pattern),
            (None, None, true) => Selection::All,
            _ => return Err(ToolError::InvalidArguments("give one of `table`, `pattern` and `all`".to_owned())),
        };
        let cleared = cache::clear(&selection);
        Ok(Content::json(&json!({ "cleared": cleared }))?.into())
    }
}

#[cfg(test)]
mod tests {
    use tidegate_plugin::test::Event;
    use tidegate_plugin::test::Host;

    use super::*;

    #[test]
    fn one_selection_at_a_time_reaches_the_host() {
        let host = Host::new();
        assert!(host.call::<ClearCache>(json!({ "table": "orders", "database": "shop" })).is_ok());
        assert!(host.call::<ClearCache>(json!({ "pattern": "*orders*" })).is_ok());
        assert!(host.call::<ClearCache>(json!({ "all": true })).is_ok());
        for wrong in [json!({}), json!({ "table": "orders", "all": true }), json!({ "all": true, "database": "shop" })] {
            assert!(matches!(host.call::<ClearCache>(wrong), Err(ToolError::InvalidArguments(_))));
        }
        let table = Selection::Table(Table { database: "shop".to_owned(), name: "orders".to_owned() });
        let cleared = [table, Selection::Pattern("*orders*".to_owned()), Selection::All].map(Event::CacheClear);
        assert_eq!(host.events(), cleared);
    }
}
