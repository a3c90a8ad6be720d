//! CPU, latency and calls per second: one case on one target, again and again.

use std::time::Duration;
use std::time::Instant;

use tokio::task::JoinSet;

use super::WARM_CACHE;
use crate::Result;
use crate::bare::Bare;
use crate::bare::Form;
use crate::case::Case;
use crate::case::STATEMENTS;
use crate::http::Connection;
use crate::measure::Clock;
use crate::measure::Figures;
use crate::options::Options;
use crate::process::CpuMeter;
use crate::server::Http;
use crate::server::Installation;
use crate::server::Piped;
use crate::stdio::Client;

/// What a server may still do after its last answer belongs to the calls; then it rests.
const REST: Duration = Duration::from_millis(10);

/// How long a load for a profiler lasts.
const LOAD: Duration = Duration::from_secs(10);

/// Its connections.
const LOAD_CONNECTIONS: usize = 8;

/// Connections under which throughput is measured.
const CONNECTIONS: [usize; 3] = [1, 8, 32];

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// The bare query.
    Bare,
    /// The bare query in a transaction that only reads.
    BareReadOnly,
    /// The server, over HTTP.
    Http,
    /// The server, over its pipes.
    Stdio,
}

impl Over {
    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare sqlx",
            Self::BareReadOnly => "in BEGIN READ ONLY",
            Self::Http => "HTTP",
            Self::Stdio => "stdio",
        }
    }
}

/// One line of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// What was asked for.
    pub(crate) case: Case,
    /// Who was asked.
    pub(crate) over: Over,
    /// On how many connections at once.
    pub(crate) connections: usize,
    /// Medians.
    pub(crate) figures: Figures,
}

/// Everything that calls can go to, each in a process of its own.
pub(super) struct Targets {
    http: Http,
    stdio: Piped,
    bare: Bare,
    meters: [CpuMeter; 3],
}

impl Targets {
    /// Starts all of them.
    pub(super) async fn start(installation: &Installation, url: &str) -> Result<Self> {
        let cache = installation.cache(WARM_CACHE);
        let http = installation.start_http(&cache).await?;
        let stdio = installation.start_stdio(&cache).await?;
        let bare = Bare::start(url)?;
        let meters = [CpuMeter::new(http.pid()?), CpuMeter::new(stdio.pid()?), CpuMeter::new(bare.pid()?)];
        Ok(Self { http, stdio, bare, meters })
    }

    /// One round: warm up, then measure.
    async fn round(&mut self, case: Case, over: Over, connections: usize, options: &Options) -> Result<Figures> {
        match over {
            Over::Http => {
                let mut open = Vec::new();
                for _ in 0..connections {
                    open.push(Connection::open(self.http.address, case).await?);
                }
                let (open, _) = call_all(open, options.warm_up()).await?;
                let before = read_rested(&mut self.meters[0]).await?;
                let (_open, figures) = call_all(open, options.window()).await?;
                Ok(figures.with_cpu(read_rested(&mut self.meters[0]).await?.saturating_sub(before)))
            }
            Over::Stdio => {
                let mut client = self.stdio.pipes.client(case);
                call_piped(&mut client, options.warm_up()).await?;
                let before = read_rested(&mut self.meters[1]).await?;
                let figures = call_piped(&mut client, options.window()).await?;
                Ok(figures.with_cpu(read_rested(&mut self.meters[1]).await?.saturating_sub(before)))
            }
            Over::Bare | Over::BareReadOnly => {
                let form = if over == Over::Bare { Form::Plain } else { Form::ReadOnly };
                self.bare.run(case, form, connections, options.warm_up()).await?;
                let before = read_rested(&mut self.meters[2]).await?;
                let figures = self.bare.run(case, form, connections, options.window()).await?;
                Ok(figures.with_cpu(read_rested(&mut self.meters[2]).await?.saturating_sub(before)))
            }
        }
    }

    /// All rounds of all lines, taking turns.
    async fn rounds(&mut self, lines: &[(Case, Over, usize)], options: &Options) -> Result<Vec<Measured>> {
        let mut rounds = vec![Vec::new(); lines.len()];
        for _ in 0..options.rounds() {
            for (line, rounds) in lines.iter().zip(&mut rounds) {
                let (case, over, connections) = *line;
                rounds.push(self.round(case, over, connections, options).await?);
            }
        }
        let lines = lines.iter().zip(rounds);
        Ok(lines.map(|((case, over, connections), rounds)| measured(*case, *over, *connections, &rounds)).collect())
    }
}

fn measured(case: Case, over: Over, connections: usize, rounds: &[Figures]) -> Measured {
    Measured { case, over, connections, figures: Figures::median(rounds) }
}

/// Every statement, one call at a time.
pub(super) async fn latency(targets: &mut Targets, options: &Options) -> Result<Vec<Measured>> {
    let over = [Over::Bare, Over::BareReadOnly, Over::Http, Over::Stdio];
    let lines: Vec<_> = STATEMENTS.into_iter().flat_map(|case| over.map(|over| (case, over, 1))).collect();
    targets.rounds(&lines, options).await
}

/// Small statements on many connections.
pub(super) async fn throughput(targets: &mut Targets, options: &Options) -> Result<Vec<Measured>> {
    let mut lines = Vec::new();
    for case in [Case::One, Case::Rows(100)] {
        for connections in CONNECTIONS {
            lines.extend([Over::Bare, Over::Http].map(|over| (case, over, connections)));
        }
    }
    // The aims name 1,000 rows under the most connections too.
    lines.extend([Over::Bare, Over::Http].map(|over| (Case::Rows(1_000), over, 32)));
    targets.rounds(&lines, options).await
}

/// What touches no database.
pub(super) async fn floor(targets: &mut Targets, options: &Options) -> Result<Vec<Measured>> {
    let mut lines = Vec::new();
    for case in [Case::Discover, Case::Tools] {
        lines.extend([(case, Over::Http, 1), (case, Over::Http, 32), (case, Over::Stdio, 1)]);
    }
    targets.rounds(&lines, options).await
}

/// Loads a server for somebody else to look at.
pub(super) async fn load(installation: &Installation, case: Case) -> Result<()> {
    let server = installation.start_http(&installation.cache(WARM_CACHE)).await?;
    let mut connections = Vec::new();
    for _ in 0..LOAD_CONNECTIONS {
        connections.push(Connection::open(server.address, case).await?);
    }
    crate::note(&format!("loading process {} …", server.pid()?));
    let (_, figures) = call_all(connections, LOAD).await?;
    crate::note(&format!("{:.0} calls per second", figures.calls_per_s));
    Ok(())
}

/// Calls on every connection for `window`, and gives the connections back.
pub(super) async fn call_all(connections: Vec<Connection>, window: Duration) -> Result<(Vec<Connection>, Figures)> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for mut connection in connections {
        tasks.spawn(async move {
            let mut clock = Clock::new(window);
            while clock.goes_on() {
                connection.call().await?;
                clock.called();
            }
            Result::Ok((connection, clock.into_latencies()))
        });
    }
    let mut connections = Vec::new();
    let mut all = Vec::new();
    while let Some(task) = tasks.join_next().await {
        let (connection, latencies) = task??;
        connections.push(connection);
        all.extend(latencies);
    }
    let bytes = connections.iter().map(Connection::answer_bytes).max().unwrap_or_default();
    Ok((connections, Figures::new(all, start.elapsed()).with_bytes(bytes)))
}

async fn call_piped(client: &mut Client<'_>, window: Duration) -> Result<Figures> {
    let start = Instant::now();
    let mut clock = Clock::new(window);
    while clock.goes_on() {
        client.call().await?;
        clock.called();
    }
    Ok(Figures::new(clock.into_latencies(), start.elapsed()).with_bytes(client.answer_bytes()))
}

/// The CPU time until now, of all that was called for.
pub(super) async fn read_rested(meter: &mut CpuMeter) -> Result<Duration> {
    tokio::time::sleep(REST).await;
    meter.read()
}
