//! `tidegate plugin rollback`: the version that ran before runs again.

use clap::Args;
use serde_json::json;

use super::place::PlaceOptions;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::plugin::install;

/// Options of `plugin rollback`.
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

/// Goes back.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let folder = options.place.open()?;
    let release = install::roll_back(&folder.claim()?, &options.id)?;
    if options.json {
        output::json(&json!({ "id": options.id, "version": release.version }));
    } else {
        output::line(format!("`{}` {} runs again", options.id, release.version));
    }
    Ok(())
}
