//! `settings`: what the operator set for the plugin.

use crate::bindings::tidegate::plugin::settings;
use crate::capability::State;

impl settings::Host for State {
    async fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        self.enter_repeatable()?;
        Ok(self.guest.settings.get(&key).cloned())
    }
}
