//! Pragmas of SQLite: which only read, with a value or without one.

use super::StatementKind;
use super::lexer::Token;
use super::verdict::Verdict;

/// Read whatever their argument, which names what to look at.
const LOOK_AT: &[&str] = &[
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Read when they are given no value, and change something when they are.
const SETTINGS: &[&str] = &[
    "analysis_limit",
    "application_id",
    "auto_vacuum",
    "automatic_index",
    "busy_timeout",
    "cache_size",
    "cache_spill",
    "cell_size_check",
    "checkpoint_fullfsync",
    "collation_list",
    "compile_options",
    "data_version",
    "database_list",
    "defer_foreign_keys",
    "encoding",
    "foreign_keys",
    "freelist_count",
    "fullfsync",
    "function_list",
    "ignore_check_constraints",
    "journal_mode",
    "journal_size_limit",
    "legacy_alter_table",
    "max_page_count",
    "mmap_size",
    "module_list",
    "page_count",
    "page_size",
    "pragma_list",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "schema_version",
    "secure_delete",
    "synchronous",
    "temp_store",
    "threads",
    "user_version",
    "wal_autocheckpoint",
];

/// Would undo a guard of the host, reach outside of the connection, or open the file to damage.
const NEVER: &[&str] = &[
    "activate_extensions",
    "data_store_directory",
    "hard_heap_limit",
    "hexkey",
    "hexrekey",
    "key",
    "locking_mode",
    "query_only",
    "rekey",
    "soft_heap_limit",
    "temp_store_directory",
    "textkey",
    "trusted_schema",
    "writable_schema",
];

/// Judges `PRAGMA [schema.]name [= value | (value)]`, given all of its tokens.
pub(super) fn judge(tokens: &[Token<'_>]) -> Verdict {
    let name_at = if tokens.get(2).is_some_and(|token| token.is_symbol('.')) { 3 } else { 1 };
    let name = tokens.get(name_at).map(|token| token.text.to_ascii_lowercase()).unwrap_or_default();
    let has_value = tokens.len() > name_at + 1;
    let mut verdict = Verdict::READ;
    match &*name {
        name if LOOK_AT.contains(&name) => {}
        name if NEVER.contains(&name) => verdict.raise(StatementKind::Forbidden, format!("`PRAGMA {name}` undoes a guard of the host")),
        name if SETTINGS.contains(&name) && !has_value => {}
        name => verdict.raise(StatementKind::Admin, format!("`PRAGMA {name}` changes settings")),
    }
    verdict
}

/// What reading from the table `pragma_…` does, when it is more than reading.
pub(super) fn judge_table(name: &str) -> Option<(StatementKind, String)> {
    let pragma = name.get(..7).filter(|prefix| prefix.eq_ignore_ascii_case("pragma_")).map(|_| name[7..].to_ascii_lowercase())?;
    match &*pragma {
        name if NEVER.contains(&name) => Some((StatementKind::Forbidden, format!("`pragma_{name}` undoes a guard of the host"))),
        "optimize" | "wal_checkpoint" | "incremental_vacuum" | "shrink_memory" => {
            Some((StatementKind::Admin, format!("`pragma_{pragma}` is maintenance")))
        }
        _ => None,
    }
}
