//! The benchmark's options and how long each of its parts takes.

use std::path::PathBuf;
use std::time::Duration;

use crate::Result;
use crate::case::Case;
use crate::case::STATEMENTS;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
measures tidegate over the real wire against PostgreSQL, beside the bare sqlx query

  --quick          about 20 s in place of 2 min; noisier
  --only NAME      one of: latency, throughput, floor, hooks, cache, memory, start; may be repeated
  --load CASE      no figures: 10 s of `select 1`, `100 rows`, … on 8 connections, the server's process id told, for a profiler
  --check          fail when a figure is absurd, for continuous integration
  --server PATH    the program; default: `tidegate` in the folder that cargo built this in
  --hook PATH      the component of `tests/guests/hook-passes`; default: where `tests/bench/run` builds it
  --database URL   PostgreSQL, as a role that may create roles and databases; default: the variable TIDEGATE_TEST_POSTGRES";

/// The parts, in the order in which they run.
pub(crate) const PARTS: [&str; 7] = ["latency", "throughput", "floor", "hooks", "cache", "memory", "start"];

/// What this process is to do.
pub(crate) enum Mode {
    /// Print the help.
    Help,
    /// Measure.
    Measure(Options),
    /// Be the bare query, told what to run on standard input.
    Bare {
        /// The database.
        url: String,
    },
}

/// How to measure.
pub(crate) struct Options {
    /// The short form.
    pub(crate) quick: bool,
    /// Whether absurd figures are a failure.
    pub(crate) check: bool,
    /// Only load the server with this.
    pub(crate) load: Option<Case>,
    /// The parts to run.
    pub(crate) parts: Vec<&'static str>,
    /// The program.
    pub(crate) server: PathBuf,
    /// PostgreSQL, with the right to create roles and databases.
    pub(crate) database: String,
    /// The component of a hook that does nothing.
    hook: Option<PathBuf>,
}

impl Options {
    /// Rounds of each figure.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 1 } else { 3 }
    }

    /// How long one round measures.
    pub(crate) fn window(&self) -> Duration {
        Duration::from_millis(if self.quick { 250 } else { 900 })
    }

    /// How long the same runs unmeasured before it.
    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_millis(if self.quick { 60 } else { 150 })
    }

    /// The component of a hook that does nothing.
    pub(crate) fn hook(&self) -> Result<PathBuf> {
        let built = || {
            let own = std::env::current_exe().ok()?;
            // <target>/<profile>/deps/wire-…
            Some(own.ancestors().nth(3)?.join("guests/wasm32-wasip2/guest/guest_hook_passes.wasm"))
        };
        let path = self.hook.clone().or_else(built).filter(|path| path.is_file());
        path.ok_or_else(|| "the guest `hook-passes` is not built; `tests/bench/run` does, or name it with `--hook`".into())
    }

    /// Whether a part is to run.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.parts.contains(&part)
    }
}

/// Reads the arguments.
pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Mode> {
    let mut quick = false;
    let mut check = false;
    let mut load = None;
    let mut parts = Vec::new();
    let mut server = None;
    let mut hook = None;
    let mut database = std::env::var("TIDEGATE_TEST_POSTGRES").ok();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("`{argument}` takes a value"));
        match argument.as_str() {
            "-h" | "--help" => return Ok(Mode::Help),
            "--quick" => quick = true,
            "--check" => check = true,
            "--load" => load = Some(case(&value()?)?),
            "--only" => parts.push(part(&value()?)?),
            "--server" => server = Some(PathBuf::from(value()?)),
            "--hook" => hook = Some(PathBuf::from(value()?)),
            "--database" => database = Some(value()?),
            "--bare" => return Ok(Mode::Bare { url: value()? }),
            // Cargo says so to every benchmark.
            "--bench" => {}
            other => return Err(format!("unknown option `{other}`; try `--help`").into()),
        }
    }
    if parts.is_empty() {
        parts.extend(PARTS);
    }
    let server = server.map_or_else(beside, Ok)?;
    let database = database.ok_or("no database; set TIDEGATE_TEST_POSTGRES, or use `tests/bench/run`, which starts one")?;
    Ok(Mode::Measure(Options { quick, check, load, parts, server, database, hook }))
}

fn case(name: &str) -> Result<Case> {
    let cases = STATEMENTS.into_iter().chain([Case::Tools, Case::Discover]);
    let names = || cases.clone().map(Case::name).collect::<Vec<_>>().join(", ");
    cases.clone().find(|case| case.name() == name).ok_or_else(|| format!("no case `{name}`; there is {}", names()).into())
}

fn part(name: &str) -> Result<&'static str> {
    let found = PARTS.into_iter().find(|part| *part == name);
    found.ok_or_else(|| format!("no part `{name}`; there is {}", PARTS.join(", ")).into())
}

/// The program that cargo built into the folder of this one: `<target>/<profile>/deps/wire-…`.
fn beside() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join("tidegate")).find(|path| path.is_file());
    found.ok_or_else(|| "`tidegate` is not built; `cargo build --release --bin tidegate`, or name it with `--server`".into())
}
