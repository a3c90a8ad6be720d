//! `tidegate index …`: for those who maintain an index of plugins.

mod add;
mod new;
mod remove;
mod renew;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::Subcommand;

use super::failure::Exit;
use super::failure::Failure;
use crate::plugin::index::maintain::DEFAULT_VALIDITY;
use crate::plugin::index::maintain::MaintainError;

/// What to do with an index.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an index in a new folder, signed with your key
    New(new::Options),
    /// Add a release of a plugin: from a folder, https://…/plugin.toml or oci://…
    Add(add::Options),
    /// Take a release back: nobody is given it any more
    Remove(remove::Options),
    /// Sign a new snapshot, with advisories as they are written now
    Renew(renew::Options),
    /// Look at every file of an index
    Verify(verify::Options),
}

/// Runs one of the commands.
pub(super) async fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::New(options) => new::run(options),
        Command::Add(options) => add::run(options).await,
        Command::Remove(options) => remove::run(options),
        Command::Renew(options) => renew::run(options),
        Command::Verify(options) => verify::run(options),
    }
}

impl Command {
    /// Whether failures are written as JSON too.
    pub(super) fn as_json(&self) -> bool {
        match self {
            Self::New(options) => options.json,
            Self::Add(options) => options.json,
            Self::Remove(options) => options.json,
            Self::Renew(options) => options.json,
            Self::Verify(options) => options.json,
        }
    }
}

/// Which index, and by which key its snapshot is signed.
#[derive(Clone, Debug, Args)]
pub(super) struct SigningOptions {
    /// The folder of the index
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(super) index: PathBuf,
    /// The secret key of the index
    #[arg(long, value_name = "FILE", default_value = "index.key")]
    pub(super) key: PathBuf,
    /// For how many days the new snapshot is good
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=366), default_value_t = default_days())]
    pub(super) days: u16,
}

impl SigningOptions {
    pub(super) fn validity(&self) -> Duration {
        Duration::from_hours(u64::from(self.days) * 24)
    }
}

fn default_days() -> u16 {
    u16::try_from(DEFAULT_VALIDITY.as_secs() / 86_400).unwrap_or(45)
}

impl From<MaintainError> for Failure {
    fn from(error: MaintainError) -> Self {
        Self::new(Exit::Failed, error.to_string())
    }
}
