//! Compiled code that somebody else put where the host keeps its own: it is not run, whether a plugin is installed or a host starts.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use tokio::process::Command;

use crate::folder::Folder;
use crate::host::Ended;
use crate::host::Host;
use crate::host::program;
use crate::host::run;
use crate::package::Author;
use crate::package::Edition;
use crate::package::ID;

/// A machine whose compiled code is its own.
struct Kept {
    folder: Folder,
}

impl Kept {
    fn command(&self) -> Command {
        let mut command = program();
        command.env("TIDEGATE_CACHE", self.folder.path().join("cache"));
        command
    }

    async fn install(&self, author: &Author) -> Ended {
        let mut command = self.command();
        command.args(["plugin", "install"]).arg(author.published());
        command
            .args(["--publisher-key", &author.key, "--yes", "--deny", "databases", "--plugins-dir"])
            .arg(self.folder.path().join("plugins"));
        command.env("TIDEGATE_LOG", "warn");
        run(command).await
    }

    async fn tools(&self) -> Ended {
        let host = Host::new().plugins(&self.folder.path().join("plugins")).database("main", "sqlite::memory:", "");
        let mut command = self.command();
        command.arg("tools").arg("--config").arg(host.write(&self.folder)).env("TIDEGATE_LOG", "warn");
        run(command).await
    }

    /// The files with compiled code, with when they were written.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path().join("cache/compiled")).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn compiled_code_of_somebody_else_is_never_run() {
    let (author, kept) = (Author::new().await, Kept { folder: Folder::new() });
    author.publish(Edition { version: "1.0.0", letter: 'A', more: "" }).await;
    let ended = kept.install(&author).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let installed = kept.files();
    assert_eq!(installed.len(), 1, "what was proven was compiled and kept: {installed:?}");
    let path = &installed[0];
    let good = fs::read(path).unwrap();
    let ended = kept.tools().await;
    assert!(ended.code == Some(0) && !ended.stderr.contains("not ours"), "{}{}", ended.stdout, ended.stderr);
    // The program's own plugins were compiled by now: whole, well made, ours, and of another component.
    let other = kept.files().into_iter().find(|file| file != path).expect("the plugins of the program are kept");
    let other = fs::read(other).unwrap();
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let mut headless = good.clone();
    headless.splice(0..32, [0; 32]);
    let poisons = [
        ("of another component", other),
        ("cut", good[..good.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("shorter than its seal", good[..20].to_vec()),
        ("garbage", vec![0x90; good.len()]),
        ("one bit", flipped),
        ("without its seal", headless),
        ("longer", good.iter().copied().chain([0; 8]).collect()),
    ];
    for (what, poison) in &poisons {
        write(path, poison);
        let ended = kept.tools().await;
        assert!(ended.code == Some(0) && ended.stdout.contains("installs_ask"), "{what}: {}{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains("is damaged or not ours"), "{what}: {}", ended.stderr);
        assert_ne!(fs::read(path).unwrap(), *poison, "{what}: it was compiled again");
        // The same when it is installed anew.
        fs::remove_dir_all(kept.folder.path().join("plugins")).unwrap();
        write(path, poison);
        let ended = kept.install(&author).await;
        assert_eq!(ended.code, Some(0), "{what}: {}{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains("is damaged or not ours"), "{what}: {}", ended.stderr);
        assert_ne!(fs::read(path).unwrap(), *poison, "{what}: it was compiled again");
    }
    assert!(fs::read_to_string(kept.folder.path().join("plugins/plugins.lock")).unwrap().contains(ID));
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_others_may_write_keeps_no_compiled_code() {
    use std::os::unix::fs::PermissionsExt;
    let (author, kept) = (Author::new().await, Kept { folder: Folder::new() });
    author.publish(Edition { version: "1.0.0", letter: 'A', more: "" }).await;
    assert_eq!(kept.install(&author).await.code, Some(0));
    let place = kept.folder.path().join("cache");
    for (path, mode) in [(place.clone(), 0o700), (place.join("compiled"), 0o700), (place.join("compiled.key"), 0o600)] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
        fs::set_permissions(&path, fs::Permissions::from_mode(mode | 0o022)).unwrap();
        let ended = kept.tools().await;
        assert!(ended.code == Some(0) && ended.stderr.contains("others may write to it"), "{}: {}", path.display(), ended.stderr);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    // Another key is another host's: nothing it sealed is believed.
    write(&place.join("compiled.key"), &[7; 32]);
    let ended = kept.tools().await;
    assert!(ended.code == Some(0) && ended.stderr.contains("is damaged or not ours"), "{}", ended.stderr);
}
