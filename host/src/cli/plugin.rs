//! `tidegate plugin …`: everything about plugins that is typed and not served.

mod approve;
mod ask;
mod grants;
mod info;
mod install;
mod judge;
mod keygen;
mod list;
mod place;
pub(super) mod publish;
mod remove;
mod rollback;
mod search;
mod show;
pub(super) mod sign;
mod sync;
mod update;
mod verify;

use clap::Subcommand;

use super::author;
use super::failure::Exit;
use super::failure::Failure;
use crate::plugin::folder::FolderError;
use crate::plugin::install::InstallError;

/// What to do about plugins.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Author(author::Command),
    /// Install a plugin: from a folder, https://…/plugin.toml, oci://…, or an index
    Install(install::Options),
    /// Let a version run that waits because it wants more, says something new, or has another publisher
    Approve(approve::Options),
    /// Show what installed plugins may do, or take some of it back
    Grants(grants::Options),
    /// List what is installed
    List(list::Options),
    /// Show what a plugin is, and what it can and cannot do
    Info(info::Options),
    /// Check files, digests and signatures
    Verify(verify::Options),
    /// Fetch newer versions of what is installed
    Update(update::Options),
    /// Go back to the version that ran before
    Rollback(rollback::Options),
    /// Remove a plugin with its files and grants
    Remove(remove::Options),
    /// Make what is on the disk what the lock says
    Sync(sync::Options),
    /// Make a key to sign plugins with
    Keygen(keygen::Options),
    /// Sign a plugin's manifest
    Sign(sign::Options),
    /// Find plugins in the indexes that the configuration names
    Search(search::Options),
    /// Put a plugin where others find it: a registry, an index, or a folder that a server shows
    Publish(publish::Options),
}

/// Runs one of the commands.
pub(super) async fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Author(command) => author::run(command).await,
        Command::Install(options) => install::run(options).await,
        Command::Approve(options) => approve::run(options).await,
        Command::Grants(options) => grants::run(options),
        Command::List(options) => list::run(options),
        Command::Info(options) => info::run(options).await,
        Command::Verify(options) => verify::run(options).await,
        Command::Update(options) => update::run(options).await,
        Command::Rollback(options) => rollback::run(options),
        Command::Remove(options) => remove::run(options).await,
        Command::Sync(options) => sync::run(options).await,
        Command::Keygen(options) => keygen::run(options),
        Command::Sign(options) => sign::run(options),
        Command::Search(options) => search::run(options).await,
        Command::Publish(options) => publish::run(options).await,
    }
}

impl Command {
    /// What is logged where nothing is said.
    pub(super) fn default_log(&self) -> &'static str {
        match self {
            Self::Author(author::Command::Dev(_)) => "info",
            _ => "error",
        }
    }

    /// Whether failures are written as JSON too.
    pub(super) fn as_json(&self) -> bool {
        match self {
            Self::Author(command) => command.as_json(),
            Self::Install(options) => options.json,
            Self::Approve(options) => options.json,
            Self::Grants(options) => options.json,
            Self::List(options) => options.json,
            Self::Info(options) => options.json,
            Self::Verify(options) => options.json,
            Self::Update(options) => options.json,
            Self::Rollback(options) => options.json,
            Self::Remove(options) => options.json,
            Self::Sync(options) => options.json,
            Self::Keygen(options) => options.json,
            Self::Sign(options) => options.json,
            Self::Search(options) => options.json,
            Self::Publish(options) => options.json,
        }
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        let exit = match error {
            FolderError::Damaged { .. } | FolderError::Tampered { .. } => Exit::Configuration,
            FolderError::Io { .. } | FolderError::Busy(_) => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<InstallError> for Failure {
    fn from(error: InstallError) -> Self {
        match error {
            InstallError::Folder(error) => error.into(),
            error => Self::new(Exit::Failed, error.to_string()),
        }
    }
}
