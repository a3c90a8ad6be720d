//! Tools that ask once, in words that clients of every protocol version understand.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::InputNeeded;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolResult;

use crate::tools;

/// The name of the one question that each of these tools asks.
const QUESTION: &str = "question";

/// Parameters of `sampling/createMessage` for one message of the user.
pub(crate) fn sampling(text: &str, max_tokens: u32) -> Value {
    json!({ "messages": [{ "role": "user", "content": { "type": "text", "text": text } }], "maxTokens": max_tokens })
}

/// The text of a sampled message; none when it is not one.
pub(crate) fn sampled(round: &Round, name: &str) -> Option<String> {
    Some(round.answer(name)?.get("content")?.get("text")?.as_str()?.to_owned())
}

/// The answer to a form in words, `None` when the form is still to be shown.
fn told(round: &Round) -> Option<(String, Value)> {
    round.form(QUESTION)?;
    let answer = round.answer(QUESTION)?;
    let content = answer.get("content").cloned().unwrap_or_else(|| json!({}));
    Some((answer.get("action")?.as_str()?.to_owned(), content))
}

/// Shows a form once, then says how that went.
fn show(round: &Round, message: &str, schema: &Value, say: impl FnOnce(&str, &Value) -> String) -> ToolResult {
    Ok(match told(round) {
        Some((action, content)) => Content::text(say(&action, &content)).into(),
        None => InputNeeded::new().form(QUESTION, message, schema).into(),
    })
}

fn completed(action: &str, content: &Value) -> String {
    format!("Elicitation completed: action={action}, content={content}")
}

/// Arguments of `test_sampling`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Sampling {
    /// What to say to the client's model.
    prompt: String,
}

impl Tool for Sampling {
    const NAME: &'static str = "test_sampling";
    const DESCRIPTION: &'static str = "Runs the client's model.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Nothing;

    fn call(self, round: &Round) -> ToolResult {
        Ok(match sampled(round, QUESTION) {
            Some(text) => Content::text(format!("LLM response: {text}")).into(),
            None => InputNeeded::new().sampling(QUESTION, &sampling(&self.prompt, 100)).into(),
        })
    }
}

/// Arguments of `test_elicitation`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Elicitation {
    /// What to say to the person.
    message: String,
}

impl Tool for Elicitation {
    const NAME: &'static str = "test_elicitation";
    const DESCRIPTION: &'static str = "Shows a form.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Nothing;

    fn call(self, round: &Round) -> ToolResult {
        let schema = json!({
            "type": "object",
            "properties": {
                "username": { "type": "string", "description": "User's response" },
                "email": { "type": "string", "description": "User's email address" },
            },
            "required": ["username", "email"],
        });
        show(round, &self.message, &schema, |action, content| format!("User response: action={action}, content={content}"))
    }
}

tools! {
    ElicitationDefaults "test_elicitation_sep1034_defaults" "Shows a form whose fields have defaults." |round| {
        let schema = json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "description": "User name", "default": "John Doe" },
                "age": { "type": "integer", "description": "User age", "default": 30 },
                "score": { "type": "number", "description": "User score", "default": 95.5 },
                "status": { "type": "string", "description": "User status", "enum": ["active", "inactive", "pending"], "default": "active" },
                "verified": { "type": "boolean", "description": "Verification status", "default": true },
            },
            "required": [],
        });
        show(round, "Please review and update the form fields with defaults", &schema, completed)
    }

    ElicitationEnums "test_elicitation_sep1330_enums" "Shows a form with every kind of choice." |round| {
        let titled = |word: &str| -> Value {
            let title = |(number, name): (usize, &str)| json!({ "const": format!("value{}", number + 1), "title": format!("{name} {word}") });
            ["First", "Second", "Third"].into_iter().enumerate().map(title).collect()
        };
        let options = json!(["option1", "option2", "option3"]);
        let schema = json!({
            "type": "object",
            "properties": {
                "untitledSingle": { "type": "string", "description": "Select one option", "enum": options },
                "titledSingle": { "type": "string", "description": "Select one option with titles", "oneOf": titled("Option") },
                "legacyEnum": {
                    "type": "string",
                    "description": "Select one option (legacy)",
                    "enum": ["opt1", "opt2", "opt3"],
                    "enumNames": ["Option One", "Option Two", "Option Three"],
                },
                "untitledMulti": {
                    "type": "array",
                    "description": "Select multiple options",
                    "minItems": 1,
                    "maxItems": 3,
                    "items": { "type": "string", "enum": options },
                },
                "titledMulti": {
                    "type": "array",
                    "description": "Select multiple options with titles",
                    "minItems": 1,
                    "maxItems": 3,
                    "items": { "anyOf": titled("Choice") },
                },
            },
            "required": [],
        });
        show(round, "Please select options from the enum fields", &schema, completed)
    }

    StreamingElicitation "test_streaming_elicitation" "Shows a form, on whatever stream the call has." |round| {
        let schema = json!({ "type": "object", "properties": { "answer": { "type": "string" } }, "required": ["answer"] });
        show(round, "What is your answer?", &schema, completed)
    }

    MissingCapability "test_missing_capability" "Needs the client's model, whether the client offers it or not." |round| {
        Ok(match sampled(round, QUESTION) {
            Some(text) => Content::text(text).into(),
            None => InputNeeded::new().sampling(QUESTION, &sampling("Say hello.", 10)).into(),
        })
    }
}
