//! `tools/list` and `tools/call`.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::CacheScope;
use rmcp::model::CallToolRequestParams;
use rmcp::model::CallToolResponse;
use rmcp::model::ListToolsResult;
use rmcp::model::MetaObject;
use rmcp::model::PaginatedRequestParams;
use rmcp::model::Tool;
use rmcp::model::ToolAnnotations;
use rmcp::service::RequestContext;

use super::content;
use super::error;
use super::input;
use super::input::Binding;
use super::input::Reply;
use super::listener::attend;
use super::page::page;
use super::server::LIST_TTL_MS;
use super::server::Server;
use crate::call::Caller;
use crate::dispatch::Dispatcher;
use crate::dispatch::ToolRequest;
use crate::runtime::answer::ToolDefinition;

/// Lists kept at most: callers with the same rights share one.
const KEPT: usize = 16;

/// The tools as MCP shows them, prepared once for each list that the dispatcher hands out.
#[derive(Default)]
pub(super) struct ToolCache {
    kept: Mutex<Vec<Prepared>>,
}

#[derive(Clone)]
struct Prepared {
    /// Held, so that its address names no other list.
    definitions: Arc<[ToolDefinition]>,
    tools: Arc<[Tool]>,
}

impl ToolCache {
    /// The tools that `caller` sees, sorted by name.
    pub(super) fn tools(&self, dispatcher: &Dispatcher, caller: &Caller) -> Arc<[Tool]> {
        let definitions = dispatcher.tools(caller);
        let mut kept = self.lock();
        if let Some(found) = kept.iter().find(|kept| Arc::ptr_eq(&kept.definitions, &definitions)) {
            return found.tools.clone();
        }
        let tools: Arc<[Tool]> = definitions.iter().map(tool).collect();
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push(Prepared { definitions, tools: tools.clone() });
        tools
    }

    /// A panic while the list was held cannot leave it half changed, so a poisoned lock is taken all the same.
    fn lock(&self) -> MutexGuard<'_, Vec<Prepared>> {
        self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A tool as MCP shows it, all four hints set.
pub(super) fn tool(definition: &ToolDefinition) -> Tool {
    let hints = definition.annotations;
    let annotations = ToolAnnotations::new()
        .read_only(hints.read_only)
        .destructive(hints.destructive)
        .idempotent(hints.idempotent)
        .open_world(hints.open_world);
    let mut tool = Tool::new(definition.name.clone(), definition.description.clone(), Arc::new(definition.input_schema.clone()))
        .with_annotations(annotations);
    tool.title.clone_from(&definition.title);
    tool.output_schema = definition.output_schema.clone().map(Arc::new);
    tool.meta = definition.meta.clone().map(MetaObject);
    tool
}

/// Answers `tools/list`.
pub(super) fn list(
    server: &Server,
    request: Option<PaginatedRequestParams>,
    context: &RequestContext<RoleServer>,
) -> Result<ListToolsResult, ErrorData> {
    let tools = server.tools(&Server::caller(context));
    let page = page("tools", &tools, |tool| tool.name.as_ref(), request, server.page_size())?;
    let mut result = ListToolsResult::with_all_items(page.items.to_vec()).with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Private);
    result.next_cursor = page.next;
    result.meta = server.result_meta(context);
    Ok(result)
}

/// Answers `tools/call`.
pub(super) async fn call(
    server: &Server,
    request: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let modern = Server::is_modern(context);
    let (call, listener) = server.open_call(context);
    let mut name = request.name.into_owned();
    let mut arguments = request.arguments.unwrap_or_default();

    let binding = Binding::new(&call.caller, "tools/call", &name, arguments.iter());
    let first = input::open_round(server.codec(), &binding, request.input_responses, request.request_state)?;
    let run = |call, round| {
        // A client that is called again here keeps its arguments; one that calls again itself sends them again.
        let request = if modern {
            ToolRequest { name: std::mem::take(&mut name), arguments: std::mem::take(&mut arguments), round }
        } else {
            ToolRequest { name: name.clone(), arguments: arguments.clone(), round }
        };
        async move { server.dispatcher().call(&call, request).await }
    };
    let conversation = input::converse(server.codec(), context, modern, &call, &binding, first, run);

    let mut result = match attend(listener.as_deref(), conversation).await? {
        Reply::Done(contents) => content::tool_result(contents),
        Reply::Ask(mut questions) => {
            questions.meta = server.result_meta(context);
            return Ok(questions.into());
        }
        Reply::Failed(failure) => error::tool_result(failure, &call)?,
    };
    result.meta = server.result_meta(context);
    Ok(result.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runtime::answer::Annotations;
    use crate::runtime::answer::Needs;

    #[test]
    fn a_tool_shows_all_four_hints_and_its_schemas() {
        let object = |value: serde_json::Value| value.as_object().cloned().unwrap();
        let definition = ToolDefinition {
            name: "execute_select".into(),
            title: Some("Select".into()),
            description: "Runs a SELECT".into(),
            input_schema: object(json!({ "type": "object" })),
            output_schema: Some(object(json!({ "type": "object", "required": ["rows"] }))),
            annotations: Annotations { read_only: true, destructive: false, idempotent: true, open_world: false },
            needs: Needs::Read,
            meta: Some(object(json!({ "a/b": 1 }))),
        };
        assert_eq!(
            serde_json::to_value(tool(&definition)).unwrap(),
            json!({
                "name": "execute_select",
                "title": "Select",
                "description": "Runs a SELECT",
                "inputSchema": { "type": "object" },
                "outputSchema": { "type": "object", "required": ["rows"] },
                "annotations": { "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false },
                "_meta": { "a/b": 1 },
            })
        );
    }
}
