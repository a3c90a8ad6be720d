//! Every permission check: may this plugin do this to this database?
//!
//! What a plugin may do is what its manifest requests, what the operator grants, and what the mode of the database allows,
//! all three. It is looked up at each use, so that a change acts at once.

pub mod http;
mod live;
pub mod storage;
pub mod vault;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

pub use live::LiveGrants;
pub use live::Narrowing;

use crate::config::DatabaseName;
use crate::config::Mode;
use crate::config::Right;
use crate::database::Database;
use crate::database::Databases;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use http::HttpRights;
use storage::StorageRights;
use vault::VaultRights;

/// What the operator gave one plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// On every database that is not named in `databases`; first-party plugins have all that the mode allows.
    pub elsewhere: Option<Right>,
    /// On databases by name.
    pub databases: BTreeMap<DatabaseName, Right>,
    /// The most that the manifest requests; nothing above it is ever given.
    pub requested: Option<Right>,
    /// Interfaces beside those over databases that are granted, out of those that the manifest requests; none means all of them,
    /// as for plugins that are part of the program or that the configuration names.
    pub interfaces: Option<BTreeSet<String>>,
    /// What it may store.
    pub storage: StorageRights,
    /// Where it may send requests.
    pub http: HttpRights,
    /// The vaults that it may use.
    pub vaults: VaultRights,
}

impl Grants {
    /// The right this plugin has on `database`, whatever it is used for.
    pub fn on(&self, database: &Database) -> Option<Right> {
        let granted = self.databases.get(&database.config().name).copied().or(self.elsewhere)?;
        let by_mode = match database.config().mode {
            Mode::ReadOnly => Right::Read,
            Mode::ReadWrite => Right::Admin,
        };
        Some(granted.min(self.requested?).min(by_mode))
    }

    /// The databases this plugin may see, with its right on each.
    pub fn visible<'a>(&'a self, databases: &'a Databases) -> impl Iterator<Item = (&'a Arc<Database>, Right)> {
        databases.iter().filter_map(|database| Some((database, self.on(database)?)))
    }

    /// The database called `name`, or the only one when `name` is empty, when this plugin has `right` on it.
    ///
    /// # Errors
    ///
    /// `UnknownDatabase` for one that is not there and for one without any grant alike; `ReadOnly` or `AccessDenied` for one
    /// that may be seen but not used so.
    pub fn database(&self, databases: &Databases, name: &str, right: Right) -> Result<Arc<Database>, DatabaseError> {
        let (database, has) = self.find(databases, name)?;
        if has >= right {
            return Ok(database);
        }
        let name = &database.config().name;
        Err(match database.config().mode {
            Mode::ReadOnly => DatabaseError::new(ErrorKind::ReadOnly, format!("database `{name}` is read only"))
                .hint(format!("the operator can set `mode = \"read-write\"` under `[databases.{name}]`")),
            Mode::ReadWrite => DatabaseError::new(
                ErrorKind::AccessDenied,
                format!("this plugin has the right `{}` on database `{name}`, and this takes `{}`", has.as_str(), right.as_str()),
            ),
        })
    }

    fn find(&self, databases: &Databases, name: &str) -> Result<(Arc<Database>, Right), DatabaseError> {
        let mut visible = self.visible(databases);
        if !name.is_empty() {
            let found = visible.find(|(database, _)| database.config().name.as_str() == name);
            return found.map(|(database, right)| (database.clone(), right)).ok_or_else(|| self.unknown(databases, name));
        }
        match (visible.next(), visible.next()) {
            (Some((only, right)), None) => Ok((only.clone(), right)),
            (None, _) => Err(DatabaseError::new(ErrorKind::UnknownDatabase, "there is no database")
                .hint("the operator adds one with `--database NAME=URL` or `[databases.NAME]`")),
            _ => Err(DatabaseError::new(ErrorKind::UnknownDatabase, "there are several databases; say which in `database`")
                .hint(self.names(databases))),
        }
    }

    fn unknown(&self, databases: &Databases, name: &str) -> DatabaseError {
        // Guest-controlled: may be long or hold anything.
        let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        DatabaseError::new(ErrorKind::UnknownDatabase, format!("there is no database `{name}`")).hint(self.names(databases))
    }

    fn names(&self, databases: &Databases) -> String {
        let names: Vec<String> = self.visible(databases).map(|(database, _)| format!("`{}`", database.config().name)).collect();
        if names.is_empty() { "there is none".into() } else { format!("there is {}", names.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DatabaseConfig;

    fn databases() -> Databases {
        let config = |name: &str, mode| {
            let name = DatabaseName::parse(name).unwrap();
            DatabaseConfig { mode, ..DatabaseConfig::new(name, "sqlite::memory:").unwrap() }
        };
        Databases::new(vec![config("ro", Mode::ReadOnly), config("rw", Mode::ReadWrite)]).map_err(|(_, error)| error).unwrap()
    }

    fn kind(result: Result<Arc<Database>, DatabaseError>) -> Option<ErrorKind> {
        result.err().map(|error| error.kind)
    }

    #[tokio::test]
    async fn without_a_grant_every_database_is_unknown() {
        let databases = databases();
        let none = Grants { requested: Some(Right::Admin), ..Grants::default() };
        for name in ["ro", "rw", "missing", ""] {
            assert_eq!(kind(none.database(&databases, name, Right::Read)), Some(ErrorKind::UnknownDatabase), "{name}");
        }
        assert_eq!(none.visible(&databases).count(), 0);
    }

    #[tokio::test]
    async fn a_right_is_the_least_of_request_grant_and_mode() {
        let databases = databases();
        let all = Grants { elsewhere: Some(Right::Admin), requested: Some(Right::Admin), ..Grants::default() };
        assert_eq!(kind(all.database(&databases, "rw", Right::Admin)), None);
        assert_eq!(kind(all.database(&databases, "ro", Right::Write)), Some(ErrorKind::ReadOnly));
        let asks_little = Grants { requested: Some(Right::Read), ..all.clone() };
        assert_eq!(kind(asks_little.database(&databases, "rw", Right::Write)), Some(ErrorKind::AccessDenied));
        let granted_little =
            Grants { databases: [(DatabaseName::parse("rw").unwrap(), Right::Read)].into(), elsewhere: None, ..all.clone() };
        assert_eq!(kind(granted_little.database(&databases, "rw", Right::Write)), Some(ErrorKind::AccessDenied));
        assert_eq!(kind(granted_little.database(&databases, "", Right::Read)), None);
    }
}
