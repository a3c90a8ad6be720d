//! The walkthrough of the README, command by command, in a clean home: from an index on disk and a real registry to a plugin of a
//! stranger that runs with less than it asks for, waits where it asks for more, and is gone without a trace.

use std::path::Path;

use serde_json::Value;
use serde_json::json;

use crate::database::Engine;
use crate::database::Library;
use crate::folder::Folder;
use crate::host::Ended;
use crate::host::program;
use crate::host::run;
use crate::package::Author;
use crate::package::Edition;
use crate::package::ID;
use crate::plugins_index::Community;

const FIRST: Edition<'static> = Edition { version: "1.0.0", letter: 'A', more: "" };

/// It asks for more, and tells the model something new.
const SECOND: Edition<'static> = Edition { version: "1.1.0", letter: 'B', more: "[limits]\nmemory = \"128 MiB\"\n" };

/// A command of the README, and the lines that it shows under it.
struct Step {
    words: Vec<String>,
    shown: Vec<String>,
}

/// The steps of the walkthrough, about the plugin of the tests in the place of the README's.
fn steps() -> Vec<Step> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let (_, section) = readme.split_once("\n## Installed plugins\n").expect("the README has the section");
    let (_, block) = section.split_once("```console\n").expect("it has the commands");
    let (block, _) = block.split_once("```").expect("they end");
    let mut steps: Vec<Step> = Vec::new();
    for line in block.replace("advisor", "installs").lines() {
        match line.strip_prefix("$ tidegate ") {
            Some(command) => steps.push(Step { words: words(command), shown: Vec::new() }),
            None => steps.last_mut().expect("a command is first").shown.push(line.to_owned()),
        }
    }
    steps
}

/// The words of a command as a shell reads them: with single quotes, and a comment at the end.
fn words(command: &str) -> Vec<String> {
    let (command, _) = command.split_once(" # ").unwrap_or((command, ""));
    let quoted = command.split('\'').enumerate();
    let parts = quoted.flat_map(|(at, part)| if at % 2 == 1 { vec![part] } else { part.split_whitespace().collect() });
    parts.map(str::to_owned).collect()
}

/// An operator who has nothing but a configuration.
struct Operator(Folder);

impl Operator {
    async fn run(&self, words: &[&str]) -> Ended {
        let home = self.0.path();
        let mut command = program();
        command.args(words).current_dir(home).env("HOME", home).env("DOCKER_CONFIG", home);
        for name in ["TIDEGATE_PLUGINS", "TIDEGATE_STATE", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
            command.env_remove(name);
        }
        run(command).await
    }

    /// Runs a command that has to work; what it printed.
    async fn done(&self, words: &[&str]) -> String {
        let ended = self.run(words).await;
        assert_eq!(ended.code, Some(0), "{words:?}: {}{}", ended.stdout, ended.stderr);
        ended.stdout
    }

    /// What a tool answers.
    async fn ask(&self, sql: &str) -> Ended {
        self.run(&["call", "installs_ask", &json!({ "sql": sql }).to_string()]).await
    }

    /// How the model is told of the tool.
    async fn tools(&self) -> String {
        self.done(&["tools", "--json"]).await
    }

    /// Where the plugins are that the home holds.
    fn plugins(&self) -> std::path::PathBuf {
        self.0.path().join(".local/share/tidegate/plugins")
    }
}

#[tokio::test]
async fn the_walkthrough_of_the_readme_does_what_it_says() {
    let (community, author) = (Community::new().await, Author::new().await);
    let pinned = community.publish(&author, FIRST).await;
    community.index(&["add", &pinned]).await;
    let library = Library::new(Engine::Sqlite).await;
    let operator = Operator(Folder::new());
    let index = std::fs::read_to_string(community.path("tidegate.toml")).unwrap();
    let configuration = format!("{index}[databases.main]\nurl = {:?}\nmode = \"read-write\"\n", library.url);
    std::fs::write(operator.0.path().join("tidegate.toml"), configuration).unwrap();

    let mut passed = Vec::new();
    for step in steps() {
        let words: Vec<&str> = step.words.iter().map(String::as_str).collect();
        let name = if words[0] == "call" { words[1] } else { words[1..].iter().find(|word| !word.starts_with('-')).unwrap() };
        let name = if words.contains(&"--diff") { "diff" } else { name };
        if name == "update" {
            let pinned = community.publish(&author, SECOND).await;
            community.index(&["add", &pinned]).await;
        }
        let told = operator.done(&words).await;
        for line in &step.shown {
            assert!(told.contains(line.as_str()), "{line}: {told}");
        }
        check(&operator, name, &told).await;
        passed.push(name.to_owned());
    }
    let all = [
        "search",
        "info",
        "install",
        "installs_ask",
        "list",
        "update",
        "plugins_status",
        "diff",
        "approve",
        "rollback",
        "grants",
        "remove",
    ];
    assert_eq!(passed, all);
    library.close().await;
}

/// What holds after a step.
async fn check(operator: &Operator, name: &str, told: &str) {
    let count = "select count(*) from books";
    let change = json!({ "sql": "delete from loans where id = 1" }).to_string();
    match name {
        "search" => assert!(told.contains(&format!("community:{ID} 1.0.0")), "{told}"),
        "info" => {
            assert!(told.contains("cannot, whatever is granted:"), "{told}");
            assert!(!operator.plugins().join("plugins.lock").exists(), "looking installs nothing");
        }
        "install" => {
            assert!(told.contains("main=read") && told.contains("no changes"), "{told}");
            let ended = operator.run(&["call", "installs_change", &change]).await;
            assert!(ended.code == Some(5) && ended.stderr.contains("ACCESS_DENIED"), "{}{}", ended.stdout, ended.stderr);
        }
        "installs_ask" => assert!(told.contains("[[200]]"), "{told}"),
        "list" => assert!(told.contains(ID) && told.contains("1.0.0"), "{told}"),
        "update" | "diff" | "plugins_status" => {
            if name == "diff" {
                for part in ["1.0.0 -> 1.1.0", "asks for", "limits.memory = \"128 MiB\"", "Edition A.", "Edition B."] {
                    assert!(told.contains(part), "{part}: {told}");
                }
            }
            if name == "plugins_status" {
                let status: Value = serde_json::from_str(told).unwrap();
                let plugins = status["plugins"].as_array().unwrap();
                let plugin = plugins.iter().find(|plugin| plugin["id"] == ID).unwrap();
                assert_eq!((&plugin["version"], &plugin["waiting"]), (&json!("1.0.0"), &json!("1.1.0")), "{status}");
            }
            // Nothing of what waits runs, or is read by a model.
            let tools = operator.tools().await;
            assert!(tools.contains("Edition A.") && !tools.contains("Edition B."), "{tools}");
            assert!(operator.ask(count).await.stdout.contains("[[200]]"));
        }
        "approve" | "rollback" => {
            let (letter, other) = if name == "approve" { ("Edition B.", "Edition A.") } else { ("Edition A.", "Edition B.") };
            let tools = operator.tools().await;
            assert!(tools.contains(letter) && !tools.contains(other), "{tools}");
            assert!(operator.ask(count).await.stdout.contains("[[200]]"));
            // More was asked for, and no more was granted on databases than before.
            let ended = operator.run(&["call", "installs_change", &change]).await;
            assert!(ended.code == Some(5) && ended.stderr.contains("ACCESS_DENIED"), "{}{}", ended.stdout, ended.stderr);
        }
        "grants" => {
            let ended = operator.ask(count).await;
            assert!(ended.code == Some(5) && ended.stderr.contains("UNKNOWN_DATABASE"), "{}{}", ended.stdout, ended.stderr);
        }
        "remove" => {
            assert!(!operator.tools().await.contains("installs_ask"));
            let store = operator.plugins().join("store");
            assert!(store.read_dir().map_or(0, Iterator::count) == 0, "{}", store.display());
            for file in ["plugins.lock", "grants.toml"] {
                let text = std::fs::read_to_string(operator.plugins().join(file)).unwrap();
                assert!(!text.contains(ID), "{file}: {text}");
            }
        }
        other => panic!("the README has a step `{other}` about which nothing is known here"),
    }
}
