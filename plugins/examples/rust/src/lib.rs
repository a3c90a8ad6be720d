//! Profiles tables, and keeps reads of large tables from going without a condition.

mod guard;
mod profile;

tidegate_plugin::export!(tools: [profile::ProfileTable], query_hooks: guard::LargeTables);
