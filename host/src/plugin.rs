//! Plugins as the host has loaded them: manifest, rights, what they offer, and the set of them that calls are routed by.

pub mod abilities;
pub mod asked;
pub mod contract;
pub mod definition;
pub mod digest;
pub mod fetch;
pub mod files;
pub mod folder;
pub mod grants_file;
pub mod header;
pub mod health;
mod hooks;
pub mod index;
pub mod inspection;
pub mod install;
pub mod installed;
pub mod interfaces;
pub mod jobs;
pub mod lock;
pub mod manifest;
pub mod oci;
pub mod registry;
mod request;
#[cfg(test)]
mod sample;
mod schema_work;
pub mod source;
#[cfg(test)]
mod specimen;
mod template;
pub mod trust;
pub mod turns;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::capability::Guest;
use crate::capability::GuestLimits;
use crate::capability::grants::Grants;
use crate::capability::grants::LiveGrants;
use crate::capability::grants::Narrowing;
use crate::config::HookEvent;
use crate::config::HookGrant;
use crate::config::HookMode;
use crate::config::Instances;
use crate::config::Right;
use crate::config::Secret;
use crate::config::capability::JobGrant;
use crate::runtime::answer::CallError;
use crate::runtime::component::Component;
use crate::runtime::engine::Engine;
use crate::runtime::engine::Links;
use crate::runtime::engine::LoadError;
use crate::runtime::kept_instances::Keeping;
use contract::Contract;
use contract::ContractError;
use definition::DefinitionError;
use definition::DefinitionRules;
use digest::Digest;
use header::HeaderError;
use health::Health;
use jobs::Job;
use manifest::Manifest;
use manifest::ManifestError;
use turns::Turns;

/// The bytes of a plugin and how the operator wants it.
#[derive(Clone, Debug)]
pub struct PluginPackage {
    /// The operator's name for it; its id must be the same.
    pub name: String,
    /// Text of its `plugin.toml`.
    pub manifest: Cow<'static, str>,
    /// Bytes of its component.
    pub component: Cow<'static, [u8]>,
    /// Databases by name and otherwise; the manifest's request is filled in when it is loaded.
    pub grants: Grants,
    /// Its settings, each value as JSON text.
    pub settings: BTreeMap<String, String>,
    /// Its secrets, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// Its jobs that are switched on, by name.
    pub jobs: BTreeMap<String, JobGrant>,
    /// Limits of one call.
    pub limits: GuestLimits,
    /// How its definitions are taken.
    pub rules: DefinitionRules,
    /// What the operator says about its hooks.
    pub hook_grants: BTreeMap<HookEvent, HookGrant>,
    /// What holds for hooks that nothing is said about.
    pub hook_defaults: HookDefaults,
    /// How long instances of its tools serve their callers; none when every call gets a new one.
    pub keeping: Option<Keeping>,
    /// The digest of the contract that was approved, for a plugin that was installed.
    pub approved: Option<Digest>,
}

/// What holds for the hooks of a plugin where the operator says nothing.
#[derive(Clone, Copy, Debug)]
pub struct HookDefaults {
    /// What becomes of their verdicts.
    pub mode: HookMode,
    /// Whether their instances are used again.
    pub instances: Instances,
}

/// Why a plugin was not loaded. Blame: the plugin, or the operator who configured it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// Its manifest.
    #[error("its manifest: {0}")]
    Manifest(#[from] ManifestError),
    /// Its component.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Its component is another one than its manifest names.
    #[error("its component has the digest `{found}`, and `component.sha256` is `{declared}`; one of them was changed")]
    OtherComponent {
        /// As the manifest says.
        declared: Digest,
        /// What it is.
        found: Digest,
    },
    /// What its component says of itself.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// What it offers is not what its manifest, or whoever approved it, was told.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// What it offers is not what was approved.
    #[error("what it says of its tools, prompts and resources is not what was approved (`{approved}`): it has the digest `{offered}` now")]
    OtherContract {
        /// The digest that was approved.
        approved: Digest,
        /// What it is.
        offered: Digest,
    },
    /// It imports what its manifest does not request.
    #[error("it imports `{0}`, which its manifest does not request; it needs `[capabilities.{0}]` with a `reason`")]
    NotRequested(String),
    /// It declares a hook that its component does not have.
    #[error("its manifest declares a hook on `{0}`, and its component does not export the interface for it")]
    NoHook(&'static str),
    /// The operator says how a hook is to be taken that it does not have.
    #[error("`hooks` names `{event}`, and the plugin declares no hook on it{has}")]
    UnknownHook {
        /// What the operator names.
        event: &'static str,
        /// What it declares, as the end of a sentence.
        has: String,
    },
    /// It declares jobs, and its component has none.
    #[error("its manifest declares the job `{0}`, and its component does not export `jobs`")]
    NoJobs(String),
    /// The operator switches on a job that it does not have.
    #[error("`jobs` names `{name}`, and the plugin declares no such job{has}")]
    UnknownJob {
        /// What the operator names.
        name: String,
        /// What it declares, as the end of a sentence.
        has: String,
    },
    /// It could not say what it offers.
    #[error("asked what it offers, it failed: {0}")]
    Listing(#[from] CallError),
    /// What it offers.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// Two offers under one name.
    #[error("{what} `{name}` is already offered by plugin `{by}`; give one of them another `tool_prefix` or switch it off")]
    Collision {
        /// `tool`, `prompt` or `resource`.
        what: &'static str,
        /// The name.
        name: String,
        /// Who has it.
        by: String,
    },
    /// The operator's name for it is not its own.
    #[error("its manifest says that it is `{id}`; put its configuration under `[plugins.{id}]`")]
    OtherId {
        /// The id in the manifest.
        id: String,
    },
    /// Loading ended without an answer.
    #[error("loading it was cut off")]
    CutOff,
}

/// A loaded plugin.
pub struct Plugin {
    /// Its manifest.
    pub manifest: Manifest,
    /// What its calls are handed.
    pub guest: Arc<Guest>,
    /// Its code.
    pub component: Arc<Component>,
    /// What the operator says about its hooks.
    pub hook_grants: BTreeMap<HookEvent, HookGrant>,
    /// What holds for hooks that nothing is said about.
    pub hook_defaults: HookDefaults,
    /// How long instances of its tools serve their callers; none when every call gets a new one.
    pub keeping: Option<Keeping>,
    /// How its definitions are taken.
    pub rules: DefinitionRules,
    /// The digest of the contract that was approved, for a plugin that was installed.
    pub approved: Option<Digest>,
    /// What tells it from another form of itself, but for its grants.
    pub fingerprint: Digest,
    /// How its calls end.
    pub health: Health,
    /// Its jobs that are switched on.
    pub jobs: Vec<Job>,
    /// How many of its calls run at once.
    pub turns: Turns,
}

impl Plugin {
    /// Compiles a plugin and checks that it imports no more than its manifest requests. Blocks for up to seconds.
    ///
    /// # Errors
    ///
    /// Everything that can be wrong before its code runs.
    pub fn load(engine: &Engine, source: PluginPackage) -> Result<Self, PluginError> {
        let fingerprint = installed::fingerprint(&source);
        let manifest = Manifest::parse(&source.manifest)?;
        if manifest.plugin.id != source.name {
            return Err(PluginError::OtherId { id: manifest.plugin.id });
        }
        if let Some(declared) = manifest.component.sha256
            && declared != Digest::of(&source.component)
        {
            return Err(PluginError::OtherComponent { declared, found: Digest::of(&source.component) });
        }
        // Before anything of it is compiled.
        if let Some(header) = header::read(&source.component)? {
            header.check(&manifest.plugin)?;
        }
        let http = manifest.http_requests();
        let component = engine.load_with(&source.component, Links { http: !http.is_empty() })?;
        let mut imports = component.contract_imports();
        if component.imports_http() {
            imports.push("http");
        }
        for unused in manifest.capabilities.keys().filter(|asked| !manifest::is_imported(asked, &imports)) {
            tracing::warn!(plugin.id = %manifest.plugin.id, "Plugin `{}` requests `{unused}`, which its component does not import", manifest.plugin.id);
        }
        for import in component.contract_imports() {
            if manifest::is_a_right(import) && !manifest.capabilities.contains_key(import) {
                return Err(PluginError::NotRequested(import.into()));
            }
        }
        if let Some(hook) = manifest.hooks.iter().find(|hook| !component.has_hooks_on(hook.event)) {
            return Err(PluginError::NoHook(hook.event.as_str()));
        }
        if let Some(event) = source.hook_grants.keys().find(|event| manifest.hooks.iter().all(|hook| hook.event != **event)) {
            let declared: BTreeSet<&str> = manifest.hooks.iter().map(|hook| hook.event.as_str()).collect();
            let declared: Vec<String> = declared.iter().map(|event| format!("`{event}`")).collect();
            let has = if declared.is_empty() { String::new() } else { format!("; it has {}", declared.join(", ")) };
            return Err(PluginError::UnknownHook { event: event.as_str(), has });
        }
        let jobs = jobs::switched_on(&manifest, &component, &source.jobs)?;
        let limits = manifest.limits.lower(source.limits);
        let grants = LiveGrants::new(bounded(source.grants, &manifest));
        let (settings, secrets) = (source.settings, source.secrets);
        let guest = Guest { id: manifest.plugin.id.clone(), grants, settings, secrets, limits };
        Ok(Self {
            guest: Arc::new(guest),
            component: Arc::new(component),
            rules: source.rules,
            hook_grants: source.hook_grants,
            hook_defaults: source.hook_defaults,
            approved: source.approved,
            keeping: source.keeping,
            fingerprint,
            health: Health::default(),
            jobs,
            turns: Turns::new(limits.concurrency),
            manifest,
        })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.guest.id
    }

    /// Changes what it may do from now on, also for calls that run. What its manifest requests bounds it as before.
    pub fn regrant(&self, grants: Grants) {
        self.guest.grants.set(bounded(grants, &self.manifest));
    }

    /// What calls of one of its tools are handed: less than others where its manifest says that the tool uses less.
    pub fn guest_for(&self, tool: &str) -> Arc<Guest> {
        let Some(rights) = self.manifest.tools.get(tool) else { return self.guest.clone() };
        let narrowing = Narrowing { uses: rights.uses.clone(), reads_only: rights.reads_only() };
        let Guest { id, grants, settings, secrets, limits } = &*self.guest;
        let (settings, secrets) = (settings.clone(), secrets.clone());
        Arc::new(Guest { id: id.clone(), grants: grants.narrowed(narrowing), settings, secrets, limits: *limits })
    }

    /// Checks that what it offers is what its manifest says and what was approved.
    fn check_contract(&self, contract: &Contract) -> Result<(), PluginError> {
        contract.check(&self.manifest)?;
        match self.approved {
            Some(approved) if approved != contract.digest() => Err(PluginError::OtherContract { approved, offered: contract.digest() }),
            Some(_) | None => Ok(()),
        }
    }
}

/// Grants with what the manifest requests beside them: nothing above that is ever given.
fn bounded(grants: Grants, manifest: &Manifest) -> Grants {
    let mut grants = Grants { requested: requested(manifest), ..grants };
    grants.storage.requested = manifest.storage_request();
    grants.http.requested = manifest.http_requests();
    grants.vaults.requested = manifest.capabilities.contains_key("vault");
    grants
}

/// The most that a manifest asks for on a database.
fn requested(manifest: &Manifest) -> Option<Right> {
    let requests = |interface| manifest.capabilities.contains_key(interface);
    if requests("database-admin") {
        Some(Right::Admin)
    } else if requests("database-write") {
        Some(Right::Write)
    } else if requests("database-read") || requests("catalog") || requests("cache") {
        Some(Right::Read)
    } else {
        None
    }
}
