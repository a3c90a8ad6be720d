//! Between the contract's exports and our own types. Whatever comes from a guest is checked here or not believed.

use serde_json::Map;
use serde_json::Value as Json;

use super::answer::Annotations;
use super::answer::Body;
use super::answer::CallError;
use super::answer::CompletionRequest;
use super::answer::CompletionTarget;
use super::answer::Completions;
use super::answer::Content;
use super::answer::InputNeeded;
use super::answer::Link;
use super::answer::Media;
use super::answer::Needs;
use super::answer::Outcome;
use super::answer::Prompt;
use super::answer::PromptArgument;
use super::answer::PromptDefinition;
use super::answer::Question;
use super::answer::ResourceContent;
use super::answer::ResourceDefinition;
use super::answer::Role;
use super::answer::Round;
use super::answer::RowFormat;
use super::answer::RowOutput;
use super::answer::ToolDefinition;
use super::answer::ToolFailure;
use crate::bindings::exports::tidegate::plugin::completion;
use crate::bindings::exports::tidegate::plugin::jobs as jobs_export;
use crate::bindings::exports::tidegate::plugin::prompts as prompts_export;
use crate::bindings::exports::tidegate::plugin::resources as resources_export;
use crate::bindings::exports::tidegate::plugin::tools as tools_export;
use crate::bindings::tidegate::plugin::content;
use crate::bindings::tidegate::plugin::input;
use crate::call::Call;
use crate::capability::State;
use crate::capability::error::from_guest as database_error;

/// Questions of one round.
const QUESTIONS: usize = 16;

/// Bytes of a state that comes back.
const STATE_BYTES: usize = 16 << 10;

/// Characters of what a job says about its run.
const JOB_CHARACTERS: usize = 512;

/// Bytes of a picture or a sound.
const MEDIA_BYTES: usize = 8 << 20;

/// Pieces of one answer.
const PIECES: usize = 1_000;

/// Values of one completion (MCP, completion: at most 100).
const COMPLETIONS: usize = 100;

/// A broken promise of the guest.
fn nonsense(plugin: &str, reason: impl Into<String>) -> CallError {
    CallError::PluginFailed { plugin: plugin.into(), reason: reason.into() }
}

/// JSON text of a guest; `what` names it in the error.
fn json<T: serde::de::DeserializeOwned>(plugin: &str, what: &str, text: &str) -> Result<T, CallError> {
    serde_json::from_str(text).map_err(|error| nonsense(plugin, format!("its {what} is not the JSON it should be: {error}")))
}

/// The round of a call, as the guest reads it.
pub(super) fn round(round: &Round, call: &Call) -> input::Round {
    let responses =
        round.responses.iter().map(|(name, answer)| input::Response { name: name.clone(), answer: answer.to_string() }).collect();
    let offered = [
        (call.features.form, input::ClientFeatures::FORM),
        (call.features.url, input::ClientFeatures::URL),
        (call.features.sampling, input::ClientFeatures::SAMPLING),
        (call.features.roots, input::ClientFeatures::ROOTS),
    ];
    let client = offered.into_iter().filter(|(has, _)| *has).fold(input::ClientFeatures::empty(), |all, (_, one)| all | one);
    input::Round { responses, state: round.state.clone(), client }
}

/// The tools that a guest lists.
pub(super) fn tools(plugin: &str, list: Vec<tools_export::Definition>) -> Result<Vec<ToolDefinition>, CallError> {
    list.into_iter().map(|definition| tool(plugin, definition)).collect()
}

fn tool(plugin: &str, definition: tools_export::Definition) -> Result<ToolDefinition, CallError> {
    let tools_export::Definition { name, title, description, input_schema, output_schema, annotations, needs, meta } = definition;
    let object = |what: &str, text: &str| json::<Map<String, Json>>(plugin, &format!("{what} of tool `{}`", short(&name)), text);
    Ok(ToolDefinition {
        title,
        description,
        input_schema: object("input schema", &input_schema)?,
        output_schema: output_schema.map(|text| object("output schema", &text)).transpose()?,
        annotations: Annotations {
            read_only: annotations.read_only,
            destructive: annotations.destructive,
            idempotent: annotations.idempotent,
            open_world: annotations.open_world,
        },
        needs: match needs {
            tools_export::Needs::Nothing => Needs::Nothing,
            tools_export::Needs::Read => Needs::Read,
            tools_export::Needs::Write => Needs::Write,
        },
        meta: meta.map(|text| object("meta", &text)).transpose()?,
        name,
    })
}

/// A guest-controlled name, short enough for a message.
fn short(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// How a call of a tool ended.
pub(super) fn tool_outcome(
    answer: Result<tools_export::Outcome, tools_export::Error>,
    state: &mut State,
) -> Result<Outcome<Vec<Content>>, CallError> {
    match answer {
        Ok(tools_export::Outcome::Complete(pieces)) => Ok(Outcome::Complete(contents(pieces, state)?)),
        Ok(tools_export::Outcome::NeedInput(needed)) => Ok(Outcome::NeedInput(input_needed(&state.guest.id, needed)?)),
        Err(tools_export::Error::InvalidArguments(text)) => Err(CallError::InvalidArguments(text)),
        Err(tools_export::Error::Database(error)) => Err(CallError::Database(database_error(error))),
        Err(tools_export::Error::Failed(failure)) => Err(CallError::Tool(Box::new(tool_failure(&state.guest.id, failure)?))),
    }
}

/// How a run of a job ended; a sentence for the operator.
pub(super) fn job_outcome(answer: Result<String, jobs_export::Error>, plugin: &str, job: &str) -> Result<String, CallError> {
    // Guest-controlled, and goes to the log.
    let sentence = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(JOB_CHARACTERS).collect::<String>();
    match answer {
        Ok(text) => Ok(sentence(&text)),
        Err(jobs_export::Error::UnknownJob) => Err(nonsense(plugin, format!("it has no job `{job}`, which its manifest declares"))),
        Err(jobs_export::Error::Database(error)) => Err(CallError::Database(database_error(error))),
        Err(jobs_export::Error::Failed(text)) => Err(nonsense(plugin, sentence(&text))),
    }
}

fn tool_failure(plugin: &str, failure: tools_export::ToolFailure) -> Result<ToolFailure, CallError> {
    let tools_export::ToolFailure { code, message, hint, retryable, details } = failure;
    let named = (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    if !named {
        return Err(nonsense(plugin, "the code of its failure is not in upper case with underscores"));
    }
    let details = details.map(|text| json(plugin, "details of a failure", &text)).transpose()?;
    Ok(ToolFailure { code, message, hint, retryable, details })
}

/// The pieces of an answer.
pub(super) fn contents(pieces: Vec<content::Content>, state: &mut State) -> Result<Vec<Content>, CallError> {
    let plugin = state.guest.id.clone();
    if pieces.len() > PIECES {
        return Err(nonsense(&plugin, format!("its answer has {} pieces, and {PIECES} are allowed", pieces.len())));
    }
    let pieces = pieces.into_iter().map(|piece| content(piece, state)).collect::<Result<Vec<_>, _>>()?;
    let structured = pieces.iter().filter(|piece| matches!(piece, Content::Json(_) | Content::Rows(_))).count();
    if structured > 1 {
        return Err(nonsense(&plugin, "its answer has more than one JSON value or row set"));
    }
    Ok(pieces)
}

fn content(piece: content::Content, state: &mut State) -> Result<Content, CallError> {
    let plugin = state.guest.id.clone();
    Ok(match piece {
        content::Content::Text(text) => Content::Text(text),
        content::Content::Json(text) => Content::Json(json(&plugin, "structured answer", &text)?),
        content::Content::Rows(output) => Content::Rows(rows(output, state)?),
        content::Content::Image(it) => Content::Image(media(&plugin, it)?),
        content::Content::Audio(it) => Content::Audio(media(&plugin, it)?),
        content::Content::Link(it) => {
            Content::Link(Link { uri: it.uri, name: it.name, description: it.description, mime_type: it.mime_type })
        }
        content::Content::Embedded(it) => Content::Embedded(resource_content(it)),
    })
}

fn rows(output: content::RowOutput, state: &mut State) -> Result<RowOutput, CallError> {
    let held = state.take_rows(output.rows).map_err(|_| nonsense(&state.guest.id, "it answered with rows that it does not hold"))?;
    let format = match output.format {
        content::RowFormat::Auto => RowFormat::Auto,
        content::RowFormat::Json => RowFormat::Json,
        content::RowFormat::Tsv => RowFormat::Tsv,
        content::RowFormat::Markdown => RowFormat::Markdown,
    };
    Ok(RowOutput { rows: held.rows.skip(held.taken), format, next: output.next_tool.zip(held.cursor) })
}

/// A piece of an answer, on its way to a guest.
pub(super) fn content_to_guest(piece: &Content, state: &mut State) -> wasmtime::Result<content::Content> {
    let media = |media: &Media| content::Media { mime_type: media.mime_type.clone(), data: media.data.clone() };
    Ok(match piece {
        Content::Text(text) => content::Content::Text(text.clone()),
        Content::Json(value) => content::Content::Json(value.to_string()),
        Content::Rows(output) => content::Content::Rows(content::RowOutput {
            rows: state.give_rows(output.rows.clone(), output.next.as_ref().map(|(_, cursor)| cursor.clone()))?,
            format: match output.format {
                RowFormat::Auto => content::RowFormat::Auto,
                RowFormat::Json => content::RowFormat::Json,
                RowFormat::Tsv => content::RowFormat::Tsv,
                RowFormat::Markdown => content::RowFormat::Markdown,
            },
            next_tool: output.next.as_ref().map(|(tool, _)| tool.clone()),
        }),
        Content::Image(it) => content::Content::Image(media(it)),
        Content::Audio(it) => content::Content::Audio(media(it)),
        Content::Link(it) => content::Content::Link(content::Link {
            uri: it.uri.clone(),
            name: it.name.clone(),
            description: it.description.clone(),
            mime_type: it.mime_type.clone(),
        }),
        Content::Embedded(it) => content::Content::Embedded(content::ResourceContent {
            uri: it.uri.clone(),
            mime_type: it.mime_type.clone(),
            body: match &it.body {
                Body::Text(text) => content::Body::Text(text.clone()),
                Body::Blob(bytes) => content::Body::Blob(bytes.clone()),
            },
        }),
    })
}

fn media(plugin: &str, media: content::Media) -> Result<Media, CallError> {
    if media.data.len() > MEDIA_BYTES {
        return Err(CallError::PluginLimit { plugin: plugin.into(), limit: format!("{} MiB in one picture or sound", MEDIA_BYTES >> 20) });
    }
    Ok(Media { mime_type: media.mime_type, data: media.data })
}

fn resource_content(content: content::ResourceContent) -> ResourceContent {
    let body = match content.body {
        content::Body::Text(text) => Body::Text(text),
        content::Body::Blob(bytes) => Body::Blob(bytes),
    };
    ResourceContent { uri: content.uri, mime_type: content.mime_type, body }
}

fn input_needed(plugin: &str, needed: input::InputNeeded) -> Result<InputNeeded, CallError> {
    if needed.requests.len() > QUESTIONS {
        return Err(nonsense(plugin, format!("it asks {} questions at once, and {QUESTIONS} are allowed", needed.requests.len())));
    }
    if needed.state.as_ref().is_some_and(|state| state.len() > STATE_BYTES) {
        return Err(nonsense(plugin, format!("its state is larger than {} KiB", STATE_BYTES >> 10)));
    }
    if needed.requests.is_empty() && needed.state.is_none() {
        return Err(nonsense(plugin, "it asks for input without a question"));
    }
    let mut requests: Vec<(String, Question)> = Vec::with_capacity(needed.requests.len());
    for request in needed.requests {
        if requests.iter().any(|(name, _)| *name == request.name) {
            return Err(nonsense(plugin, format!("two of its questions are called `{}`", short(&request.name))));
        }
        requests.push((request.name, question(plugin, request.question)?));
    }
    Ok(InputNeeded { requests, state: needed.state })
}

fn question(plugin: &str, question: input::Question) -> Result<Question, CallError> {
    Ok(match question {
        input::Question::Form(form) => Question::Form { message: form.message, schema: json(plugin, "form's schema", &form.schema)? },
        input::Question::Page(page) if page.url.starts_with("https://") => Question::Page { message: page.message, url: page.url },
        input::Question::Page(_) => return Err(nonsense(plugin, "it sends the person to a page that is not https")),
        input::Question::Sampling(parameters) => Question::Sampling(json(plugin, "sampling request", &parameters)?),
        input::Question::Roots => Question::Roots,
    })
}

/// The resources or templates that a guest lists.
pub(super) fn resources(plugin: &str, list: Vec<resources_export::Definition>) -> Result<Vec<ResourceDefinition>, CallError> {
    if list.len() > 1_000 {
        return Err(nonsense(plugin, format!("it lists {} resources, and 1,000 are allowed", list.len())));
    }
    let definition = |it: resources_export::Definition| {
        let resources_export::Definition { uri, name, title, description, mime_type } = it;
        ResourceDefinition { uri, name, title, description, mime_type }
    };
    Ok(list.into_iter().map(definition).collect())
}

/// How a read ended.
pub(super) fn resource_outcome(
    answer: Result<resources_export::Outcome, resources_export::Error>,
    state: &mut State,
    uri: &str,
) -> Result<Outcome<Vec<ResourceContent>>, CallError> {
    let plugin = &state.guest.id;
    match answer {
        Ok(resources_export::Outcome::Complete(contents)) if contents.is_empty() => {
            Err(nonsense(plugin, "it answered a read with nothing"))
        }
        Ok(resources_export::Outcome::Complete(contents)) => Ok(Outcome::Complete(contents.into_iter().map(resource_content).collect())),
        Ok(resources_export::Outcome::NeedInput(needed)) => Ok(Outcome::NeedInput(input_needed(plugin, needed)?)),
        Err(resources_export::Error::NotFound) => Err(CallError::Unknown { what: "resource", name: uri.into() }),
        Err(resources_export::Error::Database(error)) => Err(CallError::Database(database_error(error))),
        Err(resources_export::Error::Failed(text)) => Err(CallError::Tool(Box::new(plain_failure(text)))),
    }
}

/// The prompts that a guest lists.
pub(super) fn prompts(plugin: &str, list: Vec<prompts_export::Definition>) -> Result<Vec<PromptDefinition>, CallError> {
    if list.len() > 1_000 {
        return Err(nonsense(plugin, format!("it lists {} prompts, and 1,000 are allowed", list.len())));
    }
    let definition = |it: prompts_export::Definition| {
        let arguments = it.arguments.into_iter();
        PromptDefinition {
            name: it.name,
            title: it.title,
            description: it.description,
            arguments: arguments.map(|it| PromptArgument { name: it.name, description: it.description, required: it.required }).collect(),
        }
    };
    Ok(list.into_iter().map(definition).collect())
}

/// How a request for a prompt ended.
pub(super) fn prompt_outcome(
    answer: Result<prompts_export::Outcome, prompts_export::Error>,
    state: &mut State,
) -> Result<Outcome<Prompt>, CallError> {
    match answer {
        Ok(prompts_export::Outcome::Complete(prompt)) => {
            let message = |it: prompts_export::Message| {
                let role = match it.role {
                    prompts_export::Role::User => Role::User,
                    prompts_export::Role::Assistant => Role::Assistant,
                };
                Ok((role, content(it.content, state)?))
            };
            let messages = prompt.messages.into_iter().map(message).collect::<Result<_, CallError>>()?;
            Ok(Outcome::Complete(Prompt { description: prompt.description, messages }))
        }
        Ok(prompts_export::Outcome::NeedInput(needed)) => Ok(Outcome::NeedInput(input_needed(&state.guest.id, needed)?)),
        Err(prompts_export::Error::InvalidArguments(text)) => Err(CallError::InvalidArguments(text)),
        Err(prompts_export::Error::Database(error)) => Err(CallError::Database(database_error(error))),
        Err(prompts_export::Error::Failed(text)) => Err(CallError::Tool(Box::new(plain_failure(text)))),
    }
}

/// A failure for which the contract has a sentence only.
fn plain_failure(message: String) -> ToolFailure {
    ToolFailure { code: "INTERNAL".into(), message, hint: None, retryable: false, details: None }
}

/// A request for completion, as the guest reads it.
pub(super) fn completion_request(request: CompletionRequest) -> completion::Request {
    let target = match request.target {
        CompletionTarget::Prompt(name) => completion::Target::Prompt(name),
        CompletionTarget::ResourceTemplate(uri) => completion::Target::ResourceTemplate(uri),
    };
    completion::Request { target, argument: request.argument, value: request.value, context: request.context }
}

/// What an argument may become, cut to what MCP allows.
pub(super) fn completions(answer: completion::Completions) -> Completions {
    let mut values = answer.values;
    let total = answer.total.or_else(|| u32::try_from(values.len()).ok());
    values.truncate(COMPLETIONS);
    Completions { values, total }
}
