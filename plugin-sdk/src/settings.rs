//! What the operator set for this plugin in `[plugins.NAME] settings`.

use serde::de::DeserializeOwned;

#[cfg(target_arch = "wasm32")]
use crate::bindings::shared::tidegate::plugin::settings as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::settings as host;

/// The value of one setting as JSON text, for example `"60s"` with its quotes; none when it is not set.
#[must_use]
pub fn text(key: &str) -> Option<String> {
    host::get(key)
}

/// The value of one setting; none when it is not set.
///
/// # Errors
///
/// A sentence that names the setting, when its value is of another type.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>, String> {
    let Some(text) = text(key) else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| format!("setting `{key}` is not usable: {error}"))
}
