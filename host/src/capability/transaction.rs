//! `transaction`: transactions that a guest holds, and the functions of other imports that run something in one.
//!
//! A guest that begins one and goes away without a word, by a trap too, leaves a transaction that nobody could ever find
//! again: it is rolled back then. One that it attached stays, because the caller has its handle.

use std::sync::Arc;

use wasmtime::component::Resource;

use crate::bindings::tidegate::plugin::transaction;
use crate::bindings::tidegate::plugin::types;
use crate::capability::LimitExceeded;
use crate::capability::State;
use crate::capability::database::interface_for;
use crate::capability::error;
use crate::config::Right;
use crate::database::BatchError;
use crate::database::Database;
use crate::database::error::DatabaseError;
use crate::database::transaction::Access;
use crate::database::transaction::Act;
use crate::database::transaction::BeginOptions;
use crate::database::transaction::Isolation;
use crate::database::transaction::Transaction;

/// What a function of the interface gives a guest.
type ToGuest<T> = wasmtime::Result<Result<T, types::DatabaseError>>;

/// A transaction with the database it is in.
type Found = (Arc<Database>, Arc<Transaction>);

/// A transaction as one instance holds it.
pub struct GuestTransaction {
    held: Option<Held>,
}

#[derive(Clone)]
struct Held {
    database: Arc<Database>,
    transaction: Arc<Transaction>,
    /// Begun here, and nobody else knows its handle yet.
    own: bool,
}

impl Held {
    async fn end(self) {
        // It may have ended already, and then there is nothing to take back.
        let _ = self.database.rollback(&self.transaction).await;
    }
}

impl Drop for GuestTransaction {
    /// The store was dropped: the guest trapped, or its call was taken back.
    fn drop(&mut self) {
        let Some(held) = self.held.take().filter(|held| held.own) else { return };
        // Without a runtime the process is ending, and rolls back everything as it does.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(held.end());
        }
    }
}

impl State {
    fn hold(&mut self, database: Arc<Database>, transaction: Arc<Transaction>, own: bool) -> wasmtime::Result<Resource<GuestTransaction>> {
        let held = GuestTransaction { held: Some(Held { database, transaction, own }) };
        self.table.push(held).map_err(|_| LimitExceeded(format!("{} resources at once", self.guest.limits.row_sets)).into())
    }

    fn held(&self, transaction: &Resource<GuestTransaction>) -> wasmtime::Result<Held> {
        Ok(self.table.get(transaction)?.held.clone().expect("it is there until it is dropped"))
    }

    /// The transaction that a guest hands to another import, with its database, when the plugin has `right` on that now.
    pub(super) fn transaction(
        &self,
        transaction: &Resource<GuestTransaction>,
        right: Right,
    ) -> wasmtime::Result<Result<Found, DatabaseError>> {
        let held = self.held(transaction)?;
        // Looked up again: the grant may be gone since it was begun.
        let database = self.database(interface_for(right), held.database.config().name.as_str(), right);
        Ok(database.map(|database| (database, held.transaction)))
    }

    /// A transaction that the guest holds, when the plugin may still do with it what it is about to: what changes nothing takes the
    /// right to read, and `commit` the right that it was begun with. Giving it up takes none.
    fn still(&self, transaction: &Resource<GuestTransaction>, commits: bool) -> wasmtime::Result<Result<Found, DatabaseError>> {
        let held = self.held(transaction)?;
        let right = match held.transaction.options().access {
            Access::ReadWrite if commits => Right::Write,
            Access::ReadWrite | Access::ReadOnly => Right::Read,
        };
        let database = self.database("transaction", held.database.config().name.as_str(), right);
        Ok(database.map(|database| (database, held.transaction)))
    }

    /// The caller's transaction under `handle`, when this plugin may see its database at all.
    fn attach(&self, handle: &str) -> Result<Found, DatabaseError> {
        let (database, transaction) = self.services.databases.find_transaction(&self.call.caller, handle)?;
        let visible = self.database("transaction", database.config().name.as_str(), Right::Read);
        visible.map(|database| (database, transaction)).map_err(|_| crate::database::transaction::unknown())
    }

    async fn act(&mut self, transaction: &Resource<GuestTransaction>, act: Act, name: &str) -> ToGuest<()> {
        self.enter()?;
        let (database, transaction) = match self.still(transaction, false)? {
            Ok(found) => found,
            Err(error) => return Ok(Err(error::to_guest(error))),
        };
        let call = self.call.clone();
        Ok(database.savepoint(&call, &transaction, act, name).await.map_err(error::to_guest))
    }
}

impl transaction::Host for State {}

impl transaction::HostTransaction for State {
    async fn begin(&mut self, database: String, options: transaction::Options) -> ToGuest<Resource<GuestTransaction>> {
        self.enter()?;
        let options = from_guest(options);
        let right = match options.access {
            Access::ReadOnly => Right::Read,
            Access::ReadWrite => Right::Write,
        };
        let (passage, database) = (self.passage(), self.database("transaction", &database, right));
        let begin = async {
            let database = database?;
            let setup = passage.setup(&database, options.access == Access::ReadWrite).await?;
            let transaction = database.begin_with(&passage.call, options, &setup).await?;
            Ok((database, transaction))
        };
        match begin.await {
            Ok((database, transaction)) => Ok(Ok(self.hold(database, transaction, true)?)),
            Err(error) => Ok(Err(error::to_guest(error))),
        }
    }

    async fn attach(&mut self, handle: String) -> ToGuest<Resource<GuestTransaction>> {
        self.enter()?;
        match State::attach(self, &handle) {
            Ok((database, transaction)) => Ok(Ok(self.hold(database, transaction, false)?)),
            Err(error) => Ok(Err(error::to_guest(error))),
        }
    }

    async fn detach(&mut self, transaction: Resource<GuestTransaction>) -> ToGuest<transaction::Detached> {
        self.enter()?;
        let (database, found) = match self.still(&transaction, false)? {
            Ok(found) => found,
            Err(error) => return Ok(Err(error::to_guest(error))),
        };
        if let Err(error) = database.find_transaction(&self.call.caller, found.handle()) {
            return Ok(Err(error::to_guest(error)));
        }
        if let Some(held) = &mut self.table.get_mut(&transaction)?.held {
            held.own = false;
        }
        let left = found.time_left();
        let seconds = |left: std::time::Duration| u32::try_from(left.as_secs_f64().round() as u64).unwrap_or(u32::MAX);
        Ok(Ok(transaction::Detached {
            handle: found.handle().to_owned(),
            expires_in_seconds: seconds(left.lease),
            ends_in_seconds: seconds(left.duration),
        }))
    }

    async fn describe(&mut self, transaction: Resource<GuestTransaction>) -> ToGuest<transaction::Description> {
        self.enter()?;
        let (database, transaction) = match self.still(&transaction, false)? {
            Ok(found) => found,
            Err(error) => return Ok(Err(error::to_guest(error))),
        };
        let call = self.call.clone();
        let savepoints = match database.savepoints(&call, &transaction).await {
            Ok(savepoints) => savepoints,
            Err(error) => return Ok(Err(error::to_guest(error))),
        };
        let BeginOptions { isolation, access, .. } = transaction.options();
        Ok(Ok(transaction::Description {
            database: transaction.database().to_string(),
            isolation: isolation.map(to_guest),
            access: match access {
                Access::ReadOnly => transaction::Access::ReadOnly,
                Access::ReadWrite => transaction::Access::ReadWrite,
            },
            savepoints,
        }))
    }

    async fn savepoint(&mut self, transaction: Resource<GuestTransaction>, name: String) -> ToGuest<()> {
        self.act(&transaction, Act::Set, &name).await
    }

    async fn rollback_to(&mut self, transaction: Resource<GuestTransaction>, name: String) -> ToGuest<()> {
        self.act(&transaction, Act::RollbackTo, &name).await
    }

    async fn release(&mut self, transaction: Resource<GuestTransaction>, name: String) -> ToGuest<()> {
        self.act(&transaction, Act::Release, &name).await
    }

    async fn commit(&mut self, transaction: Resource<GuestTransaction>) -> ToGuest<()> {
        self.enter()?;
        let (database, transaction) = match self.still(&transaction, true)? {
            Ok(found) => found,
            Err(error) => return Ok(Err(error::to_guest(error))),
        };
        let passage = self.passage();
        let committing = async { database.commit(&passage.call, &transaction).await.map_err(|error| BatchError { index: 0, error }) };
        let committed = passage.write(&database, &transaction.touched(), committing).await;
        Ok(committed.map_err(|failed| error::to_guest(failed.error)))
    }

    async fn rollback(&mut self, transaction: Resource<GuestTransaction>) -> ToGuest<()> {
        self.enter()?;
        let Held { database, transaction, .. } = self.held(&transaction)?;
        Ok(database.rollback(&transaction).await.map_err(error::to_guest))
    }

    async fn drop(&mut self, transaction: Resource<GuestTransaction>) -> wasmtime::Result<()> {
        let mut dropped = self.table.delete(transaction)?;
        if let Some(held) = dropped.held.take().filter(|held| held.own) {
            held.end().await;
        }
        Ok(())
    }
}

fn from_guest(options: transaction::Options) -> BeginOptions {
    BeginOptions {
        isolation: options.isolation.map(|isolation| match isolation {
            transaction::Isolation::ReadUncommitted => Isolation::ReadUncommitted,
            transaction::Isolation::ReadCommitted => Isolation::ReadCommitted,
            transaction::Isolation::RepeatableRead => Isolation::RepeatableRead,
            transaction::Isolation::Serializable => Isolation::Serializable,
        }),
        access: match options.access {
            transaction::Access::ReadOnly => Access::ReadOnly,
            transaction::Access::ReadWrite => Access::ReadWrite,
        },
        deferrable: options.deferrable,
    }
}

fn to_guest(isolation: Isolation) -> transaction::Isolation {
    match isolation {
        Isolation::ReadUncommitted => transaction::Isolation::ReadUncommitted,
        Isolation::ReadCommitted => transaction::Isolation::ReadCommitted,
        Isolation::RepeatableRead => transaction::Isolation::RepeatableRead,
        Isolation::Serializable => transaction::Isolation::Serializable,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::call::Call;
    use crate::call::Caller;
    use crate::config::DatabaseConfig;
    use crate::config::DatabaseName;
    use crate::config::Mode;

    const READ_WRITE: BeginOptions = BeginOptions { isolation: None, access: Access::ReadWrite, deferrable: false };

    /// Drops what a guest holds, as a store does that ends with a trap, and answers how the transaction is afterwards.
    async fn dropped(own: bool) -> Result<(), DatabaseError> {
        let mut config = DatabaseConfig::new(DatabaseName::parse("main").unwrap(), "sqlite::memory:").unwrap();
        config.mode = Mode::ReadWrite;
        let database = Arc::new(Database::new(config).unwrap());
        let call = Call::new(Caller::local(), Duration::from_secs(10));
        let transaction = database.begin(&call, READ_WRITE).await.unwrap();
        drop(GuestTransaction { held: Some(Held { database: database.clone(), transaction: transaction.clone(), own }) });
        for _ in 0..50 {
            database.find_transaction(&call.caller, transaction.handle())?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_guest_that_traps_leaves_no_transaction_that_nobody_knows() {
        assert!(dropped(true).await.unwrap_err().message.contains("was rolled back"));
    }

    #[tokio::test]
    async fn one_whose_handle_the_caller_has_stays() {
        dropped(false).await.unwrap();
    }
}
