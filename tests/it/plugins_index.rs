//! From an author's folder through a registry and an index to somebody who has never met them.

use std::path::PathBuf;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use serde_json::Value;
use serde_json::json;

use crate::database::Engine;
use crate::database::Library;
use crate::folder::Folder;
use crate::host::Ended;
use crate::host::Era;
use crate::host::Host;
use crate::host::program;
use crate::host::run;
use crate::package::Author;
use crate::package::Edition;
use crate::package::ID;

/// Maintainers with an index, and an operator who knows it: each a folder.
pub(crate) struct Community {
    folder: Folder,
    key: String,
    registry: String,
}

impl Community {
    /// An index with nothing in it, and an operator with its address and key in their configuration.
    pub(crate) async fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let registry = std::env::var("TIDEGATE_TEST_REGISTRY")
            .expect("TIDEGATE_TEST_REGISTRY is not set; `tests/run` starts Debian's `docker-registry` and sets it");
        let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let registry = format!("oci://{}/test/community-{nanos}-{number}", registry.trim_start_matches("http://"));
        let mut community = Self { folder: Folder::new(), key: String::new(), registry };
        let key = community.path("index");
        let made = community.json(&["plugin", "keygen", "--no-password", key.to_str().unwrap()]).await;
        community.key = made["public_key"].as_str().unwrap().to_owned();
        community.index(&["new", "community"]).await;
        let url = format!("file://{}", community.path("community").display());
        let configuration = format!("[indexes.community]\nurl = {url:?}\nkey = {:?}\n", community.key);
        std::fs::write(community.path("tidegate.toml"), configuration).unwrap();
        community
    }

    /// A file or folder of theirs.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = program();
        // Nobody's own registries and keys.
        command.args(arguments).env("DOCKER_CONFIG", self.folder.path()).current_dir(self.folder.path());
        run(command).await
    }

    /// Runs a command that has to work; what it printed.
    async fn done(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments).await;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}{}", ended.stdout, ended.stderr);
        ended.stdout
    }

    /// Runs a command that has to work, and answer in JSON.
    async fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.done(&arguments).await).unwrap()
    }

    /// Runs `tidegate index …` as a maintainer.
    pub(crate) async fn index(&self, arguments: &[&str]) -> Value {
        let (folder, key) = (self.path("community"), self.path("index.key"));
        let signing = ["--index", folder.to_str().unwrap(), "--key", key.to_str().unwrap()];
        let signing = if arguments == ["verify"] { &signing[..2] } else { &signing[..] };
        self.json(&["index"].iter().chain(arguments).chain(signing).copied().collect::<Vec<_>>()).await
    }

    /// Runs `tidegate plugin …` as the operator.
    async fn plugin(&self, arguments: &[&str]) -> Ended {
        let plugins = self.path("plugins");
        let place = ["--plugins-dir", plugins.to_str().unwrap()];
        self.run(&["plugin"].iter().chain(arguments).chain(&place).copied().collect::<Vec<_>>()).await
    }

    async fn refused(&self, arguments: &[&str]) -> String {
        let ended = self.plugin(arguments).await;
        assert_ne!(ended.code, Some(0), "{arguments:?}: {}", ended.stdout);
        ended.stderr
    }

    /// Publishes an edition in the registry; its reference by digest.
    pub(crate) async fn publish(&self, author: &Author, edition: Edition<'_>) -> String {
        let signed = author.publish(edition).await;
        assert_eq!(signed.code, Some(0), "{}", signed.stderr);
        let published = author.published();
        let pushed = self.json(&["plugin", "publish", published.to_str().unwrap(), "--to", &self.registry]).await;
        pushed["pinned"].as_str().unwrap().to_owned()
    }

    async fn installed(&self) -> String {
        let ended = self.plugin(&["list", "--json"]).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended.stdout
    }
}

const FIRST: Edition<'static> = Edition { version: "1.0.0", letter: 'A', more: "" };
const SECOND: Edition<'static> = Edition { version: "1.1.0", letter: 'B', more: "" };

#[tokio::test]
async fn a_plugin_is_published_found_installed_updated_and_taken_back() {
    let (community, author) = (Community::new().await, Author::new().await);
    let pinned = community.publish(&author, FIRST).await;
    let added = community.index(&["add", &pinned]).await;
    assert_eq!((&added["new_namespace"], &added["release"]["locations"]), (&json!(true), &json!([pinned])), "{added}");

    // Found by somebody who has never heard of it.
    let ended = community.plugin(&["search", "reads", "changes", "--json"]).await;
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&found["number"], &found["found"][0]["plugin"]["id"]), (&json!(1), &json!(ID)), "{found}");
    let ended = community.plugin(&["search", "--tool", "ask", "--capability", "database-write"]).await;
    assert!(ended.stdout.contains(&format!("community:{ID} 1.0.0")), "{}", ended.stdout);
    let ended = community.plugin(&["search", "--capability", "catalog"]).await;
    assert!(ended.stdout.contains("nothing was found"), "{}", ended.stdout);

    // Installed with less than it asks for; the index vouches for the key, so that nobody has to compare it.
    let source = format!("community:{ID}");
    let ended = community.plugin(&["install", &source, "--grant", "main=read", "--deny", "changes"]).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let lock = std::fs::read_to_string(community.path("plugins/plugins.lock")).unwrap();
    assert!(lock.contains(&format!("resolved = \"community:{ID}@1.0.0\"")) && lock.contains("index_snapshot = 2"), "{lock}");
    let library = Library::new(Engine::Sqlite).await;
    let host = Host::new().plugins(&community.path("plugins")).database("main", &library.url, "mode = \"read-write\"").start().await;
    let client = host.connect(Era::Modern).await;
    let answer = client.call("installs_ask", json!({ "sql": "select count(*) from books" })).await;
    assert_eq!(answer.rows(), json!([[200]]));
    let change = client.call("installs_change", json!({ "sql": "delete from loans where id = 1" })).await;
    assert_eq!(change.code(), "ACCESS_DENIED", "{}", change.text());

    // An update that tells a model something new waits for a person.
    let pinned = community.publish(&author, SECOND).await;
    community.index(&["add", &pinned]).await;
    let ended = community.plugin(&["update"]).await;
    assert!(ended.stdout.contains("1.1.0 waits"), "{}{}", ended.stdout, ended.stderr);

    // Taken back, it is offered to nobody else.
    community.index(&["remove", ID, "1.1.0", "--reason", "It forgets where it was.", "--alarm", "block"]).await;
    let text = community.refused(&["install", &format!("{ID}@1.1.0"), "--yes"]).await;
    assert!(text.contains("was taken back: It forgets where it was."), "{text}");
    let ended = community.plugin(&["search", "installs", "--json"]).await;
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(found["found"][0]["plugin"]["version"], "1.0.0");
    let audit = community.index(&["verify"]).await;
    assert_eq!((&audit["sequence"], &audit["releases"], &audit["problems"]), (&json!(4), &json!(2), &json!([])));
    drop(host);

    // Whoever has what is blocked does not run it any more, as soon as the index was asked.
    community.index(&["remove", ID, "1.0.0", "--reason", "So does this one.", "--alarm", "block"]).await;
    community.plugin(&["search"]).await;
    let config = community.path("tidegate.toml");
    let mut text = std::fs::read_to_string(&config).unwrap();
    text += &format!("[databases.main]\nurl = {:?}\n", library.url);
    std::fs::write(&config, format!("plugins_folder = \"plugins\"\n{text}")).unwrap();
    let ended = community.run(&["tools", "--json"]).await;
    assert!(ended.code == Some(0) && !ended.stdout.contains("installs_ask"), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("is blocked by the index") && ended.stderr.contains("So does this one."), "{}", ended.stderr);
    library.close().await;
}

#[tokio::test]
async fn a_folder_goes_into_the_index_itself_and_into_a_folder_for_a_server() {
    let (community, author) = (Community::new().await, Author::new().await);
    assert_eq!(author.publish(FIRST).await.code, Some(0));
    let published = author.published();
    let published = published.to_str().unwrap();
    let (index, key) = (community.path("community"), community.path("index.key"));
    let to_index = ["plugin", "publish", published, "--to", index.to_str().unwrap(), "--key", key.to_str().unwrap()];
    let added = community.json(&to_index).await;
    assert_eq!(added["release"]["locations"], json!([format!("packages/{ID}/1.0.0")]), "{added}");
    let again = community.run(&to_index).await;
    assert!(again.code == Some(1) && again.stderr.contains("is in the index already"), "{}", again.stderr);
    let ended = community.plugin(&["install", ID, "--yes", "--deny", "databases"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(community.installed().await.contains("1.0.0"));

    let served = community.path("served");
    let to_folder = ["plugin", "publish", published, "--to", served.to_str().unwrap()];
    community.done(&to_folder).await;
    community.done(&to_folder).await;
    let manifest = served.join(ID).join("1.0.0/plugin.toml");
    assert_eq!(std::fs::read(&manifest).unwrap(), std::fs::read(author.published().join("plugin.toml")).unwrap());
    std::fs::write(served.join(ID).join("1.0.0/installs.wasm"), "other").unwrap();
    let ended = community.run(&to_folder).await;
    assert!(ended.stderr.contains("stays what it is"), "{}", ended.stderr);
}

#[tokio::test]
async fn an_index_that_was_changed_on_its_way_gives_nothing() {
    let (community, author) = (Community::new().await, Author::new().await);
    let pinned = community.publish(&author, FIRST).await;
    community.index(&["add", &pinned]).await;
    let history = community.path(&format!("community/plugins/{ID}.jsonl"));
    let good = std::fs::read_to_string(&history).unwrap();
    std::fs::write(&history, good.replace("Reads and changes", "Reads and Changes")).unwrap();
    let install = ["install", ID, "--yes", "--deny", "databases"];
    let text = community.refused(&install).await;
    assert!(text.contains("is not the file that its signed snapshot lists"), "{text}");
    std::fs::write(&history, &good).unwrap();

    // Somebody who has the server and not the key.
    let snapshot = community.path("community/snapshot.json");
    let signed = std::fs::read_to_string(&snapshot).unwrap();
    std::fs::write(&snapshot, signed.replace("\"sequence\": 2", "\"sequence\": 9")).unwrap();
    let text = community.refused(&install).await;
    assert!(text.contains("the snapshot of index `community`"), "{text}");
    std::fs::write(&snapshot, &signed).unwrap();

    // Another key than the one that the operator was told.
    let configuration = community.path("tidegate.toml");
    let text = std::fs::read_to_string(&configuration).unwrap();
    std::fs::write(&configuration, text.replace(&community.key, &author.key)).unwrap();
    let text = community.refused(&install).await;
    assert!(text.contains("signed by somebody else"), "{text}");
    assert!(!community.path("plugins/plugins.lock").exists());
}

#[tokio::test]
async fn an_unknown_index_and_a_key_that_is_none_are_errors_with_a_next_step() {
    let community = Community::new().await;
    let text = community.refused(&["install", "privat:example.org/installs", "--yes"]).await;
    assert!(text.contains("there is no index `privat` (there are community)"), "{text}");
    std::fs::write(community.path("tidegate.toml"), "[indexes.community]\nurl = \"https://plugins.example/\"\n").unwrap();
    let text = community.refused(&["search", "anything"]).await;
    assert!(text.contains("`indexes.community.key`: is missing"), "{text}");
    std::fs::write(community.path("tidegate.toml"), "").unwrap();
    let text = community.refused(&["search", "anything"]).await;
    assert!(text.contains("no index is known") && text.contains("[indexes.NAME]"), "{text}");
}
