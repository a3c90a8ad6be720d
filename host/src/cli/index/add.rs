//! `tidegate index add`: a release of a plugin goes into an index, once everything about it was looked at.

use clap::Args;
use serde_json::json;

use super::SigningOptions;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::plugin::publish;
use crate::cli::plugin::sign::open_key;
use crate::plugin::index::location::Location;
use crate::plugin::index::maintain::AddOptions;
use crate::plugin::index::maintain::Added;
use crate::plugin::index::maintain::Edited;
use crate::plugin::index::maintain::Maintained;
use crate::plugin::index::package::Publishable;
use crate::plugin::index::time::Timestamp;
use crate::plugin::install::source::Source;

/// Options of `index add`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// A folder, https://…/plugin.toml, or oci://…
    source: String,
    /// Where it is to be fetched from: https://…/plugin.toml or oci://…@sha256:…; may be given several times [default: the source where it is one of
    /// these; from a folder, the files go into the index]
    #[arg(long, value_name = "PLACE")]
    location: Vec<String>,
    #[command(flatten)]
    allow: AllowOptions,
    #[command(flatten)]
    signing: SigningOptions,
    /// Print what was added as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// What a maintainer has looked at and found to be right.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(in crate::cli) struct AllowOptions {
    /// Take a version below one that is out
    #[arg(long)]
    allow_older: bool,
    /// Take a name that is nearly somebody else's
    #[arg(long)]
    allow_similar: bool,
    /// Take another key than the namespace has had
    #[arg(long)]
    new_publisher: bool,
}

impl AllowOptions {
    pub(in crate::cli) fn to_options(self) -> AddOptions {
        AddOptions { allow_older: self.allow_older, allow_similar: self.allow_similar, new_publisher: self.new_publisher }
    }
}

/// Adds a release.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let source = Source::parse(&options.source);
    let (plugin, place) = publish::fetch(&source, options.json).await?;
    let mut locations = options.location.clone();
    if locations.is_empty() {
        locations.extend(place);
    }
    let Options { signing, allow, json, .. } = options;
    let added = add(&plugin, &locations, signing, allow.to_options(), *json).await?;
    tell(&added, options.json);
    Ok(())
}

/// Adds a plugin that was looked at. Places outside the index are looked at too: what is there has to be the same.
pub(in crate::cli) async fn add(
    plugin: &Publishable,
    locations: &[String],
    signing: &SigningOptions,
    allow: AddOptions,
    quiet: bool,
) -> Result<(Added, u64), Failure> {
    let mut index = Maintained::open(&signing.index, Edited::Nothing)?;
    let now = Timestamp::now();
    let added = index.add(plugin, locations, now, allow)?;
    for location in added.release.locations.iter().filter(|location| !matches!(location, Location::Folder(_))) {
        let there = publish::fetch(&Source::parse(&location.to_string()), quiet).await?.0;
        let (there, ours) = (&there.inspected.files, &plugin.inspected.files);
        if (&there.manifest, &there.component) != (&ours.manifest, &ours.component) {
            return Err(Failure::new(Exit::Failed, format!("`{location}` has other files than the source")));
        }
    }
    let key = open_key(&signing.key)?;
    let sequence = index.write(&key, now, signing.validity())?;
    Ok((added, sequence))
}

/// Tells what was added.
pub(in crate::cli) fn tell((added, sequence): &(Added, u64), json: bool) {
    let release = &added.release;
    if json {
        output::json(&json!({ "release": release, "new_namespace": added.new_namespace, "sequence": sequence }));
        return;
    }
    let places: Vec<String> = release.locations.iter().map(ToString::to_string).collect();
    output::line(format!("`{}` {} is in the index, state {sequence}; to be fetched from {}", release.id, release.version, places.join(", ")));
    if added.new_namespace {
        let namespace = release.id.key_scope();
        output::line(format!("`{namespace}` is new, and belongs to the key {} from now on", release.publisher));
    }
}
