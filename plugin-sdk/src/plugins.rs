//! Which plugins there are and how they fare. It tells, and changes nothing: no plugin installs, approves or grants.

pub use crate::bindings::shared::tidegate::plugin::plugins::Plugin;
pub use crate::bindings::shared::tidegate::plugin::plugins::State;

#[cfg(target_arch = "wasm32")]
use crate::bindings::shared::tidegate::plugin::plugins as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::plugins as host;

/// All of them.
#[must_use]
pub fn list() -> Vec<Plugin> {
    host::list_plugins()
}
