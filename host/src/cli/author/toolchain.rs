//! Finds and runs the tools of languages. This program brings none of them: they come from the registries of their languages,
//! in the versions that a project pins.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use crate::cli::failure::Exit;
use crate::cli::failure::Failure;

/// The variable that names a folder with tools for all projects: `venv/` of Python and `node_modules/` of npm.
pub(super) const SHARED: &str = "TIDEGATE_TOOLCHAINS";

/// Lines of a tool's output that a failure shows.
const SHOWN_LINES: usize = 40;

/// A program of the project's own virtual environment (`.venv`), of the shared one, or of `PATH`, whichever comes first.
pub(super) fn find_program(project: &Path, names: &[&str]) -> Option<PathBuf> {
    let scripts = if cfg!(windows) { "Scripts" } else { "bin" };
    let shared = env::var_os(SHARED).map(PathBuf::from);
    let mut folders = vec![project.join(".venv").join(scripts)];
    folders.extend(shared.iter().map(|shared| shared.join("venv").join(scripts)));
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let file = |folder: &Path, name: &str| folder.join(format!("{name}{}", env::consts::EXE_SUFFIX));
    folders.iter().flat_map(|folder| names.iter().map(|name| file(folder, name))).find(|path| path.is_file())
}

/// A package of npm: beside the project, above it, or in the shared folder.
pub(super) fn find_npm_package(project: &Path, name: &str) -> Option<PathBuf> {
    let shared = env::var_os(SHARED).map(PathBuf::from);
    project.ancestors().map(Path::to_path_buf).chain(shared).map(|folder| folder.join("node_modules").join(name)).find(|path| path.is_dir())
}

/// What to say when a tool is missing: its name, and how to get it.
pub(super) fn missing(tool: &str, how: &str) -> Failure {
    Failure::new(Exit::Failed, format!("`{tool}` is not installed")).next(how)
}

/// Runs a tool to its end and answers what it wrote to standard output.
///
/// # Errors
///
/// One that does not start, or does not succeed: with the end of what it wrote.
pub(super) fn run(command: &mut Command) -> Result<Vec<u8>, Failure> {
    let name = Path::new(command.get_program()).file_name().unwrap_or(OsStr::new("tool")).to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => missing(&name, "see that it is on `PATH`"),
        _ => Failure::new(Exit::Failed, format!("`{name}` does not start: {error}")),
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.trim().is_empty() {
        said = String::from_utf8_lossy(&output.stdout).into_owned();
    }
    let lines: Vec<&str> = said.trim_end().lines().collect();
    let end = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n  ");
    Err(Failure::new(Exit::Failed, format!("`{name}` failed ({})", output.status)).next(end))
}
