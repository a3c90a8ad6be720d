//! The examples of `plugins/examples`, each built by its language's own tools, and run by the program on real databases.
//!
//! `tests/run` installs the tools and names their folder. What was built is kept there under a digest of all that went into it,
//! so that a run that changes nothing builds nothing.

use std::fs;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::database::Engine;
use crate::database::Library;
use crate::folder::Folder;
use crate::host::Client;
use crate::host::Era;
use crate::host::Host;
use crate::host::HttpHost;
use crate::host::program;

/// How long a build may take: engines of languages are compiled in it.
const PATIENCE: Duration = Duration::from_secs(600);

/// The folder with the tools, as the program and `tests/run` call it.
const TOOLCHAINS: &str = "TIDEGATE_TOOLCHAINS";

/// The folder of a built example.
async fn build(language: &str) -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository");
    let project = repository.join("plugins/examples").join(language);
    let toolchains = std::env::var_os(TOOLCHAINS).map(PathBuf::from);
    let toolchains = toolchains.unwrap_or_else(|| panic!("`{TOOLCHAINS}` is not set; run `tests/run`, which installs the tools"));
    let mut inputs = vec![project.clone(), repository.join("wit"), repository.join("host/src/cli/author")];
    if language == "rust" {
        inputs.push(repository.join("plugin-sdk/src"));
    }
    let built = toolchains.join("built").join(format!("{language}-{:016x}", digest(&inputs)));
    if !built.join("done").exists() {
        let mut command = program();
        command.args(["plugin", "build"]).arg(&project).arg("--out").arg(&built).arg("--json");
        command.env(TOOLCHAINS, &toolchains);
        if language == "rust" {
            // With the dependencies of the other guests, which are built already.
            command.env(
                "CARGO_TARGET_DIR",
                Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target folder").join("guests"),
            );
            command.args(["--", "--profile", "guest-test", "--locked"]);
        }
        let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("it is built in time").expect("the program starts");
        assert!(output.status.success(), "{language}: {}", String::from_utf8_lossy(&output.stderr));
        test(&project, &built).await;
        fs::write(built.join("done"), []).expect("the folder is ours");
    }
    built
}

/// Runs the tests of a project, each of them again without each capability.
async fn test(project: &Path, built: &Path) {
    let mut command = program();
    command.args(["plugin", "test", "--deny-each", "--built"]).arg(built).arg(project);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("they end in time").expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("without `database-read`"), "{}:\n{said}", project.display());
}

/// A digest of all files in these folders, and of their names.
fn digest(folders: &[PathBuf]) -> u64 {
    let mut waiting = folders.to_vec();
    let mut files = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("it can be read").path();
            if path.is_dir() { waiting.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.hash(&mut hasher);
        fs::read(&file).expect("it can be read").hash(&mut hasher);
    }
    hasher.finish()
}

/// A host with a library and the example as the plugin `id`, whose hook is obeyed.
async fn start(language: &str, id: &str, event: &str, settings: &str) -> (HttpHost, Client, Library) {
    let built = build(language).await;
    let library = Library::new(Engine::Sqlite).await;
    let keys = format!(
        "path = {built:?}\ndatabases = {{ main = \"read\" }}\nsettings = {{ {settings} }}\n\
         hooks = {{ {event} = {{ mode = \"enforce\", timeout = \"2s\" }} }}"
    );
    let host = Host::new().database("main", &library.url, "").table(&format!("plugins.{id}"), &keys).start().await;
    let client = host.connect(Era::Modern).await;
    (host, client, library)
}

#[tokio::test]
async fn a_new_project_builds_and_a_wrong_expectation_is_told() {
    let folder = Folder::new();
    let project = folder.path().join("my-counts");
    let plugin = async |arguments: &[&str]| {
        let mut command = program();
        command.arg("plugin").args(arguments).current_dir(folder.path());
        tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends in time").expect("the program starts")
    };
    let made = plugin(&["new", "my-counts", "--lang", "c"]).await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let again = plugin(&["new", "my-counts", "--lang", "c"]).await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("`my-counts` is not empty"));
    let tests = project.join("tests/my_counts.toml");
    let text = fs::read_to_string(&tests).unwrap();
    fs::write(&tests, text.replace("it joins 9 times", "it joins ten times").replace("odd \"\"name\"\"", "even")).unwrap();
    let tested = plugin(&["test", "my-counts"]).await;
    let said = String::from_utf8_lossy(&tested.stdout).into_owned() + &String::from_utf8_lossy(&tested.stderr);
    assert_eq!(tested.status.code(), Some(1), "{said}");
    assert!(said.contains("the arguments of `database-read.query` are others"), "{said}");
    assert!(said.contains("got \"it joins 9 times, and 8 are allowed\"") && said.contains("5 passed, 2 failed"), "{said}");
    // The package has what a host checks, and its manifest says what it offers.
    let manifest = fs::read_to_string(project.join("build/plugin.toml")).unwrap();
    assert!(manifest.contains("tools = [\"count_rows\"]") && manifest.contains("contract-sha256 = "), "{manifest}");

    // What is requested and not used is asked of nobody.
    let asking =
        format!("{}\n[capabilities.database-write]\nreason = \"None.\"\n", fs::read_to_string(project.join("plugin.toml")).unwrap());
    fs::write(project.join("plugin.toml"), asking).unwrap();
    let built = plugin(&["build", "my-counts"]).await;
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(!built.status.success() && said.contains("requests `database-write`, and the component does not import it"), "{said}");
}

#[tokio::test]
async fn a_missing_tool_is_named_with_how_to_get_it() {
    let folder = Folder::new();
    for (language, tool) in [("js", "node"), ("python", "componentize-py"), ("c", "zig")] {
        let mut command = program();
        command.args(["plugin", "new", "one", "--lang", language, "--folder", language]).current_dir(folder.path());
        assert!(command.status().await.unwrap().success());
        let mut command = program();
        let build =
            command.args(["plugin", "build", language]).current_dir(folder.path()).env_remove(TOOLCHAINS).env("PATH", folder.path());
        let output = build.output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let is_named =
            said.contains(&format!("`{tool}` is not installed")) || (language == "js" && said.contains("`node` is not installed"));
        assert!(!output.status.success() && is_named && said.contains("install"), "{said}");
    }
}

#[tokio::test]
async fn rust_profiles_tables_and_bounds_reads_of_large_ones() {
    let (_host, client, library) = start("rust", "table-profile", "before-query", "large = [\"loans\"]").await;
    let rows = client.call("table-profile_profile_table", json!({ "table": "authors" })).await.rows();
    assert!(rows.as_array().unwrap().iter().any(|row| row[0] == "id" && row[2] == 0), "{rows}");
    let refused = client.call("execute_select", json!({ "sql": "select * from loans" })).await;
    assert_eq!(refused.code(), "HOOK_REFUSED");
    assert!(refused.text().contains("`loans` is large"), "{}", refused.text());
    assert!(!client.call("execute_select", json!({ "sql": "select * from loans limit 1" })).await.failed());
    library.close().await;
}

#[tokio::test]
async fn javascript_finds_duplicates_and_masks_addresses() {
    let (_host, client, library) = start("js", "duplicates", "after-query", "clear = [\"shown\"]").await;
    let sql =
        "select author_id, count(*) as copies from books group by author_id having count(*) > 1 order by copies desc, author_id limit 3";
    let expected = client.call("execute_select", json!({ "sql": sql })).await.rows();
    let arguments = json!({ "table": "books", "columns": ["author_id"], "limit": 3 });
    assert_eq!(client.call("duplicates_find_duplicates", arguments).await.rows(), expected);
    let missing = client.call("duplicates_find_duplicates", json!({ "table": "nowhere", "columns": ["a"] })).await;
    assert_eq!(missing.code(), "UNKNOWN_TABLE");
    let sql = "select 1 as id, 'ada@acme.example' as contact, 'ada@acme.example' as shown, '4111111111111111' as card";
    let rows = client.call("execute_select", json!({ "sql": sql })).await.rows();
    assert_eq!(rows, json!([[1, "***", "ada@acme.example", "***"]]));
    library.close().await;
}

#[tokio::test]
async fn python_describes_numbers_and_knows_dialects() {
    let (_host, client, library) = start("python", "numbers", "on-error", "").await;
    let figures = client.call("numbers_describe_numbers", json!({ "table": "authors", "column": "id", "where": "id < 6" })).await.json();
    assert_eq!((&figures["count"], &figures["min"], &figures["median"]), (&json!(5), &json!(1.0), &json!(3.0)), "{figures}");
    let failed = client.call("execute_select", json!({ "sql": "select getdate()" })).await;
    assert!(failed.text().contains("in sqlite, `getdate` is datetime('now')"), "{}", failed.text());
    library.close().await;
}

#[tokio::test]
async fn c_counts_rows_and_refuses_many_joins() {
    let (_host, client, library) = start("c", "row-counts", "before-query", "max-joins = 1").await;
    let rows = client.call("row-counts_count_rows", json!({})).await.rows();
    let authors = client.call("execute_select", json!({ "sql": "select count(*) from authors" })).await.rows();
    let counted = |name: &str| rows.as_array().unwrap().iter().find(|row| row[0] == name).map(|row| row[1].clone());
    assert_eq!(counted("authors"), Some(authors[0][0].clone()), "{rows}");
    let refused =
        client.call("execute_select", json!({ "sql": "select 1 from authors a join authors b on 1=1 join authors c on 1=1" })).await;
    assert_eq!(refused.code(), "HOOK_REFUSED");
    assert!(refused.text().contains("it joins 2 times, and 1 is allowed"), "{}", refused.text());
    let none: Value = client.call("row-counts_count_rows", json!({ "database": "other" })).await.error();
    assert_eq!(none["code"], "UNKNOWN_DATABASE");
    library.close().await;
}
