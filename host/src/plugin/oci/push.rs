//! Pushes a plugin. The tag comes last, so that nobody who follows it finds half a plugin.

use super::OciError;
use super::PushOptions;
use super::Pushed;
use super::Registries;
use super::document::Artifacts;
use super::document::IMAGE_INDEX;
use super::document::IMAGE_MANIFEST;
use super::document::ImageIndex;
use super::pull::find_referrers;
use super::pull::referrers_tag;
use super::reference::Reference;
use super::session::Right;
use super::session::Session;
use crate::plugin::fetch::Report;
use crate::plugin::fetch::Step;
use crate::plugin::files::PluginFiles;
use crate::plugin::interfaces::Interfaces;
use crate::plugin::manifest::Manifest;

impl Registries {
    /// Pushes a plugin to a tag, by default that of its version. `manifest` and `interfaces` are what was read from `files`, and checked.
    ///
    /// The same files are the same artifact, and pushing them again changes nothing.
    ///
    /// # Errors
    ///
    /// A tag that names something else already; and everything that can go wrong on the way. What was pushed until then stays and
    /// hurts nobody: no tag names it.
    pub async fn push(
        &self,
        reference: &Reference,
        (files, manifest, interfaces): (&PluginFiles, &Manifest, &Interfaces),
        options: PushOptions,
        report: Report<'_>,
    ) -> Result<Pushed, OciError> {
        if reference.digest().is_some() {
            return Err(OciError::ToDigest(reference.to_string()));
        }
        // A tag has no `+`, and other tools write `_` for it too.
        let version = manifest.plugin.version.to_string().replace('+', "_");
        let tag = reference.tag().map_or(version, str::to_owned);
        let tagged = reference
            .at_tag(&tag)
            .ok_or_else(|| OciError::NotAPlugin { reference: reference.to_string(), reason: format!("no tag can be called `{tag}`") })?;
        let session = Session::new(self, &tagged, Right::Push);
        let artifacts = Artifacts::of(files, manifest, interfaces);

        let digest = artifacts.component.digest;
        let there = session.find_manifest(&tag).await?.map(|(digest, _)| digest);
        if let Some(found) = there.filter(|found| *found != digest && !options.replace) {
            return Err(OciError::Taken { reference: tagged.to_string(), found });
        }
        let mut unchanged = there == Some(digest);
        let total: u64 = artifacts.blobs.iter().map(|blob| blob.descriptor.size).sum();
        let mut done_bytes = 0;
        for blob in &artifacts.blobs {
            unchanged &= !session.push_blob(blob).await?;
            done_bytes += blob.descriptor.size;
            report(Step { file: &blob.descriptor.media_type, done_bytes, total_bytes: Some(total) });
        }
        session.push_manifest(&digest.to_string(), IMAGE_MANIFEST, &artifacts.component.bytes).await?;
        let package = &artifacts.package;
        let listed = session.push_manifest(&package.digest.to_string(), IMAGE_MANIFEST, &package.bytes).await?;
        if !listed {
            let mut manifests = find_referrers(&session, digest).await?;
            if manifests.iter().all(|descriptor| descriptor.digest != package.descriptor.digest) {
                manifests.push(package.descriptor.clone());
                let list = ImageIndex { schema_version: 2, media_type: Some(IMAGE_INDEX.to_owned()), manifests };
                let list = serde_json::to_vec(&list).expect("texts and numbers are JSON");
                session.push_manifest(&referrers_tag(digest), IMAGE_INDEX, &list).await?;
                unchanged = false;
            }
        }
        session.push_manifest(&tag, IMAGE_MANIFEST, &artifacts.component.bytes).await?;
        Ok(Pushed { pinned: tagged.at_digest(digest), tagged, unchanged })
    }
}
