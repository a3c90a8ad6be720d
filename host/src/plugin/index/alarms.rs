//! What indexes have said about plugins that are installed, as far as they were asked: a host looks at it whenever it reads what is
//! installed.
//!
//! Nothing is fetched here. What was seen last counts also past its end: to heed a warning needs no freshness.

use std::path::Path;

use super::IndexError;
use super::advisory::Advisory;
use super::client;
use super::indexes::MEMORY;
use super::resolve::Wanted;
use crate::config::IndexConfig;
use crate::plugin::lock::Release;

/// What is remembered of all indexes, by the operator's names for them.
#[derive(Debug, Default)]
pub struct Alarms(Vec<(String, Vec<Advisory>)>);

impl Alarms {
    /// Reads what is remembered in the folder of installed plugins.
    ///
    /// # Errors
    ///
    /// Something that is remembered and cannot be read: a warning may be in it.
    pub fn read(configs: &[IndexConfig], folder: &Path) -> Result<Self, IndexError> {
        let memory = folder.join(MEMORY);
        let all = configs.iter().map(|config| {
            let name = config.name.to_string();
            let advisories = client::remembered_advisories(&memory, &name)?;
            Ok((name, advisories))
        });
        all.collect::<Result<_, _>>().map(Self)
    }

    /// What is wrong with this release, according to the index that it came from.
    pub fn about(&self, release: &Release) -> Vec<&Advisory> {
        let Some(Ok(Wanted { index: Some(index), id, .. })) = release.resolved.as_deref().map(Wanted::parse) else { return Vec::new() };
        let said = self.0.iter().filter(|(name, _)| *name == index).flat_map(|(_, advisories)| advisories);
        said.filter(|advisory| advisory.affects(&id, &release.version)).collect()
    }
}
