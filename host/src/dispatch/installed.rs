//! Follows what an operator installs, approves, revokes and removes while the host runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::Dispatcher;
use super::StartError;
use crate::capability::grants::Grants;
use crate::capability::plugins::PluginState;
use crate::capability::plugins::PluginStatus;
use crate::plugin::Plugin;
use crate::plugin::PluginError;
use crate::plugin::PluginPackage;
use crate::plugin::digest::Digest;
use crate::plugin::health::Figures;
use crate::plugin::installed;
use crate::plugin::installed::Installed;

/// Versions that took the place of others a while ago, with how those did.
#[derive(Default)]
pub(super) struct Probation(Mutex<BTreeMap<String, (Digest, Figures)>>);

/// A new version that fails much more than the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worse {
    /// The plugin.
    pub id: String,
    /// The new version.
    pub version: semver::Version,
    /// How it does.
    pub now: Figures,
    /// How the one before did.
    pub before: Figures,
}

impl Dispatcher {
    /// The plugins whose new version fails much more than the one before; each is told once.
    pub fn take_worse(&self) -> Vec<Worse> {
        let mut watched = self.probation.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut worse = Vec::new();
        let plugins = self.plugins();
        watched.retain(|id, (fingerprint, before)| {
            let Some(plugin) = plugins.iter().find(|plugin| plugin.id() == id && plugin.fingerprint == *fingerprint) else { return false };
            let (now, before) = (plugin.health.figures(), *before);
            if now.is_worse_than(before) {
                worse.push(Worse { id: id.clone(), version: plugin.manifest.plugin.version.clone(), now, before });
                return false;
            }
            !now.has_stood()
        });
        worse
    }

    /// Watches versions that take the place of others.
    fn watch(&self, running: &[Arc<Plugin>], loaded: &[Arc<Plugin>]) {
        let mut watched = self.probation.0.lock().unwrap_or_else(PoisonError::into_inner);
        for plugin in loaded {
            if let Some(before) = running.iter().find(|before| before.id() == plugin.id()) {
                watched.insert(plugin.id().into(), (plugin.fingerprint, before.health.figures()));
            }
        }
    }

    /// Makes the installed plugins those of `installed`.
    ///
    /// What was revoked is gone first, also for calls that run, whatever else happens. A plugin that only has other grants stays loaded.
    /// Another version is compiled and asked what it offers before anything is swapped; calls that began with the old one end with it.
    ///
    /// # Errors
    ///
    /// The first plugin that cannot be loaded; the set stays as it was, but for what was revoked.
    pub async fn follow(&self, installed: Installed) -> Result<(), StartError> {
        let Installed { packages, statuses, .. } = installed;
        let running: Vec<Arc<Plugin>> = self.plugins().into_iter().filter(|plugin| plugin.approved.is_some()).collect();
        for plugin in &running {
            match packages.iter().find(|(id, _)| id == plugin.id()) {
                None => {
                    plugin.regrant(Grants { interfaces: Some([].into()), ..Grants::default() });
                    self.services.metrics.forget(plugin.id());
                }
                Some((_, package)) if installed::fingerprint(package) == plugin.fingerprint => plugin.regrant(package.grants.clone()),
                // Another version: what runs of this one goes on with what it was given.
                Some(_) => {}
            }
        }
        let is_loaded = |package: &PluginPackage| running.iter().any(|plugin| plugin.fingerprint == installed::fingerprint(package));
        let (kept, new): (Vec<_>, Vec<_>) = packages.into_iter().partition(|(_, package)| is_loaded(package));
        let kept: Vec<String> = kept.into_iter().map(|(id, _)| id).collect();
        let others = running.iter().any(|plugin| !kept.iter().any(|id| id == plugin.id())) || !new.is_empty();
        let mut loaded = Vec::with_capacity(new.len());
        for (id, package) in new {
            let engine = self.engine.clone();
            let plugin = tokio::task::spawn_blocking(move || Plugin::load(&engine, package)).await.unwrap_or(Err(PluginError::CutOff));
            loaded.push(Arc::new(plugin.map_err(|error| StartError::Plugin { plugin: id, error })?));
        }
        let names: Vec<String> = loaded.iter().map(|plugin| format!("`{}` {}", plugin.id(), plugin.manifest.plugin.version)).collect();
        let newcomers = loaded.clone();
        let swapped = if others { self.registry.replace_installed(&kept, loaded).await } else { self.registry.relist().await };
        swapped.map_err(|error| StartError::Plugin { plugin: names.join(", "), error })?;
        self.watch(&running, &newcomers);
        self.tell_statuses(statuses);
        if others {
            tracing::info!("Installed plugins changed; new: {}", if names.is_empty() { "none".into() } else { names.join(", ") });
        }
        self.tell_lists_changed();
        Ok(())
    }

    /// Writes down how plugins fare, for `plugins`: those that are loaded, then the installed ones that are not.
    pub fn tell_statuses(&self, statuses: Vec<PluginStatus>) {
        let mut all = Vec::new();
        for plugin in self.plugins() {
            let known = statuses.iter().find(|status| status.id == plugin.id()).cloned();
            all.push(known.unwrap_or_else(|| PluginStatus {
                id: plugin.id().into(),
                version: plugin.manifest.plugin.version.to_string(),
                state: PluginState::Running,
                waiting: None,
                advice: None,
            }));
        }
        all.extend(statuses.into_iter().filter(|status| status.state != PluginState::Running));
        self.services.plugins.set(all);
    }
}
