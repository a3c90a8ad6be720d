//! Tests of what plugins keep, on real files.

use std::sync::Arc;

use super::*;

const QUOTA: Quota = Quota { keys: 100, bytes: 10_000 };

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tidegate-storage-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn shared(plugin: &str) -> Owner<'_> {
    Owner { plugin, caller: None }
}

#[tokio::test]
async fn what_is_set_is_there_after_a_new_start_and_nobody_else_sees_it() {
    let folder = folder("kept");
    let ann = Caller::named("ann");
    // A caller may be called as what is shared is marked.
    let odd = Caller::named("shared");
    let storage = Storage::new(Some(folder.clone()));
    let own = Owner { plugin: "a", caller: Some(&ann) };
    let version = storage.set(own, "k", b"one", Expected::Anything, QUOTA).await.unwrap();
    storage.close().await;
    let storage = Storage::new(Some(folder.clone()));
    assert_eq!(storage.get(own, "k").await.unwrap(), Some(Entry { value: b"one".to_vec(), version }));
    for other in [shared("a"), shared("b"), Owner { plugin: "a", caller: Some(&odd) }, Owner { plugin: "b", caller: Some(&ann) }] {
        assert_eq!(storage.get(other, "k").await.unwrap(), None, "{other:?}");
        assert!(storage.list(other, Selection { prefix: "", after: None, limit: 10 }).await.unwrap().is_empty());
    }
    storage.close().await;
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_change_is_made_only_if_what_is_there_is_as_expected() {
    let folder = folder("expected");
    let storage = Storage::new(Some(folder.clone()));
    let set = async |expected, value: &[u8]| storage.set(shared("a"), "k", value, expected, QUOTA).await;
    let first = set(Expected::Absent, b"1").await.unwrap();
    assert!(matches!(set(Expected::Absent, b"2").await, Err(StorageError::Conflict { found: Some(found) }) if found == first));
    let second = set(Expected::Version(first), b"2").await.unwrap();
    assert!(matches!(set(Expected::Version(first), b"3").await, Err(StorageError::Conflict { .. })));
    assert!(matches!(storage.delete(shared("a"), "k", Expected::Version(first)).await, Err(StorageError::Conflict { .. })));
    assert!(storage.delete(shared("a"), "k", Expected::Version(second)).await.unwrap());
    assert!(!storage.delete(shared("a"), "k", Expected::Anything).await.unwrap());
    // A value that comes again is not taken for the one that was there before.
    let again = set(Expected::Absent, b"1").await.unwrap();
    assert!(again > second);
    storage.close().await;
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn the_quota_counts_keys_and_values_of_all_callers_and_is_given_back() {
    let folder = folder("quota");
    let storage = Storage::new(Some(folder.clone()));
    let ann = Caller::named("ann");
    let own = Owner { plugin: "a", caller: Some(&ann) };
    let quota = Quota { keys: 3, bytes: 100 };
    storage.set(own, "k1", &[0; 40], Expected::Anything, quota).await.unwrap();
    storage.set(shared("a"), "k1", &[0; 40], Expected::Anything, quota).await.unwrap();
    let over = storage.set(shared("a"), "k2", &[0; 40], Expected::Anything, quota).await;
    assert!(matches!(over, Err(StorageError::OverQuota { held: Usage { keys: 2, bytes: 84 } })), "{over:?}");
    assert_eq!(storage.usage("a").await.unwrap(), Usage { keys: 2, bytes: 84 });
    storage.set(shared("a"), "k1", &[0; 1], Expected::Anything, quota).await.unwrap();
    storage.set(shared("a"), "k2", &[0; 1], Expected::Anything, quota).await.unwrap();
    let over = storage.set(shared("a"), "k3", &[0; 1], Expected::Anything, quota).await;
    assert!(matches!(over, Err(StorageError::OverQuota { .. })), "{over:?}");
    // A lower quota lets a plugin shrink, and delete.
    let lower = Quota { keys: 1, bytes: 10 };
    storage.set(own, "k1", &[0; 20], Expected::Anything, lower).await.unwrap();
    assert!(storage.delete(own, "k1", Expected::Anything).await.unwrap());
    assert_eq!(storage.usage("a").await.unwrap(), Usage { keys: 2, bytes: 6 });
    storage.forget("a").await.unwrap();
    assert_eq!(storage.usage("a").await.unwrap(), Usage::default());
    storage.close().await;
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn keys_are_listed_by_prefix_in_pages() {
    let folder = folder("list");
    let storage = Storage::new(Some(folder.clone()));
    for key in ["a/1", "a/2", "a/é", "a0", "b/1"] {
        storage.set(shared("p"), key, b"v", Expected::Anything, QUOTA).await.unwrap();
    }
    let list = async |prefix, after, limit| {
        let listed = storage.list(shared("p"), Selection { prefix, after, limit }).await.unwrap();
        listed.into_iter().map(|listed| listed.key).collect::<Vec<_>>()
    };
    assert_eq!(list("a/", None, 10).await, ["a/1", "a/2", "a/é"]);
    assert_eq!(list("a/", Some("a/1"), 1).await, ["a/2"]);
    assert_eq!(list("", Some("a/é"), 10).await, ["a0", "b/1"]);
    assert!(list("c", None, 10).await.is_empty());
    storage.close().await;
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hosts_on_one_file_lose_no_increment() {
    let folder = folder("hosts");
    let hosts = [Arc::new(Storage::new(Some(folder.clone()))), Arc::new(Storage::new(Some(folder.clone())))];
    for host in &hosts {
        assert_eq!(host.usage("p").await.unwrap(), Usage::default());
    }
    let mut tasks = tokio::task::JoinSet::new();
    for host in hosts.iter().cycle().take(4) {
        let host = host.clone();
        tasks.spawn(async move {
            for _ in 0..10 {
                loop {
                    let entry = host.get(shared("p"), "n").await.unwrap();
                    let expected = entry.as_ref().map_or(Expected::Absent, |entry| Expected::Version(entry.version));
                    let next = entry.map_or(0, |entry| entry.value[0]) + 1;
                    match host.set(shared("p"), "n", &[next], expected, QUOTA).await {
                        Ok(_) => break,
                        Err(StorageError::Conflict { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert_eq!(hosts[0].get(shared("p"), "n").await.unwrap().unwrap().value, [40]);
    for host in hosts {
        host.close().await;
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn without_a_folder_or_with_a_damaged_file_nothing_is_kept_and_it_says_so() {
    let nowhere = Storage::default();
    assert!(matches!(nowhere.get(shared("p"), "k").await, Err(StorageError::NoFolder)));
    let folder = folder("damaged");
    crate::cache::disk::folder::create_private(&folder).unwrap();
    std::fs::write(folder.join("storage.db"), [7; 8192]).unwrap();
    let storage = Storage::new(Some(folder.clone()));
    assert!(matches!(storage.get(shared("p"), "k").await, Err(StorageError::Unusable { .. })));
    std::fs::remove_dir_all(&folder).unwrap();
}
