//! What the driver and the server say, in terms of the contract.

use sqlx::postgres::PgDatabaseError;
use sqlx::postgres::PgErrorPosition;

use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::error::Fault;

/// Why a session could not be opened. The server's own words name user and host, so they are not repeated.
pub(super) fn connect_error(error: sqlx::Error) -> DatabaseError {
    let unavailable = |message: &str| DatabaseError::new(ErrorKind::Unavailable, message).fault(Fault::Connection);
    match &error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default().into_owned();
            let fault = match code.as_str() {
                "53300" | "57P01" | "57P02" | "57P03" | "57P05" => Fault::Connection,
                _ => Fault::Rejection,
            };
            let (message, hint) = match code.as_str() {
                "28P01" | "28000" => {
                    ("the database refused the login", "check user and password of its URL, and the server's access rules")
                }
                "3D000" => ("the server has no database of the name in the URL", "check the URL"),
                "53300" => ("the server has no connection left", "try again, or lower `max` of the database's `pool`"),
                "57P03" => ("the server is starting up or shutting down", "try again"),
                "42501" => ("the role may not connect or may not set up its session", "grant it what a plain role has"),
                _ => ("the database did not accept the session", "look at the server's log"),
            };
            unavailable(message).hint(hint).sqlstate(code).fault(fault)
        }
        sqlx::Error::Tls(_) => no_tls(),
        // A certificate that does not hold.
        sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => no_tls(),
        sqlx::Error::Io(io) => unavailable(match io.kind() {
            std::io::ErrorKind::ConnectionRefused => "the database refused the connection: nothing listens there",
            std::io::ErrorKind::TimedOut => "the database did not answer in time",
            std::io::ErrorKind::NotFound => "the database's socket or host is not there",
            _ => "the database cannot be reached",
        })
        .hint("check that the server runs and that the URL is right"),
        _ => unavailable("the database cannot be reached").hint("check that the server runs and that the URL is right"),
    }
}

fn no_tls() -> DatabaseError {
    DatabaseError::new(ErrorKind::Unavailable, "no TLS connection to the database could be made")
        .fault(Fault::Rejection)
        .hint("check `sslmode` in the URL and the certificates under the database's `tls`")
}

/// Why a statement failed.
pub(super) fn statement_error(error: sqlx::Error) -> DatabaseError {
    match &error {
        sqlx::Error::Database(database) => match database.try_downcast_ref::<PgDatabaseError>() {
            Some(said) => server_error(said),
            None => DatabaseError::new(ErrorKind::Failed, database.message().to_owned()),
        },
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) => {
            DatabaseError::new(ErrorKind::Unavailable, "the connection to the database broke").hint("try again").fault(Fault::Connection)
        }
        // `COPY` and replication commands change the protocol in a way that the driver does not follow.
        sqlx::Error::Protocol(_) => DatabaseError::new(ErrorKind::NotSupported, "the database answered with what this host does not read"),
        _ => DatabaseError::new(ErrorKind::Failed, "the driver could not run the statement"),
    }
}

/// The SQLSTATE of an error of the server.
pub(super) fn sqlstate(error: &sqlx::Error) -> Option<&str> {
    match error {
        sqlx::Error::Database(database) => database.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::code),
        _ => None,
    }
}

/// Whether the connection is gone, and was so before the statement could have had an effect.
pub(super) fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        // The administrator, a crash or a restart ended the session.
        _ => matches!(sqlstate(error), Some("57P01" | "57P02" | "57P05" | "08003" | "08006" | "25P03")),
    }
}

/// Whether what the driver keeps about the statement is out of date: a table has changed, or the session was cleaned under it.
pub(super) fn is_stale(error: &sqlx::Error) -> bool {
    match sqlstate(error) {
        Some("26000" | "42P05") => true,
        // "cached plan must not change result type"
        Some("0A000") => routine(error) == Some("RevalidateCachedQuery"),
        _ => false,
    }
}

fn routine(error: &sqlx::Error) -> Option<&str> {
    match error {
        sqlx::Error::Database(database) => database.try_downcast_ref::<PgDatabaseError>()?.routine(),
        _ => None,
    }
}

fn server_error(said: &PgDatabaseError) -> DatabaseError {
    let code = said.code();
    let kind = kind_of(code);
    let mut message = match kind {
        ErrorKind::UnknownTable | ErrorKind::UnknownColumn => name_in_backticks(said.message()),
        _ => said.message().to_owned(),
    };
    let mut hint = said.hint().map(str::to_owned);
    match kind {
        ErrorKind::Constraint | ErrorKind::InvalidParameters | ErrorKind::Failed => {
            if let Some(detail) = said.detail() {
                message = format!("{message}: {}", detail.trim_end_matches('.'));
            }
        }
        ErrorKind::Syntax => {
            if let (None, Some(PgErrorPosition::Original(position))) = (&hint, said.position()) {
                hint = Some(format!("at character {position} of the statement"));
            }
        }
        // Somebody else than this host asked for it.
        ErrorKind::Timeout if said.message().contains("user request") => {
            return DatabaseError::new(ErrorKind::Cancelled, "the statement was cancelled on the server").sqlstate(code);
        }
        ErrorKind::Timeout => {
            "the statement ran longer than its limit and was stopped".clone_into(&mut message);
            hint = Some("narrow it (WHERE, LIMIT, an index), or raise `timeout_ms` up to the database's `statement_timeout`".into());
        }
        ErrorKind::ReadOnly => {
            hint = hint.or_else(|| Some("use `execute_query` on a database that is open for writing".into()));
        }
        ErrorKind::Unavailable => {
            "the database ended the session or cannot take more".clone_into(&mut message);
            hint = Some("try again".into());
        }
        _ => {}
    }
    match code {
        // The server's own hint is its log, which the client does not see.
        "40001" | "40P01" => hint = Some("another session is in the way: try again; in a transaction, roll back first".into()),
        "55P03" => hint = hint.or_else(|| Some("another session is in the way: try again".into())),
        _ => {}
    }
    let error = DatabaseError::new(kind, lower_first(&message)).sqlstate(code).fault(fault_of(code, kind));
    match hint {
        Some(hint) => error.hint(lower_first(hint.trim_end_matches('.'))),
        None => error,
    }
}

/// Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn kind_of(code: &str) -> ErrorKind {
    match code {
        "42601" | "42P13" | "42611" => ErrorKind::Syntax,
        "42P01" => ErrorKind::UnknownTable,
        "42703" => ErrorKind::UnknownColumn,
        "25006" => ErrorKind::ReadOnly,
        "57014" => ErrorKind::Timeout,
        "42501" | "28000" | "28P01" => ErrorKind::AccessDenied,
        "53300" | "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "25P03" => ErrorKind::Unavailable,
        "54000" | "54001" | "54011" | "54023" => ErrorKind::TooLarge,
        "0A000" => ErrorKind::NotSupported,
        "42P02" | "42P18" | "42P08" | "08P01" => ErrorKind::InvalidParameters,
        _ => match &code[..code.len().min(2)] {
            "23" => ErrorKind::Constraint,
            "08" => ErrorKind::Unavailable,
            _ => ErrorKind::Failed,
        },
    }
}

/// What lies behind a code: a serialization failure and a deadlock end the transaction, so that all of it may run again.
fn fault_of(code: &str, kind: ErrorKind) -> Fault {
    match code {
        "40001" | "40P01" => Fault::Conflict,
        _ if kind == ErrorKind::Unavailable => Fault::Connection,
        _ => Fault::Statement,
    }
}

/// Puts the name that the server complains about between backticks: it stands in quotation marks, or bare after the first word
/// (`column o.x does not exist`).
fn name_in_backticks(message: &str) -> String {
    let quotes: &[char] = &['"', '\u{201c}', '\u{201d}', '\u{201e}', '\u{ab}', '\u{bb}'];
    if message.contains(quotes) {
        return message.replace(quotes, "`");
    }
    let mut words: Vec<String> = message.split(' ').map(str::to_owned).collect();
    if let Some(name) = words.get_mut(1) {
        *name = format!("`{name}`");
    }
    words.join(" ")
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => first.to_lowercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrong_name_stands_between_backticks() {
        assert_eq!(name_in_backticks("relation \"ordrs\" does not exist"), "relation `ordrs` does not exist");
        assert_eq!(name_in_backticks("column o.totl does not exist"), "column `o.totl` does not exist");
        assert_eq!(name_in_backticks("Relation »x« existiert nicht"), "Relation `x` existiert nicht");
    }
}
