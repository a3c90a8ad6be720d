//! What the first keyword of a statement says, per dialect.

use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use super::StatementKind;
use super::StatementKind::Admin;
use super::StatementKind::Forbidden;
use super::StatementKind::Transaction;
use super::StatementKind::Write;
use crate::config::EngineKind;

/// What a leading keyword begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A query: reads unless something in it does more.
    Query,
    /// `SHOW` and its like: reads, and has no `INTO` of its own.
    Show,
    /// `EXPLAIN`, `DESCRIBE`: another statement follows.
    Explain,
    /// A statement that is run and measured, such as `ANALYZE SELECT` of MariaDB.
    Measured,
    /// A pragma of SQLite.
    Pragma,
    /// This kind, whatever follows, for this reason.
    Always(StatementKind, &'static str),
}

type Verb = (&'static str, Role);

const CHANGES_ROWS: Role = Role::Always(Write, "changes rows");
const CHANGES_SCHEMA: Role = Role::Always(Admin, "changes the schema");
const CHANGES_RIGHTS: Role = Role::Always(Admin, "changes rights");
const CHANGES_SETTINGS: Role = Role::Always(Admin, "changes settings");
const MAINTAINS: Role = Role::Always(Admin, "is maintenance");
const TRANSACTION: Role = Role::Always(Transaction, "begins, ends or changes a transaction");
const STAYS_IN_SESSION: Role = Role::Always(Forbidden, "leaves something in the session");
const LOCKS: Role = Role::Always(Forbidden, "takes locks");
const RUNS_CODE: Role = Role::Always(Forbidden, "runs code given as text");
const REACHES_FILES: Role = Role::Always(Forbidden, "reaches files");
const SERVER: Role = Role::Always(Forbidden, "acts on the server");
const CLIENT: Role = Role::Always(Forbidden, "is a command of a client program");

/// What all dialects have.
const COMMON: &[Verb] = &[
    ("ALTER", CHANGES_SCHEMA),
    ("ANALYZE", MAINTAINS),
    ("BEGIN", TRANSACTION),
    ("COMMIT", TRANSACTION),
    ("CREATE", CHANGES_SCHEMA),
    ("DELETE", CHANGES_ROWS),
    ("DROP", CHANGES_SCHEMA),
    ("EXPLAIN", Role::Explain),
    ("INSERT", CHANGES_ROWS),
    ("RELEASE", TRANSACTION),
    ("ROLLBACK", TRANSACTION),
    ("SAVEPOINT", TRANSACTION),
    ("SELECT", Role::Query),
    ("UPDATE", CHANGES_ROWS),
    ("VALUES", Role::Query),
    ("WITH", Role::Query),
];

const POSTGRES: &[Verb] = &[
    ("ABORT", TRANSACTION),
    ("ANALYSE", MAINTAINS),
    ("CALL", Role::Always(Write, "runs a procedure")),
    ("CHECKPOINT", MAINTAINS),
    ("CLOSE", STAYS_IN_SESSION),
    ("CLUSTER", MAINTAINS),
    ("COMMENT", CHANGES_SCHEMA),
    ("COPY", Role::Always(Forbidden, "moves rows past the host and can reach files and programs")),
    ("DEALLOCATE", STAYS_IN_SESSION),
    ("DECLARE", STAYS_IN_SESSION),
    ("DISCARD", STAYS_IN_SESSION),
    ("DO", RUNS_CODE),
    ("END", TRANSACTION),
    ("EXECUTE", STAYS_IN_SESSION),
    ("FETCH", STAYS_IN_SESSION),
    ("GRANT", CHANGES_RIGHTS),
    ("IMPORT", CHANGES_SCHEMA),
    ("LISTEN", STAYS_IN_SESSION),
    ("LOAD", Role::Always(Forbidden, "loads a library")),
    ("LOCK", LOCKS),
    ("MERGE", CHANGES_ROWS),
    ("MOVE", STAYS_IN_SESSION),
    ("NOTIFY", Role::Always(Forbidden, "sends a notification to other sessions")),
    ("PREPARE", STAYS_IN_SESSION),
    ("REASSIGN", CHANGES_RIGHTS),
    ("REFRESH", MAINTAINS),
    ("REINDEX", MAINTAINS),
    ("RESET", CHANGES_SETTINGS),
    ("REVOKE", CHANGES_RIGHTS),
    ("SECURITY", CHANGES_RIGHTS),
    ("SET", CHANGES_SETTINGS),
    ("SHOW", Role::Show),
    ("START", TRANSACTION),
    ("TABLE", Role::Query),
    ("TRUNCATE", CHANGES_SCHEMA),
    ("UNLISTEN", STAYS_IN_SESSION),
    ("VACUUM", MAINTAINS),
];

const MYSQL: &[Verb] = &[
    ("ADMIN", MAINTAINS),
    ("BACKUP", REACHES_FILES),
    ("BATCH", Role::Always(Forbidden, "changes rows in several transactions")),
    ("BINLOG", SERVER),
    ("CACHE", MAINTAINS),
    ("CALL", Role::Always(Write, "runs a procedure")),
    ("CASE", RUNS_CODE),
    ("CHANGE", SERVER),
    ("CHECK", MAINTAINS),
    ("CHECKSUM", Role::Show),
    ("CLONE", REACHES_FILES),
    ("CLOSE", STAYS_IN_SESSION),
    ("DEALLOCATE", STAYS_IN_SESSION),
    ("DECLARE", STAYS_IN_SESSION),
    ("DELIMITER", CLIENT),
    ("DESC", Role::Explain),
    ("DESCRIBE", Role::Explain),
    ("DO", RUNS_CODE),
    ("EXECUTE", STAYS_IN_SESSION),
    ("FETCH", STAYS_IN_SESSION),
    ("FLASHBACK", CHANGES_SCHEMA),
    ("FLUSH", MAINTAINS),
    ("FOR", RUNS_CODE),
    ("GET", STAYS_IN_SESSION),
    ("GRANT", CHANGES_RIGHTS),
    ("HANDLER", Role::Always(Forbidden, "opens a table outside of every check")),
    ("HELP", Role::Show),
    ("IF", RUNS_CODE),
    ("IMPORT", REACHES_FILES),
    ("INSTALL", Role::Always(Forbidden, "loads a library")),
    ("KILL", Role::Always(Forbidden, "ends other connections")),
    ("LOAD", REACHES_FILES),
    ("LOCK", LOCKS),
    ("LOOP", RUNS_CODE),
    ("OPEN", STAYS_IN_SESSION),
    ("OPTIMIZE", MAINTAINS),
    ("PREPARE", STAYS_IN_SESSION),
    ("PURGE", SERVER),
    ("RECOVER", CHANGES_SCHEMA),
    ("RENAME", CHANGES_SCHEMA),
    ("REPAIR", MAINTAINS),
    ("REPEAT", RUNS_CODE),
    ("REPLACE", CHANGES_ROWS),
    ("RESET", SERVER),
    ("RESIGNAL", STAYS_IN_SESSION),
    ("RESTART", SERVER),
    ("RESTORE", REACHES_FILES),
    ("REVOKE", CHANGES_RIGHTS),
    ("SET", CHANGES_SETTINGS),
    ("SHOW", Role::Show),
    ("SHUTDOWN", SERVER),
    ("SIGNAL", STAYS_IN_SESSION),
    ("SPLIT", MAINTAINS),
    ("START", TRANSACTION),
    ("STOP", SERVER),
    ("TABLE", Role::Query),
    ("TRACE", Role::Measured),
    ("TRUNCATE", CHANGES_SCHEMA),
    ("UNINSTALL", SERVER),
    ("UNLOCK", LOCKS),
    ("USE", STAYS_IN_SESSION),
    ("WHILE", RUNS_CODE),
    ("XA", TRANSACTION),
];

const SQLITE: &[Verb] = &[
    ("ATTACH", REACHES_FILES),
    ("DETACH", Role::Always(Forbidden, "changes the attached files")),
    ("END", TRANSACTION),
    ("PRAGMA", Role::Pragma),
    ("REINDEX", MAINTAINS),
    ("REPLACE", CHANGES_ROWS),
    ("VACUUM", MAINTAINS),
];

fn own_verbs(engine: EngineKind) -> &'static [Verb] {
    match engine {
        EngineKind::Postgres => POSTGRES,
        EngineKind::MySql => MYSQL,
        EngineKind::Sqlite => SQLITE,
    }
}

/// What `verb`, in upper case, begins in this dialect.
///
/// # Errors
///
/// `Syntax` when it begins nothing there, with what may have been meant.
pub(super) fn role(engine: EngineKind, verb: &str) -> Result<Role, DatabaseError> {
    let find = |verbs: &[Verb]| verbs.iter().find(|(name, _)| *name == verb).map(|(_, role)| *role);
    find(own_verbs(engine)).or_else(|| find(COMMON)).ok_or_else(|| unknown(engine, verb))
}

/// The error for what begins no statement.
pub(super) fn unknown(engine: EngineKind, verb: &str) -> DatabaseError {
    let short: String = verb.chars().take(40).collect();
    let error =
        DatabaseError::new(ErrorKind::Syntax, format!("`{short}` does not begin a statement of this database ({})", engine.as_str()));
    if matches!(verb, "SHOW" | "DESCRIBE" | "DESC" | "PRAGMA" | "USE") {
        return error.hint("`list_tables` and `describe_table` show what is there; in a statement, write the table as `schema.table`");
    }
    let near = |(name, _): &&Verb| strsim::jaro_winkler(name, verb) > 0.85;
    match COMMON
        .iter()
        .chain(own_verbs(engine))
        .filter(near)
        .max_by(|a, b| strsim::jaro_winkler(a.0, verb).total_cmp(&strsim::jaro_winkler(b.0, verb)))
    {
        Some((name, _)) => error.hint(format!("did you mean `{name}`?")),
        None => error.hint("send one SQL statement, such as `SELECT …`"),
    }
}
