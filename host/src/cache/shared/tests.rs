//! Two replicas and a real server, which is stopped, killed, emptied and restarted under them.

use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Instant;

use super::*;
use crate::cache::Cache;
use crate::cache::Pattern;
use crate::cache::Tiers;
use crate::cache::scratch::Scratch;
use crate::cache::tests::digest;
use crate::cache::tests::entry;
use crate::cache::tests::local;
use crate::cache::tests::main_database;
use crate::cache::tests::text_of;
use crate::config::CacheConfig;

const TIERS: Tiers = Tiers { memory: true, disk: false, shared: true };
const SERVER_ONLY: Tiers = Tiers { memory: false, disk: false, shared: true };

/// The longest that a condition is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server of one test, with its data in a folder of its own.
struct Server {
    port: u16,
    folder: Scratch,
    process: Child,
}

impl Server {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = Scratch::new();
        let process = run_server(port, folder.path());
        let server = Self { port, folder, process };
        server.wait_until_it_listens();
        server
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again, on what it had saved.
    fn restart(&mut self) {
        self.process = run_server(self.port, self.folder.path());
        self.wait_until_it_listens();
    }

    /// Stops it as a machine that hangs, or lets it go on.
    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").arg(signal).arg(self.process.id().to_string()).status().unwrap().success());
    }

    fn wait_until_it_listens(&self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < PATIENCE, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn replica(&self) -> Cache {
        let shared = SharedCacheConfig { timeout: Duration::from_millis(300), ..SharedCacheConfig::new(self.url()) };
        Cache::new(&CacheConfig { shared: Some(shared), ..CacheConfig::default() }).unwrap()
    }

    /// Asks the server itself.
    async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run_server(port: u16, folder: &Path) -> Child {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let program = places.map(|place| place.join("redis-server")).find(|program| program.is_file()).expect("redis-server is installed");
    let mut command = Command::new(program);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]).arg(folder);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn tables() -> [String; 1] {
    ["t".to_owned()]
}

/// The stamp of the table, as soon as the server can be asked.
async fn stamp(cache: &Cache) -> Stamp {
    let start = Instant::now();
    loop {
        if let Some(stamp) = try_stamp(cache).await {
            return stamp;
        }
        assert!(start.elapsed() < PATIENCE, "the server is not asked again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn try_stamp(cache: &Cache) -> Option<Stamp> {
    cache.stamp(local(1), &main_database(), &tables(), TIERS).await
}

async fn keep(cache: &Cache, text: &str) {
    let stamp = stamp(cache).await;
    cache.keep(digest("q"), entry("select q", "t", stamp, text), TIERS).await;
}

async fn find(cache: &Cache, tiers: Tiers) -> Option<String> {
    let stamp = stamp(cache).await;
    cache.find(&digest("q"), &stamp, tiers).await.map(|entry| text_of(&entry))
}

async fn wrote(cache: &Cache) {
    cache.writing(&main_database(), Some(&tables())).wrote().await;
}

#[tokio::test]
async fn replicas_share_hits_and_invalidations() {
    let server = Server::start();
    let (here, there) = (server.replica(), server.replica());
    keep(&here, "one").await;
    // The local counters of another process are others.
    let stamp = there.stamp(local(900), &main_database(), &tables(), TIERS).await.unwrap();
    let found = there.find(&digest("q"), &stamp, TIERS).await.unwrap();
    assert_eq!((text_of(&found), &found.stamp), ("one".into(), &stamp));
    assert!(there.find(&digest("q"), &stamp, Tiers { shared: true, ..TIERS }).await.is_some());
    assert_eq!((there.figures().shared.unwrap().hits, there.figures().memory.unwrap().hits), (1, 1), "promoted");

    wrote(&there).await;
    assert_eq!(find(&here, TIERS).await, None, "not from memory and not from the server");
    assert_eq!(find(&there, TIERS).await, None);
    keep(&there, "two").await;
    assert_eq!(find(&here, TIERS).await.as_deref(), Some("two"));
    there.writing(&main_database(), Some(&["other".to_owned()])).wrote().await;
    assert_eq!(find(&here, TIERS).await.as_deref(), Some("two"), "another table is no matter");
    there.writing(&main_database(), None).wrote().await;
    assert_eq!(find(&here, TIERS).await, None, "a write that may have touched any table");
}

#[tokio::test]
async fn an_entry_of_the_server_counts_local_writes_as_well_once_it_is_in_memory() {
    let server = Server::start();
    let (here, there) = (server.replica(), server.replica());
    keep(&here, "one").await;
    assert!(find(&there, TIERS).await.is_some());
    let moved = there.stamp(local(2), &main_database(), &tables(), TIERS).await.unwrap();
    assert!(there.find(&digest("q"), &moved, Tiers { shared: false, ..TIERS }).await.is_none());
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "a figure, for `--nocapture`")]
async fn a_server_that_is_away_is_a_miss_in_time_and_comes_back_without_old_rows() {
    let mut server = Server::start();
    let (here, there) = (server.replica(), server.replica());
    keep(&here, "one").await;
    assert!(find(&there, TIERS).await.is_some());
    let old = stamp(&there).await;
    // What it comes back with: the entry and the tokens from before the write.
    let _: () = server.ask(&["SAVE"]).await;
    wrote(&here).await;
    server.kill();
    let start = Instant::now();
    for cache in [&here, &there] {
        assert_eq!(try_stamp(cache).await, None);
        let unknown = local(1);
        assert!(cache.find(&digest("q"), &unknown, TIERS).await.is_none(), "memory does not answer either");
        assert!(cache.find(&digest("q"), &unknown, Tiers { shared: false, ..TIERS }).await.is_none());
        wrote(cache).await;
    }
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    server.restart();
    let back = Instant::now();
    let new = stamp(&there).await;
    println!("used again {:?} after the server is back", back.elapsed());
    assert!(back.elapsed() < Duration::from_secs(3), "{:?}", back.elapsed());
    assert_ne!(new, old);
    let left: usize = server.ask(&["EXISTS", &format!("tidegate:1:entry:{}", digest("q"))]).await;
    assert_eq!(left, 1, "the server did come back with the entry");
    assert_eq!(find(&there, SERVER_ONLY).await, None);
    assert_eq!(find(&here, TIERS).await, None);
    keep(&here, "two").await;
    assert_eq!(find(&there, TIERS).await.as_deref(), Some("two"));
    assert!(here.figures().shared.unwrap().errors > 0);
}

#[tokio::test]
async fn a_server_that_hangs_is_left_alone_and_a_write_meanwhile_is_said_before_the_tier_is_used() {
    let server = Server::start();
    let (here, there) = (server.replica(), server.replica());
    keep(&there, "one").await;
    let old = stamp(&there).await;
    let _ = stamp(&here).await;
    server.signal("-STOP");
    for _ in 0..3 {
        assert_eq!(try_stamp(&here).await, None);
    }
    // It is not asked now: nothing of this write is on its way.
    let start = Instant::now();
    wrote(&here).await;
    assert_eq!(try_stamp(&here).await, None);
    assert!(start.elapsed() < Duration::from_millis(150), "{:?}", start.elapsed());
    server.signal("-CONT");
    let _ = stamp(&here).await;
    let new = stamp(&there).await;
    assert_ne!(new, old, "the other replica learns of the write");
    assert!(there.find(&digest("q"), &new, TIERS).await.is_none());
}

#[tokio::test]
async fn a_cancelled_write_is_said_all_the_same_and_one_without_effect_is_not() {
    let server = Server::start();
    let (here, there) = (server.replica(), server.replica());
    let old = stamp(&there).await;
    here.writing(&main_database(), Some(&tables())).without_effect();
    assert_eq!((stamp(&here).await.shared, stamp(&there).await), (old.shared, old.clone()));

    // Before anything of it is sent: what the other replica learns is what the dropped guard made this one say.
    drop(here.writing(&main_database(), Some(&tables())));
    assert_eq!(try_stamp(&here).await, None, "not before it was said");
    let _ = stamp(&here).await;
    let new = stamp(&there).await;
    assert_ne!(new, old);

    server.signal("-STOP");
    assert!(tokio::time::timeout(Duration::from_millis(20), wrote(&here)).await.is_err());
    server.signal("-CONT");
    let _ = stamp(&here).await;
    assert_ne!(stamp(&there).await, new);
}

#[tokio::test]
async fn a_server_that_forgets_its_versions_makes_no_old_entry_good_again() {
    let server = Server::start();
    let (here, there) = (server.replica(), server.replica());
    keep(&here, "one").await;
    assert!(find(&there, TIERS).await.is_some());
    for _ in 0..5 {
        let _: () = server.ask(&["FLUSHALL"]).await;
        assert_eq!(find(&there, TIERS).await, None);
        wrote(&here).await;
        assert_eq!(find(&here, TIERS).await, None);
        keep(&here, "again").await;
        assert_eq!(find(&there, TIERS).await.as_deref(), Some("again"));
    }
}

#[tokio::test]
async fn what_others_put_under_a_key_is_a_miss_and_is_removed() {
    let server = Server::start();
    let (here, there) = (server.replica(), server.replica());
    keep(&here, "one").await;
    let key = format!("tidegate:1:entry:{}", digest("q"));
    let ttl: i64 = server.ask(&["PTTL", &key]).await;
    assert!((1..=60_000).contains(&ttl), "{ttl}");
    for at in ["0", "60", "120", "250"] {
        let _: usize = server.ask(&["SETRANGE", &key, at, "x~x~x"]).await;
        assert_eq!(find(&there, TIERS).await, None, "at {at}");
        assert_eq!(server.ask::<usize>(&["EXISTS", &key]).await, 0);
        keep(&here, "one").await;
    }
    // Not even a string: refused by the server, and no reason to leave it.
    let _: usize = server.ask(&["DEL", &key]).await;
    let _: usize = server.ask(&["LPUSH", &key, "x"]).await;
    assert_eq!(find(&there, TIERS).await, None);
    assert!(try_stamp(&there).await.is_some());
}

#[tokio::test]
async fn a_clear_reaches_the_server_and_the_memory_of_other_replicas() {
    let server = Server::start();
    let (here, there) = (server.replica(), server.replica());
    let [table, other_table] = ["t", "u"].map(|table| Clear::Table { database: main_database(), table: table.into() });
    let pattern = |text| Clear::Pattern(Pattern::new(text));
    for (what, removed) in [(table, 1), (other_table, 0), (pattern("SELECT Q"), 1), (pattern("insert*"), 0), (Clear::All, 1)] {
        keep(&here, "one").await;
        assert!(find(&there, TIERS).await.is_some());
        assert_eq!(here.clear(&what).await, removed, "{what:?}");
        let left = if removed == 0 { Some("one") } else { None };
        assert_eq!(find(&there, TIERS).await.as_deref(), left, "{what:?}");
        assert_eq!(find(&here, SERVER_ONLY).await.as_deref(), left, "{what:?}");
    }
    // Entries that this replica never had in memory, in more than one step.
    let stamp = stamp(&there).await;
    for n in 0..1_200 {
        let label = n.to_string();
        there.keep(digest(&label), entry(&format!("values ({n})"), "v", stamp.clone(), "row"), SERVER_ONLY).await;
    }
    assert_eq!(here.clear(&pattern("values (11?)")).await, 10);
    assert_eq!(here.clear(&pattern("values*")).await, 1_190);
}

#[tokio::test]
async fn a_server_that_was_never_there_or_does_not_speak_tls_is_a_miss() {
    let server = Server::start();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for url in [format!("redis://127.0.0.1:{port}"), format!("rediss://127.0.0.1:{}", server.port)] {
        let cache = Cache::new(&CacheConfig { shared: Some(SharedCacheConfig::new(url)), ..CacheConfig::default() }).unwrap();
        let start = Instant::now();
        for _ in 0..5 {
            assert_eq!(try_stamp(&cache).await, None);
            wrote(&cache).await;
        }
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
    let config = CacheConfig { shared: Some(SharedCacheConfig::new("redis://")), ..CacheConfig::default() };
    let error = Cache::new(&config).err().map(|error| error.to_string());
    assert!(error.is_none_or(|error| error.starts_with("`cache.shared.url`")));
}

/// Readers and writers on two replicas with a small database between them: no read that begins after a write was acknowledged sees
/// what was before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[expect(clippy::print_stdout, reason = "a figure, for `--nocapture`")]
async fn no_read_after_an_acknowledged_write_is_stale_on_any_replica() {
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering;

    const ROUNDS: u64 = 300;
    let server = Server::start();
    let replicas = [Arc::new(server.replica()), Arc::new(server.replica())];
    let (row, acknowledged) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let local_versions = [Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0))];
    let mut tasks = tokio::task::JoinSet::new();
    for (writer, (cache, version)) in replicas.iter().cloned().zip(local_versions.iter().cloned()).enumerate() {
        let (row, acknowledged) = (row.clone(), acknowledged.clone());
        tasks.spawn(async move {
            for n in 0..ROUNDS {
                let written = row.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::task::yield_now().await;
                version.fetch_add(1, Ordering::SeqCst);
                wrote(&cache).await;
                acknowledged.fetch_max(written, Ordering::SeqCst);
                if (n + writer as u64).is_multiple_of(3) {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
            0
        });
    }
    for reader in 0..6 {
        let (cache, version) = (replicas[reader % 2].clone(), local_versions[reader % 2].clone());
        let (row, acknowledged) = (row.clone(), acknowledged.clone());
        tasks.spawn(async move {
            let mut hits = 0;
            while acknowledged.load(Ordering::SeqCst) < 2 * ROUNDS {
                let floor = acknowledged.load(Ordering::SeqCst);
                let local = local(version.load(Ordering::SeqCst));
                let stamp = cache.stamp(local, &main_database(), &tables(), TIERS).await;
                let found = match &stamp {
                    Some(stamp) => cache.find(&digest("q"), stamp, TIERS).await,
                    None => None,
                };
                let read: u64 = match &found {
                    Some(entry) => text_of(entry).parse().unwrap(),
                    None => {
                        let read = row.load(Ordering::SeqCst);
                        tokio::task::yield_now().await;
                        if let Some(stamp) = stamp {
                            cache.keep(digest("q"), entry("select q", "t", stamp, &read.to_string()), TIERS).await;
                        }
                        read
                    }
                };
                hits += u64::from(found.is_some());
                assert!(read >= floor, "read {read} although {floor} was acknowledged before");
            }
            hits
        });
    }
    let hits: u64 = tokio::time::timeout(Duration::from_secs(60), tasks.join_all()).await.unwrap().iter().sum();
    println!("{hits} hits beside {} writes", 2 * ROUNDS);
    assert!(hits > 0);
}
