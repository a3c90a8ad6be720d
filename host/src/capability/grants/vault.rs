//! Which vaults a plugin may use: those that it is granted, as far as it requests vaults at all.

use std::collections::BTreeMap;

use crate::config::vault::VaultRight;

/// What was requested and what was granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VaultRights {
    /// By the manifest.
    pub requested: bool,
    /// By the operator, by name of the vault.
    pub granted: BTreeMap<String, VaultRight>,
    /// On vaults that are not named; plugins that are part of the program have all of them.
    pub elsewhere: Option<VaultRight>,
}

impl VaultRights {
    /// Whether the plugin has `right` on the vault called `name`.
    pub fn allow(&self, name: &str, right: VaultRight) -> bool {
        let granted = self.granted.get(name).copied().or(self.elsewhere);
        self.requested && granted.is_some_and(|granted| granted >= right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_a_request_and_a_grant_that_is_enough() {
        let granted = [("backups".to_owned(), VaultRight::Read)].into();
        let rights = VaultRights { requested: true, granted, elsewhere: None };
        assert!(rights.allow("backups", VaultRight::Read));
        assert!(!rights.allow("backups", VaultRight::Write) && !rights.allow("other", VaultRight::Read));
        assert!(!VaultRights { requested: false, ..rights.clone() }.allow("backups", VaultRight::Read));
        assert!(VaultRights { elsewhere: Some(VaultRight::Write), ..rights }.allow("other", VaultRight::Write));
    }
}
