//! `tidegate plugin build`: from a project to a package, which is a folder that a host can load.
//!
//! The language's own tools make the component. What comes then is the same for all: what it imports is compared with what
//! its manifest requests, in both directions, and it is loaded and asked what it offers, as a host would.

mod c;
mod javascript;
mod python;
mod rust;

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::contract;
use super::language::Language;
use super::package;
use super::package::Package;
use super::project;
use super::project::Project;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;

/// Options of `plugin build`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The folder of the project
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Where the package goes [default: `build` in the project]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Print what was built as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
    /// What is handed on to the language's own tool, after `--`
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Builds the project and prints what came of it.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let project = Project::open(&options.folder)?;
    let out = options.out.clone().unwrap_or_else(|| project.folder.join("build"));
    let package = build(&project, &out, &options.arguments).await?;
    if options.json {
        output::json(&json!({
            "plugin": project.id(),
            "language": project.language.name(),
            "folder": package.folder,
            "component": package.component,
            "bytes": package.bytes,
            "imports": package.imports,
            "tools": package.tools,
        }));
    } else {
        let Package { folder, bytes, imports, tools, .. } = &package;
        output::line(format!(
            "built `{}` ({}): {} KiB in {}",
            project.id(),
            project.language.name(),
            bytes.div_ceil(1 << 10),
            folder.display()
        ));
        output::line(format!("  imports: {}", if imports.is_empty() { "nothing".to_owned() } else { imports.join(", ") }));
        output::line(format!("  tools: {}", if tools.is_empty() { "none".to_owned() } else { tools.join(", ") }));
        output::line(format!(
            "  next: `tidegate plugin test`, or `path = {:?}` under `[plugins.{}]` in tidegate.toml",
            folder,
            project.id()
        ));
    }
    Ok(())
}

/// Builds a project into the folder `out`.
pub(super) async fn build(project: &Project, out: &Path, arguments: &[String]) -> Result<Package, Failure> {
    let cannot_write = |error: std::io::Error| Failure::new(Exit::Failed, format!("cannot write to `{}`: {error}", out.display()));
    fs::create_dir_all(out).map_err(cannot_write)?;
    let out = fs::canonicalize(out).map_err(cannot_write)?;
    let component = match project.language {
        Language::Rust => rust::build(project, arguments)?,
        Language::Js => javascript::build(project, &stage(project, &out)?, &out, arguments)?,
        Language::Python => python::build(project, &stage(project, &out)?, &out, arguments)?,
        Language::C => c::build(project, &stage(project, &out)?, &out, arguments)?,
    };
    package::finish(project, component, &out).await
}

/// Lays out the project's own world with the contract beside it, where its tools find both.
fn stage(project: &Project, out: &Path) -> Result<PathBuf, Failure> {
    let staged = out.join("wit");
    let cannot_write = |error: std::io::Error| Failure::new(Exit::Failed, format!("cannot write to `{}`: {error}", staged.display()));
    if staged.exists() {
        fs::remove_dir_all(&staged).map_err(cannot_write)?;
    }
    contract::write(&staged.join("deps").join("tidegate-plugin"), &project.world()?).map_err(cannot_write)?;
    for file in project::wit_files(&project.folder.join("wit"))? {
        fs::copy(&file, staged.join(file.file_name().unwrap_or_default())).map_err(cannot_write)?;
    }
    Ok(staged)
}
