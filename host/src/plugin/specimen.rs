//! A plugin for tests of how plugins are checked and installed: signed, with the component of a first-party plugin under a name of
//! its own.

use super::digest::Digest;
use super::files::PluginFiles;
use super::header;
use super::header::Header;
use super::trust::KeyPair;
use super::trust::SigningKey;
use super::trust::sign;

/// A new key without a password.
pub(super) fn key() -> SigningKey {
    SigningKey::open(&KeyPair::generate(None).unwrap().secret_file, None).unwrap()
}

/// A component that does not say which plugin it is.
pub(super) fn bare_component() -> &'static [u8] {
    tidegate_bundle::PLUGINS.iter().find(|plugin| plugin.id == "schema").unwrap().component
}

/// The component of this plugin.
pub(super) fn component(id: &str, version: &str) -> Vec<u8> {
    let header = Header { id: id.into(), version: version.parse().unwrap(), host_api: "^0.1".parse().unwrap() };
    header::embed(bare_component(), &header).unwrap()
}

/// The manifest of this plugin. The contract that it names is not the one of the component.
pub(super) fn manifest(key: &SigningKey, id: &str, version: &str) -> String {
    let digest = Digest::of(&component(id, version));
    let contract = Digest::of(b"contract");
    format!(
        "schema = 1\n[plugin]\nid = {id:?}\nversion = {version:?}\ntitle = \"One\"\ndescription = \"One.\"\nhost-api = \"^0.1\"\n\
         publisher = \"{}\"\n[component]\nfile = \"plugin.wasm\"\nsha256 = \"{digest}\"\n\
         [provides]\ntools = [\"list_tables\"]\ncontract-sha256 = \"{contract}\"\n[capabilities.catalog]\nreason = \"Names.\"\n",
        key.public()
    )
}

/// The files of a plugin with this manifest, signed.
pub(super) fn signed(key: &SigningKey, manifest: &str, component: &[u8]) -> PluginFiles {
    let signature = sign(key, manifest.as_bytes(), "specimen").unwrap();
    PluginFiles { manifest: manifest.into(), component: component.into(), signature: Some(signature.into()) }
}

/// The files of this plugin, signed.
pub(super) fn files(key: &SigningKey, id: &str, version: &str) -> PluginFiles {
    signed(key, &manifest(key, id, version), &component(id, version))
}
