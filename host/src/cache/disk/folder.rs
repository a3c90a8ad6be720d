//! A folder that belongs to one process at a time and that nobody else on the machine can look into.

use std::fs;
use std::fs::File;
use std::fs::TryLockError;
use std::io;
use std::path::Path;

/// The file whose lock says that the folder is in use. It is empty, and stays when the process ends.
const LOCK: &str = "lock";

/// A folder of ours. Dropping it, or the end of the process whatever ended it, frees it for another one.
pub(super) struct Claim {
    _lock: File,
}

/// Takes the folder, which is made when it is not there. `None` when another process has it.
///
/// # Errors
///
/// It cannot be made, or others can look into it, or it belongs to somebody else.
pub(super) fn claim(folder: &Path) -> io::Result<Option<Claim>> {
    create_private(folder)?;
    let lock = private_file(&folder.join(LOCK), false)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(Claim { _lock: lock })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Opens a file to write to that only its owner can read. `new` means that it may not be there yet.
#[cfg(unix)]
pub(crate) fn private_file(path: &Path, new: bool) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create(true).create_new(new).truncate(false).mode(0o600).open(path)
}

/// Opens a file to write to. `new` means that it may not be there yet.
#[cfg(not(unix))]
pub(crate) fn private_file(path: &Path, new: bool) -> io::Result<File> {
    fs::OpenOptions::new().write(true).create(true).create_new(new).truncate(false).open(path)
}

/// Makes a folder that only its owner can look into, or holds one that is there to it.
#[cfg(unix)]
pub(crate) fn create_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    use std::os::unix::fs::MetadataExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = fs::symlink_metadata(folder)?;
    if !metadata.is_dir() {
        return Err(io::Error::other("it is a link or no folder; name the folder itself"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(io::Error::other("others may look into it, and what is in it is in the clear; make it private (chmod 700)"));
    }
    // A file that was just made belongs to this process's user: the one way to learn who that is without a system call of our own.
    let probe = folder.join(format!("probe.{}", std::process::id()));
    let own = private_file(&probe, false)?.metadata()?.uid();
    fs::remove_file(&probe)?;
    if metadata.uid() != own {
        return Err(io::Error::other("it belongs to another user; name a folder of the user who runs this program"));
    }
    Ok(())
}

/// Makes a folder. Who can look into it is what its parent's permissions say.
#[cfg(not(unix))]
pub(crate) fn create_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}
