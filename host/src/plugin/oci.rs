//! Plugins in OCI registries: pulled and pushed in the layout that WebAssembly components have there.
//!
//! The component is an artifact of its own, as `wkg` and every other tool of the Wasm world reads it: a config that names imports and
//! exports, and exactly one layer (<https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>). Because a second layer would
//! make it unreadable there, `plugin.toml` and its signature are a second artifact that refers to the first as its `subject`
//! (<https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers>), on registries without that list under
//! the tag that the same text names. An annotation of the first holds the digest of the manifest, so that one digest decides all that
//! runs; the signature stays replaceable, as when a key is rotated.
//!
//! The client is small and ours because what it reads comes from strangers: every body has a limit, redirects are judged, and no secret
//! leaves for another host. Digests are computed from what arrived and never taken from a header.

mod challenge;
pub mod credentials;
mod document;
mod pull;
mod push;
pub mod reference;
mod session;
#[cfg(test)]
mod tests;

use super::digest::Digest;
use super::fetch::FetchError;
use super::fetch::Http;
use super::files::PluginFiles;
use credentials::CredentialError;
use credentials::DockerConfig;
use reference::Reference;

/// What a component's config is.
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";

/// What a component's layer is.
pub const WASM_LAYER: &str = "application/wasm";

/// What kind of artifact manifest and signature are.
pub const PLUGIN_ARTIFACT: &str = "application/vnd.tidegate.plugin.v1";

/// What the layer of `plugin.toml` is.
pub const MANIFEST_LAYER: &str = "application/vnd.tidegate.plugin.manifest.v1+toml";

/// What the layer of the signature is.
pub const SIGNATURE_LAYER: &str = "application/vnd.tidegate.plugin.signature.v1+minisig";

/// The annotation of a component's artifact that holds the digest of its `plugin.toml`.
pub const MANIFEST_ANNOTATION: &str = "vnd.tidegate.plugin.manifest";

/// Why a registry gave or took nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OciError {
    /// The exchange.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The credentials of the docker configuration.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The registry wants to know who asks.
    #[error("`{registry}` does not let {who} {what} `{repository}`; log in with `docker login {registry}`, or see what the account may do")]
    Denied {
        /// Where.
        registry: String,
        /// `an account that is not known` or `this account`.
        who: &'static str,
        /// `read` or `write`.
        what: &'static str,
        /// What.
        repository: String,
    },
    /// There is none.
    #[error("`{0}` is not in the registry")]
    NotFound(String),
    /// The registry answers with something else.
    #[error("`{registry}` answers {action} with status {status}{}", detail.as_ref().map_or(String::new(), |detail| format!(": {detail}")))]
    Status {
        /// Where.
        registry: String,
        /// What was asked.
        action: &'static str,
        /// The status.
        status: u16,
        /// What the registry says, if it says it as the specification has it.
        detail: Option<String>,
    },
    /// A body that is not what its digest says.
    #[error("what arrived for `{expected}` is `{found}`; somebody changed it on its way, or the registry is damaged")]
    WrongDigest {
        /// As it was asked for.
        expected: Digest,
        /// As it came.
        found: Digest,
    },
    /// A document that is not what the specification says.
    #[error("{what} in the registry makes no sense: {reason}")]
    Document {
        /// Which.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// An artifact of another kind.
    #[error("`{reference}` is no plugin: {reason}")]
    NotAPlugin {
        /// Which.
        reference: String,
        /// Why not.
        reason: String,
    },
    /// A blob that says that it is larger than is read.
    #[error("{what} has {bytes} bytes, and at most {limit} are taken")]
    TooLarge {
        /// Which.
        what: &'static str,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: usize,
    },
    /// Something else is published under this tag.
    #[error(
        "`{reference}` is already there, as `{found}`; a version that is out stays what it is: raise the version, or replace it with `--replace`"
    )]
    Taken {
        /// Which tag.
        reference: String,
        /// What it names.
        found: Digest,
    },
    /// Something to write to that has a digest.
    #[error("`{0}` names a digest; publish to a tag, or to the repository alone")]
    ToDigest(String),
}

/// What was pulled.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// The files; that they belong together is checked, by whom they are is not.
    pub files: PluginFiles,
    /// The digest of the component's artifact, for a lock file: it decides manifest and component.
    pub digest: Digest,
    /// The reference with the digest in place of its tag.
    pub pinned: Reference,
}

/// What was pushed.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// Where it is, by digest.
    pub pinned: Reference,
    /// Where it is, by tag.
    pub tagged: Reference,
    /// Whether all of it had been there before.
    pub unchanged: bool,
}

/// How something is pushed.
#[derive(Clone, Copy, Debug, Default)]
pub struct PushOptions {
    /// Whether a tag that names something else may be moved.
    pub replace: bool,
}

/// All registries: the client, and who one is on them.
#[derive(Clone, Debug)]
pub struct Registries {
    http: Http,
    credentials: DockerConfig,
}

impl Registries {
    /// Registries through this client, with the credentials of this configuration.
    pub fn new(http: Http, credentials: DockerConfig) -> Self {
        Self { http, credentials }
    }
}
