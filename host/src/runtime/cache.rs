//! Compiled code on disk, so that a start does not compile what an earlier one has compiled.
//!
//! Compiled code is native code: loading it is running it. A file is loaded only when it carries a MAC under a key that is
//! kept outside its folder, and the bytes that were checked are the bytes that are loaded. Its name holds the digest of the
//! component and the engine's own compatibility hash.

use std::fs;
use std::hash::Hash;
use std::hash::Hasher;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha2::Digest;
use sha2::Sha256;

/// Bytes of a MAC, at the start of a file.
const MAC_BYTES: usize = 32;

/// Bytes of a file with compiled code; larger ones are not read.
const FILE_BYTES: u64 = 256 << 20;

/// A folder with compiled code that only this user's hosts write.
pub(super) struct Cache {
    folder: PathBuf,
    key: [u8; 32],
    engine_hash: u64,
}

impl Cache {
    /// Opens the cache under `folder`, which is made when it is not there: compiled code in `folder/compiled`, the key beside
    /// it. `None` when the folder or the key cannot be had or kept private; then there is no cache, which costs time alone.
    pub(super) fn open(folder: &Path, engine: &wasmtime::Engine) -> Option<Self> {
        match Self::try_open(folder, engine) {
            Ok(cache) => Some(cache),
            Err(error) => {
                tracing::warn!(%error, "Compiled plugins are not kept in `{}`: {error}", folder.display());
                None
            }
        }
    }

    fn try_open(folder: &Path, engine: &wasmtime::Engine) -> io::Result<Self> {
        let compiled = folder.join("compiled");
        create_private_folder(folder)?;
        create_private_folder(&compiled)?;
        let key = key(&folder.join("compiled.key"))?;
        let mut hasher = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { folder: compiled, key, engine_hash: hasher.finish() })
    }

    /// The compiled form of the component with these bytes, when it is there and whole.
    #[expect(unsafe_code, reason = "loading compiled code is unsafe by nature; the MAC is what makes it sound")]
    pub(super) fn find(&self, engine: &wasmtime::Engine, component: &[u8]) -> Option<wasmtime::component::Component> {
        let path = self.path(component);
        let metadata = fs::metadata(&path).ok()?;
        let file = if metadata.len() > FILE_BYTES { Vec::new() } else { fs::read(&path).ok()? };
        let sealed = file.split_at_checked(MAC_BYTES).filter(|(mac, code)| self.mac(component, code).verify_slice(mac).is_ok());
        let Some((_, code)) = sealed else {
            tracing::warn!("Compiled plugin `{}` is damaged or not ours; it is compiled again", path.display());
            let _ = fs::remove_file(&path);
            return None;
        };
        // SAFETY: the MAC shows that this user's host wrote exactly these bytes, with `Component::serialize`, for this
        // component and an engine of the same version and settings; wasmtime checks version and settings once more.
        unsafe { wasmtime::component::Component::deserialize(engine, code) }.ok()
    }

    /// Keeps the compiled form of a component. A failure costs time at the next start and nothing else.
    pub(super) fn keep(&self, bytes: &[u8], component: &wasmtime::component::Component) {
        let path = self.path(bytes);
        let kept = component.serialize().map_err(io::Error::other).and_then(|code| {
            let mac = self.mac(bytes, &code).finalize().into_bytes();
            // Written aside and renamed: another process never reads half a file.
            let mut aside = path.clone();
            aside.set_extension(format!("{}.tmp", std::process::id()));
            let mut file = private_file(&aside)?;
            file.write_all(&mac)?;
            file.write_all(&code)?;
            file.sync_all()?;
            fs::rename(&aside, &path)
        });
        if let Err(error) = kept {
            tracing::warn!(%error, "Compiled plugin is not kept: {error}");
        }
    }

    fn path(&self, component: &[u8]) -> PathBuf {
        self.folder.join(format!("{}-{:016x}.cwasm", hex(&Sha256::digest(component)), self.engine_hash))
    }

    fn mac(&self, component: &[u8], code: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a MAC takes a key of any length");
        mac.update(&self.engine_hash.to_le_bytes());
        mac.update(&Sha256::digest(component));
        mac.update(code);
        mac
    }
}

/// The key in `path`, made when it is not there.
fn key(path: &Path) -> io::Result<[u8; 32]> {
    match fs::read(path) {
        Ok(bytes) => {
            check_private(path)?;
            bytes.try_into().map_err(|_| io::Error::other("the key of the cache is damaged; remove the folder"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = [0; 32];
            getrandom::fill(&mut key).map_err(io::Error::other)?;
            let aside = path.with_extension(format!("{}.tmp", std::process::id()));
            let mut file = private_file(&aside)?;
            file.write_all(&key)?;
            file.sync_all()?;
            // A link fails when another process was faster; then its key is the one.
            let linked = fs::hard_link(&aside, path);
            fs::remove_file(&aside)?;
            match linked {
                Ok(()) => Ok(key),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    fs::read(path)?.try_into().map_err(|_| io::Error::other("the key of the cache is damaged; remove the folder"))
                }
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn create_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    check_private(folder)
}

#[cfg(not(unix))]
fn create_private_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Refuses what others may write, or what belongs to somebody else.
#[cfg(unix)]
fn check_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::symlink_metadata(path)?;
    if metadata.file_type().is_symlink() || metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other("others may write to it; make it private (chmod go-w)"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_private(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn private_file(path: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn private_file(path: &Path) -> io::Result<fs::File> {
    fs::File::create(path)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_changed_byte_is_noticed_and_the_file_is_dropped() {
        let folder = std::env::temp_dir().join(format!("tidegate-cache-{}", std::process::id()));
        let engine = wasmtime::Engine::default();
        let cache = Cache::open(&folder, &engine).unwrap();
        // The smallest component there is: a header and nothing else.
        let bytes = b"\0asm\x0d\0\x01\0";
        let component = wasmtime::component::Component::new(&engine, bytes).unwrap();
        cache.keep(bytes, &component);
        assert!(cache.find(&engine, bytes).is_some());
        let path = cache.path(bytes);
        for index in [0, MAC_BYTES, MAC_BYTES + 100] {
            let mut file = fs::read(&path).unwrap();
            file[index] ^= 1;
            fs::write(&path, &file).unwrap();
            assert!(cache.find(&engine, bytes).is_none(), "byte {index}");
            assert!(!path.exists());
            cache.keep(bytes, &component);
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
