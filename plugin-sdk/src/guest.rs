//! The border of the component: types of the SDK to and from those of the contract, for guests only.

use std::borrow::Cow;

use crate::bindings::call_hooks::exports::tidegate::plugin::call_hooks;
use crate::bindings::completion::exports::tidegate::plugin::completion;
use crate::bindings::jobs::exports::tidegate::plugin::jobs;
use crate::bindings::prompts::exports::tidegate::plugin::prompts;
use crate::bindings::query_hooks::exports::tidegate::plugin::query_hooks;
use crate::bindings::resources::exports::tidegate::plugin::resources;
use crate::bindings::shared::tidegate::plugin::content as wire;
use crate::bindings::tools::exports::tidegate::plugin::tools;
use crate::content::Content;
use crate::content::RowOutput;
use crate::export::Completes;
use crate::export::Jobs;
use crate::export::Prompts;
use crate::export::Resources;
use crate::export::Tools;
use crate::hook::AfterCall;
use crate::hook::AfterQuery;
use crate::hook::BeforeCall;
use crate::hook::BeforeQuery;
use crate::hook::CallHooks;
use crate::hook::CallOutcome;
use crate::hook::QueryHooks;
use crate::hook::QueryOutcome;
use crate::outcome::Outcome;
use crate::prompt;
use crate::resource;
use crate::rows::Rows;
use crate::tool;

impl<P: Tools> tools::Guest for P {
    fn list_tools() -> Vec<tools::Definition> {
        tool::definitions::<P>()
    }

    fn call_tool(call: tools::Call) -> Result<tools::Outcome, tools::Error> {
        let outcome = tool::dispatch::<P>(&call.name, &call.arguments, &call.round)?;
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

impl<P: Jobs> jobs::Guest for P {
    fn run_job(run: jobs::Run) -> Result<String, jobs::Error> {
        P::run_job(&run)
    }
}

impl<P: QueryHooks> query_hooks::Guest for P {
    fn before_query(asked: query_hooks::Asked, statement: query_hooks::Statement) -> query_hooks::BeforeVerdict {
        match <P as QueryHooks>::before_query(asked, &statement) {
            BeforeQuery::Pass => query_hooks::BeforeVerdict::Pass,
            BeforeQuery::Refuse(reason) => query_hooks::BeforeVerdict::Refuse(reason),
            BeforeQuery::Rewrite(rewriting) => query_hooks::BeforeVerdict::Rewrite(rewriting),
            BeforeQuery::Answer(rows) => query_hooks::BeforeVerdict::Answer(rows.into_inner()),
            BeforeQuery::Keep(policy) => query_hooks::BeforeVerdict::Keep(policy),
        }
    }

    fn after_query(
        asked: query_hooks::Asked,
        statement: query_hooks::Statement,
        outcome: query_hooks::Outcome,
    ) -> query_hooks::AfterVerdict {
        let query_hooks::Outcome { affected, columns, rows, row_count, duration_us, provided_by } = outcome;
        let outcome = QueryOutcome { affected, columns, rows: rows.map(Rows::new), row_count, duration_us, provided_by };
        match <P as QueryHooks>::after_query(asked, &statement, outcome) {
            AfterQuery::Pass => query_hooks::AfterVerdict::Pass,
            AfterQuery::Refuse(reason) => query_hooks::AfterVerdict::Refuse(reason),
            AfterQuery::Mask(masks) => query_hooks::AfterVerdict::Mask(masks),
            AfterQuery::Replace(rows) => query_hooks::AfterVerdict::Replace(rows.into_inner()),
        }
    }

    fn on_error(asked: query_hooks::Asked, statement: query_hooks::Statement, error: query_hooks::DatabaseError) -> query_hooks::Advice {
        <P as QueryHooks>::on_error(asked, &statement, &error)
    }

    fn on_connect(connection: query_hooks::Connection) -> query_hooks::ConnectVerdict {
        <P as QueryHooks>::on_connect(&connection)
    }
}

impl<P: CallHooks> call_hooks::Guest for P {
    fn before_call(asked: call_hooks::Asked, call: call_hooks::Call) -> call_hooks::BeforeVerdict {
        match <P as CallHooks>::before_call(asked, &call) {
            BeforeCall::Pass => call_hooks::BeforeVerdict::Pass,
            BeforeCall::Refuse(reason) => call_hooks::BeforeVerdict::Refuse(reason),
            BeforeCall::Rewrite(arguments) => call_hooks::BeforeVerdict::Rewrite(arguments),
            BeforeCall::Keep => call_hooks::BeforeVerdict::Keep,
            BeforeCall::Answer(content) => call_hooks::BeforeVerdict::Answer(content.into_iter().map(Content::into_wire).collect()),
        }
    }

    fn after_call(asked: call_hooks::Asked, call: call_hooks::Call, outcome: call_hooks::Outcome) -> call_hooks::AfterVerdict {
        let call_hooks::Outcome { failed, content, duration_us, provided_by } = outcome;
        let content = content.into_iter().map(Content::from_wire).collect();
        match <P as CallHooks>::after_call(asked, &call, CallOutcome { failed, content, duration_us, provided_by }) {
            AfterCall::Pass => call_hooks::AfterVerdict::Pass,
            AfterCall::Refuse(reason) => call_hooks::AfterVerdict::Refuse(reason),
            AfterCall::Replace(content) => call_hooks::AfterVerdict::Replace(content.into_iter().map(Content::into_wire).collect()),
        }
    }
}

impl Content {
    fn from_wire(content: wire::Content) -> Self {
        match content {
            wire::Content::Text(text) => Self::Text(text),
            wire::Content::Json(text) => Self::Json(text),
            wire::Content::Rows(wire::RowOutput { rows, format, next_tool }) => {
                Self::Rows(RowOutput { rows: Rows::new(rows), format, next_tool: next_tool.map(Cow::Owned) })
            }
            wire::Content::Image(media) => Self::Image(media),
            wire::Content::Audio(media) => Self::Audio(media),
            wire::Content::Link(link) => Self::Link(link),
            wire::Content::Embedded(content) => Self::Embedded(content),
        }
    }

    fn into_wire(self) -> wire::Content {
        match self {
            Self::Text(text) => wire::Content::Text(text),
            Self::Json(text) => wire::Content::Json(text),
            Self::Rows(output) => wire::Content::Rows(wire::RowOutput {
                rows: output.rows.into_inner(),
                format: output.format,
                next_tool: output.next_tool.map(Cow::into_owned),
            }),
            Self::Image(media) => wire::Content::Image(media),
            Self::Audio(media) => wire::Content::Audio(media),
            Self::Link(link) => wire::Content::Link(link),
            Self::Embedded(content) => wire::Content::Embedded(content),
        }
    }
}
