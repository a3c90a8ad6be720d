//! Starts a plugin before it is installed: compiled away from the host that serves, given nothing, and asked what it offers, within
//! the limits that it will have.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use crate::capability::GuestLimits;
use crate::capability::Services;
use crate::capability::grants::Grants;
use crate::config::HookMode;
use crate::config::Instances;
use crate::config::PluginName;
use crate::plugin::HookDefaults;
use crate::plugin::Plugin;
use crate::plugin::PluginError;
use crate::plugin::PluginPackage;
use crate::plugin::contract::Contract;
use crate::plugin::definition::DefinitionRules;
use crate::plugin::inspection::Inspected;
use crate::plugin::registry::Registry;
use crate::runtime::engine::Engine;
use crate::runtime::engine::EngineError;
use crate::runtime::engine::EngineOptions;
use crate::runtime::hook::HookSlots;

/// Instances that the engine of a proof may have at once.
const INSTANCES: u32 = 8;

/// Why a plugin did not prove that it can be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The machine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The plugin.
    #[error(transparent)]
    Plugin(#[from] PluginError),
}

/// Proves that a plugin starts and says what it offers, and answers that. `cache` is where compiled code is kept.
///
/// # Errors
///
/// A plugin that does not load, does not start, takes too long or offers what clients must not get.
pub async fn prove(inspected: &Inspected, cache: Option<PathBuf>) -> Result<Contract, ProofError> {
    let package = package(inspected);
    let options = EngineOptions { instances: INSTANCES, memory_bytes: 512 << 20, cache, scripted: None, recorded: false };
    let loaded = tokio::task::spawn_blocking(move || {
        let engine = Engine::new(&options)?;
        let plugin = Plugin::load(&engine, package)?;
        Ok::<_, ProofError>((engine, plugin))
    });
    let (engine, plugin) = loaded.await.map_err(|_| PluginError::CutOff)??;
    let id = plugin.id().to_owned();
    let registry = Registry::new(Services::default(), HookSlots::new(1, 0));
    registry.add(Arc::new(plugin)).await?;
    let contract = registry.snapshot().find_contract(&id).cloned();
    drop(registry);
    // It joins the thread of its ticker.
    tokio::task::spawn_blocking(move || drop(engine)).await.map_err(|_| PluginError::CutOff)?;
    Ok(contract.ok_or(PluginError::CutOff)?)
}

/// The plugin with no rights at all.
fn package(inspected: &Inspected) -> PluginPackage {
    let id = inspected.manifest.plugin.id.clone();
    let prefix = PluginName::parse(&id).map_or_else(String::new, |name| format!("{}_", name.short()));
    PluginPackage {
        manifest: Cow::Owned(String::from_utf8_lossy(&inspected.files.manifest).into_owned()),
        component: Cow::Owned(inspected.files.component.clone()),
        grants: Grants { interfaces: Some(BTreeSet::new()), ..Grants::default() },
        settings: BTreeMap::new(),
        secrets: BTreeMap::new(),
        jobs: BTreeMap::new(),
        limits: GuestLimits::default(),
        rules: DefinitionRules { prefix, ..DefinitionRules::default() },
        hook_grants: BTreeMap::new(),
        hook_defaults: HookDefaults { mode: HookMode::Off, instances: Instances::Fresh },
        keeping: None,
        approved: None,
        name: id,
    }
}
