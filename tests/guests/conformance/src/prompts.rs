//! Prompts, and the completion of their arguments.

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::CompletionRequest;
use tidegate_plugin::Completions;
use tidegate_plugin::Content;
use tidegate_plugin::InputNeeded;
use tidegate_plugin::Message;
use tidegate_plugin::Prompt;
use tidegate_plugin::PromptResult;
use tidegate_plugin::Prompted;
use tidegate_plugin::ResourceContent;
use tidegate_plugin::Role;
use tidegate_plugin::Round;
use tidegate_plugin::Target;

use crate::contents;
use crate::rounds::field;
use crate::rounds::one_field;

/// What an argument may be completed to.
const CITIES: [&str; 5] = ["paris", "park", "party", "test", "testing"];

/// Completes arguments of the prompt that has some, and the id of the template.
pub(crate) fn complete(request: &CompletionRequest) -> Completions {
    match (&request.target, request.argument.as_str()) {
        (Target::Prompt(name), "arg1" | "arg2") if name == WithArguments::NAME => request.choose(CITIES.map(str::to_owned)),
        (Target::ResourceTemplate(_), "id") => request.choose(["123", "456"].map(str::to_owned)),
        _ => Completions::none(),
    }
}

/// A message of the user with this content.
fn user(content: Content) -> Message {
    Message { role: Role::User, content }
}

/// `test_simple_prompt`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Simple {}

impl Prompt for Simple {
    const NAME: &'static str = "test_simple_prompt";
    const DESCRIPTION: Option<&'static str> = Some("A prompt without arguments");

    fn get(self, _: &Round) -> PromptResult {
        Ok(Prompted::new(vec![Message::user("This is a simple prompt for testing.")]).into())
    }
}

/// `test_prompt_with_arguments`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct WithArguments {
    /// First test argument
    arg1: String,
    /// Second test argument
    arg2: String,
}

impl Prompt for WithArguments {
    const NAME: &'static str = "test_prompt_with_arguments";
    const DESCRIPTION: Option<&'static str> = Some("A prompt with two arguments");

    fn get(self, _: &Round) -> PromptResult {
        let text = format!("Prompt with arguments: arg1='{}', arg2='{}'", self.arg1, self.arg2);
        Ok(Prompted::new(vec![Message::user(text)]).into())
    }
}

/// `test_prompt_with_embedded_resource`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WithEmbeddedResource {
    /// URI of the resource to embed
    resource_uri: String,
}

impl Prompt for WithEmbeddedResource {
    const NAME: &'static str = "test_prompt_with_embedded_resource";
    const DESCRIPTION: Option<&'static str> = Some("A prompt with an embedded resource");

    fn get(self, _: &Round) -> PromptResult {
        let resource = ResourceContent::text(self.resource_uri, "text/plain", "Embedded resource content for testing.");
        let messages = vec![user(Content::Embedded(resource)), Message::user("Please process the embedded resource above.")];
        Ok(Prompted::new(messages).into())
    }
}

/// `test_prompt_with_image`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct WithImage {}

impl Prompt for WithImage {
    const NAME: &'static str = "test_prompt_with_image";
    const DESCRIPTION: Option<&'static str> = Some("A prompt with a picture");

    fn get(self, _: &Round) -> PromptResult {
        Ok(Prompted::new(vec![user(contents::pixel()), Message::user("Please analyze the image above.")]).into())
    }
}

/// `test_input_required_result_prompt`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct AsksFirst {}

impl Prompt for AsksFirst {
    const NAME: &'static str = "test_input_required_result_prompt";
    const DESCRIPTION: Option<&'static str> = Some("A prompt that asks the person first");

    fn get(self, round: &Round) -> PromptResult {
        Ok(match field(round, "user_context", "context") {
            Some(context) => Prompted::new(vec![Message::user(format!("Use this context: {context}"))]).into(),
            None => InputNeeded::new().form("user_context", "What context should the prompt use?", &one_field("context", "string")).into(),
        })
    }
}
