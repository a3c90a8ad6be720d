//! A guest that reads people and asks for something of everything that a cassette holds.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::RowFormat;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolResult;
use tidegate_plugin::database_read::Options;
use tidegate_plugin::database_read::query;
use tidegate_plugin::database_read::query_in;
use tidegate_plugin::secret;
use tidegate_plugin::settings;
use tidegate_plugin::storage;
use tidegate_plugin::storage::Scope;
use tidegate_plugin::transaction;
use tidegate_plugin::transaction::Transaction;

/// The arguments of `read`.
#[derive(Deserialize, JsonSchema)]
pub struct Read {
    /// A statement.
    sql: String,
}

impl Tool for Read {
    const NAME: &'static str = "read";
    const DESCRIPTION: &'static str = "Runs a statement.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        Ok(Content::rows(query("", &self.sql, &[], Options::default())?, RowFormat::Auto, None).into())
    }
}

/// `note` has no arguments.
#[derive(Deserialize, JsonSchema)]
pub struct Note {}

impl Tool for Note {
    const NAME: &'static str = "note";
    const DESCRIPTION: &'static str = "Reads twice in one transaction, and keeps when.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let transaction = Transaction::begin("", transaction::Options::read_only())?;
        let people = query_in(&transaction, "select id from people order by id limit 2", &[], Options::default())?;
        let again = query_in(&transaction, "select count(*) from people", &[], Options::default())?;
        transaction.commit()?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map(|now| now.as_nanos()).unwrap_or_default();
        let random = RandomState::new().hash_one(now);
        let key = secret::find("key").map(|key| key.reveal()).unwrap_or_default();
        let before = storage::get(Scope::Caller, "last")?.map(|entry| entry.version);
        storage::set(Scope::Caller, "last", format!("{now} {key}").as_bytes())?;
        let style = settings::text("style");
        Ok(Content::text(format!("{:?} {:?} {now} {random} {before:?} {key} {style:?}", people.next(9), again.next(9))).into())
    }
}

tidegate_plugin::export!(tools: [Read, Note]);
