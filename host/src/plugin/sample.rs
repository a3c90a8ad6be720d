//! Plugins for tests of how plugins travel: signed, with the component of a first-party plugin under another name.

use std::sync::LazyLock;

use super::digest::Digest;
use super::files::PluginFiles;
use super::header;
use super::header::Header;
use super::interfaces::Interfaces;
use super::manifest::Manifest;
use super::trust::KeyPair;
use super::trust::SigningKey;
use super::trust::sign;

/// A plugin before it is signed.
pub(crate) struct Sample {
    /// Its id.
    pub(crate) id: &'static str,
    /// Its version.
    pub(crate) version: &'static str,
    /// Its name for people.
    pub(crate) title: &'static str,
    /// What it is for.
    pub(crate) description: &'static str,
    /// Words to find it by.
    pub(crate) keywords: &'static [&'static str],
    /// The contract it was built for.
    pub(crate) host_api: &'static str,
    /// Text at the end of its manifest.
    pub(crate) more: &'static str,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            id: "example.org/tables",
            version: "1.0.0",
            title: "Tables",
            description: "Lists tables.",
            keywords: &[],
            host_api: "^0.1",
            more: "",
        }
    }
}

/// A new key without a password.
pub(crate) fn key() -> SigningKey {
    SigningKey::open(&KeyPair::generate(None).unwrap().secret_file, None).unwrap()
}

/// A key of somebody who publishes in these tests, the same in all of them.
pub(crate) fn publisher() -> &'static SigningKey {
    static KEY: LazyLock<SigningKey> = LazyLock::new(key);
    &KEY
}

impl Sample {
    /// Its files, signed by `key`.
    pub(crate) fn signed_by(&self, key: &SigningKey) -> PluginFiles {
        let Self { id, version, title, description, keywords, host_api, more } = self;
        let schema = tidegate_bundle::PLUGINS.iter().find(|plugin| plugin.id == "schema").unwrap();
        let header = Header { id: (*id).into(), version: version.parse().unwrap(), host_api: host_api.parse().unwrap() };
        let component = header::embed(schema.component, &header).unwrap();
        let digest = Digest::of(&component);
        let manifest = format!(
            "schema = 1\n[plugin]\nid = {id:?}\nversion = {version:?}\ntitle = {title:?}\ndescription = {description:?}\nlicense = \"MIT\"\n\
             keywords = {keywords:?}\nhost-api = {host_api:?}\npublisher = \"{}\"\n[component]\nfile = \"plugin.wasm\"\nsha256 = \"{digest}\"\n\
             [provides]\ntools = [\"list_tables\", \"describe_table\"]\n[capabilities.catalog]\nreason = \"Names.\"\n{more}",
            key.public()
        );
        let signature = sign(key, manifest.as_bytes(), &format!("{id} {version}")).unwrap();
        PluginFiles { manifest: manifest.into_bytes(), component, signature: Some(signature.into_bytes()) }
    }

    /// Its files, signed by [`publisher`].
    pub(crate) fn files(&self) -> PluginFiles {
        self.signed_by(publisher())
    }
}

/// What is read from files before they are published.
pub(crate) fn read(files: &PluginFiles) -> (Manifest, Interfaces) {
    let manifest = Manifest::parse(str::from_utf8(&files.manifest).unwrap()).unwrap();
    (manifest, Interfaces::read(&files.component).unwrap())
}
