//! Plugins for tests of how plugins are published and found: [specimens](super::specimen) with a face.

use std::sync::LazyLock;

use super::digest::Digest;
use super::files::PluginFiles;
use super::interfaces::Interfaces;
use super::manifest::Manifest;
use super::specimen;
use super::trust::SigningKey;

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
}

impl Default for Sample {
    fn default() -> Self {
        Self { id: "example.org/tables", version: "1.0.0", title: "Tables", description: "Lists tables.", keywords: &[] }
    }
}

/// A new key without a password.
pub(crate) fn key() -> SigningKey {
    specimen::key()
}

/// A key of somebody who publishes in these tests, the same in all of them.
pub(crate) fn publisher() -> &'static SigningKey {
    static KEY: LazyLock<SigningKey> = LazyLock::new(specimen::key);
    &KEY
}

impl Sample {
    /// Its files, signed by `key`.
    pub(crate) fn signed_by(&self, key: &SigningKey) -> PluginFiles {
        let Self { id, version, title, description, keywords } = self;
        let component = specimen::component(id, version);
        let (digest, contract) = (Digest::of(&component), Digest::of(b"contract"));
        let manifest = format!(
            "schema = 1\n[plugin]\nid = {id:?}\nversion = {version:?}\ntitle = {title:?}\ndescription = {description:?}\nlicense = \"MIT\"\n\
             keywords = {keywords:?}\nhost-api = \"^0.1\"\npublisher = \"{}\"\n[component]\nfile = \"plugin.wasm\"\nsha256 = \"{digest}\"\n\
             [provides]\ntools = [\"list_tables\", \"describe_table\"]\ncontract-sha256 = \"{contract}\"\n\
             [capabilities.catalog]\nreason = \"Names.\"\n",
            key.public()
        );
        specimen::signed(key, &manifest, &component)
    }

    /// Its files, signed by [`publisher`].
    pub(crate) fn files(&self) -> PluginFiles {
        self.signed_by(publisher())
    }
}

/// What is read from files before they are pushed.
pub(crate) fn read(files: &PluginFiles) -> (Manifest, Interfaces) {
    let manifest = Manifest::parse(str::from_utf8(&files.manifest).unwrap()).unwrap();
    (manifest, Interfaces::read(&files.component).unwrap())
}
