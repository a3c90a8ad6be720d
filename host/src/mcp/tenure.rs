//! How long an older client's session lasts, for what belongs to it: when it ends, its open transactions are rolled back.
//!
//! Clients since 2026-07-28 have no session; for those the lease of a transaction is what there is.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::database::Databases;

/// The session of one client, if it has one. Dropped with the last server that serves it.
#[derive(Default)]
pub(super) struct Tenure {
    begun: OnceLock<Begun>,
}

struct Begun {
    client: u64,
    databases: Databases,
}

impl Tenure {
    /// Notes that the session has begun, with what may be left open in it.
    pub(super) fn begin(&self, databases: &Databases) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        self.begun.get_or_init(|| Begun { client: NEXT.fetch_add(1, Ordering::Relaxed), databases: databases.clone() });
    }

    /// The number of the session; none when there is no session.
    pub(super) fn client(&self) -> Option<u64> {
        self.begun.get().map(|begun| begun.client)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let (databases, client) = (self.databases.clone(), self.client);
        // Without a runtime the process is ending, and rolls back everything as it does.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { databases.end_client(client).await });
        }
    }
}
