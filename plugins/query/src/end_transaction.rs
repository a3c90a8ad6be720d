//! `commit_transaction` and `rollback_transaction`: the two ends of a transaction.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolResult;
use tidegate_plugin::transaction::Transaction;

/// Arguments of `commit_transaction`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct CommitTransaction {
    transaction: String,
}

impl Tool for CommitTransaction {
    const NAME: &'static str = "commit_transaction";
    const DESCRIPTION: &'static str = "Makes all changes of a transaction permanent and ends it.";
    const ANNOTATIONS: Annotations = Annotations::ADDS;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        Transaction::attach(&self.transaction)?.commit()?;
        Ok(Content::json(&json!({ "committed": true }))?.into())
    }
}

/// Arguments of `rollback_transaction`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct RollbackTransaction {
    transaction: String,
}

impl Tool for RollbackTransaction {
    const NAME: &'static str = "rollback_transaction";
    const DESCRIPTION: &'static str = "Undoes all changes of a transaction and ends it.";
    const ANNOTATIONS: Annotations = Annotations::ADDS;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        Transaction::attach(&self.transaction)?.rollback()?;
        Ok(Content::json(&json!({ "rolled_back": true }))?.into())
    }
}
