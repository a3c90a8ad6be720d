//! What kept rows save and cost: the same calls on a server that keeps nothing and on one that keeps everything it may.

use super::WARM_CACHE;
use super::calls::call_all;
use super::calls::read_rested;
use crate::Result;
use crate::case::Case;
use crate::http::Connection;
use crate::measure::Figures;
use crate::options::Options;
use crate::process::CpuMeter;
use crate::server::Http;
use crate::server::Installation;

/// A request that does nothing, three statements that are always found after the first time, and one that never is.
const CASES: [(Case, Found); 5] = [
    (Case::Discover, Found::Nothing),
    (Case::One, Found::Always),
    (Case::Rows(1_000), Found::Always),
    (Case::Costly, Found::Always),
    (Case::Fresh, Found::Never),
];

/// Calls at a time.
const CONNECTIONS: [usize; 2] = [1, 32];

/// Rounds of each figure at least.
const ROUNDS: usize = 3;

/// Whether kept rows answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A hit.
    Always,
    /// A miss, whose rows are kept.
    Never,
    /// It asks no database: what a request costs by itself.
    Nothing,
}

/// One statement on both servers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheFigures {
    /// Calls at a time, each on a connection of its own.
    pub(crate) connections: usize,
    /// Which.
    pub(crate) case: Case,
    /// Whether kept rows answer.
    pub(crate) found: Found,
    /// Medians of the server that keeps nothing.
    pub(crate) off: Figures,
    /// Medians of the one that does.
    pub(crate) on: Figures,
}

/// The same calls on both servers, in turns: one at a time, where each wakes the server up, and many at a time, where it is awake.
pub(super) async fn measure(installation: &Installation, options: &Options) -> Result<Vec<CacheFigures>> {
    let cache = installation.cache(WARM_CACHE);
    let keeping = installation.with_cache()?;
    let servers = [installation.start_http(&cache).await?, keeping.start_http(&cache).await?];
    let mut meters = Vec::new();
    for server in &servers {
        meters.push(CpuMeter::new(server.pid()?));
    }
    let mut measured = Vec::new();
    for (connections, (case, found)) in CONNECTIONS.into_iter().flat_map(|connections| CASES.map(|case| (connections, case))) {
        let mut rounds = [Vec::new(), Vec::new()];
        for _ in 0..options.rounds().max(ROUNDS) {
            for ((server, meter), rounds) in servers.iter().zip(&mut meters).zip(&mut rounds) {
                rounds.push(round(server, meter, case, connections, options).await?);
            }
        }
        measured.push(CacheFigures { connections, case, found, off: Figures::median(&rounds[0]), on: Figures::median(&rounds[1]) });
    }
    Ok(measured)
}

async fn round(server: &Http, meter: &mut CpuMeter, case: Case, connections: usize, options: &Options) -> Result<Figures> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(server.address, case).await?);
    }
    let (open, _) = call_all(open, options.warm_up()).await?;
    let before = read_rested(meter).await?;
    let (_, figures) = call_all(open, options.window()).await?;
    Ok(figures.with_cpu(read_rested(meter).await?.saturating_sub(before)))
}
