//! The names of keys on the server, and the tokens under them.

use std::time::Duration;

use redis::Pipeline;

use crate::cache::digest::Digest;
use crate::config::DatabaseName;

use super::to_ms;
use super::unsent::Scope;

/// The version of what lies on the server, a part of every key: replicas of different versions share nothing.
const FORMAT: u32 = 1;

/// How long a token stays that nobody replaces. One that went is a miss, not a danger.
pub(super) const TOKEN_TTL: Duration = Duration::from_hours(7 * 24);

/// The names of keys.
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    /// The keys of replicas with this prefix.
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: format!("{prefix}:{FORMAT}") }
    }

    /// The token that stands for every table of every database.
    pub(super) fn everything(&self) -> String {
        format!("{}:all", self.prefix)
    }

    /// The token that stands for every table of a database.
    pub(super) fn database(&self, database: &DatabaseName) -> String {
        format!("{}:database:{database}", self.prefix)
    }

    /// The token of a table. A database's name has no colon, so that no table's name makes it another's.
    pub(super) fn table(&self, database: &DatabaseName, table: &str) -> String {
        format!("{}:table:{database}:{table}", self.prefix)
    }

    /// An entry.
    pub(super) fn entry(&self, digest: &Digest) -> String {
        format!("{}:entry:{digest}", self.prefix)
    }

    /// The pattern of every entry's key. The prefix has no character that means something in it.
    pub(super) fn every_entry(&self) -> String {
        format!("{}:entry:*", self.prefix)
    }

    /// The digest of an entry's key.
    pub(super) fn parse_entry(&self, key: &str) -> Option<Digest> {
        Digest::parse(key.strip_prefix(&self.prefix)?.strip_prefix(":entry:")?)
    }

    /// The token of a scope.
    pub(super) fn scope(&self, scope: &Scope) -> String {
        scope.as_ref().map_or_else(|| self.everything(), |database| self.database(database))
    }
}

/// Gives each key a new token.
pub(super) fn replace_tokens(keys: &[String]) -> Pipeline {
    let mut replace = redis::pipe();
    for key in keys {
        replace.cmd("SET").arg(key).arg(&random_token()).arg("PX").arg(to_ms(TOKEN_TTL)).ignore();
    }
    replace
}

/// A token that nobody has had before.
pub(super) fn random_token() -> [u8; 16] {
    let mut token = [0; 16];
    getrandom::fill(&mut token).expect("the system gives random bytes");
    token
}
