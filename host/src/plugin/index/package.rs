//! What a plugin has to be before strangers are shown it: what every installation demands, and an owner for its name.

use crate::config::PluginName;
use crate::plugin::files::PluginFiles;
use crate::plugin::inspection::Expected;
use crate::plugin::inspection::Inspected;
use crate::plugin::inspection::InspectionError;
use crate::plugin::inspection::inspect;
use crate::plugin::trust::PublicKey;

/// Why a plugin is not published. Blame: its author.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Its files.
    #[error(transparent)]
    Files(#[from] InspectionError),
    /// Strangers share an index or a registry, and a name without an owner would be taken by whoever comes first.
    #[error("`plugin.id` is `{0}`; a plugin that is published has its publisher's namespace before its name, as in `example.org/{0}`")]
    NoNamespace(String),
    /// Whoever fetches it could not tell whose signature it should have.
    #[error("`plugin.toml` names no key; put the public key of its publisher there as `plugin.publisher`, and sign it again")]
    NoKey,
}

/// A plugin that may be published.
#[derive(Clone, Debug)]
pub struct Publishable {
    /// Its id; with a namespace.
    pub id: PluginName,
    /// The key that signed it.
    pub publisher: PublicKey,
    /// What it is.
    pub inspected: Inspected,
}

/// Looks at the files of a plugin. Nothing of it is run.
///
/// # Errors
///
/// The first thing that is wrong with them.
pub fn check(files: PluginFiles) -> Result<Publishable, PublishError> {
    let inspected = inspect(files, &Expected::default())?;
    let about = &inspected.manifest.plugin;
    let id = PluginName::parse(&about.id).filter(|id| id.as_str().contains('/'));
    let id = id.ok_or_else(|| PublishError::NoNamespace(about.id.clone()))?;
    let publisher = about.publisher.clone().ok_or(PublishError::NoKey)?;
    Ok(Publishable { id, publisher, inspected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::sample;
    use crate::plugin::sample::Sample;

    #[test]
    fn a_good_plugin_may_be_published_and_one_without_an_owner_may_not() {
        let good = check(Sample::default().files()).unwrap();
        assert_eq!((good.id.as_str(), &good.publisher), ("example.org/tables", sample::publisher().public()));
        let error = check(Sample { id: "tables", ..Sample::default() }.files()).unwrap_err().to_string();
        assert!(error.contains("as in `example.org/tables`"), "{error}");
        let unsigned = PluginFiles { signature: None, ..Sample::default().files() };
        assert!(matches!(check(unsigned), Err(PublishError::Files(InspectionError::Unsigned))));
        let changed =
            PluginFiles { component: Sample { version: "2.0.0", ..Sample::default() }.files().component, ..Sample::default().files() };
        assert!(matches!(check(changed), Err(PublishError::Files(InspectionError::OtherComponent { .. }))));
    }
}
