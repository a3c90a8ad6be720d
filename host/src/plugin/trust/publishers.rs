//! `publishers.toml`: which key an operator trusts for which plugins.

use serde::Deserialize;
use serde::Serialize;

use super::PublicKey;
use super::rotation::Rotation;

/// How a key came to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// The first plugin of its scope was signed by it, and a person agreed.
    FirstUse,
    /// The operator named it.
    Operator,
    /// A trusted index vouched for it.
    Index,
    /// The key before it passed its scope on.
    Rotation,
}

/// A key and what it is trusted for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publisher {
    /// `namespace/*`, or the id of a plugin that has no namespace.
    pub scope: String,
    /// The key.
    pub key: PublicKey,
    /// Since when, in UTC.
    pub since: String,
    /// How it came to be trusted.
    pub via: Via,
}

/// The trusted keys, one for each scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publishers {
    version: u32,
    #[serde(default, rename = "publisher", skip_serializing_if = "Vec::is_empty")]
    entries: Vec<Publisher>,
}

impl Default for Publishers {
    fn default() -> Self {
        Self { version: 1, entries: Vec::new() }
    }
}

/// What a key is to an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is the trusted one.
    Trusted,
    /// The trusted one says that it is its successor.
    Successor,
    /// No key is trusted for the scope yet.
    Unknown,
    /// Another key is trusted for the scope.
    Other(PublicKey),
}

impl Publishers {
    /// Reads the text of the file.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let publishers: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        if publishers.version != 1 {
            return Err(format!("`version` is {}, and this host reads 1", publishers.version));
        }
        let mut scopes: Vec<&str> = publishers.entries.iter().map(|entry| entry.scope.as_str()).collect();
        scopes.sort_unstable();
        match scopes.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("`{}` has two keys", pair[0])),
            None => Ok(publishers),
        }
    }

    /// The text of the file.
    ///
    /// # Errors
    ///
    /// What cannot be written, in words.
    pub fn to_text(&self) -> Result<String, String> {
        toml::to_string(self).map_err(|error| error.to_string())
    }

    /// The entry of a scope.
    pub fn find(&self, scope: &str) -> Option<&Publisher> {
        self.entries.iter().find(|entry| entry.scope == scope)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Publisher> {
        self.entries.iter()
    }

    /// What `key` is for `scope`, with what a statement of the trusted key says about it.
    pub fn standing(&self, scope: &str, key: &PublicKey, rotation: Option<&Rotation>) -> Standing {
        match self.find(scope) {
            None => Standing::Unknown,
            Some(entry) if entry.key == *key => Standing::Trusted,
            Some(entry) if rotation.is_some_and(|rotation| rotation.passes(scope, &entry.key, key)) => Standing::Successor,
            Some(entry) => Standing::Other(entry.key.clone()),
        }
    }

    /// Trusts a key in place of the one that its scope had.
    pub fn trust(&mut self, publisher: Publisher) {
        self.entries.retain(|entry| entry.scope != publisher.scope);
        self.entries.push(publisher);
        self.entries.sort_by(|one, other| one.scope.cmp(&other.scope));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::trust::KeyPair;
    use crate::plugin::trust::SigningKey;

    fn publisher(scope: &str, key: &PublicKey) -> Publisher {
        Publisher { scope: scope.into(), key: key.clone(), since: "2026-01-02T03:04:05Z".into(), via: Via::FirstUse }
    }

    #[test]
    fn a_key_is_trusted_for_its_scope_and_no_other() {
        let [one, other] = [KeyPair::generate(None).unwrap(), KeyPair::generate(None).unwrap()];
        let mut publishers = Publishers::default();
        assert_eq!(publishers.standing("a/*", &one.public, None), Standing::Unknown);
        publishers.trust(publisher("a/*", &one.public));
        assert_eq!(publishers.standing("a/*", &one.public, None), Standing::Trusted);
        assert_eq!(publishers.standing("a/*", &other.public, None), Standing::Other(one.public.clone()));
        assert_eq!(publishers.standing("b/*", &one.public, None), Standing::Unknown);
        // A plugin that is called as a namespace is not in it.
        assert_eq!(publishers.standing("a", &one.public, None), Standing::Unknown);
        let old = SigningKey::open(&one.secret_file, None).unwrap();
        let (text, signature) = Rotation::write("a/*", &old, &other.public).unwrap();
        let rotation = Rotation::read(text.as_bytes(), signature.as_bytes()).unwrap();
        assert_eq!(publishers.standing("a/*", &other.public, Some(&rotation)), Standing::Successor);
        assert_eq!(publishers.standing("b/*", &other.public, Some(&rotation)), Standing::Unknown);
    }

    #[test]
    fn the_file_is_read_as_it_is_written_and_what_is_wrong_is_told() {
        let key = KeyPair::generate(None).unwrap().public;
        let mut publishers = Publishers::default();
        publishers.trust(publisher("b/*", &key));
        publishers.trust(publisher("a", &key));
        publishers.trust(publisher("b/*", &key));
        let text = publishers.to_text().unwrap();
        assert_eq!(Publishers::parse(&text).unwrap(), publishers);
        assert_eq!(publishers.iter().count(), 2);
        for wrong in
            ["", "version = 2", "version = 1\nmore = 1", "version = 1\n[[publisher]]\nscope = \"a\"", &text.replace(&key.to_string(), "RW")]
        {
            assert!(Publishers::parse(wrong).is_err(), "{wrong}");
        }
        let twice = format!("{text}\n{}", text.replace("version = 1\n", ""));
        assert!(Publishers::parse(&twice).unwrap_err().contains("two keys"));
    }
}
