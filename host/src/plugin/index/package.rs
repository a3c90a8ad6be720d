//! Looks at a plugin's files before they are published: by whom they are, that they belong together, that the manifest is honest.

use crate::config::PluginName;
use crate::plugin::digest::Digest;
use crate::plugin::files::PluginFiles;
use crate::plugin::header;
use crate::plugin::header::HeaderError;
use crate::plugin::interfaces::Interfaces;
use crate::plugin::manifest;
use crate::plugin::manifest::Manifest;
use crate::plugin::manifest::ManifestError;
use crate::plugin::trust::PublicKey;
use crate::plugin::trust::SignatureError;
use crate::plugin::trust::verify;

/// Why a plugin is not published. Blame: its author.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The manifest is no text.
    #[error("`plugin.toml` is not UTF-8 text")]
    NotText,
    /// The manifest.
    #[error("`plugin.toml`: {0}")]
    Manifest(#[from] ManifestError),
    /// Strangers share an index or a registry, and names without an owner would be taken by whoever comes first.
    #[error("`plugin.id` is `{0}`; a plugin that is published has its publisher's namespace before its name, as in `example.org/{0}`")]
    NoNamespace(String),
    /// Nobody could check the signature.
    #[error("`plugin.toml` names no key; put the public key of its publisher there as `plugin.publisher`, and sign it again")]
    NoKey,
    /// It is not signed.
    #[error("there is no `plugin.toml.minisig`; sign it with `tidegate plugin sign`")]
    Unsigned,
    /// The signature.
    #[error("`plugin.toml.minisig`: {0}; sign `plugin.toml` again with `tidegate plugin sign`")]
    Signature(#[from] SignatureError),
    /// The manifest does not say which component is meant.
    #[error("`plugin.toml` has no `component.sha256`; `tidegate plugin build` writes it")]
    NoDigest,
    /// Another component.
    #[error("the component is {found}, and `component.sha256` in `plugin.toml` is {expected}; build it again and sign it again")]
    WrongDigest {
        /// As the manifest says.
        expected: Digest,
        /// As it is.
        found: Digest,
    },
    /// The component does not say whose it is.
    #[error("the component does not say what plugin it is; `tidegate plugin build` writes that into it")]
    NoHeader,
    /// The component.
    #[error(transparent)]
    Component(#[from] HeaderError),
    /// The manifest does not say what it offers, and nobody would find it.
    #[error("`plugin.toml` has no `[provides]`; `tidegate plugin build` writes it")]
    NoOffer,
    /// It imports what it does not request: it would be refused wherever it is loaded.
    #[error("the component imports `{0}`, which `plugin.toml` does not request; it needs `[capabilities.{0}]` with a `reason`")]
    NotRequested(String),
    /// It requests what it does not import: operators would grant what nothing needs.
    #[error("`plugin.toml` requests `{0}`, which the component does not import; leave `[capabilities.{0}]` out")]
    NotImported(String),
}

/// A plugin that may be published.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its id; with a namespace.
    pub id: PluginName,
    /// Its manifest.
    pub manifest: Manifest,
    /// What it imports and exports.
    pub interfaces: Interfaces,
    /// The key that signed it.
    pub publisher: PublicKey,
    /// The digest of `plugin.toml`.
    pub manifest_digest: Digest,
    /// The digest of the component.
    pub component_digest: Digest,
}

/// Checks the files of a plugin. Nothing of it is run.
///
/// # Errors
///
/// The first thing that is wrong with them.
pub fn check(files: &PluginFiles) -> Result<Checked, PublishError> {
    let text = str::from_utf8(&files.manifest).map_err(|_| PublishError::NotText)?;
    let manifest = Manifest::parse(text)?;
    let about = &manifest.plugin;
    let id = PluginName::parse(&about.id).filter(|id| id.as_str().contains('/'));
    let id = id.ok_or_else(|| PublishError::NoNamespace(about.id.clone()))?;
    let publisher = about.publisher.clone().ok_or(PublishError::NoKey)?;
    let signature = files.signature.as_ref().ok_or(PublishError::Unsigned)?;
    verify(&publisher, &files.manifest, signature)?;
    let expected = manifest.component.sha256.ok_or(PublishError::NoDigest)?;
    let component_digest = Digest::of(&files.component);
    if component_digest != expected {
        return Err(PublishError::WrongDigest { expected, found: component_digest });
    }
    header::read(&files.component)?.ok_or(PublishError::NoHeader)?.check(about)?;
    if manifest.provides.is_none() {
        return Err(PublishError::NoOffer);
    }
    let interfaces = Interfaces::read(&files.component)?;
    let imports = interfaces.contract_imports();
    let requested = |interface: &str| manifest.capabilities.contains_key(interface);
    if let Some(import) = imports.iter().find(|import| manifest::is_a_right(import) && !requested(import)) {
        return Err(PublishError::NotRequested((*import).to_owned()));
    }
    if let Some(request) = manifest.capabilities.keys().find(|request| !imports.contains(request.as_str())) {
        return Err(PublishError::NotImported(request.clone()));
    }
    Ok(Checked { id, publisher, manifest_digest: Digest::of(&files.manifest), component_digest, interfaces, manifest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::sample;
    use crate::plugin::sample::Sample;
    use crate::plugin::trust::SigningKey;
    use crate::plugin::trust::sign;

    /// The sample with another text for its manifest, signed by `key`.
    fn changed(key: &SigningKey, change: impl FnOnce(String) -> String) -> PluginFiles {
        let files = Sample::default().files();
        let manifest = change(String::from_utf8(files.manifest).unwrap()).into_bytes();
        let signature = sign(key, &manifest, "x").unwrap();
        PluginFiles { manifest, signature: Some(signature.into_bytes()), ..files }
    }

    #[test]
    fn a_good_plugin_may_be_published() {
        let checked = check(&Sample::default().files()).unwrap();
        assert_eq!((checked.id.as_str(), &checked.publisher), ("example.org/tables", sample::publisher().public()));
    }

    #[test]
    fn each_thing_that_is_wrong_has_its_own_error() {
        let ours = sample::publisher();
        let files = Sample::default().files();
        let replaced = |from: &'static str, to: &'static str| changed(ours, |text| text.replacen(from, to, 1));
        let bit = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            bytes
        };
        let other_header = Sample { version: "2.0.0", ..Sample::default() }.files();
        let digest = |files: &PluginFiles| Digest::of(&files.component).to_string();
        let with_other = changed(ours, |text| text.replace(&digest(&files), &digest(&other_header)));
        let cases = [
            (PluginFiles { signature: None, ..files.clone() }, "there is no `plugin.toml.minisig`"),
            (PluginFiles { signature: Some(b"nonsense".to_vec()), ..files.clone() }, "the signature is damaged"),
            (PluginFiles { manifest: [files.manifest.as_slice(), b"\n"].concat(), ..files.clone() }, "does not fit"),
            (changed(&sample::key(), |text| text), "signed by somebody else"),
            (PluginFiles { component: bit(&files.component), ..files.clone() }, "`component.sha256` in `plugin.toml` is"),
            (PluginFiles { component: other_header.component, ..with_other }, "`2.0.0`"),
            (PluginFiles { manifest: vec![0xff], ..files.clone() }, "not UTF-8"),
            (replaced("schema = 1", "schema = 2"), "`schema` is 2"),
            (replaced("example.org/tables", "tables"), "as in `example.org/tables`"),
            (replaced("[capabilities.catalog]\nreason = \"Names.\"\n", ""), "imports `catalog`, which"),
            (replaced("[capabilities.catalog]", "[capabilities.database-write]\nreason = \"More.\"\n[capabilities.catalog]"), "requests `database-write`, which"),
            (replaced("[provides]\ntools = [\"list_tables\", \"describe_table\"]\n", ""), "no `[provides]`"),
            (changed(ours, |text| text.lines().filter(|line| !line.starts_with("publisher")).collect::<Vec<_>>().join("\n")), "names no key"),
            (changed(ours, |text| text.lines().filter(|line| !line.starts_with("sha256")).collect::<Vec<_>>().join("\n")), "no `component.sha256`"),
        ];
        for (files, expected) in cases {
            let error = check(&files).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
