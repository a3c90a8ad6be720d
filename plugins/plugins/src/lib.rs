//! The plugin `plugins`: tells which plugins run and what waits for a person.

mod plugins_status;

tidegate_plugin::export!(tools: [plugins_status::PluginsStatus]);
