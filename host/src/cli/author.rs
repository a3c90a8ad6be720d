//! `tidegate plugin new | build | test`: what authors of plugins type, whatever language they write in.

mod build;
mod contract;
mod language;
mod package;
mod project;
mod toolchain;

use clap::Subcommand;

use super::failure::Failure;

/// What an author does.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build a plugin with its language's own tools, and check it as a host would
    Build(build::Options),
}

/// Runs one of the commands.
pub(super) async fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Build(options) => build::run(options).await,
    }
}

impl Command {
    /// Whether failures are written as JSON too.
    pub(super) fn as_json(&self) -> bool {
        match self {
            Self::Build(options) => options.json,
        }
    }
}
