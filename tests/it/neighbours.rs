//! A plugin that takes all it can get, without end: others are served meanwhile, and what it took comes back.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::folder::Folder;
use crate::guests;
use crate::host::Client;
use crate::host::Era;
use crate::host::Host;
use crate::host::HttpHost;

/// Calls of one window.
const CALLS: usize = 40;

/// Windows alone, and as many meanwhile, in turns.
const WINDOWS: usize = 5;

/// Calls that the hostile client has open at once.
const OPEN: usize = 4;

/// What the worst calls may take beside twice what they take alone, on a machine that has other work. Three to six hundred
/// milliseconds are what they take when guests may keep every thread.
const FLOOR: Duration = Duration::from_millis(120);

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
#[expect(clippy::print_stderr, reason = "figures are for whoever runs it")]
async fn check(host: &HttpHost, tool: &'static str, arguments: Value) {
    let client = host.connect(Era::Modern).await;
    window(&client).await;
    let before = resident(host);
    let (mut alone, mut meanwhile) = (Vec::new(), Vec::new());
    for _ in 0..WINDOWS {
        alone.push(window(&client).await);
        let hostile = Hostile::start(host, tool, arguments.clone()).await;
        meanwhile.push(window(&client).await);
        assert!(hostile.end().await >= u32::try_from(OPEN).unwrap(), "{tool} was called");
    }
    let (alone, meanwhile) = (median(alone), median(meanwhile));
    eprintln!("figures: {tool}: p99 alone {alone:?}, meanwhile {meanwhile:?}");
    assert!(meanwhile <= alone * 2 + FLOOR, "{tool}: the worst calls of others took {alone:?} alone and {meanwhile:?} meanwhile");
    // Given back when the calls are over, though not in the same instant.
    let until = Instant::now() + Duration::from_secs(60);
    while resident(host) > before + KEPT_BYTES {
        assert!(Instant::now() < until, "{tool}: {} MiB before and {} MiB after", before >> 20, resident(host) >> 20);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eprintln!("figures: {tool}: {} MiB before, {} MiB after", before >> 20, resident(host) >> 20);
}

async fn start(guest: crate::Guest, keys: &str) -> (HttpHost, Folder) {
    let folder = Folder::new();
    let state = format!("state_dir = {:?}", folder.path().join("state"));
    (Host::new().database("main", "sqlite::memory:", "").server(&state).guest(guest, keys).start().await, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_served_while_a_plugin_computes_without_end() {
    let (host, _folder) = start(guests::SPINS, "limits = { cpu_time = \"200ms\" }").await;
    check(&host, "spins_run", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_served_while_a_plugin_takes_memory_without_end() {
    let (host, _folder) = start(guests::ALLOCATES, "").await;
    check(&host, "allocates_run", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_served_while_a_plugin_floods_the_host_with_calls() {
    let (host, _folder) = start(guests::KEEPS, "storage = \"64 KiB\"").await;
    check(&host, "keeps_flood_calls", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_served_while_a_plugin_floods_the_log() {
    let (host, _folder) = start(guests::FLOODS_LOG, "").await;
    check(&host, "floods-log_run", json!({ "lines": 1_000_000 })).await;
    assert!(host.log().len() < 64 << 20, "the log has {} bytes", host.log().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_has_so_many_turns_and_more_are_refused_with_what_to_do() {
    let keys = "limits = { cpu_time = \"60s\", wall_time = \"5s\", concurrency = 1 }";
    let (host, _folder) = start(guests::SPINS, keys).await;
    let client = Arc::new(host.connect(Era::Modern).await);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let client = client.clone();
        calls.spawn(async move { client.call("spins_run", json!({})).await });
    }
    let mut codes = Vec::new();
    while let Some(ended) = calls.join_next().await {
        let answer = ended.unwrap();
        if answer.code() == "RATE_LIMITED" {
            assert!(answer.text().contains("`spins`") && answer.text().contains("limits.concurrency"), "{}", answer.text());
            assert_eq!(answer.error()["retryable"], true);
        }
        codes.push(answer.code());
    }
    // One runs and four wait; the others are refused at once, and those whose turn does not come are told so.
    assert!(codes.iter().filter(|code| *code == "RATE_LIMITED").count() >= 3, "{codes:?}");
    assert!(codes.iter().any(|code| code == "PLUGIN_LIMIT"), "{codes:?}");
    assert_eq!(client.call("execute_select", json!({ "sql": "select 1" })).await.rows(), json!([[1]]));
}
