//! Rust: cargo, for the target whose modules are components already.

use std::env;
use std::fs;
use std::process::Command;

use serde_json::Value;

use super::super::project::Project;
use super::super::toolchain;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;

/// What components are built for.
const TARGET: &str = "wasm32-wasip2";

/// Builds the project's package.
pub(super) fn build(project: &Project, arguments: &[String]) -> Result<Vec<u8>, Failure> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(&project.folder).args(["build", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    if !arguments.iter().any(|argument| argument.starts_with("--profile")) {
        command.arg("--release");
    }
    command.args(arguments);
    let messages = toolchain::run(&mut command).map_err(|failure| match failure.next.as_deref() {
        Some(said) if said.contains("target may not be installed") => {
            toolchain::missing(TARGET, "install the Rust target with `rustup target add wasm32-wasip2`")
        }
        _ => failure,
    })?;
    let manifest = project.folder.join("Cargo.toml");
    let made = String::from_utf8_lossy(&messages);
    let made = made.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter(|message| {
        message["reason"] == "compiler-artifact"
            && message["manifest_path"].as_str().is_some_and(|path| manifest == std::path::Path::new(path))
    });
    let file = made
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|name| name.as_str().map(str::to_owned))
        .find(|name| name.ends_with(".wasm"));
    let Some(file) = file else {
        return Err(Failure::new(Exit::Failed, "cargo built no component").next("the library needs `crate-type = [\"cdylib\", \"rlib\"]`"));
    };
    fs::read(&file).map_err(|error| Failure::new(Exit::Failed, format!("cannot read `{file}`: {error}")))
}
