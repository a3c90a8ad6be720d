//! The files of a new project, and what is changed in them.

use std::path::Path;

use super::super::language::Language;

/// A file of a project.
pub(super) struct File {
    /// Where, from the project's folder.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// A file of an example of this repository.
macro_rules! example {
    ($language:literal: $($path:literal),*) => {
        &[$(($path, include_str!(concat!("../../../../../plugins/examples/", $language, "/", $path)))),*]
    };
}

const RUST: &[(&str, &str)] =
    example!("rust": "Cargo.toml", "README.md", "plugin.toml", "src/guard.rs", "src/lib.rs", "src/profile.rs", "tests/table_profile.toml");
const JS: &[(&str, &str)] =
    example!("js": "README.md", "package.json", "plugin.js", "plugin.toml", "tests/duplicates.toml", "wit/plugin.wit");
const PYTHON: &[(&str, &str)] =
    example!("python": "README.md", "plugin.py", "plugin.toml", "requirements.txt", "tests/numbers.toml", "wit/plugin.wit");
const C: &[(&str, &str)] =
    example!("c": "README.md", "plugin.c", "plugin.toml", "requirements.txt", "tests/row_counts.toml", "wit/plugin.wit");

/// What cargo builds components with; in this repository it stands in the workspace.
const PROFILE: &str =
    "\n[profile.release]\nopt-level = \"s\"\nlto = true\ncodegen-units = 1\nstrip = true\npanic = \"abort\"\n\n[workspace]\n";

/// What is made and not written.
const IGNORED: &str = "/build/\n/target/\n/node_modules/\n/.venv/\n__pycache__/\n";

/// The files of a new project in `language`, called `name`.
pub(super) fn of(language: Language, name: &str, sdk: Option<&Path>) -> Vec<File> {
    let (example, files) = match language {
        Language::Rust => ("table-profile", RUST),
        Language::Js => ("duplicates", JS),
        Language::Python => ("numbers", PYTHON),
        Language::C => ("row-counts", C),
    };
    let underscored = |name: &str| name.replace('-', "_");
    let file = |(path, text): &(&str, &str)| {
        let renamed = match *path {
            // Only where a name stands, for the example is about duplicates, numbers and counts of rows.
            "plugin.toml" => text
                .replace(&format!("id = \"{example}\""), &format!("id = \"{name}\""))
                .replace(&format!("{}.wasm", underscored(example)), &format!("{}.wasm", underscored(name))),
            "Cargo.toml" | "package.json" => text.replace(&format!("\"{example}\""), &format!("\"{name}\"")),
            "wit/plugin.wit" => text.replace(&format!("example:{example}"), &format!("plugin:{name}")),
            _ => (*text).to_owned(),
        };
        let text = match (*path, sdk) {
            ("Cargo.toml", Some(sdk)) => renamed.replace("\"../../../plugin-sdk\"", &format!("{:?}", sdk.display().to_string())) + PROFILE,
            _ => renamed,
        };
        let path = match path.strip_prefix("tests/") {
            Some(_) => format!("tests/{}.toml", underscored(name)),
            None => (*path).to_owned(),
        };
        File { path, text }
    };
    let mut files: Vec<File> = files.iter().map(file).collect();
    files.push(File { path: ".gitignore".into(), text: IGNORED.into() });
    files
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::plugin::manifest::Manifest;

    #[test]
    fn a_new_project_bears_its_own_name_alone() {
        for language in Language::ALL {
            let files = of(language, "my-own", Some(Path::new("/sdk")));
            let find = |path: &str| files.iter().find(|file| file.path == path).map(|file| file.text.as_str());
            let manifest = Manifest::parse(find("plugin.toml").unwrap()).unwrap();
            assert_eq!((manifest.plugin.id.as_str(), manifest.component.file.as_str()), ("my-own", "my_own.wasm"));
            assert!(find(language.mark()).is_some() && find("tests/my_own.toml").is_some());
            assert!(find("wit/plugin.wit").is_none_or(|world| world.contains("package plugin:my-own;")));
            assert!(find("Cargo.toml").is_none_or(|text| text.contains("name = \"my-own\"") && text.contains("{ path = \"/sdk\" }")));
            assert!(find("package.json").is_none_or(|text| text.contains("\"name\": \"my-own\"")));
        }
    }

    #[test]
    fn every_file_of_an_example_is_carried() {
        for (folder, carried) in [("rust", RUST), ("js", JS), ("python", PYTHON), ("c", C)] {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/examples").join(folder);
            let mut waiting = vec![root.clone()];
            while let Some(folder) = waiting.pop() {
                for entry in fs::read_dir(&folder).unwrap() {
                    let path = entry.unwrap().path();
                    let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                    if path.is_dir() {
                        // What a build in the folder leaves is not of the example.
                        if !["build", "node_modules", ".venv", "target", "__pycache__"].contains(&name.as_str()) {
                            waiting.push(path);
                        }
                    } else if name != "package-lock.json" {
                        assert!(carried.iter().any(|(path, _)| *path == name), "{folder:?}: {name}");
                    }
                }
            }
        }
    }
}
