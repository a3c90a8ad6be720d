//! Tests across crates: over the real wire, with the built program, on real databases. `tests/run` starts what they need.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where by panicking, also in what tests share")]

mod cache;
mod cassettes;
mod commands;
mod compiled_code;
mod confirmations;
mod database;
mod example_plugins;
mod faults;
mod folder;
mod fuzzing;
mod hook_instances;
mod hooks;
mod host;
mod jobs;
mod keeping;
mod killed_installs;
mod languages;
mod outgoing_http;
mod package;
mod plugins_index;
mod plugins_install;
mod protocol;
mod records;
mod statements;
mod strangers;
mod templates;
mod tidy;
mod tool_instances;
mod transactions;
mod turns;
mod walkthrough;

/// A guest of `tests/guests` or an example of the SDK, built to a component.
#[derive(Clone, Copy)]
struct Guest {
    /// Its id.
    name: &'static str,
    /// The folder of its manifest.
    folder: &'static str,
    /// Its component.
    component: &'static str,
}

/// The guests, each a constant called as its folder.
mod guests {
    use super::Guest;

    include!(concat!(env!("OUT_DIR"), "/guests.rs"));
}

/// The examples of the SDK, each a constant called as its folder.
mod examples {
    use super::Guest;

    include!(concat!(env!("OUT_DIR"), "/examples.rs"));
}
