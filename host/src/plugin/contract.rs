//! The contract of a plugin: every text of it that a model reads before it calls anything.
//!
//! A name, a description or a schema is what makes a model call a tool, so a changed one is a changed plugin. The digest of all of
//! them is what an operator approves. Listed resources are not part of it: they are data, and may differ from database to database.

use serde_json::Value as Json;
use serde_json::json;

use super::digest::Digest;
use super::digest::canonical;
use super::manifest::Effect;
use super::manifest::Manifest;
use crate::runtime::answer::Annotations;
use crate::runtime::answer::Needs;
use crate::runtime::answer::PromptDefinition;
use crate::runtime::answer::ResourceDefinition;
use crate::runtime::answer::ToolDefinition;

/// Bytes of a contract that is kept as a file.
pub const CONTRACT_BYTES: usize = 8 << 20;

/// What a plugin offers, in the words that a model gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    tools: Vec<Json>,
    prompts: Vec<Json>,
    resources: Vec<Json>,
}

/// Why what a plugin offers is not what its manifest says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// Names.
    #[error("`provides.{list}` says {declared}, and the component offers {offered}")]
    Names {
        /// `tools`, `prompts` or `resources`.
        list: &'static str,
        /// As the manifest says.
        declared: String,
        /// What it is.
        offered: String,
    },
    /// Texts.
    #[error(
        "what the component says of its tools, prompts and resources has the digest `{offered}`, and `provides.contract-sha256` is `{declared}`"
    )]
    Digest {
        /// As the manifest says.
        declared: Digest,
        /// What it is.
        offered: Digest,
    },
    /// A tool does more than its manifest says.
    #[error("`tools.{tool}.effects` does not have `{effect}`, and the tool's annotations say otherwise")]
    Effect {
        /// Its name.
        tool: String,
        /// What the annotations say.
        effect: &'static str,
    },
    /// The manifest narrows a tool that is not there.
    #[error("`tools.{0}` is no tool of the component")]
    UnknownTool(String),
}

impl Contract {
    /// That of these definitions, as the component gives them.
    pub fn new(tools: &[ToolDefinition], prompts: &[PromptDefinition], templates: &[ResourceDefinition]) -> Self {
        let sorted = |mut list: Vec<Json>, key: &str| {
            list.sort_by(|one, other| one[key].as_str().cmp(&other[key].as_str()));
            list
        };
        Self {
            tools: sorted(tools.iter().map(tool).collect(), "name"),
            prompts: sorted(prompts.iter().map(prompt).collect(), "name"),
            resources: sorted(templates.iter().map(template).collect(), "uri"),
        }
    }

    /// Reads what [`to_text`](Self::to_text) wrote.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let json: Json = serde_json::from_slice(text).ok()?;
        let list = |name: &str| json.get(name)?.as_array().cloned();
        Some(Self { tools: list("tools")?, prompts: list("prompts")?, resources: list("resources")? })
    }

    /// Its canonical text, whose digest is [`digest`](Self::digest).
    pub fn to_text(&self) -> String {
        canonical(&self.to_json())
    }

    /// It as JSON.
    pub fn to_json(&self) -> Json {
        json!({ "tools": self.tools, "prompts": self.prompts, "resources": self.resources })
    }

    /// What it is pinned by.
    pub fn digest(&self) -> Digest {
        Digest::of_json(&self.to_json())
    }

    /// The names of its tools.
    pub fn tools(&self) -> Vec<&str> {
        names(&self.tools, "name")
    }

    /// The names of its prompts.
    pub fn prompts(&self) -> Vec<&str> {
        names(&self.prompts, "name")
    }

    /// The templates of its resources.
    pub fn resources(&self) -> Vec<&str> {
        names(&self.resources, "uri")
    }

    /// Checks that it is what the manifest says of it.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn check(&self, manifest: &Manifest) -> Result<(), ContractError> {
        let offered = self.tools();
        if let Some(unknown) = manifest.tools.keys().find(|tool| !offered.contains(&tool.as_str())) {
            return Err(ContractError::UnknownTool(unknown.clone()));
        }
        for tool in &self.tools {
            let name = tool["name"].as_str().unwrap_or_default();
            let Some(rights) = manifest.tools.get(name) else { continue };
            let says = |annotation: &str| tool["annotations"][annotation].as_bool() == Some(true);
            let does = [
                (!says("readOnlyHint") && rights.reads_only(), "write"),
                (!says("readOnlyHint") && says("destructiveHint") && rights.excludes(Effect::Destructive), "destructive"),
                (says("openWorldHint") && rights.excludes(Effect::OpenWorld), "open-world"),
            ];
            if let Some((_, effect)) = does.into_iter().find(|(wrong, _)| *wrong) {
                return Err(ContractError::Effect { tool: name.into(), effect });
            }
        }
        let Some(provides) = &manifest.provides else { return Ok(()) };
        let lists = [
            ("tools", &provides.tools, self.tools()),
            ("prompts", &provides.prompts, self.prompts()),
            ("resources", &provides.resources, self.resources()),
        ];
        for (list, declared, offered) in lists {
            if !declared.iter().eq(offered.iter().copied()) {
                let declared: Vec<&str> = declared.iter().map(String::as_str).collect();
                return Err(ContractError::Names { list, declared: quoted(&declared), offered: quoted(&offered) });
            }
        }
        match provides.contract_sha256 {
            Some(declared) if declared != self.digest() => Err(ContractError::Digest { declared, offered: self.digest() }),
            Some(_) | None => Ok(()),
        }
    }

    /// What changed from `old` to this one, a line each, for a person: `+` is new, `-` is gone.
    pub fn differences(&self, old: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let lists = [
            ("tool", "name", &old.tools, &self.tools),
            ("prompt", "name", &old.prompts, &self.prompts),
            ("resource", "uri", &old.resources, &self.resources),
        ];
        for (what, key, old, new) in lists {
            compare(what, key, old, new, &mut lines);
        }
        lines
    }
}

/// Writes down what differs between two lists whose entries are told apart by `key`.
fn compare(what: &str, key: &str, old: &[Json], new: &[Json], lines: &mut Vec<String>) {
    let find = |list: &[Json], name: &Json| list.iter().find(|entry| &entry[key] == name).cloned();
    for entry in old.iter().filter(|entry| find(new, &entry[key]).is_none()) {
        lines.push(format!("- {what} {}", entry[key]));
    }
    for entry in new {
        let Some(before) = find(old, &entry[key]) else {
            lines.push(format!("+ {what} {}", entry[key]));
            for (member, value) in entry.as_object().into_iter().flatten().filter(|(member, _)| *member != key) {
                lines.push(format!("+   {member}: {}", canonical(value)));
            }
            continue;
        };
        let members = |entry: &Json| entry.as_object().cloned().unwrap_or_default();
        let (before, after) = (members(&before), members(entry));
        if before == after {
            continue;
        }
        lines.push(format!("  {what} {}", entry[key]));
        let mut all: Vec<&String> = before.keys().chain(after.keys()).collect();
        all.sort();
        all.dedup();
        for member in all.into_iter().filter(|member| before.get(*member) != after.get(*member)) {
            for (sign, side) in [('-', &before), ('+', &after)] {
                if let Some(value) = side.get(member) {
                    lines.push(format!("{sign}   {member}: {}", canonical(value)));
                }
            }
        }
    }
}

fn names<'a>(list: &'a [Json], key: &str) -> Vec<&'a str> {
    list.iter().filter_map(|entry| entry[key].as_str()).collect()
}

/// Names in backticks, or `none`.
fn quoted(names: &[&str]) -> String {
    if names.is_empty() {
        return "none".into();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn tool(tool: &ToolDefinition) -> Json {
    // Every field by name, so that a new one is not forgotten here.
    let ToolDefinition { name, title, description, input_schema, output_schema, annotations, needs, meta } = tool;
    let Annotations { read_only, destructive, idempotent, open_world } = annotations;
    let needs = match needs {
        Needs::Nothing => "nothing",
        Needs::Read => "read",
        Needs::Write => "write",
    };
    json!({
        "name": name,
        "title": title,
        "description": description,
        "input": input_schema,
        "output": output_schema,
        "annotations": {
            "readOnlyHint": read_only,
            "destructiveHint": destructive,
            "idempotentHint": idempotent,
            "openWorldHint": open_world,
        },
        "needs": needs,
        "meta": meta,
    })
}

fn prompt(prompt: &PromptDefinition) -> Json {
    let PromptDefinition { name, title, description, arguments } = prompt;
    let arguments: Vec<Json> = arguments
        .iter()
        .map(|argument| json!({ "name": argument.name, "description": argument.description, "required": argument.required }))
        .collect();
    json!({ "name": name, "title": title, "description": description, "arguments": arguments })
}

fn template(template: &ResourceDefinition) -> Json {
    let ResourceDefinition { uri, name, title, description, mime_type } = template;
    json!({ "uri": uri, "name": name, "title": title, "description": description, "mime-type": mime_type })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(name: &str, description: &str) -> ToolDefinition {
        ToolDefinition {
            name: name.into(),
            title: None,
            description: description.into(),
            input_schema: serde_json::Map::new(),
            output_schema: None,
            annotations: Annotations { read_only: true, destructive: false, idempotent: true, open_world: false },
            needs: Needs::Read,
            meta: None,
        }
    }

    fn manifest(more: &str) -> Manifest {
        Manifest::parse(&format!(
            "schema = 1\n[plugin]\nid = \"one\"\nversion = \"0.1.0\"\ntitle = \"One\"\ndescription = \"One.\"\nhost-api = \"^0.1\"\n\
             [component]\nfile = \"one.wasm\"\n{more}"
        ))
        .unwrap()
    }

    #[test]
    fn any_text_that_a_model_reads_changes_the_digest_and_the_order_does_not() {
        let one = Contract::new(&[definition("a", "A."), definition("b", "B.")], &[], &[]);
        let turned = Contract::new(&[definition("b", "B."), definition("a", "A.")], &[], &[]);
        assert_eq!(one.digest(), turned.digest());
        let title = ToolDefinition { title: Some("A".into()), ..definition("a", "A.") };
        let annotations = Annotations { open_world: true, ..definition("a", "A.").annotations };
        let schema = serde_json::from_str(r#"{"type": "object"}"#).unwrap();
        for other in [
            definition("a", "A, and send it to me."),
            title,
            ToolDefinition { annotations, ..definition("a", "A.") },
            ToolDefinition { input_schema: schema, ..definition("a", "A.") },
        ] {
            assert_ne!(Contract::new(&[other.clone(), definition("b", "B.")], &[], &[]).digest(), one.digest(), "{other:?}");
        }
        assert_eq!(Contract::parse(one.to_text().as_bytes()), Some(one));
    }

    #[test]
    fn differences_are_told_member_by_member() {
        let old = Contract::new(&[definition("a", "A."), definition("b", "B.")], &[], &[]);
        let new = Contract::new(&[definition("a", "Other."), definition("c", "C.")], &[], &[]);
        let lines = new.differences(&old).join("\n");
        for part in ["- tool \"b\"", "  tool \"a\"\n-   description: \"A.\"\n+   description: \"Other.\"", "+ tool \"c\"\n"] {
            assert!(lines.contains(part), "{part}: {lines}");
        }
        assert!(!lines.contains("title: null\n  tool"), "{lines}");
        assert!(old.differences(&old).is_empty());
    }

    #[test]
    fn what_the_manifest_says_has_to_be_so() {
        let contract = Contract::new(&[definition("a", "A.")], &[], &[]);
        let check = |more: &str| contract.check(&manifest(more)).map_err(|error| error.to_string());
        assert_eq!(check(""), Ok(()));
        assert_eq!(check(&format!("[provides]\ntools = [\"a\"]\ncontract-sha256 = \"{}\"", contract.digest())), Ok(()));
        assert!(check("[provides]\ntools = [\"a\", \"b\"]").unwrap_err().contains("`a`, `b`"));
        assert!(check("[provides]").unwrap_err().contains("says none"));
        let other = Digest::of(b"other");
        assert!(check(&format!("[provides]\ntools = [\"a\"]\ncontract-sha256 = \"{other}\"")).unwrap_err().contains("contract-sha256"));
        assert!(check("[tools.b]\neffects = [\"read\"]").unwrap_err().contains("`tools.b`"));
    }

    #[test]
    fn a_tool_that_writes_cannot_be_declared_to_read() {
        let annotations = Annotations { read_only: false, destructive: true, idempotent: false, open_world: true };
        let contract = Contract::new(&[ToolDefinition { annotations, ..definition("a", "A.") }], &[], &[]);
        let check =
            |effects: &str| contract.check(&manifest(&format!("[tools.a]\neffects = {effects}"))).map_err(|error| error.to_string());
        assert!(check("[\"read\"]").unwrap_err().contains("`write`"));
        assert!(check("[\"write\", \"open-world\"]").unwrap_err().contains("`destructive`"));
        assert!(check("[\"write\", \"destructive\"]").unwrap_err().contains("`open-world`"));
        assert_eq!(check("[\"write\", \"destructive\", \"open-world\"]"), Ok(()));
    }
}
