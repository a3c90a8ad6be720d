//! What SQLite and its driver say, in terms a caller can act on. No path leaves this file, only the name of the file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use libsqlite3_sys as ffi;

use super::connect::Place;
use super::raw::RawError;
use super::run;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::error::Fault;

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Compiling: what goes wrong lies in the text.
    Prepare,
    /// Running: what goes wrong lies in the data.
    Step,
}

/// The error for what SQLite said about a statement.
pub(super) fn of_sqlite(raw: &RawError, stage: Stage, place: &Place) -> DatabaseError {
    let denied = run::take_denial();
    let error = match raw.code & 0xff {
        ffi::SQLITE_AUTH => {
            denied.map_or_else(|| plain(ErrorKind::Refused, "the statement does what is not allowed here"), |it| it.into_error())
        }
        // A virtual table or `VACUUM` passes on what was denied to it as an error of its own.
        ffi::SQLITE_ERROR if denied.is_some() => denied.map_or_else(|| of_text(raw, stage), |it| it.into_error()),
        ffi::SQLITE_ERROR => of_text(raw, stage),
        ffi::SQLITE_READONLY => read_only(raw, place),
        ffi::SQLITE_CONSTRAINT => of_constraint(raw),
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => plain(ErrorKind::Unavailable, "another connection keeps the database locked")
            .hint("try again; a long transaction of another program may be open")
            .fault(Fault::Conflict),
        ffi::SQLITE_INTERRUPT => plain(ErrorKind::Cancelled, "the statement was stopped"),
        ffi::SQLITE_TOOBIG => plain(ErrorKind::TooLarge, "a value or the statement is over the size limit")
            .hint("a value may have 16 MiB and a statement 128 KiB"),
        ffi::SQLITE_NOMEM => {
            plain(ErrorKind::TooLarge, "the statement needs more memory than it may have").hint("group, sort or aggregate fewer rows")
        }
        ffi::SQLITE_FULL => plain(ErrorKind::Unavailable, "there is no space left for the database to write"),
        ffi::SQLITE_CANTOPEN => cannot_open(place),
        ffi::SQLITE_IOERR if place.path().is_some_and(Path::is_dir) => cannot_open(place),
        ffi::SQLITE_NOTADB => {
            plain(ErrorKind::Unavailable, format!("`{}` is no SQLite database, or an encrypted one", place.label())).fault(Fault::Rejection)
        }
        ffi::SQLITE_CORRUPT => plain(ErrorKind::Failed, format!("`{}` is damaged", place.label()))
            .hint("`PRAGMA integrity_check` tells where; restore it from a backup"),
        ffi::SQLITE_IOERR | ffi::SQLITE_PERM | ffi::SQLITE_PROTOCOL | ffi::SQLITE_NOLFS => {
            plain(ErrorKind::Unavailable, format!("`{}` cannot be read or written", place.label()))
        }
        ffi::SQLITE_RANGE => plain(ErrorKind::InvalidParameters, "there is no parameter at this position"),
        ffi::SQLITE_MISMATCH => plain(ErrorKind::InvalidParameters, raw.message.clone()),
        ffi::SQLITE_ABORT => plain(ErrorKind::Failed, raw.message.clone()),
        _ => plain(ErrorKind::Failed, raw.message.clone()),
    };
    match code_name(raw.code) {
        Some(name) => error.sqlstate(name),
        None => error.sqlstate(raw.code.to_string()),
    }
}

/// The error for what the driver said while it opened or kept a connection.
pub(super) fn of_driver(source: sqlx::Error, place: &Place) -> DatabaseError {
    match source {
        sqlx::Error::Database(said) => {
            let code = said.code().and_then(|code| code.parse().ok()).unwrap_or(ffi::SQLITE_ERROR);
            of_sqlite(&RawError { code, message: said.message().into(), offset: None }, Stage::Step, place)
        }
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => plain(ErrorKind::Unavailable, "the database is being closed"),
        _ => plain(ErrorKind::Unavailable, format!("`{}` cannot be opened", place.label())),
    }
}

/// The error for a file that cannot be opened.
fn cannot_open(place: &Place) -> DatabaseError {
    why_not_opened(place).fault(Fault::Rejection)
}

fn why_not_opened(place: &Place) -> DatabaseError {
    let label = place.label();
    match place.path() {
        Some(path) if !path.exists() => plain(ErrorKind::Unavailable, format!("there is no such file `{label}`"))
            .hint("create it or check the path in the database's `url`; with `mode = \"read-write\"`, `?mode=rwc` creates it"),
        Some(path) if path.is_dir() => plain(ErrorKind::Unavailable, format!("`{label}` is a folder, not a file")),
        Some(path) if path.with_file_name(format!("{label}-wal")).exists() || is_wal(path) => {
            plain(ErrorKind::Unavailable, format!("`{label}` keeps a write-ahead log, and its folder cannot be written"))
                .hint("let the host write to the folder, or switch the file to `PRAGMA journal_mode = delete`, or, when nothing writes to it, add `?immutable=1` to the `url`")
        }
        _ => plain(ErrorKind::Unavailable, format!("`{label}` cannot be opened")).hint("check that the host may read the file and its folder"),
    }
}

/// Whether the header says that the file is in WAL mode: <https://www.sqlite.org/fileformat.html#file_format_version_numbers>.
fn is_wal(path: &Path) -> bool {
    let mut header = [0; 20];
    File::open(path).and_then(|mut file| file.read_exact(&mut header)).is_ok() && header[19] == 2
}

fn read_only(raw: &RawError, place: &Place) -> DatabaseError {
    match raw.code {
        ffi::SQLITE_READONLY_CANTINIT | ffi::SQLITE_READONLY_CANTLOCK | ffi::SQLITE_READONLY_RECOVERY => cannot_open(place),
        ffi::SQLITE_READONLY_DIRECTORY if place.path().is_some_and(is_wal) => cannot_open(place),
        ffi::SQLITE_READONLY_DIRECTORY => plain(ErrorKind::Unavailable, format!("the folder of `{}` cannot be written", place.label())),
        ffi::SQLITE_READONLY_DBMOVED => plain(ErrorKind::Unavailable, format!("`{}` was moved or deleted", place.label())),
        _ => plain(ErrorKind::ReadOnly, "the database is read only"),
    }
}

/// Sorts out SQLite's general error by its text, which is all it gives.
fn of_text(raw: &RawError, stage: Stage) -> DatabaseError {
    let text = raw.message.as_str();
    // A view or a trigger calls what only the text of a statement may call.
    if let Some(function) = text.strip_prefix("unsafe use of ") {
        return plain(ErrorKind::Refused, format!("the schema of the database calls `{}`, which reaches outside of it", bare(function)));
    }
    if let Some(name) = text.strip_prefix("no such table: ") {
        return plain(ErrorKind::UnknownTable, format!("there is no table `{}`", bare(name)));
    }
    if let Some(name) = text.strip_prefix("no such column: ") {
        let (name, is_text) = match name.split_once(" - should this be") {
            Some((name, _)) => (name, true),
            None => (name, false),
        };
        let error = plain(ErrorKind::UnknownColumn, format!("there is no column `{}`", bare(name)));
        return if is_text { error.hint("text is written in single quotes") } else { error };
    }
    if let Some((table, column)) = text.strip_prefix("table ").and_then(|rest| rest.split_once(" has no column named ")) {
        return plain(ErrorKind::UnknownColumn, format!("there is no column `{}` in `{}`", bare(column), bare(table)));
    }
    if let Some(name) = text.strip_prefix("ambiguous column name: ") {
        return plain(ErrorKind::Syntax, format!("the column `{}` is in more than one table", bare(name)))
            .hint("write the table before it, as in `orders.id`");
    }
    if let Some(near) = text.strip_prefix("near ").and_then(|rest| rest.strip_suffix(": syntax error")) {
        return plain(ErrorKind::Syntax, format!("syntax error near `{}`{}", bare(near), position(raw)));
    }
    if text == "incomplete input" {
        return plain(ErrorKind::Syntax, "the statement ends too early");
    }
    match stage {
        Stage::Prepare => plain(ErrorKind::Syntax, format!("{text}{}", position(raw))),
        Stage::Step => plain(ErrorKind::Failed, text),
    }
}

fn of_constraint(raw: &RawError) -> DatabaseError {
    let what = raw.message.split_once("failed: ").map(|(_, what)| what);
    let message = match (raw.code, what) {
        (ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID, Some(what)) => {
            format!("there is a row with the same `{what}` already")
        }
        (ffi::SQLITE_CONSTRAINT_NOTNULL, Some(what)) => format!("`{what}` may not be null"),
        (ffi::SQLITE_CONSTRAINT_CHECK, Some(what)) => format!("a row does not keep the check `{what}`"),
        (ffi::SQLITE_CONSTRAINT_FOREIGNKEY, _) => "a row refers to one that is not there, or is still referred to".into(),
        (ffi::SQLITE_CONSTRAINT_DATATYPE, _) => raw.message.clone(),
        _ => raw.message.clone(),
    };
    plain(ErrorKind::Constraint, message)
}

/// Where in the statement it went wrong.
fn position(raw: &RawError) -> String {
    raw.offset.map(|offset| format!(", at byte {}", offset + 1)).unwrap_or_default()
}

/// A name without the quotes around it; backticks, in which messages put it, become apostrophes.
fn bare(name: &str) -> String {
    name.trim().trim_matches('"').replace('`', "'")
}

fn plain(kind: ErrorKind, message: impl Into<String>) -> DatabaseError {
    DatabaseError::new(kind, message)
}

/// SQLite's own name of a result code.
fn code_name(code: i32) -> Option<&'static str> {
    Some(match code {
        ffi::SQLITE_CONSTRAINT_CHECK => "SQLITE_CONSTRAINT_CHECK",
        ffi::SQLITE_CONSTRAINT_DATATYPE => "SQLITE_CONSTRAINT_DATATYPE",
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => "SQLITE_CONSTRAINT_FOREIGNKEY",
        ffi::SQLITE_CONSTRAINT_NOTNULL => "SQLITE_CONSTRAINT_NOTNULL",
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY => "SQLITE_CONSTRAINT_PRIMARYKEY",
        ffi::SQLITE_CONSTRAINT_ROWID => "SQLITE_CONSTRAINT_ROWID",
        ffi::SQLITE_CONSTRAINT_TRIGGER => "SQLITE_CONSTRAINT_TRIGGER",
        ffi::SQLITE_CONSTRAINT_UNIQUE => "SQLITE_CONSTRAINT_UNIQUE",
        _ => match code & 0xff {
            ffi::SQLITE_ERROR => "SQLITE_ERROR",
            ffi::SQLITE_AUTH => "SQLITE_AUTH",
            ffi::SQLITE_BUSY => "SQLITE_BUSY",
            ffi::SQLITE_LOCKED => "SQLITE_LOCKED",
            ffi::SQLITE_NOMEM => "SQLITE_NOMEM",
            ffi::SQLITE_READONLY => "SQLITE_READONLY",
            ffi::SQLITE_INTERRUPT => "SQLITE_INTERRUPT",
            ffi::SQLITE_IOERR => "SQLITE_IOERR",
            ffi::SQLITE_CORRUPT => "SQLITE_CORRUPT",
            ffi::SQLITE_FULL => "SQLITE_FULL",
            ffi::SQLITE_CANTOPEN => "SQLITE_CANTOPEN",
            ffi::SQLITE_TOOBIG => "SQLITE_TOOBIG",
            ffi::SQLITE_CONSTRAINT => "SQLITE_CONSTRAINT",
            ffi::SQLITE_MISMATCH => "SQLITE_MISMATCH",
            ffi::SQLITE_RANGE => "SQLITE_RANGE",
            ffi::SQLITE_NOTADB => "SQLITE_NOTADB",
            _ => return None,
        },
    })
}
