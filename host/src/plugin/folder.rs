//! The folder in which an operator's installed plugins are: `store/`, `plugins.lock`, `grants.toml`, `publishers.toml`.
//!
//! It belongs to one user and nobody else can look into it. Whoever changes something holds its claim, so that there are never two
//! of them; readers need none, because every file is written aside, flushed and put in its place by one rename. `plugins.lock` is
//! written last and says what is installed: a change that was broken off before that did not happen, and what it left behind is
//! swept away by whoever has the claim next.

pub(super) mod atomic;
mod store;

use std::fs;
use std::fs::File;
use std::fs::TryLockError;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

#[cfg(test)]
pub(in crate::plugin) use atomic::broken_off;

use super::grants_file::GrantsFile;
use super::lock::Lock;
use super::trust::publishers::Publishers;

/// What is installed.
pub const LOCK_FILE: &str = "plugins.lock";

/// What it may do.
pub const GRANTS_FILE: &str = "grants.toml";

/// Whose signatures are trusted.
pub const PUBLISHERS_FILE: &str = "publishers.toml";

/// The file whose lock says that somebody changes something. It is empty and stays.
const CLAIM_FILE: &str = ".claim";

/// Bytes of each of the three files.
const FILE_BYTES: u64 = 4 << 20;

/// How long a command waits for another one that holds the claim.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why something in the folder cannot be read or written. Blame: the operator, or the machine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The system says no.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another command changes something.
    #[error("another command changes the plugins in `{}`; try again when it is done", .0.display())]
    Busy(PathBuf),
    /// A file is not of its form.
    #[error("`{}` is damaged: {problem}; put an earlier copy of it in its place", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Files of an installed plugin are not those that were installed.
    #[error("the files of `{plugin}` in `{}` are not those that were installed: {problem}; run `tidegate plugin sync`, or install it again", path.display())]
    Tampered {
        /// The plugin.
        plugin: String,
        /// Where its files are.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl FolderError {
    /// An error of the system at `path`.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// The folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginsFolder {
    path: PathBuf,
}

/// A moment of the two files that a running host follows: equal moments are equal files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment([Option<(SystemTime, u64)>; 2]);

impl PluginsFolder {
    /// The one at `path`; it need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// When `plugins.lock` and `grants.toml` were last changed.
    pub fn moment(&self) -> Moment {
        let facts = |name: &str| {
            let facts = fs::metadata(self.path.join(name)).ok()?;
            Some((facts.modified().ok()?, facts.len()))
        };
        Moment([facts(LOCK_FILE), facts(GRANTS_FILE)])
    }

    /// What is installed; nothing where there is no file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is damaged.
    pub fn read_lock(&self) -> Result<Lock, FolderError> {
        self.read(LOCK_FILE, Lock::parse)
    }

    /// What was granted; nothing where there is no file.
    ///
    /// # Errors
    ///
    /// As [`read_lock`](Self::read_lock).
    pub fn read_grants(&self) -> Result<GrantsFile, FolderError> {
        self.read(GRANTS_FILE, GrantsFile::parse)
    }

    /// Whose signatures are trusted; nobody's where there is no file.
    ///
    /// # Errors
    ///
    /// As [`read_lock`](Self::read_lock).
    pub fn read_publishers(&self) -> Result<Publishers, FolderError> {
        self.read(PUBLISHERS_FILE, Publishers::parse)
    }

    fn read<T: Default>(&self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, FolderError> {
        let path = self.path.join(name);
        let facts = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
            facts => facts.map_err(FolderError::io(&path))?,
        };
        let damaged = |problem: String| FolderError::Damaged { path: path.clone(), problem };
        if facts.len() > FILE_BYTES {
            return Err(damaged(format!("it is larger than {FILE_BYTES} bytes")));
        }
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(damaged("it is no text".into())),
            text => text.map_err(FolderError::io(&path))?,
        };
        parse(&text).map_err(damaged)
    }

    /// Takes the claim on the folder, which is made when it is not there, and sweeps away what a broken-off change left behind.
    /// Waits for another command for some seconds: not for async threads.
    ///
    /// # Errors
    ///
    /// Another command that goes on, and a folder that others can look into or that cannot be made.
    pub fn claim(&self) -> Result<Claim, FolderError> {
        atomic::create_private(&self.path).map_err(FolderError::io(&self.path))?;
        let path = self.path.join(CLAIM_FILE);
        let file = atomic::private_file(&path, false).map_err(FolderError::io(&path))?;
        let until = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(Duration::from_millis(50)),
                Err(TryLockError::WouldBlock) => return Err(FolderError::Busy(self.path.clone())),
                Err(TryLockError::Error(error)) => return Err(FolderError::io(&path)(error)),
            }
        }
        let claim = Claim { folder: self.clone(), _lock: file };
        claim.sweep()?;
        Ok(claim)
    }
}

/// The right to change the folder. Dropping it, or the end of the process whatever ended it, frees the folder.
#[derive(Debug)]
pub struct Claim {
    folder: PluginsFolder,
    _lock: File,
}

impl Claim {
    /// The folder.
    pub fn folder(&self) -> &PluginsFolder {
        &self.folder
    }

    /// Writes what is installed. It is the last step of every change, and the one that makes it so.
    ///
    /// # Errors
    ///
    /// A file that cannot be written; the old one is whole then.
    pub fn write_lock(&self, lock: &Lock) -> Result<(), FolderError> {
        self.write(LOCK_FILE, lock.to_text())
    }

    /// Writes what is granted.
    ///
    /// # Errors
    ///
    /// As [`write_lock`](Self::write_lock).
    pub fn write_grants(&self, grants: &GrantsFile) -> Result<(), FolderError> {
        self.write(GRANTS_FILE, grants.to_text())
    }

    /// Writes whose signatures are trusted.
    ///
    /// # Errors
    ///
    /// As [`write_lock`](Self::write_lock).
    pub fn write_publishers(&self, publishers: &Publishers) -> Result<(), FolderError> {
        self.write(PUBLISHERS_FILE, publishers.to_text())
    }

    fn write(&self, name: &str, text: Result<String, String>) -> Result<(), FolderError> {
        let path = self.folder.path.join(name);
        let text = text.map_err(|problem| FolderError::Damaged { path: path.clone(), problem })?;
        atomic::write(&path, text.as_bytes()).map_err(FolderError::io(&path))
    }

    /// Removes what belongs to nothing that is installed: half-written files, stored plugins, grants.
    ///
    /// # Errors
    ///
    /// Files that cannot be read; nothing is removed then. What cannot be removed stays for the next time.
    pub fn sweep(&self) -> Result<(), FolderError> {
        let lock = self.folder.read_lock()?;
        let mut grants = self.folder.read_grants()?;
        self.folder.sweep_store(&lock);
        atomic::sweep(&self.folder.path);
        if grants.retain(|grant| lock.releases_of(&grant.plugin).any(|release| grant.covers(release))) {
            self.write_grants(&grants)?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(in crate::plugin) mod tests {
    use super::*;

    /// A folder of a test's own; removed when it is dropped.
    pub(in crate::plugin) struct Place(PathBuf);

    impl Place {
        pub(in crate::plugin) fn new() -> Self {
            static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
            let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("tidegate-plugins-{}-{number}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        pub(in crate::plugin) fn path(&self) -> &Path {
            &self.0
        }

        pub(in crate::plugin) fn folder(&self) -> PluginsFolder {
            PluginsFolder::new(self.0.join("plugins"))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn nothing_is_installed_where_there_is_nothing_and_what_is_damaged_is_named() {
        let place = Place::new();
        let folder = place.folder();
        assert_eq!(folder.read_lock().unwrap(), Lock::default());
        assert_eq!(folder.moment(), Moment::default());
        drop(folder.claim().unwrap());
        for (name, text) in [(LOCK_FILE, &b"version = 9"[..]), (GRANTS_FILE, b"[[grant]]\nplugin = 1"), (PUBLISHERS_FILE, b"\xff\xfe")] {
            fs::write(folder.path().join(name), text).unwrap();
            let error = match name {
                LOCK_FILE => folder.read_lock().err(),
                GRANTS_FILE => folder.read_grants().err(),
                _ => folder.read_publishers().err(),
            };
            let error = error.unwrap().to_string();
            assert!(error.contains(name) && error.contains("damaged"), "{error}");
        }
        // A damaged lock is no reason to sweep away what it may have named.
        assert!(matches!(folder.claim(), Err(FolderError::Damaged { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn it_is_closed_to_everybody_else() {
        use std::os::unix::fs::PermissionsExt;
        let place = Place::new();
        let folder = place.folder();
        let claim = folder.claim().unwrap();
        claim.write_grants(&GrantsFile::default()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(folder.path()), mode(&folder.path().join(GRANTS_FILE))), (0o700, 0o600));
        drop(claim);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let error = folder.claim().unwrap_err().to_string();
        assert!(error.contains("chmod 700"), "{error}");
    }
}
