//! Tells whether what a query runs stands in its text, or whether its tables add to that.
//!
//! A view may call a function that sets a variable or takes a lock by name, which the next user of the session would
//! find. Such a query still runs, but like any other whose text promises nothing: its session is closed afterwards.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use sqlx::Row;
use sqlx::mysql::MySqlConnection;

use crate::config::EngineKind;
use crate::database::statement;

/// How long an answer is believed. The session is read only in any case.
const BELIEVED: Duration = Duration::from_secs(30);

/// Answers kept at most.
const MOST: usize = 2_000;

/// The answer about the functions of the database is kept under this name.
const FUNCTIONS: &str = "";

/// How many views have this name, in whatever schema.
const VIEWS: &str = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME = ? AND TABLE_TYPE = 'VIEW' \
     AND TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema')";

/// Functions that a name without a schema may mean.
const OWN_FUNCTIONS: &str =
    "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'FUNCTION' AND ROUTINE_SCHEMA = DATABASE()";

/// What is known about tables of one database. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Surroundings {
    known: Arc<Mutex<HashMap<String, (Instant, bool)>>>,
}

impl Surroundings {
    /// Whether a query on these tables, named as its text names them, runs nothing but its text. When the server does not
    /// say, it does not.
    pub(super) async fn are_plain(&self, connection: &mut MySqlConnection, tables: &[String]) -> bool {
        let names = tables.iter().flat_map(|table| statement::possible_names(table));
        for name in std::iter::once(FUNCTIONS.to_owned()).chain(names) {
            let plain = match self.remembered(&name) {
                Some(plain) => plain,
                None => {
                    let Ok(plain) = ask(connection, &name).await else { return false };
                    self.remember(name, plain);
                    plain
                }
            };
            if !plain {
                return false;
            }
        }
        true
    }

    fn remembered(&self, name: &str) -> Option<bool> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).filter(|(since, _)| since.elapsed() <= BELIEVED).map(|(_, plain)| *plain)
    }

    fn remember(&self, name: String, plain: bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(name, (Instant::now(), plain));
    }
}

async fn ask(connection: &mut MySqlConnection, name: &str) -> Result<bool, sqlx::Error> {
    if name != FUNCTIONS {
        let views: i64 = sqlx::query(VIEWS).bind(name).fetch_one(connection).await?.try_get_unchecked(0)?;
        return Ok(views == 0);
    }
    // A function of a user with the name of one that another server of the family has built in.
    let builtin = statement::builtin_functions(EngineKind::MySql);
    let rows = sqlx::query(OWN_FUNCTIONS).fetch_all(connection).await?;
    let own = rows.iter().map(|row| row.try_get_unchecked::<String, _>(0)).collect::<Result<Vec<_>, _>>()?;
    Ok(!own.iter().any(|own| builtin.contains(&own.to_lowercase().as_str())))
}
