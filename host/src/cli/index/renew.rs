//! `tidegate index renew`: the same index, good for longer.

use clap::Args;
use serde_json::json;

use super::SigningOptions;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::plugin::sign::open_key;
use crate::plugin::index::maintain::Edited;
use crate::plugin::index::maintain::Maintained;
use crate::plugin::index::time::Timestamp;

/// Options of `index renew`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    #[command(flatten)]
    signing: SigningOptions,
    /// Print what was done as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Signs a new snapshot. Only `advisories.jsonl` may have been edited.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let signing = &options.signing;
    let now = Timestamp::now();
    let index = Maintained::open(&signing.index, Edited::Advisories)?;
    let sequence = index.write(&open_key(&signing.key)?, now, signing.validity())?;
    let expires = now.after(signing.validity());
    if options.json {
        output::json(&json!({ "sequence": sequence, "expires": expires }));
    } else {
        output::line(format!("state {sequence} is good until {expires}"));
    }
    Ok(())
}
