//! The indexes that an operator named, asked together.
//!
//! A namespace stays with the index that its first plugin came from: a name that appears in another index later, put there by whoever,
//! changes nothing for those who have it (<https://medium.com/@alex.birsan/dependency-confusion-4a5d60fec610> is what happens otherwise).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use semver::Version;

use super::IndexError;
use super::advisory::Advisory;
use super::client;
use super::client::Index;
use super::client::OpenIndex;
use super::line::Release;
use super::location::Location;
use super::namespace::namespace_of;
use super::resolve;
use super::resolve::ResolveError;
use super::resolve::Wanted;
use super::search;
use super::search::Found;
use super::search::Query;
use super::time::Timestamp;
use crate::config::IndexConfig;
use crate::config::PluginName;
use crate::plugin::digest::Digest;
use crate::plugin::fetch::Http;
use crate::plugin::fetch::Report;
use crate::plugin::fetch::package;
use crate::plugin::files::MANIFEST_BYTES;
use crate::plugin::files::MANIFEST_FILE;
use crate::plugin::files::PluginFiles;
use crate::plugin::files::SIGNATURE_BYTES;
use crate::plugin::files::SIGNATURE_FILE;
use crate::plugin::folder::atomic;
use crate::plugin::manifest::HOST_API;
use crate::plugin::manifest::Manifest;
use crate::plugin::oci::Registries;
use crate::runtime::engine::COMPONENT_BYTES;

/// What is remembered about indexes, in the folder of installed plugins.
pub(super) const MEMORY: &str = "indexes";

/// Which index the plugins of a namespace come from.
const PINS_FILE: &str = "namespaces.json";

/// The indexes.
#[derive(Clone, Debug)]
pub struct Indexes {
    indexes: Vec<Index>,
    memory: PathBuf,
    registries: Registries,
    http: Http,
}

/// A release that was chosen.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The index that it is in, by the operator's name.
    pub index: String,
    /// The number of the index's state.
    pub sequence: u64,
    /// Why that is a remembered state, if it is.
    pub stale: Option<String>,
    /// The release.
    pub release: Release,
    /// What is wrong with it, and no reason not to run it.
    pub warnings: Vec<Advisory>,
    open: OpenIndex,
}

/// Why the files of a release were not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// No place had them as they should be.
    #[error("version {version} of `{id}` was not to be had: {}", reasons.join("; "))]
    Nowhere {
        /// The plugin.
        id: PluginName,
        /// The version.
        version: Version,
        /// What was wrong at each place.
        reasons: Vec<String>,
    },
    /// It was not remembered which index the namespace belongs to.
    #[error(transparent)]
    Memory(#[from] IndexError),
}

/// What a search found.
#[derive(Debug, Default)]
pub struct Findings {
    /// The likeliest first, each with the operator's name of its index.
    pub found: Vec<(String, Found)>,
    /// Indexes that could not be asked.
    pub problems: Vec<IndexError>,
    /// Indexes of which a remembered state was searched, and why.
    pub stale: Vec<(String, String)>,
}

impl Indexes {
    /// The indexes of a configuration. `folder` is the one of installed plugins; what is seen of indexes is remembered there.
    ///
    /// # Errors
    ///
    /// An address or a key that is none.
    pub fn new(configs: &[IndexConfig], folder: &Path, registries: Registries, http: Http) -> Result<Self, IndexError> {
        let memory = folder.join(MEMORY);
        let indexes = configs.iter().map(|config| Index::new(config, &memory, http.clone())).collect::<Result<_, _>>()?;
        Ok(Self { indexes, memory, registries, http })
    }

    /// The operator's names for them.
    pub fn names(&self) -> Vec<&str> {
        self.indexes.iter().map(|index| index.name.as_str()).collect()
    }

    /// Chooses a release. With `offline`, from what is remembered. `allow_move` lets a namespace come from another index than before.
    ///
    /// # Errors
    ///
    /// When there is no such release, or an index that may have it cannot be asked: one that is silent must not make another one's
    /// plugin of the same name pass.
    pub async fn resolve(&self, wanted: &Wanted, now: Timestamp, offline: bool, allow_move: bool) -> Result<Resolved, ResolveError> {
        let namespace = namespace_of(&wanted.id);
        let pinned = self.pins()?.get(namespace).cloned();
        let elsewhere = |pinned: &String, asked: &str| ResolveError::Elsewhere {
            namespace: namespace.to_owned(),
            pinned: pinned.clone(),
            asked: asked.to_owned(),
        };
        let asked: Vec<&Index> = match (&wanted.index, &pinned) {
            (Some(name), Some(pinned)) if name != pinned && !allow_move => return Err(elsewhere(pinned, name)),
            (Some(name), _) => vec![self.find(name)?],
            (None, Some(pinned)) if !allow_move => match self.find(pinned) {
                Ok(index) => vec![index],
                Err(_) => return Err(elsewhere(pinned, "another index")),
            },
            (None, _) => self.indexes.iter().collect(),
        };
        let mut having = Vec::new();
        let mut names = Vec::new();
        for index in &asked {
            let open = index.open(now, offline).await?;
            if let Some(history) = open.history(&wanted.id).await? {
                having.push((open, history));
            } else {
                names.extend(open.plugins());
            }
        }
        let (open, history) = match having.len() {
            0 => return Err(self.not_found(wanted, &asked, &names)),
            1 => having.remove(0),
            _ => {
                let choices: Vec<String> = having.iter().map(|(open, _)| format!("`{}:{}`", open.name(), wanted.id)).collect();
                return Err(ResolveError::Ambiguous { id: wanted.id.clone(), choices: choices.join(" or ") });
            }
        };
        let advisories = open.advisories().await?;
        let (release, warnings) = resolve::choose(&history, wanted, &advisories, &HOST_API)?;
        Ok(Resolved {
            index: open.name().to_owned(),
            sequence: open.sequence(),
            stale: open.stale().map(str::to_owned),
            release,
            warnings,
            open,
        })
    }

    fn find(&self, name: &str) -> Result<&Index, ResolveError> {
        self.indexes.iter().find(|index| index.name == name).ok_or_else(|| {
            let known = self.names();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            ResolveError::UnknownIndex { name: name.to_owned(), known }
        })
    }

    fn not_found(&self, wanted: &Wanted, asked: &[&Index], names: &[PluginName]) -> ResolveError {
        let indexes: Vec<String> = asked.iter().map(|index| format!("index `{}`", index.name)).collect();
        let indexes =
            if indexes.is_empty() { "an index; tidegate.toml names none under `[indexes]`".to_owned() } else { indexes.join(" or ") };
        let nearness = |name: &PluginName| {
            let whole = strsim::normalized_damerau_levenshtein(name.as_str(), wanted.id.as_str());
            // Who leaves out the namespace means the name.
            if name.short() == wanted.id.as_str() { 1.0 } else { whole }
        };
        let nearest = names.iter().max_by(|one, other| nearness(one).total_cmp(&nearness(other)));
        let suggestion = nearest.filter(|name| nearness(name) > 0.7).map(ToString::to_string);
        ResolveError::NotFound { id: wanted.id.clone(), indexes, suggestion }
    }

    /// Fetches the files of a release from the first of its places that has them as its digests say, and remembers which index its
    /// namespace belongs to.
    ///
    /// # Errors
    ///
    /// When no place has them.
    pub async fn download(&self, resolved: &Resolved, report: Report<'_>) -> Result<PluginFiles, DownloadError> {
        let release = &resolved.release;
        let mut reasons = Vec::new();
        for location in &release.locations {
            match self.files_at(&resolved.open, location, report).await {
                Ok(files) if Digest::of(&files.manifest) != release.manifest => {
                    reasons.push(format!("`{location}` has another `{MANIFEST_FILE}` than index `{}` says", resolved.index));
                }
                Ok(files) if Digest::of(&files.component) != release.component => {
                    reasons.push(format!("`{location}` has another component than index `{}` says", resolved.index));
                }
                Ok(files) => {
                    self.pin(&release.id, &resolved.index)?;
                    return Ok(files);
                }
                Err(reason) => reasons.push(reason),
            }
        }
        Err(DownloadError::Nowhere { id: release.id.clone(), version: release.version.clone(), reasons })
    }

    async fn files_at(&self, open: &OpenIndex, location: &Location, report: Report<'_>) -> Result<PluginFiles, String> {
        match location {
            Location::Url(url) => package::fetch(&self.http, url.as_str(), report).await.map_err(|error| error.to_string()),
            Location::Registry(reference) => match self.registries.pull(reference, report).await {
                Ok(pulled) => Ok(pulled.files),
                Err(error) => Err(error.to_string()),
            },
            Location::Folder(folder) => {
                let find = async |file: &str, limit| {
                    open.package_file(&format!("{folder}/{file}"), limit, report).await.map_err(|error| error.to_string())
                };
                let missing = |file: &str| format!("index `{}` has no `{folder}/{file}`", open.name());
                let manifest = find(MANIFEST_FILE, MANIFEST_BYTES).await?.ok_or_else(|| missing(MANIFEST_FILE))?;
                let text = str::from_utf8(&manifest).map_err(|error| error.to_string())?;
                let checked = Manifest::parse(text).map_err(|error| format!("`{folder}/{MANIFEST_FILE}`: {error}"))?;
                let signature = find(SIGNATURE_FILE, SIGNATURE_BYTES).await?;
                let file = &checked.component.file;
                let component = find(file, COMPONENT_BYTES).await?.ok_or_else(|| missing(file))?;
                Ok(PluginFiles { manifest, component, signature })
            }
        }
    }

    /// Searches all indexes. One that cannot be asked is told of and keeps nobody from the others.
    pub async fn search(&self, query: &Query, now: Timestamp, offline: bool) -> Findings {
        let mut findings = Findings::default();
        let mut all: Vec<Found> = Vec::new();
        let mut from: Vec<&str> = Vec::new();
        for index in &self.indexes {
            let found = async {
                let open = index.open(now, offline).await?;
                // Nobody asked for them, and whoever has one of the plugins has to hear of them.
                open.advisories().await?;
                Ok((open.found().await?, open.stale().map(str::to_owned)))
            };
            match found.await {
                Ok((found, stale)) => {
                    from.extend(found.iter().map(|_| index.name.as_str()));
                    all.extend(found);
                    findings.stale.extend(stale.map(|why| (index.name.clone(), why)));
                }
                Err(error) => findings.problems.push(error),
            }
        }
        findings.found = search::search(&all, query).into_iter().map(|(at, found)| (from[at].to_owned(), found.clone())).collect();
        findings
    }

    fn pins(&self) -> Result<BTreeMap<String, String>, IndexError> {
        let path = self.memory.join(PINS_FILE);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(IndexError::io(path)(error)),
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                IndexError::io(path)(io::Error::other(format!("it is damaged ({error}); put an earlier copy of it in its place")))
            }),
        }
    }

    fn pin(&self, id: &PluginName, index: &str) -> Result<(), IndexError> {
        let _claim = client::claim(&self.memory)?;
        let mut pins = self.pins()?;
        if pins.get(namespace_of(id)).is_some_and(|pinned| pinned == index) {
            return Ok(());
        }
        pins.insert(namespace_of(id).to_owned(), index.to_owned());
        let path = self.memory.join(PINS_FILE);
        let text = serde_json::to_vec_pretty(&pins).expect("texts are JSON");
        atomic::write(&path, &text).map_err(IndexError::io(&path))
    }
}
