//! `begin_transaction`: a transaction for later calls.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::DatabaseError;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolResult;
use tidegate_plugin::transaction;
use tidegate_plugin::transaction::Options;
use tidegate_plugin::transaction::Transaction;

/// Arguments of `begin_transaction`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct BeginTransaction {
    #[serde(default)]
    database: String,
    isolation: Option<Isolation>,
    access: Option<Access>,
    deferrable: Option<bool>,
}

// No doc comments on these: they would become descriptions.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Isolation {
    ReadCommitted,
    RepeatableRead,
    Serializable,
    ReadUncommitted,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Access {
    ReadOnly,
    ReadWrite,
}

impl From<Isolation> for transaction::Isolation {
    fn from(isolation: Isolation) -> Self {
        match isolation {
            Isolation::ReadCommitted => Self::ReadCommitted,
            Isolation::RepeatableRead => Self::RepeatableRead,
            Isolation::Serializable => Self::Serializable,
            Isolation::ReadUncommitted => Self::ReadUncommitted,
        }
    }
}

fn isolation_name(isolation: Option<transaction::Isolation>) -> &'static str {
    match isolation {
        None => "default",
        Some(transaction::Isolation::ReadCommitted) => "read_committed",
        Some(transaction::Isolation::RepeatableRead) => "repeatable_read",
        Some(transaction::Isolation::Serializable) => "serializable",
        Some(transaction::Isolation::ReadUncommitted) => "read_uncommitted",
    }
}

fn access_name(access: transaction::Access) -> &'static str {
    match access {
        transaction::Access::ReadOnly => "read_only",
        transaction::Access::ReadWrite => "read_write",
    }
}

impl BeginTransaction {
    /// Begins as asked; one that may write where that is not said, if it may.
    fn begin(&self) -> Result<Transaction, DatabaseError> {
        let options = |access| Options {
            isolation: self.isolation.map(transaction::Isolation::from),
            access,
            deferrable: self.deferrable.unwrap_or_default(),
        };
        let begin = |access| Transaction::begin(&self.database, options(access));
        match self.access {
            Some(Access::ReadOnly) => begin(transaction::Access::ReadOnly),
            Some(Access::ReadWrite) => begin(transaction::Access::ReadWrite),
            None => match begin(transaction::Access::ReadWrite) {
                Err(DatabaseError::ReadOnly(_) | DatabaseError::AccessDenied(_)) => begin(transaction::Access::ReadOnly),
                begun => begun,
            },
        }
    }
}

impl Tool for BeginTransaction {
    const NAME: &'static str = "begin_transaction";
    const DESCRIPTION: &'static str = "Begins a transaction. Pass its handle as `transaction` to other tools, then commit or roll back; \
        unused for expires_in_seconds it is rolled back.";
    const ANNOTATIONS: Annotations = Annotations { idempotent: false, ..Annotations::READ_ONLY };
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let transaction = self.begin()?;
        let about = transaction.describe()?;
        let detached = transaction.detach()?;
        Ok(Content::json(&json!({
            "transaction": detached.handle,
            "database": about.database,
            "isolation": isolation_name(about.isolation),
            "access": access_name(about.access),
            "expires_in_seconds": detached.expires_in_seconds,
            "ends_in_seconds": detached.ends_in_seconds,
        }))?
        .into())
    }
}

#[cfg(test)]
mod tests {
    use tidegate_plugin::Outcome;
    use tidegate_plugin::ToolError;
    use tidegate_plugin::catalog::Engine;
    use tidegate_plugin::catalog::Mode;
    use tidegate_plugin::test::Event;
    use tidegate_plugin::test::Host;
    use tidegate_plugin::test::ResultRows;

    use super::*;
    use crate::end_transaction::CommitTransaction;
    use crate::end_transaction::RollbackTransaction;
    use crate::execute_query::ExecuteQuery;
    use crate::execute_select::ExecuteSelect;
    use crate::savepoint::CreateSavepoint;
    use crate::savepoint::RollbackToSavepoint;

    const UPDATE: &str = "update t set n = 2 where n = 1";

    fn host(mode: Mode) -> Host {
        Host::new()
            .database("main", Engine::Postgres, mode)
            .database("other", Engine::Sqlite, mode)
            .answers("select 1", ResultRows::new(&["1"], vec![vec![1.into()]]))
            .affects(UPDATE, 1, None)
    }

    fn json(outcome: Outcome<Vec<Content>>) -> serde_json::Value {
        match outcome.complete().and_then(|mut contents| contents.pop()) {
            Some(Content::Json(text)) => serde_json::from_str(&text).expect("it is JSON"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_transaction_goes_from_call_to_call() {
        let host = host(Mode::ReadWrite);
        let arguments = json!({ "database": "main", "isolation": "serializable" });
        let begun = json(host.call::<BeginTransaction>(arguments).expect("it begins"));
        assert_eq!((&begun["isolation"], &begun["access"]), (&json!("serializable"), &json!("read_write")));
        let handle = &begun["transaction"];
        host.call::<ExecuteQuery>(json!({ "sql": UPDATE, "transaction": handle })).expect("it runs");
        host.call::<CreateSavepoint>(json!({ "transaction": handle, "name": "a" })).expect("it is set");
        host.call::<ExecuteSelect>(json!({ "sql": "select 1", "transaction": handle })).expect("it reads");
        host.call::<RollbackToSavepoint>(json!({ "transaction": handle, "name": "a" })).expect("it goes back");
        host.call::<CommitTransaction>(json!({ "transaction": handle })).expect("it commits");
        let over = host.call::<ExecuteSelect>(json!({ "sql": "select 1", "transaction": handle }));
        assert!(matches!(over, Err(ToolError::Database(DatabaseError::TransactionNotFound(_)))));
        let handle = handle.as_str();
        let in_it = |event: &Event| match event {
            Event::Execute(ran) | Event::Query(ran) => ran.transaction.as_deref() == handle && ran.database == "main",
            _ => true,
        };
        assert!(host.events().iter().all(in_it), "{:?}", host.events());
        assert!(matches!(host.events().last(), Some(Event::Commit(_))));
    }

    #[test]
    fn where_nothing_may_be_written_it_reads_only() {
        let host = host(Mode::ReadOnly);
        let begun = json(host.call::<BeginTransaction>(json!({ "database": "main" })).expect("it begins"));
        assert_eq!(begun["access"], "read_only");
        let asked = host.call::<BeginTransaction>(json!({ "database": "main", "access": "read_write" }));
        assert!(matches!(asked, Err(ToolError::Database(DatabaseError::ReadOnly(_)))));
        host.call::<RollbackTransaction>(json!({ "transaction": begun["transaction"] })).expect("it ends");
    }

    #[test]
    fn another_database_than_that_of_the_transaction_is_a_mistake() {
        let host = host(Mode::ReadWrite);
        let begun = json(host.call::<BeginTransaction>(json!({ "database": "main" })).expect("it begins"));
        let arguments = json!({ "sql": "select 1", "database": "other", "transaction": begun["transaction"] });
        assert!(matches!(host.call::<ExecuteSelect>(arguments), Err(ToolError::InvalidArguments(_))));
    }
}
