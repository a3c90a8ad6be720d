//! What a plugin may store: the lesser of what it requests and what it is granted.

use crate::config::capability::StorageQuota;
use crate::storage::Quota;

/// Keys of one plugin, whatever it may store.
const KEYS: u64 = 10_000;

/// What was requested and what was granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageRights {
    /// By the manifest.
    pub requested: Option<StorageQuota>,
    /// By the operator.
    pub granted: Option<StorageQuota>,
}

impl StorageRights {
    /// What a plugin that is part of the program has when the operator says nothing.
    pub const FIRST_PARTY: StorageQuota = StorageQuota { bytes: 4 << 20, shared: true };

    /// What the plugin may hold, when it may store at all, and where callers share it if `shared` says so.
    pub fn quota(&self, shared: bool) -> Option<Quota> {
        let (requested, granted) = (self.requested?, self.granted?);
        let bytes = requested.bytes.min(granted.bytes);
        let allowed = bytes > 0 && (!shared || (requested.shared && granted.shared));
        allowed.then_some(Quota { keys: KEYS, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_a_request_and_a_grant_and_the_lesser_of_both_counts() {
        let small = Some(StorageQuota { bytes: 10, shared: false });
        let large = Some(StorageQuota { bytes: 20, shared: true });
        let none = Some(StorageQuota { bytes: 0, shared: true });
        let bytes = |requested, granted, shared| StorageRights { requested, granted }.quota(shared).map(|quota| quota.bytes);
        assert_eq!(bytes(large, small, false), Some(10));
        assert_eq!(bytes(small, large, false), Some(10));
        assert_eq!(bytes(large, large, true), Some(20));
        for (requested, granted, shared) in
            [(None, large, false), (large, None, false), (large, small, true), (small, large, true), (large, none, false)]
        {
            assert_eq!(bytes(requested, granted, shared), None, "{requested:?} {granted:?} {shared}");
        }
    }
}
