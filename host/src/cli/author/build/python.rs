//! Python: componentize-py, which imports the module once, and makes a component of the interpreter with that state in it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::super::project::Project;
use super::super::project::WORLD;
use super::super::toolchain;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;

/// The module that is the plugin: `plugin.py`.
const MODULE: &str = "plugin";

/// Builds the project's module.
pub(super) fn build(project: &Project, wit: &Path, out: &Path, arguments: &[String]) -> Result<Vec<u8>, Failure> {
    let tool = toolchain::find_program(&project.folder, &["componentize-py"]).ok_or_else(|| {
        let how = "run `python3 -m venv .venv && .venv/bin/pip install -r requirements.txt` in the folder of the project";
        toolchain::missing("componentize-py", how)
    })?;
    let made = out.join("component.wasm");
    let mut command = Command::new(tool);
    command.current_dir(&project.folder).arg("--wit-path").arg(wit).args(["--world", WORLD, "componentize", MODULE]);
    command.arg("--output").arg(&made).args(arguments);
    toolchain::run(&mut command)?;
    let component = fs::read(&made).map_err(|error| Failure::new(Exit::Failed, format!("cannot read `{}`: {error}", made.display())))?;
    // It is in the package under its own name, when it has been checked.
    let _ = fs::remove_file(&made);
    Ok(component)
}
