//! `tidegate plugin new`: a project to begin with. It is the example of its language under another name, so that what an
//! author begins with is built and run by the tests of this program.

mod files;

use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::language;
use super::language::Language;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::config::PluginName;
use files::File;

/// Options of `plugin new`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// Its id: lower-case letters, digits and hyphens
    name: String,
    /// What it is written in
    #[arg(long, value_parser = language::parser())]
    lang: Language,
    /// Where the project goes [default: a folder called as the plugin]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Rust: the folder `plugin-sdk` of a checkout of Tidegate, since the SDK is not on crates.io
    #[arg(long, value_name = "FOLDER")]
    sdk: Option<PathBuf>,
    /// Print what was made as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Makes the project and says what to do next.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let name = &options.name;
    if PluginName::parse(name).is_none() {
        return Err(Failure::new(Exit::Usage, format!("`{name}` cannot be the name of a plugin"))
            .next("lower-case letters, digits and hyphens, a letter first, at most 40 characters"));
    }
    let folder = options.folder.clone().unwrap_or_else(|| PathBuf::from(name));
    if fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::new(Exit::Failed, format!("`{}` is not empty", folder.display())).next("give another with `--folder`"));
    }
    let sdk = match options.lang {
        Language::Rust => Some(find_sdk(options.sdk.as_deref())?),
        Language::Js | Language::Python | Language::C => None,
    };
    let files: Vec<File> = files::of(options.lang, name, sdk.as_deref());
    for File { path, text } in &files {
        let path = folder.join(path);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
        written.map_err(|error| Failure::new(Exit::Failed, format!("cannot write `{}`: {error}", path.display())))?;
    }
    let first = options.lang.first_step();
    if options.json {
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        output::json(&json!({ "plugin": name, "language": options.lang.name(), "folder": folder, "files": paths, "first": first }));
        return Ok(());
    }
    output::line(format!("made `{name}` ({}) in {}", options.lang.name(), folder.display()));
    for File { path, .. } in &files {
        output::line(format!("  {path}"));
    }
    output::line(format!("next:\n  cd {}\n  {first}\n  tidegate plugin build\n  tidegate plugin test", folder.display()));
    Ok(())
}

/// The SDK: the one that is named, else that of the checkout which this program was built in, or which it is called in.
fn find_sdk(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let missing = |text: String| {
        Failure::new(Exit::Usage, text)
            .next("the SDK is not on crates.io: name its folder in a checkout of Tidegate, `--sdk PATH/plugin-sdk`")
    };
    if let Some(folder) = named {
        let is_sdk = folder.join("Cargo.toml").is_file() && folder.join("src").is_dir();
        let folder = fs::canonicalize(folder).ok().filter(|_| is_sdk);
        return folder.ok_or_else(|| missing("`--sdk` names no folder with the SDK".into()));
    }
    let places = [env::current_exe().ok(), env::current_dir().ok()];
    let above = places.iter().flatten().flat_map(|place| place.ancestors()).map(|folder| folder.join("plugin-sdk"));
    let found = above.into_iter().find(|folder| folder.join("src").join("lib.rs").is_file() && folder.join("../wit").is_dir());
    found.and_then(|folder| fs::canonicalize(folder).ok()).ok_or_else(|| missing("a plugin in Rust needs the SDK".into()))
}
