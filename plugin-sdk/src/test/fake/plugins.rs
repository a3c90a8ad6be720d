//! The fake of `plugins`: those that the test put there.

use crate::plugins::Plugin;
use crate::test::state;

pub(crate) fn list_plugins() -> Vec<Plugin> {
    state().borrow().plugins.clone()
}
