//! How far a call has come, for the person who waits.

#[cfg(target_arch = "wasm32")]
use crate::bindings::shared::tidegate::plugin::progress as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::progress as host;

/// Tells the client. `progress` must grow with each call, `total` is in the same unit where it is known. Does nothing
/// when the client did not ask for progress; more than 20 a second are dropped.
pub fn report(progress: f64, total: Option<f64>, message: Option<&str>) {
    host::report(progress, total, message);
}
