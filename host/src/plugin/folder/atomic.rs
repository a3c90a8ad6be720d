//! Files that are there as a whole or not at all, and that only their owner can read.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::Path;

/// What files that are being written are called: nothing else in the folder begins so.
const ASIDE: &str = ".new-";

/// Writes a file: aside, flushed to the device, then put in the place of the one that was there.
pub(in crate::plugin) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("it is in no folder"))?;
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| io::Error::other("it has no name"))?;
    let aside = folder.join(format!("{ASIDE}{name}"));
    step()?;
    let mut file = private_file(&aside, true)?;
    // Another process may have been ended after it had begun this file: what it wrote is not kept.
    file.set_len(0)?;
    step()?;
    file.write_all(bytes)?;
    step()?;
    file.sync_all()?;
    drop(file);
    step()?;
    fs::rename(&aside, path)?;
    step()?;
    flush_folder(folder)
}

/// Puts a folder that was written aside in its place, where nothing may be yet.
pub(super) fn put(aside: &Path, path: &Path) -> io::Result<()> {
    flush_folder(aside)?;
    step()?;
    fs::rename(aside, path)?;
    step()?;
    path.parent().map_or(Ok(()), flush_folder)
}

/// The name of something that is written aside.
pub(super) fn aside(name: &str) -> String {
    format!("{ASIDE}{name}")
}

/// Removes what was being written in a folder and never put in its place.
pub(super) fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(ASIDE)) {
            let path = entry.path();
            // What cannot be removed stays for the next time.
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
}

/// Makes names in a folder last.
#[cfg(unix)]
pub(super) fn flush_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Folders cannot be flushed here.
#[cfg(not(unix))]
pub(super) fn flush_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Opens a file to write to that only its owner can read; it is made when it is not there. With `own`, what is there must be
/// a file and no link.
#[cfg(unix)]
pub(in crate::plugin) fn private_file(path: &Path, own: bool) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    if own && fs::symlink_metadata(path).is_ok_and(|facts| !facts.is_file()) {
        return Err(io::Error::other("there is something else under its name"));
    }
    fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Opens a file to write to; it is made when it is not there.
#[cfg(not(unix))]
pub(in crate::plugin) fn private_file(path: &Path, _: bool) -> io::Result<File> {
    fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)
}

/// Makes a folder that only its owner can look into, or holds one that is there to it.
#[cfg(unix)]
pub(in crate::plugin) fn create_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    use std::os::unix::fs::MetadataExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let facts = fs::symlink_metadata(folder)?;
    if !facts.is_dir() {
        return Err(io::Error::other("it is a link or no folder; name the folder itself"));
    }
    if facts.mode() & 0o077 != 0 {
        return Err(io::Error::other("others may look into it or change it, and it says which code runs; make it private (chmod 700)"));
    }
    Ok(())
}

/// Makes a folder. Who can look into it is what its parent's permissions say.
#[cfg(not(unix))]
pub(in crate::plugin) fn create_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// A moment at which a change may be broken off; tests do so at each of them.
#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "it fails in tests")]
pub(super) fn step() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(super) use broken_off::step;

#[cfg(test)]
pub(in crate::plugin) mod broken_off {
    //! Breaks changes off at a step, as the end of the process would: nothing is cleaned up.

    use std::cell::Cell;
    use std::io;

    thread_local! {
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    }

    /// Breaks off whatever this thread writes after `steps` more steps.
    pub(in crate::plugin) fn after(steps: u32) {
        LEFT.set(Some(steps));
    }

    /// Breaks nothing off any more; says whether something was.
    pub(in crate::plugin) fn never() -> bool {
        LEFT.take() == Some(0)
    }

    pub(in crate::plugin) fn step() -> io::Result<()> {
        match LEFT.get() {
            None => Ok(()),
            Some(0) => Err(io::Error::other("broken off")),
            Some(left) => {
                LEFT.set(Some(left - 1));
                Ok(())
            }
        }
    }
}
