//! Running one statement that reads, and the rules that make it one.
//!
//! What holds it, from the outside in: the session is read only by `SET SESSION TRANSACTION READ ONLY`, which, unlike
//! the transaction alone, also stops what commits by itself (`CREATE`, `DROP`, `TRUNCATE`); the text goes through the
//! prepared protocol, which takes exactly one statement; what the server prepared must have result columns, so whatever
//! acts instead of answering (`INTO OUTFILE`, `SET`, `DO`, `KILL`, `CALL`, every DML and DDL) is refused before it runs;
//! a transaction `READ ONLY` goes around it and is rolled back; and a session that may have kept a trace (variables,
//! locks, temporary tables) is closed, because the driver has no command to reset one.

use std::time::Duration;
use std::time::Instant;

use futures_util::TryStreamExt;
use sqlx::AssertSqlSafe;
use sqlx::Either;
use sqlx::Executor;
use sqlx::Row;
use sqlx::SqlSafeStr;
use sqlx::Statement as _;
use sqlx::mysql::MySqlConnection;
use sqlx::mysql::MySqlRow;
use sqlx::mysql::MySqlStatement;

use super::MySql;
use super::connect::Access;
use super::connect::Product;
use super::connect::Session;
use super::error;
use super::pool::Checkout;
use super::running::Running;
use super::types;
use super::types::Protocol;
use super::types::Shape;
use crate::call::Call;
use crate::database::RunOptions;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::rows::Flow;
use crate::database::rows::RowLimits;
use crate::database::rows::RowSet;
use crate::database::rows::RowTooLarge;
use crate::database::rows::RowWriter;
use crate::database::statement::Statement;
use crate::database::statement::StatementKind;
use crate::database::supervise::supervised;
use crate::database::value::Value;

/// Rows after the cut that are read and thrown away, when there are no more than these and no longer than
/// [`LEFT_OVER_TIME`]: cheaper than a new connection. A result with more is not read on; its connection is closed.
const LEFT_OVER_ROWS: usize = 1_000;

/// See [`LEFT_OVER_ROWS`].
const LEFT_OVER_TIME: Duration = Duration::from_millis(5);

/// What went wrong with a statement.
pub(super) enum Fault {
    /// The driver or the server said so.
    Driver(sqlx::Error),
    /// The host said so before or after the server was asked; the connection is in step.
    Host(DatabaseError),
    /// The host said so in the middle of an answer; the connection is of no use any more.
    OutOfStep(DatabaseError),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

impl From<DatabaseError> for Fault {
    fn from(error: DatabaseError) -> Self {
        Self::Host(error)
    }
}

impl Fault {
    /// In terms of the caller.
    pub(super) fn into_error(self) -> DatabaseError {
        match self {
            Self::Driver(error) => error::of_statement(error),
            Self::Host(error) | Self::OutOfStep(error) => error,
        }
    }

    /// Whether the connection is gone.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Driver(error) if error::is_lost(error))
    }

    /// Whether the connection can be used again.
    pub(super) fn is_in_step(&self) -> bool {
        match self {
            Self::Driver(error) => error::is_in_step(error),
            Self::Host(_) => true,
            Self::OutOfStep(_) => false,
        }
    }
}

/// The rows of a statement, and what they say about the connection they came by.
pub(super) struct Answer {
    /// What the writer holds; `None` when the statement has no columns.
    pub(super) rows: Option<RowSet>,
    /// Rows that the server sent.
    pub(super) seen: u64,
    /// Rows changed, as the server counts them.
    pub(super) affected: u64,
    /// Whether the answer was read to its end; if not, the connection is of no use any more.
    pub(super) read_to_end: bool,
}

/// What to do with rows over the limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Surplus {
    /// Leave them to the server.
    Leave,
    /// Read them to the end without keeping them: the statement must come to its end for what it does.
    ReadOn,
}

impl MySql {
    /// See [`super::super::Database::read`].
    pub(super) async fn run_read(
        &self,
        call: &Call,
        statement: &Statement,
        parameters: &[Value],
        options: &RunOptions,
    ) -> Result<RowSet, DatabaseError> {
        let running = Running::new();
        let interrupt = running.interrupter(&self.pool);
        let pool = self.pool.clone();
        let surroundings = self.surroundings.clone();
        let mut statement = statement.clone();
        let parameters = parameters.to_vec();
        let limits = options.limits;
        let setup = options.setup.clone();
        let work = async move {
            let _ended = running.ended_on_drop();
            // A session that waited may have lost its server in the meantime; reading again harms nobody.
            for _ in 0..2 {
                let mut checkout = running.lend(&pool, Access::Read, &setup).await?;
                running.begin(&checkout.session)?;
                statement.traceless =
                    statement.traceless && surroundings.are_plain(&mut checkout.session.connection, &statement.tables).await;
                let result = read_in(&mut checkout.session, &running, &statement, &parameters, limits).await;
                let again = checkout.reused && !running.interrupted();
                match result {
                    Err(fault) if fault.is_lost() && again => pool.forget_idle(),
                    result => return settle(checkout, &running, &statement, result).await,
                }
            }
            Err(error::lost())
        };
        supervised(call, options.timeout, interrupt, work).await
    }
}

/// Ends the use of a session: back to the pool when it is certain to be clean, closed otherwise.
async fn settle(
    checkout: Checkout,
    running: &Running,
    statement: &Statement,
    result: Result<Answer, Fault>,
) -> Result<RowSet, DatabaseError> {
    let stopped = running.interrupted();
    let in_step = match &result {
        Ok(answer) => answer.read_to_end,
        Err(fault) => fault.is_in_step(),
    };
    if in_step && statement.traceless && !stopped {
        checkout.give_back();
    } else if in_step {
        checkout.close().await;
    } else {
        // There is no talking on this connection any more; dropping it closes its socket.
        drop(checkout);
    }
    let answer = result.map_err(Fault::into_error)?;
    if stopped {
        // `SLEEP` and kin answer with a row when they are killed; that row is not the answer.
        return Err(DatabaseError::new(ErrorKind::Cancelled, "the statement was stopped"));
    }
    Ok(answer.rows.unwrap_or_else(RowSet::empty))
}

/// Runs a reading statement in a session, with a transaction around it unless it is certain to leave no trace.
async fn read_in(
    session: &mut Session,
    running: &Running,
    statement: &Statement,
    parameters: &[Value],
    limits: RowLimits,
) -> Result<Answer, Fault> {
    // TiDB has no read-only sessions; there only the rollback undoes what `EXPLAIN ANALYZE` of a write does.
    if statement.traceless && session.product != Product::TiDb {
        return read_statement(session, running, statement, parameters, limits, Surplus::Leave).await;
    }
    // One round trip. The session was set read only when it was opened and is closed after this; setting it again
    // costs nothing and leaves no way for an earlier use to matter.
    session
        .host_text(match session.product {
            Product::TiDb => "START TRANSACTION",
            _ => "SET SESSION TRANSACTION READ ONLY; START TRANSACTION READ ONLY",
        })
        .await?;
    let result = read_statement(session, running, statement, parameters, limits, Surplus::Leave).await;
    let in_step = match &result {
        Ok(answer) => answer.read_to_end,
        Err(fault) => fault.is_in_step(),
    };
    if in_step {
        // Should this fail, then the connection ends, and the transaction with it.
        session.host_text("ROLLBACK").await?;
    }
    result
}

/// Runs a reading statement in whatever transaction the session is in.
pub(super) async fn read_statement(
    session: &mut Session,
    running: &Running,
    statement: &Statement,
    parameters: &[Value],
    limits: RowLimits,
    surplus: Surplus,
) -> Result<Answer, Fault> {
    running.check()?;
    let prepared = match prepare(&mut session.connection, &statement.text).await {
        Err(error) if error::number(&error) == Some(error::NOT_PREPARABLE) && may_go_as_text(statement, parameters) => {
            running.check()?;
            return run_text(session, statement, limits).await;
        }
        prepared => prepared?,
    };
    if prepared.columns().is_empty() && !answers_without_columns(&statement.text) {
        return Err(DatabaseError::new(ErrorKind::ReadOnly, "the statement returns no rows, so it does not only read")
            .hint("only statements that return rows run here")
            .into());
    }
    running.check()?;
    run_prepared(session, &prepared, statement, parameters, limits, surplus).await
}

/// Prepares a text. The server refuses a second statement in it here.
pub(super) async fn prepare(connection: &mut MySqlConnection, text: &str) -> Result<MySqlStatement, sqlx::Error> {
    // Untrusted text, but nothing of it runs: the server parses it and keeps it.
    connection.prepare_with(AssertSqlSafe(text.to_owned()).into_sql_str(), &[]).await
}

/// Runs a prepared statement.
pub(super) async fn run_prepared(
    session: &mut Session,
    prepared: &MySqlStatement,
    statement: &Statement,
    parameters: &[Value],
    limits: RowLimits,
    surplus: Surplus,
) -> Result<Answer, Fault> {
    // The driver finds a wrong count as well, but leaves its connection waiting for an answer that never comes.
    let wanted = match prepared.parameters() {
        Some(Either::Right(count)) => count,
        Some(Either::Left(types)) => types.len(),
        None => 0,
    };
    if wanted != parameters.len() {
        let message = format!("the statement has {wanted} parameters (`?`), and {} were given", parameters.len());
        return Err(DatabaseError::new(ErrorKind::InvalidParameters, message).into());
    }
    let arguments = types::arguments(parameters, &session.decimal)?;
    // By arguments, so by the prepared protocol; the driver finds the statement prepared above by its text.
    let query = sqlx::query_with(AssertSqlSafe(statement.text.clone()), arguments).persistent(true);
    let known = prepared.columns().to_vec();
    let stream = (&mut session.connection).fetch_many(query);
    collect(stream, known, own_words(statement), Protocol::Binary, limits, surplus).await
}

/// Runs a statement by the text protocol. Only after [`may_go_as_text`].
pub(super) async fn run_text(session: &mut Session, statement: &Statement, limits: RowLimits) -> Result<Answer, Fault> {
    let stream = (&mut session.connection).fetch_many(AssertSqlSafe(statement.text.clone()));
    collect(stream, Vec::new(), own_words(statement), Protocol::Text, limits, Surplus::ReadOn).await
}

/// Whether a statement that the server cannot prepare may be sent as text.
///
/// Older servers prepare some kinds of `SHOW`, `EXPLAIN` and `HELP` not, and few administrative statements. The danger of
/// the text protocol is a second statement in the text, and the only thing that begins one is a semicolon: a text without
/// this byte anywhere, in a literal or not, is one statement whatever else is in it.
pub(super) fn may_go_as_text(statement: &Statement, parameters: &[Value]) -> bool {
    let kind = statement.kind == StatementKind::Admin || answers_without_columns(&statement.text);
    kind && parameters.is_empty() && !statement.text.contains([';', '\0'])
}

/// Whether a text begins with one of the words whose columns some servers do not announce when they prepare it.
/// None of them changes anything.
fn answers_without_columns(text: &str) -> bool {
    let word = text.trim_start().split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
    ["SHOW", "DESCRIBE", "DESC", "EXPLAIN", "HELP"].iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Whether the server talks about itself in the answer.
fn own_words(statement: &Statement) -> bool {
    answers_without_columns(&statement.text)
}

/// Reads an answer into rows, up to the limits.
async fn collect(
    mut stream: futures_util::stream::BoxStream<'_, Result<Either<sqlx::mysql::MySqlQueryResult, MySqlRow>, sqlx::Error>>,
    known: Vec<sqlx::mysql::MySqlColumn>,
    own_words: bool,
    protocol: Protocol,
    limits: RowLimits,
    surplus: Surplus,
) -> Result<Answer, Fault> {
    let mut writer: Option<(RowWriter, Vec<Shape>)> = None;
    let mut answer = Answer { rows: None, seen: 0, affected: 0, read_to_end: true };
    let mut full: Option<Instant> = None;
    let mut left_over = 0;
    // What the host finds wrong with a row; told when the server has said all it has to say.
    let mut fault: Option<DatabaseError> = None;
    while let Some(item) = stream.try_next().await? {
        let row = match item {
            Either::Left(done) => {
                answer.affected += done.rows_affected();
                continue;
            }
            Either::Right(row) => row,
        };
        answer.seen += 1;
        if let Some(since) = full {
            left_over += 1;
            if surplus == Surplus::Leave && (left_over > LEFT_OVER_ROWS || since.elapsed() > LEFT_OVER_TIME) {
                answer.read_to_end = false;
                break;
            }
            continue;
        }
        let (writer, shapes) = writer.get_or_insert_with(|| {
            let (columns, shapes) = types::columns(row.columns(), own_words);
            (RowWriter::new(columns, limits), shapes)
        });
        if row.len() != shapes.len() {
            // A second result with other columns, as a procedure may send; the first one counts.
            full = Some(Instant::now());
            continue;
        }
        match types::write_row(writer, &row, shapes, protocol) {
            Ok(()) if writer.end_row() == Flow::More => {}
            Ok(()) => full = Some(Instant::now()),
            Err(error) => {
                fault = Some(error);
                full = Some(Instant::now());
            }
        }
    }
    drop(stream);
    let told = |error| if answer.read_to_end { Fault::Host(error) } else { Fault::OutOfStep(error) };
    if let Some(error) = fault {
        return Err(told(error));
    }
    let writer = match writer {
        Some((writer, _)) => Some(writer),
        None if known.is_empty() => None,
        None => Some(RowWriter::new(types::columns(&known, own_words).0, limits)),
    };
    let rows = writer.map(|writer| writer.finish(full.is_none())).transpose().map_err(|error| told(too_large(&error)))?;
    Ok(Answer { rows, ..answer })
}

fn too_large(error: &RowTooLarge) -> DatabaseError {
    DatabaseError::new(ErrorKind::TooLarge, error.to_string()).hint("name fewer columns, or cut long ones with LEFT(…)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EngineKind;

    fn statement(text: &str, kind: StatementKind) -> Statement {
        let mut statement = Statement::parse("SELECT 1", EngineKind::MySql).unwrap();
        statement.text = text.into();
        statement.kind = kind;
        statement
    }

    #[test]
    fn only_one_statement_of_a_known_kind_may_go_as_text() {
        let read = |text: &str| may_go_as_text(&statement(text, StatementKind::Read), &[]);
        assert!(read("SHOW ENGINE INNODB STATUS"));
        assert!(read(" explain ANALYZE SELECT 1"));
        assert!(!read("SHOW TABLES; DROP TABLE t"));
        assert!(!read("SHOW TABLES LIKE 'a;b'"));
        assert!(!read("/*!50000 DROP TABLE t */"));
        assert!(!read("SELECT 1"));
        assert!(!read("SHOWN"));
        assert!(may_go_as_text(&statement("CREATE TRIGGER a BEFORE INSERT ON t FOR EACH ROW SET NEW.x = 1", StatementKind::Admin), &[]));
        assert!(!may_go_as_text(&statement("SHOW TABLES", StatementKind::Read), &[Value::Null]));
    }
}
