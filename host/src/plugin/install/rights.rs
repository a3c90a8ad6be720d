//! What an operator decides about a plugin: each thing that it asks for is granted, granted in part, or denied.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::capability::grants::Grants;
use crate::capability::grants::http::HttpRights;
use crate::capability::grants::storage::StorageRights;
use crate::capability::grants::vault::VaultRights;
use crate::config::DatabaseName;
use crate::config::HookEvent;
use crate::config::Right;
use crate::config::capability::HttpGrant;
use crate::config::capability::StorageQuota;
use crate::config::capability::is_name;
use crate::config::http_rule::HttpRule;
use crate::config::vault::VaultRight;
use crate::plugin::grants_file::Extent;
use crate::plugin::grants_file::Grant;
use crate::plugin::grants_file::parse_mode;
use crate::plugin::grants_file::parse_right;
use crate::plugin::manifest::Manifest;
use crate::plugin::manifest::Request;

/// Interfaces that are granted by naming databases.
const OVER_DATABASES: [&str; 5] = ["catalog", "database-read", "database-write", "database-admin", "transaction"];

/// Interfaces that are never granted without being named: what goes out over the network, and secrets in the clear.
const NEVER_BY_YES: [&str; 4] = ["http", "secret", "secret-reveal", "vault"];

/// The word for all databases.
const DATABASES: &str = "databases";

/// What a hook's name begins with.
const HOOK: &str = "hook:";

/// What a database's name may begin with, where an interface is called the same.
const DATABASE: &str = "db:";

/// One thing that a plugin asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is called in `--grant` and `--deny`: `databases`, an interface, or `hook:EVENT`.
    pub key: String,
    /// What it is, in words.
    pub what: String,
    /// Why, as the plugin says.
    pub reasons: Vec<String>,
    /// How it is granted, as an example.
    pub example: String,
    /// Whether `--yes` grants it.
    pub by_yes: bool,
}

/// Everything that a manifest asks an operator for.
pub fn asked(manifest: &Manifest) -> Vec<Item> {
    let mut items = Vec::new();
    let over_databases = || manifest.capabilities.iter().filter(|(interface, _)| OVER_DATABASES.contains(&interface.as_str()));
    if let Some(right) = requested_right(manifest) {
        items.push(Item {
            key: DATABASES.into(),
            what: format!("up to `{}` on databases that you name", right.as_str()),
            reasons: over_databases().map(|(interface, request)| format!("{interface}: {}", request.reason)).collect(),
            example: format!("--grant NAME={}", right.as_str()),
            by_yes: false,
        });
    }
    for (interface, request) in manifest.capabilities.iter().filter(|(interface, _)| !OVER_DATABASES.contains(&interface.as_str())) {
        items.push(Item {
            key: interface.clone(),
            what: format!("the interface `{interface}`"),
            reasons: reasons(request),
            example: match interface.as_str() {
                "http" => "--grant 'http=GET https://HOST/PATH'".into(),
                "vault" => "--grant vault=NAME".into(),
                _ => format!("--grant {interface}"),
            },
            by_yes: !NEVER_BY_YES.contains(&interface.as_str()),
        });
    }
    for event in HookEvent::ALL {
        let hooks: Vec<_> = manifest.hooks.iter().filter(|hook| hook.event == event).collect();
        if !hooks.is_empty() {
            let kinds: BTreeSet<&str> = hooks.iter().map(|hook| hook.kind.as_str()).collect();
            items.push(Item {
                key: format!("{HOOK}{}", event.as_str()),
                what: format!("a hook on `{}` that may {}", event.as_str(), kinds.into_iter().collect::<Vec<_>>().join(", ")),
                reasons: hooks.iter().map(|hook| hook.reason.clone()).collect(),
                example: format!("--grant {HOOK}{}=audit", event.as_str()),
                by_yes: true,
            });
        }
    }
    items
}

/// Why something is asked for: a reason, or one for each part of a request for `http`, with where it goes.
fn reasons(request: &Request) -> Vec<String> {
    let parts = request.http_parts();
    if parts.is_empty() {
        return vec![request.reason.clone()];
    }
    parts.iter().map(|part| format!("{} {}: {}", part.methods.join(", "), part.hosts.join(", "), part.reason)).collect()
}

/// The most that a manifest asks for on databases by interfaces that an operator grants by naming some.
fn requested_right(manifest: &Manifest) -> Option<Right> {
    let requests = |interface: &str| manifest.capabilities.contains_key(interface);
    if requests("database-admin") {
        Some(Right::Admin)
    } else if requests("database-write") {
        Some(Right::Write)
    } else {
        OVER_DATABASES.into_iter().any(requests).then_some(Right::Read)
    }
}

/// What was decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// Rights on databases.
    pub databases: BTreeMap<String, String>,
    /// Other interfaces.
    pub capabilities: BTreeMap<String, Extent>,
    /// Hooks by event.
    pub hooks: BTreeMap<String, String>,
    decided: BTreeSet<String>,
}

impl Choices {
    /// What an earlier grant decided about what `before`, the manifest that it was given for, asks for.
    pub fn of_grant(grant: &Grant, before: &Manifest) -> Self {
        Self {
            databases: grant.databases.clone(),
            capabilities: grant.capabilities.clone(),
            hooks: grant.hooks.clone(),
            decided: asked(before).into_iter().map(|item| item.key).collect(),
        }
    }

    /// Takes one `--grant`: `DATABASE=RIGHT`, `INTERFACE`, `INTERFACE=EXTENT`, `hook:EVENT=MODE`.
    ///
    /// # Errors
    ///
    /// What the plugin does not ask for, and what makes no sense, in words.
    pub fn grant(&mut self, text: &str, manifest: &Manifest) -> Result<(), String> {
        let (key, value) = text.split_once('=').map_or((text.trim(), None), |(key, value)| (key.trim(), Some(value.trim())));
        let items = asked(manifest);
        if let Some(event) = key.strip_prefix(HOOK) {
            let mode = value.unwrap_or("audit");
            if items.iter().all(|item| item.key != key) {
                return Err(not_asked(text, &items));
            }
            parse_mode(mode).ok_or_else(|| format!("`--grant {text}`: modes are enforce, audit, off"))?;
            self.hooks.insert(event.into(), mode.into());
            self.decided.insert(key.into());
            return Ok(());
        }
        if key != DATABASES && items.iter().any(|item| item.key == key) {
            let extent = match (value, self.capabilities.get(key)) {
                (None, _) => Extent::Whole(true),
                // One option for each entry of a list.
                (Some(value), Some(Extent::Listed(listed))) => Extent::Listed(listed.iter().cloned().chain([value.into()]).collect()),
                (Some(value), Some(Extent::Amount(first))) => Extent::Listed(vec![first.clone(), value.into()]),
                (Some(value), _) if key == "http" => Extent::Listed(vec![value.into()]),
                (Some(value), _) => Extent::Amount(value.into()),
            };
            if let Some(problem) = problem(key, &extent) {
                return Err(format!("`--grant {text}`: {problem}"));
            }
            self.capabilities.insert(key.into(), extent);
            self.decided.insert(key.into());
            return Ok(());
        }
        let name = key.strip_prefix(DATABASE).unwrap_or(key);
        let (Some(_), Some(right)) = (DatabaseName::parse(name), value.and_then(parse_right)) else {
            return Err(not_asked(text, &items));
        };
        match requested_right(manifest) {
            Some(most) if right <= most => {}
            Some(most) => return Err(format!("`--grant {text}`: the plugin asks for `{}` at most", most.as_str())),
            None => return Err(not_asked(text, &items)),
        }
        self.databases.insert(name.into(), right.as_str().into());
        self.decided.insert(DATABASES.into());
        Ok(())
    }

    /// Takes one `--deny`: `databases`, a database, an interface, `hook:EVENT`.
    ///
    /// # Errors
    ///
    /// What the plugin does not ask for, in words.
    pub fn deny(&mut self, key: &str, manifest: &Manifest) -> Result<(), String> {
        let items = asked(manifest);
        let name = key.strip_prefix(DATABASE).unwrap_or(key);
        if items.iter().all(|item| item.key != key) {
            return match self.databases.remove(name) {
                Some(_) => Ok(()),
                None => Err(format!("`--deny {key}`: the plugin does not ask for it; it asks for {}", keys(&items))),
            };
        }
        if key == DATABASES {
            self.databases.clear();
        } else if let Some(event) = key.strip_prefix(HOOK) {
            self.hooks.insert(event.into(), "off".into());
        } else {
            self.capabilities.insert(key.into(), Extent::Whole(false));
        }
        self.decided.insert(key.into());
        Ok(())
    }

    /// What nothing was decided about yet.
    pub fn undecided(&self, manifest: &Manifest) -> Vec<Item> {
        asked(manifest).into_iter().filter(|item| !self.decided.contains(&item.key)).collect()
    }
}

fn keys(items: &[Item]) -> String {
    if items.is_empty() {
        return "nothing".into();
    }
    items.iter().map(|item| format!("`{}`", item.key)).collect::<Vec<_>>().join(", ")
}

fn not_asked(text: &str, items: &[Item]) -> String {
    format!("`--grant {text}`: the plugin asks for {}; a database is granted as NAME=read, NAME=write or NAME=admin", keys(items))
}

/// What is wrong with the extent of a grant, if anything.
fn problem(interface: &str, extent: &Extent) -> Option<&'static str> {
    let good = |parse: &dyn Fn(&str) -> bool| match extent {
        Extent::Whole(_) => false,
        Extent::Amount(text) => parse(text),
        Extent::Listed(listed) => listed.iter().all(|text| parse(text)),
    };
    match (interface, extent) {
        ("http", _) => (!good(&|text| HttpRule::parse(text).is_some()))
            .then_some("name where to, as in `--grant 'http=GET https://api.example.org/v1/*'`"),
        ("vault", _) => {
            (!good(&|text| vault(text).is_some())).then_some("name the vault, as in `--grant vault=exports` or `vault=exports:write`")
        }
        ("storage", Extent::Whole(_)) => None,
        ("storage", extent) => {
            (!matches!(extent, Extent::Amount(text) if bytes(text).is_some())).then_some("say how much, as in `storage=1 MiB`")
        }
        (_, Extent::Whole(_)) => None,
        (_, Extent::Amount(_) | Extent::Listed(_)) => Some("it is granted as a whole, without `=`"),
    }
}

/// A number of bytes.
fn bytes(text: &str) -> Option<u64> {
    text.parse::<bytesize::ByteSize>().ok().map(|size| size.as_u64())
}

/// `NAME` or `NAME:write`.
fn vault(text: &str) -> Option<(String, VaultRight)> {
    let (name, right) = match text.split_once(':') {
        Some((name, "write")) => (name, VaultRight::Write),
        Some((name, "read")) => (name, VaultRight::Read),
        Some(_) => return None,
        None => (text, VaultRight::Read),
    };
    is_name(name).then(|| (name.to_owned(), right))
}

impl Extent {
    /// Whether it gives anything.
    fn gives(&self) -> bool {
        match self {
            Self::Whole(given) => *given,
            Self::Amount(_) => true,
            Self::Listed(listed) => !listed.is_empty(),
        }
    }

    /// What is listed; an amount is a list of one.
    fn listed(&self) -> &[String] {
        match self {
            Self::Whole(_) => &[],
            Self::Amount(one) => std::slice::from_ref(one),
            Self::Listed(listed) => listed,
        }
    }
}

impl Grant {
    /// What a guest has by it. What makes no sense gives nothing.
    pub fn to_guest(&self) -> Grants {
        let given = || self.capabilities.iter().filter(|(_, extent)| extent.gives());
        let listed = |interface: &str| self.capabilities.get(interface).map(Extent::listed).unwrap_or_default();
        let quota = self.capabilities.get("storage").filter(|extent| extent.gives()).and_then(|extent| match extent {
            // All that is asked for.
            Extent::Whole(_) => Some(u64::MAX),
            Extent::Amount(text) => bytes(text),
            Extent::Listed(_) => None,
        });
        let allow = listed("http").iter().filter_map(|rule| HttpRule::parse(rule)).collect();
        Grants {
            elsewhere: None,
            databases: self.databases(),
            requested: None,
            storage: StorageRights { requested: None, granted: quota.map(|bytes| StorageQuota { bytes, shared: true }) },
            http: HttpRights { requested: Vec::new(), granted: HttpGrant { allow, private: Vec::new() } },
            vaults: VaultRights {
                requested: false,
                granted: listed("vault").iter().filter_map(|text| vault(text)).collect(),
                elsewhere: None,
            },
            interfaces: Some(given().map(|(interface, _)| interface.clone()).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest::parse(
            "schema = 1\n[plugin]\nid = \"one\"\nversion = \"0.1.0\"\ntitle = \"One\"\ndescription = \"One.\"\nhost-api = \"^0.1\"\n\
             [component]\nfile = \"one.wasm\"\n[capabilities]\ncatalog = { reason = \"Names.\" }\ndatabase-write = { reason = \"Fixes.\" }\n\
             changes = { reason = \"Tells.\" }\n[[hooks]]\nevent = \"before-query\"\nkind = \"validate\"\nreason = \"Guards.\"",
        )
        .unwrap()
    }

    #[test]
    fn everything_that_is_asked_for_has_to_be_decided() {
        let manifest = manifest();
        let mut choices = Choices::default();
        let left = |choices: &Choices| choices.undecided(&manifest).into_iter().map(|item| item.key).collect::<Vec<_>>();
        assert_eq!(left(&choices), ["databases", "changes", "hook:before-query"]);
        choices.grant("main=read", &manifest).unwrap();
        choices.deny("changes", &manifest).unwrap();
        choices.grant("hook:before-query=enforce", &manifest).unwrap();
        assert_eq!(left(&choices), Vec::<String>::new());
        assert_eq!(choices.databases["main"], "read");
        assert_eq!(choices.capabilities["changes"], Extent::Whole(false));
        assert_eq!(choices.hooks["before-query"], "enforce");
        let never: Vec<_> = asked(&manifest).into_iter().filter(|item| !item.by_yes).map(|item| item.key).collect();
        assert_eq!(never, ["databases"]);
    }

    #[test]
    fn nothing_is_granted_that_is_not_asked_for() {
        let manifest = manifest();
        let mut choices = Choices::default();
        for (text, part) in [
            ("main=admin", "`write` at most"),
            ("main=own", "NAME=read"),
            ("main", "NAME=read"),
            ("http=GET https://a.example/", "asks for"),
            ("hook:after-query=audit", "asks for"),
            ("hook:before-query=obey", "modes are"),
            ("../main=read", "NAME=read"),
        ] {
            let error = choices.grant(text, &manifest).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(choices.deny("storage", &manifest).is_err());
        assert_eq!(choices, Choices::default());
    }

    #[test]
    fn what_was_decided_before_stays_decided() {
        let before = manifest();
        let text = "[capabilities.cache]\nreason = \"Keeps.\"";
        let mut choices = Choices::default();
        choices.grant("main=read", &before).unwrap();
        let grant = Grant {
            plugin: "one".into(),
            publisher: None,
            request: crate::plugin::digest::Digest::of(b""),
            contract: crate::plugin::digest::Digest::of(b""),
            artifact: crate::plugin::digest::Digest::of(b""),
            bind: crate::plugin::grants_file::Bind::Request,
            approved: crate::plugin::grants_file::Approval { by: String::new(), at: String::new(), via: String::new() },
            databases: choices.databases.clone(),
            capabilities: [("changes".to_owned(), Extent::Whole(true)), ("cache".to_owned(), Extent::Whole(false))].into(),
            hooks: [].into(),
        };
        let mut after = before.clone();
        after
            .capabilities
            .insert("cache".into(), toml::from_str::<Manifest>(&format!("{}\n{text}", MINIMAL)).unwrap().capabilities["cache"].clone());
        let choices = Choices::of_grant(&grant, &before);
        let left: Vec<_> = choices.undecided(&after).into_iter().map(|item| item.key).collect();
        assert_eq!(left, ["cache"]);
        assert_eq!(grant.to_guest().interfaces, Some(["changes".to_owned()].into()));
    }

    const MINIMAL: &str = "schema = 1\n[plugin]\nid = \"one\"\nversion = \"0.1.0\"\ntitle = \"One\"\ndescription = \"One.\"\nhost-api = \"^0.1\"\n[component]\nfile = \"one.wasm\"";
}
