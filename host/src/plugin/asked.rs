//! What a manifest asks for, as one value that is shown to a person and that an approval is bound to.
//!
//! It is read from the text of the manifest and not from its checked form, so that whatever a manifest can ask for is in it,
//! also what is added later.

use serde_json::Map;
use serde_json::Value as Json;

use super::digest::Digest;
use super::digest::canonical;

/// The tables of a manifest that ask for something.
const TABLES: [&str; 6] = ["capabilities", "hooks", "jobs", "limits", "secrets", "tools"];

/// What a manifest asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked(Map<String, Json>);

impl Asked {
    /// That of the text of a manifest; `None` when it is no TOML.
    pub fn of(manifest: &str) -> Option<Self> {
        let table: toml::Table = manifest.parse().ok()?;
        let mut asked = Map::new();
        for name in TABLES {
            if let Some(value) = table.get(name) {
                let value = serde_json::to_value(value).ok()?;
                // An empty table asks for nothing.
                if value.as_object().is_none_or(|members| !members.is_empty()) && value.as_array().is_none_or(|items| !items.is_empty()) {
                    asked.insert(name.into(), value);
                }
            }
        }
        Some(Self(asked))
    }

    /// What it is pinned by.
    pub fn digest(&self) -> Digest {
        Digest::of_json(&Json::Object(self.0.clone()))
    }

    /// It as JSON.
    pub fn to_json(&self) -> Json {
        Json::Object(self.0.clone())
    }

    /// What changed from `old` to this one, a line each, for a person: `+` is asked for now, `-` no longer.
    pub fn differences(&self, old: &Self) -> Vec<String> {
        let (before, after) = (old.lines(), self.lines());
        let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("- {line}"));
        let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}"));
        gone.chain(new).collect()
    }

    /// Each thing that is asked for, as a line.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (table, value) in &self.0 {
            match value {
                Json::Object(members) => lines.extend(members.iter().map(|(name, value)| format!("{table}.{name} = {}", canonical(value)))),
                Json::Array(items) => lines.extend(items.iter().map(|item| format!("{table} {}", canonical(item)))),
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => lines.push(format!("{table} = {}", canonical(value))),
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
        schema = 1
        [plugin]
        id = "one"
        [capabilities.catalog]
        reason = "Names."
        [[hooks]]
        event = "before-query"
        kind = "validate"
        reason = "Guards."
    "#;

    #[test]
    fn what_is_asked_for_changes_the_digest_and_the_rest_does_not() {
        let request = Asked::of(MANIFEST).unwrap();
        let same = [MANIFEST.replace("\"one\"", "\"two\""), format!("{MANIFEST}\n[limits]\n"), MANIFEST.replace("        ", "")];
        assert!(same.iter().all(|text| Asked::of(text).unwrap().digest() == request.digest()));
        let others = [
            format!("{MANIFEST}\n[capabilities.database-write]\nreason = \"More.\""),
            MANIFEST.replace("Names.", "Other names."),
            MANIFEST.replace("validate", "mutate"),
            format!("{MANIFEST}\n[limits]\nmemory = \"64 MiB\""),
            format!("{MANIFEST}\n[secrets.key]\nrequired = true"),
        ];
        assert!(others.iter().all(|text| Asked::of(text).unwrap().digest() != request.digest()));
        assert_eq!(Asked::of("not toml"), None);
    }

    #[test]
    fn differences_are_told() {
        let old = Asked::of(MANIFEST).unwrap();
        let new = Asked::of(&MANIFEST.replace("validate", "mutate").replace("catalog", "database-read")).unwrap();
        let lines = new.differences(&old).join("\n");
        assert!(lines.contains(r#"- capabilities.catalog = {"reason":"Names."}"#), "{lines}");
        assert!(lines.contains(r#"+ capabilities.database-read = {"reason":"Names."}"#), "{lines}");
        assert!(lines.contains(r#"+ hooks {"event":"before-query","kind":"mutate","reason":"Guards."}"#), "{lines}");
    }
}
