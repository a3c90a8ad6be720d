//! `tidegate index new`: an index with nothing in it.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::SigningOptions;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::plugin::sign::open_key;
use crate::plugin::index::maintain::Maintained;
use crate::plugin::index::time::Timestamp;

/// Options of `index new`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// What the index calls itself: lower-case letters, digits and hyphens
    name: String,
    #[command(flatten)]
    signing: SigningOptions,
    /// Print what was made as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Makes an index.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let SigningOptions { index, key, .. } = &options.signing;
    let key = open_key(key)?;
    Maintained::create(index, &options.name, &key, Timestamp::now(), options.signing.validity())?;
    let folder: PathBuf = std::path::absolute(index).unwrap_or_else(|_| index.clone());
    if options.json {
        output::json(&json!({ "name": options.name, "folder": folder, "key": key.public() }));
        return Ok(());
    }
    output::line(format!("index `{}` is in {}; add plugins with `tidegate index add`", options.name, folder.display()));
    output::line("whoever takes plugins from it writes into tidegate.toml:");
    output::line(format!("  [indexes.{}]\n  url = \"file://{}\"\n  key = \"{}\"", options.name, folder.display(), key.public()));
    Ok(())
}
