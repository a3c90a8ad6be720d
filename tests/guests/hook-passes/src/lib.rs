//! A guest with hooks that do nothing.

use tidegate_plugin::QueryHooks;

/// The hooks of this guest.
pub struct Hooks;

impl QueryHooks for Hooks {}

tidegate_plugin::export!(query_hooks: Hooks);
