//! `resources/list`, `resources/templates/list` and `resources/read`.

use std::iter;

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::CacheScope;
use rmcp::model::ListResourceTemplatesResult;
use rmcp::model::ListResourcesResult;
use rmcp::model::PaginatedRequestParams;
use rmcp::model::ReadResourceRequestParams;
use rmcp::model::ReadResourceResponse;
use rmcp::model::ReadResourceResult;
use rmcp::model::Resource;
use rmcp::model::ResourceTemplate;
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
use crate::dispatch::ResourceRequest;
use crate::runtime::answer::ResourceDefinition;

/// Answers `resources/list`.
pub(super) fn list(
    server: &Server,
    request: Option<PaginatedRequestParams>,
    context: &RequestContext<RoleServer>,
) -> Result<ListResourcesResult, ErrorData> {
    let resources = server.dispatcher().resources();
    let page = page("resources", &resources, |resource| &resource.uri, request, server.page_size())?;
    let mut result = ListResourcesResult::with_all_items(page.items.iter().map(resource).collect())
        .with_ttl_ms(LIST_TTL_MS)
        .with_cache_scope(CacheScope::Private);
    result.next_cursor = page.next;
    result.meta = server.result_meta(context);
    Ok(result)
}

/// Answers `resources/templates/list`.
pub(super) fn list_templates(
    server: &Server,
    request: Option<PaginatedRequestParams>,
    context: &RequestContext<RoleServer>,
) -> Result<ListResourceTemplatesResult, ErrorData> {
    let templates = server.dispatcher().resource_templates();
    let page = page("templates", &templates, |template| &template.uri, request, server.page_size())?;
    let mut result = ListResourceTemplatesResult::with_all_items(page.items.iter().map(template).collect())
        .with_ttl_ms(LIST_TTL_MS)
        .with_cache_scope(CacheScope::Private);
    result.next_cursor = page.next;
    result.meta = server.result_meta(context);
    Ok(result)
}

/// Answers `resources/read`.
pub(super) async fn read(
    server: &Server,
    request: ReadResourceRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<ReadResourceResponse, ErrorData> {
    let modern = Server::is_modern(context);
    let (call, listener) = server.open_call(context);
    let uri = request.uri;

    let binding = Binding::new(&call.caller, "resources/read", &uri, iter::empty());
    let first = input::open_round(server.codec(), &binding, request.input_responses, request.request_state)?;
    let run = |call, round| {
        let request = ResourceRequest { uri: uri.clone(), round };
        async move { server.dispatcher().read_resource(&call, request).await }
    };
    let conversation = input::converse(server.codec(), context, modern, &call, &binding, first, run);

    match attend(listener.as_deref(), conversation).await? {
        Reply::Done(contents) => {
            let contents = contents.into_iter().map(content::resource_contents).collect();
            // What a resource holds may change at any moment, and only those that watch it hear of that.
            let mut result = ReadResourceResult::new(contents).with_ttl_ms(0).with_cache_scope(CacheScope::Private);
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

fn resource(definition: &ResourceDefinition) -> Resource {
    let mut resource = Resource::new(definition.uri.clone(), definition.name.clone());
    resource.title.clone_from(&definition.title);
    resource.description.clone_from(&definition.description);
    resource.mime_type.clone_from(&definition.mime_type);
    resource
}

fn template(definition: &ResourceDefinition) -> ResourceTemplate {
    let mut template = ResourceTemplate::new(definition.uri.clone(), definition.name.clone());
    template.title.clone_from(&definition.title);
    template.description.clone_from(&definition.description);
    template.mime_type.clone_from(&definition.mime_type);
    template
}
