//! Streams the rows of one statement into the writer, and stops the server when enough have come.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use sqlx::Column as _;
use sqlx::Either;
use sqlx::Executor;
use sqlx::Row;
use sqlx::ValueRef;
use sqlx::postgres::PgRow;
use tokio::time::Instant;

use super::control::Control;
use super::pool::Session;
use super::shape::Sent;
use super::shape::Shape;
use super::types::Cell;
use super::types::Decoder;
use super::types::Type;
use super::types::Types;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::rows::Column;
use crate::database::rows::Flow;
use crate::database::rows::RowLimits;
use crate::database::rows::RowSet;
use crate::database::rows::RowWriter;

/// A server that is nearly done is let finish: this long it may go on sending rows that nobody keeps.
const LET_FINISH: Duration = Duration::from_millis(2);

/// How long the rows on their way may take to arrive once the server has stopped.
const DRAIN: Duration = Duration::from_secs(1);

/// Why a statement did not come to rows.
pub(super) enum Stop {
    /// It failed, and would again.
    Failed(DatabaseError),
    /// The driver or the server said so.
    Driver(sqlx::Error),
    /// These types must be looked up; then the same again.
    MissingTypes(Vec<u32>),
    /// Its columns must be cast.
    NeedsCast,
    /// The driver cannot describe it.
    Undescribed,
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        if super::shape::is_undescribed(&error) { Self::Undescribed } else { Self::Driver(error) }
    }
}

impl From<DatabaseError> for Stop {
    fn from(error: DatabaseError) -> Self {
        Self::Failed(error)
    }
}

/// What to do with the rows over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Have the server stop: the statement only reads.
    Stop,
    /// Let it go on without us: it writes.
    Discard,
}

/// What a statement came to.
pub(super) struct Fetched {
    /// Its rows; none when not one came, so that the columns are not known.
    pub(super) rows: Option<RowSet>,
    /// Rows written or returned, as the server counts them.
    pub(super) affected: u64,
}

/// Runs a statement and keeps its rows up to the limits.
///
/// # Errors
///
/// See [`Stop`]. After `MissingTypes` and `NeedsCast` the server has stopped too, or the transaction has failed.
pub(super) async fn fetch(
    session: &mut Session,
    control: &Control,
    types: &Types,
    sent: Sent,
    shape: Option<&Shape>,
    limits: RowLimits,
    rest: Rest,
) -> Result<Fetched, Stop> {
    let pid = session.pid();
    let mut stream = session.connection().fetch_many(sent);
    let mut reading: Option<Reading<'_>> = None;
    let mut affected = 0;
    let mut full = false;
    let mut ended = true;
    while let Some(item) = stream.next().await {
        let row = match item? {
            Either::Left(done) => {
                affected += done.rows_affected();
                continue;
            }
            Either::Right(row) => row,
        };
        if full {
            continue;
        }
        let started = match &mut reading {
            Some(reading) => Ok(reading),
            None => Reading::start(&row, types, shape, limits, rest).map(|started| reading.insert(started)),
        };
        match started.and_then(|reading| reading.take(&row)) {
            Ok(Flow::More) => {}
            Ok(Flow::Full) => {
                full = true;
                if rest == Rest::Stop {
                    ended = stop(&mut stream, control, pid).await;
                    break;
                }
            }
            Err(why) => {
                let ended = stop(&mut stream, control, pid).await;
                drop(stream);
                session.broken |= !ended;
                return Err(why);
            }
        }
    }
    drop(stream);
    session.broken |= !ended;
    let rows = match reading {
        Some(reading) => Some(finish(reading.writer, !full)?),
        None => None,
    };
    Ok(Fetched { rows, affected })
}

/// A result without rows.
///
/// # Errors
///
/// None in practice: an empty result fits every limit.
pub(super) fn empty(columns: Vec<Column>, limits: RowLimits) -> Result<RowSet, Stop> {
    finish(RowWriter::new(columns, limits), true)
}

/// The columns of a statement, by name and type.
pub(super) fn columns(names: &[String], types: &[Arc<Type>]) -> Vec<Column> {
    let named = names.iter().zip(types);
    named.map(|(name, of)| Column { name: name.clone(), type_name: of.name.clone(), kind: of.kind() }).collect()
}

fn finish(writer: RowWriter, complete: bool) -> Result<RowSet, Stop> {
    writer.finish(complete).map_err(|too_large| {
        let error = DatabaseError::new(ErrorKind::TooLarge, too_large.to_string());
        Stop::Failed(error.hint("select fewer columns, or cut long ones, for example with `left(column, 1000)`"))
    })
}

/// The rows of one result as they come.
struct Reading<'t> {
    types: Vec<Arc<Type>>,
    decoder: Decoder<'t>,
    writer: RowWriter,
}

impl<'t> Reading<'t> {
    /// Decides once how each column is read.
    fn start(first: &PgRow, known: &'t Types, shape: Option<&Shape>, limits: RowLimits, rest: Rest) -> Result<Self, Stop> {
        let (columns, types) = match shape {
            Some(shape) => (shape.columns.clone(), shape.types.clone()),
            None => {
                let names: Vec<String> = first.columns().iter().map(|column| column.name().to_owned()).collect();
                let oids: Vec<u32> = first.columns().iter().map(|column| column.type_info().oid().map_or(0, |oid| oid.0)).collect();
                let types = all_known(known, &oids)?;
                if rest == Rest::Stop && types.iter().any(|of| of.cast().is_some()) {
                    return Err(Stop::NeedsCast);
                }
                (columns(&names, &types), types)
            }
        };
        Ok(Self { types, decoder: Decoder::new(known), writer: RowWriter::new(columns, limits) })
    }

    /// Keeps one row.
    fn take(&mut self, row: &PgRow) -> Result<Flow, Stop> {
        self.writer.start_row();
        for (index, of) in self.types.iter().enumerate() {
            let raw = row.try_get_raw(index)?;
            let cell = match raw.is_null() {
                true => Cell::Null,
                false => self.decoder.decode(of, raw.as_bytes().map_err(sqlx::Error::Decode)?),
            };
            cell.put(&mut self.writer);
        }
        match self.decoder.missing.is_empty() {
            true => Ok(self.writer.end_row()),
            false => Err(Stop::MissingTypes(std::mem::take(&mut self.decoder.missing))),
        }
    }
}

/// The types of these numbers.
///
/// # Errors
///
/// `MissingTypes` with those that have to be asked about.
pub(super) fn all_known(known: &Types, oids: &[u32]) -> Result<Vec<Arc<Type>>, Stop> {
    let found: Vec<Option<Arc<Type>>> = oids.iter().map(|oid| known.find(*oid)).collect();
    let missing: Vec<u32> = found.iter().zip(oids).filter(|(of, _)| of.is_none()).map(|(_, oid)| *oid).collect();
    if missing.is_empty() { Ok(found.into_iter().flatten().collect()) } else { Err(Stop::MissingTypes(missing)) }
}

/// Lets a statement come to its end, and makes it when it does not by itself. `false` when the connection must be closed.
async fn stop<S, T>(stream: &mut S, control: &Control, pid: i32) -> bool
where
    S: StreamExt<Item = Result<T, sqlx::Error>> + Unpin,
{
    if drained(stream, LET_FINISH).await {
        return true;
    }
    control.cancel(pid).await && drained(stream, DRAIN).await
}

/// Reads to the end, for at most this long. An error is an end too: it is the one we asked for.
async fn drained<S, T>(stream: &mut S, limit: Duration) -> bool
where
    S: StreamExt<Item = Result<T, sqlx::Error>> + Unpin,
{
    let until = Instant::now() + limit;
    loop {
        // A stream that always has a row ready never gives the timer a chance.
        if Instant::now() >= until {
            return false;
        }
        match tokio::time::timeout_at(until, stream.next()).await {
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(error))) => return !super::error::is_broken(&error),
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}
