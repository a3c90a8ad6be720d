//! The fake of `transaction`.

use std::cell::Cell;

use super::database_write;
use super::find;
use crate::test::Event;
use crate::test::State;
use crate::test::state;
use crate::transaction::Access;
use crate::transaction::Description;
use crate::transaction::Detached;
use crate::transaction::Options;
use crate::types::DatabaseError;
use crate::types::Failure;

/// A transaction as a guest holds it.
pub(crate) struct Transaction {
    pub(super) handle: String,
    /// Whether it was begun here and nobody else knows of it.
    own: Cell<bool>,
}

/// What the state knows of one that is open.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) database: String,
    options: Options,
    savepoints: Vec<String>,
}

pub(super) fn open<'s>(state: &'s State, handle: &str) -> Result<&'s Open, DatabaseError> {
    state.transactions.get(handle).ok_or_else(|| DatabaseError::TransactionNotFound(Failure::new("there is no such transaction")))
}

impl Transaction {
    pub(crate) fn begin(database: &str, options: Options) -> Result<Self, DatabaseError> {
        let state = state();
        let mut state = state.borrow_mut();
        let database = find(&state, database)?;
        if options.access == Access::ReadWrite {
            database_write::writable(&state, &database)?;
        }
        state.issued += 1;
        let handle = format!("transaction-{}", state.issued);
        state.events.push(Event::Begin(handle.clone(), options));
        state.transactions.insert(handle.clone(), Open { database, options, savepoints: Vec::new() });
        Ok(Self { handle, own: true.into() })
    }

    pub(crate) fn attach(handle: &str) -> Result<Self, DatabaseError> {
        open(&state().borrow(), handle)?;
        Ok(Self { handle: handle.to_owned(), own: false.into() })
    }

    pub(crate) fn detach(&self) -> Result<Detached, DatabaseError> {
        open(&state().borrow(), &self.handle)?;
        self.own.set(false);
        Ok(Detached { handle: self.handle.clone(), expires_in_seconds: 60, ends_in_seconds: 600 })
    }

    pub(crate) fn describe(&self) -> Result<Description, DatabaseError> {
        let state = state();
        let state = state.borrow();
        let Open { database, options, savepoints } = open(&state, &self.handle)?.clone();
        Ok(Description { database, isolation: options.isolation, access: options.access, savepoints })
    }

    pub(crate) fn savepoint(&self, name: &str) -> Result<(), DatabaseError> {
        self.change(Event::Savepoint(name.to_owned()), |savepoints| {
            savepoints.push(name.to_owned());
            Some(())
        })
    }

    pub(crate) fn rollback_to(&self, name: &str) -> Result<(), DatabaseError> {
        self.change(Event::RollbackTo(name.to_owned()), |savepoints| {
            let found = savepoints.iter().rposition(|known| known == name)?;
            savepoints.truncate(found + 1);
            Some(())
        })
    }

    pub(crate) fn release(&self, name: &str) -> Result<(), DatabaseError> {
        self.change(Event::Release(name.to_owned()), |savepoints| {
            let found = savepoints.iter().rposition(|known| known == name)?;
            savepoints.truncate(found);
            Some(())
        })
    }

    pub(crate) fn commit(&self) -> Result<(), DatabaseError> {
        self.end(Event::Commit(self.handle.clone()))
    }

    pub(crate) fn rollback(&self) -> Result<(), DatabaseError> {
        self.end(Event::Rollback(self.handle.clone()))
    }

    fn change(&self, event: Event, change: impl FnOnce(&mut Vec<String>) -> Option<()>) -> Result<(), DatabaseError> {
        let state = state();
        let mut state = state.borrow_mut();
        open(&state, &self.handle)?;
        let changed = state.transactions.get_mut(&self.handle).and_then(|open| change(&mut open.savepoints));
        changed.ok_or_else(|| DatabaseError::InvalidParameters(Failure::new("there is no savepoint of this name")))?;
        state.events.push(event);
        Ok(())
    }

    fn end(&self, event: Event) -> Result<(), DatabaseError> {
        let state = state();
        let mut state = state.borrow_mut();
        open(&state, &self.handle)?;
        state.transactions.remove(&self.handle);
        state.events.push(event);
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.own.get() {
            // It may have ended already, and then there is nothing to take back.
            let _ = self.rollback();
        }
    }
}
