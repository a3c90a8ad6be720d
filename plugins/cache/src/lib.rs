//! The plugin `cache`: keeps the rows of statements that are asked again.
//!
//! It holds nothing itself. The host makes the keys, knows which statements may be kept and what was written since, and keeps
//! the rows; this plugin decides for how long, where, and what else goes when a table is written. It stands on the
//! contract's hooks alone.

mod clear_cache;
mod get_cache_stats;
mod hooks;
mod policy;

tidegate_plugin::export! {
    tools: [get_cache_stats::GetCacheStats, clear_cache::ClearCache],
    query_hooks: hooks::Hooks,
    call_hooks: hooks::Hooks,
}
