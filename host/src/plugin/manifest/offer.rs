//! What a manifest says that a plugin offers, and which of its rights each tool uses.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;

use super::ManifestError;
use super::Request;
use crate::config::HookEvent;
use crate::plugin::digest::Digest;

/// Tools, prompts or resource templates that `provides` may name.
const NAMES: usize = 256;

/// What a plugin offers, as its author wrote it down; compared with what it really offers when it is loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Provides {
    /// Its tools.
    #[serde(default)]
    pub tools: BTreeSet<String>,
    /// Its prompts.
    #[serde(default)]
    pub prompts: BTreeSet<String>,
    /// The templates of its resources.
    #[serde(default)]
    pub resources: BTreeSet<String>,
    /// The events of its hooks.
    #[serde(default)]
    pub hooks: BTreeSet<String>,
    /// The digest of all texts that a model reads of them.
    pub contract_sha256: Option<Digest>,
}

impl Provides {
    /// Checks names and their number.
    pub(super) fn check(&self, declared: impl Iterator<Item = HookEvent>) -> Result<(), ManifestError> {
        let lists = [("tools", &self.tools), ("prompts", &self.prompts), ("resources", &self.resources)];
        for (list, names) in lists {
            let fits = |name: &String| !name.is_empty() && name.len() <= 256 && !name.chars().any(|c| c.is_control() || c.is_whitespace());
            if names.len() > NAMES || !names.iter().all(fits) {
                return Err(ManifestError::Offer(format!("`provides.{list}` has more than {NAMES} names, or one that no client can use")));
            }
        }
        let declared: BTreeSet<String> = declared.map(|event| event.as_str().to_owned()).collect();
        if !self.hooks.is_empty() && self.hooks != declared {
            return Err(ManifestError::Offer("`provides.hooks` and the events of `[[hooks]]` differ".into()));
        }
        Ok(())
    }
}

/// What a tool does to the world, as its author says; clients are told the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It reads.
    Read,
    /// It changes something.
    Write,
    /// It may destroy something.
    Destructive,
    /// It reaches beyond the configured databases.
    OpenWorld,
}

/// The part of its plugin's rights that one tool has. What is left out is not narrowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolRights {
    /// The interfaces it may use, out of those that the manifest requests.
    pub uses: Option<BTreeSet<String>>,
    /// What it does. Without `write` and `destructive` it may only read, whatever else the plugin may.
    pub effects: Option<BTreeSet<Effect>>,
}

impl ToolRights {
    /// Whether the tool has to be one that changes nothing.
    pub fn reads_only(&self) -> bool {
        self.effects.as_ref().is_some_and(|effects| !effects.contains(&Effect::Write) && !effects.contains(&Effect::Destructive))
    }

    /// Whether it names what the tool does and `effect` is not among that.
    pub fn excludes(&self, effect: Effect) -> bool {
        self.effects.as_ref().is_some_and(|effects| !effects.contains(&effect))
    }
}

/// Checks that tools use no more than is requested.
pub(super) fn check_tools(tools: &BTreeMap<String, ToolRights>, requested: &BTreeMap<String, Request>) -> Result<(), ManifestError> {
    for (tool, rights) in tools {
        let unknown = rights.uses.iter().flatten().find(|interface| !requested.contains_key(*interface));
        if let Some(interface) = unknown {
            return Err(ManifestError::Offer(format!("`tools.{tool}.uses` has `{interface}`, which `[capabilities]` does not request")));
        }
        if rights.effects.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(ManifestError::Offer(format!(
                "`tools.{tool}.effects` is empty; leave it out, or name read, write, destructive or open-world"
            )));
        }
    }
    Ok(())
}
