//! `tidegate plugin list`: what is installed, and what waits.

use clap::Args;
use serde_json::Value;

use super::place::PlaceOptions;
use super::show;
use crate::cli::failure::Failure;
use crate::cli::output;

/// Options of `plugin list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    #[command(flatten)]
    place: PlaceOptions,
    /// Print the list as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Lists what is installed.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let folder = options.place.open()?;
    let (lock, grants) = (folder.read_lock()?, folder.read_grants()?);
    if options.json {
        let entries = lock.entries().map(|entry| show::entry(entry, grants.find(&entry.id, &entry.running)));
        output::json(&Value::Array(entries.collect()));
        return Ok(());
    }
    let mut rows = vec![["plugin", "version", "granted", "state"].map(str::to_owned).to_vec()];
    for entry in lock.entries() {
        let grant = grants.find(&entry.id, &entry.running);
        let state = match (&entry.waiting, grant) {
            (Some(waiting), _) => format!("{} waits: tidegate plugin approve {} --diff", waiting.version, entry.id),
            (None, None) => format!("does not run: tidegate plugin approve {}", entry.id),
            (None, Some(_)) => "runs".into(),
        };
        rows.push(vec![entry.id.clone(), entry.running.version.to_string(), grant.map_or("nothing".into(), show::granted_line), state]);
    }
    if rows.len() == 1 {
        output::line(format!("nothing is installed in {}", folder.path().display()));
    } else {
        output::line(output::table("", &rows));
    }
    Ok(())
}
