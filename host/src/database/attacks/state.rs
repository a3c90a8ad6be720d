//! What a database and its sessions look like, fact by fact, so that a test can say what a statement changed.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::json;
use super::run;
use crate::config::EngineKind;
use crate::database::Database;
use crate::database::statement::StatementKind;

/// Facts by name; each is some lines of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts(BTreeMap<String, String>);

impl Facts {
    /// Adds one.
    pub(super) fn add(&mut self, name: &str, lines: impl Into<String>) {
        self.0.insert(name.into(), lines.into());
    }

    /// Adds those of another.
    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The lines of the fact of this name.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("there is no fact `{name}`"))
    }

    /// What is different in `after`, one text for each fact.
    pub(super) fn differences(&self, after: &Self) -> Vec<String> {
        let names: BTreeSet<&String> = self.0.keys().chain(after.0.keys()).collect();
        names
            .into_iter()
            .filter_map(|name| {
                let (old, new) = (self.0.get(name), after.0.get(name));
                (old != new).then(|| format!("{name}: {}", lines_between(old.map_or("", |old| old), new.map_or("", |new| new))))
            })
            .collect()
    }
}

/// The lines that only one of two texts has, five of them at most.
fn lines_between(old: &str, new: &str) -> String {
    let (before, after): (BTreeSet<&str>, BTreeSet<&str>) = (old.lines().collect(), new.lines().collect());
    let gone = before.difference(&after).map(|line| format!("- {line}"));
    let come = after.difference(&before).map(|line| format!("+ {line}"));
    gone.chain(come).take(5).collect::<Vec<_>>().join(", ")
}

/// Every setting of a session of PostgreSQL, but for those that come with a language when it is first used, and the limit that the host
/// sets for each statement by the time that its call has left, as long as there is one. A query that leaves no trace, so that it runs outside of a transaction and
/// sees what the session has and not what a transaction was given.
pub(super) const POSTGRES_SETTINGS: &str = "SELECT name, CASE WHEN name = 'statement_timeout' AND setting <> '0' THEN 'limited' ELSE setting END FROM pg_settings \
     WHERE name NOT IN ('transaction_isolation', 'transaction_read_only', 'transaction_deferrable') AND name NOT LIKE 'plpgsql.%' ORDER BY name";

/// What else a session of PostgreSQL may keep. The host's own cursor is not counted.
pub(super) const POSTGRES_SESSION: &str = "SELECT current_user, session_user, coalesce(current_setting('tidegate.mark', true), ''), \
     (SELECT count(*) FROM pg_prepared_statements WHERE from_sql), \
     (SELECT count(*) FROM pg_cursors WHERE name <> 'tidegate'), \
     (SELECT count(*) FROM pg_listening_channels()), \
     (SELECT count(*) FROM pg_class WHERE relpersistence = 't'), \
     (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())";

/// What a session of MariaDB may keep. Modes that change how the next text is read stand for all of `sql_mode`.
pub(super) const MYSQL_SESSION: &str = "SELECT \
     @@SESSION.sql_mode LIKE '%ANSI_QUOTES%', @@SESSION.sql_mode LIKE '%NO_BACKSLASH_ESCAPES%', @@SESSION.sql_mode LIKE '%ORACLE%', \
     @@SESSION.tx_read_only, @@SESSION.autocommit, @@SESSION.max_statement_time, @@SESSION.lock_wait_timeout, \
     @@SESSION.innodb_lock_wait_timeout, @@SESSION.completion_type, @@SESSION.character_set_client, @@SESSION.character_set_results, \
     @@SESSION.collation_connection, @@SESSION.foreign_key_checks, @@SESSION.sql_select_limit, @@SESSION.time_zone, \
     @@in_transaction, @mark, LAST_INSERT_ID(), CURRENT_USER(), CURRENT_ROLE()";

/// What a session of SQLite may keep.
pub(super) const SQLITE_SESSION: [&str; 12] = [
    "SELECT count(*), group_concat(name) FROM sqlite_temp_schema",
    "SELECT group_concat(name || ' ' || file) FROM pragma_database_list WHERE name <> 'temp'",
    "PRAGMA query_only",
    "PRAGMA trusted_schema",
    "PRAGMA foreign_keys",
    "PRAGMA busy_timeout",
    "PRAGMA cache_size",
    "PRAGMA journal_mode",
    "PRAGMA user_version",
    "PRAGMA locking_mode",
    "PRAGMA synchronous",
    "SELECT 'a' LIKE 'A'",
];

/// What the next statement finds in the session that the pool hands out: asked by the same way that it would go.
///
/// The pool must have one connection, and nobody else may use it.
pub(super) async fn session(database: &Database) -> Facts {
    let mut facts = Facts::default();
    let questions: &[&str] = match database.config().engine {
        EngineKind::Postgres => &[POSTGRES_SETTINGS, POSTGRES_SESSION],
        EngineKind::MySql => &[MYSQL_SESSION],
        EngineKind::Sqlite => &SQLITE_SESSION,
    };
    let mut lines = Vec::new();
    for sql in questions {
        let mut statement = database.judge(sql).unwrap();
        // Some pragmas that would undo a guard are refused without a value too.
        statement.kind = StatementKind::Read;
        let answer = run(database, &statement, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        lines.extend(json(&answer).into_iter().map(|row| if questions.len() > 2 { format!("{sql} {row}") } else { row }));
    }
    facts.add("session", lines.join("\n"));
    facts
}
