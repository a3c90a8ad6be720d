//! Resident memory of a fresh server: before the first call, under load, and after it.

use std::time::Duration;

use super::WARM_CACHE;
use super::calls::call_all;
use crate::Result;
use crate::case::Case;
use crate::http::Connection;
use crate::options::Options;
use crate::process;
use crate::process::Memory;
use crate::server::Installation;

/// Connections of the load.
const CONNECTIONS: usize = 64;

/// Between two looks at the memory.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a server rests before it counts as idle.
const REST: Duration = Duration::from_millis(300);

/// What a server held when, in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryFigures {
    /// After the first `tools/list`.
    pub(crate) idle_kib: u64,
    /// The most that was seen while 64 connections asked for 100 rows each.
    pub(crate) load_100_kib: u64,
    /// The same for 1,000 rows.
    pub(crate) load_1000_kib: u64,
    /// After both loads.
    pub(crate) after_kib: u64,
    /// The most at any time, by the kernel's account.
    pub(crate) peak_kib: u64,
}

/// Starts a server and loads it.
pub(super) async fn measure(installation: &Installation, options: &Options) -> Result<MemoryFigures> {
    // One start more, so that the code is compiled and its compiler is not in the figures.
    drop(installation.start_http(&installation.cache(WARM_CACHE)).await?);
    let server = installation.start_http(&installation.cache(WARM_CACHE)).await?;
    let pid = server.pid()?;
    tokio::time::sleep(REST).await;
    let idle = process::memory(pid)?;
    let mut loads = [0; 2];
    for (load, rows) in loads.iter_mut().zip([100, 1_000]) {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(Connection::open(server.address, Case::Rows(rows)).await?);
        }
        let watch = async {
            let mut most = 0;
            loop {
                most = most.max(process::memory(pid)?.resident_kib);
                *load = most;
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            result = call_all(connections, options.window() * 2) => { result?; }
            result = watch => return result,
        }
    }
    tokio::time::sleep(REST).await;
    let Memory { resident_kib, peak_kib } = process::memory(pid)?;
    Ok(MemoryFigures { idle_kib: idle.resident_kib, load_100_kib: loads[0], load_1000_kib: loads[1], after_kib: resident_kib, peak_kib })
}
