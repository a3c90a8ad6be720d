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

/// Rounds of each figure at least: what is looked for is small.
const ROUNDS: usize = 5;

/// One server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HookFigures {
    /// Its hooks.
    pub(crate) hooks: Hooks,
    /// Medians.
    pub(crate) figures: Figures,
}

struct Target {
    server: Http,
    connection: Option<Connection>,
    meter: CpuMeter,
    rounds: Vec<Figures>,
}

/// One server after the other, in turns.
pub(super) async fn measure(installation: &Installation, component: &Path, options: &Options) -> Result<Vec<HookFigures>> {
    let cache = installation.cache(WARM_CACHE);
    let mut targets = Vec::new();
    for hooks in SERVERS {
        let server = installation.with_hooks(component, hooks)?.start_http(&cache).await?;
        let connection = Some(Connection::open(server.address, Case::One).await?);
        targets.push(Target { meter: CpuMeter::new(server.pid()?), server, connection, rounds: Vec::new() });
    }
    for _ in 0..options.rounds().max(ROUNDS) {
        for target in &mut targets {
            let connection = match target.connection.take() {
                Some(connection) => connection,
                None => Connection::open(target.server.address, Case::One).await?,
            };
            let (open, _) = call_all(vec![connection], options.warm_up()).await?;
            let before = read_rested(&mut target.meter).await?;
            let (mut open, figures) = call_all(open, options.window()).await?;
            target.rounds.push(figures.with_cpu(read_rested(&mut target.meter).await?.saturating_sub(before)));
            target.connection = open.pop();
        }
    }
    let measured = SERVERS.into_iter().zip(&targets);
    Ok(measured.map(|(hooks, target)| HookFigures { hooks, figures: Figures::median(&target.rounds) }).collect())
}
