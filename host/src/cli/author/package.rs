//! The end of every build: the package, checked as a host checks it.

mod filled;

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::project::Project;
use crate::call::Call;
use crate::call::Caller;
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
use crate::plugin::Plugin;
use crate::plugin::contract::Contract;
use crate::plugin::digest::Digest;
use crate::plugin::files::MANIFEST_FILE;
use crate::plugin::header;
use crate::plugin::header::Header;
use crate::plugin::manifest;
use crate::plugin::manifest::Manifest;
use crate::plugin::source;
use crate::runtime::answer::CallError;

/// How long a plugin may take to say what it offers.
const LISTING: Duration = Duration::from_secs(10);

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
    let wrong = |text: String| Failure::new(Exit::Configuration, text);
    let component = header::embed(&component, &Header::of(&project.manifest.plugin)).map_err(|error| wrong(error.to_string()))?;
    write(&file, &component)?;
    // As the author wrote it, but for what is filled in below and may be that of an earlier build.
    let path = folder.join(MANIFEST_FILE);
    write(&path, filled::without(&project.manifest_text)?.as_bytes())?;
    let dispatcher = load(folder, project.id(), Services::default(), DispatchOptions::default()).await?;
    let plugins = dispatcher.plugins();
    let plugin = plugins.first().ok_or_else(|| wrong("the plugin is gone".into()))?;
    let imports = plugin.component.contract_imports();
    if let Some(unused) = project.manifest.capabilities.keys().find(|request| !manifest::is_imported(request, &imports)) {
        return Err(Failure::new(Exit::Configuration, format!("the manifest requests `{unused}`, and the component does not import it"))
            .next(format!("take `[capabilities.{unused}]` out, or use it")));
    }
    let contract = offered(plugin).await.map_err(|error| wrong(format!("asked what it offers, it failed: {error}")))?;
    let text = filled::with(&project.manifest_text, Digest::of(&component), &contract, &project.manifest)?;
    Manifest::parse(&text).map_err(|error| wrong(format!("the manifest with what was filled in: {error}")))?;
    write(&path, text.as_bytes())?;
    Ok(Package {
        folder: folder.to_owned(),
        component: file,
        bytes: component.len() as u64,
        imports: imports.into_iter().map(str::to_owned).collect(),
        tools: contract.tools().into_iter().map(str::to_owned).collect(),
    })
}

/// What a plugin offers, word for word.
async fn offered(plugin: &Plugin) -> Result<Contract, CallError> {
    let call = Call::new(Caller::local(), LISTING);
    let (component, guest, services) = (&plugin.component, &plugin.guest, Services::default());
    let tools = component.list_tools(&call, guest, &services).await?;
    let prompts = component.list_prompts(&call, guest, &services).await?;
    let templates = component.list_templates(&call, guest, &services).await?;
    Ok(Contract::new(&tools, &prompts, &templates))
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
