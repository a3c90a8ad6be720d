//! Secrets that the operator keeps for the plugin in `[plugins.NAME.secrets]`: held without being seen.

#[cfg(target_arch = "wasm32")]
use crate::bindings::shared::tidegate::plugin::secret as host;
#[cfg(target_arch = "wasm32")]
use crate::bindings::shared::tidegate::plugin::secret_reveal as revealing;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::secret as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::secret as revealing;

/// A secret that the host keeps.
#[derive(Debug)]
pub struct Secret(host::Secret);

/// The secret of this name; none when the operator keeps none of it.
#[must_use]
pub fn find(name: &str) -> Option<Secret> {
    host::find(name).map(Secret)
}

impl Secret {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        self.0.name()
    }

    /// HMAC-SHA-256 of a message under it, for services that take a signature. The message has at most 1 MiB.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message)
    }

    /// The secret itself. A plugin that calls this imports `secret-reveal`, a right of its own.
    #[must_use]
    pub fn reveal(&self) -> String {
        revealing::reveal(&self.0)
    }
}
