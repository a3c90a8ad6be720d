//! `store/`: the files of installed plugins, each plugin's in a folder that is called after the digest of its manifest.
//!
//! The manifest holds the digest of the component, so the name pins both. A digest is all that ever comes into a path: what a
//! plugin calls itself and its files does not.

use std::fs;
use std::io;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use super::Claim;
use super::FolderError;
use super::PluginsFolder;
use super::atomic;
use crate::plugin::contract::CONTRACT_BYTES;
use crate::plugin::contract::Contract;
use crate::plugin::digest::Digest;
use crate::plugin::files::MANIFEST_BYTES;
use crate::plugin::files::MANIFEST_FILE;
use crate::plugin::files::PluginFiles;
use crate::plugin::files::SIGNATURE_BYTES;
use crate::plugin::files::SIGNATURE_FILE;
use crate::plugin::lock::Lock;
use crate::plugin::lock::Release;
use crate::runtime::engine::COMPONENT_BYTES;

const STORE: &str = "store";
const COMPONENT_FILE: &str = "component.wasm";
const CONTRACT_FILE: &str = "contract.json";

impl PluginsFolder {
    /// Where the files of the plugin with this manifest are.
    pub fn place_of(&self, manifest: &Digest) -> PathBuf {
        self.path().join(STORE).join(format!("sha256-{}", manifest.hex()))
    }

    /// The files of a release, checked against the digests in the lock.
    ///
    /// # Errors
    ///
    /// [`FolderError::Tampered`] for files that are missing or others than were installed.
    pub fn read_release(&self, plugin: &str, release: &Release) -> Result<PluginFiles, FolderError> {
        let path = self.place_of(&release.manifest);
        let tampered = |problem: String| FolderError::Tampered { plugin: plugin.into(), path: path.clone(), problem };
        let read = |name: &str, limit: usize| read_file(&path.join(name), limit).map_err(|error| tampered(format!("`{name}`: {error}")));
        let manifest = read(MANIFEST_FILE, MANIFEST_BYTES)?;
        if Digest::of(&manifest) != release.manifest {
            return Err(tampered("the manifest was changed".into()));
        }
        let component = read(COMPONENT_FILE, COMPONENT_BYTES)?;
        if Digest::of(&component) != release.component {
            return Err(tampered("the component was changed".into()));
        }
        let signature = match release.publisher {
            Some(_) => Some(read(SIGNATURE_FILE, SIGNATURE_BYTES)?),
            None => None,
        };
        Ok(PluginFiles { manifest, component, signature })
    }

    /// What a release offers, as it was when it was installed; `None` when that is damaged or gone.
    pub fn read_contract(&self, release: &Release) -> Option<Contract> {
        let bytes = read_file(&self.place_of(&release.manifest).join(CONTRACT_FILE), CONTRACT_BYTES).ok()?;
        Contract::parse(&bytes).filter(|contract| contract.digest() == release.contract)
    }

    /// Removes stored plugins that the lock does not name.
    pub(super) fn sweep_store(&self, lock: &Lock) {
        let store = self.path().join(STORE);
        atomic::sweep(&store);
        let named: Vec<PathBuf> = lock.releases().map(|release| self.place_of(&release.manifest)).collect();
        for entry in fs::read_dir(store).into_iter().flatten().flatten() {
            if !named.contains(&entry.path()) {
                // What cannot be removed stays for the next time.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

impl Claim {
    /// Puts the files of a plugin into the store. Files that are there under its digest are replaced unless they are the same.
    ///
    /// # Errors
    ///
    /// Files that cannot be written; nothing under the digest is changed then.
    pub fn keep(&self, files: &PluginFiles, contract: &Contract) -> Result<Digest, FolderError> {
        let digest = Digest::of(&files.manifest);
        let place = self.folder().place_of(&digest);
        let kept = self.try_keep(files, contract, &place);
        kept.map(|()| digest).map_err(FolderError::io(&place))
    }

    fn try_keep(&self, files: &PluginFiles, contract: &Contract, place: &Path) -> io::Result<()> {
        let store = self.folder().path().join(STORE);
        atomic::create_private(&store)?;
        let contract = contract.to_text();
        let mut wanted = vec![
            (MANIFEST_FILE, files.manifest.as_slice()),
            (COMPONENT_FILE, files.component.as_slice()),
            (CONTRACT_FILE, contract.as_bytes()),
        ];
        wanted.extend(files.signature.as_deref().map(|signature| (SIGNATURE_FILE, signature)));
        let same = |(name, bytes): &(&str, &[u8])| read_file(&place.join(name), bytes.len()).is_ok_and(|there| there == *bytes);
        if wanted.iter().all(same) {
            return Ok(());
        }
        let name = place.file_name().and_then(|name| name.to_str()).ok_or_else(|| io::Error::other("it has no name"))?;
        let aside = store.join(atomic::aside(name));
        if aside.exists() {
            fs::remove_dir_all(&aside)?;
        }
        atomic::step()?;
        atomic::create_private(&aside)?;
        for (name, bytes) in wanted {
            atomic::step()?;
            let mut file = atomic::private_file(&aside.join(name), true)?;
            file.write_all(bytes)?;
            file.sync_all()?;
        }
        if place.exists() {
            // Damaged: the digest names other bytes.
            fs::remove_dir_all(place)?;
        }
        atomic::put(&aside, place)
    }
}

/// The bytes of a file that is no link, at most `limit` of them.
fn read_file(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}
