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
    "JSON_TABLE",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "SESSION_USER",
    "SYSTEM_USER",
    "TABLESAMPLE",
    "USER",
    "XMLTABLE",
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
    "json_populate_record",
    "json_populate_recordset",
    "json_to_record",
    "json_to_recordset",
    "jsonb_populate_record",
    "jsonb_populate_recordset",
    "jsonb_to_record",
    "jsonb_to_recordset",
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
        TokenKind::Text if engine == EngineKind::Postgres && before.is_some_and(|before| before.kind == TokenKind::Text) => {
            Some("strings on two lines are one, which may mean the moment".to_owned())
        }
        // What stands in double quotes is a string in SQLite when there is no such column.
        TokenKind::Text | TokenKind::Quoted
            if is_string(engine, token.kind) && (is_moment(engine, &token.text) || writes_letters_otherwise(engine, token)) =>
        {
            Some("a string in it may mean the moment".to_owned())
        }
        _ => None,
    }
}

/// Whether a string may hold other letters than it shows: `E'n\\x6fw'`, `U&'\\006eow'`; strings between dollars count too.
fn writes_letters_otherwise(engine: EngineKind, token: &Token<'_>) -> bool {
    let escapes = prefix(token) > 1 || prefix(token) == 1 && token.text.contains(['\\', '\n', '\r']);
    engine == EngineKind::Postgres && token.kind == TokenKind::Text && escapes
}

/// Whether a blob of SQLite begins here: a text in digits.
fn is_blob(token: &Token<'_>, next: Option<&Token<'_>>) -> bool {
    token.kind == TokenKind::Word
        && token.text.eq_ignore_ascii_case("x")
        && next.is_some_and(|next| next.kind == TokenKind::Text && next.start == token.end)
}

/// Bytes of a string that are neither its text nor two quotes: the letters before it, above all.
fn prefix(token: &Token<'_>) -> usize {
    if token.kind == TokenKind::Text { (token.end - token.start).saturating_sub(token.text.len() + 2) } else { 0 }
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
    // JSON may write its letters so.
    if text.contains("\\u") {
        return true;
    }
    text.split(|c: char| !c.is_ascii_alphabetic()).any(|word| moments.iter().any(|moment| word.eq_ignore_ascii_case(moment)))
}

/// Types of PostgreSQL that read a moment from a text.
const POSTGRES_TIMES: &[&str] = &[
    "DATE",
    "DATEMULTIRANGE",
    "DATERANGE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "TIMETZ",
    "TSMULTIRANGE",
    "TSRANGE",
    "TSTZMULTIRANGE",
    "TSTZRANGE",
];

/// SQLite's functions that read a moment from a text.
const SQLITE_TIMES: &[&str] = &["DATE", "DATETIME", "JULIANDAY", "STRFTIME", "TIME", "TIMEDIFF", "UNIXEPOCH"];

/// Functions that make no text out of texts but return one of them, or none.
const MAKE_NO_TEXT: &[&str] = &[
    "coalesce",
    "date",
    "date_bin",
    "date_trunc",
    "datetime",
    "extract",
    "first_value",
    "generate_series",
    "greatest",
    "ifnull",
    "iif",
    "julianday",
    "lag",
    "last_value",
    "lead",
    "least",
    "make_date",
    "make_interval",
    "make_time",
    "make_timestamp",
    "make_timestamptz",
    "max",
    "min",
    "nullif",
    "strftime",
    "time",
    "to_date",
    "to_timestamp",
    "unixepoch",
];

/// The most tokens that are looked back over for what a cast is applied to; beyond that it counts as put together.
const LOOKED_BACK: usize = 256;

/// Why the parentheses or the cast at `index` may compute the name of a moment: a text that is put together becomes a date or a time.
///
/// A single value that becomes one is a literal or a parameter, which [`is_moment`] judges, or comes from a column.
pub(super) fn of_computed_moment(engine: EngineKind, tokens: &[Token<'_>], partners: &[usize], index: usize) -> Option<String> {
    let computes = match engine {
        EngineKind::MySql => false,
        EngineKind::Sqlite => {
            let called = index.checked_sub(1).is_some_and(|name| tokens[index].is_symbol('(') && tokens[name].is_any(SQLITE_TIMES));
            called && puts_text_together(&tokens[index + 1..partners[index].min(tokens.len())])
        }
        EngineKind::Postgres => postgres_computes_moment(tokens, partners, index),
    };
    computes.then(|| "a text that it puts together may mean the moment".to_owned())
}

/// Whether what becomes a date or a time because of the type at `index` is put together.
fn postgres_computes_moment(tokens: &[Token<'_>], partners: &[usize], index: usize) -> bool {
    let type_name = &tokens[index];
    if !type_name.is_name() || !POSTGRES_TIMES.iter().any(|time| type_name.text.eq_ignore_ascii_case(time)) {
        return false;
    }
    if tokens.get(index + 1).is_some_and(|next| next.is_symbol('(')) && !follows_cast(tokens, index) {
        let open = index + 1;
        return puts_text_together(&tokens[open + 1..partners[open].min(tokens.len())]);
    }
    let first = start_of_name(tokens, index);
    let Some(before) = first.checked_sub(1) else { return false };
    let farthest = before.saturating_sub(LOOKED_BACK);
    if tokens[before].is("AS") {
        // `CAST (… AS`: back to where the parentheses were opened; without a cast it is an alias and costs an answer that is not kept.
        return match (farthest..before).rev().find(|open| tokens[*open].is_symbol('(') && partners[*open] > before) {
            Some(open) => puts_text_together(&tokens[open + 1..before]),
            None => farthest > 0,
        };
    }
    if !follows_cast(tokens, first) {
        return false;
    }
    // `a::b::c` is all that stands before the first `::`.
    let end = before.saturating_sub(1);
    let mut head = end;
    while let Some(last) = head.checked_sub(1) {
        if last < farthest || tokens[last].is_symbol(']') || tokens[last].is_any(&["PRECISION", "VARYING", "ZONE"]) {
            // An array's own values, or a type of several words.
            return true;
        }
        head = if tokens[last].is_symbol(')') { partners[last].min(last).saturating_sub(1) } else { last };
        head = start_of_name(tokens, head);
        if head < 2 || !follows_cast(tokens, head) {
            break;
        }
        head -= 2;
    }
    puts_text_together(&tokens[head.min(end)..end])
}

/// Where the name begins whose last part is at `index`: `pg_catalog.` may stand before it.
fn start_of_name(tokens: &[Token<'_>], index: usize) -> usize {
    let mut first = index;
    while first >= 2 && tokens[first - 1].is_symbol('.') {
        first -= 2;
    }
    first
}

/// Whether the type at `index` follows `::`.
fn follows_cast(tokens: &[Token<'_>], index: usize) -> bool {
    index > 0 && tokens[index - 1].is_symbol(':')
}

/// Whether a text may come out that no literal, parameter or column has.
fn puts_text_together(tokens: &[Token<'_>]) -> bool {
    tokens.iter().enumerate().any(|(index, token)| {
        let next = tokens.get(index + 1);
        let concatenates = token.is_symbol('|') && next.is_some_and(|next| next.is_symbol('|'));
        let called = token.is_name() && next.is_some_and(|next| next.is_symbol('('));
        concatenates
            || prefix(token) > 0
            || is_blob(token, next)
            || called && !MAKE_NO_TEXT.contains(&token.text.to_lowercase().as_str()) && !is_syntax(token)
    })
}

fn is_syntax(token: &Token<'_>) -> bool {
    token.is_any(&[
        "AND", "ANY", "AS", "BETWEEN", "BY", "CASE", "CAST", "ELSE", "FILTER", "FROM", "IN", "NOT", "OR", "OVER", "SELECT", "THEN", "WHEN",
        "WHERE",
    ])
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
