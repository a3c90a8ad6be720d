//! The end of every build: the package, checked as a host checks it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use super::project::Project;
use crate::capability::Services;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::config::Config;
use crate::config::PluginConfig;
use crate::config::PluginName;
use crate::config::PluginSource;
use crate::config::environment;
use crate::dispatch::DispatchOptions;
use crate::dispatch::Dispatcher;
use crate::plugin::files::MANIFEST_FILE;
use crate::plugin::source;

/// A built plugin.
pub(super) struct Package {
    /// Its folder.
    pub folder: PathBuf,
    /// The file of its component.
    pub component: PathBuf,
    /// Bytes of its component.
    pub bytes: u64,
    /// The interfaces of the contract that it imports.
    pub imports: Vec<String>,
    /// Its tools, by their own names.
    pub tools: Vec<String>,
}

/// Puts a package into `folder` and loads it.
///
/// # Errors
///
/// What a host would refuse, and what it requests and does not import: a right that nobody needs is asked of nobody.
pub(super) async fn finish(project: &Project, component: Vec<u8>, folder: &Path) -> Result<Package, Failure> {
    let file = folder.join(&project.manifest.component.file);
    let write = |path: &Path, bytes: &[u8]| {
        fs::write(path, bytes).map_err(|error| Failure::new(Exit::Failed, format!("cannot write `{}`: {error}", path.display())))
    };
    write(&file, &component)?;
    write(&folder.join(MANIFEST_FILE), project.manifest_text.as_bytes())?;
    let bytes = component.len() as u64;
    drop(component);
    let dispatcher = load(folder, project.id(), Services::default(), DispatchOptions::default()).await?;
    let plugins = dispatcher.plugins();
    let imports: Vec<String> = plugins
        .iter()
        .flat_map(|plugin| plugin.component.contract_imports())
        .map(str::to_owned)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    if let Some(unused) = project.manifest.capabilities.keys().find(|request| !imports.contains(request)) {
        return Err(Failure::new(Exit::Configuration, format!("the manifest requests `{unused}`, and the component does not import it"))
            .next(format!("take `[capabilities.{unused}]` out, or use it")));
    }
    Ok(Package { folder: folder.to_owned(), component: file, bytes, imports, tools: dispatcher.offered_tools() })
}

/// A host with nothing but the plugin `id` in `folder`.
pub(super) async fn load(folder: &Path, id: &str, services: Services, options: DispatchOptions) -> Result<Arc<Dispatcher>, Failure> {
    let name = PluginName::parse(id).ok_or_else(|| Failure::new(Exit::Configuration, format!("`{id}` cannot be the name of a plugin")))?;
    let wanted = PluginConfig { source: Some(PluginSource { folder: folder.to_owned(), component: None }), ..PluginConfig::new(name) };
    load_as(wanted, services, options).await
}

/// As [`load`], with what an operator might say about the plugin.
pub(super) async fn load_as(wanted: PluginConfig, services: Services, options: DispatchOptions) -> Result<Arc<Dispatcher>, Failure> {
    let config = Config { plugins: vec![wanted], ..Config::default() };
    let packages = source::packages(&config, &[]).map_err(|(plugin, error)| Failure::source(&plugin, &error))?;
    let cache = options.cache.clone().or_else(environment::cache);
    Ok(Dispatcher::start(services, packages, &DispatchOptions { cache, ..options }).await?)
}
