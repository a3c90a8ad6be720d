//! Lets the versions of tables outlive the process: from the journal to the counters at the start, and back with every write.

use std::sync::Arc;

use super::Journal;
use crate::database::Databases;
use crate::database::versions::VersionLog;

/// Under which name the journal has its own life; no database is called so.
const OF_JOURNAL: &str = "";

/// The number of that life.
const EPOCH: &str = "epoch";

struct Log(Arc<Journal>);

impl VersionLog for Log {
    fn record(&self, database: &str, table: &str, version: u64) {
        self.0.record(database, table, version);
    }
}

/// Lets every database go on with the counters that an earlier process left, and write down what they count from now on.
///
/// A journal that was not believed is empty and begins a new life, whose stamps fit nothing that was kept before.
pub fn restore(journal: &Arc<Journal>, databases: &Databases) {
    let mut left = journal.load();
    let epoch = left.remove(OF_JOURNAL).and_then(|own| own.get(EPOCH).copied()).unwrap_or_else(|| {
        let epoch = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
        journal.record(OF_JOURNAL, EPOCH, epoch);
        epoch
    });
    for database in databases.iter() {
        // Several names of the same data have one set of counters, under the first.
        if database.versions().database() != database.config().name.as_str() {
            continue;
        }
        let versions = left.remove(database.config().name.as_str()).unwrap_or_default();
        database.versions().restore(epoch, versions, Arc::new(Log(journal.clone())));
    }
}
