//! `tidegate plugin …`: everything about plugins that is typed and not served.

use clap::Subcommand;

use super::author;
use super::failure::Failure;

/// What to do about plugins.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Author(author::Command),
}

/// Runs one of the commands.
pub(super) async fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Author(command) => author::run(command).await,
    }
}

impl Command {
    /// Whether failures are written as JSON too.
    pub(super) fn as_json(&self) -> bool {
        match self {
            Self::Author(command) => command.as_json(),
        }
    }
}
