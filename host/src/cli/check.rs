//! `tidegate check`: everything that can be wrong, without serving.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use serde_json::json;

use super::SourceOptions;
use super::failure::Exit;
use super::failure::Failure;
use super::output;
use super::serve::compose;
use crate::call::Call;
use crate::call::Caller;
use crate::config::Mode;
use crate::database::Database;
use crate::database::catalog::DatabaseDetails;
use crate::database::error::DatabaseError;
use crate::dispatch::Dispatcher;

/// How long one database may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Options of `check`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    sources: SourceOptions,
    /// Print the findings as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// What one database answered.
struct Finding {
    database: Arc<Database>,
    answer: Result<DatabaseDetails, DatabaseError>,
}

/// Checks configuration, plugins and databases, and prints what it finds.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let config = options.sources.load()?;
    let dispatcher = compose(&config).await?;
    let mut findings = Vec::new();
    for database in dispatcher.databases().iter() {
        let call = Call::new(Caller::local(), PATIENCE);
        findings.push(Finding { database: database.clone(), answer: database.details(&call).await });
    }
    if options.json {
        output::json(&as_json(&findings, &dispatcher));
    } else {
        print(&findings, &dispatcher);
    }
    dispatcher.databases().close().await;
    let unreachable: Vec<_> = findings.iter().filter(|finding| finding.answer.is_err()).map(|finding| finding.name()).collect();
    if unreachable.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Database, format!("no answer from database `{}`", unreachable.join("`, `")))
        .next("see that its server runs, and that `url` has the right host, port, user and password"))
}

impl Finding {
    fn name(&self) -> &str {
        self.database.config().name.as_str()
    }

    fn mode(&self) -> &'static str {
        match self.database.config().mode {
            Mode::ReadOnly => "read only",
            Mode::ReadWrite => "read and write",
        }
    }
}

fn as_json(findings: &[Finding], dispatcher: &Dispatcher) -> Value {
    let databases: Vec<Value> = findings
        .iter()
        .map(|finding| match &finding.answer {
            Ok(details) => json!({
                "name": finding.name(),
                "engine": finding.database.config().engine.as_str(),
                "mode": finding.mode(),
                "ok": true,
                "product": details.product,
                "version": details.version,
                "user": details.user,
                "tables": details.table_count,
                "size_bytes": details.size_bytes,
                "warnings": details.warnings,
            }),
            Err(error) => json!({
                "name": finding.name(),
                "engine": finding.database.config().engine.as_str(),
                "mode": finding.mode(),
                "ok": false,
                "error": error.message,
                "hint": error.hint,
            }),
        })
        .collect();
    let plugins: Vec<Value> = dispatcher
        .plugins()
        .iter()
        .map(|plugin| json!({ "id": plugin.id(), "version": plugin.manifest.plugin.version.to_string(), "title": plugin.manifest.plugin.title }))
        .collect();
    json!({ "databases": databases, "plugins": plugins, "tools": dispatcher.tools(&Caller::local()).len() })
}

fn print(findings: &[Finding], dispatcher: &Dispatcher) {
    output::line("databases");
    for finding in findings {
        match &finding.answer {
            Ok(details) => {
                let role = details.user.as_ref().map_or(String::new(), |user| format!(", as `{user}`"));
                let DatabaseDetails { product, version, table_count, .. } = details;
                output::line(format!("  {}: {product} {version}{role}, {}, {table_count} tables", finding.name(), finding.mode()));
                for warning in &details.warnings {
                    output::line(format!("    warning: {warning}"));
                }
            }
            Err(error) => {
                output::line(format!("  {}: no answer: {error}", finding.name()));
                if let Some(hint) = &error.hint {
                    output::line(format!("    {hint}"));
                }
            }
        }
    }
    output::line("plugins");
    for plugin in dispatcher.plugins() {
        let about = &plugin.manifest.plugin;
        output::line(format!("  {} {}: {}", plugin.id(), about.version, about.description));
    }
    output::line(format!("{} tools", dispatcher.tools(&Caller::local()).len()));
}
