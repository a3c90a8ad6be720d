//! Which plugins to load, from the configuration: the bundled ones and those in folders.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

use tidegate_bundle::Plugin as Bundled;

use super::HookDefaults;
use super::PluginPackage;
use super::definition::DefinitionRules;
use super::files::MANIFEST_BYTES;
use super::files::MANIFEST_FILE;
use super::manifest::Manifest;
use super::manifest::ManifestError;
use crate::capability::GuestLimits;
use crate::capability::grants::Grants;
use crate::capability::grants::http::HttpRights;
use crate::capability::grants::storage::StorageRights;
use crate::capability::grants::vault::VaultRights;
use crate::config::Config;
use crate::config::HookMode;
use crate::config::Instances;
use crate::config::PluginConfig;
use crate::config::PluginName;
use crate::config::PluginSource;
use crate::config::Right;
use crate::config::Schemas;
use crate::config::vault::VaultRight;
use crate::runtime::engine::COMPONENT_BYTES;
use crate::runtime::kept_instances::Keeping;

/// Why the files of a plugin were not read. Blame: the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A file is not there or may not be read.
    #[error("cannot read `{}`: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file is larger than is read.
    #[error("`{}` is larger than {limit} bytes", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// The manifest does not say which file the component is.
    #[error("`{}`: {error}", path.display())]
    Manifest {
        /// Which.
        path: PathBuf,
        /// Why.
        error: ManifestError,
    },
    /// The configuration names a plugin that is neither bundled nor in a folder.
    #[error(
        "there is no plugin `{name}` in this program (there are {bundled}) and none is installed; give the folder of another with `path = \"…\"`, or install it"
    )]
    Unknown {
        /// The name.
        name: PluginName,
        /// Names of those there are.
        bundled: String,
    },
}

/// The plugins that `config` wants loaded, by name: the bundled ones that are not switched off, then the others.
///
/// # Errors
///
/// The first whose files cannot be read, by its name.
pub fn packages(config: &Config, bundled: &'static [Bundled]) -> Result<Vec<(String, PluginPackage)>, (String, SourceError)> {
    packages_beside(config, bundled, &[])
}

/// The same, where plugins with the ids in `installed` come from elsewhere.
///
/// # Errors
///
/// As [`packages`].
pub fn packages_beside(
    config: &Config,
    bundled: &'static [Bundled],
    installed: &[String],
) -> Result<Vec<(String, PluginPackage)>, (String, SourceError)> {
    let mut packages = Vec::new();
    for plugin in bundled {
        let found = config.find_plugin(plugin.id);
        let default = PluginName::parse(plugin.id).map(PluginConfig::new);
        if let Some(wanted) = found.or(default.as_ref()).filter(|wanted| wanted.enabled && wanted.source.is_none()) {
            let manifest = Cow::Borrowed(plugin.manifest);
            packages.push((plugin.id.to_owned(), package(wanted, manifest, Cow::Borrowed(plugin.component), Some(Right::Admin))));
        }
    }
    for wanted in config.plugins.iter().filter(|wanted| wanted.enabled) {
        let name = wanted.name.to_string();
        match &wanted.source {
            Some(source) => {
                let (manifest, component) = read(source).map_err(|error| (name.clone(), error))?;
                packages.push((name, package(wanted, Cow::Owned(manifest), Cow::Owned(component), None)));
            }
            None if bundled.iter().any(|plugin| plugin.id == name) || installed.contains(&name) => {}
            None => {
                let bundled = bundled.iter().map(|plugin| plugin.id).collect::<Vec<_>>().join(", ");
                return Err((name, SourceError::Unknown { name: wanted.name.clone(), bundled }));
            }
        }
    }
    Ok(packages)
}

/// A package with what the operator wants of it. `default_right` is what it has on databases that nothing is said about.
pub(super) fn package(
    wanted: &PluginConfig,
    manifest: Cow<'static, str>,
    component: Cow<'static, [u8]>,
    default_right: Option<Right>,
) -> PluginPackage {
    let grants = Grants {
        elsewhere: if wanted.databases.is_some() { None } else { default_right },
        databases: wanted.databases.clone().unwrap_or_default(),
        requested: None,
        interfaces: None,
        storage: StorageRights {
            requested: None,
            granted: wanted.capabilities.storage.or(default_right.map(|_| StorageRights::FIRST_PARTY)),
        },
        http: HttpRights { requested: Vec::new(), granted: wanted.capabilities.http.clone() },
        vaults: VaultRights {
            requested: false,
            elsewhere: if wanted.capabilities.vaults.is_some() { None } else { default_right.map(|_| VaultRight::Write) },
            granted: wanted.capabilities.vaults.clone().unwrap_or_default(),
        },
    };
    let settings: BTreeMap<String, String> = wanted.settings.iter().map(|(key, value)| (key.clone(), value.to_string())).collect();
    let defaults = GuestLimits::default();
    let limits = GuestLimits {
        memory_bytes: wanted.limits.memory_bytes.unwrap_or(defaults.memory_bytes),
        cpu_time: wanted.limits.cpu_time.unwrap_or(defaults.cpu_time),
        wall_time: wanted.limits.wall_time,
        concurrency: match wanted.limits.concurrency {
            Some(wanted) => Some(wanted as usize),
            // Every caller works through these.
            None if default_right.is_some() => None,
            None => defaults.concurrency,
        },
        ..defaults
    };
    let default_prefix = if default_right.is_some() { String::new() } else { format!("{}_", wanted.name.short()) };
    let rules = DefinitionRules {
        prefix: wanted.tool_prefix.clone().unwrap_or(default_prefix),
        header_arguments: wanted.header_arguments,
        verbatim_schemas: wanted.schemas == Schemas::Verbatim,
    };
    let hook_defaults = match default_right {
        Some(_) => HookDefaults { mode: HookMode::Enforce, instances: wanted.instances.unwrap_or(Instances::PerCaller) },
        None => HookDefaults { mode: HookMode::Audit, instances: wanted.instances.unwrap_or_default() },
    };
    let keeping = (wanted.instances == Some(Instances::PerCaller)).then(|| {
        let defaults = Keeping::default();
        Keeping { uses: wanted.instance_uses.unwrap_or(defaults.uses), idle: wanted.instance_idle.unwrap_or(defaults.idle) }
    });
    let hook_grants = wanted.hooks.clone();
    let (secrets, jobs) = (wanted.capabilities.secrets.clone(), wanted.capabilities.jobs.clone());
    PluginPackage {
        name: wanted.name.to_string(),
        manifest,
        component,
        grants,
        settings,
        secrets,
        jobs,
        limits,
        rules,
        hook_grants,
        hook_defaults,
        keeping,
        approved: None,
    }
}

/// Manifest and component of a plugin in a folder.
fn read(source: &PluginSource) -> Result<(String, Vec<u8>), SourceError> {
    let path = source.folder.join(MANIFEST_FILE);
    let manifest = read_file(&path, MANIFEST_BYTES)?;
    let manifest =
        String::from_utf8(manifest).map_err(|error| SourceError::Read { path: path.clone(), error: std::io::Error::other(error) })?;
    let component = match &source.component {
        Some(path) => path.clone(),
        None => {
            let checked = Manifest::parse(&manifest).map_err(|error| SourceError::Manifest { path, error })?;
            source.folder.join(checked.component.file)
        }
    };
    Ok((manifest, read_file(&component, COMPONENT_BYTES)?))
}

/// The bytes of a file, at most `limit` of them.
fn read_file(path: &Path, limit: usize) -> Result<Vec<u8>, SourceError> {
    let unreadable = |error| SourceError::Read { path: path.into(), error };
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > limit {
        return Err(SourceError::TooLarge { path: path.into(), limit });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUNDLED: &[Bundled] = &[Bundled { id: "query", manifest: "", component: b"" }];

    #[test]
    fn bundled_plugins_are_on_unless_switched_off_and_have_what_the_mode_allows() {
        let packages = packages(&Config::default(), BUNDLED).map_err(|(_, error)| error).unwrap();
        assert_eq!(packages[0].1.grants.elsewhere, Some(Right::Admin));
        assert_eq!(packages[0].1.rules.prefix, "");
        let off = PluginConfig { enabled: false, ..PluginConfig::new(PluginName::parse("query").unwrap()) };
        let config = Config { plugins: vec![off], ..Config::default() };
        assert!(super::packages(&config, BUNDLED).map_err(|(_, error)| error).unwrap().is_empty());
    }

    #[test]
    fn a_name_that_is_nowhere_is_an_error_with_the_names_there_are() {
        let config = Config { plugins: vec![PluginConfig::new(PluginName::parse("qurey").unwrap())], ..Config::default() };
        let (name, error) = packages(&config, BUNDLED).unwrap_err();
        assert_eq!(name, "qurey");
        assert!(error.to_string().contains("query"), "{error}");
    }
}
