//! An index as both sides see it: what its maintainers write and what its readers believe.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use url::Url;

use super::IndexError;
use super::advisory::Action;
use super::advisory::Severity;
use super::alarms::Alarms;
use super::client::Index;
use super::indexes::Indexes;
use super::location::Location;
use super::maintain::AddOptions;
use super::maintain::Alarm;
use super::maintain::DEFAULT_VALIDITY;
use super::maintain::Edited;
use super::maintain::MaintainError;
use super::maintain::Maintained;
use super::package;
use super::resolve::ResolveError;
use super::resolve::Wanted;
use super::search::Query;
use super::time::Timestamp;
use crate::config::IndexConfig;
use crate::config::IndexName;
use crate::config::PluginName;
use crate::plugin::digest::Digest;
use crate::plugin::fetch::Http;
use crate::plugin::fetch::silent;
use crate::plugin::fetch::tests::client;
use crate::plugin::fetch::tests::server::Reply;
use crate::plugin::fetch::tests::server::Server;
use crate::plugin::files::PluginFiles;
use crate::plugin::folder::tests::Place;
use crate::plugin::lock::Release;
use crate::plugin::oci::PushOptions;
use crate::plugin::oci::Registries;
use crate::plugin::oci::credentials::DockerConfig;
use crate::plugin::oci::reference::Reference;
use crate::plugin::sample;
use crate::plugin::sample::Sample;
use crate::plugin::trust::SigningKey;

const DAY: Duration = Duration::from_hours(24);

/// An index in a folder, its key, and an operator who knows it.
struct World {
    place: Place,
    key: SigningKey,
    now: Timestamp,
}

fn http() -> Http {
    client()
}

fn registries() -> Registries {
    Registries::new(http(), DockerConfig::default())
}

impl World {
    fn new() -> Self {
        let world = Self { place: Place::new(), key: sample::key(), now: Timestamp::parse("2026-01-02T03:04:05Z").unwrap() };
        Maintained::create(&world.folder("community"), "community", &world.key, world.now, DEFAULT_VALIDITY).unwrap();
        world
    }

    fn folder(&self, name: &str) -> std::path::PathBuf {
        self.place.path().join(name)
    }

    fn change(&self, change: impl FnOnce(&mut Maintained) -> Result<(), MaintainError>) -> Result<u64, MaintainError> {
        let mut index = Maintained::open(&self.folder("community"), Edited::Nothing)?;
        change(&mut index)?;
        index.write(&self.key, self.now, DEFAULT_VALIDITY)
    }

    fn add(&self, files: PluginFiles) -> Result<u64, MaintainError> {
        self.add_with(files, &[], AddOptions::default())
    }

    fn add_with(&self, files: PluginFiles, locations: &[String], options: AddOptions) -> Result<u64, MaintainError> {
        self.change(|index| index.add(&package::check(files)?, locations, self.now, options).map(|_| ()))
    }

    fn yank(&self, version: &str, alarm: Option<Alarm>) -> Result<u64, MaintainError> {
        self.change(|index| index.yank(&id("example.org/tables"), &version.parse().unwrap(), "It loses rows.", alarm, self.now))
    }

    fn config(&self, name: &str, url: String) -> IndexConfig {
        IndexConfig { name: IndexName::parse(name).unwrap(), url, key: self.key.public().to_string() }
    }

    fn file_config(&self, name: &str) -> IndexConfig {
        self.config(name, Url::from_directory_path(self.folder(name)).unwrap().to_string())
    }

    fn memory(&self) -> std::path::PathBuf {
        let memory = self.folder("plugins");
        crate::plugin::folder::atomic::create_private(&memory).unwrap();
        memory
    }

    fn indexes(&self, configs: &[IndexConfig]) -> Indexes {
        Indexes::new(configs, &self.memory(), registries(), http()).unwrap()
    }

    fn index(&self) -> Index {
        Index::new(&self.file_config("community"), &self.memory().join("indexes"), http()).unwrap()
    }

    async fn open(&self) -> Result<(), IndexError> {
        let open = self.index().open(self.now, false).await?;
        open.found().await?;
        open.advisories().await?;
        open.publisher(&id("example.org/tables")).await?;
        open.history(&id("example.org/tables")).await?;
        Ok(())
    }
}

fn id(text: &str) -> PluginName {
    PluginName::parse(text).unwrap()
}

fn wanted(text: &str) -> Wanted {
    Wanted::parse(text).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn what_a_maintainer_adds_a_reader_finds_and_fetches() {
    let world = World::new();
    let files = Sample::default().files();
    world.add(files.clone()).unwrap();
    world.add(Sample { version: "1.1.0", keywords: &["catalog"], ..Sample::default() }.files()).unwrap();
    world.add(Sample { id: "other.net/charts", title: "Charts", description: "Draws charts.", ..Sample::default() }.files()).unwrap();
    let indexes = world.indexes(&[world.file_config("community")]);
    let query = Query { words: "catalog".into(), ..Query::default() };
    let findings = indexes.search(&query, world.now, false).await;
    assert!(findings.problems.is_empty() && findings.stale.is_empty());
    let found: Vec<String> = findings.found.iter().map(|(index, found)| format!("{index}:{} {}", found.id, found.version)).collect();
    assert_eq!(found, ["community:example.org/tables 1.1.0"]);

    let resolved = indexes.resolve(&wanted("example.org/tables@1.0.0"), world.now, false, false).await.unwrap();
    assert_eq!((resolved.index.as_str(), resolved.sequence, &resolved.release.publisher), ("community", 4, sample::publisher().public()));
    assert_eq!(indexes.download(&resolved, &silent).await.unwrap(), files);
    let audit = Maintained::verify(&world.folder("community"), world.now).unwrap();
    assert_eq!((audit.plugins, audit.releases, audit.looked_at, audit.problems), (2, 3, 3, Vec::<String>::new()));
}

#[tokio::test]
async fn an_index_on_a_server_is_read_the_same_and_fetched_once() {
    let world = World::new();
    let files = Sample::default().files();
    world.add(files.clone()).unwrap();
    let root = world.folder("community");
    let server = Server::tls(move |path| {
        fs::read(root.join(path.trim_start_matches("/i/"))).map_or(Reply::Body(404, Vec::new()), |body| Reply::Body(200, body))
    })
    .await;
    let indexes = world.indexes(&[world.config("community", server.url("/i").to_string())]);
    for _ in 0..2 {
        let resolved = indexes.resolve(&wanted("community:example.org/tables"), world.now, false, false).await.unwrap();
        assert_eq!(indexes.download(&resolved, &silent).await.unwrap(), files);
    }
    let histories = server.asked().iter().filter(|asked| asked.path().ends_with("tables.jsonl")).count();
    assert_eq!(histories, 1, "{:?}", server.asked());
    // Away, it is what it was while that is good.
    drop(server);
    let resolved = indexes.resolve(&wanted("example.org/tables"), world.now, false, false).await.unwrap();
    assert!(resolved.stale.is_some());
    assert!(indexes.resolve(&wanted("example.org/tables"), world.now, true, false).await.is_ok());
    let late = world.now.after(DEFAULT_VALIDITY);
    let error = indexes.resolve(&wanted("example.org/tables"), late, false, false).await.unwrap_err();
    assert!(matches!(error, ResolveError::Index(IndexError::Expired { .. })), "{error}");
}

#[tokio::test]
async fn a_plugin_in_a_registry_is_found_through_an_index() {
    let registry = std::env::var("TIDEGATE_TEST_REGISTRY")
        .expect("TIDEGATE_TEST_REGISTRY is not set; `tests/run` starts Debian's `docker-registry` and sets it");
    let world = World::new();
    let files = Sample::default().files();
    let (manifest, interfaces) = sample::read(&files);
    let repository = format!("oci://{}/test/indexed-{}", registry.trim_start_matches("http://"), std::process::id());
    let repository = Reference::parse(&repository).unwrap();
    let pushed = registries().push(&repository, (&files, &manifest, &interfaces), PushOptions::default(), &silent).await.unwrap();
    // The first place is gone, the second has something else.
    let server = Server::plain(|_| Reply::Body(404, Vec::new())).await;
    let locations = [server.url("/plugin.toml").to_string(), pushed.pinned.to_string()];
    world.add_with(files.clone(), &locations, AddOptions::default()).unwrap();
    assert!(!world.folder("community").join("packages").exists());
    let indexes = world.indexes(&[world.file_config("community")]);
    let resolved = indexes.resolve(&wanted("example.org/tables"), world.now, false, false).await.unwrap();
    assert_eq!(resolved.release.locations[1], Location::Registry(pushed.pinned));
    assert_eq!(indexes.download(&resolved, &silent).await.unwrap(), files);
}

#[tokio::test]
async fn files_that_are_not_those_of_the_release_are_not_taken() {
    let world = World::new();
    world.add(Sample::default().files()).unwrap();
    let indexes = world.indexes(&[world.file_config("community")]);
    let resolved = indexes.resolve(&wanted("example.org/tables"), world.now, false, false).await.unwrap();
    let folder = world.folder("community/packages/example.org/tables/1.0.0");
    for (file, expected) in [("plugin.wasm", "another component"), ("plugin.toml", "another `plugin.toml`")] {
        let good = fs::read(folder.join(file)).unwrap();
        let mut bad = good.clone();
        // In the middle of the code, and in a word of the description.
        let word = bad.windows(5).position(|window| window == b"Lists").unwrap_or(bad.len() / 2);
        bad[word] ^= 1;
        fs::write(folder.join(file), bad).unwrap();
        let error = indexes.download(&resolved, &silent).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{file}: {error}");
        fs::write(folder.join(file), good).unwrap();
    }
    fs::remove_file(folder.join("plugin.wasm")).unwrap();
    let error = indexes.download(&resolved, &silent).await.unwrap_err().to_string();
    assert!(error.contains("has no `packages/example.org/tables/1.0.0/plugin.wasm`"), "{error}");
}

#[tokio::test]
async fn one_changed_bit_in_any_file_is_noticed_and_named() {
    let world = World::new();
    world.add(Sample::default().files()).unwrap();
    world.yank("1.0.0", Some(Alarm { action: Action::Warn, severity: Severity::Low })).unwrap();
    let folder = world.folder("community");
    let listed = ["search.jsonl", "advisories.jsonl", "namespaces.jsonl", "plugins/example.org/tables.jsonl"];
    // Nothing stands, so that there is nothing to search in; the empty file is changed by adding to it.
    for file in ["snapshot.json", "snapshot.json.minisig"].iter().chain(&listed) {
        let good = fs::read(folder.join(file)).unwrap();
        for at in [0, good.len() / 3, good.len() / 2, good.len().saturating_sub(2)] {
            let mut bad = good.clone();
            match bad.get_mut(at) {
                Some(byte) => *byte ^= 1,
                None => bad.push(b'\n'),
            }
            fs::write(folder.join(file), bad).unwrap();
            let _ = fs::remove_dir_all(world.memory().join("indexes"));
            let error = world.open().await;
            match (error, listed.contains(file)) {
                (Err(IndexError::Tampered { file: named, .. }), true) => assert_eq!(named, **file),
                (Err(IndexError::Signature { .. }), false) => {}
                // The first line of a signature is a comment that nobody signs.
                (Ok(()), false) if *file == "snapshot.json.minisig" && at < good.iter().position(|byte| *byte == b'\n').unwrap() => {}
                (other, _) => panic!("{file} at {at}: {other:?}"),
            }
            let audit = Maintained::verify(&folder, world.now);
            let noticed = audit.map_or(true, |audit| !audit.problems.is_empty());
            assert!(noticed || *file == "snapshot.json.minisig", "{file} at {at}");
        }
        fs::remove_file(folder.join(file)).unwrap();
        let _ = fs::remove_dir_all(world.memory().join("indexes"));
        let error = world.open().await.unwrap_err();
        assert!(matches!(&error, IndexError::Missing { file: named, .. } if named == file), "{file}: {error}");
        fs::write(folder.join(file), good).unwrap();
    }
    world.open().await.unwrap();
}

#[tokio::test]
async fn an_index_by_another_key_is_not_believed() {
    let world = World::new();
    let mut config = world.file_config("community");
    config.key = sample::key().public().to_string();
    let index = Index::new(&config, &world.memory(), http()).unwrap();
    let error = index.open(world.now, false).await.unwrap_err();
    assert!(matches!(error, IndexError::Signature { .. }), "{error}");
    config.key = "RW".into();
    assert!(Index::new(&config, &world.memory(), http()).is_err());
    let error = Maintained::open(&world.folder("community"), Edited::Nothing).unwrap().write(&sample::key(), world.now, DAY).unwrap_err();
    assert!(matches!(error, MaintainError::OtherKey { .. }), "{error}");
}

#[tokio::test]
async fn an_old_state_a_second_state_and_a_state_past_its_end_are_told_apart() {
    let world = World::new();
    world.add(Sample::default().files()).unwrap();
    copy(&world.folder("community"), &world.folder("old"));
    world.add(Sample { version: "1.1.0", ..Sample::default() }.files()).unwrap();
    world.open().await.unwrap();

    let serve = |name: &str| {
        fs::remove_dir_all(world.folder("community")).unwrap();
        copy(&world.folder(name), &world.folder("community"));
    };
    copy(&world.folder("community"), &world.folder("new"));
    serve("old");
    assert!(matches!(world.open().await, Err(IndexError::Rollback { seen: 3, found: 2, .. })));
    // The same number with another content, properly signed.
    world.add(Sample { version: "1.2.0", ..Sample::default() }.files()).unwrap();
    assert!(matches!(world.open().await, Err(IndexError::Forked { sequence: 3, .. })));
    // What was seen is still what is believed.
    serve("new");
    world.open().await.unwrap();
    let late = World { now: world.now.after(DEFAULT_VALIDITY), place: Place::new(), key: sample::key() };
    let error = world.index().open(late.now, false).await.unwrap_err();
    assert!(matches!(error, IndexError::Expired { .. }), "{error}");
    let problems = Maintained::verify(&world.folder("community"), late.now).unwrap().problems;
    assert!(problems[0].contains("tidegate index renew"), "{problems:?}");
    // A new snapshot of the same files is good again.
    Maintained::open(&world.folder("community"), Edited::Nothing).unwrap().write(&world.key, late.now, DAY).unwrap();
    world.index().open(late.now, false).await.unwrap();
}

#[tokio::test]
async fn a_history_that_loses_a_line_is_noticed() {
    let world = World::new();
    world.add(Sample::default().files()).unwrap();
    copy(&world.folder("community"), &world.folder("before"));
    world.add(Sample { version: "1.1.0", ..Sample::default() }.files()).unwrap();
    world.open().await.unwrap();
    // The maintainers' key, and a history without the release: signed anew over and over until the number is higher.
    fs::remove_dir_all(world.folder("community")).unwrap();
    copy(&world.folder("before"), &world.folder("community"));
    for _ in 0..2 {
        Maintained::open(&world.folder("community"), Edited::Nothing).unwrap().write(&world.key, world.now, DAY).unwrap();
    }
    let error = world.open().await.unwrap_err();
    assert!(matches!(&error, IndexError::Rewritten { file, .. } if file == "plugins/example.org/tables.jsonl"), "{error}");
}

#[tokio::test]
async fn what_was_taken_back_is_not_chosen_and_an_alarm_is_heard() {
    let world = World::new();
    for version in ["1.0.0", "1.1.0"] {
        world.add(Sample { version, ..Sample::default() }.files()).unwrap();
    }
    world.yank("1.1.0", Some(Alarm { action: Action::Block, severity: Severity::High })).unwrap();
    let indexes = world.indexes(&[world.file_config("community")]);
    let resolve = async |text: &str| indexes.resolve(&wanted(text), world.now, false, false).await;
    assert_eq!(resolve("example.org/tables").await.unwrap().release.version.to_string(), "1.0.0");
    let error = resolve("example.org/tables@1.1.0").await.unwrap_err().to_string();
    assert!(error.contains("was taken back: It loses rows."), "{error}");
    let found = indexes.search(&Query::default(), world.now, false).await.found;
    assert_eq!(found[0].1.version.to_string(), "1.0.0");
    // For those who have it.
    let alarms = Alarms::read(&[world.file_config("community")], &world.memory()).unwrap();
    let release = |version: &str, index: &str| Release {
        version: version.parse().unwrap(),
        source: "example.org/tables".into(),
        resolved: Some(format!("{index}:example.org/tables@{version}")),
        manifest: Digest::of(b""),
        component: Digest::of(b""),
        contract: Digest::of(b""),
        request: Digest::of(b""),
        publisher: None,
        index_snapshot: Some(1),
    };
    assert!(alarms.about(&release("1.0.0", "community")).is_empty());
    // Another index has nothing to say about it.
    assert!(alarms.about(&release("1.1.0", "private")).is_empty());
    let (hit, resolved) = (release("1.1.0", "community"), None);
    assert!(alarms.about(&Release { resolved, ..hit.clone() }).is_empty());
    let advisories = alarms.about(&hit);
    assert_eq!((advisories[0].id.as_str(), advisories[0].action), ("COMMUNITY-2026-1", Action::Block));
    for (version, expected) in [("1.1.0", "was taken back before"), ("3.0.0", "is not in the index")] {
        let error = world.yank(version, None).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_plugin_in_two_indexes_is_named_with_its_index_and_stays_there() {
    let world = World::new();
    world.add(Sample::default().files()).unwrap();
    copy(&world.folder("community"), &world.folder("private"));
    let both = [world.file_config("community"), world.file_config("private")];
    let indexes = world.indexes(&both);
    let resolve = async |text: &str, allow_move| indexes.resolve(&wanted(text), world.now, false, allow_move).await;
    let error = resolve("example.org/tables", false).await.unwrap_err().to_string();
    assert!(error.contains("`community:example.org/tables` or `private:example.org/tables`"), "{error}");
    let resolved = resolve("private:example.org/tables", false).await.unwrap();
    indexes.download(&resolved, &silent).await.unwrap();
    // From now on the namespace is that index's.
    assert_eq!(resolve("example.org/tables", false).await.unwrap().index, "private");
    let error = resolve("community:example.org/tables", false).await.unwrap_err();
    assert!(matches!(&error, ResolveError::Elsewhere { pinned, asked, .. } if pinned == "private" && asked == "community"), "{error}");
    assert_eq!(resolve("community:example.org/tables", true).await.unwrap().index, "community");
    let alone = world.indexes(&both[..1]);
    let error = alone.resolve(&wanted("example.org/tables"), world.now, false, false).await.unwrap_err();
    assert!(matches!(error, ResolveError::Elsewhere { .. }), "{error}");
}

#[tokio::test]
async fn what_is_nowhere_is_not_found_and_something_near_is_named() {
    let world = World::new();
    world.add(Sample::default().files()).unwrap();
    let indexes = world.indexes(&[world.file_config("community")]);
    for (text, expected) in [
        ("example.org/tabels", "did you mean `example.org/tables`?"),
        ("tables", "did you mean `example.org/tables`?"),
        ("elsewhere.net/nothing", "no plugin `elsewhere.net/nothing` in index `community`"),
        ("privat:example.org/tables", "there is no index `privat` (there are community)"),
    ] {
        let error = indexes.resolve(&wanted(text), world.now, false, false).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let none = world.indexes(&[]);
    let error = none.resolve(&wanted("example.org/tables"), world.now, false, false).await.unwrap_err().to_string();
    assert!(error.contains("names none under `[indexes]`"), "{error}");
}

#[test]
fn what_would_deceive_somebody_is_not_added_unless_it_was_looked_at() {
    let world = World::new();
    let ours = Sample { version: "1.1.0", ..Sample::default() };
    world.add(ours.files()).unwrap();
    let refused = |files: PluginFiles, options: AddOptions| world.add_with(files, &[], options).err();
    let no = AddOptions::default();
    assert!(matches!(refused(ours.files(), no), Some(MaintainError::Exists { .. })));
    let older = || Sample::default().files();
    assert!(matches!(refused(older(), no), Some(MaintainError::Older { .. })));
    assert!(refused(older(), AddOptions { allow_older: true, ..no }).is_none());
    let next = || Sample { version: "1.2.0", ..Sample::default() }.signed_by(&sample::key());
    assert!(matches!(refused(next(), no), Some(MaintainError::OtherPublisher { .. })));
    assert!(refused(next(), AddOptions { new_publisher: true, ..no }).is_none());
    let alike = || Sample { id: "examp1e.net/tab1es", ..Sample::default() }.files();
    assert!(matches!(refused(alike(), no), Some(MaintainError::Similar { .. })));
    assert!(refused(alike(), AddOptions { allow_similar: true, ..no }).is_none());
    let unsigned = PluginFiles { signature: None, ..Sample { version: "9.0.0", ..Sample::default() }.files() };
    assert!(matches!(refused(unsigned, no), Some(MaintainError::Package(_))));
    for location in ["oci://a.example/b:1.0.0", "http://a.example/plugin.toml", "../packages"] {
        let error = world.add_with(Sample { id: "fresh.dev/thing", ..Sample::default() }.files(), &[location.into()], no).unwrap_err();
        assert!(matches!(error, MaintainError::Location { .. }), "{location}: {error}");
    }
    assert_eq!(Maintained::verify(&world.folder("community"), world.now).unwrap().problems, [""; 0]);
}

#[test]
fn what_a_hand_put_in_is_found_by_verifying() {
    let world = World::new();
    world.add(Sample::default().files()).unwrap();
    let folder = world.folder("community");
    let problems = || Maintained::verify(&folder, world.now).unwrap().problems;
    let cases: BTreeMap<&str, &str> = BTreeMap::from([
        ("plugins/example.org/extra.jsonl", "is not in the snapshot"),
        ("packages/example.org/tables/1.0.0/plugin.wasm", "not those of the release"),
        ("advisories.jsonl", "is not the file that its signed snapshot lists"),
    ]);
    for (file, expected) in cases {
        let before = fs::read(folder.join(file)).ok();
        fs::write(folder.join(file), "{}\n").unwrap();
        assert!(problems().iter().any(|problem| problem.contains(expected)), "{file}: {:?}", problems());
        match before {
            Some(before) => fs::write(folder.join(file), before).unwrap(),
            None => fs::remove_file(folder.join(file)).unwrap(),
        }
        assert_eq!(problems(), [""; 0]);
    }
    // Advisories are written by hand and signed by renewing.
    let advisory = r#"{"id":"A-1","plugin":"example.org/tables","versions":"*","severity":"low","action":"warn","summary":"Slow.","url":null,"published":"2026-01-02T03:04:05Z"}"#;
    fs::write(folder.join("advisories.jsonl"), format!("{advisory}\n")).unwrap();
    assert!(Maintained::open(&folder, Edited::Nothing).is_err());
    Maintained::open(&folder, Edited::Advisories).unwrap().write(&world.key, world.now, DAY).unwrap();
    assert_eq!(problems(), [""; 0]);
    fs::write(folder.join("advisories.jsonl"), "nonsense\n").unwrap();
    assert!(Maintained::open(&folder, Edited::Advisories).is_err());
}

#[test]
fn a_new_index_needs_a_name_and_an_empty_folder() {
    let world = World::new();
    let create = |folder: &str, name: &str| Maintained::create(&world.folder(folder), name, &world.key, world.now, DAY);
    assert!(matches!(create("community", "community"), Err(MaintainError::NotEmpty(_))));
    assert!(matches!(create("new", "New Index"), Err(MaintainError::Name(_))));
    create("new", "new").unwrap();
    assert_eq!(Maintained::verify(&world.folder("new"), world.now).unwrap().sequence, 1);
}

#[tokio::test]
async fn a_remembered_state_that_is_damaged_is_no_forgotten_one() {
    let world = World::new();
    world.open().await.unwrap();
    let seen = world.memory().join("indexes/community/seen.json");
    fs::write(&seen, "{}").unwrap();
    let error = world.open().await.unwrap_err().to_string();
    assert!(error.contains("seen.json") && error.contains("damaged"), "{error}");
}
