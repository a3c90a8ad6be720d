//! The rows of one statement in the cache: under which key, read from what, and whether they may be there at all.
//!
//! The key is made of everything that decides what the statement answers: who asks, where, the text that runs, its
//! parameters, the limits at which rows are cut, and the settings of the session. Rows are kept as the database gave them;
//! what hooks make of them is made anew each time.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::SystemTime;

use super::statements::Asking;
use super::statements::KeepPolicy;
use crate::cache::Cache;
use crate::cache::Digest;
use crate::cache::Entry;
use crate::cache::Stamp;
use crate::cache::Worth;
use crate::call::Call;
use crate::config::CacheScope;
use crate::database::Database;
use crate::database::cacheable::Cacheability;
use crate::database::rows::RowLimits;
use crate::database::rows::RowSet;
use crate::database::setup::Setup;
use crate::database::statement::normalised::Normalised;
use crate::database::statement::normalised::normalised;
use crate::database::value::Value;
use crate::database::versions::touched::Dependencies;

/// What the key of this form of digest is for; another form gets another purpose.
const PURPOSE: &str = "tidegate statement 1";

/// A statement whose rows may be kept.
pub struct Kept {
    /// Names the rows to guests; the digest in hexadecimal digits.
    name: Box<str>,
    digest: Digest,
    database: Arc<Database>,
    dependencies: Dependencies,
    /// How the session begins that it was or will be read in.
    setup: Setup,
    /// The versions of the tables, from before anything was looked for or sent.
    local: Vec<u8>,
    tables: Arc<[String]>,
    label: Arc<str>,
    /// What looking for rows of such statements has brought.
    worth: Arc<Worth>,
    /// The stamp for a policy, once it was asked for.
    stamp: Mutex<Option<(KeepPolicy, Option<Stamp>)>>,
    /// What a hook was given last.
    found: Mutex<Option<Found>>,
}

/// Rows that were found in the cache.
#[derive(Clone, Debug)]
pub struct Found {
    /// The entry.
    pub entry: Arc<Entry>,
    /// The policy under which they were looked for.
    pub policy: KeepPolicy,
    /// How long they may be used from now on.
    pub remaining: Duration,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Kept").field(&self.name).finish()
    }
}

impl Kept {
    /// The place of this statement's rows in the cache; none when they may not be kept, or not now, or when looking for them is not
    /// worth it.
    pub async fn of(
        call: &Call,
        cache: &Cache,
        database: &Arc<Database>,
        asking: &Asking,
        limits: RowLimits,
        setup: &Setup,
        scope: CacheScope,
    ) -> Option<Self> {
        // Rows of a replica may be older than what was written, whatever the versions say.
        if asking.in_transaction || !database.config().replicas.urls.is_empty() {
            return None;
        }
        let Cacheability::Yes(dependencies) = database.dependencies(call, &asking.statement, &asking.parameters).await else { return None };
        let local = database.versions().stamp(&dependencies)?.to_bytes();
        let Normalised { text: label, shape } = normalised(&asking.statement);
        let config = database.config();
        let mut digest = Digest::builder(PURPOSE);
        digest = digest.part(match scope {
            CacheScope::Caller => call.caller.as_str().as_bytes(),
            CacheScope::Everyone => b"",
        });
        digest = digest.part(config.name.as_str().as_bytes()).part(database.place().as_bytes()).part(label.as_bytes());
        digest = digest.part(&limits.rows.to_le_bytes()).part(&limits.bytes.to_le_bytes());
        digest = digest.part(&setup.statements().len().to_le_bytes());
        for statement in setup.statements() {
            digest = digest.part(statement.as_bytes());
        }
        for value in &*asking.parameters {
            digest = part_of(value, |kind, bytes| digest.part(&[kind]).part(bytes));
        }
        let digest = digest.finish();
        let worth = cache.worth(&config.name, &shape);
        if !cache.wants(&worth, &digest) {
            return None;
        }
        let tables: Vec<String> = dependencies.tables().map(str::to_owned).collect();
        Some(Self {
            name: digest.to_hex(),
            digest,
            database: database.clone(),
            dependencies,
            setup: setup.clone(),
            local,
            tables: tables.into(),
            label: label.into(),
            worth,
            stamp: Mutex::default(),
            found: Mutex::default(),
        })
    }

    /// What guests call the rows.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key itself.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What looking for rows of such statements has brought.
    pub fn worth(&self) -> &Worth {
        &self.worth
    }

    /// The versions of the tables as this policy wants them told, from before anything was sent; none when they cannot be told.
    ///
    /// Asked for twice with one policy, it is the same one.
    pub async fn stamp(&self, call: &Call, cache: &Cache, policy: KeepPolicy) -> Option<Stamp> {
        if let Some((of, stamp)) = &*self.stamp.lock().unwrap_or_else(PoisonError::into_inner)
            && *of == policy
        {
            return stamp.clone();
        }
        let stamp = self.ask_stamp(call, cache, policy).await;
        *self.stamp.lock().unwrap_or_else(PoisonError::into_inner) = Some((policy, stamp.clone()));
        stamp
    }

    async fn ask_stamp(&self, call: &Call, cache: &Cache, policy: KeepPolicy) -> Option<Stamp> {
        self.complete(self.local.clone(), call, cache, policy).await
    }

    /// Adds what the policy wants to the local versions.
    async fn complete(&self, mut local: Vec<u8>, call: &Call, cache: &Cache, policy: KeepPolicy) -> Option<Stamp> {
        if policy.probe {
            // A database that cannot tell whether others wrote has nothing that may be shown again.
            let probe = self.database.probe(call, &self.dependencies).await?;
            local.extend(b"probe");
            local.extend(probe.as_str().as_bytes());
        }
        cache.stamp(Stamp::local(local), self.database.data(), &self.tables, policy.tiers).await
    }

    /// The versions of the tables as they are now, told as this policy wants it.
    pub async fn current(&self, call: &Call, cache: &Cache, policy: KeepPolicy) -> Option<Stamp> {
        let local = self.database.versions().stamp(&self.dependencies)?.to_bytes();
        self.complete(local, call, cache, policy).await
    }

    /// How the session has to begin that the rows come from.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The database.
    pub fn database(&self) -> &Arc<Database> {
        &self.database
    }

    /// The rows, when they are there, no older than the policy wants, and nothing was written since.
    pub async fn find(&self, call: &Call, cache: &Cache, policy: KeepPolicy) -> Option<Arc<Entry>> {
        let stamp = self.stamp(call, cache, policy).await?;
        let entry = cache.find(&self.digest, &stamp, policy.tiers).await?;
        let remaining = remaining(&entry, policy)?;
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(Found { entry: entry.clone(), policy, remaining });
        Some(entry)
    }

    /// What was found, when these are the rows.
    pub fn found(&self, rows: &RowSet) -> Option<Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone().filter(|found| found.entry.rows.is_same(rows))
    }

    /// An entry of these rows, which were read after `stamp` was taken.
    pub fn entry(&self, rows: RowSet, stamp: Stamp, policy: KeepPolicy) -> Arc<Entry> {
        Arc::new(Entry {
            rows,
            stamp,
            tables: self.tables.clone(),
            database: self.database.config().name.clone(),
            label: self.label.clone(),
            kept: SystemTime::now(),
            ttl: policy.ttl,
        })
    }
}

/// How long an entry may be used by who wants it no older than the policy says; none when that is over.
pub fn remaining(entry: &Entry, policy: KeepPolicy) -> Option<Duration> {
    let now = SystemTime::now();
    let age = now.duration_since(entry.kept).unwrap_or(Duration::ZERO);
    let of_policy = policy.ttl.checked_sub(age).filter(|left| !left.is_zero())?;
    Some(entry.remaining(now)?.min(of_policy))
}

/// Hands a value on as its kind and its bytes: two values that differ in either are two parts.
fn part_of<T>(value: &Value, part: impl FnOnce(u8, &[u8]) -> T) -> T {
    match value {
        Value::Null => part(0, b""),
        Value::Boolean(value) => part(1, &[u8::from(*value)]),
        Value::Integer(value) => part(2, &value.to_le_bytes()),
        Value::Real(value) => part(3, &value.to_bits().to_le_bytes()),
        Value::Decimal(digits) => part(4, digits.as_bytes()),
        Value::Text(text) => part(5, text.as_bytes()),
        Value::Blob(bytes) => part(6, bytes),
        Value::Json(document) => part(7, document.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Tiers;
    use crate::config::DatabaseName;

    #[test]
    fn rows_may_be_used_for_as_long_as_they_and_whoever_asks_allow() {
        let seconds = Duration::from_secs;
        let entry = |age| Entry {
            rows: RowSet::empty(),
            stamp: Stamp::local(*b"1"),
            tables: [].into(),
            database: DatabaseName::parse("main").unwrap(),
            label: "select 1".into(),
            kept: SystemTime::now() - age,
            ttl: seconds(3600),
        };
        let wanted = |ttl| KeepPolicy { ttl, tiers: Tiers::ALL, probe: false };
        let left = |age, ttl| remaining(&entry(age), wanted(ttl));
        assert!(left(seconds(600), seconds(7200)).is_some_and(|left| left <= seconds(3000)), "the entry ends");
        assert!(left(seconds(600), seconds(1200)).is_some_and(|left| left <= seconds(600)), "the policy ends");
        assert_eq!(left(seconds(600), seconds(600)), None);
        assert_eq!(left(seconds(3600), seconds(7200)), None);
    }
}
