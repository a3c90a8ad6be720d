//! How plugins, rights and differences are written for a person, and as JSON.

use std::time::SystemTime;

use serde_json::Value;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::plugin::abilities::Abilities;
use crate::plugin::asked::Asked;
use crate::plugin::folder::PluginsFolder;
use crate::plugin::grants_file::Approval;
use crate::plugin::grants_file::Bind;
use crate::plugin::grants_file::Extent;
use crate::plugin::grants_file::Grant;
use crate::plugin::inspection::Inspected;
use crate::plugin::install::rights::Choices;
use crate::plugin::lock::Entry;
use crate::plugin::lock::Release;
use crate::plugin::manifest::Manifest;

/// This moment in UTC, to the second.
pub(super) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// Who a plugin is and who signed it, in a line.
pub(super) fn origin(inspected: &Inspected) -> String {
    let about = &inspected.manifest.plugin;
    match &inspected.publisher {
        Some(key) => format!("`{}` {}, signed by {key}", about.id, about.version),
        None => format!("`{}` {}, NOT signed", about.id, about.version),
    }
}

/// A grant of what was chosen, for this release.
pub(super) fn grant(id: &str, release: &Release, choices: Choices, to_artifact: bool) -> Grant {
    let by = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(crate::config::environment::find).unwrap_or_else(|| "unknown".into());
    Grant {
        plugin: id.into(),
        publisher: release.publisher.clone(),
        request: release.request,
        contract: release.contract,
        artifact: release.manifest,
        bind: if to_artifact { Bind::Artifact } else { Bind::Request },
        approved: Approval { by, at: now(), via: "cli".into() },
        databases: choices.databases,
        capabilities: choices.capabilities,
        hooks: choices.hooks,
    }
}

/// What a grant gives, a phrase each.
pub(super) fn granted(grant: &Grant) -> Vec<String> {
    let databases = grant.databases.iter().map(|(name, right)| format!("{name}={right}"));
    let capabilities = grant.capabilities.iter().map(|(interface, extent)| match extent {
        Extent::Whole(true) => interface.clone(),
        Extent::Whole(false) => format!("no {interface}"),
        Extent::Amount(amount) => format!("{interface}={amount}"),
        Extent::Listed(listed) => format!("{interface}={}", listed.join(", ")),
    });
    let hooks = grant.hooks.iter().map(|(event, mode)| format!("hook:{event}={mode}"));
    databases.chain(capabilities).chain(hooks).collect()
}

/// What `granted` says, in one line.
pub(super) fn granted_line(grant: &Grant) -> String {
    let phrases = granted(grant);
    if phrases.is_empty() { "nothing".into() } else { phrases.join(", ") }
}

/// A release as JSON.
pub(super) fn release(release: &Release) -> Value {
    json!({
        "version": release.version,
        "source": release.source,
        "resolved": release.resolved,
        "manifest": release.manifest,
        "component": release.component,
        "contract": release.contract,
        "request": release.request,
        "publisher": release.publisher,
    })
}

/// A plugin as JSON, with the grant that holds for what runs.
pub(super) fn entry(entry: &Entry, grant: Option<&Grant>) -> Value {
    json!({
        "id": entry.id,
        "running": release(&entry.running),
        "waiting": entry.waiting.as_ref().map(release),
        "previous": entry.previous.as_ref().map(release),
        "granted": grant.map(granted),
    })
}

/// Writes what a plugin can and cannot do.
pub(super) fn abilities(abilities: &Abilities) {
    output::line("can, where it is granted:");
    if abilities.can.is_empty() {
        output::line("  nothing but answer calls");
    }
    for can in &abilities.can {
        output::line(format!("  + {can}"));
    }
    output::line("cannot, whatever is granted:");
    for cannot in &abilities.cannot {
        output::line(format!("  - {cannot}"));
    }
}

/// What is different in a release that waits, a line each: its key, what it asks for, what it tells the model.
pub(super) fn differences(folder: &PluginsFolder, id: &str, old: &Release, new: &Release) -> Result<Vec<String>, Failure> {
    let mut lines = vec![format!("{} -> {}", old.version, new.version)];
    if old.publisher != new.publisher {
        let name = |release: &Release| release.publisher.as_ref().map_or_else(|| "unsigned".to_owned(), ToString::to_string);
        lines.push("publisher".into());
        lines.push(format!("- {}", name(old)));
        lines.push(format!("+ {}", name(new)));
    }
    let request = |release: &Release| -> Result<Option<Asked>, Failure> {
        let files = folder.read_release(id, release)?;
        Ok(std::str::from_utf8(&files.manifest).ok().and_then(Asked::of))
    };
    if let (Some(old), Some(new)) = (request(old)?, request(new)?) {
        section("asks for", new.differences(&old), &mut lines);
    }
    match (folder.read_contract(old), folder.read_contract(new)) {
        (Some(old), Some(new)) => section("tells the model", new.differences(&old), &mut lines),
        _ => lines.push("what it tells the model is not kept any more; install it again to see it".into()),
    }
    // Texts of plugins were checked for hidden characters, and JSON escapes the rest; a terminal gets nothing else.
    Ok(lines.into_iter().map(|line| line.chars().flat_map(visible).collect()).collect())
}

fn section(title: &str, differences: Vec<String>, lines: &mut Vec<String>) {
    if !differences.is_empty() {
        lines.push(title.into());
        lines.extend(differences);
    }
}

/// A character, or what stands for one that a terminal would act on or a person would not see.
fn visible(c: char) -> Vec<char> {
    if crate::plugin::definition::is_hidden(c) { c.escape_unicode().collect() } else { vec![c] }
}

/// The manifest of an installed release.
pub(super) fn manifest(folder: &PluginsFolder, id: &str, release: &Release) -> Result<Manifest, Failure> {
    let files = folder.read_release(id, release)?;
    let text = String::from_utf8_lossy(&files.manifest);
    Manifest::parse(&text)
        .map_err(|error| Failure::new(crate::cli::failure::Exit::Configuration, format!("the manifest of `{id}`: {error}")))
}
