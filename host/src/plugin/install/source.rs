//! Where a plugin is fetched from: a folder, an https URL, an OCI registry, an index.

use std::fmt;
use std::fs;
use std::io;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

use crate::plugin::fetch;
use crate::plugin::fetch::Http;
use crate::plugin::fetch::Patience;
use crate::plugin::fetch::Report;
use crate::plugin::files::MANIFEST_BYTES;
use crate::plugin::files::MANIFEST_FILE;
use crate::plugin::files::PluginFiles;
use crate::plugin::files::SIGNATURE_BYTES;
use crate::plugin::files::SIGNATURE_FILE;
use crate::plugin::manifest::Manifest;
use crate::plugin::manifest::ManifestError;
use crate::plugin::oci::Registries;
use crate::plugin::oci::credentials::DockerConfig;
use crate::plugin::oci::reference::Reference;
use crate::plugin::trust::PublicKey;
use crate::plugin::trust::rotation::ROTATION_BYTES;
use crate::plugin::trust::rotation::ROTATION_FILE;
use crate::plugin::trust::rotation::ROTATION_SIGNATURE_FILE;
use crate::plugin::trust::rotation::Rotation;
use crate::plugin::trust::rotation::RotationError;
use crate::runtime::engine::COMPONENT_BYTES;

/// Where a plugin is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder of this machine.
    Folder(PathBuf),
    /// The URL of a `plugin.toml`.
    Url(String),
    /// An artifact in an OCI registry.
    Oci(String),
    /// A plugin in an index: `INDEX:ID`, or `ID`, with `@` and a version where one is meant.
    Index(String),
}

/// What was fetched.
#[derive(Debug)]
pub struct Fetched {
    /// The files, not looked at yet.
    pub files: PluginFiles,
    /// What the source was at this time, where it can change.
    pub resolved: Option<String>,
    /// The key that a trusted index vouches for.
    pub vouched: Option<PublicKey>,
    /// The sequence of that index's snapshot.
    pub index_snapshot: Option<u64>,
    /// A statement of an earlier key about a new one that lay beside the files.
    pub rotation: Option<Rotation>,
}

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A file of a folder.
    #[error("cannot read `{}`: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The manifest does not say which file the component is.
    #[error("`{}`: {error}", path.display())]
    Manifest {
        /// Which.
        path: PathBuf,
        /// Why.
        error: ManifestError,
    },
    /// The statement about a new key.
    #[error(transparent)]
    Rotation(#[from] RotationError),
    /// A download.
    #[error("{0}")]
    Remote(String),
    /// The network may not be used.
    #[error("`{0}` is not on this machine, and `--frozen` allows no network")]
    Frozen(String),
}

impl Source {
    /// Reads what an operator typed: a URL by its scheme, a folder by being one or by looking like a path, anything else as the name of
    /// a plugin in an index.
    pub fn parse(text: &str) -> Self {
        if text.starts_with("oci://") {
            return Self::Oci(text.into());
        }
        if text.starts_with("https://") || text.starts_with("http://") {
            return Self::Url(text.into());
        }
        let looks_like_a_path = text.starts_with(['.', '/', '~']) || text.contains('\\') || text.ends_with('/');
        if looks_like_a_path || Path::new(text).join(MANIFEST_FILE).is_file() {
            // What `update` goes to later must not depend on where it is typed.
            return Self::Folder(std::path::absolute(text).unwrap_or_else(|_| text.into()));
        }
        Self::Index(text.into())
    }

    /// Whether it takes the network.
    pub fn is_remote(&self) -> bool {
        !matches!(self, Self::Folder(_))
    }

    /// Fetches the files. A signature may be missing; nothing is checked but sizes.
    ///
    /// # Errors
    ///
    /// What is not there or too large.
    pub async fn fetch(&self, report: Report<'_>) -> Result<Fetched, SourceError> {
        let remote = |error: &dyn std::error::Error| SourceError::Remote(error.to_string());
        let http = || Http::new(Patience::default()).map_err(|error| remote(&error));
        match self {
            Self::Folder(folder) => read_folder(folder),
            Self::Url(url) => {
                let files = fetch::package::fetch(&http()?, url, report).await.map_err(|error| remote(&error))?;
                Ok(Fetched::of(files))
            }
            Self::Oci(reference) => {
                let reference = Reference::parse(reference).map_err(|error| remote(&error))?;
                let registries = Registries::new(http()?, DockerConfig::of_user());
                let pulled = registries.pull(&reference, report).await.map_err(|error| remote(&error))?;
                Ok(Fetched { resolved: Some(pulled.pinned.to_string()), ..Fetched::of(pulled.files) })
            }
            Self::Index(name) => Err(SourceError::Remote(format!(
                "`{name}` is no folder and no URL, and no index is known; give a folder, `https://…/plugin.toml` or `oci://…`"
            ))),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Url(text) | Self::Oci(text) | Self::Index(text) => f.write_str(text),
        }
    }
}

impl Fetched {
    fn of(files: PluginFiles) -> Self {
        Self { files, resolved: None, vouched: None, index_snapshot: None, rotation: None }
    }
}

/// Reads the files of a plugin in a folder.
///
/// # Errors
///
/// What is not there or too large.
pub fn read_folder(folder: &Path) -> Result<Fetched, SourceError> {
    let path = folder.join(MANIFEST_FILE);
    let manifest = read(&path, MANIFEST_BYTES)?;
    let text = std::str::from_utf8(&manifest).map_err(|error| SourceError::Read { path: path.clone(), error: io::Error::other(error) })?;
    // A checked file name is a bare one, so that it stays in the folder.
    let checked = Manifest::parse(text).map_err(|error| SourceError::Manifest { path: path.clone(), error })?;
    let component = read(&folder.join(&checked.component.file), COMPONENT_BYTES)?;
    let signature = read_if_there(&folder.join(SIGNATURE_FILE), SIGNATURE_BYTES)?;
    let rotation = match read_if_there(&folder.join(ROTATION_FILE), ROTATION_BYTES)? {
        Some(statement) => {
            let signature = read(&folder.join(ROTATION_SIGNATURE_FILE), SIGNATURE_BYTES)?;
            Some(Rotation::read(&statement, &signature)?)
        }
        None => None,
    };
    Ok(Fetched { rotation, ..Fetched::of(PluginFiles { manifest, component, signature }) })
}

fn read_if_there(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, SourceError> {
    match read(path, limit) {
        Err(SourceError::Read { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// The bytes of a file, at most `limit` of them.
fn read(path: &Path, limit: usize) -> Result<Vec<u8>, SourceError> {
    let unreadable = |error| SourceError::Read { path: path.into(), error };
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() > limit {
        return Err(unreadable(io::Error::other(format!("it is larger than {limit} bytes"))));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::folder::tests::Place;
    use crate::plugin::specimen;

    #[test]
    fn a_source_is_what_it_looks_like() {
        assert_eq!(Source::parse("oci://r.example/a/b:1"), Source::Oci("oci://r.example/a/b:1".into()));
        assert_eq!(Source::parse("https://a.example/plugin.toml"), Source::Url("https://a.example/plugin.toml".into()));
        assert_eq!(Source::parse("/plugins/one"), Source::Folder("/plugins/one".into()));
        assert!(matches!(Source::parse("./one"), Source::Folder(folder) if folder.is_absolute()));
        assert_eq!(Source::parse("community:a.org/one@^1"), Source::Index("community:a.org/one@^1".into()));
    }

    #[test]
    fn a_folder_is_read_and_nothing_outside_of_it() {
        let place = Place::new();
        let key = specimen::key();
        let files = specimen::files(&key, "a.org/one", "1.0.0");
        let write = |name: &str, bytes: &[u8]| fs::write(place.path().join(name), bytes).unwrap();
        write("plugin.toml", &files.manifest);
        write("plugin.wasm", &files.component);
        assert_eq!(read_folder(place.path()).unwrap().files.signature, None);
        write("plugin.toml.minisig", files.signature.as_ref().unwrap());
        assert_eq!(read_folder(place.path()).unwrap().files, files);

        write("plugin.toml.minisig", &[b'x'; SIGNATURE_BYTES + 1]);
        assert!(read_folder(place.path()).unwrap_err().to_string().contains("larger"));
        for outside in ["../plugin.wasm", "/etc/passwd", "a/b.wasm", "..", ".hidden", "a\\b.wasm", "pl\u{202e}ugin.wasm"] {
            let manifest = String::from_utf8(files.manifest.clone()).unwrap();
            write("plugin.toml", manifest.replace("\"plugin.wasm\"", &format!("{outside:?}").replace("\\u{202e}", "\u{202e}")).as_bytes());
            let error = read_folder(place.path()).unwrap_err();
            assert!(matches!(error, SourceError::Manifest { .. }), "{outside}: {error}");
        }
        assert!(matches!(read_folder(&place.path().join("missing")), Err(SourceError::Read { .. })));
    }
}
