//! `tidegate plugin approve`: shows what is different in a version that waits, and lets it run.

use clap::Args;
use serde_json::json;

use super::ask;
use super::ask::RightOptions;
use super::place::PlaceOptions;
use super::show;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::config::PluginName;
use crate::plugin::folder::PluginsFolder;
use crate::plugin::install;
use crate::plugin::install::InstallError;
use crate::plugin::install::rights::Choices;
use crate::plugin::lock::Release;
use crate::plugin::trust::publishers::Publisher;
use crate::plugin::trust::publishers::Standing;
use crate::plugin::trust::publishers::Via;

/// Options of `plugin approve`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// Its id
    id: String,
    /// Only show what is different
    #[arg(long)]
    diff: bool,
    #[command(flatten)]
    rights: RightOptions,
    #[command(flatten)]
    place: PlaceOptions,
    /// Print what was done, or the differences, as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Approves what waits, or grants anew what was revoked.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let folder = options.place.open()?;
    let id = &options.id;
    let lock = folder.read_lock()?;
    let entry = lock.find(id).ok_or_else(|| InstallError::NotInstalled(id.clone()))?;
    let grants = folder.read_grants()?;
    let Some(waiting) = &entry.waiting else {
        let revoked = grants.find(id, &entry.running).is_none();
        return if revoked && !options.diff {
            again(options, &folder, &entry.running)
        } else {
            Err(InstallError::NothingWaits(id.clone()).into())
        };
    };
    let differences = show::differences(&folder, id, &entry.running, waiting)?;
    if options.diff {
        if options.json {
            output::json(
                &json!({ "id": id, "from": show::release(&entry.running), "to": show::release(waiting), "differences": differences }),
            );
        } else {
            output::line(differences.join("\n"));
        }
        return Ok(());
    }
    if !options.json {
        output::line(differences.join("\n"));
    }
    let manifest = show::manifest(&folder, id, waiting)?;
    let before = match grants.find(id, &entry.running) {
        Some(grant) => Choices::of_grant(grant, &show::manifest(&folder, id, &entry.running)?),
        None => Choices::default(),
    };
    let choices = options.rights.complete(before, &manifest)?;
    if ask::is_somebody_there() && !ask::yes(&format!("Let `{id}` {} run?", waiting.version)) {
        return Err(Failure::new(Exit::Failed, "nothing was changed"));
    }
    let grant = show::grant(id, waiting, choices, options.rights.bind_artifact);
    let told = show::granted_line(&grant);
    let publisher = new_publisher(&folder, id, waiting)?;
    let waited = id.clone();
    let approved = tokio::task::spawn_blocking(move || {
        let claim = folder.claim()?;
        install::approve(&claim, &waited, grant, publisher)
    });
    let release = approved.await.map_err(|_| Failure::new(Exit::Failed, "it was cut off, and nothing was changed"))??;
    if options.json {
        output::json(&json!({ "id": id, "version": release.version, "granted": told }));
    } else {
        output::line(format!("`{id}` {} runs; granted: {told}", release.version));
    }
    Ok(())
}

/// Grants what runs anew, after its grant was revoked.
fn again(options: &Options, folder: &PluginsFolder, release: &Release) -> Result<(), Failure> {
    let id = &options.id;
    let manifest = show::manifest(folder, id, release)?;
    let choices = options.rights.complete(Choices::default(), &manifest)?;
    let grant = show::grant(id, release, choices, options.rights.bind_artifact);
    let told = show::granted_line(&grant);
    let claim = folder.claim()?;
    let mut grants = folder.read_grants()?;
    grants.put(grant);
    claim.write_grants(&grants)?;
    if options.json {
        output::json(&json!({ "id": id, "version": release.version, "granted": told }));
    } else {
        output::line(format!("`{id}` {} runs; granted: {told}", release.version));
    }
    Ok(())
}

/// The trust that approving a release of another key means.
fn new_publisher(folder: &PluginsFolder, id: &str, release: &Release) -> Result<Option<Publisher>, Failure> {
    let (Some(key), Some(name)) = (&release.publisher, PluginName::parse(id)) else { return Ok(None) };
    let scope = name.key_scope();
    Ok(match folder.read_publishers()?.standing(&scope, key, None) {
        Standing::Trusted => None,
        Standing::Successor | Standing::Unknown | Standing::Other(_) => {
            Some(Publisher { scope, key: key.clone(), since: show::now(), via: Via::Operator })
        }
    })
}
