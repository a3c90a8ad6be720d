//! A plugin that takes all it can get, without end: others are served meanwhile, and what it took comes back.
//!
//! What is measured is time, so these tests are a program of their own, which runs when no other does, and one test, whose cases run one
//! after another.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where by panicking, also in what tests share")]

#[path = "../it/folder.rs"]
mod folder;
#[path = "../it/host.rs"]
#[expect(dead_code, reason = "shared with the other tests, which need more of it")]
mod host;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::folder::Folder;
use crate::host::Client;
use crate::host::Era;
use crate::host::Host;
use crate::host::HttpHost;

/// A guest of `tests/guests`, built to a component.
#[derive(Clone, Copy)]
struct Guest {
    name: &'static str,
    folder: &'static str,
    component: &'static str,
}

/// The guests, each a constant called as its folder.
mod guests {
    #![expect(dead_code, reason = "the other tests use the rest of them")]

    use super::Guest;

    include!(concat!(env!("OUT_DIR"), "/guests.rs"));
}

/// Calls of one window.
const CALLS: usize = 40;

/// Windows alone, and as many meanwhile, in turns.
const WINDOWS: usize = 5;

/// Calls that the hostile client has open at once.
const OPEN: usize = 4;

/// What the worst calls may take beside twice what they take alone, on a machine that has other work. Three to six hundred
/// milliseconds are what they take when guests may keep every thread.
const FLOOR: Duration = Duration::from_millis(120);

/// Measurements of one case. Whatever else the machine does makes them worse and never better, so the best of them counts.
const ATTEMPTS: u32 = 5;

/// Bytes that the process may hold more than before, when it is over: what allocators and pools keep at hand.
const KEPT_BYTES: u64 = 48 << 20;

/// The worst but one per cent of a window; of so few calls, the second worst.
async fn window(client: &Client) -> Duration {
    let mut took = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let began = Instant::now();
        assert_eq!(client.call("execute_select", json!({ "sql": "select 1" })).await.rows(), json!([[1]]));
        took.push(began.elapsed());
    }
    took.sort_unstable();
    took[CALLS - 2]
}

fn median(mut windows: Vec<Duration>) -> Duration {
    windows.sort_unstable();
    windows[windows.len() / 2]
}

/// Bytes of the process in memory; nothing where the system does not tell.
fn resident(host: &HttpHost) -> u64 {
    if !cfg!(target_os = "linux") {
        return 0;
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.process_id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Calls a tool without end from some tasks of one client, until it is dropped.
struct Hostile {
    tasks: tokio::task::JoinSet<()>,
    stop: Arc<AtomicBool>,
    ended: Arc<AtomicU32>,
}

impl Hostile {
    async fn start(host: &HttpHost, tool: &'static str, arguments: Value) -> Self {
        let (stop, ended) = (Arc::<AtomicBool>::default(), Arc::<AtomicU32>::default());
        let client = Arc::new(host.connect(Era::Modern).await);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..OPEN {
            let (client, stop, ended, arguments) = (client.clone(), stop.clone(), ended.clone(), arguments.clone());
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    assert!(client.call(tool, arguments.clone()).await.failed(), "it has a limit");
                    ended.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { tasks, stop, ended }
    }

    async fn end(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
        self.ended.load(Ordering::Relaxed)
    }
}

/// Others are served while `tool` is called without end.
async fn check(host: &HttpHost, tool: &'static str, arguments: Value) {
    let client = host.connect(Era::Modern).await;
    window(&client).await;
    let before = resident(host);
    for attempt in 1.. {
        let (alone, meanwhile) = measure(host, &client, tool, &arguments).await;
        tell(&format!("{tool}: p99 alone {alone:?}, meanwhile {meanwhile:?}"));
        if meanwhile <= alone * 2 + FLOOR {
            break;
        }
        assert!(attempt < ATTEMPTS, "{tool}: the worst calls of others took {alone:?} alone and {meanwhile:?} meanwhile");
    }
    // Given back when the calls are over, though not in the same instant.
    let until = Instant::now() + Duration::from_secs(60);
    while resident(host) > before + KEPT_BYTES {
        assert!(Instant::now() < until, "{tool}: {} MiB before and {} MiB after", before >> 20, resident(host) >> 20);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tell(&format!("{tool}: {} MiB before, {} MiB after", before >> 20, resident(host) >> 20));
}

/// Prints what was measured.
#[expect(clippy::print_stdout, reason = "figures are for whoever reads the output")]
fn tell(figures: &str) {
    println!("figures: {figures}");
}

/// What the worst calls of others take alone and meanwhile: medians of windows in turns.
async fn measure(host: &HttpHost, client: &Client, tool: &'static str, arguments: &Value) -> (Duration, Duration) {
    let (mut alone, mut meanwhile) = (Vec::new(), Vec::new());
    for _ in 0..WINDOWS {
        alone.push(window(client).await);
        let hostile = Hostile::start(host, tool, arguments.clone()).await;
        meanwhile.push(window(client).await);
        assert!(hostile.end().await >= u32::try_from(OPEN).unwrap(), "{tool} was called");
    }
    (median(alone), median(meanwhile))
}

async fn start(guest: Guest, keys: &str) -> (HttpHost, Folder) {
    let folder = Folder::new();
    let state = format!("state_dir = {:?}", folder.path().join("state"));
    (Host::new().database("main", "sqlite::memory:", "").server(&state).guest(guest, keys).start().await, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_served_while_a_plugin_takes_all_it_can_get() {
    let (host, _folder) = start(guests::SPINS, "limits = { cpu_time = \"200ms\" }").await;
    check(&host, "spins_run", json!({})).await;
    drop(host);

    let (host, _folder) = start(guests::ALLOCATES, "").await;
    check(&host, "allocates_run", json!({})).await;
    drop(host);

    let (host, _folder) = start(guests::KEEPS, "storage = \"64 KiB\"").await;
    check(&host, "keeps_flood_calls", json!({})).await;
    drop(host);

    let (host, _folder) = start(guests::FLOODS_LOG, "").await;
    check(&host, "floods-log_run", json!({ "lines": 1_000_000 })).await;
    assert!(host.log().len() < 64 << 20, "the log has {} bytes", host.log().len());
}
