//! Keys and values of the plugin's own that outlive its calls and the process.
//!
//! A value of one caller is not found by another; [`Scope::Shared`] is for what all of them may see, and takes `shared = true` in
//! the manifest and in the grant. A change can name what it expects to be there, so that two calls cannot undo each other:
//!
//! ```
//! use tidegate_plugin::storage::{self, Error, Expected, Scope};
//!
//! fn count_up() -> Result<u8, Error> {
//!     loop {
//!         let entry = storage::get(Scope::Caller, "n")?;
//!         let expected = entry.as_ref().map_or(Expected::Absent, |entry| Expected::Version(entry.version));
//!         let next = entry.map_or(0, |entry| entry.value[0]) + 1;
//!         match storage::set_if(Scope::Caller, "n", &[next], expected) {
//!             Err(Error::Conflict(_)) => {}
//!             other => return other.map(|_| next),
//!         }
//!     }
//! }
//! # let host = tidegate_plugin::test::Host::new();
//! # assert_eq!(host.run(|| (count_up(), count_up())), (Ok(1), Ok(2)));
//! ```

pub use crate::bindings::shared::tidegate::plugin::storage::Entry;
pub use crate::bindings::shared::tidegate::plugin::storage::Error;
pub use crate::bindings::shared::tidegate::plugin::storage::Expected;
pub use crate::bindings::shared::tidegate::plugin::storage::Listed;
pub use crate::bindings::shared::tidegate::plugin::storage::Scope;
pub use crate::bindings::shared::tidegate::plugin::storage::Usage;
use crate::tool::ToolError;
use crate::tool::ToolFailure;

#[cfg(target_arch = "wasm32")]
use crate::bindings::shared::tidegate::plugin::storage as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::storage as host;

/// The value of a key; none when it has none.
///
/// # Errors
///
/// No right to this scope, a key that cannot be, or a host that cannot read now.
pub fn get(scope: Scope, key: &str) -> Result<Option<Entry>, Error> {
    host::get(scope, key)
}

/// Sets the value of a key, at most 1 MiB. Gives the new version.
///
/// # Errors
///
/// As [`get`], and a value or a sum of values that is too large.
pub fn set(scope: Scope, key: &str, value: &[u8]) -> Result<u64, Error> {
    host::set(scope, key, value, Expected::Anything)
}

/// Sets the value of a key, if what is there is as expected. Gives the new version.
///
/// # Errors
///
/// As [`set`], and `Conflict`.
pub fn set_if(scope: Scope, key: &str, value: &[u8], expected: Expected) -> Result<u64, Error> {
    host::set(scope, key, value, expected)
}

/// Removes a key. Gives whether there was one.
///
/// # Errors
///
/// As [`get`].
pub fn delete(scope: Scope, key: &str) -> Result<bool, Error> {
    host::delete(scope, key, Expected::Anything)
}

/// Removes a key, if what is there is as expected.
///
/// # Errors
///
/// As [`get`], and `Conflict`.
pub fn delete_if(scope: Scope, key: &str, expected: Expected) -> Result<bool, Error> {
    host::delete(scope, key, expected)
}

/// Keys that begin with `prefix` and come after `after`, in the order of their bytes; at most `limit` and at most 1,000.
///
/// # Errors
///
/// As [`get`].
pub fn list(scope: Scope, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<Listed>, Error> {
    host::list_keys(scope, prefix, after, limit)
}

/// What the plugin holds and may hold, over all callers.
///
/// # Errors
///
/// As [`get`].
pub fn usage() -> Result<Usage, Error> {
    host::read_usage()
}

impl From<Error> for ToolError {
    fn from(error: Error) -> Self {
        let (code, message, hint) = match error {
            Error::Denied => {
                ("ACCESS_DENIED", "this plugin may not store that".to_owned(), Some("the operator can grant it with `storage`"))
            }
            Error::InvalidKey => ("INVALID_ARGUMENTS", "a key has 1 to 512 bytes and no control characters".to_owned(), None),
            Error::TooLarge(bytes) => ("TOO_LARGE", format!("a stored value has at most {bytes} bytes"), None),
            Error::OverQuota(usage) => {
                let text = format!(
                    "this plugin stores {} of {} bytes and {} of {} keys",
                    usage.bytes, usage.max_bytes, usage.keys, usage.max_keys
                );
                ("TOO_LARGE", text, Some("delete something, or the operator can raise `storage`"))
            }
            Error::Conflict(_) => ("CONFLICT", "somebody else changed it in the meantime".to_owned(), Some("read it again and repeat")),
            Error::Unavailable => ("UNAVAILABLE", "what this plugin stores cannot be reached now".to_owned(), None),
        };
        let failure = ToolFailure {
            code: code.to_owned(),
            message,
            hint: hint.map(str::to_owned),
            retryable: code == "CONFLICT" || code == "UNAVAILABLE",
            details: None,
        };
        Self::Failed(failure)
    }
}
