//! Pulls a plugin: its component by the layout of the Wasm world, then what refers to it.

use serde::Deserialize;

use super::OciError;
use super::Pulled;
use super::Registries;
use super::WASM_LAYER;
use super::document;
use super::document::ComponentArtifact;
use super::document::Descriptor;
use super::document::ImageIndex;
use super::document::ImageManifest;
use super::document::PackageArtifact;
use super::reference::Reference;
use super::session::Right;
use super::session::Session;
use crate::plugin::digest::Digest;
use crate::plugin::fetch::Report;
use crate::plugin::files::MANIFEST_BYTES;
use crate::plugin::files::PluginFiles;
use crate::plugin::files::SIGNATURE_BYTES;
use crate::runtime::engine::COMPONENT_BYTES;

/// Artifacts that refer to one component and are looked at. One for each time that it was signed.
const REFERRERS: usize = 16;

/// The tags of a repository.
#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

impl Registries {
    /// Pulls a plugin.
    ///
    /// # Errors
    ///
    /// What is not there, is no plugin, is too large or not what its digest says; and everything that can go wrong on the way.
    pub async fn pull(&self, reference: &Reference, report: Report<'_>) -> Result<Pulled, OciError> {
        let session = Session::new(self, reference, Right::Pull);
        let (digest, bytes) = session.find_manifest(&reference.target()).await?.ok_or_else(|| OciError::NotFound(reference.to_string()))?;
        let artifact: ImageManifest = document::parse("a manifest", &bytes)?;
        let component =
            ComponentArtifact::of(&artifact).map_err(|reason| OciError::NotAPlugin { reference: reference.to_string(), reason })?;
        // Said by the registry; what arrives is measured again.
        if let Some(layer) = artifact.layers.iter().find(|layer| layer.media_type == WASM_LAYER && layer.size > COMPONENT_BYTES as u64) {
            return Err(OciError::TooLarge { what: "the component", bytes: layer.size, limit: COMPONENT_BYTES });
        }
        let package = self.package(&session, reference, digest, component.manifest).await?;
        let manifest = session.blob(component.manifest, MANIFEST_BYTES, report).await?;
        let signature = match package.signature {
            Some(signature) => Some(session.blob(signature, SIGNATURE_BYTES, report).await?),
            None => None,
        };
        let component = session.blob(component.layer, COMPONENT_BYTES, report).await?;
        Ok(Pulled { files: PluginFiles { manifest, component, signature }, digest, pinned: reference.at_digest(digest) })
    }

    /// The versions that a repository's tags name, the highest first. Tags that name none, such as `latest`, are left out.
    ///
    /// # Errors
    ///
    /// A repository that is not there; and everything that can go wrong on the way.
    pub async fn versions(&self, reference: &Reference) -> Result<Vec<semver::Version>, OciError> {
        let session = Session::new(self, reference, Right::Pull);
        let tags: Tags = document::parse("the list of tags", &session.tags().await?)?;
        let mut versions: Vec<_> = tags.tags.unwrap_or_default().iter().filter_map(|tag| semver::Version::parse(tag).ok()).collect();
        versions.sort_unstable_by(|one, other| other.cmp(one));
        versions.dedup();
        Ok(versions)
    }

    /// The artifact with the manifest `text` among those that refer to `subject`. Of several, the last that has a signature: it was
    /// signed again, and registries add at the end.
    async fn package(
        &self,
        session: &Session<'_>,
        reference: &Reference,
        subject: Digest,
        text: Digest,
    ) -> Result<PackageArtifact, OciError> {
        let referrers = find_referrers(session, subject).await?;
        let ours = |descriptor: &&Descriptor| descriptor.artifact_type.as_deref().is_none_or(|kind| kind == super::PLUGIN_ARTIFACT);
        let mut found: Option<PackageArtifact> = None;
        let mut candidates: Vec<&Descriptor> = referrers.iter().filter(ours).collect();
        if candidates.len() > REFERRERS {
            candidates.drain(..candidates.len() - REFERRERS);
        }
        for descriptor in candidates.into_iter().rev() {
            let Some((_, bytes)) = session.find_manifest(&descriptor.digest).await? else { continue };
            let manifest: ImageManifest = document::parse("the manifest of a referrer", &bytes)?;
            match PackageArtifact::of(&manifest, subject, text) {
                Some(package) if package.signature.is_some() => return Ok(package),
                Some(package) => found = found.or(Some(package)),
                None => {}
            }
        }
        found.ok_or_else(|| OciError::NotAPlugin {
            reference: reference.to_string(),
            reason: "the registry has its component and not its `plugin.toml`; were only parts of it copied there?".into(),
        })
    }
}

/// What refers to an artifact: by the registry's list, else by the tag that stands in for it.
pub(super) async fn find_referrers(session: &Session<'_>, subject: Digest) -> Result<Vec<Descriptor>, OciError> {
    const WHAT: &str = "the list of referrers";
    let listed: Vec<Descriptor> = match session.find_referrers(subject).await? {
        Some(bytes) => document::parse::<ImageIndex>(WHAT, &bytes)?.manifests,
        None => Vec::new(),
    };
    if !listed.is_empty() {
        return Ok(listed);
    }
    match session.find_manifest(&referrers_tag(subject)).await? {
        Some((_, bytes)) => Ok(document::parse::<ImageIndex>(WHAT, &bytes)?.manifests),
        None => Ok(Vec::new()),
    }
}

/// The tag of the list of referrers, where a registry keeps none.
/// <https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#referrers-tag-schema>
pub(super) fn referrers_tag(subject: Digest) -> String {
    format!("sha256-{}", subject.hex())
}
