//! `SET` and `RESET`: most change a setting; some end a transaction, change who asks, or how the next text is read.

use super::StatementKind;
use super::lexer::Token;
use super::verdict::Verdict;
use crate::config::EngineKind;

/// Settings that the host fixes, because its own reading of a text or its guards depend on them.
const FIXED: &[&str] = &[
    "authorization",
    "autocommit",
    "backslash_quote",
    "character",
    "character_set_client",
    "character_set_connection",
    "character_set_results",
    "charset",
    "client_encoding",
    "collation_connection",
    "default_transaction_read_only",
    "local_preload_libraries",
    "max_execution_time",
    "max_statement_time",
    "names",
    "resource",
    "role",
    "session_authorization",
    "session_preload_libraries",
    "sql_mode",
    "standard_conforming_strings",
    "statement_timeout",
    "tidb_mem_quota_query",
    "transaction_read_only",
    "tx_read_only",
];

/// Judges `SET …` or `RESET …`, given all of its tokens.
pub(super) fn judge(tokens: &[Token<'_>], engine: EngineKind) -> Verdict {
    let mut verdict = Verdict::READ;
    let verb = tokens.first().map(|token| token.text.to_ascii_uppercase()).unwrap_or_default();
    if engine == EngineKind::MySql && verb == "RESET" {
        verdict.raise(StatementKind::Forbidden, "`RESET` acts on the server");
        return verdict;
    }
    verdict.raise(StatementKind::Admin, format!("`{verb}` changes settings"));
    let leading = &tokens[1.min(tokens.len())..4.min(tokens.len())];
    if leading.iter().any(|token| token.is_any(&["TRANSACTION", "CHARACTERISTICS", "CONSTRAINTS"])) {
        verdict.raise(StatementKind::Transaction, "`SET TRANSACTION` changes a transaction");
    }
    if engine == EngineKind::MySql && leading.first().is_some_and(|token| token.is("STATEMENT")) {
        verdict.raise(StatementKind::Forbidden, "`SET STATEMENT … FOR` changes settings for one statement");
    }
    if let Some(name) = fixed(tokens, engine) {
        verdict.raise(StatementKind::Forbidden, format!("the setting `{name}` is fixed by the host"));
    }
    verdict
}

/// The setting among those that are set which the host fixes.
fn fixed(tokens: &[Token<'_>], engine: EngineKind) -> Option<String> {
    let is_target = |index: usize| match engine {
        EngineKind::Postgres | EngineKind::Sqlite => index <= 3,
        EngineKind::MySql if index == 1 => true,
        EngineKind::MySql => tokens.get(index + 1).is_some_and(|next| next.is_symbol('=') || next.is_symbol(':')),
    };
    tokens.iter().enumerate().skip(1).filter(|(index, _)| is_target(*index)).find_map(|(_, token)| {
        let name = token.text.trim_start_matches('@').to_ascii_lowercase();
        let name = name.rsplit('.').next().unwrap_or_default();
        FIXED.contains(&name).then(|| name.to_owned())
    })
}
