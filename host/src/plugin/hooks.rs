//! The hooks of plugins, put in their places: from what manifests declare and operators say to the chains.

use std::sync::Arc;

use super::Plugin;
use super::manifest::HookDeclaration;
use super::manifest::LONGEST_TIMEOUT;
use crate::capability::Guest;
use crate::capability::GuestLimits;
use crate::capability::Services;
use crate::config::HookEvent;
use crate::config::HookGrant;
use crate::config::HookMode;
use crate::config::Instances;
use crate::config::OnFailure;
use crate::hook::Filter;
use crate::hook::Hook;
use crate::hook::Subject;
use crate::hook::breaker::Breaker;
use crate::hook::chain::Chain;
use crate::hook::chain::Link;
use crate::hook::statements::Asking;
use crate::hook::statements::Connecting;
use crate::hook::statements::Failed;
use crate::hook::statements::Ran;
use crate::hook::statements::StatementHooks;
use crate::runtime::around::CallHooks;
use crate::runtime::around::Called;
use crate::runtime::around::Calling;
use crate::runtime::hook::GuestHook;
use crate::runtime::hook::HookSlots;

/// The hooks of one plugin. They stay what they are while the plugin is loaded: breakers and kept instances live in them.
#[derive(Clone, Default)]
pub(super) struct PluginHooks {
    before_query: Vec<Arc<Link<Asking>>>,
    after_query: Vec<Arc<Link<Ran>>>,
    on_error: Vec<Arc<Link<Failed>>>,
    on_connect: Vec<Arc<Link<Connecting>>>,
    before_call: Vec<Arc<Link<Calling>>>,
    after_call: Vec<Arc<Link<Called>>>,
}

impl PluginHooks {
    /// The hooks that `plugin` declares and that are not switched off.
    pub(super) fn of(plugin: &Plugin, services: &Services, slots: &HookSlots) -> Self {
        let mut hooks = Self::default();
        for declaration in &plugin.manifest.hooks {
            let grant = plugin.hook_grants.get(&declaration.event).copied().unwrap_or_default();
            let place = Place { plugin, declaration, grant, services, slots };
            if place.mode() == HookMode::Off {
                continue;
            }
            match declaration.event {
                HookEvent::BeforeQuery => hooks.before_query.push(place.link()),
                HookEvent::AfterQuery => hooks.after_query.push(place.link()),
                HookEvent::OnError => hooks.on_error.push(place.link()),
                HookEvent::OnConnect => hooks.on_connect.push(place.link()),
                HookEvent::BeforeCall => hooks.before_call.push(place.link()),
                HookEvent::AfterCall => hooks.after_call.push(place.link()),
            }
        }
        hooks
    }
}

/// One hook and everything that decides about its place.
struct Place<'a> {
    plugin: &'a Plugin,
    declaration: &'a HookDeclaration,
    grant: HookGrant,
    services: &'a Services,
    slots: &'a HookSlots,
}

impl Place<'_> {
    fn mode(&self) -> HookMode {
        self.grant.mode.unwrap_or(self.plugin.hook_defaults.mode)
    }

    fn link<S: Subject>(&self) -> Arc<Link<S>>
    where
        GuestHook: Hook<S>,
    {
        let Self { plugin, declaration, grant, services, slots } = self;
        let timeout = grant.timeout.unwrap_or(declaration.timeout).min(LONGEST_TIMEOUT);
        let defaults = &plugin.guest.limits;
        let guest = Guest {
            id: plugin.guest.id.clone(),
            grants: plugin.guest.grants.clone(),
            settings: plugin.guest.settings.clone(),
            secrets: plugin.guest.secrets.clone(),
            limits: GuestLimits { cpu_time: defaults.cpu_time.min(timeout), wall_time: None, ..*defaults },
        };
        let reads = declaration.shown();
        let per_caller = grant.instances.unwrap_or(plugin.hook_defaults.instances) == Instances::PerCaller;
        let hook = GuestHook::new(plugin.component.clone(), Arc::new(guest), services, reads, (*slots).clone(), per_caller);
        Arc::new(Link {
            plugin: plugin.id().into(),
            event: declaration.event.as_str(),
            kind: declaration.kind,
            priority: grant.priority.unwrap_or(declaration.priority),
            mode: self.mode(),
            on_failure: match declaration.event {
                // What failed has failed already: there is nothing to refuse, and the advice of others still counts.
                HookEvent::OnError => OnFailure::Skip,
                _ => grant.on_failure.unwrap_or(declaration.on_failure),
            },
            timeout,
            filter: Filter {
                databases: declaration.databases.clone(),
                statements: declaration.statements.clone(),
                tables: declaration.tables.clone(),
                tools: declaration.tools.clone(),
                with_cache_key: declaration.with_cache_key,
            },
            hook: Arc::new(hook),
            breaker: Arc::new(Breaker::default()),
        })
    }
}

/// The chains around statements, over all plugins.
pub(super) fn statement_hooks<'a>(all: impl Iterator<Item = &'a PluginHooks> + Clone) -> StatementHooks {
    StatementHooks {
        before: Chain::new(all.clone().flat_map(|hooks| hooks.before_query.clone()).collect()),
        after: Chain::new(all.clone().flat_map(|hooks| hooks.after_query.clone()).collect()),
        failed: Chain::new(all.clone().flat_map(|hooks| hooks.on_error.clone()).collect()),
        connect: Chain::new(all.flat_map(|hooks| hooks.on_connect.clone()).collect()),
    }
}

/// The chains around calls, over all plugins.
pub(super) fn call_hooks<'a>(all: impl Iterator<Item = &'a PluginHooks> + Clone) -> CallHooks {
    CallHooks {
        before: Chain::new(all.clone().flat_map(|hooks| hooks.before_call.clone()).collect()),
        after: Chain::new(all.flat_map(|hooks| hooks.after_call.clone()).collect()),
    }
}
