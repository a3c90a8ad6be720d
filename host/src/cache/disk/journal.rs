//! The versions of tables, written down so that entries on disk can be used after a restart.
//!
//! An entry on disk is good while the versions in its stamp are those of now, so the counters have to outlive the process
//! as the entries do. A version is appended before the write that moved it is acknowledged; a write is noted before it is
//! sent, so that one that was under way when the process died counts as done at the next start.
//!
//! Nothing is flushed to the device. What a process has written survives its death, `kill -9` included; it does not survive the
//! machine's, and therefore a journal of another boot is not believed. Neither is one with any line that is not whole.
//! A journal that is not believed means that no entry on disk is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use serde::Deserialize;
use serde::Serialize;
use sha2::Digest as _;
use sha2::Sha256;

use super::folder;

const FORMAT: u32 = 1;

/// What a version moves by for a write that was under way when the process died: further than counters can have moved unwritten.
const UNSETTLED_STEP: u64 = 1 << 20;

/// Bytes of a journal that is rewritten when it has grown to twice of what was needed; smaller ones grow.
const COMPACT_BYTES: u64 = 1 << 20;

/// Hexadecimal digits of a line's checksum.
const CHECKSUM_DIGITS: usize = 16;

/// Versions of tables, database by database.
pub type Versions = BTreeMap<String, BTreeMap<String, u64>>;

/// The database and the tables of a write; none means that it may be any.
type UnderWay = (String, Option<Vec<String>>);

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    /// The first one.
    Start { format: u32, boot: Cow<'a, str> },
    /// A table has this version now.
    Version { database: Cow<'a, str>, table: Cow<'a, str>, version: u64 },
    /// A write to these tables, or to any of the database, is about to be sent.
    Begin { write: u64, database: Cow<'a, str>, tables: Option<Cow<'a, [String]>> },
    /// Its versions have been written.
    End { write: u64 },
}

/// The versions of tables on disk. Every function returns when its line is written, in microseconds.
pub struct Journal {
    path: PathBuf,
    boot: String,
    state: Mutex<State>,
    broken: AtomicBool,
}

struct State {
    file: File,
    versions: Versions,
    under_way: BTreeMap<u64, UnderWay>,
    next_write: u64,
    bytes: u64,
    bytes_after_compacting: u64,
}

/// Notes a version, unless a greater one is known: two writers may come in either order.
fn raise(versions: &mut Versions, database: &str, table: &str, version: u64) {
    let known = versions.entry(database.to_owned()).or_default().entry(table.to_owned()).or_default();
    *known = version.max(*known);
}

/// A write that was noted with [`Journal::begin`]. One that is dropped without [`Journal::end`] stays unsettled: its tables get new
/// versions at the next start, and when it may have been any table, no entry on disk is used then.
#[derive(Debug)]
#[must_use]
pub struct Begun(u64);

impl Journal {
    /// Opens the journal at `path`, and tells whether the one that was there is believed. `boot` names this run of the machine; none
    /// means that it has no name, and then no journal is believed.
    pub(super) fn open(path: PathBuf, boot: Option<String>) -> io::Result<(Self, bool)> {
        let read = boot.as_deref().and_then(|boot| read(&path, boot));
        let believed = read.is_some();
        let boot = boot.unwrap_or_default();
        let versions = read.unwrap_or_default();
        let (file, bytes) = write_whole(&path, &boot, &versions, &BTreeMap::new())?;
        let state = State { file, versions, under_way: BTreeMap::new(), next_write: 0, bytes, bytes_after_compacting: bytes };
        Ok((Self { path, boot, state: Mutex::new(state), broken: AtomicBool::new(false) }, believed))
    }

    /// The versions that were written down, with those of unsettled writes moved on; empty when the journal was not believed.
    pub fn load(&self) -> Versions {
        self.lock().versions.clone()
    }

    /// Writes down the version of a table. To be called before the write that moved it is acknowledged.
    pub fn record(&self, database: &str, table: &str, version: u64) {
        let mut state = self.lock();
        raise(&mut state.versions, database, table, version);
        self.append(&mut state, &Line::Version { database: database.into(), table: table.into(), version });
    }

    /// Notes that a write to these tables, or to any of the database when none are given, is about to be sent. To be called before
    /// it is.
    pub fn begin(&self, database: &str, tables: Option<&[String]>) -> Begun {
        let mut state = self.lock();
        let write = state.next_write;
        state.next_write += 1;
        state.under_way.insert(write, (database.to_owned(), tables.map(<[String]>::to_vec)));
        self.append(&mut state, &Line::Begin { write, database: database.into(), tables: tables.map(Cow::from) });
        Begun(write)
    }

    /// Notes that the versions of a write's tables are written down, or that it had no effect.
    pub fn end(&self, begun: Begun) {
        let mut state = self.lock();
        state.under_way.remove(&begun.0);
        self.append(&mut state, &Line::End { write: begun.0 });
    }

    /// Whether a line could not be written. Then the journal is gone, and with it the use of every entry on disk.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Makes the next line fail as a full disk does: a handle that may only read.
    #[cfg(test)]
    pub(super) fn break_for_test(&self) {
        self.lock().file = File::open(&self.path).unwrap();
    }

    fn append(&self, state: &mut State, line: &Line<'_>) {
        if self.is_broken() {
            return;
        }
        let text = encode(line);
        let written = state.file.write_all(text.as_bytes()).and_then(|()| {
            state.bytes += text.len() as u64;
            if state.bytes > COMPACT_BYTES.max(2 * state.bytes_after_compacting) { self.compact(state) } else { Ok(()) }
        });
        if let Err(error) = written {
            self.give_up(state, &error);
        }
    }

    fn compact(&self, state: &mut State) -> io::Result<()> {
        (state.file, state.bytes) = write_whole(&self.path, &self.boot, &state.versions, &state.under_way)?;
        state.bytes_after_compacting = state.bytes;
        Ok(())
    }

    /// A journal that misses a line is worse than none: it would vouch for entries that a write has made wrong.
    fn give_up(&self, state: &State, error: &io::Error) {
        self.broken.store(true, Ordering::Release);
        let emptied = state.file.set_len(0);
        let removed = fs::remove_file(&self.path);
        tracing::error!(%error, "Results are no longer kept on disk: `{}` cannot be written: {error}", self.path.display());
        if let (Err(_), Err(error)) = (emptied, removed) {
            tracing::error!(%error, "`{}` cannot be removed either; remove it before the next start", self.path.display());
        }
    }

    /// The state is whole at every point where a thread could panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of this run of the machine, where it has one (Linux: random(4), `/proc/sys/kernel/random/boot_id`).
pub(super) fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// The versions in a journal of this boot whose every line is whole, with those of unsettled writes moved on.
fn read(path: &Path, boot: &str) -> Option<Versions> {
    let text = fs::read_to_string(path).ok()?;
    let mut lines = text.strip_suffix('\n')?.split('\n').map(decode);
    let Line::Start { format: FORMAT, boot: written } = lines.next()?? else { return None };
    if written != boot {
        return None;
    }
    let mut versions = Versions::new();
    let mut under_way = BTreeMap::new();
    for line in lines {
        match line? {
            Line::Start { .. } => return None,
            Line::Version { database, table, version } => {
                raise(&mut versions, &database, &table, version);
            }
            Line::Begin { write, database, tables } => {
                under_way.insert(write, (database.into_owned(), tables.map(Cow::into_owned)));
            }
            Line::End { write } => {
                under_way.remove(&write);
            }
        }
    }
    for (database, tables) in under_way.into_values() {
        let versions = versions.entry(database).or_default();
        // Any table may have been written, also one that no line names: then no version tells which entries are good.
        for table in tables? {
            let version = versions.entry(table).or_default();
            *version = version.saturating_add(UNSETTLED_STEP);
        }
    }
    Some(versions)
}

/// Writes a journal with nothing but these, in the place of whatever is there.
fn write_whole(path: &Path, boot: &str, versions: &Versions, under_way: &BTreeMap<u64, UnderWay>) -> io::Result<(File, u64)> {
    let mut text = encode(&Line::Start { format: FORMAT, boot: boot.into() });
    for (database, tables) in versions {
        for (table, version) in tables {
            text += &encode(&Line::Version { database: database.into(), table: table.into(), version: *version });
        }
    }
    for (write, (database, tables)) in under_way {
        text += &encode(&Line::Begin { write: *write, database: database.into(), tables: tables.as_deref().map(Cow::from) });
    }
    let aside = path.with_extension("tmp");
    let _ = fs::remove_file(&aside);
    let mut file = folder::private_file(&aside, true)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&aside, path)?;
    Ok((file, text.len() as u64))
}

/// A line with its checksum.
fn encode(line: &Line<'_>) -> String {
    let text = serde_json::to_string(line).expect("names and numbers are JSON");
    format!("{} {text}\n", checksum(&text))
}

fn decode(line: &str) -> Option<Line<'_>> {
    let (sum, text) = line.split_once(' ')?;
    (sum == checksum(text)).then(|| serde_json::from_str(text).ok()).flatten()
}

fn checksum(text: &str) -> String {
    Sha256::digest(text).iter().take(CHECKSUM_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::scratch::Scratch;

    fn open(path: &Path) -> (Journal, bool) {
        Journal::open(path.to_owned(), Some("boot".into())).unwrap()
    }

    fn versions(entries: &[(&str, &str, u64)]) -> Versions {
        let mut versions = Versions::new();
        for (database, table, version) in entries {
            versions.entry((*database).to_owned()).or_default().insert((*table).to_owned(), *version);
        }
        versions
    }

    #[test]
    fn the_last_version_of_each_table_is_there_after_a_restart() {
        let folder = Scratch::new();
        let path = folder.path().join("versions");
        let (journal, believed) = open(&path);
        assert!(!believed);
        let begun = journal.begin("main", Some(&["a".into()]));
        journal.record("main", "a", 1);
        journal.record("main", "a \"quoted\"\nname", 5);
        journal.record("main", "a", 2);
        journal.record("other", "a", 7);
        journal.end(begun);
        drop(journal);
        let (journal, believed) = open(&path);
        assert!(believed);
        assert_eq!(journal.load(), versions(&[("main", "a", 2), ("main", "a \"quoted\"\nname", 5), ("other", "a", 7)]));
    }

    #[test]
    fn a_write_that_was_under_way_counts_as_done() {
        let folder = Scratch::new();
        let path = folder.path().join("versions");
        let (journal, _) = open(&path);
        journal.record("main", "a", 3);
        let _ = journal.begin("main", Some(&["a".into(), "b".into()]));
        drop(journal);
        let expected = versions(&[("main", "a", 3 + UNSETTLED_STEP), ("main", "b", UNSETTLED_STEP)]);
        assert_eq!(open(&path).0.load(), expected);
        assert_eq!(open(&path).0.load(), expected, "once and not at each start");
    }

    #[test]
    fn a_write_to_unknown_tables_that_was_under_way_makes_every_version_unknown() {
        let folder = Scratch::new();
        let path = folder.path().join("versions");
        let (journal, _) = open(&path);
        journal.record("main", "a", 3);
        let begun = journal.begin("main", None);
        journal.end(begun);
        drop(journal);
        let (journal, believed) = open(&path);
        assert!(believed);
        let _ = journal.begin("main", None);
        drop(journal);
        let (journal, believed) = open(&path);
        assert!(!believed && journal.load().is_empty());
    }

    #[test]
    fn a_journal_of_another_boot_or_none_is_not_believed() {
        let folder = Scratch::new();
        let path = folder.path().join("versions");
        open(&path).0.record("main", "a", 3);
        let (journal, believed) = Journal::open(path.clone(), Some("next boot".into())).unwrap();
        assert!(!believed && journal.load().is_empty());
        drop(journal);
        assert!(!Journal::open(path.clone(), None).unwrap().1);
        assert!(!Journal::open(path, None).unwrap().1);
    }

    #[test]
    fn a_journal_that_was_cut_or_changed_anywhere_is_not_believed_or_says_the_same() {
        let folder = Scratch::new();
        let path = folder.path().join("versions");
        let (journal, _) = open(&path);
        journal.record("main", "a", 3);
        journal.record("main", "b", 4);
        drop(journal);
        let whole = fs::read(&path).unwrap();
        let ends: Vec<usize> = (1..=whole.len()).filter(|end| whole[end - 1] == b'\n').collect();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            // Whole lines that are missing cannot be told from lines that were never written: the kernel keeps what was appended
            // in order, so that this does not happen to a process that dies.
            assert_eq!(read(&path, "boot").is_some(), ends.contains(&length), "cut at {length}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            assert!(read(&path, "boot").is_none(), "changed at {at}");
        }
    }

    #[test]
    fn it_is_rewritten_when_it_has_grown_and_loses_nothing() {
        let folder = Scratch::new();
        let path = folder.path().join("versions");
        let (journal, _) = open(&path);
        let begun = journal.begin("main", Some(&["open".into()]));
        let table = "t".repeat(10_000);
        for version in 1..300 {
            journal.record("main", &table, version);
        }
        assert!(fs::metadata(&path).unwrap().len() < 2 * COMPACT_BYTES);
        drop(journal);
        drop(begun);
        assert_eq!(open(&path).0.load(), versions(&[("main", "open", UNSETTLED_STEP), ("main", &table, 299)]));
    }

    #[test]
    fn a_journal_that_cannot_be_written_is_removed() {
        let folder = Scratch::new();
        let path = folder.path().join("versions");
        let (journal, _) = open(&path);
        journal.record("main", "a", 3);
        journal.break_for_test();
        journal.record("main", "a", 4);
        assert!(journal.is_broken() && !path.exists());
        journal.record("main", "a", 5);
        assert!(!path.exists());
    }
}
