//! Measures the built `tidegate` over the real wire against a real PostgreSQL, beside the bare sqlx query in the same run.
//!
//! `tests/bench/run` starts a private PostgreSQL, builds both in release mode and runs this. By hand:
//!
//! ```text
//! TIDEGATE_TEST_POSTGRES=postgres://… cargo bench -p tidegate-bench --bench wire -- [OPTIONS]
//! ```
//!
//! # How to read it
//!
//! The machine is shared by this client, the server and PostgreSQL, so **CPU per call** is the figure to trust: user and
//! system time of the server process alone, by the scheduler's nanosecond account of each of its threads, divided by the
//! calls answered meanwhile. Latency and calls per second hold all three processes and wander with the load of the machine.
//!
//! `× bare` divides a figure by that of the bare query: a child process that runs the same statement with sqlx on a pool of
//! the same size, decodes every value and drops it, with no server, no guard and no JSON around. `in BEGIN READ ONLY` is
//! that query with the two round trips which prove to PostgreSQL that it only reads: the floor of a guarded server that
//! does not merge round trips. `tools/list` and `server/discover` touch no database: the floor of HTTP and the MCP layer.
//!
//! The part `hooks` compares servers of the same program in the same run: with no hook, with one and with five that do nothing,
//! each question in a new instance or in one that is kept for its caller. `µs each` is what one of them adds to a call.
//!
//! The part `cache` compares a server that keeps rows with one that does not: statements that are found, of which one is costly, and one
//! that never is, which shows what a miss costs. In all other parts nothing is kept.
//!
//! Every answer is checked: the first of its kind is parsed and its rows are counted and looked at, each later one has to
//! be the same bytes but for the request's id, or is parsed again. A wrong answer ends the run.
//!
//! Each figure is the median of its rounds, and rounds of what is compared take turns. The last line of standard output
//! is the whole result as one JSON object; times are in µs, memory in KiB, starts in ms.

mod answer;
mod bare;
mod case;
mod database;
mod http;
mod measure;
mod options;
mod process;
mod report;
mod scenario;
mod server;
mod stdio;

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use options::Mode;
use options::Options;

/// What a step of the benchmark gives.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A run that takes longer hangs: it is ended as failed.
const LONGEST_RUN: Duration = Duration::from_mins(10);

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            note(&format!("wire: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    match options::parse(std::env::args().skip(1))? {
        Mode::Help => {
            writeln!(std::io::stdout(), "{}", options::HELP)?;
            Ok(ExitCode::SUCCESS)
        }
        // As many threads as a server would have.
        Mode::Bare { url } => {
            tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(bare::serve(&url))?;
            Ok(ExitCode::SUCCESS)
        }
        // One thread: the client shall take as little as it can from what it measures.
        Mode::Measure(options) => tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(guarded(&options)),
    }
}

/// Runs everything, unless a signal or the time limit comes first: dropping it kills the children.
async fn guarded(options: &Options) -> Result<ExitCode> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        result = scenario::run_all(options) => result,
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        _ = terminated.recv() => Err("terminated".into()),
        () = tokio::time::sleep(LONGEST_RUN) => Err(format!("not done after {} s", LONGEST_RUN.as_secs()).into()),
    }
}

/// Tells the person at the terminal something; the results alone go to standard output.
fn note(text: &str) {
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stderr(), "{text}");
}
