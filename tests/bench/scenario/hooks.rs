//! What a hook costs that does nothing: `select 1` with none, one and five of them, each question in a new instance or in one
//! that is kept for the caller.

use std::path::Path;

use super::WARM_CACHE;
use super::calls::call_all;
use super::calls::read_rested;
use crate::Result;
use crate::case::Case;
use crate::http::Connection;
use crate::measure::Figures;
use crate::options::Options;
use crate::process::CpuMeter;
use crate::server::Hooks;
use crate::server::Http;
use crate::server::Installation;

/// The servers that are compared, none first.
const SERVERS: [Hooks; 5] = [
    Hooks { count: 0, kept: false },
    Hooks { count: 1, kept: false },
    Hooks { count: 5, kept: false },
    Hooks { count: 1, kept: true },
    Hooks { count: 5, kept: true },
];

/// Calls at a time.
const CONNECTIONS: [usize; 2] = [1, 32];

/// Rounds of each figure at least: what is looked for is small.
const ROUNDS: usize = 5;

/// One server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HookFigures {
    /// Its hooks.
    pub(crate) hooks: Hooks,
    /// Calls at a time, each on a connection of its own.
    pub(crate) connections: usize,
    /// Medians.
    pub(crate) figures: Figures,
}

struct Target {
    server: Http,
    meter: CpuMeter,
}

/// One server after the other, in turns: one call at a time, where each wakes the server up, and many at a time, where it is awake.
pub(super) async fn measure(installation: &Installation, component: &Path, options: &Options) -> Result<Vec<HookFigures>> {
    let cache = installation.cache(WARM_CACHE);
    let mut targets = Vec::new();
    for hooks in SERVERS {
        let server = installation.with_hooks(component, hooks)?.start_http(&cache).await?;
        targets.push(Target { meter: CpuMeter::new(server.pid()?), server });
    }
    let mut measured = Vec::new();
    for connections in CONNECTIONS {
        let mut rounds = SERVERS.map(|_| Vec::new());
        for _ in 0..options.rounds().max(ROUNDS) {
            for (target, rounds) in targets.iter_mut().zip(&mut rounds) {
                rounds.push(round(target, connections, options).await?);
            }
        }
        let medians = SERVERS.into_iter().zip(&rounds);
        measured.extend(medians.map(|(hooks, rounds)| HookFigures { hooks, connections, figures: Figures::median(rounds) }));
    }
    Ok(measured)
}

async fn round(target: &mut Target, connections: usize, options: &Options) -> Result<Figures> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(target.server.address, Case::One).await?);
    }
    let (open, _) = call_all(open, options.warm_up()).await?;
    let before = read_rested(&mut target.meter).await?;
    let (_, figures) = call_all(open, options.window()).await?;
    Ok(figures.with_cpu(read_rested(&mut target.meter).await?.saturating_sub(before)))
}
