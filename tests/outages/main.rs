//! What the host does when a database fails: on servers of the tests' own, which they kill, stop, cut off and fill up.
//!
//! What they measure is time, so few of them run at once. `tests/faults` runs them in their long form, one after another.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where by panicking, also in what tests share")]

mod disk;
#[path = "../it/folder.rs"]
mod folder;
#[path = "../it/host.rs"]
#[expect(dead_code, reason = "shared with the other tests, which need more of it")]
mod host;
mod hosts;
mod killed;
mod load;
mod network;
mod proxy;
mod refused;
mod replicas;
mod server;
mod waiting;

use std::time::Duration;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::sync::SemaphorePermit;

use crate::host::Host;

/// A guest, which no test here needs; the host's starter knows how to add one.
#[derive(Clone, Copy)]
struct Guest {
    name: &'static str,
    folder: &'static str,
    component: &'static str,
}

/// A host that keeps no rows, so that every call reaches its database.
fn uncached_host() -> Host {
    Host::new().table("plugins.cache", "enabled = false")
}

/// Waits until fewer than two other tests run; in the long form, until none does: what they measure is time.
async fn turn() -> SemaphorePermit<'static> {
    static LONG: Semaphore = Semaphore::const_new(1);
    static SHORT: Semaphore = Semaphore::const_new(3);
    let turns = if cycles_asked().is_some() { &LONG } else { &SHORT };
    turns.acquire().await.unwrap()
}

/// How often something is repeated: `short` times, or, where `TIDEGATE_TEST_CYCLES` asks for more, `long` of a hundred of those.
fn cycles(short: u32, long: u32) -> u32 {
    cycles_asked().map_or(short, |asked| (asked * long / 100).max(short))
}

fn cycles_asked() -> Option<u32> {
    std::env::var("TIDEGATE_TEST_CYCLES").ok().and_then(|cycles| cycles.parse().ok())
}

/// Tells the figures of a test, which `tests/faults` shows.
#[expect(clippy::print_stdout, reason = "the standard output of a test is for whoever runs it")]
fn tell(figures: &str) {
    println!("figures: {figures}");
}

/// Waits until `condition` holds, for `limit` at most, and answers how long that took.
async fn eventually(limit: Duration, what: &str, mut condition: impl AsyncFnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < limit, "after {limit:?} still not: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    started.elapsed()
}

/// The middle and the greatest of some times, in milliseconds.
fn middle_and_most(times: &[Duration]) -> String {
    let mut times: Vec<u128> = times.iter().map(Duration::as_millis).collect();
    times.sort_unstable();
    match times.last() {
        Some(most) => format!("p50 {} ms, max {most} ms", times[times.len() / 2]),
        None => "none".to_owned(),
    }
}
