//! `tidegate plugin remove`: a plugin goes, with its files and its grants.

use clap::Args;
use serde_json::json;

use super::place::PlaceOptions;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::plugin::install;

/// Options of `plugin remove`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// Its id
    id: String,
    #[command(flatten)]
    place: PlaceOptions,
    /// Print what was done as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Removes a plugin.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let folder = options.place.open()?;
    let entry = install::remove(&folder.claim()?, &options.id)?;
    if options.json {
        output::json(&json!({ "id": entry.id, "version": entry.running.version }));
    } else {
        output::line(format!("`{}` {} is removed, with its files and grants", entry.id, entry.running.version));
    }
    Ok(())
}
