//! `tidegate plugin verify`: digests, signatures, keys and what the imports prove, of what is installed or of a plugin elsewhere.

use clap::Args;
use serde_json::json;

use super::judge;
use super::place::PlaceOptions;
use super::show;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::plugin::abilities::Abilities;
use crate::plugin::folder::PluginsFolder;
use crate::plugin::inspection;
use crate::plugin::inspection::Expected;
use crate::plugin::inspection::Inspected;
use crate::plugin::install::InstallError;
use crate::plugin::install::source::Source;
use crate::plugin::lock::Entry;
use crate::plugin::lock::Release;
use crate::plugin::trust::PublicKey;

/// Options of `plugin verify`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// An id, or where a plugin is [default: everything that is installed]
    plugin: Option<String>,
    /// The key that has to have signed it [default: the one that its manifest names]
    #[arg(long, value_name = "KEY")]
    publisher_key: Option<String>,
    #[command(flatten)]
    place: PlaceOptions,
    /// Print the findings as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Verifies plugins.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let folder = options.place.open()?;
    let lock = folder.read_lock()?;
    let installed: Vec<&Entry> = match &options.plugin {
        None => lock.entries().collect(),
        Some(id) => lock.find(id).into_iter().collect(),
    };
    if let (Some(plugin), true) = (&options.plugin, installed.is_empty()) {
        return elsewhere(options, plugin).await;
    }
    let mut findings = Vec::new();
    for entry in installed {
        for release in entry.releases() {
            findings.push((entry.id.clone(), release.version.to_string(), check_installed(&folder, &entry.id, release)));
        }
    }
    if options.json {
        let all: Vec<_> = findings
            .iter()
            .map(|(id, version, found)| json!({ "id": id, "version": version, "ok": found.is_ok(), "error": found.as_ref().err().map(|error| &error.message) }))
            .collect();
        output::json(&json!(all));
    } else {
        for (id, version, found) in &findings {
            match found {
                Ok(inspected) => {
                    output::line(format!("{id} {version}: whole; {}", show::origin(inspected)));
                    for cannot in Abilities::of(&inspected.interfaces).cannot {
                        output::line(format!("  cannot {cannot}"));
                    }
                }
                Err(error) => output::line(format!("{id} {version}: {}", error.message)),
            }
        }
    }
    let wrong = findings.iter().filter(|(_, _, found)| found.is_err()).count();
    if wrong == 0 { Ok(()) } else { Err(Failure::new(Exit::Failed, format!("{wrong} of {} did not hold", findings.len()))) }
}

/// Checks an installed release: its digests, its signature, and that its key is still trusted.
pub(super) fn check_installed(folder: &PluginsFolder, id: &str, release: &Release) -> Result<Inspected, Failure> {
    let files = folder.read_release(id, release)?;
    let expected = Expected { key: release.publisher.clone(), may_be_unsigned: release.publisher.is_none() };
    let inspected = inspection::inspect(files, &expected).map_err(|error| Failure::new(Exit::Failed, format!("`{id}`: {error}")))?;
    match folder.read_contract(release) {
        Some(_) => Ok(inspected),
        None => Err(InstallError::Folder(crate::plugin::folder::FolderError::Tampered {
            plugin: id.into(),
            path: folder.place_of(&release.manifest),
            problem: "`contract.json` was changed or is gone".into(),
        })
        .into()),
    }
}

/// Verifies a plugin that is not installed.
async fn elsewhere(options: &Options, plugin: &str) -> Result<(), Failure> {
    let source = Source::parse(plugin);
    let key = options.publisher_key.as_deref().map(PublicKey::parse).transpose();
    let key = key.map_err(|error| Failure::new(Exit::Usage, format!("--publisher-key: {error}")))?;
    let fetched = judge::fetch(&source, options.json).await?;
    let expected = Expected { key: key.or(fetched.vouched), may_be_unsigned: false };
    let inspected = inspection::inspect(fetched.files, &expected).map_err(|error| judge::refused(&source, &error))?;
    let abilities = Abilities::of(&inspected.interfaces);
    if options.json {
        let about = &inspected.manifest.plugin;
        output::json(&json!({
            "id": about.id,
            "version": about.version,
            "ok": true,
            "publisher": inspected.publisher,
            "comment": inspected.comment,
            "can": abilities.can,
            "cannot": abilities.cannot,
        }));
        return Ok(());
    }
    output::line(format!("whole: {}", show::origin(&inspected)));
    show::abilities(&abilities);
    Ok(())
}
