//! Translates pieces of an answer into MCP's content blocks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::CallToolResult;
use rmcp::model::ContentBlock;
use rmcp::model::Resource;
use rmcp::model::ResourceContents;
use serde_json::Value;

use super::rows;
use crate::runtime::answer::Body;
use crate::runtime::answer::Content;
use crate::runtime::answer::Link;
use crate::runtime::answer::ResourceContent;
use crate::runtime::answer::RowFormat;

/// The result of a tool that said `contents`. The first structured piece becomes the structured content.
pub(super) fn tool_result(contents: Vec<Content>) -> CallToolResult {
    let mut blocks = Vec::with_capacity(contents.len());
    let mut structured = None;
    for content in contents {
        if structured.is_some() {
            blocks.push(block(content));
            continue;
        }
        let (block, value) = split(content);
        blocks.push(block);
        structured = value;
    }
    let mut result = CallToolResult::success(blocks);
    result.structured_content = structured;
    result
}

/// The block of `content`, where there is no place for structured content.
pub(super) fn block(content: Content) -> ContentBlock {
    match content {
        Content::Rows(mut output) => {
            // With nowhere to put the structured form, the text must carry the rows.
            if output.format == RowFormat::Json {
                output.format = RowFormat::Auto;
            }
            rows::write(&output).block
        }
        content => split(content).0,
    }
}

/// The block of `content` and its structured form.
fn split(content: Content) -> (ContentBlock, Option<Value>) {
    match content {
        Content::Text(text) => (ContentBlock::text(text), None),
        Content::Json(value) => (ContentBlock::text(value.to_string()), Some(value)),
        Content::Rows(output) => {
            let written = rows::write(&output);
            (written.block, written.structured)
        }
        Content::Image(media) => (ContentBlock::image(STANDARD.encode(media.data), media.mime_type), None),
        Content::Audio(media) => (ContentBlock::audio(STANDARD.encode(media.data), media.mime_type), None),
        Content::Link(link) => (ContentBlock::resource_link(resource(link)), None),
        Content::Embedded(content) => (ContentBlock::resource(resource_contents(content)), None),
    }
}

/// A resource with its content.
pub(super) fn resource_contents(content: ResourceContent) -> ResourceContents {
    let contents = match content.body {
        Body::Text(text) => ResourceContents::text(text, content.uri),
        Body::Blob(bytes) => ResourceContents::blob(STANDARD.encode(bytes), content.uri),
    };
    match content.mime_type {
        Some(mime_type) => contents.with_mime_type(mime_type),
        None => contents,
    }
}

fn resource(link: Link) -> Resource {
    let mut resource = Resource::new(link.uri, link.name);
    resource.description = link.description;
    resource.mime_type = link.mime_type;
    resource
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runtime::answer::Media;

    #[test]
    fn json_is_structured_content_and_text() {
        let result = tool_result(vec![Content::Json(json!({ "a": 1 })), Content::Json(json!(2))]);
        assert_eq!(result.structured_content, Some(json!({ "a": 1 })));
        assert_eq!(
            serde_json::to_value(&result.content).unwrap(),
            json!([
                { "type": "text", "text": "{\"a\":1}" },
                { "type": "text", "text": "2" },
            ])
        );
    }

    #[test]
    fn bytes_go_out_in_base64() {
        let media = Media { mime_type: "image/png".into(), data: vec![1, 2, 3] };
        let blob = ResourceContent { uri: "x://y".into(), mime_type: Some("a/b".into()), body: Body::Blob(vec![255]) };
        let result = tool_result(vec![Content::Image(media), Content::Embedded(blob)]);
        assert_eq!(
            serde_json::to_value(&result.content).unwrap(),
            json!([
                { "type": "image", "data": "AQID", "mimeType": "image/png" },
                { "type": "resource", "resource": { "uri": "x://y", "mimeType": "a/b", "blob": "/w==" } },
            ])
        );
    }
}
