//! `tidegate plugin publish`: puts a plugin where others find it: into a registry, an index, or a folder that a server shows.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::judge;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::index::SigningOptions;
use crate::cli::index::add;
use crate::cli::output;
use crate::config::environment;
use crate::plugin::fetch::Http;
use crate::plugin::fetch::Patience;
use crate::plugin::fetch::Step;
use crate::plugin::files::MANIFEST_FILE;
use crate::plugin::files::SIGNATURE_FILE;
use crate::plugin::index::CONFIG_FILE;
use crate::plugin::index::SNAPSHOT_FILE;
use crate::plugin::index::maintain::DEFAULT_VALIDITY;
use crate::plugin::index::package;
use crate::plugin::index::package::Publishable;
use crate::plugin::install::proof;
use crate::plugin::install::source::Source;
use crate::plugin::oci::PushOptions;
use crate::plugin::oci::Registries;
use crate::plugin::oci::credentials::DockerConfig;
use crate::plugin::oci::reference::Reference;
use crate::plugin::oci::reference::SCHEME;

/// Options of `plugin publish`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The folder of the plugin's plugin.toml
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Where to: oci://HOST/REPOSITORY[:TAG], the folder of an index, or any other folder
    #[arg(long, value_name = "PLACE")]
    to: String,
    /// Let the tag name this plugin although it names another one (registries)
    #[arg(long)]
    replace: bool,
    /// The secret key of the index (indexes)
    #[arg(long, value_name = "FILE", default_value = "index.key")]
    key: PathBuf,
    #[command(flatten)]
    allow: add::AllowOptions,
    /// Print what was done as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Publishes a plugin.
pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let source = Source::parse(&format!("{}/", options.folder.display()));
    let (plugin, _) = fetch(&source, options.json).await?;
    if options.to.starts_with(SCHEME) {
        return push(&plugin, options).await;
    }
    let to = Path::new(options.to.strip_prefix("file://").unwrap_or(&options.to));
    if to.join(CONFIG_FILE).is_file() && to.join(SNAPSHOT_FILE).is_file() {
        let days = u16::try_from(DEFAULT_VALIDITY.as_secs() / 86_400).unwrap_or(u16::MAX);
        let signing = SigningOptions { index: to.to_owned(), key: options.key.clone(), days };
        let added = add::add(&plugin, &[], &signing, options.allow.to_options(), options.json).await?;
        add::tell(&added, options.json);
        return Ok(());
    }
    copy(&plugin, to, options.json)
}

/// Fetches a plugin and sees that it may be published: by its files, and by starting it once with no rights. Where it is, for a
/// line of an index, when that is a place for others.
pub(in crate::cli) async fn fetch(source: &Source, quiet: bool) -> Result<(Publishable, Option<String>), Failure> {
    let fetched = judge::fetch(source, quiet).await?;
    let plugin = package::check(fetched.files).map_err(|error| judge::refused(source, &error))?;
    proof::prove(&plugin.inspected, environment::cache()).await.map_err(|error| judge::refused(source, &error))?;
    let place = match source {
        Source::Url(url) => Some(url.clone()),
        Source::Oci(_) => fetched.resolved,
        Source::Folder(_) | Source::Index(_) => None,
    };
    Ok((plugin, place))
}

async fn push(plugin: &Publishable, options: &Options) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| Failure::new(Exit::Failed, error.to_string());
    let reference = Reference::parse(&options.to).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let http = Http::new(Patience::default()).map_err(|error| failed(&error))?;
    let registries = Registries::new(http, DockerConfig::of_user());
    let report = |step: Step<'_>| {
        if !options.json {
            let total = step.total_bytes.map_or(String::new(), |total| format!(" of {}", bytesize::ByteSize(total)));
            output::error_line(format!("  {}{total}", bytesize::ByteSize(step.done_bytes)));
        }
    };
    let inspected = &plugin.inspected;
    let parts = (&inspected.files, &inspected.manifest, &inspected.interfaces);
    let pushed = registries.push(&reference, parts, PushOptions { replace: options.replace }, &report).await.map_err(|error| failed(&error))?;
    if options.json {
        let (tagged, pinned) = (pushed.tagged.to_string(), pushed.pinned.to_string());
        output::json(&json!({ "id": plugin.id.as_str(), "tagged": tagged, "pinned": pinned, "unchanged": pushed.unchanged }));
    } else {
        let done = if pushed.unchanged { "was there already" } else { "is published" };
        output::line(format!("`{}` {done} as {}\n  {}", plugin.id, pushed.tagged, pushed.pinned));
    }
    Ok(())
}

/// Copies the files to `FOLDER/<id>/<version>/`, where a web server may show them. A version that is there stays what it is.
fn copy(plugin: &Publishable, to: &Path, json: bool) -> Result<(), Failure> {
    let inspected = &plugin.inspected;
    let about = &inspected.manifest.plugin;
    let folder = to.join(plugin.id.as_str()).join(about.version.to_string());
    let failed = |path: &Path, error: std::io::Error| Failure::new(Exit::Failed, format!("`{}`: {error}", path.display()));
    fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
    let mut files = vec![(inspected.manifest.component.file.as_str(), inspected.files.component.as_slice())];
    files.extend(inspected.files.signature.as_ref().map(|signature| (SIGNATURE_FILE, signature.as_slice())));
    // Last, so that whoever finds it finds the others.
    files.push((MANIFEST_FILE, &inspected.files.manifest));
    for (name, bytes) in &files {
        let path = folder.join(name);
        match fs::read(&path) {
            Ok(there) if there == *bytes => {}
            Ok(_) if *name != SIGNATURE_FILE => {
                return Err(Failure::new(Exit::Failed, format!("`{}` is there and something else", path.display()))
                    .next("a version that is out stays what it is; raise `plugin.version`"));
            }
            _ => fs::write(&path, bytes).map_err(|error| failed(&path, error))?,
        }
    }
    let manifest = folder.join(MANIFEST_FILE);
    if json {
        output::json(&json!({ "id": plugin.id.as_str(), "version": about.version, "manifest": manifest }));
    } else {
        output::line(format!("`{}` {} is in {}", plugin.id, about.version, folder.display()));
    }
    Ok(())
}
