//! Rows that the host keeps for later. It makes the keys, checks that nothing was written since, and holds the rows; a plugin
//! decides what is kept, where and for how long, and when it goes.

pub use crate::bindings::shared::tidegate::plugin::cache::Figures;
pub use crate::bindings::shared::tidegate::plugin::cache::Selection;
pub use crate::bindings::shared::tidegate::plugin::cache::Table;
pub use crate::bindings::shared::tidegate::plugin::cache::TierFigures;
use crate::hook::Policy;
use crate::rows::Rows;

#[cfg(target_arch = "wasm32")]
use crate::bindings::shared::tidegate::plugin::cache as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::cache as host;

/// The rows that are kept under the `cache_key` of the statement that the hook is asked about.
#[must_use]
pub fn find(key: &str, policy: Policy) -> Option<Rows> {
    host::find(key, policy).map(Rows::new)
}

/// Forgets rows, in every tier. Gives the number of statements whose rows went.
pub fn clear(what: &Selection) -> u64 {
    host::clear(what)
}

/// What the cache did since the host began.
#[must_use]
pub fn figures() -> Figures {
    host::read_figures()
}
