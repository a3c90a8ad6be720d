//! Changes of an index: a release is added, or taken back.

use semver::Version;
use semver::VersionReq;

use super::MaintainError;
use super::Maintained;
use crate::config::PluginName;
use crate::plugin::definition::is_plain_text;
use crate::plugin::digest::Digest;
use crate::plugin::files::MANIFEST_FILE;
use crate::plugin::files::SIGNATURE_FILE;
use crate::plugin::index::ADVISORIES_FILE;
use crate::plugin::index::NAMESPACES_FILE;
use crate::plugin::index::advisory::Action;
use crate::plugin::index::advisory::Advisory;
use crate::plugin::index::advisory::Severity;
use crate::plugin::index::line;
use crate::plugin::index::line::Entry;
use crate::plugin::index::line::History;
use crate::plugin::index::line::Line;
use crate::plugin::index::line::Release;
use crate::plugin::index::line::Yank;
use crate::plugin::index::location::Location;
use crate::plugin::index::namespace;
use crate::plugin::index::namespace::Namespace;
use crate::plugin::index::namespace::namespace_of;
use crate::plugin::index::package::Publishable;
use crate::plugin::index::similar;
use crate::plugin::index::time::Timestamp;

/// Characters of a reason.
const REASON: usize = 512;

/// What may be passed over when a release is added, by somebody who has looked at it.
#[derive(Clone, Copy, Debug, Default)]
pub struct AddOptions {
    /// A version below one that is out.
    pub allow_older: bool,
    /// A name that is nearly somebody else's.
    pub allow_similar: bool,
    /// Another key than the namespace has had.
    pub new_publisher: bool,
}

/// What was added.
#[derive(Clone, Debug)]
pub struct Added {
    /// The line.
    pub release: Release,
    /// Whether its namespace is new in the index.
    pub new_namespace: bool,
}

/// An advisory that comes with a release being taken back.
#[derive(Clone, Copy, Debug)]
pub struct Alarm {
    /// What is to be done where it is installed.
    pub action: Action,
    /// How bad it is.
    pub severity: Severity,
}

impl Maintained {
    /// Adds a release. Without a place to fetch it from, its files go into the index itself.
    ///
    /// # Errors
    ///
    /// A version that is there or below one that is, another key than its namespace has, a name that people take for another.
    pub fn add(&mut self, plugin: &Publishable, locations: &[String], now: Timestamp, options: AddOptions) -> Result<Added, MaintainError> {
        let (id, manifest, files) = (&plugin.id, &plugin.inspected.manifest, &plugin.inspected.files);
        let about = &manifest.plugin;
        if let Some(history) = self.histories.get(id) {
            if history.find(&about.version).is_some() {
                return Err(MaintainError::Exists { id: id.clone(), version: about.version.clone() });
            }
            let newest = history.entries.iter().map(|entry| &entry.release.version).max();
            if let Some(newest) = newest.filter(|newest| **newest > about.version && !options.allow_older) {
                return Err(MaintainError::Older { id: id.clone(), version: about.version.clone(), newest: newest.clone() });
            }
        } else if let Some(other) = similar::find_similar(id, self.histories.keys()).filter(|_| !options.allow_similar) {
            return Err(MaintainError::Similar { id: id.clone(), other: other.clone() });
        }
        let new_namespace = self.claim_namespace(plugin, now, options.new_publisher)?;
        let mut parsed = Vec::new();
        for location in locations {
            let wrong = |reason: String| MaintainError::Location { location: location.clone(), reason };
            let location = Location::parse(location).map_err(wrong)?;
            parsed.push(location);
        }
        if parsed.is_empty() {
            let folder = format!("packages/{id}/{}", about.version.to_string().to_ascii_lowercase());
            let location = Location::parse(&folder).map_err(|reason| MaintainError::Location { location: folder.clone(), reason })?;
            self.packages.insert(format!("{folder}/{MANIFEST_FILE}"), files.manifest.clone());
            self.packages.insert(format!("{folder}/{}", manifest.component.file), files.component.clone());
            if let Some(signature) = &files.signature {
                self.packages.insert(format!("{folder}/{SIGNATURE_FILE}"), signature.clone());
            }
            parsed.push(location);
        }
        let provides = manifest.provides.clone().unwrap_or_default();
        let release = Release {
            id: id.clone(),
            version: about.version.clone(),
            title: about.title.clone(),
            description: about.description.clone(),
            keywords: about.keywords.clone(),
            license: about.license.clone(),
            host_api: about.host_api.clone(),
            manifest: Digest::of(&files.manifest),
            component: Digest::of(&files.component),
            contract: provides.contract_sha256,
            publisher: plugin.publisher.clone(),
            locations: parsed,
            capabilities: manifest.capabilities.keys().cloned().collect(),
            hooks: manifest.hooks.iter().map(|hook| format!("{}:{}", hook.event.as_str(), hook.kind.as_str())).collect(),
            tools: provides.tools.into_iter().collect(),
            bytes: files.component.len() as u64,
            published: now,
        };
        self.append(&line::file_of(id), &Line::Release(Box::new(release.clone())).to_text());
        let entry = Entry { release: release.clone(), yanked: None };
        self.histories.entry(id.clone()).or_insert_with(|| History { entries: Vec::new() }).entries.push(entry);
        Ok(Added { release, new_namespace })
    }

    /// Takes the namespace of a plugin for its key, or sees that it has it. Whether it was nobody's before.
    fn claim_namespace(&mut self, plugin: &Publishable, now: Timestamp, new_publisher: bool) -> Result<bool, MaintainError> {
        let namespace = namespace_of(&plugin.id);
        let keys = namespace::parse_all(&self.config.name, &self.files[NAMESPACES_FILE])?;
        let known = keys.get(namespace);
        match known {
            Some(known) if *known == plugin.publisher => return Ok(false),
            Some(known) if !new_publisher => {
                let (namespace, expected, found) = (namespace.to_owned(), known.id(), plugin.publisher.id());
                return Err(MaintainError::OtherPublisher { namespace, expected, found });
            }
            _ => {}
        }
        let line = Namespace { namespace: namespace.to_owned(), publisher: plugin.publisher.clone(), since: now };
        self.append(NAMESPACES_FILE, &serde_json::to_string(&line).expect("texts are JSON"));
        Ok(known.is_none())
    }

    /// Takes a release back: it is not chosen any more. With an alarm, those who have it are told too.
    ///
    /// # Errors
    ///
    /// A release that is not there, and a reason that is no plain text.
    pub fn yank(
        &mut self,
        id: &PluginName,
        version: &Version,
        reason: &str,
        alarm: Option<Alarm>,
        now: Timestamp,
    ) -> Result<(), MaintainError> {
        if !is_plain_text(reason, REASON) {
            return Err(MaintainError::Text("the reason"));
        }
        let not_there = || MaintainError::NotThere { id: id.clone(), version: version.clone() };
        let history = self.histories.get_mut(id).ok_or_else(not_there)?;
        let entry = history.entries.iter_mut().find(|entry| entry.release.version == *version && entry.yanked.is_none());
        entry.ok_or_else(not_there)?.yanked = Some(reason.to_owned());
        let yank = Line::Yank(Yank { version: version.clone(), reason: reason.to_owned(), at: now });
        self.append(&line::file_of(id), &yank.to_text());
        if let Some(Alarm { action, severity }) = alarm {
            let year: String = now.to_string().chars().take(4).collect();
            let taken = |id: &String| self.advisories.iter().any(|advisory| advisory.id == *id);
            let advisory_id =
                (1..).map(|number| format!("{}-{year}-{number}", self.config.name.to_ascii_uppercase())).find(|id| !taken(id));
            let advisory = Advisory {
                id: advisory_id.expect("numbers do not end"),
                plugin: id.clone(),
                versions: VersionReq::parse(&format!("={version}")).expect("a version is a requirement"),
                severity,
                action,
                summary: reason.to_owned(),
                url: None,
                published: now,
            };
            self.append(ADVISORIES_FILE, &serde_json::to_string(&advisory).expect("texts are JSON"));
            self.advisories.push(advisory);
        }
        Ok(())
    }

    /// Adds a line to a file.
    fn append(&mut self, file: &str, line: &str) {
        let text = self.files.entry(file.to_owned()).or_default();
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
}
