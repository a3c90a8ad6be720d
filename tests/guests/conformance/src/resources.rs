//! Resources: text, bytes, one to subscribe to, and a template.

use serde_json::json;
use tidegate_plugin::Resource;
use tidegate_plugin::ResourceContent;
use tidegate_plugin::ResourceResult;
use tidegate_plugin::Round;
use tidegate_plugin::uri::Variables;

use crate::contents::PIXEL;

/// `test://static-text`.
pub(crate) struct StaticText;

impl Resource for StaticText {
    const URI: &'static str = "test://static-text";
    const NAME: &'static str = "static-text";
    const DESCRIPTION: Option<&'static str> = Some("A resource that is text");
    const MIME_TYPE: Option<&'static str> = Some("text/plain");

    fn read(uri: &str, _: &Variables, _: &Round) -> ResourceResult {
        Ok(ResourceContent::text(uri, "text/plain", "This is the content of the static text resource.").into())
    }
}

/// `test://static-binary`.
pub(crate) struct StaticBinary;

impl Resource for StaticBinary {
    const URI: &'static str = "test://static-binary";
    const NAME: &'static str = "static-binary";
    const DESCRIPTION: Option<&'static str> = Some("A resource that is bytes");
    const MIME_TYPE: Option<&'static str> = Some("image/png");

    fn read(uri: &str, _: &Variables, _: &Round) -> ResourceResult {
        Ok(ResourceContent::blob(uri, "image/png", PIXEL).into())
    }
}

/// `test://watched-resource`.
pub(crate) struct Watched;

impl Resource for Watched {
    const URI: &'static str = "test://watched-resource";
    const NAME: &'static str = "watched-resource";
    const DESCRIPTION: Option<&'static str> = Some("A resource to subscribe to");
    const MIME_TYPE: Option<&'static str> = Some("text/plain");

    fn read(uri: &str, _: &Variables, _: &Round) -> ResourceResult {
        Ok(ResourceContent::text(uri, "text/plain", "Watched resource content").into())
    }
}

/// `test://template/{id}/data`.
pub(crate) struct Template;

impl Resource for Template {
    const URI: &'static str = "test://template/{id}/data";
    const NAME: &'static str = "template";
    const DESCRIPTION: Option<&'static str> = Some("A resource for every id");
    const MIME_TYPE: Option<&'static str> = Some("application/json");

    fn read(uri: &str, variables: &Variables, _: &Round) -> ResourceResult {
        let id = variables.get("id");
        let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
        Ok(ResourceContent::text(uri, "application/json", data.to_string()).into())
    }
}
