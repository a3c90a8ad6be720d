//! Asks the server about itself, by a connection beside the pool: whether it answers, and how far it is behind.

use std::time::Duration;

use sqlx::Connection;
use sqlx::Executor;
use sqlx::Row;
use sqlx::mysql::MySqlConnection;
use sqlx::mysql::MySqlRow;

use super::MySql;
use super::error;
use crate::database::error::DatabaseError;
use crate::database::replicas::Mark;

/// The question, and the older words for it. Columns have new names and old ones, too.
const QUESTIONS: [&str; 2] = ["SHOW REPLICA STATUS", "SHOW SLAVE STATUS"];

/// The server counts whole seconds, cut off.
const GRAIN: Duration = Duration::from_secs(1);

impl MySql {
    /// Whether the server lets a new connection in and answers on it.
    pub(super) async fn ask_for_life(&self) -> Result<(), DatabaseError> {
        let mut connection = self.connect_beside().await?;
        connection.ping().await.map_err(error::of_statement)?;
        // It has answered; how the goodbye goes tells nothing.
        let _ = connection.close().await;
        Ok(())
    }

    /// How far this server is behind the one it follows; unknown when it follows none, has stopped, or does not tell this account
    /// (it takes the right `REPLICATION CLIENT`, in MariaDB `REPLICA MONITOR`).
    pub(super) async fn find_lag(&self) -> Result<Mark, DatabaseError> {
        let mut connection = self.connect_beside().await?;
        let mut answered = Err(error::lost());
        for question in QUESTIONS {
            answered = (&mut connection).fetch_optional(question).await.map_err(error::of_statement);
            if answered.is_ok() {
                break;
            }
        }
        let _ = connection.close().await;
        Ok(answered?.map_or(Mark::Unknown, |row| lag(&row)))
    }

    async fn connect_beside(&self) -> Result<MySqlConnection, DatabaseError> {
        self.pool.open_beside().await.map_err(|cause| error::connecting(self.pool.name(), &cause))
    }
}

fn lag(row: &MySqlRow) -> Mark {
    let text = |names: [&str; 2]| names.into_iter().find_map(|name| row.try_get_unchecked::<Option<String>, _>(name).ok().flatten());
    let runs = |names| text(names).is_some_and(|state| state == "Yes");
    let seconds = ["Seconds_Behind_Source", "Seconds_Behind_Master"]
        .into_iter()
        .find_map(|name| row.try_get_unchecked::<Option<u64>, _>(name).ok().flatten());
    match seconds {
        Some(seconds) if runs(["Replica_IO_Running", "Slave_IO_Running"]) && runs(["Replica_SQL_Running", "Slave_SQL_Running"]) => {
            Mark::Behind(Duration::from_secs(seconds) + GRAIN)
        }
        _ => Mark::Unknown,
    }
}
