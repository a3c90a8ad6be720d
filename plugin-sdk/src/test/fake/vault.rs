//! The fake of `vault`: in memory, with the host's rules for names and room.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::test::state;
use crate::vault::Blob;
use crate::vault::Error;

const READ: usize = 1 << 20;
const LISTED: u32 = 1_000;

/// One vault.
#[derive(Debug, Default)]
pub(crate) struct Vault {
    pub(crate) max_bytes: u64,
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
}

/// A blob that is being written.
#[derive(Debug)]
pub(crate) struct Writer {
    vault: String,
    name: String,
    replace: bool,
    bytes: RefCell<Vec<u8>>,
    finished: Cell<bool>,
}

/// A blob that is being read.
#[derive(Debug)]
pub(crate) struct Reader {
    name: String,
    bytes: Vec<u8>,
    taken: Cell<usize>,
}

fn check(name: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    let good = (1..=128).contains(&name.len())
        && name.bytes().all(allowed)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !name.ends_with('.');
    if good { Ok(()) } else { Err(Error::InvalidName) }
}

fn with<T>(vault: &str, work: impl FnOnce(&mut Vault) -> Result<T, Error>) -> Result<T, Error> {
    let state = state();
    let mut state = state.borrow_mut();
    state.vaults.get_mut(vault).map_or(Err(Error::Denied), work)
}

fn blob(name: &str, bytes: &[u8]) -> Blob {
    Blob { name: name.to_owned(), bytes: bytes.len() as u64, written_ms: 0 }
}

pub(crate) fn put(vault: &str, name: &str, replace: bool) -> Result<Writer, Error> {
    with(vault, |found| {
        check(name)?;
        if !replace && found.blobs.contains_key(name) {
            return Err(Error::Exists);
        }
        let (vault, name) = (vault.to_owned(), name.to_owned());
        Ok(Writer { vault, name, replace, bytes: RefCell::default(), finished: Cell::new(false) })
    })
}

pub(crate) fn get(vault: &str, name: &str) -> Result<Reader, Error> {
    with(vault, |vault| {
        check(name)?;
        let bytes = vault.blobs.get(name).cloned().ok_or(Error::NotFound)?;
        Ok(Reader { name: name.to_owned(), bytes, taken: Cell::new(0) })
    })
}

pub(crate) fn list_blobs(vault: &str, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<Blob>, Error> {
    with(vault, |vault| {
        let listed = vault.blobs.iter().filter(|(name, _)| name.starts_with(prefix) && after.is_none_or(|after| name.as_str() > after));
        let limit = usize::try_from(limit.min(LISTED)).unwrap_or(0);
        Ok(listed.take(limit).map(|(name, bytes)| blob(name, bytes)).collect())
    })
}

pub(crate) fn delete(vault: &str, name: &str) -> Result<bool, Error> {
    with(vault, |vault| {
        check(name)?;
        Ok(vault.blobs.remove(name).is_some())
    })
}

impl Writer {
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Error> {
        with(&self.vault, |vault| {
            let held: usize = vault.blobs.values().map(Vec::len).sum();
            let mut own = self.bytes.borrow_mut();
            if (held + own.len() + bytes.len()) as u64 > vault.max_bytes {
                return Err(Error::Full(vault.max_bytes));
            }
            own.extend_from_slice(bytes);
            Ok(())
        })
    }

    pub(crate) fn finish(&self) -> Result<Blob, Error> {
        with(&self.vault, |vault| {
            if self.finished.replace(true) {
                return Err(Error::NotFound);
            }
            if !self.replace && vault.blobs.contains_key(&self.name) {
                return Err(Error::Exists);
            }
            let bytes = self.bytes.take();
            let written = blob(&self.name, &bytes);
            vault.blobs.insert(self.name.clone(), bytes);
            Ok(written)
        })
    }
}

impl Reader {
    pub(crate) fn describe(&self) -> Blob {
        blob(&self.name, &self.bytes)
    }

    pub(crate) fn read(&self, max: u32) -> Result<Vec<u8>, Error> {
        let from = self.taken.get();
        let max = usize::try_from(max).unwrap_or(READ).min(READ);
        let until = self.bytes.len().min(from + max);
        self.taken.set(until);
        Ok(self.bytes[from..until].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use crate::test::Host;
    use crate::vault;
    use crate::vault::Error;

    #[test]
    fn what_is_not_finished_is_not_there() {
        let host = Host::new().vault("v", 10);
        host.run(|| {
            let writer = vault::put("v", "a", false).unwrap();
            writer.write(b"1234567890").unwrap();
            assert_eq!(writer.write(b"1"), Err(Error::Full(10)));
            assert_eq!(vault::get("v", "a").err(), Some(Error::NotFound));
            drop(writer);
            vault::put("v", "a", false).unwrap().finish().unwrap();
            assert_eq!(vault::put("v", "a", false).err(), Some(Error::Exists));
            assert_eq!(vault::put("v", "../a", false).err(), Some(Error::InvalidName));
            assert_eq!(vault::put("w", "a", false).err(), Some(Error::Denied));
            assert_eq!(vault::list("v", "", None, 10).unwrap().len(), 1);
            assert_eq!(vault::delete("v", "a"), Ok(true));
        });
    }
}
