//! The rules of the tree itself.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use crate::examples;
use crate::guests;

/// The layers of the host, topmost first: each uses only those after it.
const LAYERS: [&str; 16] = [
    "cli",
    "mcp",
    "dispatch",
    "plugin",
    "runtime",
    "capability",
    "bindings",
    "hook",
    "storage",
    "vault",
    "cache",
    "database",
    "cassette",
    "call",
    "config",
    "telemetry",
];

/// The one upward path: `bindgen!` has to name the host's type behind a resource of the contract.
const RESOURCE_TYPES: &str = "with: {";

/// Crates that stay in their place: the crate as code names it, and the paths under `host/src` that may name it.
const FENCES: [(&str, &[&str]); 23] = [
    ("wasmtime", &["runtime", "capability", "bindings"]),
    ("wasmtime_wasi", &["runtime", "capability", "bindings"]),
    ("wasmtime_wasi_http", &["capability"]),
    ("rustls", &["capability/http", "plugin/fetch"]),
    ("tokio_rustls", &["capability/http", "plugin/fetch"]),
    // The tour of `demo` is a client of its own host.
    ("rmcp", &["mcp", "cli/demo"]),
    ("sqlx", &["database/sqlite", "database/postgres", "database/mysql", "database/sample_file", "database/attacks", "storage"]),
    ("libsqlite3_sys", &["database/sqlite", "database/sample_file"]),
    ("sqlparser", &["database/statement"]),
    ("clap", &["cli"]),
    ("axum", &["mcp"]),
    ("jsonschema", &["plugin", "runtime"]),
    ("moka", &["cache"]),
    ("minisign", &["plugin/trust"]),
    ("wasmparser", &["plugin/header", "plugin/interfaces"]),
    ("redis", &["cache/shared"]),
    ("reqwest", &["plugin/fetch"]),
    ("rustls_native_certs", &["capability/http", "plugin/fetch"]),
    ("toml_edit", &["cli/author/package"]),
    ("wit_bindgen_c", &["cli/author/build"]),
    ("wit_bindgen_core", &["cli/author/build"]),
    ("wit_component", &["cli/author/build"]),
    ("wit_parser", &["cli/author"]),
];

/// File names that say nothing.
const VAGUE: [&str; 7] = ["utils", "util", "helpers", "helper", "common", "misc", "manager"];

#[test]
fn a_layer_uses_only_layers_below_it() {
    let mut broken = Vec::new();
    for (file, text) in rust_files(&root().join("host/src")) {
        let Some(own) = LAYERS.iter().position(|layer| *layer == layer_of(&file)) else { continue };
        for (line, code) in code_lines(&text) {
            if code.contains("crate::{") || climbs_out(&file, code) {
                broken.push(format!("{}:{line}: one path per line, from the crate's root", file.display()));
            }
            for upper in &LAYERS[..own] {
                if names_path(code, &format!("crate::{upper}")) && !code.starts_with(RESOURCE_TYPES) {
                    broken.push(format!("{}:{line}: `{}` uses `{upper}`, which is above it", file.display(), LAYERS[own]));
                }
            }
        }
    }
    check(broken);
}

#[test]
fn every_module_of_the_host_is_a_layer() {
    let broken = rust_files(&root().join("host/src"))
        .into_iter()
        .map(|(file, _)| (layer_of(&file), file))
        .filter(|(layer, _)| !LAYERS.contains(&layer.as_str()) && layer != "lib" && layer != "main")
        .map(|(layer, file)| format!("{}: `{layer}` is not in the list of layers", file.display()));
    check(broken.collect());
}

#[test]
fn a_dependency_stays_behind_its_fence() {
    let source = root().join("host/src");
    let mut broken = Vec::new();
    for (file, text) in rust_files(&source) {
        let place = file.strip_prefix(&source).expect("found below it").with_extension("");
        for (line, code) in code_lines(&text) {
            for (dependency, allowed) in FENCES {
                let inside = allowed.iter().any(|fence| place.starts_with(fence));
                if !inside && names_path(code, &format!("{dependency}::")) {
                    broken.push(format!("{}:{line}: `{dependency}` belongs into {}", file.display(), allowed.join(", ")));
                }
            }
        }
    }
    check(broken);
}

#[test]
fn every_file_begins_with_a_caption_and_has_a_telling_name() {
    let mut broken = Vec::new();
    for (file, text) in rust_files(&root()) {
        if !text.starts_with("//! ") {
            broken.push(format!("{}: begins without a caption `//! …`", file.display()));
        }
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if VAGUE.contains(&stem) || stem == "mod" {
            broken.push(format!("{}: name the content", file.display()));
        }
    }
    check(broken);
}

#[test]
fn no_lint_is_allowed_without_a_reason() {
    let mut broken = Vec::new();
    for (file, text) in rust_files(&root()) {
        for (line, code) in code_lines(&text) {
            if code.contains(concat!("#[all", "ow(")) || code.contains(concat!("#![all", "ow(")) {
                broken.push(format!("{}:{line}: `#[expect(…, reason = \"…\")]` instead", file.display()));
            }
        }
    }
    check(broken);
}

#[test]
fn every_wit_item_is_documented() {
    let mut broken = Vec::new();
    for entry in fs::read_dir(root().join("wit")).expect("wit/ is there") {
        let file = entry.expect("wit/ can be read").path();
        if file.extension().is_some_and(|extension| extension == "wit") {
            let text = fs::read_to_string(&file).expect("a WIT file is text");
            broken.extend(undocumented(&text).into_iter().map(|line| format!("{}:{line}: undocumented", file.display())));
        }
    }
    check(broken);
}

#[test]
fn an_undocumented_item_is_found() {
    let text = "/// A.\ninterface a {\n  /// B.\n  @since(version = 0.1.0)\n  record b {\n    c: u8,\n  }\n  d: func(\n    e: u8,\n  );\n  use f.{g};\n}\n";
    assert_eq!(undocumented(text), [6, 8]);
}

#[test]
fn every_guest_has_a_test() {
    let tests: Vec<String> =
        ["tests/it", "tests/conformance"].iter().flat_map(|folder| texts(&root().join(folder))).map(|(_, text)| text).collect();
    let broken = folders(&root().join("tests/guests"))
        .into_iter()
        .filter(|guest| {
            let constant = format!("guests::{}", guest.replace('-', "_").to_uppercase());
            let folder = format!("guests/{guest}");
            !tests.iter().any(|text| names_path(text, &constant) || text.contains(&folder))
        })
        .map(|guest| format!("tests/guests/{guest}: no test names it"));
    check(broken.collect());
}

#[test]
fn every_guest_has_a_manifest_and_is_built() {
    let missing = |path: PathBuf| (!path.is_file()).then(|| format!("{} is missing", path.display()));
    let broken = guests::ALL.iter().chain(&examples::ALL).flat_map(|guest| {
        let manifest = Path::new(guest.folder).join("plugin.toml");
        [missing(manifest), missing(guest.component.into())].into_iter().flatten()
    });
    check(broken.collect());
}

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository").to_owned()
}

/// Fails with one line for each broken rule.
fn check(broken: Vec<String>) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

/// The layer of a file under `host/src`.
fn layer_of(file: &Path) -> String {
    let inside = file.strip_prefix(root().join("host/src")).expect("found below it");
    let first = inside.iter().next().and_then(|part| part.to_str()).unwrap_or_default();
    first.trim_end_matches(".rs").to_owned()
}

/// Whether a chain of `super::` in `code` leaves the layer of `file`, where the search for `crate::…` would not see it.
fn climbs_out(file: &Path, code: &str) -> bool {
    let inside = file.strip_prefix(root().join("host/src")).expect("found below it");
    let depth = inside.iter().count();
    let out = "super::".repeat(depth);
    LAYERS.iter().any(|layer| names_path(code, &format!("{out}{layer}")))
}

/// The lines that are not comments, counted from 1.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())).filter(|(_, line)| !line.starts_with("//"))
}

/// Whether `path` stands in `code` and is not the middle of a longer name.
fn names_path(code: &str, path: &str) -> bool {
    let in_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(path).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + path.len()..].chars().next();
        !in_name(before) && (path.ends_with(':') || !in_name(after))
    })
}

/// Lines of WIT text that declare something without `///` above them.
fn undocumented(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut documented = false;
    let mut depth = 0;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let inside_signature = depth > 0;
        if !line.starts_with("//") {
            depth += line.matches('(').count();
            depth -= line.matches(')').count().min(depth);
        }
        if inside_signature || line.starts_with('@') {
            continue;
        }
        if line.starts_with("///") {
            documented = true;
            continue;
        }
        let declares = !line.is_empty() && !line.starts_with("//") && !line.starts_with('}') && !line.starts_with(')');
        let refers = ["use ", "include ", "import ", "export "].iter().any(|word| line.starts_with(word));
        if declares && !refers && !documented {
            found.push(index + 1);
        }
        documented = false;
    }
    found
}

/// Every Rust file below a folder that is ours, with its text.
fn rust_files(folder: &Path) -> Vec<(PathBuf, String)> {
    texts(folder).into_iter().filter(|(file, _)| file.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// Every text file below a folder; what is built or hidden is left out.
fn texts(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.expect("the tree can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if name != "target" && name != "node_modules" && !name.starts_with('.') {
                found.extend(texts(&path));
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.push((path, text));
        }
    }
    found.sort();
    found
}

/// The names of the folders in a folder.
fn folders(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("tests/guests is there");
    let entries = entries.map(|entry| entry.expect("the tree can be read"));
    entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
