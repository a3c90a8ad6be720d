//! Savepoints by the names that callers give them. The server knows them by numbers: no name from outside is ever part of a
//! statement of the host.

use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;

/// Savepoints of one transaction at most.
const MOST: usize = 64;

/// The longest name, as in PostgreSQL.
const LONGEST: usize = 63;

/// What is to happen to a savepoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Set it.
    Set,
    /// Roll back to it.
    RollbackTo,
    /// Forget it.
    Release,
}

impl Act {
    /// The words before the name on the server.
    pub(in crate::database) fn words(self) -> &'static str {
        match self {
            Self::Set => "SAVEPOINT",
            Self::RollbackTo => "ROLLBACK TO SAVEPOINT",
            Self::Release => "RELEASE SAVEPOINT",
        }
    }
}

/// The savepoints of one transaction, the oldest first.
#[derive(Clone, Debug, Default)]
pub(in crate::database) struct Savepoints {
    names: Vec<String>,
}

impl Savepoints {
    /// Their names.
    pub(in crate::database) fn names(&self) -> &[String] {
        &self.names
    }

    /// The statement for the server.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` for a name that none may have, and for one that none has; `TooLarge` for one too many.
    pub(in crate::database) fn statement(&self, act: Act, name: &str) -> Result<String, DatabaseError> {
        let place = match act {
            Act::Set => {
                check(name)?;
                if self.names.len() >= MOST {
                    return Err(DatabaseError::new(ErrorKind::TooLarge, format!("a transaction has at most {MOST} savepoints"))
                        .hint("release those that are no longer needed, or roll back to an earlier one"));
                }
                self.names.len()
            }
            Act::RollbackTo | Act::Release => self.find(name)?,
        };
        Ok(format!("{} tidegate_{place}", act.words()))
    }

    /// Notes that the server has done it.
    pub(in crate::database) fn note(&mut self, act: Act, name: &str) {
        match (act, self.find(name)) {
            (Act::Set, _) => self.names.push(name.to_owned()),
            (Act::RollbackTo, Ok(place)) => self.names.truncate(place + 1),
            (Act::Release, Ok(place)) => self.names.truncate(place),
            (Act::RollbackTo | Act::Release, Err(_)) => {}
        }
    }

    fn find(&self, name: &str) -> Result<usize, DatabaseError> {
        let place = self.names.iter().rposition(|known| known == name);
        place.ok_or_else(|| {
            let error = DatabaseError::new(ErrorKind::InvalidParameters, "the transaction has no savepoint of this name");
            match self.names.is_empty() {
                true => error.hint("it has none; set one with `create_savepoint`"),
                false => error.hint(format!("it has `{}`", self.names.join("`, `"))),
            }
        })
    }
}

fn check(name: &str) -> Result<(), DatabaseError> {
    let good = (1..=LONGEST).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    match good {
        true => Ok(()),
        false => Err(DatabaseError::new(
            ErrorKind::InvalidParameters,
            format!("a savepoint's name has 1 to {LONGEST} letters, digits or `_`, no digit first"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(savepoints: &mut Savepoints, name: &str) -> String {
        let statement = savepoints.statement(Act::Set, name).unwrap();
        savepoints.note(Act::Set, name);
        statement
    }

    #[test]
    fn the_latest_of_a_name_counts_and_later_ones_go_with_it() {
        let mut savepoints = Savepoints::default();
        assert_eq!(set(&mut savepoints, "a"), "SAVEPOINT tidegate_0");
        assert_eq!(set(&mut savepoints, "b"), "SAVEPOINT tidegate_1");
        assert_eq!(set(&mut savepoints, "a"), "SAVEPOINT tidegate_2");
        assert_eq!(savepoints.statement(Act::RollbackTo, "b").unwrap(), "ROLLBACK TO SAVEPOINT tidegate_1");
        savepoints.note(Act::RollbackTo, "b");
        assert_eq!(savepoints.names(), ["a", "b"]);
        assert_eq!(savepoints.statement(Act::Release, "a").unwrap(), "RELEASE SAVEPOINT tidegate_0");
        savepoints.note(Act::Release, "a");
        assert!(savepoints.names().is_empty());
    }

    #[test]
    fn no_name_from_outside_becomes_sql() {
        let savepoints = Savepoints::default();
        for name in ["", "1a", "a b", "a;drop table t", "a\"", "é", &"a".repeat(64)] {
            assert_eq!(savepoints.statement(Act::Set, name).unwrap_err().kind, ErrorKind::InvalidParameters, "{name}");
        }
        assert_eq!(savepoints.statement(Act::RollbackTo, "a").unwrap_err().kind, ErrorKind::InvalidParameters);
    }

    #[test]
    fn there_is_an_end_to_them() {
        let mut savepoints = Savepoints::default();
        for _ in 0..MOST {
            set(&mut savepoints, "a");
        }
        assert_eq!(savepoints.statement(Act::Set, "a").unwrap_err().kind, ErrorKind::TooLarge);
    }
}
