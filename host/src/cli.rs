//! The command line: what can be typed, and what the process ends with.
//!
//! Exit codes: 0 done · 1 failed · 2 the command line makes no sense · 3 the configuration or a plugin it names is wrong ·
//! 4 a database does not answer · 5 the tool answered with an error.

mod author;
mod call;
mod check;
mod demo;
mod failure;
mod follow;
mod index;
mod output;
mod plugin;
mod serve;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;

use crate::config::Config;
use crate::config::environment;
use crate::config::file;
use crate::config::file::Sources;
use crate::plugin::fetch::provider;
use crate::telemetry;
use crate::telemetry::LogFormat;
use failure::Exit;
use failure::Failure;

/// An MCP host for databases whose every feature is a WebAssembly plugin.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Arguments {
    /// How log lines are written to standard error
    #[arg(long, global = true, value_enum, default_value_t = Format::Human)]
    log_format: Format,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 usage, 3 configuration, 4 database unreachable, 5 tool error.\n\
    Environment: TIDEGATE_LOG (what is logged, e.g. `debug`), TIDEGATE_TOKEN (what HTTP clients must send),\n\
    TIDEGATE_CACHE (folder for compiled plugins), DATABASE_URL (the database, when nothing else names one).";

/// How log lines are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Lines for people
    Human,
    /// A JSON object per line
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Make a sample database, serve it over HTTP, and show real MCP calls
    Demo(demo::Options),
    /// Serve MCP clients: over standard input and output when that is no terminal, else over HTTP
    Serve(serve::Options),
    /// Look at configuration, databases and plugins without serving
    Check(check::Options),
    /// List the tools that clients see
    Tools(tools::Options),
    /// Call one tool
    Call(call::Options),
    /// Install and write plugins
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Maintain an index of plugins
    #[command(subcommand)]
    Index(index::Command),
}

/// Where databases and plugins come from; the same for every command that touches data.
#[derive(Clone, Debug, Args)]
struct SourceOptions {
    /// The configuration file [default: tidegate.toml, when it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A database, read only; may be given several times
    #[arg(long, value_name = "NAME=URL")]
    database: Vec<String>,
}

impl SourceOptions {
    /// Reads the configuration.
    fn load(&self) -> Result<Config, Failure> {
        let sources = Sources { file: self.config.clone(), databases: self.database.clone() };
        let config = file::load(&sources)?;
        if config.databases.is_empty() && sources.find_file().is_none() {
            return Err(Failure::new(Exit::Configuration, "no database is configured").next(
                "give one with `--database main=sqlite:FILE` (or a postgres: or mysql: URL), set DATABASE_URL, write tidegate.toml, \
                 or see how it looks with `tidegate demo`",
            ));
        }
        Ok(config)
    }
}

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way too, and go to standard output.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8));
        }
    };
    let as_json = arguments.command.as_json();
    match start(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if as_json {
                output::json(&failure.to_json());
            }
            output::error_line(format!("error: {failure}"));
            failure.exit.into()
        }
    }
}

/// Turns of tasks after which a busy thread looks for what came over the network. A guest that computes fills its turn, and of the
/// default, 61 turns, others would wait for more than a tenth of a second before anybody reads what they sent.
const TURNS_UNTIL_EVENTS: u32 = 5;

fn start(arguments: Arguments) -> Result<(), Failure> {
    provider::install();
    let format = match arguments.log_format {
        Format::Human => LogFormat::Human,
        Format::Json => LogFormat::Json,
    };
    let filter = environment::find(environment::LOG);
    telemetry::start(format, filter.as_deref().unwrap_or(arguments.command.default_log()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(TURNS_UNTIL_EVENTS)
        .global_queue_interval(TURNS_UNTIL_EVENTS)
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("no threads could be started: {error}")))?;
    runtime.block_on(async {
        match arguments.command {
            Command::Demo(options) => demo::run(&options).await,
            Command::Serve(options) => serve::run(&options).await,
            Command::Check(options) => check::run(&options).await,
            Command::Tools(options) => tools::run(&options).await,
            Command::Call(options) => call::run(&options).await,
            Command::Plugin(command) => plugin::run(&command).await,
            Command::Index(command) => index::run(&command).await,
        }
    })
}

impl Command {
    /// What is logged where `TIDEGATE_LOG` is not set: only a server has a life worth telling.
    fn default_log(&self) -> &'static str {
        match self {
            Self::Serve(_) => "info",
            Self::Demo(_) | Self::Check(_) | Self::Tools(_) | Self::Call(_) | Self::Index(_) => "error",
            Self::Plugin(command) => command.default_log(),
        }
    }

    fn as_json(&self) -> bool {
        match self {
            Self::Check(options) => options.json,
            Self::Tools(options) => options.json,
            Self::Call(options) => options.json,
            Self::Plugin(command) => command.as_json(),
            Self::Index(command) => command.as_json(),
            Self::Demo(_) | Self::Serve(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_options_fit_together() {
        Arguments::command().debug_assert();
    }
}
