//! The shape of a test file: `tests/*.toml` of a project.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Map;
use serde_json::Value as Json;

use crate::cli::failure::Exit;
use crate::cli::failure::Failure;

/// A file of tests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    test: Vec<Case>,
}

/// One test: a call of a tool, or a question to a hook.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Case {
    /// What it shows, as a fact.
    pub name: String,
    /// The tool that is called, by its name in the plugin.
    pub tool: Option<String>,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Map<String, Json>,
    /// The event that the hook is asked about.
    pub hook: Option<String>,
    /// As which of its kinds it is asked; that of the manifest when left out.
    pub kind: Option<String>,
    /// On whose behalf.
    pub caller: Option<String>,
    /// The statement that the hook is asked about: `sql`, `engine`, `database`, `parameters`.
    pub statement: Option<StatementText>,
    /// What the statement answered: `columns` and `rows`.
    pub outcome: Option<Json>,
    /// How the statement failed: `code` and `message`.
    pub error: Option<DatabaseFailure>,
    /// The call that the hook is asked about: `tool`, `arguments`.
    pub call: Option<ToolCall>,
    /// What the tool answered, as text.
    pub content: Option<String>,
    /// The operator's settings.
    #[serde(default)]
    pub settings: Map<String, Json>,
    /// The calls of capabilities that it makes, in their order, with what they answer.
    #[serde(default)]
    pub calls: Vec<Expected>,
    /// What comes of it.
    pub expect: Expectation,
}

/// A statement that a hook is asked about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatementText {
    /// Its text.
    pub sql: String,
    /// `sqlite`, `postgres` or `mysql`; `sqlite` when left out.
    pub engine: Option<String>,
    /// The database's name; `main` when left out.
    pub database: Option<String>,
    /// Its parameters.
    #[serde(default)]
    pub parameters: Vec<Json>,
}

/// A failure that a hook is asked about.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DatabaseFailure {
    /// The code that clients read, for example `SYNTAX_ERROR`.
    pub code: String,
    /// What the database said.
    pub message: String,
}

/// A call of a tool that a hook is asked about.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ToolCall {
    /// The tool, as clients call it.
    pub tool: String,
    /// The plugin that has it.
    #[serde(default)]
    pub plugin: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Map<String, Json>,
    /// Whether it changes nothing.
    #[serde(default)]
    pub read_only: bool,
}

/// A call of a capability.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    /// The function, for example `database-read.query`.
    pub call: String,
    /// Arguments that it has to have; others are not looked at.
    #[serde(default)]
    pub with: Map<String, Json>,
    /// What it returns.
    pub ok: Option<Json>,
    /// The rows that it returns: `columns` and `rows`.
    pub rows: Option<Json>,
    /// How it fails: a case of its error.
    pub error: Option<Json>,
}

/// What comes of a test; everything that is named has to hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Expectation {
    /// The rows of the answer.
    pub rows: Option<Json>,
    /// The JSON of the answer.
    pub json: Option<Json>,
    /// The whole text of the answer.
    pub text: Option<String>,
    /// A part of the text.
    pub contains: Option<String>,
    /// The code of the failure.
    pub error: Option<String>,
    /// The hook lets it pass.
    pub pass: Option<bool>,
    /// The hook refuses, with this reason.
    pub refuse: Option<String>,
    /// The hook masks these columns.
    pub mask: Option<Vec<usize>>,
    /// The hook puts this statement, these arguments or these rows in its place.
    pub rewrite: Option<Json>,
    /// The hook answers in place of the database or the tool: rows, text, or `keep`.
    pub answer: Option<Json>,
    /// What the hook suggests.
    pub suggestions: Option<Vec<String>>,
    /// The hook wants it tried again.
    pub try_again: Option<bool>,
    /// The statements that set up the session.
    pub setup: Option<Vec<String>>,
}

/// The tests of a project, file by file, in the order of their names.
///
/// # Errors
///
/// A folder without tests, and a file that is not what it should be.
pub(super) fn read(project: &Path) -> Result<Vec<(PathBuf, Vec<Case>)>, Failure> {
    let folder = project.join("tests");
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    if paths.is_empty() {
        return Err(Failure::new(Exit::Configuration, format!("there are no tests in `{}`", folder.display()))
            .next("a test is a table `[[test]]` in a file `tests/NAME.toml`; plugin-sdk/README.md shows one"));
    }
    let read = |path: PathBuf| {
        let wrong = |error: String| Failure::new(Exit::Configuration, format!("`{}`: {error}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
        let file: File = toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
        for case in &file.test {
            if case.tool.is_some() == case.hook.is_some() {
                return Err(wrong(format!("the test `{}` has to name one `tool` or one `hook`", case.name)));
            }
        }
        Ok((path, file.test))
    };
    paths.into_iter().map(read).collect()
}
