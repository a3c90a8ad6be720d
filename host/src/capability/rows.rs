//! `rows`: row sets that stay in the host.

use wasmtime::component::Resource;

use crate::bindings::tidegate::plugin::content;
use crate::bindings::tidegate::plugin::hook;
use crate::bindings::tidegate::plugin::input;
use crate::bindings::tidegate::plugin::rows;
use crate::bindings::tidegate::plugin::types;
use crate::capability::LimitExceeded;
use crate::capability::State;
use crate::capability::value;
use crate::database::rows::RowSet;
use crate::database::value::Value;

/// Rows that one `next` gives at most.
const NEXT_ROWS: u32 = 1_000;

/// Bytes of rows that a guest builds itself, as JSON.
const BUILT_BYTES: usize = 16 << 20;

/// A row set with the guest's place in it.
#[derive(Debug)]
pub struct GuestRows {
    /// The rows.
    pub rows: RowSet,
    /// How many the guest has taken.
    pub taken: usize,
    /// The handle of the rows after these.
    pub cursor: Option<String>,
}

impl State {
    /// Gives the guest a handle to `rows`.
    ///
    /// # Errors
    ///
    /// The limit on row sets held at once: a trap.
    pub(super) fn push_rows(&mut self, rows: RowSet, cursor: Option<String>) -> wasmtime::Result<Resource<GuestRows>> {
        self.table
            .push(GuestRows { rows, taken: 0, cursor })
            .map_err(|_| LimitExceeded(format!("{} row sets at once", self.guest.limits.row_sets)).into())
    }
}

// These interfaces have types only.
impl types::Host for State {}
impl content::Host for State {}
impl hook::Host for State {}
impl input::Host for State {}

impl rows::Host for State {}

impl rows::HostRows for State {
    async fn build(&mut self, columns: Vec<types::Column>, rows: Vec<Vec<types::Value>>) -> wasmtime::Result<Option<Resource<GuestRows>>> {
        self.enter_repeatable()?;
        let columns = columns.into_iter().map(value::column_from_guest).collect();
        let rows: Vec<Vec<Value>> = rows.into_iter().map(|row| row.into_iter().map(value::from_guest).collect()).collect();
        RowSet::build(columns, &rows, BUILT_BYTES).map(|rows| self.push_rows(rows, None)).transpose()
    }

    async fn columns(&mut self, rows: Resource<GuestRows>) -> wasmtime::Result<Vec<types::Column>> {
        self.enter_repeatable()?;
        Ok(self.table.get(&rows)?.rows.columns().iter().map(value::column).collect())
    }

    async fn next(&mut self, rows: Resource<GuestRows>, max: u32) -> wasmtime::Result<Vec<Vec<types::Value>>> {
        self.enter_repeatable()?;
        let held = self.table.get_mut(&rows)?;
        // Guest-controlled.
        let max = max.min(NEXT_ROWS) as usize;
        let mut next = Vec::new();
        while next.len() < max {
            let Some(row) = held.rows.values(held.taken) else { break };
            held.taken += 1;
            next.push(row.into_iter().map(value::to_guest).collect());
        }
        Ok(next)
    }

    async fn count(&mut self, rows: Resource<GuestRows>) -> wasmtime::Result<u64> {
        self.enter_repeatable()?;
        Ok(self.table.get(&rows)?.rows.len() as u64)
    }

    async fn truncated(&mut self, rows: Resource<GuestRows>) -> wasmtime::Result<bool> {
        self.enter_repeatable()?;
        Ok(self.table.get(&rows)?.rows.truncated())
    }

    async fn cursor(&mut self, rows: Resource<GuestRows>) -> wasmtime::Result<Option<String>> {
        self.enter_repeatable()?;
        Ok(self.table.get(&rows)?.cursor.clone())
    }

    async fn drop(&mut self, rows: Resource<GuestRows>) -> wasmtime::Result<()> {
        self.table.delete(rows)?;
        Ok(())
    }
}
