//! Tests of installing, with every change broken off at every step.

use super::*;
use crate::plugin::contract::Contract;
use crate::plugin::folder::PluginsFolder;
use crate::plugin::folder::broken_off;
use crate::plugin::folder::tests::Place;
use crate::plugin::grants_file::Approval;
use crate::plugin::grants_file::Bind;
use crate::plugin::inspection::Expected;
use crate::plugin::inspection::inspect;
use crate::plugin::specimen;
use crate::plugin::trust::SigningKey;
use crate::plugin::trust::publishers::Via;

const ID: &str = "a.org/one";

fn candidate_of(key: &SigningKey, id: &str, version: &str, more: &str) -> Candidate {
    let manifest = specimen::manifest(key, id, version) + more;
    let files = specimen::signed(key, &manifest, &specimen::component(id, version));
    let inspected = inspect(files, &Expected::default()).unwrap();
    let contract = Contract::new(&[], &[], &[]);
    Candidate { inspected, contract, source: "/plugins/one".into(), resolved: None, index_snapshot: None }
}

fn candidate(key: &SigningKey, version: &str) -> Candidate {
    candidate_of(key, ID, version, "")
}

fn grant(candidate: &Candidate) -> Grant {
    let release = candidate.release();
    Grant {
        plugin: candidate.id().into(),
        publisher: release.publisher,
        request: release.request,
        contract: release.contract,
        artifact: release.manifest,
        bind: Bind::Request,
        approved: Approval { by: "ann".into(), at: "2026-01-02T03:04:05Z".into(), via: "cli".into() },
        databases: [("main".to_owned(), "read".to_owned())].into(),
        capabilities: [].into(),
        hooks: [].into(),
    }
}

fn publisher(key: &SigningKey) -> Publisher {
    Publisher { scope: "a.org/*".into(), key: key.public().clone(), since: "2026-01-02T03:04:05Z".into(), via: Via::FirstUse }
}

/// What a host would run, and what a person would see.
fn seen(folder: &PluginsFolder) -> Vec<(String, String, bool, Option<String>)> {
    let (lock, grants) = (folder.read_lock().unwrap(), folder.read_grants().unwrap());
    let see = |entry: &Entry| {
        folder.read_release(&entry.id, &entry.running).unwrap();
        let granted = grants.find(&entry.id, &entry.running).is_some();
        (entry.id.clone(), entry.running.version.to_string(), granted, entry.waiting.as_ref().map(|waiting| waiting.version.to_string()))
    };
    lock.entries().map(see).collect()
}

/// The folders in the store.
fn stored(folder: &PluginsFolder) -> usize {
    std::fs::read_dir(folder.path().join("store")).map_or(0, Iterator::count)
}

#[test]
fn a_plugin_is_installed_updated_rolled_back_and_removed_without_an_orphan() {
    let place_of_test = Place::new();
    let folder = place_of_test.folder();
    let key = specimen::key();
    let (one, patch) = (candidate(&key, "1.0.0"), candidate(&key, "1.0.1"));
    let wants_more = candidate_of(&key, ID, "2.0.0", "[limits]\nmemory = \"8 MiB\"\n");
    let claim = folder.claim().unwrap();
    assert!(matches!(place(&claim, &one, None, None), Err(InstallError::NothingWaits(_))));
    assert_eq!(place(&claim, &one, Some(publisher(&key)), Some(grant(&one))).unwrap(), Outcome::Runs);
    assert_eq!(place(&claim, &one, None, None).unwrap(), Outcome::Unchanged);
    // The same key asks for the same and says the same: the grant serves.
    assert_eq!(place(&claim, &patch, None, None).unwrap(), Outcome::Runs);
    assert_eq!(seen(&folder), [(ID.to_owned(), "1.0.1".to_owned(), true, None)]);
    assert_eq!(place(&claim, &wants_more, None, None).unwrap(), Outcome::Waits);
    assert_eq!(seen(&folder), [(ID.to_owned(), "1.0.1".to_owned(), true, Some("2.0.0".to_owned()))]);
    assert_eq!(stored(&folder), 3);
    assert!(matches!(approve(&claim, ID, grant(&one), None), Err(InstallError::NothingWaits(_))));
    approve(&claim, ID, grant(&wants_more), None).unwrap();
    assert_eq!(seen(&folder), [(ID.to_owned(), "2.0.0".to_owned(), true, None)]);
    assert_eq!(stored(&folder), 2);
    roll_back(&claim, ID).unwrap();
    assert_eq!(seen(&folder), [(ID.to_owned(), "1.0.1".to_owned(), true, None)]);
    roll_back(&claim, ID).unwrap();
    assert_eq!(seen(&folder), [(ID.to_owned(), "2.0.0".to_owned(), true, None)]);
    remove(&claim, ID).unwrap();
    assert_eq!((seen(&folder), stored(&folder)), (vec![], 0));
    assert_eq!(folder.read_grants().unwrap().iter().count(), 0);
    assert!(matches!(remove(&claim, ID), Err(InstallError::NotInstalled(_))));
}

#[test]
fn a_change_that_is_broken_off_anywhere_did_not_happen_or_is_whole() {
    let key = specimen::key();
    let (old, new) = (candidate(&key, "1.0.0"), candidate_of(&key, ID, "2.0.0", "[limits]\nmemory = \"8 MiB\"\n"));
    let (before, after) = ([(ID.to_owned(), "1.0.0".to_owned(), true, None)], [(ID.to_owned(), "2.0.0".to_owned(), true, None)]);
    let mut broken = 0;
    for steps in 0.. {
        let place_of_test = Place::new();
        let folder = place_of_test.folder();
        place(&folder.claim().unwrap(), &old, Some(publisher(&key)), Some(grant(&old))).unwrap();
        let claim = folder.claim().unwrap();
        broken_off::after(steps);
        let placed = place(&claim, &new, Some(publisher(&key)), Some(grant(&new)));
        let was_broken = broken_off::never();
        drop(claim);
        let now = seen(&folder);
        assert!(now == before || now == after, "after {steps} steps: {now:?}");
        assert!(placed.is_err() || now == after, "after {steps} steps: it said that it is done");
        // Whoever comes next finds a folder that can be worked with, and nothing that belongs to nobody.
        let claim = folder.claim().unwrap();
        assert_eq!(seen(&folder), now);
        assert_eq!(stored(&folder), if now == before { 1 } else { 2 }, "after {steps} steps");
        assert_eq!(folder.read_grants().unwrap().iter().count(), stored(&folder), "after {steps} steps");
        let left =
            std::fs::read_dir(folder.path()).unwrap().flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(".new-"));
        assert_eq!(left.count(), 0, "after {steps} steps");
        assert!(matches!(place(&claim, &new, None, Some(grant(&new))).unwrap(), Outcome::Runs | Outcome::Unchanged));
        assert_eq!(seen(&folder), after);
        broken += u32::from(was_broken);
        if !was_broken {
            break;
        }
    }
    assert!(broken > 20, "only {broken} steps were tried");
}

#[test]
fn what_was_changed_on_the_disk_is_told_by_what_it_is() {
    let place_of_test = Place::new();
    let folder = place_of_test.folder();
    let key = specimen::key();
    let one = candidate(&key, "1.0.0");
    let claim = folder.claim().unwrap();
    place(&claim, &one, None, Some(grant(&one))).unwrap();
    let release = one.release();
    let store = folder.place_of(&release.manifest);
    let read = || folder.read_release(ID, &release).err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(read(), "");
    for (name, part) in [("plugin.toml", "the manifest was changed"), ("component.wasm", "the component was changed")] {
        let path = store.join(name);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[10] ^= 1;
        std::fs::write(&path, bad).unwrap();
        assert!(read().contains(part), "{}", read());
        std::fs::remove_file(&path).unwrap();
        assert!(read().contains(name), "{}", read());
        std::fs::write(&path, good).unwrap();
    }
    #[cfg(unix)]
    {
        let path = store.join("component.wasm");
        let elsewhere = place_of_test.path().join("elsewhere.wasm");
        std::fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(read().contains("it is no file"), "{}", read());
        std::fs::remove_file(&path).unwrap();
    }
    // Installing it again mends it.
    assert_eq!(place(&claim, &one, None, None).unwrap(), Outcome::Runs);
    assert_eq!(read(), "");
}

#[test]
fn names_and_versions_are_kept_apart() {
    let key = specimen::key();
    let place_of_test = Place::new();
    let folder = place_of_test.folder();
    let one = candidate(&key, "1.1.0");
    place(&folder.claim().unwrap(), &one, None, Some(grant(&one))).unwrap();
    let lock = folder.read_lock().unwrap();
    let check = |candidate: &Candidate, back| {
        candidate.check_place(&lock, &["query"], back).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(check(&one, false), "");
    assert_eq!(check(&candidate(&key, "1.2.0"), false), "");
    assert!(check(&candidate(&key, "1.0.9"), false).contains("--allow-downgrade"));
    assert_eq!(check(&candidate(&key, "1.0.9"), true), "");
    assert!(check(&candidate_of(&key, ID, "1.1.0", "[limits]\n"), false).contains("something else"));
    assert!(check(&candidate_of(&key, "b.org/one", "1.0.0", ""), false).contains("same name"));
    assert!(check(&candidate_of(&key, "query", "1.0.0", ""), false).contains("plugin of this program"));
}
