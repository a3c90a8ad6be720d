//! `grants.toml`: what the operator gave to installed plugins. Only the command line writes it; nothing that a client or a plugin
//! can reach does.
//!
//! A grant holds for releases by the same key that ask for the same and tell the model the same; with `bind = "artifact"` for one
//! release alone. What is granted beyond what is asked for is of no effect.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use super::digest::Digest;
use super::lock::Release;
use super::trust::PublicKey;
use crate::config::DatabaseName;
use crate::config::HookEvent;
use crate::config::HookMode;
use crate::config::PluginName;
use crate::config::Right;

/// All grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantsFile {
    version: u32,
    #[serde(default, rename = "grant", skip_serializing_if = "Vec::is_empty")]
    entries: Vec<Grant>,
}

/// What a grant holds for, beside key, request and contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bind {
    /// Every release of which those are the same.
    #[default]
    Request,
    /// The release that was looked at, and no other.
    Artifact,
}

/// Who said yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The user of the system.
    pub by: String,
    /// When, in UTC.
    pub at: String,
    /// How.
    pub via: String,
}

/// How much of one interface is granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Extent {
    /// All that is asked for, or nothing.
    Whole(bool),
    /// An amount, for example a quota: `1 MiB`.
    Amount(String),
    /// What is listed, for example hosts.
    Listed(Vec<String>),
}

/// What one plugin may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Its id.
    pub plugin: String,
    /// The key that signed it; none for one that was installed unsigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher: Option<PublicKey>,
    /// The digest of what it asked for.
    pub request: Digest,
    /// The digest of what a model reads of it.
    pub contract: Digest,
    /// The digest of the manifest that was looked at.
    pub artifact: Digest,
    /// What it holds for.
    #[serde(default)]
    pub bind: Bind,
    /// Who said so.
    pub approved: Approval,
    /// Rights on databases: `read`, `write`, `admin`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub databases: BTreeMap<String, String>,
    /// Other interfaces.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capabilities: BTreeMap<String, Extent>,
    /// Hooks by event: `enforce`, `audit`, `off`. One that is not named is in audit.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hooks: BTreeMap<String, String>,
}

impl Default for GrantsFile {
    fn default() -> Self {
        Self { version: 1, entries: Vec::new() }
    }
}

impl GrantsFile {
    /// Reads the text of the file.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        if file.version != 1 {
            return Err(format!("`version` is {}, and this host reads 1", file.version));
        }
        file.entries.iter().find_map(Grant::problem).map_or(Ok(file), Err)
    }

    /// The text of the file.
    ///
    /// # Errors
    ///
    /// What cannot be written, in words.
    pub fn to_text(&self) -> Result<String, String> {
        let text = toml::to_string(self).map_err(|error| error.to_string())?;
        Ok(format!("# Written by `tidegate plugin`: what installed plugins may do.\n{text}"))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.entries.iter()
    }

    /// The grant that holds for a release.
    pub fn find(&self, plugin: &str, release: &Release) -> Option<&Grant> {
        self.entries.iter().find(|grant| grant.plugin == plugin && grant.covers(release))
    }

    /// Puts a grant in, in the place of those for the same plugin, key, request and contract.
    pub fn put(&mut self, grant: Grant) {
        let same = |other: &Grant| {
            (&other.plugin, &other.publisher, other.request, other.contract)
                == (&grant.plugin, &grant.publisher, grant.request, grant.contract)
        };
        self.entries.retain(|other| !same(other));
        self.entries.push(grant);
        self.entries.sort_by(|one, other| one.plugin.cmp(&other.plugin));
    }

    /// Keeps what `keep` says; tells whether something went.
    pub fn retain(&mut self, keep: impl FnMut(&Grant) -> bool) -> bool {
        let before = self.entries.len();
        self.entries.retain(keep);
        self.entries.len() != before
    }

    /// Changes the grants of one plugin; tells whether there are any.
    pub fn change(&mut self, plugin: &str, mut change: impl FnMut(&mut Grant)) -> bool {
        let mut found = false;
        for grant in self.entries.iter_mut().filter(|grant| grant.plugin == plugin) {
            change(grant);
            found = true;
        }
        found
    }
}

impl Grant {
    /// Whether it was given for what this release is.
    pub fn covers(&self, release: &Release) -> bool {
        let bound = match self.bind {
            Bind::Request => true,
            Bind::Artifact => self.artifact == release.manifest,
        };
        bound && self.publisher == release.publisher && self.request == release.request && self.contract == release.contract
    }

    /// Rights on databases.
    pub fn databases(&self) -> BTreeMap<DatabaseName, Right> {
        self.databases.iter().filter_map(|(name, right)| Some((DatabaseName::parse(name)?, parse_right(right)?))).collect()
    }

    /// What becomes of the verdicts of a hook on this event.
    pub fn hook_mode(&self, event: HookEvent) -> HookMode {
        self.hooks.get(event.as_str()).and_then(|mode| parse_mode(mode)).unwrap_or(HookMode::Audit)
    }

    /// What is wrong with it, if anything.
    fn problem(&self) -> Option<String> {
        let plugin = &self.plugin;
        if PluginName::parse(plugin).is_none() {
            return Some(format!("`{}` is no id of a plugin", plugin.escape_default()));
        }
        let database = self.databases.iter().find(|(name, right)| DatabaseName::parse(name).is_none() || parse_right(right).is_none());
        if let Some((name, right)) = database {
            return Some(format!("the grant of `{plugin}`: `databases.{name} = {right:?}`; rights are read, write, admin"));
        }
        let hook = self.hooks.iter().find(|(event, mode)| HookEvent::parse(event).is_none() || parse_mode(mode).is_none());
        hook.map(|(event, mode)| format!("the grant of `{plugin}`: `hooks.{event} = {mode:?}`; modes are enforce, audit, off"))
    }
}

/// The right of this name.
pub fn parse_right(text: &str) -> Option<Right> {
    [Right::Read, Right::Write, Right::Admin].into_iter().find(|right| right.as_str() == text)
}

/// The mode of this name.
pub fn parse_mode(text: &str) -> Option<HookMode> {
    [(HookMode::Enforce, "enforce"), (HookMode::Audit, "audit"), (HookMode::Off, "off")]
        .into_iter()
        .find(|(_, name)| *name == text)
        .map(|(mode, _)| mode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::lock::tests::release;
    use crate::plugin::trust::KeyPair;

    fn grant(release: &Release) -> Grant {
        Grant {
            plugin: "b.org/one".into(),
            publisher: release.publisher.clone(),
            request: release.request,
            contract: release.contract,
            artifact: release.manifest,
            bind: Bind::Request,
            approved: Approval { by: "ann".into(), at: "2026-01-02T03:04:05Z".into(), via: "cli".into() },
            databases: [("main".to_owned(), "read".to_owned())].into(),
            capabilities: [
                ("changes".to_owned(), Extent::Whole(true)),
                ("storage".to_owned(), Extent::Amount("1 MiB".into())),
                ("http".to_owned(), Extent::Listed(vec!["GET https://a.example/*".into()])),
            ]
            .into(),
            hooks: [("before-query".to_owned(), "enforce".to_owned())].into(),
        }
    }

    #[test]
    fn a_grant_holds_for_the_same_key_request_and_contract() {
        let one = release("1.0.0");
        let patch = release("1.0.1");
        let mut file = GrantsFile::default();
        file.put(grant(&one));
        assert!(file.find("b.org/one", &patch).is_some());
        assert!(file.find("b.org/two", &patch).is_none());
        for other in [
            Release { request: Digest::of(b"more"), ..one.clone() },
            Release { contract: Digest::of(b"other words"), ..one.clone() },
            Release { publisher: Some(KeyPair::generate(None).unwrap().public), ..one.clone() },
        ] {
            assert!(file.find("b.org/one", &other).is_none(), "{other:?}");
        }
        file.put(Grant { bind: Bind::Artifact, ..grant(&one) });
        assert!(file.find("b.org/one", &one).is_some() && file.find("b.org/one", &patch).is_none());
    }

    #[test]
    fn it_is_read_as_it_is_written_and_what_is_wrong_is_told() {
        let mut file = GrantsFile::default();
        file.put(grant(&release("1.0.0")));
        let text = file.to_text().unwrap();
        assert_eq!(GrantsFile::parse(&text).unwrap(), file);
        let grant = file.iter().next().unwrap();
        assert_eq!(grant.databases().values().copied().collect::<Vec<_>>(), [Right::Read]);
        assert_eq!((grant.hook_mode(HookEvent::BeforeQuery), grant.hook_mode(HookEvent::AfterQuery)), (HookMode::Enforce, HookMode::Audit));
        for (from, to) in [
            ("version = 1", "version = 2"),
            ("main = \"read\"", "main = \"own\""),
            ("before-query", "before-lunch"),
            ("\"enforce\"", "\"obey\""),
            ("b.org/one", "../one"),
            ("[grant.hooks]", "[grant.more]"),
            ("bind = \"request\"", "bind = \"everything\""),
        ] {
            assert!(text.contains(from), "{from}: {text}");
            assert!(GrantsFile::parse(&text.replacen(from, to, 1)).is_err(), "{to}");
        }
    }
}
