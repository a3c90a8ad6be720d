//! Files that are torn, changed, too many or somebody else's.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::cache::scratch::Scratch;
use crate::cache::tests::digest;
use crate::cache::tests::entry;
use crate::cache::tests::local;
use crate::cache::tests::text_of;

fn config(folder: &Scratch, max_bytes: u64) -> DiskCacheConfig {
    DiskCacheConfig { path: folder.path().join("results"), max_bytes }
}

fn open(folder: &Scratch) -> Disk {
    Disk::open(&config(folder, 16 << 20)).unwrap().unwrap()
}

/// The files of entries, finished or not.
fn files(folder: &Scratch) -> Vec<PathBuf> {
    fs::read_dir(folder.path().join("results/entries")).unwrap().map(|file| file.unwrap().path()).collect()
}

async fn found(disk: &Disk, label: &str) -> Option<String> {
    match disk.find(&digest(label), &local(1)).await {
        Look::Hit(entry) => Some(text_of(&entry)),
        Look::Stale | Look::Miss => None,
    }
}

async fn keep(disk: &Disk, label: &str) {
    assert!(disk.keep(digest(label), entry(label, "t", local(1), label)).await);
}

#[test]
fn a_record_that_was_cut_or_changed_anywhere_is_no_record() {
    let digest = digest("a");
    let whole = record::encode(&digest, &entry("select a", "t", local(1), "row")).unwrap();
    assert_eq!(text_of(&record::decode(&digest, &whole).unwrap()), "row");
    for length in 0..whole.len() {
        assert!(record::decode(&digest, &whole[..length]).is_err(), "cut at {length}");
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            assert!(record::decode(&digest, &changed).is_err(), "bit {bit} of byte {at}");
            // A clear reads such files too; it may take them for whatever they say, and may not panic.
            let _ = record::describe(&changed);
        }
    }
    let longer = [&whole[..], b"x"].concat();
    assert!(record::decode(&digest, &longer).is_err());
    assert!(record::decode(&crate::cache::tests::digest("b"), &whole).is_err());
}

#[tokio::test]
async fn a_file_that_was_cut_or_changed_anywhere_is_a_miss_and_is_removed() {
    let folder = Scratch::new();
    let disk = open(&folder);
    keep(&disk, "a").await;
    let whole = fs::read(&files(&folder)[0]).unwrap();
    let cuts = (0..whole.len()).map(|length| whole[..length].to_vec());
    let flips = (0..whole.len()).map(|at| {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        changed
    });
    let mut damages = 0;
    for damaged in cuts.chain(flips) {
        keep(&disk, "a").await;
        let [file] = &files(&folder)[..] else { panic!() };
        fs::write(file, damaged).unwrap();
        assert_eq!(found(&disk, "a").await, None);
        assert!(files(&folder).is_empty());
        damages += 1;
    }
    keep(&disk, "a").await;
    assert_eq!(found(&disk, "a").await.as_deref(), Some("a"));
    let figures = disk.figures().unwrap();
    assert_eq!((figures.errors, figures.misses, figures.entries), (damages, damages, 1));
}

#[tokio::test]
async fn the_folder_stays_within_its_budget_and_the_least_recently_used_goes_first() {
    let folder = Scratch::new();
    let budget = 40 * 4096;
    let disk = Disk::open(&config(&folder, budget)).unwrap().unwrap();
    keep(&disk, "first").await;
    for n in 0..100 {
        keep(&disk, &n.to_string()).await;
        assert!(found(&disk, "first").await.is_some(), "it is used all the time");
    }
    let figures = disk.figures().unwrap();
    assert_eq!((figures.entries, figures.bytes, figures.evictions), (40, budget, 61));
    assert_eq!(files(&folder).len(), 40);
    assert!(found(&disk, "60").await.is_none() && found(&disk, "61").await.is_some());
    assert!(!disk.keep(digest("large"), entry("large", "t", local(1), &"x".repeat(30_000))).await);
    drop(disk);
    // A smaller budget holds from the start on, and what was used last stays.
    let disk = Disk::open(&config(&folder, 32 << 10)).unwrap().unwrap();
    assert_eq!((disk.figures().unwrap().entries, files(&folder).len()), (8, 8));
    assert!(found(&disk, "61").await.is_some());
}

#[tokio::test]
async fn one_process_has_the_folder_and_it_is_free_after_it() {
    let folder = Scratch::new();
    let disk = open(&folder);
    keep(&disk, "a").await;
    assert!(Disk::open(&config(&folder, 1 << 20)).unwrap().is_none());
    assert_eq!(found(&disk, "a").await.as_deref(), Some("a"), "the other one did nothing to it");
    drop(disk);
    assert_eq!(found(&open(&folder), "a").await.as_deref(), Some("a"));
}

#[tokio::test]
async fn nobody_else_can_look_into_it() {
    let folder = Scratch::new();
    keep(&open(&folder), "a").await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let results = folder.path().join("results");
    assert_eq!((mode(&results), mode(&results.join("entries"))), (0o700, 0o700));
    assert_eq!((mode(&files(&folder)[0]), mode(&results.join("versions")), mode(&results.join("lock"))), (0o600, 0o600, 0o600));
    fs::set_permissions(&results, fs::Permissions::from_mode(0o750)).unwrap();
    let Err(error) = Disk::open(&config(&folder, 1 << 20)) else { panic!("it was opened") };
    assert!(error.to_string().contains("chmod 700"), "{error}");
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&results, &link).unwrap();
    assert!(Disk::open(&DiskCacheConfig { path: link, max_bytes: 1 << 20 }).is_err());
}

#[tokio::test]
async fn entries_are_dropped_when_the_versions_are_not_those_of_this_boot() {
    let folder = Scratch::new();
    for damage in ["", "garbage", "not there"] {
        let disk = open(&folder);
        disk.journal().record("main", "t", 1);
        keep(&disk, "a").await;
        drop(disk);
        let versions = folder.path().join("results/versions");
        if damage == "not there" {
            fs::remove_file(versions).unwrap()
        } else {
            fs::write(versions, damage).unwrap()
        }
        let disk = open(&folder);
        assert_eq!(found(&disk, "a").await, None);
        assert!(files(&folder).is_empty() && disk.journal().load().is_empty());
    }
}

#[tokio::test]
async fn what_a_dead_process_left_unfinished_is_removed_and_what_is_not_ours_is_not() {
    let folder = Scratch::new();
    keep(&open(&folder), "a").await;
    let entries = folder.path().join("results/entries");
    let unfinished = files(&folder)[0].with_extension(UNFINISHED);
    fs::write(&unfinished, "half").unwrap();
    fs::write(entries.join("notes.txt"), "mine").unwrap();
    let disk = open(&folder);
    assert!(!unfinished.exists() && entries.join("notes.txt").exists());
    assert_eq!(found(&disk, "a").await.as_deref(), Some("a"));
}

#[tokio::test]
async fn nothing_is_used_once_a_version_could_not_be_written() {
    let folder = Scratch::new();
    let disk = open(&folder);
    keep(&disk, "a").await;
    disk.journal().break_for_test();
    disk.journal().record("main", "t", 2);
    assert_eq!(found(&disk, "a").await, None);
    keep(&disk, "b").await;
    assert!(found(&disk, "b").await.is_none() && disk.figures().is_none());
    drop(disk);
    assert_eq!(found(&open(&folder), "a").await, None, "nor after a restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_readers_and_writers_of_the_same_entries_see_whole_ones() {
    let folder = Scratch::new();
    let disk = Arc::new(Disk::open(&config(&folder, 48 * 4096)).unwrap().unwrap());
    let workers: Vec<_> = (0..8_u32)
        .map(|worker| {
            let disk = disk.clone();
            tokio::spawn(async move {
                for n in 0..200_u32 {
                    let label = ((worker * 31 + n * 17) % 70).to_string();
                    match n % 3 {
                        0 => keep(&disk, &label).await,
                        1 if n % 50 == 1 => drop(disk.clear(Clear::Pattern(crate::cache::Pattern::new("1*")), HashSet::new()).await),
                        _ => assert!(found(&disk, &label).await.is_none_or(|text| text == label)),
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let figures = disk.figures().unwrap();
    assert_eq!((figures.errors, files(&folder).len() as u64), (0, figures.entries));
    assert!(figures.hits > 0 && figures.bytes <= 48 * 4096);
}
