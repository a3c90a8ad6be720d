//! The documents of a registry: manifests, lists of them, and the config of a component.
//!
//! Their shapes are others' (<https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md>): keys that are not known are passed over.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::MANIFEST_ANNOTATION;
use super::MANIFEST_LAYER;
use super::OciError;
use super::PLUGIN_ARTIFACT;
use super::SIGNATURE_LAYER;
use super::WASM_CONFIG;
use super::WASM_LAYER;
use crate::plugin::digest::Digest;
use crate::plugin::files::MANIFEST_FILE;
use crate::plugin::files::PluginFiles;
use crate::plugin::files::SIGNATURE_FILE;
use crate::plugin::interfaces::Interfaces;
use crate::plugin::manifest::Manifest;

/// What a manifest is.
pub(super) const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What a list of manifests is.
pub(super) const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What a config that says nothing is.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// The bytes of a config that says nothing.
const EMPTY_BYTES: &[u8] = b"{}";

/// When everything was made: the same files are the same artifact, whoever pushes them and when.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// A pointer to a blob or a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageManifest {
    pub(super) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
    pub(super) config: Descriptor,
    #[serde(default)]
    pub(super) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

/// A list of manifests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageIndex {
    pub(super) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) media_type: Option<String>,
    #[serde(default)]
    pub(super) manifests: Vec<Descriptor>,
}

/// The config of a component.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WasmConfig<'a> {
    created: &'static str,
    author: Option<&'a str>,
    architecture: &'static str,
    os: &'static str,
    layer_digests: Vec<String>,
    component: ComponentInterfaces<'a>,
}

#[derive(Debug, Serialize)]
struct ComponentInterfaces<'a> {
    exports: Vec<&'a str>,
    imports: Vec<&'a str>,
    target: Option<&'a str>,
}

/// Bytes that are pushed as a blob, or as a manifest.
#[derive(Clone, Debug)]
pub(super) struct Blob {
    pub(super) descriptor: Descriptor,
    pub(super) digest: Digest,
    pub(super) bytes: Vec<u8>,
}

impl Blob {
    fn new(media_type: &str, bytes: Vec<u8>) -> Self {
        let digest = Digest::of(&bytes);
        let descriptor = Descriptor {
            media_type: media_type.to_owned(),
            digest: digest.to_string(),
            size: bytes.len() as u64,
            artifact_type: None,
            annotations: None,
        };
        Self { descriptor, digest, bytes }
    }

    /// With the name that it has as a file, for tools that write layers to a folder.
    fn named(media_type: &str, bytes: Vec<u8>, name: &str) -> Self {
        let mut blob = Self::new(media_type, bytes);
        blob.descriptor.annotations = Some(BTreeMap::from([("org.opencontainers.image.title".to_owned(), name.to_owned())]));
        blob
    }

    fn of_json(media_type: &str, value: &impl Serialize) -> Self {
        Self::new(media_type, serde_json::to_vec(value).expect("texts and numbers are JSON"))
    }
}

/// Everything of a plugin that goes into a registry.
#[derive(Debug)]
pub(super) struct Artifacts {
    /// What the manifests refer to.
    pub(super) blobs: Vec<Blob>,
    /// The manifest of the component.
    pub(super) component: Blob,
    /// The manifest of `plugin.toml` and signature, which refers to it.
    pub(super) package: Blob,
}

impl Artifacts {
    /// The artifacts of a plugin.
    pub(super) fn of(files: &PluginFiles, manifest: &Manifest, interfaces: &Interfaces) -> Self {
        let text = Blob::named(MANIFEST_LAYER, files.manifest.clone(), MANIFEST_FILE);
        let code = Blob::new(WASM_LAYER, files.component.clone());
        let config = WasmConfig {
            created: CREATED,
            author: None,
            architecture: "wasm",
            os: "wasip2",
            layer_digests: vec![code.descriptor.digest.clone()],
            component: ComponentInterfaces {
                exports: interfaces.exports.iter().map(String::as_str).collect(),
                imports: interfaces.imports.iter().map(String::as_str).collect(),
                target: None,
            },
        };
        let config = Blob::of_json(WASM_CONFIG, &config);
        let about = &manifest.plugin;
        let mut annotations = BTreeMap::from([
            (MANIFEST_ANNOTATION.to_owned(), text.descriptor.digest.clone()),
            ("org.opencontainers.image.title".to_owned(), about.title.clone()),
            ("org.opencontainers.image.description".to_owned(), about.description.clone()),
            ("org.opencontainers.image.version".to_owned(), about.version.to_string()),
        ]);
        if let Some(license) = &about.license {
            annotations.insert("org.opencontainers.image.licenses".to_owned(), license.clone());
        }
        let component = Blob::of_json(
            IMAGE_MANIFEST,
            &ImageManifest {
                schema_version: 2,
                media_type: Some(IMAGE_MANIFEST.to_owned()),
                artifact_type: None,
                config: config.descriptor.clone(),
                layers: vec![code.descriptor.clone()],
                subject: None,
                annotations: Some(annotations),
            },
        );
        let empty = Blob::new(EMPTY, EMPTY_BYTES.to_vec());
        let signature = files.signature.clone().map(|signature| Blob::named(SIGNATURE_LAYER, signature, SIGNATURE_FILE));
        let mut package = Blob::of_json(
            IMAGE_MANIFEST,
            &ImageManifest {
                schema_version: 2,
                media_type: Some(IMAGE_MANIFEST.to_owned()),
                artifact_type: Some(PLUGIN_ARTIFACT.to_owned()),
                config: empty.descriptor.clone(),
                layers: [Some(&text), signature.as_ref()].into_iter().flatten().map(|blob| blob.descriptor.clone()).collect(),
                subject: Some(component.descriptor.clone()),
                annotations: None,
            },
        );
        package.descriptor.artifact_type = Some(PLUGIN_ARTIFACT.to_owned());
        let blobs = [Some(code), Some(config), Some(empty), Some(text), signature].into_iter().flatten().collect();
        Self { blobs, component, package }
    }
}

/// What a component's artifact says.
#[derive(Clone, Copy, Debug)]
pub(super) struct ComponentArtifact {
    /// The component.
    pub(super) layer: Digest,
    /// The manifest that belongs to it.
    pub(super) manifest: Digest,
}

impl ComponentArtifact {
    /// Reads a manifest as that of a component with a plugin's manifest. The error is the reason alone.
    pub(super) fn of(manifest: &ImageManifest) -> Result<Self, String> {
        if manifest.config.media_type != WASM_CONFIG {
            let kind = printable(&manifest.config.media_type);
            return Err(format!("its config is `{kind}` and not `{WASM_CONFIG}`"));
        }
        let [layer] = manifest.layers.as_slice() else {
            return Err(format!("it has {} layers, and a component is exactly one", manifest.layers.len()));
        };
        if layer.media_type != WASM_LAYER {
            return Err(format!("its layer is `{}` and not `{WASM_LAYER}`", printable(&layer.media_type)));
        }
        let digest = |text: &str| Digest::parse(text).filter(|_| text.starts_with("sha256:"));
        let layer = digest(&layer.digest).ok_or("its layer has no SHA-256 digest")?;
        let named = manifest.annotations.as_ref().and_then(|annotations| annotations.get(MANIFEST_ANNOTATION));
        let named = named.ok_or("it is a component without a `plugin.toml`; `tidegate plugin publish` pushes both")?;
        let manifest = digest(named).ok_or_else(|| format!("its annotation `{MANIFEST_ANNOTATION}` is no digest"))?;
        Ok(Self { layer, manifest })
    }
}

/// What the artifact of `plugin.toml` and signature says, read as far as it belongs to a component's artifact.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackageArtifact {
    /// The signature, if there is one.
    pub(super) signature: Option<Digest>,
}

impl PackageArtifact {
    /// Reads a manifest as the one that brings the manifest `text` to the artifact `subject`; `None` when it brings something else.
    pub(super) fn of(manifest: &ImageManifest, subject: Digest, text: Digest) -> Option<Self> {
        let is = |descriptor: &Descriptor, digest: Digest| descriptor.digest == digest.to_string();
        let layer = |media_type: &str| manifest.layers.iter().find(|layer| layer.media_type == media_type);
        let fits = manifest.artifact_type.as_deref() == Some(PLUGIN_ARTIFACT)
            && manifest.subject.as_ref().is_some_and(|descriptor| is(descriptor, subject))
            && layer(MANIFEST_LAYER).is_some_and(|layer| is(layer, text));
        fits.then(|| Self { signature: layer(SIGNATURE_LAYER).and_then(|layer| Digest::parse(&layer.digest)) })
    }
}

/// Parses a document of a registry.
pub(super) fn parse<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, OciError> {
    serde_json::from_slice(bytes).map_err(|error| OciError::Document { what, reason: printable(&error.to_string()) })
}

fn printable(text: &str) -> String {
    crate::plugin::fetch::address::printable(text)
}
