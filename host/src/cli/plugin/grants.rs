//! `tidegate plugin grants`: what installed plugins may do; `revoke` takes it back, also from calls that run.

use clap::Args;
use clap::Subcommand;
use serde_json::json;

use super::place::PlaceOptions;
use super::show;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::plugin::grants_file::Extent;
use crate::plugin::grants_file::Grant;

/// Options of `plugin grants`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    place: PlaceOptions,
    /// Print the grants as JSON
    #[arg(long, global = true)]
    pub(in crate::cli) json: bool,
}

/// What else to do.
#[derive(Debug, Subcommand)]
enum Action {
    /// Take back everything, so that the plugin does not run, or one thing: a database, an interface, hook:EVENT
    Revoke {
        /// The id of the plugin
        id: String,
        /// What to take back [default: everything]
        what: Option<String>,
    },
}

/// Shows or revokes grants.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let folder = options.place.open()?;
    let Some(Action::Revoke { id, what }) = &options.action else {
        let grants = folder.read_grants()?;
        if options.json {
            let all: Vec<_> = grants.iter().map(as_json).collect();
            output::json(&json!(all));
            return Ok(());
        }
        for grant in grants.iter() {
            output::line(format!(
                "{}: {} (approved by {} on {})",
                grant.plugin,
                show::granted_line(grant),
                grant.approved.by,
                grant.approved.at
            ));
        }
        return Ok(());
    };
    let claim = folder.claim()?;
    let mut grants = folder.read_grants()?;
    let mut revoked = false;
    let found = match what {
        None => {
            revoked = true;
            grants.retain(|grant| grant.plugin != *id)
        }
        Some(what) => grants.change(id, |grant| revoked |= take(grant, what)),
    };
    if !found {
        return Err(Failure::new(Exit::Failed, format!("nothing is granted to `{id}`")).next("`tidegate plugin grants` shows what is"));
    }
    if !revoked {
        let what = what.as_deref().unwrap_or_default();
        return Err(Failure::new(Exit::Failed, format!("`{what}` is not granted to `{id}`")).next("`tidegate plugin grants` shows what is"));
    }
    claim.write_grants(&grants)?;
    let text = what.as_deref().unwrap_or("everything");
    if options.json {
        output::json(&json!({ "id": id, "revoked": text }));
    } else {
        output::line(format!("{text} was taken back from `{id}`; a host that runs knows within a second"));
    }
    Ok(())
}

/// Takes one thing out of a grant; tells whether it was in it.
fn take(grant: &mut Grant, what: &str) -> bool {
    if let Some(event) = what.strip_prefix("hook:") {
        // In audit, where nothing is said; so it has to be said.
        return grant.hooks.insert(event.into(), "off".into()).as_deref() != Some("off");
    }
    if what == "databases" {
        return !std::mem::take(&mut grant.databases).is_empty();
    }
    let name = what.strip_prefix("db:").unwrap_or(what);
    let database = !grant.capabilities.contains_key(what) && grant.databases.remove(name).is_some();
    let interface = grant.capabilities.get_mut(what).map(|extent| std::mem::replace(extent, Extent::Whole(false)));
    database || interface.is_some_and(|extent| extent != Extent::Whole(false))
}

fn as_json(grant: &Grant) -> serde_json::Value {
    json!({
        "plugin": grant.plugin,
        "publisher": grant.publisher,
        "request": grant.request,
        "contract": grant.contract,
        "granted": show::granted(grant),
        "approved": { "by": grant.approved.by, "at": grant.approved.at, "via": grant.approved.via },
    })
}
