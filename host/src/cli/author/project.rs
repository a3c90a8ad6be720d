//! A plugin's project: a folder with its manifest, its world and its source.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use super::language::Language;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::plugin::files::MANIFEST_FILE;
use crate::plugin::manifest::Manifest;

/// The world that a project targets, by its name in the project's `wit/`.
pub(super) const WORLD: &str = "plugin";

/// A folder that holds a plugin.
pub(super) struct Project {
    /// The folder, absolute.
    pub folder: PathBuf,
    /// The text of its manifest.
    pub manifest_text: String,
    /// Its manifest.
    pub manifest: Manifest,
    /// What it is written in.
    pub language: Language,
}

impl Project {
    /// Reads the project in `folder`.
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        let wrong = |text: String| Failure::new(Exit::Configuration, text);
        let folder = fs::canonicalize(folder).map_err(|error| wrong(format!("cannot open the folder `{}`: {error}", folder.display())))?;
        let path = folder.join(MANIFEST_FILE);
        let manifest_text = fs::read_to_string(&path).map_err(|error| {
            wrong(format!("cannot read `{}`: {error}", path.display()))
                .next("give the folder of a plugin, or begin one with `tidegate plugin new NAME --lang rust`")
        })?;
        let manifest = Manifest::parse(&manifest_text).map_err(|error| wrong(format!("`{}`: {error}", path.display())))?;
        let language = Language::of(&folder).ok_or_else(|| {
            let marks = Language::ALL.map(|language| format!("`{}`", language.mark())).join(", ");
            wrong(format!("`{}` does not show what it is written in", folder.display())).next(format!("there has to be one of {marks}"))
        })?;
        Ok(Self { folder, manifest_text, manifest, language })
    }

    /// Its id.
    pub(super) fn id(&self) -> &str {
        &self.manifest.plugin.id
    }

    /// The text of its own world.
    pub(super) fn world(&self) -> Result<String, Failure> {
        let folder = self.folder.join("wit");
        let mut text = String::new();
        for path in wit_files(&folder)? {
            let file = fs::read_to_string(&path);
            text += &file.map_err(|error| Failure::new(Exit::Failed, format!("cannot read `{}`: {error}", path.display())))?;
            text.push('\n');
        }
        Ok(text)
    }
}

/// The WIT files of a folder, sorted.
pub(super) fn wit_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| {
        Failure::new(Exit::Configuration, format!("cannot read `{}`: {error}", folder.display()))
            .next(format!("it holds the world `{WORLD}`: what the plugin imports and exports"))
    })?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wit"));
    files.sort();
    Ok(files)
}
