//! The tier on disk: a file per entry in a folder that one process has to itself, there again after a restart.
//!
//! The files hold rows in the clear: what people put into their databases. The folder belongs to the user who runs the
//! program, and is refused when anyone else could look into it; whoever backs it up or moves it has those rows.
//!
//! Everything read from the folder is suspect. A file may be torn or changed anywhere, which makes it a miss and removes it
//! ([`record`](super::record)); the versions in its stamp are those of now only if the counters outlived the process with it
//! ([`journal`]), or else every file is removed at the start.
//!
//! All of it happens on threads for blocking work, a few at a time, except for the journal's appends.

pub(crate) mod folder;
mod index;
pub(super) mod journal;

use std::collections::HashSet;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use tokio::sync::Semaphore;

use crate::config::DiskCacheConfig;

use super::Clear;
use super::digest::Digest;
use super::entry::Entry;
use super::entry::Stamp;
use super::figures::Counters;
use super::figures::TierFigures;
use super::memory::Look;
use super::record;
use super::record::Description;

use index::Index;
use index::Place;
use journal::Journal;

/// An entry above this part of the budget is not kept.
const LARGEST_PART: u64 = 8;

/// Files that are read or written at the same time. One more to read waits; one more to write is not written.
const JOBS: usize = 8;

const EXTENSION: &str = "entry";
const UNFINISHED: &str = "unfinished";

/// Entries in files.
pub(super) struct Disk {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    index: Mutex<Index>,
    next_generation: AtomicU64,
    journal: Arc<Journal>,
    jobs: Arc<Semaphore>,
    largest_bytes: u64,
    counters: Counters,
    _claim: folder::Claim,
}

impl Disk {
    /// Opens the folder. `None` when another process has it; this one then runs without the tier, which the log says once.
    ///
    /// # Errors
    ///
    /// It cannot be made or read, others can look into it, or it belongs to somebody else.
    pub(super) fn open(config: &DiskCacheConfig) -> io::Result<Option<Self>> {
        let Some(claim) = folder::claim(&config.path)? else {
            tracing::warn!("Results are not kept on disk: another process uses `{}`", config.path.display());
            return Ok(None);
        };
        let entries = config.path.join("entries");
        folder::create_private(&entries)?;
        let (journal, believed) = Journal::open(config.path.join("versions"), journal::boot_id())?;
        let (index, next_generation) = scan(&entries, config.max_bytes, believed)?;
        let inner = Inner {
            folder: entries,
            index: Mutex::new(index),
            next_generation: AtomicU64::new(next_generation),
            journal: Arc::new(journal),
            jobs: Arc::new(Semaphore::new(JOBS)),
            largest_bytes: config.max_bytes / LARGEST_PART,
            counters: Counters::default(),
            _claim: claim,
        };
        Ok(Some(Self { inner: Arc::new(inner) }))
    }

    /// The versions of tables that outlive the process.
    pub(super) fn journal(&self) -> &Arc<Journal> {
        &self.inner.journal
    }

    /// Looks for the entry of a digest. Dropping the future leaves the thread to end what it reads.
    pub(super) async fn find(&self, digest: &Digest, current: &Stamp) -> Look {
        let place = if self.inner.is_usable() { self.inner.lock().touch(digest) } else { None };
        let Some(place) = place else {
            self.inner.counters.misses.add(1);
            return Look::Miss;
        };
        let Ok(permit) = self.inner.jobs.clone().acquire_owned().await else { return Look::Miss };
        let inner = self.inner.clone();
        let current = current.clone();
        let look = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            inner.read(place, &current)
        });
        let look = look.await.unwrap_or(Look::Miss);
        let counter = if matches!(look, Look::Hit(_)) { &self.inner.counters.hits } else { &self.inner.counters.misses };
        counter.add(1);
        look
    }

    /// Writes an entry; false when it is too large. One that cannot be written now, because of an error or because too many are
    /// being written, is left out.
    pub(super) async fn keep(&self, digest: Digest, entry: Arc<Entry>) -> bool {
        if entry.rows.view_bytes() as u64 > self.inner.largest_bytes {
            return false;
        }
        let Ok(permit) = self.inner.jobs.clone().try_acquire_owned() else { return true };
        let inner = self.inner.clone();
        let written = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            inner.write(digest, &entry)
        });
        written.await.unwrap_or(true)
    }

    /// Removes what `what` names, and notes the digests.
    pub(super) async fn clear(&self, what: Clear, mut removed: HashSet<Digest>) -> (HashSet<Digest>, Vec<Description>) {
        let inner = self.inner.clone();
        let cleared = tokio::task::spawn_blocking(move || {
            let descriptions = inner.clear(&what, &mut removed);
            (removed, descriptions)
        });
        cleared.await.unwrap_or_default()
    }

    /// What it did and holds; none when it can no longer be used.
    pub(super) fn figures(&self) -> Option<TierFigures> {
        let (entries, bytes) = {
            let index = self.inner.lock();
            (index.len(), (index.bytes(), index.max_bytes()))
        };
        let (bytes, max_bytes) = bytes;
        self.inner.is_usable().then(|| self.inner.counters.figures(entries, bytes, Some(max_bytes)))
    }
}

impl Inner {
    /// Whether the versions are still written down: else no entry may be used, now or later.
    fn is_usable(&self) -> bool {
        !self.journal.is_broken()
    }

    fn read(&self, place: Place, current: &Stamp) -> Look {
        let path = self.path(place);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                // A file that is gone was removed by a clear or an eviction just now.
                if error.kind() != io::ErrorKind::NotFound {
                    self.failed(&error, &path);
                }
                self.drop_entry(place);
                return Look::Miss;
            }
        };
        let entry = match record::decode(&place.digest, &bytes) {
            Ok(entry) => entry,
            Err(error) => {
                self.failed(&error, &path);
                self.drop_entry(place);
                return Look::Miss;
            }
        };
        if entry.remaining(SystemTime::now()).is_none() {
            self.drop_entry(place);
            return Look::Miss;
        }
        if entry.stamp != *current {
            self.drop_entry(place);
            return Look::Stale;
        }
        // The order of use outlives a restart as the files' times; without them the order is only a little worse.
        let _ = File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Look::Hit(Arc::new(entry))
    }

    fn write(&self, digest: Digest, entry: &Entry) -> bool {
        let Some(record) = record::encode(&digest, entry) else { return false };
        if record.len() as u64 > self.largest_bytes {
            return false;
        }
        if !self.is_usable() {
            return true;
        }
        let place = Place { digest, generation: self.next_generation.fetch_add(1, Ordering::Relaxed) };
        let path = self.path(place);
        // Written aside and renamed, so that a process that dies leaves no half of an entry under the name of one.
        let aside = path.with_extension(UNFINISHED);
        let written =
            folder::private_file(&aside, true).and_then(|mut file| file.write_all(&record)).and_then(|()| fs::rename(&aside, &path));
        if let Err(error) = written {
            self.failed(&error, &path);
            let _ = fs::remove_file(&aside);
            return true;
        }
        let (gone, evicted) = self.lock().insert(place, record.len() as u64);
        self.counters.evictions.add(evicted);
        gone.into_iter().for_each(|place| self.remove_file(place));
        true
    }

    fn clear(&self, what: &Clear, removed: &mut HashSet<Digest>) -> Vec<Description> {
        let places = self.lock().places();
        let mut descriptions = Vec::new();
        for place in places {
            // What cannot be read goes too: nobody can say that it was not meant.
            let description = read_head(&self.path(place)).and_then(|head| record::describe(&head).map_err(io::Error::other)).ok();
            if description.as_ref().is_none_or(|found| what.names(&found.database, &found.tables, &found.label)) {
                self.drop_entry(place);
                removed.insert(place.digest);
                descriptions.extend(description);
            }
        }
        descriptions
    }

    fn drop_entry(&self, place: Place) {
        if self.lock().remove(place) {
            self.remove_file(place);
        }
    }

    fn remove_file(&self, place: Place) {
        let path = self.path(place);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            self.failed(&error, &path);
        }
    }

    fn path(&self, place: Place) -> PathBuf {
        self.folder.join(format!("{}-{:016x}.{EXTENSION}", place.digest, place.generation))
    }

    fn failed(&self, error: &dyn std::error::Error, path: &Path) {
        self.counters.errors.add(1);
        tracing::warn!(%error, "Result in `{}` is not used: {error}", path.display());
    }

    /// The index is whole at every point where a thread could panic.
    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The beginning of a file, as far as its description can reach.
fn read_head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(record::HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The index of what lies in the folder, least recently used first, and the first generation that is free. What was not finished is
/// removed, and every entry when their versions are not believed.
fn scan(folder: &Path, max_bytes: u64, believed: bool) -> io::Result<(Index, u64)> {
    let mut found = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        match place_of(&path) {
            Some(place) if believed => {
                let metadata = fs::metadata(&path)?;
                found.push((metadata.modified()?, place, metadata.len(), path));
            }
            Some(_) => fs::remove_file(&path)?,
            None if path.extension().is_some_and(|extension| extension == UNFINISHED) => fs::remove_file(&path)?,
            // Not ours, so not for us to remove.
            None => {}
        }
    }
    found.sort_by_key(|(used, place, ..)| (*used, place.generation));
    let mut index = Index::new(max_bytes);
    let next_generation = found.iter().map(|(_, place, ..)| place.generation + 1).max().unwrap_or_default();
    for (_, place, bytes, _) in &found {
        index.insert(*place, *bytes);
    }
    let kept: HashSet<Place> = index.places().into_iter().collect();
    for (_, place, _, path) in found {
        if !kept.contains(&place) {
            fs::remove_file(path)?;
        }
    }
    Ok((index, next_generation))
}

/// The entry that a file is named for.
fn place_of(path: &Path) -> Option<Place> {
    let name = path.file_name()?.to_str()?.strip_suffix(EXTENSION)?.strip_suffix('.')?;
    let (digest, generation) = name.split_once('-')?;
    Some(Place { digest: Digest::parse(digest)?, generation: u64::from_str_radix(generation, 16).ok().filter(|n| *n < u64::MAX)? })
}

#[cfg(test)]
mod tests;
