//! Installing plugins of strangers: with less than they ask for, waiting for a person where something changed, and gone without a
//! trace; while the host runs and answers.

use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;
use tidegate::call::Caller;
use tidegate::storage::Expected;
use tidegate::storage::Owner;
use tidegate::storage::Quota;
use tidegate::storage::Storage;

use crate::database::Engine;
use crate::database::Library;
use crate::folder::Folder;
use crate::host::Client;
use crate::host::Ended;
use crate::host::Era;
use crate::host::Host;
use crate::host::program;
use crate::host::run;
use crate::package::Author;
use crate::package::Edition;
use crate::package::ID;

/// How long a host that runs may take to follow, on a machine that is busy with everything else.
const PATIENCE: Duration = Duration::from_secs(60);

/// A machine of an operator: nothing but a folder.
pub(crate) struct Machine(Folder);

impl Machine {
    /// A new one.
    pub(crate) fn new() -> Self {
        Self(Folder::new())
    }

    /// Its folder of plugins.
    pub(crate) fn plugins(&self) -> std::path::PathBuf {
        self.0.path().join("plugins")
    }

    /// Runs `tidegate plugin …`.
    pub(crate) async fn plugin(&self, arguments: &[&str]) -> Ended {
        let mut command = program();
        command.arg("plugin").args(arguments).arg("--plugins-dir").arg(self.plugins());
        run(command).await
    }

    /// Runs it, and it has to work; what it printed.
    pub(crate) async fn done(&self, arguments: &[&str]) -> String {
        let ended = self.plugin(arguments).await;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}{}", ended.stdout, ended.stderr);
        ended.stdout
    }

    /// Runs it, and it has to fail; what it said.
    pub(crate) async fn refused(&self, arguments: &[&str]) -> String {
        let ended = self.plugin(arguments).await;
        assert_ne!(ended.code, Some(0), "{arguments:?}: {}", ended.stdout);
        ended.stderr
    }

    /// Installs what an author published, with less than it asks for.
    pub(crate) async fn install(&self, author: &Author) -> String {
        let source = author.published();
        let source = source.to_str().unwrap();
        self.done(&["install", source, "--publisher-key", &author.key, "--grant", "main=read", "--deny", "changes"]).await
    }

    /// What is in the folder, leaving out the file for the claim.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut names = Vec::new();
        collect(&self.plugins(), &mut names);
        names.sort();
        names
    }
}

fn collect(folder: &Path, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, names) } else { names.push(path.file_name().unwrap().to_string_lossy().into_owned()) }
    }
}

/// Asks again until the answer is as wanted.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> T, good: impl Fn(&T) -> bool) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = ask().await;
        if good(&answer) {
            return answer;
        }
        assert!(Instant::now() < end, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn description(client: &Client) -> String {
    let tools = client.service().list_all_tools().await.unwrap();
    let tool = tools.into_iter().find(|tool| tool.name == "installs_ask");
    tool.and_then(|tool| tool.description).map(|text| text.into_owned()).unwrap_or_default()
}

async fn status(client: &Client) -> Value {
    let listed = client.call("plugins_status", json!({})).await.json();
    listed["plugins"].as_array().unwrap().iter().find(|plugin| plugin["id"] == ID).cloned().unwrap_or(Value::Null)
}

const FIRST: Edition<'static> = Edition { version: "1.0.0", letter: 'A', more: "" };

#[tokio::test]
async fn a_plugin_lives_its_life_in_a_host_that_runs() {
    let (author, machine) = (Author::new().await, Machine::new());
    assert_eq!(author.publish(FIRST).await.code, Some(0));
    let library = Library::new(Engine::Sqlite).await;
    let host = Host::new().plugins(&machine.plugins()).database("main", &library.url, "mode = \"read-write\"").start().await;
    let client = host.connect(Era::Modern).await;
    assert!(!client.tools().await.iter().any(|tool| tool == "installs_ask"));

    // Installed into the host that runs, with less than it asks for.
    machine.install(&author).await;
    until("the tool", async || client.tools().await, |tools| tools.iter().any(|tool| tool == "installs_ask")).await;
    let ask = async |sql: &str| client.call("installs_ask", json!({ "sql": sql })).await;
    assert_eq!(ask("select count(*) from books").await.rows(), json!([[200]]));
    let change = client.call("installs_change", json!({ "sql": "delete from loans where id = 1" })).await;
    assert_eq!(change.code(), "ACCESS_DENIED", "{}", change.text());
    assert_eq!(client.call("installs_announce", json!({})).await.json()["announced"], true);
    assert_eq!(status(&client).await["state"], "running");

    // An update that tells the model something new waits, and the old one answers.
    assert_eq!(author.publish(Edition { version: "1.1.0", letter: 'B', more: "" }).await.code, Some(0));
    assert!(machine.done(&["update", ID]).await.contains("waits"));
    let waiting = until("the news", async || status(&client).await, |status| status["waiting"] == "1.1.0").await;
    assert_eq!(waiting["command"], format!("tidegate plugin approve {ID} --diff"));
    assert!(description(&client).await.contains("Edition A."), "{}", description(&client).await);
    assert_eq!(ask("select count(*) from books").await.rows(), json!([[200]]));
    let diff = machine.done(&["approve", ID, "--diff"]).await;
    for part in [
        "1.0.0 -> 1.1.0",
        "-   description: \"Reads what it is told to. Edition A.\"",
        "+   description: \"Reads what it is told to. Edition B.\"",
    ] {
        assert!(diff.contains(part), "{part}: {diff}");
    }

    // Approved, it runs; a call that began with the old one ends with it.
    let slow = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000000) select max(i) from n";
    let (answer, _) = tokio::join!(ask(slow), machine.done(&["approve", ID]));
    assert_eq!(answer.rows(), json!([[1_000_000]]));
    until("the new text", async || description(&client).await, |text| text.contains("Edition B.")).await;
    assert_eq!(ask("select count(*) from books").await.rows(), json!([[200]]));

    // Back, and forth again.
    machine.done(&["rollback", ID]).await;
    until("the old text", async || description(&client).await, |text| text.contains("Edition A.")).await;
    machine.done(&["rollback", ID]).await;
    until("the new text", async || description(&client).await, |text| text.contains("Edition B.")).await;

    // What is revoked is gone in the host that runs, and the plugin stays.
    machine.done(&["grants", "revoke", ID, "main"]).await;
    let refused = until("the refusal", async || ask("select 1").await, |answer| answer.failed()).await;
    assert_eq!(refused.code(), "UNKNOWN_DATABASE");
    machine.done(&["grants", "revoke", ID]).await;
    until("its end", async || client.tools().await, |tools| !tools.iter().any(|tool| tool == "installs_ask")).await;
    assert_eq!(status(&client).await["state"], "not approved");
    machine.done(&["approve", ID, "--grant", "main=write", "--grant", "changes"]).await;
    until("the tool", async || client.tools().await, |tools| tools.iter().any(|tool| tool == "installs_ask")).await;
    let change = client.call("installs_change", json!({ "sql": "delete from loans where id = 1" })).await;
    assert_eq!(change.json()["affected"], 1);

    // Removed, it leaves nothing but the trust in its publisher.
    machine.done(&["remove", ID]).await;
    until("its end", async || client.tools().await, |tools| !tools.iter().any(|tool| tool == "installs_ask")).await;
    assert_eq!(status(&client).await, Value::Null);
    assert_eq!(machine.files(), [".claim", "grants.toml", "plugins.lock", "publishers.toml"]);
    assert!(!std::fs::read_to_string(machine.plugins().join("grants.toml")).unwrap().contains(ID));
    library.close().await;
}

#[tokio::test]
async fn a_version_that_fails_goes_back_by_itself() {
    let (author, machine) = (Author::new().await, Machine::new());
    author.publish(FIRST).await;
    machine.install(&author).await;
    let library = Library::new(Engine::Sqlite).await;
    let host = Host::new().plugins(&machine.plugins()).database("main", &library.url, "").start().await;
    let client = host.connect(Era::Modern).await;
    let ask = async || client.call("installs_ask", json!({ "sql": "select count(*) from books" })).await;
    assert_eq!(ask().await.rows(), json!([[200]]));
    author.publish(Edition { version: "1.1.0", letter: 'F', more: "" }).await;
    machine.done(&["update"]).await;
    machine.done(&["approve", ID]).await;
    until("the failing edition", async || description(&client).await, |text| text.contains("Edition F.")).await;
    assert_eq!(ask().await.code(), "PLUGIN_FAILED");
    // Callers go on calling, and after some failures the one before answers them.
    let answered = until("an answer", ask, |answer| !answer.failed()).await;
    assert_eq!(answered.rows(), json!([[200]]));
    until("the old text", async || description(&client).await, |text| text.contains("Edition A.")).await;
    host.logs("1.0.0 runs again").await;
    let list: Value = serde_json::from_str(&machine.done(&["list", "--json"]).await).unwrap();
    assert_eq!((&list[0]["running"]["version"], &list[0]["previous"]["version"]), (&json!("1.0.0"), &json!("1.1.0")));
    library.close().await;
}

#[tokio::test]
async fn what_nobody_decided_and_what_nobody_knows_is_not_installed() {
    let (author, machine) = (Author::new().await, Machine::new());
    author.publish(FIRST).await;
    let source = author.published();
    let source = source.to_str().unwrap();
    let text = machine.refused(&["install", source, "--yes"]).await;
    assert!(text.contains("is not known") && text.contains(&format!("--publisher-key {}", author.key)), "{text}");
    let key = ["--publisher-key", author.key.as_str()];
    let text = machine.refused(&["install", source, key[0], key[1], "--yes"]).await;
    assert!(text.contains("nothing is decided about databases"), "{text}");
    let text = machine.refused(&["install", source, key[0], key[1], "--grant", "main=admin"]).await;
    assert!(text.contains("`write` at most"), "{text}");
    let other = Author::new().await;
    let text = machine.refused(&["install", source, key[0], &other.key, "--yes", "--deny", "databases"]).await;
    assert!(text.contains("was expected"), "{text}");
    assert!(machine.files().is_empty(), "{:?}", machine.files());
    // Decided about everything, it is installed, and asks nothing about what was decided.
    machine.done(&["install", source, key[0], key[1], "--yes", "--deny", "databases"]).await;
    assert!(machine.done(&["install", source]).await.contains("installed already"));
}

#[tokio::test]
async fn each_way_of_tampering_is_told_and_nothing_of_it_runs() {
    let (author, machine) = (Author::new().await, Machine::new());
    author.publish(FIRST).await;
    let source = author.published();
    let install = async || {
        machine.refused(&["install", source.to_str().unwrap(), "--publisher-key", &author.key, "--yes", "--deny", "databases"]).await
    };
    for (file, part) in [
        ("installs.wasm", "the component was changed"),
        ("plugin.toml", "the signed file or its signature was changed"),
        ("plugin.toml.minisig", "the signature"),
    ] {
        let path = source.join(file);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        let at = if file == "plugin.toml" { String::from_utf8_lossy(&good).find("Reads and").unwrap() } else { bad.len() - 30 };
        bad[at] ^= 1;
        std::fs::write(&path, bad).unwrap();
        let text = install().await;
        assert!(text.contains(part), "{file}: {text}");
        std::fs::write(&path, good).unwrap();
    }
    let signature = source.join("plugin.toml.minisig");
    let good = std::fs::read(&signature).unwrap();
    std::fs::remove_file(&signature).unwrap();
    assert!(install().await.contains("it is not signed"));
    // Somebody else's signature over the same bytes.
    let other = Author::new().await;
    other.publish(FIRST).await;
    std::fs::copy(other.published().join("plugin.toml.minisig"), &signature).unwrap();
    assert!(install().await.contains("signed by somebody else"));
    std::fs::write(&signature, good).unwrap();
    assert!(machine.files().is_empty(), "{:?}", machine.files());

    // What was installed and then changed on the disk is not loaded.
    machine.install(&author).await;
    let library = Library::new(Engine::Sqlite).await;
    let host = Host::new().plugins(&machine.plugins()).database("main", &library.url, "");
    assert_eq!(host.run(&["tools"]).await.code, Some(0));
    for (file, part) in [("component.wasm", "the component was changed"), ("plugin.toml", "the manifest was changed")] {
        let path = find(&machine.plugins(), file).unwrap();
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[100] ^= 1;
        std::fs::write(&path, bad).unwrap();
        let ended = host.run(&["tools"]).await;
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        assert!(ended.stderr.contains(part) && ended.stderr.contains(ID), "{}", ended.stderr);
        assert!(machine.refused(&["verify"]).await.contains("did not hold"));
        assert!(machine.refused(&["sync", "--check"]).await.contains("not there as it says"));
        std::fs::write(&path, good).unwrap();
    }
    machine.done(&["verify"]).await;
    // What is missing comes back from where it came from, byte for byte.
    std::fs::remove_file(find(&machine.plugins(), "component.wasm").unwrap()).unwrap();
    assert!(machine.done(&["sync", "--frozen"]).await.contains("fetched"));
    machine.done(&["sync", "--check"]).await;
    for (file, text) in [("grants.toml", "version = 1\n[[grant]]\n"), ("plugins.lock", "[[plugin]]\nid = 1\n")] {
        let path = machine.plugins().join(file);
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, text).unwrap();
        let ended = host.run(&["tools"]).await;
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        assert!(ended.stderr.contains(file) && ended.stderr.contains("damaged"), "{}", ended.stderr);
        std::fs::write(&path, good).unwrap();
    }
    assert_eq!(host.run(&["tools"]).await.code, Some(0));
    library.close().await;
}

#[tokio::test]
async fn older_versions_other_keys_and_two_things_under_one_version_need_a_word() {
    let (author, machine) = (Author::new().await, Machine::new());
    author.publish(Edition { version: "1.1.0", ..FIRST }).await;
    machine.install(&author).await;
    let source = author.published();
    let source = source.to_str().unwrap();
    author.publish(FIRST).await;
    assert!(machine.refused(&["install", source]).await.contains("--allow-downgrade"));
    assert!(machine.done(&["install", source, "--allow-downgrade"]).await.contains("1.0.0 is installed"));
    // The grant serves: the same key asks for the same and says the same.
    author.publish(Edition { version: "1.2.0", ..FIRST }).await;
    assert!(machine.done(&["update"]).await.contains("1.0.0 -> 1.2.0"));
    author.publish(Edition { version: "1.2.0", letter: 'C', more: "" }).await;
    assert!(machine.refused(&["update"]).await.contains("something else"));
    // More is asked for: it waits.
    author.publish(Edition { version: "2.0.0", letter: 'A', more: "[limits]\nmemory = \"16 MiB\"\n" }).await;
    assert!(machine.done(&["update"]).await.contains("2.0.0 waits"));
    assert!(machine.done(&["approve", ID, "--diff"]).await.contains("+ limits.memory = \"16 MiB\""));

    let thief = Author::new().await;
    thief.publish(Edition { version: "3.0.0", ..FIRST }).await;
    let stolen = thief.published();
    let stolen = stolen.to_str().unwrap();
    let text = machine.refused(&["install", stolen]).await;
    assert!(text.contains("--allow-publisher-change") && text.contains(&author.key), "{text}");
    assert!(machine.done(&["install", stolen, "--allow-publisher-change"]).await.contains("waits"));
    assert!(machine.done(&["approve", ID, "--diff"]).await.contains(&format!("+ {}", thief.key)));
    // Nobody has approved it: the old key is the trusted one, and the old version is what runs.
    let list: Value = serde_json::from_str(&machine.done(&["list", "--json"]).await).unwrap();
    assert_eq!((&list[0]["running"]["version"], &list[0]["waiting"]["version"]), (&json!("1.2.0"), &json!("3.0.0")));
    author.publish(Edition { version: "2.0.1", letter: 'A', more: "[limits]\nmemory = \"16 MiB\"\n" }).await;
    assert!(machine.done(&["update"]).await.contains("2.0.1 waits"));
}

#[tokio::test]
async fn what_a_removed_plugin_stored_goes_with_it_unless_it_is_kept() {
    let (author, machine) = (Author::new().await, Machine::new());
    author.publish(FIRST).await;
    let state = machine.0.path().join("state");
    let config = machine.0.path().join("tidegate.toml");
    std::fs::write(&config, format!("[server]\nstate_dir = {state:?}\n")).unwrap();
    let config = config.to_str().unwrap();
    let quota = Quota { keys: 10, bytes: 1000 };
    let keys = async |plugin: &str| {
        let storage = Storage::new(Some(state.clone()));
        let held = storage.usage(plugin).await.unwrap();
        storage.close().await;
        held.keys
    };
    let storage = Storage::new(Some(state.clone()));
    for plugin in [ID, "example.org/other"] {
        for caller in [None, Some(&Caller::named("ada"))] {
            storage.set(Owner { plugin, caller }, "key", b"value", Expected::Anything, quota).await.unwrap();
        }
    }
    storage.close().await;

    machine.install(&author).await;
    assert!(machine.done(&["remove", ID, "--keep-data", "--config", config]).await.contains("what it stored is kept"));
    assert_eq!((keys(ID).await, keys("example.org/other").await), (2, 2));
    machine.install(&author).await;
    // A configuration that cannot be read is told before anything is gone.
    let wrong = machine.0.path().join("wrong.toml");
    std::fs::write(&wrong, "nonsense = true\n").unwrap();
    machine.refused(&["remove", ID, "--config", wrong.to_str().unwrap()]).await;
    assert!(machine.done(&["list"]).await.contains(ID));
    assert!(machine.done(&["remove", ID, "--config", config]).await.contains("and what it stored"));
    assert_eq!((keys(ID).await, keys("example.org/other").await), (0, 2));
}

#[tokio::test]
async fn it_is_told_what_a_plugin_cannot_do() {
    let (author, machine) = (Author::new().await, Machine::new());
    author.publish(FIRST).await;
    let source = author.published();
    let info = machine.done(&["info", source.to_str().unwrap()]).await;
    for part in ["+ change rows", "- change any table, role or setting", "- reach the network", "- see statements of others"] {
        assert!(info.contains(part), "{part}: {info}");
    }
    let verified: Value = serde_json::from_str(&machine.done(&["verify", source.to_str().unwrap(), "--json"]).await).unwrap();
    assert_eq!((&verified["ok"], &verified["publisher"]), (&json!(true), &json!(author.key)));
    let bundled = machine.done(&["info", "schema"]).await;
    assert!(bundled.contains("part of this program") && bundled.contains("- read any row"), "{bundled}");
}

/// The first file of this name below a folder.
fn find(folder: &Path, name: &str) -> Option<std::path::PathBuf> {
    std::fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() { find(&path, name) } else { (path.file_name()? == name).then_some(path) }
    })
}
