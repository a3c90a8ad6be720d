//! Swaps one plugin for another version of itself while calls run.

use std::sync::Arc;

use super::Dispatcher;
use crate::plugin::Plugin;
use crate::plugin::PluginError;
use crate::plugin::PluginPackage;

impl Dispatcher {
    /// Loads a plugin and puts it in the place of the one with its id. Calls that began with the old one end with it.
    ///
    /// # Errors
    ///
    /// A plugin that cannot be loaded; the set stays as it was.
    pub async fn replace(&self, package: PluginPackage) -> Result<(), PluginError> {
        let engine = self.engine.clone();
        let plugin = tokio::task::spawn_blocking(move || Plugin::load(&engine, package)).await.unwrap_or(Err(PluginError::CutOff))?;
        self.registry.replace(Arc::new(plugin)).await?;
        self.tell_lists_changed();
        Ok(())
    }
}
