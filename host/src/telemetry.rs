//! Logging: one subscriber, to standard error, for people or for machines. Standard output belongs to the protocol.
//!
//! Names of fields, dotted, the same in every layer:
//!
//! | field | is |
//! | --- | --- |
//! | `call.id` | the id of the call |
//! | `caller` | on whose behalf |
//! | `plugin.id` | the plugin |
//! | `tool.name` | the tool, as clients call it |
//! | `database.name` | the database, as the operator calls it |
//! | `outcome` | how it ended: `ok`, or the error's code |
//! | `duration_ms` | how long it took |
//! | `waited_ms` | how long of that it waited |
//! | `error` | the cause, for the log only |

pub mod metrics;

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for a person.
    #[default]
    Human,
    /// A JSON object per line.
    Json,
}

/// Why logging did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The filter is none.
    #[error("`{filter}` is no log filter: {reason}; write a level such as `debug`, or `warn,tidegate=debug`")]
    Filter {
        /// As it was given.
        filter: String,
        /// What the parser says.
        reason: String,
    },
    /// Something else in the process logs already.
    #[error("logging has been started before")]
    Started,
}

/// Starts logging for the whole process. `filter` is in the syntax of [`EnvFilter`], for example `info` or `warn,tidegate=debug`.
///
/// # Errors
///
/// A filter that is none; a second start.
pub fn start(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    // The protocol library logs whole requests, arguments included, below this level; those reach no log.
    let protocol = "rmcp=error".parse().map_err(|_| TelemetryError::Started)?;
    let parsed =
        EnvFilter::try_new(filter).map_err(|error| TelemetryError::Filter { filter: filter.to_owned(), reason: error.to_string() })?;
    let registry = tracing_subscriber::registry().with(parsed.add_directive(protocol));
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let started = match format {
        LogFormat::Human => registry.with(lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr()))).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    started.map_err(|_| TelemetryError::Started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_is_named() {
        let error = start(LogFormat::Human, "tidegate=loud").unwrap_err();
        assert!(error.to_string().starts_with("`tidegate=loud` is no log filter"), "{error}");
    }
}
