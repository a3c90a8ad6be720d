//! Rows of a result. They stay in the host: handing them on costs nothing, reading them copies what is read.

use crate::types::Column;
use crate::types::Value;

#[cfg(target_arch = "wasm32")]
use crate::bindings::shared::tidegate::plugin::rows as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::rows as host;

/// The rows of one result, cut at the host's row and byte limits. Dropping it frees them.
#[derive(Debug)]
pub struct Rows(host::Rows);

impl Rows {
    pub(crate) const fn new(rows: host::Rows) -> Self {
        Self(rows)
    }

    /// What the host knows the rows by.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn into_inner(self) -> host::Rows {
        self.0
    }

    /// New rows under these columns; none when a row has not as many values as there are columns, or they are larger than 16 MiB.
    #[must_use]
    pub fn build(columns: &[Column], rows: &[Vec<Value>]) -> Option<Self> {
        host::Rows::build(columns, rows).map(Self)
    }

    /// The columns, in order. Empty when the statement returns no rows by nature.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        self.0.columns()
    }

    /// The next rows, at most `max` (the host clamps it to 1,000); empty at the end. Each has as many values as
    /// [`Rows::columns`].
    #[must_use]
    pub fn next(&self, max: u32) -> Vec<Vec<Value>> {
        self.0.next(max)
    }

    /// How many rows the host holds here, read or not.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.count()
    }

    /// Whether the database had more rows than the host holds here.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.0.truncated()
    }

    /// The handle under which [`crate::database_read::fetch`] gives the rows after these, when they were kept. Bound to
    /// the caller, good for 10 minutes.
    #[must_use]
    pub fn cursor(&self) -> Option<String> {
        self.0.cursor()
    }
}
