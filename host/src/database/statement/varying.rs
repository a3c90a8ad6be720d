//! Which words and built-in functions make an answer depend on more than rows: on the moment, the session, chance.
//!
//! The functions that [`super::builtin`] knows as pure are pure with regard to a session; some of those still look at the
//! clock, at who asks, at settings or at the catalog. They are listed here; what is neither pure nor listed counts as varying too.

use super::lexer::Token;
use super::lexer::TokenKind;
use crate::config::EngineKind;

/// Whether a call may answer differently for the same arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Varies {
    /// Not as long as the settings of the session are the same.
    Never,
    /// It may.
    Maybe,
}

/// Words that are values of the moment or the session without being called.
const POSTGRES_WORDS: &[&str] = &[
    "CURRENT_CATALOG",
    "CURRENT_DATE",
    "CURRENT_ROLE",
    "CURRENT_SCHEMA",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_USER",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "SESSION_USER",
    "SYSTEM_USER",
    "TABLESAMPLE",
    "USER",
];

/// As for PostgreSQL. The last ones read what is no row, or ask not to be kept.
const MYSQL_WORDS: &[&str] = &[
    "CURRENT_DATE",
    "CURRENT_ROLE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_USER",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "SYSDATE",
    "UTC_DATE",
    "UTC_TIME",
    "UTC_TIMESTAMP",
    "SQL_NO_CACHE",
    "SYSTEM_TIME",
    "TABLESAMPLE",
];

const SQLITE_WORDS: &[&str] = &["CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP"];

/// Strings that PostgreSQL reads as a moment when they become a date or a time, also within an array or a range.
/// <https://www.postgresql.org/docs/current/datatype-datetime.html#DATATYPE-DATETIME-SPECIAL-VALUES>
const POSTGRES_MOMENTS: &[&str] = &["now", "today", "tomorrow", "yesterday"];

/// Strings that SQLite's date functions read as the moment. <https://www.sqlite.org/lang_datefunc.html>
const SQLITE_MOMENTS: &[&str] = &["now", "subsec", "subsecond"];

/// Built in, without a trace, and not the same every time.
const POSTGRES_CALLS: &[&str] = &[
    "col_description",
    "current_catalog",
    "current_database",
    "current_date",
    "current_role",
    "current_schema",
    "current_schemas",
    "current_setting",
    "current_time",
    "current_timestamp",
    "current_user",
    "getpgusername",
    "inet_client_addr",
    "inet_client_port",
    "inet_server_addr",
    "inet_server_port",
    "localtime",
    "localtimestamp",
    "mxid_age",
    "now",
    "obj_description",
    "querytree",
    "regclass",
    "row_security_active",
    "satisfies_hash_partition",
    "session_user",
    "shobj_description",
    "statement_timestamp",
    "system_user",
    "transaction_timestamp",
    "user",
];

/// Families of such functions.
const POSTGRES_FAMILIES: &[&str] = &["has_", "pg_", "to_reg", "txid_"];

/// Members of those families that compute from their arguments.
const POSTGRES_STEADY: &[&str] = &["pg_size_bytes", "pg_size_pretty", "pg_typeof"];

/// Built in, without a trace, and not the same every time; the last ones read tables that are named by a string.
const MYSQL_CALLS: &[&str] = &[
    "curdate",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "curtime",
    "database",
    "des_decrypt",
    "des_encrypt",
    "encrypt",
    "localtime",
    "localtimestamp",
    "now",
    "ps_current_thread_id",
    "ps_thread_id",
    "roles_graphml",
    "schema",
    "schemas",
    "session_user",
    "sysdate",
    "system_user",
    "tidb_bounded_staleness",
    "tidb_decode_key",
    "tidb_decode_plan",
    "tidb_decode_sql_digests",
    "tidb_is_ddl_owner",
    "user",
    "utc_date",
    "utc_time",
    "utc_timestamp",
    "validate_password_strength",
];

/// Read tables that are named by a string, or the place of a row in the file.
const SQLITE_CALLS: &[&str] =
    &["current_date", "current_time", "current_timestamp", "rtreecheck", "rtreedepth", "rtreenode", "sqlite_offset", "vector_top_k"];

/// Why a token makes an answer vary, calls apart; `before` is the token before it.
pub(super) fn of_token(engine: EngineKind, token: &Token<'_>, before: Option<&Token<'_>>) -> Option<String> {
    let words = match engine {
        EngineKind::Postgres => POSTGRES_WORDS,
        EngineKind::MySql => MYSQL_WORDS,
        EngineKind::Sqlite => SQLITE_WORDS,
    };
    let of_sequence = engine == EngineKind::MySql && token.is("FOR") && before.is_some_and(|before| before.is("VALUE"));
    match token.kind {
        TokenKind::Word if token.is_any(words) || of_sequence => Some(format!("`{}` depends on more than rows", token.text)),
        TokenKind::Variable => Some(format!("the variable `{}` is of the session", token.text)),
        // What stands in double quotes is a string in SQLite when there is no such column.
        TokenKind::Text | TokenKind::Quoted if is_string(engine, token.kind) && is_moment(engine, &token.text) => {
            Some("a string in it may mean the moment".to_owned())
        }
        _ => None,
    }
}

fn is_string(engine: EngineKind, kind: TokenKind) -> bool {
    kind == TokenKind::Text || engine == EngineKind::Sqlite
}

/// Whether a text may be read as the moment when it becomes a date.
pub(in crate::database) fn is_moment(engine: EngineKind, text: &str) -> bool {
    let moments = match engine {
        EngineKind::Postgres => POSTGRES_MOMENTS,
        EngineKind::Sqlite => SQLITE_MOMENTS,
        EngineKind::MySql => return false,
    };
    text.split(|c: char| !c.is_ascii_alphabetic()).any(|word| moments.iter().any(|moment| word.eq_ignore_ascii_case(moment)))
}

/// Whether a call of a pure function with so many arguments may vary.
pub(super) fn of_call(engine: EngineKind, name: &str, arguments: usize) -> Varies {
    let varies = match engine {
        EngineKind::Postgres => match name {
            // From today on.
            "age" => arguments < 2,
            name => {
                let of_family = POSTGRES_FAMILIES.iter().any(|family| name.starts_with(family)) && !POSTGRES_STEADY.contains(&name);
                of_family || POSTGRES_CALLS.contains(&name)
            }
        },
        EngineKind::MySql => match name {
            "unix_timestamp" => arguments == 0,
            name => MYSQL_CALLS.contains(&name),
        },
        EngineKind::Sqlite => match name {
            "date" | "time" | "datetime" | "julianday" | "unixepoch" => arguments == 0,
            // Its first argument is the format.
            "strftime" => arguments < 2,
            name => SQLITE_CALLS.contains(&name) || name.starts_with("pragma_"),
        },
    };
    if varies { Varies::Maybe } else { Varies::Never }
}
