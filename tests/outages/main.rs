//! What the host does when a database fails: on servers of the tests' own, which they kill, stop, cut off and fill up.
//!
//! Every test has the machine for itself, because what they measure is time. `tests/faults` runs them in their long form.

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

use tokio::sync::Mutex;
use tokio::sync::MutexGuard;

/// A guest, which no test here needs; the host's starter knows how to add one.
#[derive(Clone, Copy)]
struct Guest {
    name: &'static str,
    folder: &'static str,
    component: &'static str,
}

/// Waits until no other test runs.
async fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::const_new(());
    ONE.lock().await
}

/// How often something is repeated: `short` times, or, where `TIDEGATE_TEST_CYCLES` asks for more, `long` of a hundred of those.
fn cycles(short: u32, long: u32) -> u32 {
    let asked = std::env::var("TIDEGATE_TEST_CYCLES").ok().and_then(|cycles| cycles.parse::<u32>().ok());
    asked.map_or(short, |asked| (asked * long / 100).max(short))
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
