//! A guest that is installed: it reads, changes and announces when it is told to. Tests make other editions of it by changing the
//! letter in a description.

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::RowFormat;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolResult;
use tidegate_plugin::changes;
use tidegate_plugin::database_read;
use tidegate_plugin::database_read::Options;
use tidegate_plugin::database_write;

/// Arguments of `ask`.
#[derive(Deserialize, JsonSchema)]
pub struct Ask {
    /// What to read.
    sql: String,
}

impl Tool for Ask {
    const NAME: &'static str = "ask";
    const DESCRIPTION: &'static str = "Reads what it is told to. Edition A.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Nothing;

    fn call(self, _: &Round) -> ToolResult {
        let rows = database_read::query("main", &self.sql, &[], Options::default())?;
        Ok(Content::rows(rows, RowFormat::default(), None).into())
    }
}

/// Arguments of `change`.
#[derive(Deserialize, JsonSchema)]
pub struct Change {
    /// What to run.
    sql: String,
}

impl Tool for Change {
    const NAME: &'static str = "change";
    const DESCRIPTION: &'static str = "Changes what it is told to.";
    const ANNOTATIONS: Annotations = Annotations { read_only: false, destructive: true, idempotent: false, open_world: false };
    const NEEDS: Needs = Needs::Nothing;

    fn call(self, _: &Round) -> ToolResult {
        let done = database_write::execute("main", &self.sql, &[], None, None)?;
        Ok(Content::json(&serde_json::json!({ "affected": done.affected }))?.into())
    }
}

/// Arguments of `announce`.
#[derive(Deserialize, JsonSchema)]
pub struct Announce {}

impl Tool for Announce {
    const NAME: &'static str = "announce";
    const DESCRIPTION: &'static str = "Says that its tools changed.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Nothing;

    fn call(self, _: &Round) -> ToolResult {
        changes::tools_changed();
        Ok(Content::json(&serde_json::json!({ "announced": true }))?.into())
    }
}

tidegate_plugin::export!(tools: [Ask, Change, Announce]);
