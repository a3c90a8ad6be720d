//! `prompts/list` and `prompts/get`.

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::CacheScope;
use rmcp::model::GetPromptRequestParams;
use rmcp::model::GetPromptResponse;
use rmcp::model::GetPromptResult;
use rmcp::model::JsonObject;
use rmcp::model::ListPromptsResult;
use rmcp::model::PaginatedRequestParams;
use rmcp::model::PromptArgument;
use rmcp::model::PromptMessage;
use rmcp::model::Role;
use rmcp::service::RequestContext;
use serde_json::Value;

use super::content;
use super::error;
use super::input;
use super::input::Binding;
use super::input::Reply;
use super::listener::attend;
use super::page::page;
use super::server::LIST_TTL_MS;
use super::server::Server;
use crate::dispatch::PromptRequest;
use crate::runtime::answer;
use crate::runtime::answer::PromptDefinition;

/// Answers `prompts/list`.
pub(super) fn list(
    server: &Server,
    request: Option<PaginatedRequestParams>,
    context: &RequestContext<RoleServer>,
) -> Result<ListPromptsResult, ErrorData> {
    let prompts = server.dispatcher().prompts(&Server::caller(context));
    let page = page("prompts", &prompts, |prompt| &prompt.name, request, server.page_size())?;
    let mut result = ListPromptsResult::with_all_items(page.items.iter().map(prompt).collect())
        .with_ttl_ms(LIST_TTL_MS)
        .with_cache_scope(CacheScope::Private);
    result.next_cursor = page.next;
    result.meta = server.result_meta(context);
    Ok(result)
}

/// Answers `prompts/get`.
pub(super) async fn get(
    server: &Server,
    request: GetPromptRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<GetPromptResponse, ErrorData> {
    let modern = Server::is_modern(context);
    let (call, listener) = server.open_call(context);
    let name = request.name;
    let given = request.arguments.unwrap_or_default();

    let binding = Binding::new(&call.caller, "prompts/get", &name, given.iter());
    let first = input::open_round(server.codec(), &binding, request.input_responses, request.request_state)?;
    let arguments = texts(given)?;
    let run = |call, round| {
        let request = PromptRequest { name: name.clone(), arguments: arguments.clone(), round };
        async move { server.dispatcher().get_prompt(&call, request).await }
    };
    let conversation = input::converse(server.codec(), context, modern, &call, &binding, first, run);

    match attend(listener.as_deref(), conversation).await? {
        Reply::Done(filled) => {
            let messages = filled.messages.into_iter().map(|(role, content)| PromptMessage::new(to_mcp(role), content::block(content)));
            let mut result = GetPromptResult::new(messages.collect());
            result.description = filled.description;
            result.meta = server.result_meta(context);
            Ok(result.into())
        }
        Reply::Ask(mut questions) => {
            questions.meta = server.result_meta(context);
            Ok(questions.into())
        }
        Reply::Failed(failure) => Err(error::protocol_error(failure, &call)),
    }
}

/// The arguments of a prompt, which MCP has as texts.
fn texts(arguments: JsonObject) -> Result<Vec<(String, String)>, ErrorData> {
    let text = |(name, value)| match value {
        Value::String(text) => Ok((name, text)),
        _ => Err(ErrorData::invalid_params(format!("the argument `{name}` of a prompt must be a string"), None)),
    };
    arguments.into_iter().map(text).collect()
}

fn prompt(definition: &PromptDefinition) -> rmcp::model::Prompt {
    let argument = |argument: &answer::PromptArgument| {
        let mut shown = PromptArgument::new(argument.name.clone()).with_required(argument.required);
        shown.description.clone_from(&argument.description);
        shown
    };
    let arguments: Vec<_> = definition.arguments.iter().map(argument).collect();
    let arguments = (!arguments.is_empty()).then_some(arguments);
    let mut prompt = rmcp::model::Prompt::new(definition.name.clone(), definition.description.clone(), arguments);
    prompt.title.clone_from(&definition.title);
    prompt
}

fn to_mcp(role: answer::Role) -> Role {
    match role {
        answer::Role::User => Role::User,
        answer::Role::Assistant => Role::Assistant,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_prompt_shows_its_arguments() {
        let definition = PromptDefinition {
            name: "explain".into(),
            title: None,
            description: Some("Explains a table".into()),
            arguments: vec![answer::PromptArgument { name: "table".into(), description: None, required: true }],
        };
        assert_eq!(
            serde_json::to_value(prompt(&definition)).unwrap(),
            json!({ "name": "explain", "description": "Explains a table", "arguments": [{ "name": "table", "required": true }] })
        );
    }

    #[test]
    fn an_argument_that_is_no_text_is_refused() {
        assert_eq!(texts(json!({ "a": "b" }).as_object().cloned().unwrap()).unwrap(), [("a".to_owned(), "b".to_owned())]);
        assert!(texts(json!({ "a": 1 }).as_object().cloned().unwrap()).is_err());
    }
}
