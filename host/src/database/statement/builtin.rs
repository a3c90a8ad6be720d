//! Which functions are built into an engine and harmless.
//!
//! A function that is not in these tables may be anything: a view's author, an extension or a user made it.

mod mysql;
mod postgres;
mod sqlite;

use crate::config::EngineKind;

/// What is known about a function by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Computes and leaves nothing behind.
    Pure,
    /// Harmless, but depends on the session or on the moment.
    Harmless,
    /// Not built in.
    Unknown,
}

/// What is known about `name`, in lower case and without a schema.
pub(super) fn known(engine: EngineKind, name: &str) -> Known {
    let (pure, other) = tables(engine);
    if pure.binary_search(&name).is_ok() {
        Known::Pure
    } else if other.binary_search(&name).is_ok() || (engine == EngineKind::Postgres && name.starts_with("pg_stat_get_")) {
        Known::Harmless
    } else {
        Known::Unknown
    }
}

/// All names in the tables of a dialect, sorted.
pub(super) fn names(engine: EngineKind) -> Vec<&'static str> {
    let (pure, other) = tables(engine);
    let mut names = [pure, other].concat();
    names.sort_unstable();
    names
}

fn tables(engine: EngineKind) -> (&'static [&'static str], &'static [&'static str]) {
    match engine {
        EngineKind::Postgres => (postgres::PURE, postgres::OTHER),
        EngineKind::MySql => (mysql::PURE, mysql::OTHER),
        EngineKind::Sqlite => (sqlite::PURE, sqlite::OTHER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_in_order_and_do_not_overlap() {
        let tables = [(mysql::PURE, mysql::OTHER), (postgres::PURE, postgres::OTHER), (sqlite::PURE, sqlite::OTHER)];
        for (pure, other) in tables {
            assert!(pure.is_sorted_by(|a, b| a < b));
            assert!(other.is_sorted_by(|a, b| a < b));
            assert!(other.iter().all(|name| pure.binary_search(name).is_err()));
        }
    }
}
