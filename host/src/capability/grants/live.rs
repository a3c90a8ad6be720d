//! Grants that an operator may change while calls run: every use looks at them as they are at that moment.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;

use super::Grants;
use crate::config::Right;
use crate::database::Database;
use crate::database::Databases;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;

/// The part of its plugin's rights that one tool has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrowing {
    /// The interfaces it may use; none means all.
    pub uses: Option<BTreeSet<String>>,
    /// Whether it may only read.
    pub reads_only: bool,
}

/// The grants of one plugin. Clones share them; a change of one is a change of all.
#[derive(Clone, Debug, Default)]
pub struct LiveGrants {
    current: Arc<RwLock<Arc<Grants>>>,
    narrowing: Option<Arc<Narrowing>>,
}

impl LiveGrants {
    /// Grants that begin as these.
    pub fn new(grants: Grants) -> Self {
        Self { current: Arc::new(RwLock::new(Arc::new(grants))), narrowing: None }
    }

    /// The same grants, for a tool that has less than all of them.
    #[must_use]
    pub fn narrowed(&self, narrowing: Narrowing) -> Self {
        Self { current: self.current.clone(), narrowing: Some(Arc::new(narrowing)) }
    }

    /// The grants at this moment.
    pub fn now(&self) -> Arc<Grants> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes them for every call from now on, also for those that run.
    pub fn set(&self, grants: Grants) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(grants);
    }

    /// Whether it may use `interface`, one beside those over databases.
    pub fn allows(&self, interface: &str) -> bool {
        self.uses(interface) && self.now().interfaces.as_ref().is_none_or(|granted| granted.contains(interface))
    }

    /// Its right on `database`, whatever it is used for.
    pub fn on(&self, database: &Database) -> Option<Right> {
        let right = self.now().on(database)?;
        Some(if self.reads_only() { right.min(Right::Read) } else { right })
    }

    /// The databases that it may see, with its right on each.
    pub fn visible<'a>(&'a self, databases: &'a Databases) -> impl Iterator<Item = (&'a Arc<Database>, Right)> {
        databases.iter().filter_map(|database| Some((database, self.on(database)?)))
    }

    /// The database called `name`, or the only one when `name` is empty, when `interface` may be used on it with `right`.
    ///
    /// # Errors
    ///
    /// As [`Grants::database`]; `AccessDenied` too for what the tool's manifest does not say that it uses.
    pub fn database(&self, databases: &Databases, interface: &str, name: &str, right: Right) -> Result<Arc<Database>, DatabaseError> {
        let database = self.now().database(databases, name, right)?;
        if !self.uses(interface) {
            return Err(DatabaseError::new(
                ErrorKind::AccessDenied,
                format!("the manifest says that this tool does not use `{interface}`"),
            ));
        }
        if right > Right::Read && self.reads_only() {
            return Err(DatabaseError::new(ErrorKind::AccessDenied, "the manifest says that this tool only reads"));
        }
        Ok(database)
    }

    fn uses(&self, interface: &str) -> bool {
        self.narrowing.as_ref().and_then(|narrowing| narrowing.uses.as_ref()).is_none_or(|uses| uses.contains(interface))
    }

    fn reads_only(&self) -> bool {
        self.narrowing.as_ref().is_some_and(|narrowing| narrowing.reads_only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DatabaseConfig;
    use crate::config::DatabaseName;
    use crate::config::Mode;

    fn databases() -> Databases {
        let name = DatabaseName::parse("main").unwrap();
        let config = DatabaseConfig { mode: Mode::ReadWrite, ..DatabaseConfig::new(name, "sqlite::memory:").unwrap() };
        Databases::new(vec![config]).map_err(|(_, error)| error).unwrap()
    }

    fn everything() -> Grants {
        Grants { elsewhere: Some(Right::Admin), requested: Some(Right::Admin), ..Grants::default() }
    }

    fn refusal(result: Result<Arc<Database>, DatabaseError>) -> Option<ErrorKind> {
        result.err().map(|error| error.kind)
    }

    #[tokio::test]
    async fn a_change_acts_on_whoever_has_them_already() {
        let databases = databases();
        let grants = LiveGrants::new(everything());
        let running = grants.narrowed(Narrowing::default());
        assert_eq!(refusal(running.database(&databases, "database-write", "main", Right::Write)), None);
        assert!(running.allows("changes"));
        grants.set(Grants { interfaces: Some(BTreeSet::new()), requested: Some(Right::Admin), ..Grants::default() });
        assert_eq!(refusal(running.database(&databases, "database-write", "main", Right::Write)), Some(ErrorKind::UnknownDatabase));
        assert_eq!(running.visible(&databases).count(), 0);
        assert!(!running.allows("changes"));
    }

    #[tokio::test]
    async fn a_narrowed_tool_has_less_than_its_plugin() {
        let databases = databases();
        let grants = LiveGrants::new(everything());
        let narrowed = |uses: Option<&[&str]>, reads_only| {
            grants.narrowed(Narrowing { uses: uses.map(|uses| uses.iter().map(|name| (*name).to_owned()).collect()), reads_only })
        };
        let reads = narrowed(None, true);
        assert_eq!(refusal(reads.database(&databases, "database-read", "main", Right::Read)), None);
        assert_eq!(refusal(reads.database(&databases, "database-write", "main", Right::Write)), Some(ErrorKind::AccessDenied));
        let looks = narrowed(Some(&["catalog"]), false);
        assert_eq!(refusal(looks.database(&databases, "catalog", "main", Right::Read)), None);
        assert_eq!(refusal(looks.database(&databases, "database-read", "main", Right::Read)), Some(ErrorKind::AccessDenied));
        assert!(!looks.allows("changes") && reads.allows("changes"));
        assert_eq!(reads.visible(&databases).next().map(|(_, right)| right), Some(Right::Read));
    }
}
