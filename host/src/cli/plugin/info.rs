//! `tidegate plugin info`: what a plugin is, asks for, offers, can and cannot do.

use clap::Args;
use serde_json::json;

use super::judge;
use super::place::PlaceOptions;
use super::show;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::plugin::abilities::Abilities;
use crate::plugin::files::PluginFiles;
use crate::plugin::install::rights;
use crate::plugin::install::source::Source;
use crate::plugin::interfaces::Interfaces;
use crate::plugin::manifest::Manifest;
use crate::plugin::trust::PublicKey;

/// Options of `plugin info`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The id of an installed or bundled plugin, or where another one is
    plugin: String,
    #[command(flatten)]
    place: PlaceOptions,
    /// Print it as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Shows a plugin. Nothing of it is run.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let (files, state) = find(options).await?;
    let wrong = |error: &dyn std::error::Error| Failure::new(Exit::Failed, format!("`{}`: {error}", options.plugin));
    let manifest = Manifest::parse(&String::from_utf8_lossy(&files.manifest)).map_err(|error| wrong(&error))?;
    let interfaces = Interfaces::read(&files.component).map_err(|error| wrong(&error))?;
    let abilities = Abilities::of(&interfaces);
    let about = &manifest.plugin;
    let items = rights::asked(&manifest);
    if options.json {
        let asks: Vec<_> = items.iter().map(|item| json!({ "key": item.key, "what": item.what, "reasons": item.reasons })).collect();
        output::json(&json!({
            "id": about.id,
            "version": about.version,
            "title": about.title,
            "description": about.description,
            "license": about.license,
            "authors": about.authors,
            "repository": about.repository,
            "keywords": about.keywords,
            "publisher": about.publisher,
            "state": state,
            "asks": asks,
            "tools": manifest.provides.as_ref().map(|provides| &provides.tools),
            "imports": interfaces.imports,
            "exports": interfaces.exports,
            "can": abilities.can,
            "cannot": abilities.cannot,
        }));
        return Ok(());
    }
    output::line(format!("{} {}: {}", about.id, about.version, about.title));
    output::line(format!("  {}", about.description.replace('\n', "\n  ")));
    let lines = [
        ("licence", about.license.clone()),
        ("authors", (!about.authors.is_empty()).then(|| about.authors.join(", "))),
        ("source", about.repository.clone()),
        ("publisher", about.publisher.as_ref().map(PublicKey::to_string)),
        ("tools", manifest.provides.as_ref().map(|provides| provides.tools.iter().cloned().collect::<Vec<_>>().join(", "))),
        ("state", Some(state)),
    ];
    for (name, text) in lines.into_iter().filter_map(|(name, text)| Some((name, text?))) {
        output::line(format!("  {name}: {text}"));
    }
    if !items.is_empty() {
        output::line("asks for:");
    }
    for item in &items {
        output::line(format!("  {}: {}", item.what, item.reasons.join("; ")));
    }
    show::abilities(&abilities);
    Ok(())
}

/// The files of the plugin that is meant, and in what state it is.
async fn find(options: &Options) -> Result<(PluginFiles, String), Failure> {
    let name = &options.plugin;
    if let Some(bundled) = tidegate_bundle::PLUGINS.iter().find(|plugin| plugin.id == name) {
        let files = PluginFiles { manifest: bundled.manifest.into(), component: bundled.component.into(), signature: None };
        return Ok((files, "part of this program".into()));
    }
    let folder = options.place.open()?;
    if let Some(entry) = folder.read_lock()?.find(name) {
        let grant = folder.read_grants()?.find(name, &entry.running).map(show::granted_line);
        let state =
            grant.map_or("installed, and granted nothing: it does not run".into(), |granted| format!("installed; granted: {granted}"));
        return Ok((folder.read_release(name, &entry.running)?, state));
    }
    let fetched = judge::fetch(&Source::parse(name), options.json).await?;
    let signed = if fetched.files.signature.is_some() { "signed; `tidegate plugin verify` checks by whom" } else { "not signed" };
    Ok((fetched.files, format!("not installed; {signed}")))
}
