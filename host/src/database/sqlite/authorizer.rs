//! Which of SQLite's actions a statement may contain. What is not listed is denied.
//!
//! SQLite asks while it compiles: for the statement, for every trigger and view it reaches, and again for whatever a
//! virtual table or `VACUUM` compiles behind it. See <https://www.sqlite.org/c3ref/c_alter_table.html>.

use libsqlite3_sys as ffi;

use super::run;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;

/// In whose right a statement is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The host's own fixed statements: `BEGIN`, `COMMIT`, `ROLLBACK`, settings.
    Host,
    /// Reads.
    Reader,
    /// Reads, and compiles what virtual tables keep ready for writing to their own tables. What is compiled in this
    /// role is never run.
    Opener,
    /// Reads, inserts, updates and deletes rows.
    Writer,
    /// Changes the schema too.
    Admin,
    /// As `Admin`, with the temporary file and the transaction that `VACUUM` makes for itself.
    Vacuum,
}

/// One action that SQLite asks about.
pub(super) struct Action<'a> {
    /// `SQLITE_INSERT` and its kin.
    pub(super) code: i32,
    /// First name: mostly a table or a pragma.
    pub(super) first: Option<&'a str>,
    /// Second name: mostly a column, a function or the argument of a pragma.
    pub(super) second: Option<&'a str>,
    /// `main` or `temp`.
    pub(super) schema: Option<&'a str>,
}

/// Why an action was denied.
#[derive(Clone, Debug)]
pub(super) struct Denial {
    kind: ErrorKind,
    what: String,
    /// The table that rows were to be written to.
    table: Option<String>,
}

impl Denial {
    /// Whether a virtual table may have asked for its own sake, by the name of a table that one could own: those of
    /// `t` are called `t_…`.
    pub(super) fn may_be_of_virtual_table(&self) -> bool {
        self.table.as_deref().is_some_and(|table| table.contains('_') && !table.starts_with("sqlite_"))
    }

    /// The error that a client reads.
    pub(super) fn into_error(self) -> DatabaseError {
        match self.kind {
            ErrorKind::ReadOnly => DatabaseError::new(ErrorKind::ReadOnly, format!("this statement may not {}", self.what)),
            kind => DatabaseError::new(kind, format!("the database refuses to {}", self.what)),
        }
    }
}

/// Functions that reach outside of the database.
const DENIED_FUNCTIONS: [&str; 7] = ["load_extension", "fts3_tokenizer", "readfile", "writefile", "edit", "sqlite_log", "fsdir"];

/// Pragmas that only read, whether they have an argument or not.
const READING_PRAGMAS: [&str; 17] = [
    "collation_list",
    "compile_options",
    "data_version",
    "database_list",
    "foreign_key_check",
    "foreign_key_list",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "module_list",
    "pragma_list",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Pragmas that only read as long as they have no argument.
const SETTING_PRAGMAS: [&str; 21] = [
    "analysis_limit",
    "application_id",
    "auto_vacuum",
    "automatic_index",
    "busy_timeout",
    "cache_size",
    "encoding",
    "foreign_keys",
    "freelist_count",
    "journal_mode",
    "journal_size_limit",
    "locking_mode",
    "max_page_count",
    "mmap_size",
    "page_count",
    "page_size",
    "query_only",
    "schema_version",
    "synchronous",
    "trusted_schema",
    "user_version",
];

/// Pragmas that change the database and nothing of the session, so that an administrator may run them.
const ADMIN_PRAGMAS: [&str; 6] = ["application_id", "auto_vacuum", "incremental_vacuum", "optimize", "user_version", "wal_checkpoint"];

/// Journal modes that keep a transaction whole through a crash.
const SAFE_JOURNALS: [&str; 4] = ["wal", "delete", "truncate", "persist"];

/// Whether the run of this thread may do `action`; notes why not.
pub(super) fn allows(action: &Action<'_>) -> bool {
    let Some(role) = run::role() else { return false };
    match judge(role, action) {
        Ok(()) => {
            if action.code == ffi::SQLITE_PRAGMA {
                run::note_pragma();
            }
            true
        }
        Err(denial) => {
            run::note_denial(denial);
            false
        }
    }
}

fn judge(role: Role, action: &Action<'_>) -> Result<(), Denial> {
    if role == Role::Host {
        return Ok(());
    }
    match action.code {
        ffi::SQLITE_SELECT | ffi::SQLITE_READ | ffi::SQLITE_RECURSIVE => Ok(()),
        ffi::SQLITE_FUNCTION => judge_function(action.second.unwrap_or_default()),
        ffi::SQLITE_PRAGMA => judge_pragma(role, action.first.unwrap_or_default(), action.second),
        ffi::SQLITE_INSERT | ffi::SQLITE_UPDATE | ffi::SQLITE_DELETE => match role {
            Role::Writer | Role::Admin | Role::Vacuum | Role::Opener => Ok(()),
            Role::Reader | Role::Host => Err(read_only(action)),
        },
        ffi::SQLITE_ATTACH if role == Role::Vacuum && action.first == Some("") => Ok(()),
        ffi::SQLITE_TRANSACTION if role == Role::Vacuum && action.first == Some("BEGIN") => Ok(()),
        code if is_schema_change(code) => match role {
            // What lives in the session would be seen by the next caller of the connection.
            Role::Admin | Role::Vacuum if action.schema.is_some_and(|schema| schema.eq_ignore_ascii_case("temp")) => {
                Err(refused("make temporary objects in a shared session"))
            }
            Role::Admin | Role::Vacuum => Ok(()),
            Role::Writer | Role::Reader | Role::Opener | Role::Host => Err(read_only(action)),
        },
        ffi::SQLITE_ATTACH => Err(refused("open another database file")),
        ffi::SQLITE_DETACH => Err(refused("detach a database")),
        ffi::SQLITE_TRANSACTION | ffi::SQLITE_SAVEPOINT => Err(refused("begin or end a transaction by a statement")),
        code if is_temporary(code) => Err(refused("make temporary objects in a shared session")),
        _ => Err(refused("do this")),
    }
}

fn judge_function(name: &str) -> Result<(), Denial> {
    match DENIED_FUNCTIONS.iter().any(|denied| denied.eq_ignore_ascii_case(name)) {
        true => Err(refused(&format!("call `{name}`"))),
        false => Ok(()),
    }
}

fn judge_pragma(role: Role, name: &str, argument: Option<&str>) -> Result<(), Denial> {
    let name = name.to_ascii_lowercase();
    let is = |list: &[&str]| list.contains(&name.as_str());
    if is(&READING_PRAGMAS) || (argument.is_none() && is(&SETTING_PRAGMAS)) {
        return Ok(());
    }
    if matches!(role, Role::Admin | Role::Vacuum) {
        let journal = |mode: &str| name == "journal_mode" && SAFE_JOURNALS.iter().any(|safe| safe.eq_ignore_ascii_case(mode));
        if is(&ADMIN_PRAGMAS) || argument.is_some_and(journal) {
            return Ok(());
        }
    }
    match is(&SETTING_PRAGMAS) || is(&ADMIN_PRAGMAS) {
        true => Err(Denial { kind: ErrorKind::ReadOnly, what: format!("set the pragma `{name}`"), table: None }),
        false => Err(refused(&format!("run the pragma `{name}`"))),
    }
}

/// Whether the action changes the schema of a database file.
fn is_schema_change(code: i32) -> bool {
    matches!(
        code,
        ffi::SQLITE_CREATE_INDEX
            | ffi::SQLITE_CREATE_TABLE
            | ffi::SQLITE_CREATE_TRIGGER
            | ffi::SQLITE_CREATE_VIEW
            | ffi::SQLITE_CREATE_VTABLE
            | ffi::SQLITE_DROP_INDEX
            | ffi::SQLITE_DROP_TABLE
            | ffi::SQLITE_DROP_TRIGGER
            | ffi::SQLITE_DROP_VIEW
            | ffi::SQLITE_DROP_VTABLE
            | ffi::SQLITE_ALTER_TABLE
            | ffi::SQLITE_REINDEX
            | ffi::SQLITE_ANALYZE
    )
}

fn is_temporary(code: i32) -> bool {
    matches!(
        code,
        ffi::SQLITE_CREATE_TEMP_INDEX
            | ffi::SQLITE_CREATE_TEMP_TABLE
            | ffi::SQLITE_CREATE_TEMP_TRIGGER
            | ffi::SQLITE_CREATE_TEMP_VIEW
            | ffi::SQLITE_DROP_TEMP_INDEX
            | ffi::SQLITE_DROP_TEMP_TABLE
            | ffi::SQLITE_DROP_TEMP_TRIGGER
            | ffi::SQLITE_DROP_TEMP_VIEW
    )
}

fn read_only(action: &Action<'_>) -> Denial {
    // For a schema change SQLite first asks about its own table of the schema.
    let table = action.first.filter(|table| !table.starts_with("sqlite_"));
    let (what, table) = match (action.code, table) {
        (ffi::SQLITE_INSERT, Some(table)) => (format!("insert into `{table}`"), Some(table)),
        (ffi::SQLITE_UPDATE, Some(table)) => (format!("update `{table}`"), Some(table)),
        (ffi::SQLITE_DELETE, Some(table)) => (format!("delete from `{table}`"), Some(table)),
        _ => ("change the schema".into(), None),
    };
    Denial { kind: ErrorKind::ReadOnly, what, table: table.map(str::to_owned) }
}

fn refused(what: &str) -> Denial {
    Denial { kind: ErrorKind::Refused, what: what.into(), table: None }
}
