//! `tidegate index verify`: everything that can be wrong with an index.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::plugin::index::maintain::Audit;
use crate::plugin::index::maintain::Maintained;
use crate::plugin::index::time::Timestamp;

/// Options of `index verify`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The folder of the index
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    index: PathBuf,
    /// Print the findings as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Looks at an index and tells everything that is wrong.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let Audit { name, sequence, expires, plugins, releases, looked_at, problems } = Maintained::verify(&options.index, Timestamp::now())?;
    if options.json {
        output::json(&json!({
            "name": name, "sequence": sequence, "expires": expires, "plugins": plugins, "releases": releases, "looked_at": looked_at,
            "problems": problems,
        }));
    } else {
        output::line(format!("index `{name}`, state {sequence}, good until {expires}: {plugins} plugins, {releases} releases, the files of {looked_at} in it"));
        for problem in &problems {
            output::line(format!("  {problem}"));
        }
    }
    match problems.len() {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::Failed, "something is wrong with the index")),
        number => Err(Failure::new(Exit::Failed, format!("{number} things are wrong with the index"))),
    }
}
