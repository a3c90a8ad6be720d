//! `tidegate index remove`: takes a release back.

use clap::Args;
use clap::ValueEnum;
use serde_json::json;

use super::SigningOptions;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::plugin::sign::open_key;
use crate::config::PluginName;
use crate::plugin::index::advisory::Action;
use crate::plugin::index::advisory::Severity;
use crate::plugin::index::maintain::Alarm;
use crate::plugin::index::maintain::Edited;
use crate::plugin::index::maintain::Maintained;
use crate::plugin::index::time::Timestamp;

/// Options of `index remove`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The plugin's id
    id: String,
    /// The version; it stays in the history, so that nobody is given another one under its number
    version: semver::Version,
    /// Why, for people
    #[arg(long)]
    reason: String,
    /// Tell those who have it, by an advisory
    #[arg(long, value_enum)]
    alarm: Option<AlarmKind>,
    /// How bad it is
    #[arg(long, value_enum, default_value_t = Level::High, requires = "alarm")]
    severity: Level,
    #[command(flatten)]
    signing: SigningOptions,
    /// Print what was done as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// What is to be done where it is installed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum AlarmKind {
    /// The operator is told
    Warn,
    /// It is not to be run
    Block,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    /// Hardly
    Low,
    /// For some
    Medium,
    /// For most
    High,
    /// For all
    Critical,
}

impl Options {
    fn alarm(&self) -> Option<Alarm> {
        let severity = match self.severity {
            Level::Low => Severity::Low,
            Level::Medium => Severity::Medium,
            Level::High => Severity::High,
            Level::Critical => Severity::Critical,
        };
        let action = match self.alarm? {
            AlarmKind::Warn => Action::Warn,
            AlarmKind::Block => Action::Block,
        };
        Some(Alarm { action, severity })
    }
}

/// Takes a release back.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let Options { id, version, signing, .. } = options;
    let id = PluginName::parse(id).ok_or_else(|| Failure::new(Exit::Usage, format!("`{}` is no id of a plugin", id.escape_default())))?;
    let now = Timestamp::now();
    let mut index = Maintained::open(&signing.index, Edited::Nothing)?;
    index.yank(&id, version, &options.reason, options.alarm(), now)?;
    let sequence = index.write(&open_key(&signing.key)?, now, signing.validity())?;
    if options.json {
        output::json(&json!({ "id": id.as_str(), "version": version, "sequence": sequence }));
    } else {
        output::line(format!("`{id}` {version} is taken back, state {sequence}"));
    }
    Ok(())
}
