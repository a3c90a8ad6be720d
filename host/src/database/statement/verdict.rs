//! The most dangerous thing found in a statement so far, and what it was.

use super::StatementKind;

/// A kind and what led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The most dangerous kind found.
    pub(super) kind: StatementKind,
    /// What was found first of that kind; none while it only reads.
    pub(super) reason: Option<String>,
}

impl Verdict {
    /// Reads only, as far as is known.
    pub(super) const READ: Self = Self { kind: StatementKind::Read, reason: None };

    /// Takes note of a finding; it counts when it is more dangerous than all before it.
    pub(super) fn raise(&mut self, kind: StatementKind, reason: impl Into<String>) {
        if danger(kind) > danger(self.kind) {
            self.kind = kind;
            self.reason = Some(reason.into());
        }
    }

    /// Takes note of all that another verdict found.
    pub(super) fn merge(&mut self, other: Self) {
        if danger(other.kind) > danger(self.kind) {
            *self = other;
        }
    }
}

/// The order of the kinds by danger.
pub(super) fn danger(kind: StatementKind) -> u8 {
    match kind {
        StatementKind::Read => 0,
        StatementKind::Write => 1,
        StatementKind::Admin => 2,
        StatementKind::Transaction => 3,
        StatementKind::Forbidden => 4,
    }
}
