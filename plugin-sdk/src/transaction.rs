//! Transactions that may go on over several calls. A transaction runs nothing itself: hand it to [`crate::database_read`],
//! [`crate::database_write`] and [`crate::database_admin`].
//!
//! ```no_run
//! # fn transfer() -> Result<(), tidegate_plugin::DatabaseError> {
//! use tidegate_plugin::database_write::execute_in;
//! use tidegate_plugin::transaction::{Options, Transaction};
//!
//! let transaction = Transaction::begin("", Options::read_write())?;
//! execute_in(&transaction, "update accounts set amount = amount - 1 where id = 1", &[], None, None)?;
//! execute_in(&transaction, "update accounts set amount = amount + 1 where id = 2", &[], None, None)?;
//! transaction.commit()
//! # }
//! ```

use std::fmt;

pub use crate::bindings::shared::tidegate::plugin::transaction::Access;
pub use crate::bindings::shared::tidegate::plugin::transaction::Description;
pub use crate::bindings::shared::tidegate::plugin::transaction::Detached;
pub use crate::bindings::shared::tidegate::plugin::transaction::Isolation;
pub use crate::bindings::shared::tidegate::plugin::transaction::Options;
use crate::types::DatabaseError;

#[cfg(target_arch = "wasm32")]
use crate::bindings::shared::tidegate::plugin::transaction as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::transaction as host;

impl Options {
    /// Reading only, with the engine's best snapshot.
    #[must_use]
    pub const fn read_only() -> Self {
        Self { isolation: None, access: Access::ReadOnly, deferrable: false }
    }

    /// Reading and writing, with the engine's default isolation.
    #[must_use]
    pub const fn read_write() -> Self {
        Self { isolation: None, access: Access::ReadWrite, deferrable: false }
    }
}

/// A transaction. One that was begun and is dropped without [`commit`](Self::commit) or [`detach`](Self::detach) is rolled
/// back; one that was attached stays as it is.
pub struct Transaction(host::Transaction);

impl Transaction {
    /// Begins one. `database` empty means the only one there is.
    ///
    /// # Errors
    ///
    /// `pool-exhausted` when the caller has as many as it may; `not-supported` for an isolation that the engine has not;
    /// `read-only` for one that writes in a database that is not open for writing.
    pub fn begin(database: &str, options: Options) -> Result<Self, DatabaseError> {
        host::Transaction::begin(database, options).map(Self)
    }

    /// Goes on with a detached one.
    ///
    /// # Errors
    ///
    /// `transaction-not-found`, with how it ended.
    pub fn attach(handle: &str) -> Result<Self, DatabaseError> {
        host::Transaction::attach(handle).map(Self)
    }

    /// Keeps it for a later call of the same caller, which goes on with the handle.
    ///
    /// # Errors
    ///
    /// `transaction-not-found`, with how it ended.
    pub fn detach(&self) -> Result<Detached, DatabaseError> {
        self.0.detach()
    }

    /// What it is.
    ///
    /// # Errors
    ///
    /// `transaction-not-found`, with how it ended.
    pub fn describe(&self) -> Result<Description, DatabaseError> {
        self.0.describe()
    }

    /// Marks a place to roll back to. A name has 1 to 63 letters, digits or `_`, no digit first.
    ///
    /// # Errors
    ///
    /// `invalid-parameters` for another name.
    pub fn savepoint(&self, name: &str) -> Result<(), DatabaseError> {
        self.0.savepoint(name)
    }

    /// Takes back what was done since the latest savepoint of this name, which stays.
    ///
    /// # Errors
    ///
    /// `invalid-parameters` when there is none of this name.
    pub fn rollback_to(&self, name: &str) -> Result<(), DatabaseError> {
        self.0.rollback_to(name)
    }

    /// Forgets the latest savepoint of this name and later ones; what was done stays.
    ///
    /// # Errors
    ///
    /// `invalid-parameters` when there is none of this name.
    pub fn release(&self, name: &str) -> Result<(), DatabaseError> {
        self.0.release(name)
    }

    /// Makes all of it take effect.
    ///
    /// # Errors
    ///
    /// After any of them the transaction is over. When the database's answer was lost, the error says how to find out.
    pub fn commit(&self) -> Result<(), DatabaseError> {
        self.0.commit()
    }

    /// Takes all of it back.
    ///
    /// # Errors
    ///
    /// `transaction-not-found`, with how it ended.
    pub fn rollback(&self) -> Result<(), DatabaseError> {
        self.0.rollback()
    }

    pub(crate) fn inner(&self) -> &host::Transaction {
        &self.0
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}
