//! Checks of what a plugin offers: names, texts that a model reads, schemas.

use jsonschema::error::ValidationErrorKind;
use serde_json::Map;
use serde_json::Value as Json;

use super::schema_work;
use crate::runtime::answer::CallError;
use crate::runtime::answer::PromptDefinition;
use crate::runtime::answer::ResourceDefinition;
use crate::runtime::answer::ToolDefinition;

/// Characters of a tool's name as clients read it (LLM interfaces take no more).
const NAME: usize = 64;

/// Tools of one plugin.
pub const TOOLS: usize = 64;

/// Characters of a description.
const DESCRIPTION: usize = 1_024;

/// Bytes of a schema.
const SCHEMA_BYTES: usize = 64 << 10;

/// Nested values of a schema.
const SCHEMA_DEPTH: usize = 16;

/// How a plugin's definitions are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefinitionRules {
    /// Put before the names of its tools and prompts; empty for first-party plugins.
    pub prefix: String,
    /// Whether arguments may be mirrored in HTTP headers (`x-mcp-header`). Clients that have not listed tools leave the
    /// header out and are refused then, so it is off unless the operator wants it.
    pub header_arguments: bool,
    /// Whether schemas go out as the plugin wrote them, rather than in the form that most clients understand.
    pub verbatim_schemas: bool,
}

/// What is wrong with something that a plugin offers.
#[derive(Debug, thiserror::Error)]
#[error("{what} `{name}`: {reason}")]
pub struct DefinitionError {
    what: &'static str,
    name: String,
    reason: String,
}

impl DefinitionError {
    fn new(what: &'static str, name: &str, reason: impl Into<String>) -> Self {
        let name = name.chars().map(|c| if c.is_control() || is_hidden(c) { ' ' } else { c }).take(80).collect();
        Self { what, name, reason: reason.into() }
    }
}

/// A tool that was checked, with what its arguments and its answers are checked by.
pub struct CheckedTool {
    /// The definition under the name that clients call.
    pub definition: ToolDefinition,
    /// The name in its plugin.
    pub local_name: String,
    arguments: jsonschema::Validator,
    output: Option<jsonschema::Validator>,
}

impl CheckedTool {
    /// Checks a definition and puts the prefix before its name.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn new(mut definition: ToolDefinition, rules: &DefinitionRules) -> Result<Self, DefinitionError> {
        let local_name = definition.name.clone();
        let wrong = |reason: String| DefinitionError::new("tool", &local_name, reason);
        definition.name = full_name("tool", &local_name, rules)?;
        if !is_plain_text(&definition.description, DESCRIPTION) {
            return Err(wrong(format!(
                "its description is empty, longer than {DESCRIPTION} characters, or has invisible or control characters"
            )));
        }
        if definition.title.as_ref().is_some_and(|title| !is_plain_text(title, 128)) {
            return Err(wrong("its title is empty, too long, or has invisible or control characters".into()));
        }
        definition.input_schema = checked_schema(definition.input_schema, rules).map_err(&wrong)?;
        if definition.meta.as_ref().is_some_and(|meta| meta.iter().any(|(name, value)| has_hidden(name) || hides_text(value))) {
            return Err(wrong("its meta has invisible or control characters".into()));
        }
        let root = definition.input_schema.get("type").and_then(Json::as_str);
        if root != Some("object") {
            return Err(wrong("its input schema is not that of an object".into()));
        }
        let output_schema = definition.output_schema.take().map(|schema| checked_schema(schema, rules)).transpose().map_err(&wrong)?;
        definition.output_schema = output_schema;
        let arguments = validator(&definition.input_schema).map_err(&wrong)?;
        let output = definition.output_schema.as_ref().map(validator).transpose().map_err(&wrong)?;
        Ok(Self { definition, local_name, arguments, output })
    }

    /// Checks arguments against the input schema.
    ///
    /// # Errors
    ///
    /// `InvalidArguments` with what is wrong and where, at most three things.
    pub fn check_arguments(&self, arguments: &Json) -> Result<(), CallError> {
        describe_errors(&self.arguments, arguments).map_or(Ok(()), |text| Err(CallError::InvalidArguments(text)))
    }

    /// What is wrong with a structured answer, if anything.
    pub fn output_error(&self, output: &Json) -> Option<String> {
        describe_errors(self.output.as_ref()?, output)
    }
}

/// Checks a prompt and puts the prefix before its name; the second is the name in its plugin.
///
/// # Errors
///
/// The first thing that is wrong with it.
pub fn checked_prompt(mut prompt: PromptDefinition, rules: &DefinitionRules) -> Result<(PromptDefinition, String), DefinitionError> {
    let local_name = prompt.name.clone();
    prompt.name = full_name("prompt", &local_name, rules)?;
    let texts = [&prompt.title, &prompt.description].into_iter().chain(prompt.arguments.iter().map(|it| &it.description));
    let names = prompt.arguments.iter().map(|it| &it.name);
    if texts.flatten().chain(names).any(|text| !is_plain_text(text, DESCRIPTION)) {
        return Err(DefinitionError::new(
            "prompt",
            &local_name,
            "one of its texts is empty, too long, or has invisible or control characters",
        ));
    }
    Ok((prompt, local_name))
}

/// Checks the texts of a resource or a template.
///
/// # Errors
///
/// The first thing that is wrong with it.
pub fn check_resource(resource: &ResourceDefinition) -> Result<(), DefinitionError> {
    let wrong = |reason: &str| Err(DefinitionError::new("resource", &resource.uri, reason));
    let lines = [Some(&resource.uri), Some(&resource.name), resource.title.as_ref(), resource.mime_type.as_ref()];
    if lines.into_iter().flatten().any(|text| !is_plain_text(text, DESCRIPTION) || text.contains('\n')) {
        return wrong("its URI, name, title or type is empty, too long, or has invisible or control characters");
    }
    if resource.description.as_ref().is_some_and(|text| !is_plain_text(text, DESCRIPTION)) {
        return wrong("its description is empty, too long, or has invisible or control characters");
    }
    Ok(())
}

fn has_hidden(text: &str) -> bool {
    text.chars().any(is_hidden)
}

/// Whether some text in a JSON value has what a person does not see.
fn hides_text(value: &Json) -> bool {
    match value {
        Json::String(text) => has_hidden(text),
        Json::Array(items) => items.iter().any(hides_text),
        Json::Object(members) => members.iter().any(|(name, value)| has_hidden(name) || hides_text(value)),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

/// Whether `text` has something in it, is not longer than `characters`, and shows a person all that a model reads.
pub fn is_plain_text(text: &str, characters: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= characters && !text.chars().any(is_hidden)
}

/// Control characters, and format characters that a person does not see: zero width, direction, tags (Unicode 16, category Cf).
pub fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn full_name(what: &'static str, name: &str, rules: &DefinitionRules) -> Result<String, DefinitionError> {
    let full = format!("{}{name}", rules.prefix);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || full.len() > NAME || !full.chars().all(allowed) {
        return Err(DefinitionError::new(
            what,
            name,
            format!("its name as clients read it, `{full}`, must be 1 to {NAME} letters, digits, `_`, `-` or `.`"),
        ));
    }
    Ok(full)
}

/// Checks a schema's size, depth and references, and puts it into the form that most clients understand.
fn checked_schema(schema: Map<String, Json>, rules: &DefinitionRules) -> Result<Map<String, Json>, String> {
    let mut schema = Json::Object(schema);
    let bytes = schema.to_string().len();
    if bytes > SCHEMA_BYTES {
        return Err(format!("a schema of it has {bytes} bytes, and {SCHEMA_BYTES} are allowed"));
    }
    check_node(&schema, SCHEMA_DEPTH, rules)?;
    if hides_text(&schema) {
        return Err("a schema of it has invisible or control characters".into());
    }
    schema_work::check(&schema)?;
    if !rules.verbatim_schemas {
        normalise(&mut schema);
    }
    match schema {
        Json::Object(schema) => Ok(schema),
        _ => Err("a schema of it is not an object".into()),
    }
}

fn check_node(node: &Json, depth: usize, rules: &DefinitionRules) -> Result<(), String> {
    if depth == 0 {
        return Err(format!("a schema of it nests deeper than {SCHEMA_DEPTH}"));
    }
    match node {
        Json::Object(members) => {
            if let Some(target) = members.get("$ref").and_then(Json::as_str)
                && !target.starts_with('#')
            {
                return Err("a schema of it refers to another document; only `#…` references are followed".into());
            }
            if members.contains_key("x-mcp-header") && !rules.header_arguments {
                return Err("a schema of it has `x-mcp-header`; the operator can allow that with `header_arguments = true`".into());
            }
            members.values().try_for_each(|member| check_node(member, depth - 1, rules))
        }
        Json::Array(items) => items.iter().try_for_each(|item| check_node(item, depth - 1, rules)),
        _ => Ok(()),
    }
}

/// Takes out what breaks clients: unions with null, and words about the schema itself.
fn normalise(node: &mut Json) {
    match node {
        Json::Object(members) => {
            members.remove("$schema");
            members.remove("nullable");
            if let Some(Json::Array(types)) = members.get("type") {
                let mut others: Vec<Json> = types.iter().filter(|name| *name != "null").cloned().collect();
                if others.len() == 1 {
                    members.insert("type".into(), others.remove(0));
                }
            }
            members.values_mut().for_each(normalise);
        }
        Json::Array(items) => items.iter_mut().for_each(normalise),
        _ => {}
    }
}

/// Patterns are those that are matched in linear time: no backward references, no looking around.
fn validator(schema: &Map<String, Json>) -> Result<jsonschema::Validator, String> {
    let options = jsonschema::options().with_pattern_options(jsonschema::PatternOptions::regex());
    options.build(&Json::Object(schema.clone())).map_err(|error| format!("a schema of it is not valid JSON Schema: {error}"))
}

/// The first three errors of `value`, each with its place.
fn describe_errors(validator: &jsonschema::Validator, value: &Json) -> Option<String> {
    if validator.is_valid(value) {
        return None;
    }
    let errors: Vec<String> = validator
        .iter_errors(value)
        .take(3)
        .map(|error| {
            let place = error.instance_path().to_string();
            let text = match error.kind() {
                // All of the choices: the crate shows two of them.
                ValidationErrorKind::Enum { options } => format!("{} is not one of {options}", error.instance()),
                _ => error.to_string(),
            };
            let text: String = text.chars().take(300).collect();
            if place.is_empty() { text } else { format!("`{}`: {text}", place.trim_start_matches('/')) }
        })
        .collect();
    Some(errors.join("; "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runtime::answer::Annotations;
    use crate::runtime::answer::Needs;

    fn tool(name: &str, description: &str, schema: Json) -> ToolDefinition {
        let Json::Object(input_schema) = schema else { panic!("an object") };
        let annotations = Annotations { read_only: true, destructive: false, idempotent: true, open_world: false };
        ToolDefinition {
            name: name.into(),
            title: None,
            description: description.into(),
            input_schema,
            output_schema: None,
            annotations,
            needs: Needs::Nothing,
            meta: None,
        }
    }

    fn refusal(definition: ToolDefinition) -> String {
        CheckedTool::new(definition, &DefinitionRules::default()).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_a_client_or_a_model_must_not_get_is_refused() {
        let object = || json!({"type": "object"});
        let mut deep = json!({"type": "string"});
        for _ in 0..20 {
            deep = json!({"type": "object", "properties": {"a": deep}});
        }
        let cases = [
            (tool("a b", "x", object()), "its name"),
            (tool(&"a".repeat(65), "x", object()), "its name"),
            (tool("a", "", object()), "its description"),
            (tool("a", "hidden \u{e0041}", object()), "its description"),
            (tool("a", "x", json!({"type": "array"})), "not that of an object"),
            (tool("a", "x", json!({"type": "object", "properties": {"a": {"$ref": "https://example.org/a"}}})), "another document"),
            (tool("a", "x", json!({"type": "object", "properties": {"a": {"type": "string", "x-mcp-header": "A"}}})), "x-mcp-header"),
            (tool("a", "x", json!({"type": "object", "properties": 5})), "not valid JSON Schema"),
            (tool("a", "x", deep), "nests deeper"),
            (tool("a", "x", json!({"type": "object", "$ref": "#"})), "refers to itself without end"),
            (tool("a", "x", json!({"type": "object", "properties": {"a": {"description": "see\u{200b}"}}})), "invisible"),
            (tool("a", "x", json!({"type": "object", "properties": {"a\u{202e}": {}}})), "invisible"),
            (tool("a", "x", json!({"type": "object", "properties": {"a": {"pattern": "^(?=(a+)+$)b"}}})), "not valid JSON Schema"),
            (
                tool("a", "x", json!({"type": "object", "properties": {"a": {"pattern": "((a{1000}){1000}){1000}"}}})),
                "not valid JSON Schema",
            ),
            (tool("a", "x", json!({"type": "object", "description": "x".repeat(70_000)})), "bytes"),
        ];
        for (definition, expected) in cases {
            let name = definition.name.clone();
            let text = refusal(definition);
            assert!(text.contains(expected), "{name}: {text:?} should tell of {expected:?}");
        }
    }

    #[test]
    fn unions_with_null_are_flattened_unless_schemas_are_verbatim() {
        let schema = json!({"type": "object", "$schema": "x:y", "properties": {"a": {"type": ["string", "null"]}}});
        let normal = CheckedTool::new(tool("a", "x", schema), &DefinitionRules::default()).map_err(|e| e.to_string()).unwrap();
        assert_eq!(Json::Object(normal.definition.input_schema), json!({"type": "object", "properties": {"a": {"type": "string"}}}));
    }

    #[test]
    fn wrong_arguments_are_named_with_their_place() {
        let schema =
            json!({"type": "object", "properties": {"limit": {"type": "integer"}}, "required": ["sql"], "additionalProperties": false});
        let tool = CheckedTool::new(tool("a", "x", schema), &DefinitionRules::default()).map_err(|e| e.to_string()).unwrap();
        let error = tool.check_arguments(&json!({"limit": "ten"})).unwrap_err().to_string();
        assert!(error.contains("`limit`: \"ten\" is not of type \"integer\""), "{error}");
        assert!(error.contains("\"sql\" is a required property"), "{error}");
    }
}
