//! `tidegate plugin new | build | test`: what authors of plugins type, whatever language they write in.

mod build;
mod contract;
mod language;
mod new;
mod package;
mod project;
mod test;
mod toolchain;

use clap::Subcommand;

use super::failure::Failure;

/// What an author does.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Begin a plugin: a project with a tool, a hook, a test and a manifest
    New(new::Options),
    /// Build a plugin with its language's own tools, and check it as a host would
    Build(build::Options),
    /// Run a plugin's tests in the real runtime, without a database
    Test(test::Options),
}

/// Runs one of the commands.
pub(super) async fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::New(options) => new::run(options),
        Command::Build(options) => build::run(options).await,
        Command::Test(options) => test::run(options).await,
    }
}

impl Command {
    /// Whether failures are written as JSON too.
    pub(super) fn as_json(&self) -> bool {
        match self {
            Self::New(options) => options.json,
            Self::Build(options) => options.json,
            Self::Test(options) => options.json,
        }
    }
}
