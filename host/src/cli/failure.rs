//! Why a command failed: what its user reads, and the code the process ends with.

use std::fmt;
use std::process::ExitCode;

use crate::config::DatabaseName;
use crate::config::file::ConfigError;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::dispatch::StartError;
use crate::plugin::source::SourceError;
use crate::telemetry::TelemetryError;

/// What the process ends with. 0 is success, and 2 (an option that does not exist) is left to the parser of options too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Anything else: a port in use, a file that cannot be written.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The configuration, or a plugin it names, is wrong.
    Configuration = 3,
    /// A database does not answer.
    Database = 4,
    /// The tool answered with an error.
    Tool = 5,
}

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// What the process ends with.
    pub exit: Exit,
    /// What went wrong, without a full stop.
    pub message: String,
    /// What to do next.
    pub next: Option<String>,
}

impl Failure {
    /// A failure without a next step.
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), next: None }
    }

    /// Adds the next step.
    #[must_use]
    pub(super) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// A database whose URL or certificate makes no sense.
    pub(super) fn database(name: &DatabaseName, error: &DatabaseError) -> Self {
        let exit = if error.kind == ErrorKind::Unavailable { Exit::Database } else { Exit::Configuration };
        Self { exit, message: format!("database `{name}`: {error}"), next: error.hint.clone() }
    }

    /// A plugin whose files cannot be read.
    pub(super) fn source(plugin: &str, error: &SourceError) -> Self {
        Self::new(Exit::Configuration, format!("`plugins.{plugin}`: {error}"))
            .next(format!("correct it, or leave the plugin out with `enabled = false` under `[plugins.{plugin}]`"))
    }

    /// The failure as JSON: `{"error": {"exit", "message", "next"}}`.
    pub(super) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "error": { "exit": self.exit as u8, "message": self.message, "next": self.next } })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.next {
            Some(next) => write!(f, "\n  {next}"),
            None => Ok(()),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Configuration, error.to_string()).next("the README lists every key, with its unit and default")
    }
}

impl From<TelemetryError> for Failure {
    fn from(error: TelemetryError) -> Self {
        Self::new(Exit::Configuration, format!("{}: {error}", crate::config::environment::LOG))
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let exit = if matches!(error, StartError::Plugin { .. }) { Exit::Configuration } else { Exit::Failed };
        let message = error.to_string();
        match error {
            StartError::Plugin { plugin, .. } => {
                Self::new(exit, message).next(format!("to go on without it, set `enabled = false` under `[plugins.{plugin}]`"))
            }
            _ => Self::new(exit, message),
        }
    }
}
