//! Looks at the files of a plugin before anything of it is compiled: digests, signature, what it says of itself, and that it asks
//! for exactly what it imports.

use super::asked::Asked;
use super::digest::Digest;
use super::files::PluginFiles;
use super::header;
use super::header::HeaderError;
use super::interfaces::Interfaces;
use super::manifest;
use super::manifest::Manifest;
use super::manifest::ManifestError;
use super::trust::PublicKey;
use super::trust::SignatureError;
use super::trust::verify;
use crate::config::HookEvent;

/// A plugin whose files belong together and, unless it was allowed to be unsigned, were signed by `publisher`.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// Its manifest.
    pub manifest: Manifest,
    /// What it asks for.
    pub request: Asked,
    /// What its component imports and exports.
    pub interfaces: Interfaces,
    /// Who signed it.
    pub publisher: Option<PublicKey>,
    /// The comment that was signed with it.
    pub comment: Option<String>,
    /// Its files.
    pub files: PluginFiles,
}

/// What is wrong with the files of a plugin. Blame: the plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectionError {
    /// The manifest is no text.
    #[error("`plugin.toml` is no UTF-8 text")]
    NotText,
    /// The manifest.
    #[error("its manifest: {0}")]
    Manifest(#[from] ManifestError),
    /// The manifest does not pin the component.
    #[error(
        "its manifest has no `component.sha256`, so a signature over it says nothing about the code; run `tidegate plugin build`, or write `sha256 = \"{0}\"`"
    )]
    NoDigest(Digest),
    /// The component is not the one that the manifest pins.
    #[error("its component has the digest `{found}`, and the manifest says `{declared}`: the component was changed")]
    OtherComponent {
        /// As the manifest says.
        declared: Digest,
        /// What it is.
        found: Digest,
    },
    /// The component does not say what it is.
    #[error(
        "its component does not say which plugin it is (there is no section `{}`); build it with `tidegate plugin build`",
        header::SECTION
    )]
    NoHeader,
    /// What the component says of itself.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// It is not signed.
    #[error("it is not signed (there is no `plugin.toml.minisig`); its author signs it with `tidegate plugin sign`")]
    Unsigned,
    /// It is signed, and nobody says by which key.
    #[error(
        "it is signed, but its manifest does not name the key in `plugin.publisher`; give the key that its publisher told you with `--publisher-key`"
    )]
    NoKey,
    /// It is signed by another key than the operator expects.
    #[error("its manifest says that the key of its publisher is `{named}`, and `{expected}` was expected")]
    OtherPublisher {
        /// As the manifest says.
        named: PublicKey,
        /// What was given.
        expected: PublicKey,
    },
    /// The signature.
    #[error("its manifest was changed, or signed by somebody else: {0}")]
    Signature(#[from] SignatureError),
    /// It imports what it does not ask for.
    #[error("it imports `{0}`, which its manifest does not request; it needs `[capabilities.{0}]` with a `reason`")]
    NotRequested(String),
    /// It asks for what it does not import.
    #[error("its manifest requests `{0}`, which its component does not import; take `[capabilities.{0}]` out")]
    NotImported(String),
    /// It declares a hook that its component does not have.
    #[error("its manifest declares a hook on `{0}`, and its component does not export `{1}`")]
    NoHook(&'static str, &'static str),
    /// It does not say what it offers.
    #[error("its manifest has no `[provides]` with `contract-sha256`; run `tidegate plugin build`")]
    NoOffer,
}

/// What the files have to be like.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The key that has to have signed it; without one, the key that its manifest names.
    pub key: Option<PublicKey>,
    /// Whether it may be unsigned: for a folder of the operator's own.
    pub may_be_unsigned: bool,
}

/// Looks at files.
///
/// # Errors
///
/// The first thing that is wrong with them; each way of tampering is a variant of its own.
pub fn inspect(files: PluginFiles, expected: &Expected) -> Result<Inspected, InspectionError> {
    let text = std::str::from_utf8(&files.manifest).map_err(|_| InspectionError::NotText)?;
    let manifest = Manifest::parse(text)?;
    let request = Asked::of(text).ok_or(InspectionError::NotText)?;
    // The signature first: whatever else is wrong with bytes that were changed does not matter.
    let signed = signer(&files, &manifest, expected)?;
    let found = Digest::of(&files.component);
    let declared = manifest.component.sha256.ok_or(InspectionError::NoDigest(found))?;
    if declared != found {
        return Err(InspectionError::OtherComponent { declared, found });
    }
    let header = header::read(&files.component)?.ok_or(InspectionError::NoHeader)?;
    header.check(&manifest.plugin)?;
    if manifest.provides.as_ref().is_none_or(|provides| provides.contract_sha256.is_none()) {
        return Err(InspectionError::NoOffer);
    }
    let interfaces = Interfaces::read(&files.component)?;
    check_interfaces(&manifest, &interfaces)?;
    let (publisher, comment) = signed.unzip();
    Ok(Inspected { manifest, request, interfaces, publisher, comment, files })
}

/// Who signed the files, with the comment; `None` for files that are not signed and need not be.
fn signer(files: &PluginFiles, manifest: &Manifest, expected: &Expected) -> Result<Option<(PublicKey, String)>, InspectionError> {
    let named = manifest.plugin.publisher.as_ref();
    if let (Some(named), Some(expected)) = (named, &expected.key)
        && named != expected
    {
        return Err(InspectionError::OtherPublisher { named: named.clone(), expected: expected.clone() });
    }
    let Some(signature) = &files.signature else {
        return if expected.may_be_unsigned { Ok(None) } else { Err(InspectionError::Unsigned) };
    };
    let key = expected.key.as_ref().or(named).ok_or(InspectionError::NoKey)?;
    let comment = verify(key, &files.manifest, signature)?;
    Ok(Some((key.clone(), comment)))
}

/// Checks that a manifest asks for exactly what its component imports, and declares hooks that it exports.
///
/// # Errors
///
/// The first difference.
pub fn check_interfaces(manifest: &Manifest, interfaces: &Interfaces) -> Result<(), InspectionError> {
    let imports = interfaces.rights();
    if let Some(import) = imports.iter().find(|import| !manifest.capabilities.contains_key(**import)) {
        return Err(InspectionError::NotRequested((*import).into()));
    }
    if let Some(request) = manifest.capabilities.keys().find(|request| !manifest::is_imported(request, &interfaces.usable_rights())) {
        return Err(InspectionError::NotImported(request.clone()));
    }
    let exports = interfaces.contract_exports();
    for hook in &manifest.hooks {
        let interface = match hook.event {
            HookEvent::BeforeQuery | HookEvent::AfterQuery | HookEvent::OnError | HookEvent::OnConnect => "query-hooks",
            HookEvent::BeforeCall | HookEvent::AfterCall => "call-hooks",
        };
        if !exports.contains(interface) {
            return Err(InspectionError::NoHook(hook.event.as_str(), interface));
        }
    }
    Ok(())
}

impl Interfaces {
    /// The imports of the contract that give a right, by the names that manifests request them under.
    pub fn rights(&self) -> Vec<&str> {
        self.contract_imports().into_iter().filter(|import| manifest::is_a_right(import)).collect()
    }

    /// Those, and `http`, the one right that is an interface of WASI. Some languages import that whether they use it or not; without
    /// a request it is not linked, and calling it is a trap.
    pub fn usable_rights(&self) -> Vec<&str> {
        let mut rights = self.rights();
        if self.imports_package("wasi:http") {
            rights.push("http");
        }
        rights
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::specimen as sample;
    use crate::plugin::trust::SigningKey;

    #[test]
    fn files_that_belong_together_and_are_signed_pass() {
        let key = sample::key();
        let inspected = inspect(sample::files(&key, "a.org/one", "1.0.0"), &Expected::default()).unwrap();
        assert_eq!(inspected.publisher.as_ref(), Some(key.public()));
        assert_eq!(inspected.manifest.plugin.id, "a.org/one");
        assert_eq!(inspected.interfaces.rights(), ["catalog"]);
    }

    #[test]
    fn each_way_of_tampering_is_told_from_the_others() {
        let key = sample::key();
        let good = sample::files(&key, "a.org/one", "1.0.0");
        let check =
            |files: PluginFiles, expected: &Expected| inspect(files, expected).err().map(|error| error.to_string()).unwrap_or_default();
        let mut component = good.clone();
        *component.component.last_mut().unwrap() ^= 1;
        assert!(check(component, &Expected::default()).contains("the component was changed"));

        let mut manifest = good.clone();
        manifest.manifest = String::from_utf8(good.manifest.clone()).unwrap().replace("1.0.0", "1.0.1").into();
        assert!(check(manifest, &Expected::default()).contains("the signed file or its signature was changed"));

        let mut signature = good.clone();
        signature.signature = sample::files(&sample::key(), "a.org/one", "1.0.0").signature;
        assert!(check(signature, &Expected::default()).contains("signed by somebody else"));

        let mut damaged = good.clone();
        damaged.signature.as_mut().unwrap().truncate(40);
        assert!(check(damaged, &Expected::default()).contains("damaged"));

        let unsigned = PluginFiles { signature: None, ..good.clone() };
        assert!(check(unsigned.clone(), &Expected::default()).contains("not signed"));
        assert_eq!(check(unsigned, &Expected { may_be_unsigned: true, ..Expected::default() }), "");

        let expected = Expected { key: Some(sample::key().public().clone()), ..Expected::default() };
        assert!(check(good, &expected).contains("was expected"));
    }

    #[test]
    fn what_an_installed_plugin_has_to_have_is_named() {
        let key = sample::key();
        let manifest = sample::manifest(&key, "a.org/one", "1.0.0");
        let component = sample::component("a.org/one", "1.0.0");
        let check = |manifest: &str, component: &[u8], key: &SigningKey| {
            let files = sample::signed(key, manifest, component);
            inspect(files, &Expected { key: Some(key.public().clone()), ..Expected::default() })
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        assert_eq!(check(&manifest, &component, &key), "");
        let without = |start: &str| manifest.lines().filter(|line| !line.starts_with(start)).collect::<Vec<_>>().join("\n");
        assert!(check(&without("sha256"), &component, &key).contains("component.sha256"));
        assert!(check(&without("contract-sha256"), &component, &key).contains("[provides]"));
        assert!(
            check(&format!("{manifest}\n[capabilities.database-write]\nreason = \"More.\"\n"), &component, &key)
                .contains("does not import")
        );
        assert!(
            check(&manifest.replace("[capabilities.catalog]", "[capabilities.changes]"), &component, &key).contains("imports `catalog`")
        );
        let hook = "[[hooks]]\nevent = \"before-query\"\nkind = \"validate\"\nreason = \"Guards.\"\n";
        assert!(check(&format!("{manifest}\n{hook}"), &component, &key).contains("does not export `query-hooks`"));
        let bare = sample::bare_component();
        let unnamed = manifest.replace(&Digest::of(&component).to_string(), &Digest::of(bare).to_string());
        assert!(check(&unnamed, bare, &key).contains("does not say which plugin it is"));
        let other = sample::component("a.org/two", "1.0.0");
        let mixed = manifest.replace(&Digest::of(&component).to_string(), &Digest::of(&other).to_string());
        assert!(check(&mixed, &other, &key).contains("do not belong together"));
    }
}
