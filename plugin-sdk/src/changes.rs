//! News that clients may have subscribed to.

#[cfg(target_arch = "wasm32")]
use crate::bindings::shared::tidegate::plugin::changes as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::changes as host;

/// The list of tools changed: the host asks for it again after this call and tells clients.
pub fn tools_changed() {
    host::tools_changed();
}

/// The list of resources or of their templates changed.
pub fn resources_changed() {
    host::resources_changed();
}

/// The list of prompts changed.
pub fn prompts_changed() {
    host::prompts_changed();
}

/// The content of the resource `uri` changed; clients that subscribed to it are told.
pub fn resource_updated(uri: &str) {
    host::resource_updated(uri);
}
