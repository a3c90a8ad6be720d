//! Writes that the shared tier could not be told of, until it has been.

use std::collections::BTreeMap;

use crate::config::DatabaseName;

/// What has to be made invalid: one database, or every one.
pub(super) type Scope = Option<DatabaseName>;

/// What is still to be said, each with a number that tells whether more came while it was being said.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    scopes: BTreeMap<Scope, u64>,
    next: u64,
}

impl Unsent {
    /// Notes that something in `scope` was written.
    pub(super) fn add(&mut self, scope: Scope) {
        self.next += 1;
        self.scopes.insert(scope, self.next);
    }

    /// Whether entries of `database` may not be used yet.
    pub(super) fn concerns(&self, database: &DatabaseName) -> bool {
        !self.scopes.is_empty() && (self.scopes.contains_key(&None) || self.scopes.contains_key(&Some(database.clone())))
    }

    /// What is to be said now.
    pub(super) fn list(&self) -> Vec<(Scope, u64)> {
        self.scopes.iter().map(|(scope, number)| (scope.clone(), *number)).collect()
    }

    /// Forgets what was said, unless more came meanwhile.
    pub(super) fn said(&mut self, list: &[(Scope, u64)]) {
        for (scope, number) in list {
            if self.scopes.get(scope) == Some(number) {
                self.scopes.remove(scope);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_while_it_was_said_is_said_again() {
        let [main, other] = ["main", "other"].map(|name| DatabaseName::parse(name).unwrap());
        let mut unsent = Unsent::default();
        assert!(!unsent.concerns(&main));
        unsent.add(Some(main.clone()));
        assert!(unsent.concerns(&main) && !unsent.concerns(&other));
        let list = unsent.list();
        unsent.add(Some(main.clone()));
        unsent.add(None);
        unsent.said(&list);
        assert!(unsent.concerns(&main) && unsent.concerns(&other));
        unsent.said(&unsent.list());
        assert!(!unsent.concerns(&main) && !unsent.concerns(&other));
    }
}
