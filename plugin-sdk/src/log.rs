//! Log lines. The host adds the plugin's name and the call's id; a client that asked for the log of its call gets them too.
//!
//! A line is cut at 4 KiB; a call may write 200 lines and 64 KiB, more are counted and dropped.

pub use crate::bindings::shared::tidegate::plugin::log::Level;

#[cfg(target_arch = "wasm32")]
use crate::bindings::shared::tidegate::plugin::log as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::log as host;

/// Writes one line.
pub fn write(level: Level, message: &str) {
    host::write(level, message);
}

/// For the plugin's author.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// Normal and of interest.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// Went on, but not as wished.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}

/// Somebody must act.
pub fn error(message: &str) {
    write(Level::Error, message);
}
