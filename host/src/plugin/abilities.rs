//! What a plugin can and cannot do, in plain words, derived from what its component imports and exports and from nothing that it
//! says about itself.

use std::collections::BTreeSet;

use super::interfaces::Interfaces;

/// An interface, and what having it and not having it means.
const ABILITIES: [(&str, &str, &str); 15] = [
    ("catalog", "see the names and structure of databases that it is granted", "see which databases and tables there are"),
    ("database-read", "read rows of databases that it is granted", "read any row"),
    ("database-write", "change rows of databases that it is granted to write", "change any row"),
    (
        "database-admin",
        "change tables, roles and settings of databases that it is granted to administer",
        "change any table, role or setting",
    ),
    ("transaction", "hold transactions open between calls", "hold transactions open"),
    ("cache", "answer with rows that the host keeps, and forget them", "use or empty the cache of results"),
    ("cache-bytes", "keep bytes of its own for a while", "keep bytes for a while"),
    ("storage", "keep data of its own between calls", "keep anything between calls"),
    ("secret", "use secrets that the operator named for it", "use any secret"),
    ("secret-reveal", "read the text of secrets that the operator named for it", "read the text of any secret"),
    ("http", "send requests over the network to hosts that it is granted", "reach the network"),
    ("vault", "read and write files in stores that it is granted", "read or write backups"),
    ("metric", "count and measure what it does", "report metrics"),
    ("changes", "tell clients that its tools, resources or prompts changed", "tell clients that its lists changed"),
    ("plugins", "see which plugins are installed and how they fare", "see other plugins"),
];

/// An interface that the host calls, and what having it and not having it means.
const ENTRANCES: [(&str, &str, &str); 3] = [
    (
        "query-hooks",
        "see, refuse or change statements of others and their rows, as far as its hooks declare",
        "see statements of others or their rows",
    ),
    ("call-hooks", "see, refuse or change calls of other plugins' tools, as far as its hooks declare", "see calls of other plugins' tools"),
    ("jobs", "run on a schedule, without anybody calling it", "run unless it is called"),
];

/// What holds for every plugin, whatever it imports.
const NEVER: [&str; 3] = [
    "open files, sockets, other programs or environment variables: no plugin is given them",
    "see a password or address of a database: it names a database, and the host connects",
    "remember one caller's data for another: every call is a new instance",
];

/// What a plugin can and cannot do, a phrase each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// What it can do, once it is granted.
    pub can: Vec<String>,
    /// What it cannot do, whatever it is granted.
    pub cannot: Vec<String>,
}

impl Abilities {
    /// Those that follow from these interfaces.
    pub fn of(interfaces: &Interfaces) -> Self {
        let imports: BTreeSet<&str> = interfaces.usable_rights().into_iter().collect();
        let exports = interfaces.contract_exports();
        let (mut can, mut cannot) = (Vec::new(), Vec::new());
        let lists = ABILITIES.iter().map(|ability| (ability, &imports)).chain(ENTRANCES.iter().map(|ability| (ability, &exports)));
        for ((interface, able, unable), there) in lists {
            if there.contains(interface) { can.push((*able).to_owned()) } else { cannot.push((*unable).to_owned()) }
        }
        let unknown = imports.iter().filter(|import| ABILITIES.iter().all(|(interface, ..)| interface != *import));
        can.extend(unknown.map(|import| format!("use `{import}`")));
        cannot.extend(NEVER.map(str::to_owned));
        Self { can, cannot }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: &str) -> Abilities {
        let plugin = tidegate_bundle::PLUGINS.iter().find(|plugin| plugin.id == id).unwrap();
        Abilities::of(&Interfaces::read(plugin.component).unwrap())
    }

    #[test]
    fn they_follow_from_imports_and_exports() {
        let schema = of("schema");
        assert!(schema.can.iter().any(|can| can.starts_with("see the names")), "{schema:?}");
        for cannot in ["change any row", "reach the network", "see statements of others or their rows"] {
            assert!(schema.cannot.iter().any(|told| told == cannot), "{cannot}: {schema:?}");
        }
        assert!(of("query").can.iter().any(|can| can.starts_with("change rows")));
        assert!(of("cache").can.iter().any(|can| can.contains("statements of others")));
    }

    #[test]
    fn every_right_of_the_contract_has_words_for_it() {
        for right in crate::plugin::manifest::RIGHTS {
            assert!(ABILITIES.iter().any(|(interface, ..)| *interface == right), "`{right}` has no words");
        }
    }
}
