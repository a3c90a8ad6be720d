//! `create_savepoint` and `rollback_to_savepoint`: places in a transaction to go back to.

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

/// Arguments of `create_savepoint`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct CreateSavepoint {
    transaction: String,
    name: String,
}

impl Tool for CreateSavepoint {
    const NAME: &'static str = "create_savepoint";
    const DESCRIPTION: &'static str = "Marks a place in a transaction to roll back to.";
    const ANNOTATIONS: Annotations = Annotations::ADDS;
    const NEEDS: Needs = Needs::Write;

    fn call(self, _: &Round) -> ToolResult {
        let transaction = Transaction::attach(&self.transaction)?;
        transaction.savepoint(&self.name)?;
        savepoints(&transaction)
    }
}

/// Arguments of `rollback_to_savepoint`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct RollbackToSavepoint {
    transaction: String,
    name: String,
}

impl Tool for RollbackToSavepoint {
    const NAME: &'static str = "rollback_to_savepoint";
    const DESCRIPTION: &'static str = "Undoes what a transaction did since a savepoint, which stays.";
    const ANNOTATIONS: Annotations = Annotations { idempotent: true, ..Annotations::ADDS };
    const NEEDS: Needs = Needs::Write;

    fn call(self, _: &Round) -> ToolResult {
        let transaction = Transaction::attach(&self.transaction)?;
        transaction.rollback_to(&self.name)?;
        savepoints(&transaction)
    }
}

/// The savepoints that there are now.
fn savepoints(transaction: &Transaction) -> ToolResult {
    Ok(Content::json(&json!({ "savepoints": transaction.describe()?.savepoints }))?.into())
}
