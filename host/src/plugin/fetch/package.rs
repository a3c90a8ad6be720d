//! A plugin at an https URL: its manifest, and beside it the component that the manifest names and the signature.

use url::Url;

use super::FetchError;
use super::Http;
use super::Report;
use super::address;
use crate::plugin::files::MANIFEST_BYTES;
use crate::plugin::files::MANIFEST_FILE;
use crate::plugin::files::PluginFiles;
use crate::plugin::files::SIGNATURE_BYTES;
use crate::plugin::files::SIGNATURE_FILE;
use crate::plugin::manifest::Manifest;
use crate::plugin::manifest::ManifestError;
use crate::runtime::engine::COMPONENT_BYTES;

/// Why a plugin was not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// One of its files.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The address is that of something else.
    #[error("`{0}` does not end in `/{MANIFEST_FILE}`; give the URL of the plugin's manifest")]
    NoManifest(String),
    /// The manifest.
    #[error("the manifest at `{url}`: {error}")]
    Manifest {
        /// Where it is.
        url: String,
        /// What is wrong with it.
        error: ManifestError,
    },
    /// The manifest is no text.
    #[error("the manifest at `{0}` is not UTF-8 text")]
    NotText(String),
}

/// Fetches the three files of a plugin. `address` is the URL of its `plugin.toml`; the others are in the same folder.
///
/// # Errors
///
/// What is not there, is too large or takes too long; a signature may be missing, and nothing else may.
pub async fn fetch(http: &Http, address: &str, report: Report<'_>) -> Result<PluginFiles, PackageError> {
    let url = address::parse(address).map_err(FetchError::from)?;
    if address::last_part(&url) != MANIFEST_FILE {
        return Err(PackageError::NoManifest(address::shown(&url)));
    }
    let manifest = http.get(&url, MANIFEST_BYTES, report).await?;
    let text = str::from_utf8(&manifest).map_err(|_| PackageError::NotText(address::shown(&url)))?;
    let checked = Manifest::parse(text).map_err(|error| PackageError::Manifest { url: address::shown(&url), error })?;
    // Asked for before the component, which is the large one.
    let signature = match http.get(&beside(&url, SIGNATURE_FILE), SIGNATURE_BYTES, report).await {
        Ok(signature) => Some(signature),
        Err(FetchError::Status { status: 404 | 410, .. }) => None,
        Err(error) => return Err(error.into()),
    };
    // A manifest holds a bare file name, so that this stays in the manifest's folder.
    let component = http.get(&beside(&url, &checked.component.file), COMPONENT_BYTES, report).await?;
    Ok(PluginFiles { manifest, component, signature })
}

/// The address of a file in the folder of another.
fn beside(url: &Url, file: &str) -> Url {
    let mut beside = url.clone();
    beside.set_query(None);
    if let Ok(mut path) = beside.path_segments_mut() {
        path.pop().push(file);
    }
    beside
}
