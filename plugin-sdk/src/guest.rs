//! The border of the component: types of the SDK to and from those of the contract, for guests only.

use crate::bindings::completion::exports::tidegate::plugin::completion;
use crate::bindings::prompts::exports::tidegate::plugin::prompts;
use crate::bindings::resources::exports::tidegate::plugin::resources;
use crate::bindings::shared::tidegate::plugin::content as wire;
use crate::bindings::tools::exports::tidegate::plugin::tools;
use crate::content::Content;
use crate::export::Completes;
use crate::export::Prompts;
use crate::export::Resources;
use crate::export::Tools;
use crate::outcome::Outcome;
use crate::prompt;
use crate::resource;
use crate::tool;

impl<P: Tools> tools::Guest for P {
    fn list_tools() -> Vec<tools::Definition> {
        P::TOOLS.iter().map(tool::ToolEntry::definition).collect()
    }

    fn call_tool(call: tools::Call) -> Result<tools::Outcome, tools::Error> {
        let outcome = tool::dispatch(P::TOOLS, &call.name, &call.arguments, &call.round)?;
        Ok(match outcome {
            Outcome::Complete(contents) => tools::Outcome::Complete(contents.into_iter().map(Content::into_wire).collect()),
            Outcome::NeedInput(needed) => tools::Outcome::NeedInput(needed),
        })
    }
}

impl<P: Resources> resources::Guest for P {
    fn list_resources() -> Vec<resources::Definition> {
        P::RESOURCES.iter().filter(|entry| !entry.is_template()).map(resource::ResourceEntry::definition).collect()
    }

    fn list_templates() -> Vec<resources::Definition> {
        P::RESOURCES.iter().filter(|entry| entry.is_template()).map(resource::ResourceEntry::definition).collect()
    }

    fn read_resource(request: resources::Request) -> Result<resources::Outcome, resources::Error> {
        let outcome = resource::dispatch(P::RESOURCES, &request.uri, &request.round)?;
        Ok(match outcome {
            Outcome::Complete(contents) => resources::Outcome::Complete(contents),
            Outcome::NeedInput(needed) => resources::Outcome::NeedInput(needed),
        })
    }
}

impl<P: Prompts> prompts::Guest for P {
    fn list_prompts() -> Vec<prompts::Definition> {
        P::PROMPTS.iter().map(prompt::PromptEntry::definition).collect()
    }

    fn get_prompt(request: prompts::Request) -> Result<prompts::Outcome, prompts::Error> {
        let outcome = prompt::dispatch(P::PROMPTS, &request.name, &request.arguments, &request.round)?;
        Ok(match outcome {
            Outcome::Complete(prompted) => prompts::Outcome::Complete(prompts::Prompt {
                description: prompted.description,
                messages: prompted
                    .messages
                    .into_iter()
                    .map(|message| prompts::Message { role: message.role, content: message.content.into_wire() })
                    .collect(),
            }),
            Outcome::NeedInput(needed) => prompts::Outcome::NeedInput(needed),
        })
    }
}

impl<P: Completes> completion::Guest for P {
    fn complete(request: completion::Request) -> completion::Completions {
        P::complete(&request)
    }
}

impl Content {
    fn into_wire(self) -> wire::Content {
        match self {
            Self::Text(text) => wire::Content::Text(text),
            Self::Json(text) => wire::Content::Json(text),
            Self::Rows(output) => wire::Content::Rows(wire::RowOutput {
                rows: output.rows.into_inner(),
                format: output.format,
                next_tool: output.next_tool.map(str::to_owned),
            }),
            Self::Image(media) => wire::Content::Image(media),
            Self::Audio(media) => wire::Content::Audio(media),
            Self::Link(link) => wire::Content::Link(link),
            Self::Embedded(content) => wire::Content::Embedded(content),
        }
    }
}
