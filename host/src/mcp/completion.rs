//! `completion/complete`.

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::CompleteRequestParams;
use rmcp::model::CompleteResult;
use rmcp::model::CompletionInfo;
use rmcp::model::Reference;
use rmcp::service::RequestContext;

use super::error;
use super::listener::attend;
use super::server::Server;
use crate::runtime::answer::CompletionRequest;
use crate::runtime::answer::CompletionTarget;
use crate::runtime::answer::Completions;

/// Answers `completion/complete`.
pub(super) async fn complete(
    server: &Server,
    request: CompleteRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CompleteResult, ErrorData> {
    let target = match request.r#ref {
        Reference::Prompt(prompt) => CompletionTarget::Prompt(prompt.name),
        Reference::Resource(template) => CompletionTarget::ResourceTemplate(template.uri),
        _ => return Err(ErrorData::invalid_params("`ref` must be a prompt or a resource template", None)),
    };
    let filled_in = request.context.and_then(|context| context.arguments).unwrap_or_default();
    let request = CompletionRequest {
        target,
        argument: request.argument.name,
        value: request.argument.value,
        context: filled_in.into_iter().collect(),
    };
    let (call, listener) = server.open_call(context);
    let completions = attend(listener.as_deref(), server.dispatcher().complete(&call, request)).await;
    let completions = completions.map_err(|error| error::protocol_error(error, &call))?;
    let mut result = CompleteResult::new(to_mcp(completions));
    result.meta = server.result_meta(context);
    Ok(result)
}

/// At most 100 values, and whether there are more.
fn to_mcp(mut completions: Completions) -> CompletionInfo {
    let given = completions.values.len();
    completions.values.truncate(CompletionInfo::MAX_VALUES);
    let total = completions.total.map_or(given, |total| total as usize).max(given);
    let mut info = CompletionInfo::default();
    info.has_more = Some(total > completions.values.len());
    info.total = u32::try_from(total).ok().filter(|_| completions.total.is_some() || given > CompletionInfo::MAX_VALUES);
    info.values = completions.values;
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_values_go_out_and_the_rest_is_told_of() {
        let values = (0..150).map(|n| n.to_string()).collect();
        let info = to_mcp(Completions { values, total: None });
        assert_eq!((info.values.len(), info.total, info.has_more), (100, Some(150), Some(true)));
        let info = to_mcp(Completions { values: vec!["a".into()], total: Some(7) });
        assert_eq!((info.values.len(), info.total, info.has_more), (1, Some(7), Some(true)));
        let info = to_mcp(Completions::default());
        assert_eq!((info.values.len(), info.total, info.has_more), (0, None, Some(false)));
    }
}
