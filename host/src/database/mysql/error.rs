//! What the server and the driver say, in terms a caller can act on.
//!
//! Numbers are those of the manuals: <https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html>,
//! <https://mariadb.com/kb/en/mariadb-error-code-reference/>, <https://docs.pingcap.com/tidb/stable/error-codes/>.
//! The family writes `'user'@'host'` into many of its texts; none of that goes on.

use sqlx::mysql::MySqlDatabaseError;

use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::error::Fault;

/// Characters of a server's text that are passed on.
const LONGEST_TEXT: usize = 400;

/// `ER_UNSUPPORTED_PS`: this statement cannot be prepared.
pub(super) const NOT_PREPARABLE: u16 = 1295;

/// The error of a statement.
pub(super) fn of_statement(error: sqlx::Error) -> DatabaseError {
    match &error {
        sqlx::Error::Database(database) => match database.try_downcast_ref::<MySqlDatabaseError>() {
            Some(server) => of_server(server.number(), server.code(), server.message()),
            None => DatabaseError::new(ErrorKind::Failed, "the database refused the statement"),
        },
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) => lost(),
        sqlx::Error::Protocol(text) if text.contains("unknown column type") => {
            DatabaseError::new(ErrorKind::NotSupported, "a column of the result has a type that the host cannot read")
                .hint("convert it in the statement, for example with CAST(… AS CHAR) or VECTOR_TO_STRING(…)")
        }
        _ => DatabaseError::new(ErrorKind::Failed, "the database's answer was not understood"),
    }
}

/// The error of a connection that could not be made; says why without saying where to.
pub(super) fn connecting(name: &str, error: &sqlx::Error) -> DatabaseError {
    let failed =
        |why: &str, fault| DatabaseError::new(ErrorKind::Unavailable, format!("database `{name}` is not available: {why}")).fault(fault);
    let unavailable = |why: &str| failed(why, Fault::Connection);
    let rejected = |why: &str| failed(why, Fault::Rejection);
    match error {
        sqlx::Error::Database(database) => match number(error) {
            Some(1044 | 1045 | 1698 | 1862 | 1820) => {
                rejected("the server refused the login").hint("the operator should check user and password in the database's `url`")
            }
            Some(1049) => rejected("the server has no database of the name in its `url`"),
            Some(1040 | 1203 | 1226) => unavailable("the server takes no more connections").hint("try again later"),
            Some(1129 | 1130) => rejected("the server does not accept connections from this machine"),
            _ => unavailable("the server ended the connection").sqlstate(database.code().unwrap_or_default()),
        },
        sqlx::Error::Io(cause) if cause.kind() == std::io::ErrorKind::InvalidData => rejected(tls_reason(&cause.to_string())),
        sqlx::Error::Io(cause) => match cause.kind() {
            std::io::ErrorKind::ConnectionRefused => {
                unavailable("the connection was refused").hint("the operator should check that the server runs")
            }
            std::io::ErrorKind::NotFound => unavailable("its socket or host was not found"),
            _ => unavailable("the connection failed"),
        },
        // The driver is built without the other way to send a password that the server has not seen lately.
        sqlx::Error::Configuration(why) if why.to_string().contains("RSA") => rejected("the server takes this password only by TLS")
            .hint("the operator should set `ssl-mode=REQUIRED` in the database's `url`, or allow TLS on the server"),
        sqlx::Error::Tls(cause) => rejected(tls_reason(&cause.to_string())),
        _ => unavailable("the server's greeting was not understood"),
    }
}

/// Why there is no TLS, without the names that are in certificates.
fn tls_reason(text: &str) -> &'static str {
    let text = text.to_ascii_lowercase();
    if text.contains("unknownissuer") || text.contains("unknown issuer") {
        "its certificate is not signed by an authority that is trusted; `tls.root_certificate` names one that is"
    } else if text.contains("not valid for") || text.contains("notvalidfor") {
        "its certificate is for another host name"
    } else if text.contains("expired") {
        "its certificate has expired"
    } else if text.contains("does not support tls") {
        "the server has no TLS, and the database's `url` asks for it"
    } else {
        "the TLS handshake failed"
    }
}

/// The error of a connection that went away.
pub(super) fn lost() -> DatabaseError {
    DatabaseError::new(ErrorKind::Unavailable, "the connection to the database was lost").hint("try again").fault(Fault::Connection)
}

/// Whether the connection is gone, so that the same may be tried on another one.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) => true,
        sqlx::Error::Database(_) => {
            matches!(number(error), Some(1053 | 1077..=1080 | 1152 | 1158..=1161 | 1184 | 1927 | 2006 | 2013 | 2055))
        }
        _ => false,
    }
}

/// Whether the connection is still in step with the server after this error, and may be used again.
pub(super) fn is_in_step(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(_)) && !is_lost(error)
}

/// The server's number of an error.
pub(super) fn number(error: &sqlx::Error) -> Option<u16> {
    match error {
        sqlx::Error::Database(database) => database.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number),
        _ => None,
    }
}

/// Sorts one error of the server.
fn of_server(number: u16, sqlstate: Option<&str>, text: &str) -> DatabaseError {
    let kind = kind_of(number, sqlstate, text);
    let said = tidy(text);
    let quoted = between(text, '\'');
    let error = |message: String| DatabaseError::new(kind, message);
    let error = match number {
        1064 => match text.split_once("to use near ") {
            Some((_, near)) => error(format!("the server could not parse the statement near {}", shorten(near))),
            None => error(said),
        },
        1146 | 1051 | 1109 => match quoted {
            Some(name) => error(format!("there is no table `{name}`")),
            None => error(said),
        },
        1049 => match quoted {
            Some(name) => error(format!("there is no schema `{name}`")).hint("call `list_schemas` for the names there are"),
            None => error(said),
        },
        1054 => match quoted {
            Some(name) => {
                let place = text.rsplit_once(" in ").map_or("", |(_, place)| place).trim_matches('\'');
                let place = if place.is_empty() { String::new() } else { format!(" ({place})") };
                error(format!("there is no column `{name}`{place}"))
            }
            None => error(said),
        },
        1290 if kind == ErrorKind::ReadOnly => error("the server is read only".into()),
        1792 => error("the statement writes, and the session is read only".into()),
        1205 => error("the statement waited too long for a lock that another session holds".into()).hint("try again"),
        1213 => error("the statement was part of a deadlock and was rolled back".into()).hint("try again"),
        1969 | 3024 => {
            error("the statement ran longer than the server allows and was stopped".into()).hint("narrow it (WHERE, LIMIT, an index)")
        }
        1317 => error("the statement was stopped on the server".into()),
        NOT_PREPARABLE => error("this server cannot prepare such a statement, and unprepared text is not sent to it".into()),
        _ if kind == ErrorKind::Unavailable => error("the server cannot answer now".into()).hint("try again later"),
        _ => error(said),
    };
    let error = error.fault(fault_of(number, kind));
    error.sqlstate(match sqlstate {
        Some(state) if !state.is_empty() && state != "HY000" => state.to_owned(),
        _ => number.to_string(),
    })
}

/// What lies behind a number. After a deadlock, a lock that was waited for too long and TiDB's write conflict the host rolls the
/// whole transaction back, where the server has not done so itself.
fn fault_of(number: u16, kind: ErrorKind) -> Fault {
    match number {
        1205 | 1213 | 9007 => Fault::Conflict,
        _ if kind == ErrorKind::Unavailable => Fault::Connection,
        _ => Fault::Statement,
    }
}

fn kind_of(number: u16, sqlstate: Option<&str>, text: &str) -> ErrorKind {
    match number {
        1064 | 1065 | 1149 => ErrorKind::Syntax,
        1049 | 1051 | 1109 | 1146 => ErrorKind::UnknownTable,
        1054 | 1072 => ErrorKind::UnknownColumn,
        1022 | 1048 | 1062 | 1169 | 1216 | 1217 | 1364 | 1451 | 1452 | 1557 | 1586 | 1761 | 1762 | 1859 | 3819 => ErrorKind::Constraint,
        // MariaDB's failed CHECK; MySQL uses the number for something else.
        4025 if sqlstate == Some("23000") => ErrorKind::Constraint,
        1210 | 1264 | 1265 | 1292 | 1366 | 1406 | 1411 => ErrorKind::InvalidParameters,
        // One number for every server option that forbids a statement.
        1290 if ["read-only", "read_only"].iter().any(|option| text.contains(option)) => ErrorKind::ReadOnly,
        1223 | 1792 | 1836 | 1874 => ErrorKind::ReadOnly,
        1044 | 1045 | 1095 | 1141 | 1142 | 1143 | 1147 | 1227 | 1290 | 1345 | 1370 | 1410 | 1419 | 1698 => ErrorKind::AccessDenied,
        1205 | 1969 | 3024 => ErrorKind::Timeout,
        1317 => ErrorKind::Cancelled,
        1104 | 1153 | 1301 | 1390 | 1436 => ErrorKind::TooLarge,
        1112 | 1178 | 1235 | 1286 | 1289 | NOT_PREPARABLE => ErrorKind::NotSupported,
        1040 | 1043 | 1047 | 1053 | 1077..=1080 | 1129 | 1130 | 1152 | 1158..=1161 | 1184 | 1203 | 1226 | 1927 => ErrorKind::Unavailable,
        2002 | 2003 | 2006 | 2013 | 2055 | 9001..=9005 => ErrorKind::Unavailable,
        _ => match sqlstate.unwrap_or_default().get(..2) {
            Some("08") => ErrorKind::Unavailable,
            Some("23") => ErrorKind::Constraint,
            Some("22") => ErrorKind::InvalidParameters,
            _ => ErrorKind::Failed,
        },
    }
}

/// A server's text as this house writes errors: no accounts, no full stop, not without end.
fn tidy(text: &str) -> String {
    let text = without_accounts(text);
    let text = text.trim().trim_end_matches('.');
    let mut letters = text.chars();
    let lowered = match (letters.next(), letters.next()) {
        // `Out of range`, but not `BIGINT value`.
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().collect::<String>() + &text[first.len_utf8()..],
        _ => text.to_owned(),
    };
    shorten(&lowered)
}

/// Cuts a text that is too long.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Replaces every `'user'@'host'` (also with backticks) by words.
fn without_accounts(text: &str) -> String {
    let mut text = text.to_owned();
    for quote in ['\'', '`'] {
        let middle = format!("{quote}@{quote}");
        while let Some(at) = text.find(&middle) {
            let start = text[..at].rfind(quote).unwrap_or(at);
            let after = at + middle.len();
            let end = text[after..].find(quote).map_or(text.len(), |end| after + end + 1);
            text.replace_range(start..end, "this account");
        }
    }
    text.replace("user this account", "this account").replace(" (using password: YES)", "").replace(" (using password: NO)", "")
}

/// What stands between the first two `quote`s.
fn between(text: &str, quote: char) -> Option<&str> {
    let mut parts = text.split(quote);
    parts.next()?;
    parts.next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_hosts_do_not_reach_the_client() {
        let denied = "SELECT command denied to user 'app'@'10.0.0.7' for table `shop`.`secrets`";
        let error = of_server(1142, Some("42000"), denied);
        assert_eq!(error.kind, ErrorKind::AccessDenied);
        assert_eq!(error.message, "SELECT command denied to this account for table `shop`.`secrets`");
        let error = of_server(1045, Some("28000"), "Access denied for user 'root'@'db.internal' (using password: YES)");
        assert_eq!(error.message, "access denied for this account");
        assert_eq!(without_accounts("'a'@'b' and `c`@`d` and 'e'@'"), "this account and this account and this account");
    }

    #[test]
    fn a_certificate_is_refused_without_telling_the_names_in_it() {
        let cause =
            "invalid peer certificate: certificate not valid for name \"db.internal\"; certificate is only valid for DnsName(\"x\")";
        let error = connecting("main", &sqlx::Error::Tls(cause.into()));
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert_eq!(error.message, "database `main` is not available: its certificate is for another host name");
        let io = std::io::Error::new(std::io::ErrorKind::InvalidData, "invalid peer certificate: UnknownIssuer");
        assert!(connecting("main", &sqlx::Error::Io(io)).message.contains("`tls.root_certificate`"));
    }

    #[test]
    fn unknown_names_stand_between_backticks() {
        let table = of_server(1146, Some("42S02"), "Table 'shop.ordrs' doesn't exist");
        assert_eq!((table.kind, table.message.as_str()), (ErrorKind::UnknownTable, "there is no table `shop.ordrs`"));
        let column = of_server(1054, Some("42S22"), "Unknown column 'o.nmae' in 'field list'");
        assert_eq!((column.kind, column.message.as_str()), (ErrorKind::UnknownColumn, "there is no column `o.nmae` (field list)"));
    }

    #[test]
    fn one_number_with_two_meanings_is_told_apart() {
        let server = "The MariaDB server is running with the --read-only option so it cannot execute this statement";
        assert_eq!(of_server(1290, None, server).kind, ErrorKind::ReadOnly);
        let file = "The MySQL server is running with the --secure-file-priv option so it cannot execute this statement";
        assert_eq!(of_server(1290, None, file).kind, ErrorKind::AccessDenied);
        assert_eq!(of_server(4025, Some("23000"), "CONSTRAINT `c` failed for `d`.`t`").kind, ErrorKind::Constraint);
        assert_eq!(of_server(4025, Some("HY000"), "something else").kind, ErrorKind::Failed);
    }
}
