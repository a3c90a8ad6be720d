//! Which installed plugins run, from the operator's folder: those whose release was granted, with their files as they were installed.

use std::borrow::Cow;

use super::HookDefaults;
use super::PluginPackage;
use super::digest::Digest;
use super::folder::FolderError;
use super::folder::PluginsFolder;
use super::grants_file::Grant;
use super::index::IndexError;
use super::index::advisory::Action;
use super::index::advisory::Advisory;
use super::index::alarms::Alarms;
use super::lock::Entry;
use super::lock::Lock;
use super::lock::Release;
use super::manifest::Manifest;
use super::manifest::ManifestError;
use super::source;
use super::trust::SignatureError;
use super::trust::verify;
use crate::capability::grants::Grants;
use crate::capability::plugins::PluginState;
use crate::capability::plugins::PluginStatus;
use crate::config::Config;
use crate::config::HookGrant;
use crate::config::HookMode;
use crate::config::Instances;
use crate::config::PluginConfig;
use crate::config::PluginName;

/// Why an installed plugin cannot be loaded. Blame: the operator, or whoever changed its files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstalledError {
    /// Its files, or the files about all of them.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The manifest is not read by this host any more.
    #[error("its manifest: {0}")]
    Manifest(#[from] ManifestError),
    /// The signature does not hold.
    #[error("{0}")]
    Signature(#[from] SignatureError),
    /// What is remembered of the indexes.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The index that it came from warns of it, and it may be the one that guards.
    #[error(
        "the index that it came from blocks {version}: {advisory}; it has hooks, so that leaving it out may let something pass: `tidegate plugin update`, or remove it"
    )]
    Blocked {
        /// The version.
        version: semver::Version,
        /// Why.
        advisory: Box<Advisory>,
    },
}

/// What is installed, as a host has it.
#[derive(Debug, Default)]
pub struct Installed {
    /// The plugins that run, by id.
    pub packages: Vec<(String, PluginPackage)>,
    /// The ids of all that are installed, whether they run or not.
    pub ids: Vec<String>,
    /// How each fares.
    pub statuses: Vec<PluginStatus>,
}

/// Reads what is installed in `folder`, as `config` wants it.
///
/// # Errors
///
/// The first plugin whose files are not those that were installed, by its id. None of them runs then: one that is missing may be
/// the one that guards.
pub fn read(folder: &PluginsFolder, config: &Config) -> Result<Installed, (String, InstalledError)> {
    let whole = |error: FolderError| ("plugins".to_owned(), error.into());
    let lock: Lock = folder.read_lock().map_err(whole)?;
    let grants = folder.read_grants().map_err(whole)?;
    let alarms = Alarms::read(&config.indexes, folder.path()).map_err(|error| ("plugins".to_owned(), error.into()))?;
    let mut installed = Installed::default();
    for entry in lock.entries() {
        let Some(name) = PluginName::parse(&entry.id) else { continue };
        installed.ids.push(entry.id.clone());
        let said = config.find_plugin(&entry.id);
        let grant = grants.find(&entry.id, &entry.running);
        let off = said.is_some_and(|plugin| !plugin.enabled);
        // The operator's own folder goes before what is installed under the same id.
        if said.is_some_and(|plugin| plugin.source.is_some()) {
            continue;
        }
        let mut status = status(entry, grant.is_some(), off);
        if let Some(grant) = grant.filter(|_| !off) {
            let default = PluginConfig::new(name);
            let package = package(folder, &entry.id, &entry.running, grant, said.unwrap_or(&default));
            let package = package.map_err(|error| (entry.id.clone(), error))?;
            if is_blocked(&alarms, entry, &package).map_err(|error| (entry.id.clone(), error))? {
                status.state = PluginState::NotApproved;
                status.advice = Some(format!("tidegate plugin update {}", entry.id));
            } else {
                installed.packages.push((entry.id.clone(), package));
            }
        }
        installed.statuses.push(status);
    }
    Ok(installed)
}

/// Whether the index that a plugin came from blocks what is installed of it. What it only warns of is logged.
fn is_blocked(alarms: &Alarms, entry: &Entry, package: &PluginPackage) -> Result<bool, InstalledError> {
    let (id, version) = (&entry.id, &entry.running.version);
    let about = alarms.about(&entry.running);
    let Some(advisory) = about.iter().find(|advisory| advisory.action == Action::Block) else {
        about.iter().for_each(|advisory| tracing::warn!(plugin.id = %id, "Plugin `{id}` {version} has an advisory: {advisory}"));
        return Ok(false);
    };
    let may_guard = package.hook_grants.values().any(|hook| hook.mode == Some(HookMode::Enforce));
    if may_guard {
        return Err(InstalledError::Blocked { version: version.clone(), advisory: Box::new((*advisory).clone()) });
    }
    tracing::error!(plugin.id = %id, "Plugin `{id}` {version} is blocked by the index that it came from and is not loaded: {advisory}");
    Ok(true)
}

fn status(entry: &Entry, granted: bool, off: bool) -> PluginStatus {
    let id = &entry.id;
    let (state, advice) = match &entry.waiting {
        _ if off => (PluginState::Off, None),
        _ if !granted => (PluginState::NotApproved, Some(format!("tidegate plugin approve {id}"))),
        Some(_) => (PluginState::Running, Some(format!("tidegate plugin approve {id} --diff"))),
        None => (PluginState::Running, None),
    };
    let waiting = entry.waiting.as_ref().map(|waiting| waiting.version.to_string());
    PluginStatus { id: id.clone(), version: entry.running.version.to_string(), state, waiting, advice }
}

/// A release with what was granted to it. Digests and signature are checked again: what runs is what was installed.
fn package(
    folder: &PluginsFolder,
    id: &str,
    release: &Release,
    grant: &Grant,
    wanted: &PluginConfig,
) -> Result<PluginPackage, InstalledError> {
    let files = folder.read_release(id, release)?;
    if let (Some(key), Some(signature)) = (&release.publisher, &files.signature) {
        verify(key, &files.manifest, signature)?;
    }
    let text = String::from_utf8_lossy(&files.manifest).into_owned();
    let manifest = Manifest::parse(&text)?;
    let mut package = source::package(wanted, Cow::Owned(text), Cow::Owned(files.component), None);
    package.grants = grants(grant, wanted);
    package.hook_defaults = HookDefaults { mode: HookMode::Audit, instances: Instances::Fresh };
    for hook in &manifest.hooks {
        let said = package.hook_grants.get(&hook.event).copied().unwrap_or_default();
        let mode = least(grant.hook_mode(hook.event), said.mode);
        package.hook_grants.insert(hook.event, HookGrant { mode: Some(mode), ..said });
    }
    package.approved = Some(release.contract);
    Ok(package)
}

/// What was granted, less what the configuration says less about.
fn grants(grant: &Grant, wanted: &PluginConfig) -> Grants {
    let mut grants = grant.to_guest();
    let said = &wanted.capabilities;
    if let (Some(granted), Some(said)) = (&mut grants.storage.granted, &said.storage) {
        granted.bytes = granted.bytes.min(said.bytes);
    }
    // Addresses of the operator's own network are given in the configuration, beside what is theirs.
    grants.http.granted.private = said.http.private.clone();
    if let Some(said) = &said.vaults {
        grants.vaults.granted.retain(|name, _| said.contains_key(name));
    }
    if let Some(said) = &wanted.databases {
        grants.databases.retain(|name, right| match said.get(name) {
            Some(most) => {
                *right = (*right).min(*most);
                true
            }
            None => false,
        });
    }
    grants
}

/// The mode that obeys least.
fn least(granted: HookMode, said: Option<HookMode>) -> HookMode {
    let rank = |mode: HookMode| match mode {
        HookMode::Off => 0,
        HookMode::Audit => 1,
        HookMode::Enforce => 2,
    };
    match said {
        Some(said) if rank(said) < rank(granted) => said,
        Some(_) | None => granted,
    }
}

/// What tells one package from another but for its grants: with the same one, a running plugin need not be loaded again.
pub fn fingerprint(package: &PluginPackage) -> Digest {
    let PluginPackage {
        name,
        manifest,
        component,
        grants: _,
        settings,
        secrets: _,
        jobs,
        limits,
        rules,
        hook_grants,
        hook_defaults,
        keeping,
        approved,
    } = package;
    let parts = format!(
        "{name:?} {:?} {settings:?} {jobs:?} {limits:?} {rules:?} {hook_grants:?} {hook_defaults:?} {keeping:?} {approved:?}",
        Digest::of(component)
    );
    Digest::of(format!("{manifest}\n{parts}").as_bytes())
}
