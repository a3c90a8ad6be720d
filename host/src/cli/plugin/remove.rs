//! `tidegate plugin remove`: a plugin goes, with its files, its grants and what it stored.

use clap::Args;
use serde_json::json;

use super::place::PlaceOptions;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::plugin::install;
use crate::storage::Storage;

/// Options of `plugin remove`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// Its id
    id: String,
    #[command(flatten)]
    place: PlaceOptions,
    /// Keep what it stored: it finds that again when it is installed again
    #[arg(long)]
    keep_data: bool,
    /// Print what was done as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Removes a plugin.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let folder = options.place.open()?;
    // What is wrong with the configuration is told before anything is gone.
    let storage = if options.keep_data { None } else { Some(Storage::new(options.place.config()?.state)) };
    let entry = install::remove(&folder.claim()?, &options.id)?;
    if let Some(storage) = &storage {
        let forgotten = storage.forget(&entry.id).await;
        storage.close().await;
        forgotten.map_err(|error| {
            Failure::new(Exit::Failed, format!("`{}` is removed, but what it stored is not: {error}", entry.id))
                .next("install it again and remove it again when the file can be used")
        })?;
    }
    if options.json {
        output::json(
            &json!({ "id": entry.id, "version": entry.running.version, "data": if options.keep_data { "kept" } else { "removed" } }),
        );
    } else {
        let data = if options.keep_data { "; what it stored is kept" } else { " and what it stored" };
        let with = if options.keep_data { "with its files and grants" } else { "with its files, its grants" };
        output::line(format!("`{}` {} is removed, {with}{data}", entry.id, entry.running.version));
    }
    Ok(())
}
