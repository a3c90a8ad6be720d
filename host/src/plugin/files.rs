//! The three files of a plugin, wherever they come from: `plugin.toml`, the component it names, and the signature beside them.

use std::fmt;

/// Bytes of a manifest.
pub const MANIFEST_BYTES: usize = 64 << 10;

/// Bytes of a detached signature.
pub const SIGNATURE_BYTES: usize = 4 << 10;

/// The name of the manifest in a folder, and the end of its URL.
pub const MANIFEST_FILE: &str = "plugin.toml";

/// The name of the signature beside the manifest, whose bytes it signs.
pub const SIGNATURE_FILE: &str = "plugin.toml.minisig";

/// What was read or fetched, and nothing of it checked yet but its size.
#[derive(Clone, PartialEq, Eq)]
pub struct PluginFiles {
    /// Bytes of `plugin.toml`, exactly as they are signed; at most [`MANIFEST_BYTES`].
    pub manifest: Vec<u8>,
    /// Bytes of the component; at most [`COMPONENT_BYTES`](crate::runtime::engine::COMPONENT_BYTES).
    pub component: Vec<u8>,
    /// The signature over the manifest, in minisign's text form; at most [`SIGNATURE_BYTES`].
    pub signature: Option<Vec<u8>>,
}

impl fmt::Debug for PluginFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginFiles")
            .field("manifest_bytes", &self.manifest.len())
            .field("component_bytes", &self.component.len())
            .field("signed", &self.signature.is_some())
            .finish()
    }
}
