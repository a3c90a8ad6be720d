//! The fake of `storage`: one caller, in memory, with the host's limits.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::storage::Entry;
use crate::storage::Error;
use crate::storage::Expected;
use crate::storage::Listed;
use crate::storage::Scope;
use crate::storage::Usage;
use crate::test::Event;
use crate::test::state;

const KEY_BYTES: usize = 512;
const VALUE_BYTES: usize = 1 << 20;
const KEYS: u64 = 10_000;
const LISTED: u32 = 1_000;

/// What the plugin holds.
#[derive(Debug)]
pub(crate) struct Store {
    entries: BTreeMap<(bool, String), Entry>,
    version: u64,
    quota: u64,
    shared: bool,
}

impl Default for Store {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), version: 0, quota: 1 << 20, shared: true }
    }
}

impl Store {
    pub(crate) fn limit(&mut self, bytes: u64, shared: bool) {
        self.quota = bytes;
        self.shared = shared;
    }

    pub(crate) fn put(&mut self, scope: Scope, key: &str, value: &[u8]) -> u64 {
        self.version += 1;
        self.entries.insert(place(scope, key), Entry { value: value.to_vec(), version: self.version });
        self.version
    }

    fn usage(&self) -> Usage {
        let bytes = self.entries.iter().map(|((_, key), entry)| (key.len() + entry.value.len()) as u64).sum();
        Usage { keys: self.entries.len() as u64, bytes, max_keys: KEYS, max_bytes: self.quota }
    }

    fn check(&self, scope: Scope) -> Result<(), Error> {
        if self.quota > 0 && (scope == Scope::Caller || self.shared) { Ok(()) } else { Err(Error::Denied) }
    }

    fn check_key(&self, scope: Scope, key: &str) -> Result<(), Error> {
        self.check(scope)?;
        let good = (1..=KEY_BYTES).contains(&key.len()) && !key.chars().any(char::is_control);
        if good { Ok(()) } else { Err(Error::InvalidKey) }
    }

    fn expect(&self, scope: Scope, key: &str, expected: Expected) -> Result<(), Error> {
        let found = self.entries.get(&place(scope, key)).map(|entry| entry.version);
        let as_expected = match expected {
            Expected::Anything => true,
            Expected::Absent => found.is_none(),
            Expected::Version(version) => found == Some(version),
        };
        if as_expected { Ok(()) } else { Err(Error::Conflict(found)) }
    }
}

fn place(scope: Scope, key: &str) -> (bool, String) {
    (scope == Scope::Shared, key.to_owned())
}

pub(crate) fn get(scope: Scope, key: &str) -> Result<Option<Entry>, Error> {
    let state = state();
    let state = state.borrow();
    state.storage.check_key(scope, key)?;
    Ok(state.storage.entries.get(&place(scope, key)).cloned())
}

pub(crate) fn set(scope: Scope, key: &str, value: &[u8], expected: Expected) -> Result<u64, Error> {
    let state = state();
    let mut state = state.borrow_mut();
    let store = &mut state.storage;
    store.check_key(scope, key)?;
    if value.len() > VALUE_BYTES {
        return Err(Error::TooLarge(VALUE_BYTES as u64));
    }
    store.expect(scope, key, expected)?;
    let held = store.usage();
    let before = store.entries.get(&place(scope, key)).map(|entry| (key.len() + entry.value.len()) as u64);
    let bytes = held.bytes - before.unwrap_or(0) + (key.len() + value.len()) as u64;
    let keys = held.keys + u64::from(before.is_none());
    if (bytes > held.max_bytes && bytes > held.bytes) || keys > held.max_keys {
        return Err(Error::OverQuota(held));
    }
    let version = store.put(scope, key, value);
    state.events.push(Event::Stored(scope, key.to_owned(), Some(value.to_vec())));
    Ok(version)
}

pub(crate) fn delete(scope: Scope, key: &str, expected: Expected) -> Result<bool, Error> {
    let state = state();
    let mut state = state.borrow_mut();
    state.storage.check_key(scope, key)?;
    state.storage.expect(scope, key, expected)?;
    let removed = state.storage.entries.remove(&place(scope, key)).is_some();
    if removed {
        state.events.push(Event::Stored(scope, key.to_owned(), None));
    }
    Ok(removed)
}

pub(crate) fn list_keys(scope: Scope, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<Listed>, Error> {
    let state = state();
    let state = state.borrow();
    state.storage.check(scope)?;
    let from = match after {
        Some(after) if after >= prefix => Bound::Excluded(place(scope, after)),
        _ => Bound::Included(place(scope, prefix)),
    };
    let in_scope = state.storage.entries.range((from, Bound::Unbounded)).take_while(|((shared, _), _)| *shared == (scope == Scope::Shared));
    let listed = in_scope.take_while(|((_, key), _)| key.starts_with(prefix)).map(|((_, key), entry)| Listed {
        key: key.clone(),
        version: entry.version,
        bytes: u32::try_from(entry.value.len()).unwrap_or(u32::MAX),
    });
    Ok(listed.take(usize::try_from(limit.min(LISTED)).unwrap_or(0)).collect())
}

pub(crate) fn read_usage() -> Result<Usage, Error> {
    let state = state();
    let state = state.borrow();
    state.storage.check(Scope::Caller)?;
    Ok(state.storage.usage())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::Host;

    #[test]
    fn it_keeps_lists_and_refuses_as_the_host_does() {
        let host = Host::new().stored(Scope::Caller, "a/1", b"x").stored(Scope::Shared, "a/2", b"y").storage_quota(20, true);
        host.run(|| {
            assert_eq!(get(Scope::Caller, "a/2"), Ok(None));
            set(Scope::Caller, "a/3", b"z", Expected::Absent).unwrap();
            let keys = |after| list_keys(Scope::Caller, "a/", after, 10).unwrap().into_iter().map(|listed| listed.key).collect::<Vec<_>>();
            assert_eq!((keys(None), keys(Some("a/1"))), (vec!["a/1".to_owned(), "a/3".to_owned()], vec!["a/3".to_owned()]));
            assert!(matches!(set(Scope::Caller, "b", &[0; 20], Expected::Anything), Err(Error::OverQuota(_))));
            assert!(matches!(set(Scope::Caller, "a/1", b"w", Expected::Version(99)), Err(Error::Conflict(Some(1)))));
            assert_eq!(get(Scope::Caller, ""), Err(Error::InvalidKey));
            assert_eq!(delete(Scope::Caller, "a/1", Expected::Anything), Ok(true));
        });
        let host = Host::new().storage_quota(20, false);
        assert_eq!(host.run(|| get(Scope::Shared, "k")), Err(Error::Denied));
    }
}
