//! The loaded set: an immutable snapshot that calls are routed by, swapped whole when something changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::time::Duration;

use super::Plugin;
use super::PluginError;
use super::contract::Contract;
use super::definition::CheckedTool;
use super::definition::TOOLS;
use super::definition::check_resource;
use super::definition::checked_prompt;
use super::hooks;
use super::hooks::PluginHooks;
use super::template;
use crate::call::Call;
use crate::call::Caller;
use crate::capability::Guest;
use crate::capability::Services;
use crate::config::Right;
use crate::runtime::answer::CallError;
use crate::runtime::answer::Needs;
use crate::runtime::answer::PromptDefinition;
use crate::runtime::answer::ResourceDefinition;
use crate::runtime::answer::ToolDefinition;
use crate::runtime::around::CallHooks;
use crate::runtime::hook::HookSlots;
use crate::runtime::kept_instances::KeptInstances;

/// How long a plugin may take to say what it offers.
const LISTING: Duration = Duration::from_secs(10);

/// What one plugin offers.
#[derive(Clone)]
pub struct Offer {
    /// Who.
    pub plugin: Arc<Plugin>,
    tools: Vec<Arc<CheckedTool>>,
    prompts: Vec<(PromptDefinition, String)>,
    resources: Vec<ResourceDefinition>,
    templates: Vec<ResourceDefinition>,
    hooks: Arc<PluginHooks>,
    contract: Arc<Contract>,
    /// Where instances of its tools are kept; none when every call gets a new one.
    kept: Option<Arc<KeptInstances>>,
}

impl Offer {
    /// Asks a plugin what it offers and checks the answer.
    ///
    /// # Errors
    ///
    /// A plugin that fails to say, or offers what clients must not get.
    async fn ask(plugin: Arc<Plugin>, services: &Services, hooks: Arc<PluginHooks>, slots: &HookSlots) -> Result<Self, PluginError> {
        let call = Call::new(Caller::local(), LISTING);
        let (component, guest) = (&plugin.component, &plugin.guest);
        let tools = component.list_tools(&call, guest, services).await?;
        if tools.len() > TOOLS {
            let limit = format!("{TOOLS} tools, and it offers {}", tools.len());
            return Err(CallError::PluginLimit { plugin: plugin.id().into(), limit }.into());
        }
        let prompts = component.list_prompts(&call, guest, services).await?;
        let resources = component.list_resources(&call, guest, services).await?;
        let templates = component.list_templates(&call, guest, services).await?;
        resources.iter().chain(&templates).try_for_each(check_resource)?;
        let contract = Contract::new(&tools, &prompts, &templates);
        plugin.check_contract(&contract)?;
        Ok(Self {
            tools: tools
                .into_iter()
                .map(|tool| Ok(Arc::new(CheckedTool::new(tool, &plugin.rules)?)))
                .collect::<Result<_, PluginError>>()?,
            prompts: prompts.into_iter().map(|prompt| checked_prompt(prompt, &plugin.rules)).collect::<Result<_, _>>()?,
            resources,
            templates,
            hooks,
            contract: Arc::new(contract),
            kept: plugin.keeping.map(|keeping| slots.for_tools(keeping)),
            plugin,
        })
    }
}

/// One tool of the set.
#[derive(Clone)]
pub struct ToolEntry {
    /// Whose it is.
    pub plugin: Arc<Plugin>,
    /// The tool.
    pub tool: Arc<CheckedTool>,
    /// What its calls are handed: what the plugin has, or less.
    pub guest: Arc<Guest>,
    /// Where instances of it are kept; none when every call gets a new one.
    pub kept: Option<Arc<KeptInstances>>,
}

/// The loaded set at one moment.
#[derive(Default)]
pub struct Snapshot {
    offers: Vec<Offer>,
    tools: BTreeMap<String, ToolEntry>,
    listed: Arc<[ToolDefinition]>,
    prompts: BTreeMap<String, (Arc<Plugin>, String)>,
    listed_prompts: Arc<[PromptDefinition]>,
    listed_resources: Arc<[ResourceDefinition]>,
    listed_templates: Arc<[ResourceDefinition]>,
    call_hooks: CallHooks,
}

impl Snapshot {
    /// The set of these offers. An earlier offer keeps its name; who comes later with the same one is an error.
    fn new(offers: Vec<Offer>, services: &Services) -> Result<Self, PluginError> {
        let mut tools: BTreeMap<String, ToolEntry> = BTreeMap::new();
        let mut prompts: BTreeMap<String, (Arc<Plugin>, String)> = BTreeMap::new();
        let mut uris: BTreeMap<String, Arc<Plugin>> = BTreeMap::new();
        for offer in &offers {
            let plugin = &offer.plugin;
            for tool in &offer.tools {
                let name = tool.definition.name.clone();
                let entry = ToolEntry {
                    plugin: plugin.clone(),
                    tool: tool.clone(),
                    guest: plugin.guest_for(&tool.local_name),
                    kept: offer.kept.clone(),
                };
                if let Some(taken) = tools.insert(name.clone(), entry) {
                    return Err(PluginError::Collision { what: "tool", name, by: taken.plugin.id().into() });
                }
            }
            for (prompt, local_name) in &offer.prompts {
                if let Some((taken, _)) = prompts.insert(prompt.name.clone(), (plugin.clone(), local_name.clone())) {
                    return Err(PluginError::Collision { what: "prompt", name: prompt.name.clone(), by: taken.id().into() });
                }
            }
            for definition in offer.resources.iter().chain(&offer.templates) {
                if let Some(taken) = uris.insert(definition.uri.clone(), plugin.clone()) {
                    return Err(PluginError::Collision { what: "resource", name: definition.uri.clone(), by: taken.id().into() });
                }
            }
        }
        let listed = tools.values().filter(|entry| is_of_use(entry, services)).map(|entry| entry.tool.definition.clone()).collect();
        let mut listed_prompts: Vec<_> = offers.iter().flat_map(|offer| offer.prompts.iter().map(|(prompt, _)| prompt.clone())).collect();
        listed_prompts.sort_by(|a, b| a.name.cmp(&b.name));
        let by_uri = |lists: &dyn Fn(&Offer) -> Vec<ResourceDefinition>| -> Arc<[ResourceDefinition]> {
            let mut all: Vec<_> = offers.iter().flat_map(lists).collect();
            all.sort_by(|a, b| a.uri.cmp(&b.uri));
            all.into()
        };
        let listed_resources = by_uri(&|offer| offer.resources.clone());
        let listed_templates = by_uri(&|offer| offer.templates.clone());
        let call_hooks = hooks::call_hooks(offers.iter().map(|offer| &*offer.hooks));
        let listed_prompts = listed_prompts.into();
        Ok(Self { offers, tools, listed, prompts, listed_prompts, listed_resources, listed_templates, call_hooks })
    }

    /// The hooks around calls.
    pub fn call_hooks(&self) -> &CallHooks {
        &self.call_hooks
    }

    /// The loaded plugins, in the order they were loaded.
    pub fn plugins(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        self.offers.iter().map(|offer| &offer.plugin)
    }

    /// What a plugin offers, in the words that a model gets.
    pub fn find_contract(&self, id: &str) -> Option<&Contract> {
        self.offers.iter().find(|offer| offer.plugin.id() == id).map(|offer| &*offer.contract)
    }

    /// The tools that are of use here, by name.
    pub fn listed_tools(&self) -> Arc<[ToolDefinition]> {
        self.listed.clone()
    }

    /// The tool of this name, also when it is not listed.
    pub fn find_tool(&self, name: &str) -> Option<&ToolEntry> {
        self.tools.get(name)
    }

    /// Prompts by name.
    pub fn listed_prompts(&self) -> Arc<[PromptDefinition]> {
        self.listed_prompts.clone()
    }

    /// Whose prompt of this name it is, and its name there.
    pub fn find_prompt(&self, name: &str) -> Option<(&Arc<Plugin>, &str)> {
        self.prompts.get(name).map(|(plugin, local_name)| (plugin, local_name.as_str()))
    }

    /// The definition of a prompt.
    pub fn prompt_definition(&self, name: &str) -> Option<&PromptDefinition> {
        self.listed_prompts.iter().find(|prompt| prompt.name == name)
    }

    /// Resources by URI.
    pub fn listed_resources(&self) -> Arc<[ResourceDefinition]> {
        self.listed_resources.clone()
    }

    /// Resource templates by URI.
    pub fn listed_templates(&self) -> Arc<[ResourceDefinition]> {
        self.listed_templates.clone()
    }

    /// Whose resource this is: listed as it is, else described by a template.
    pub fn find_resource(&self, uri: &str) -> Option<&Arc<Plugin>> {
        let listed = self.offers.iter().find(|offer| offer.resources.iter().any(|it| it.uri == uri));
        let described = || self.offers.iter().find(|offer| offer.templates.iter().any(|it| template::matches(&it.uri, uri)));
        listed.or_else(described).map(|offer| &offer.plugin)
    }

    /// Whose template this is.
    pub fn find_template(&self, uri: &str) -> Option<&Arc<Plugin>> {
        self.offers.iter().find(|offer| offer.templates.iter().any(|it| it.uri == uri)).map(|offer| &offer.plugin)
    }
}

/// Whether some database gives the tool's plugin what the tool needs.
fn is_of_use(entry: &ToolEntry, services: &Services) -> bool {
    let needed = match entry.tool.definition.needs {
        Needs::Nothing => return true,
        Needs::Read => Right::Read,
        Needs::Write => Right::Write,
    };
    entry.guest.grants.visible(&services.databases).any(|(_, right)| right >= needed)
}

/// Holds the current snapshot.
pub struct Registry {
    services: Services,
    slots: HookSlots,
    snapshot: RwLock<Arc<Snapshot>>,
    /// Held while a new snapshot is made, so that two changes cannot undo each other.
    changing: tokio::sync::Mutex<()>,
}

impl Registry {
    /// An empty set whose plugins draw on `services` and whose hooks share `slots`.
    pub fn new(services: Services, slots: HookSlots) -> Self {
        Self { services, slots, snapshot: RwLock::default(), changing: tokio::sync::Mutex::new(()) }
    }

    /// The set as it is now; a call keeps its snapshot to its end.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds a plugin to the set.
    ///
    /// # Errors
    ///
    /// A plugin that fails to say what it offers, or offers what clients must not get; and a name that is taken; the set stays as it was.
    pub async fn add(&self, plugin: Arc<Plugin>) -> Result<(), PluginError> {
        let hooks = Arc::new(PluginHooks::of(&plugin, &self.services, &self.slots));
        let offer = Offer::ask(plugin, &self.services, hooks, &self.slots).await?;
        let _changing = self.changing.lock().await;
        let mut offers = self.snapshot().offers.clone();
        offers.push(offer);
        self.swap(Snapshot::new(offers, &self.services)?);
        Ok(())
    }

    /// Asks a plugin again what it offers, because it said that this changed.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add); the set stays as it was.
    pub async fn refresh(&self, id: &str) -> Result<(), PluginError> {
        let _changing = self.changing.lock().await;
        let current = self.snapshot();
        let mut offers = Vec::with_capacity(current.offers.len());
        for offer in &current.offers {
            if offer.plugin.id() == id {
                offers.push(Offer::ask(offer.plugin.clone(), &self.services, offer.hooks.clone(), &self.slots).await?);
            } else {
                offers.push(offer.clone());
            }
        }
        self.swap(Snapshot::new(offers, &self.services)?);
        Ok(())
    }

    /// Puts other plugins in the place of the installed ones, all at once: those that are called in `kept` stay as they are.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add); the set stays as it was.
    pub async fn replace_installed(&self, kept: &[String], new: Vec<Arc<Plugin>>) -> Result<(), PluginError> {
        let mut asked = Vec::with_capacity(new.len());
        for plugin in new {
            let hooks = Arc::new(PluginHooks::of(&plugin, &self.services, &self.slots));
            asked.push(Offer::ask(plugin, &self.services, hooks, &self.slots).await?);
        }
        let _changing = self.changing.lock().await;
        let stays = |offer: &&Offer| offer.plugin.approved.is_none() || kept.iter().any(|id| id == offer.plugin.id());
        let mut offers: Vec<Offer> = self.snapshot().offers.iter().filter(stays).cloned().collect();
        offers.extend(asked);
        self.swap(Snapshot::new(offers, &self.services)?);
        Ok(())
    }

    /// Puts a plugin in the place of the one with its id, or beside the others when there is none.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add); the set stays as it was.
    pub async fn replace(&self, plugin: Arc<Plugin>) -> Result<(), PluginError> {
        let hooks = Arc::new(PluginHooks::of(&plugin, &self.services, &self.slots));
        let offer = Offer::ask(plugin, &self.services, hooks, &self.slots).await?;
        let _changing = self.changing.lock().await;
        let mut offers = self.snapshot().offers.clone();
        match offers.iter_mut().find(|old| old.plugin.id() == offer.plugin.id()) {
            Some(old) => *old = offer,
            None => offers.push(offer),
        }
        self.swap(Snapshot::new(offers, &self.services)?);
        Ok(())
    }

    /// Makes the lists of the set anew, because what plugins may do changed.
    ///
    /// # Errors
    ///
    /// None that grants can cause.
    pub async fn relist(&self) -> Result<(), PluginError> {
        let _changing = self.changing.lock().await;
        self.swap(Snapshot::new(self.snapshot().offers.clone(), &self.services)?);
        Ok(())
    }

    fn swap(&self, snapshot: Snapshot) {
        self.services.hooks.swap(hooks::statement_hooks(snapshot.offers.iter().map(|offer| &*offer.hooks)));
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }
}
