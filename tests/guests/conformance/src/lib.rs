//! The fixture of the official MCP conformance suite, written on the plugin contract: every tool, prompt and resource that
//! the suite calls by name, with the behaviour that it asks for. That it passes shows that the contract can express MCP.
//!
//! What the suite checks is in `@modelcontextprotocol/conformance`; names and texts here are its own.

mod asks;
mod contents;
mod diagnostics;
mod prompts;
mod reports;
mod resources;
mod rounds;

/// Declares tools without arguments: type, name, description and body. The body sees the round.
macro_rules! tools {
    ($($type:ident $name:literal $description:literal |$round:pat_param| $body:expr)*) => {
        $(
            #[derive(serde::Deserialize, schemars::JsonSchema)]
            pub(crate) struct $type {}

            impl tidegate_plugin::Tool for $type {
                const NAME: &'static str = $name;
                const DESCRIPTION: &'static str = $description;
                const ANNOTATIONS: tidegate_plugin::Annotations = tidegate_plugin::Annotations::READ_ONLY;
                const NEEDS: tidegate_plugin::Needs = tidegate_plugin::Needs::Nothing;

                fn call(self, $round: &tidegate_plugin::Round) -> tidegate_plugin::ToolResult {
                    $body
                }
            }
        )*
    };
}
pub(crate) use tools;

tidegate_plugin::export! {
    tools: [
        contents::SimpleText,
        contents::ImageContent,
        contents::AudioContent,
        contents::EmbeddedResource,
        contents::MultipleContents,
        contents::ErrorHandling,
        reports::WithProgress,
        reports::WithLogging,
        reports::LoggingTool,
        asks::Sampling,
        asks::Elicitation,
        asks::ElicitationDefaults,
        asks::ElicitationEnums,
        asks::StreamingElicitation,
        asks::MissingCapability,
        rounds::ElicitationRound,
        rounds::SamplingRound,
        rounds::RootsRound,
        rounds::StateRound,
        rounds::SeveralInputs,
        rounds::SeveralRounds,
        rounds::TamperedState,
        rounds::ClientCapabilities,
        diagnostics::TriggerToolChange,
        diagnostics::TriggerPromptChange,
        diagnostics::CustomHeader,
        diagnostics::JsonSchema202012,
    ],
    resources: [resources::StaticText, resources::StaticBinary, resources::Watched, resources::Template],
    prompts: [prompts::Simple, prompts::WithArguments, prompts::WithEmbeddedResource, prompts::WithImage, prompts::AsksFirst],
    completion: prompts::complete,
}
