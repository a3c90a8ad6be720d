//! Asks the server about itself, by a connection beside the pools: whether it answers, and how far its log has come.

use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::sync::Mutex;

use super::connect::Connector;
use super::connect::host_batch;
use super::error::connect_error;
use super::error::statement_error;
use crate::database::error::DatabaseError;
use crate::database::replicas::Mark;

/// Where the log is inserted, which is ahead of every commit that was acknowledged, written out or not.
const WRITTEN: &str =
    "SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_current_wal_insert_lsn() END::pg_catalog.text";

/// What a server that follows another one has done of its log; nothing of one that follows nobody (any more).
const REPLAYED: &str = "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() END::pg_catalog.text";

/// Bytes of a page of the log, and of the longest header on it. A position just behind a header is the end of the page before:
/// <https://www.postgresql.org/docs/current/wal-internals.html>
const PAGE: u64 = 8192;
const HEADER: u64 = 40;

/// The connection; opened when first needed, then kept as long as it works.
pub(super) struct Beside {
    connector: Connector,
    kept: Mutex<Option<PgConnection>>,
}

impl Beside {
    /// Connects to nothing yet.
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, kept: Mutex::new(None) }
    }

    /// Whether the server lets a new connection in and answers on it.
    pub(super) async fn check(&self) -> Result<(), DatabaseError> {
        let mut connection = self.connector.open_control().await.map_err(connect_error)?;
        connection.ping().await.map_err(statement_error)?;
        // It has answered; how the goodbye goes tells nothing.
        let _ = connection.close().await;
        Ok(())
    }

    /// How far the log of this server, which takes writes, has come.
    pub(super) async fn written(&self) -> Result<Mark, DatabaseError> {
        self.ask(WRITTEN).await
    }

    /// How much of its primary's log this server has done.
    pub(super) async fn replayed(&self) -> Result<Mark, DatabaseError> {
        self.ask(REPLAYED).await
    }

    /// Closes the connection.
    pub(super) async fn close(&self) {
        self.kept.lock().await.take();
    }

    async fn ask(&self, question: &str) -> Result<Mark, DatabaseError> {
        let mut kept = self.kept.lock().await;
        // Taken out while it is in use: one that is given up in the middle must not be used again.
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.connector.open_control().await.map_err(connect_error)?,
        };
        let rows = host_batch(&mut connection, question.to_owned()).await.map_err(statement_error)?;
        *kept = Some(connection);
        let position = rows.first().and_then(|row| sqlx::Row::try_get::<Option<String>, _>(row, 0).ok().flatten());
        Ok(position.and_then(|position| parse(&position)).map_or(Mark::Unknown, Mark::Position))
    }
}

/// Reads a position such as `16/B374D848`.
fn parse(position: &str) -> Option<u64> {
    let (high, low) = position.split_once('/')?;
    let position = u64::from_str_radix(high, 16).ok()? << 32 | u64::from_str_radix(low, 16).ok()?;
    let into_page = position % PAGE;
    Some(if into_page <= HEADER { position - into_page } else { position })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_numbers_and_a_header_is_no_progress() {
        assert_eq!(parse("16/B374D848"), Some(0x16_B374_D848));
        assert_eq!((parse("0/3000028"), parse("0/3000000"), parse("0/3000030")), (Some(0x300_0000), Some(0x300_0000), Some(0x300_0030)));
        assert_eq!(parse("x"), None);
    }
}
