//! Installs, updates, approves, rolls back and removes plugins in the operator's folder.
//!
//! Everything that can be wrong with a plugin is found out before anything is written: [`inspection`](super::inspection) looks at
//! its files, [`proof`] starts it. What is written then is whole or not at all, because the lock comes last
//! ([`folder`](super::folder)).

pub mod proof;
pub mod rights;
pub mod source;

use semver::Version;

use super::contract::Contract;
use super::folder::Claim;
use super::folder::FolderError;
use super::grants_file::Grant;
use super::inspection::Inspected;
use super::lock::Entry;
use super::lock::Lock;
use super::lock::Release;
use super::trust::publishers::Publisher;
use super::trust::publishers::Publishers;

/// Why a plugin is not installed, or not changed. Blame: the operator, or the plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A plugin of the program has its id.
    #[error("`{0}` is a plugin of this program; a plugin that is installed needs another id")]
    Bundled(String),
    /// Its tools would be called as those of another one.
    #[error("`{other}` is installed, and its tools begin with the same name as those of `{id}`; remove one of them")]
    SameName {
        /// Its id.
        id: String,
        /// The one that is there.
        other: String,
    },
    /// An older version.
    #[error("`{id}` {installed} is installed, and {offered} is older; `--allow-downgrade` installs it all the same")]
    Downgrade {
        /// Its id.
        id: String,
        /// What is there.
        installed: Version,
        /// What was offered.
        offered: Version,
    },
    /// Something else under a version that was published.
    #[error(
        "`{id}` {version} is installed, and what is offered under the same version is something else; its publisher has to give it another version"
    )]
    SameVersion {
        /// Its id.
        id: String,
        /// The version.
        version: Version,
    },
    /// It is not installed.
    #[error("no plugin `{0}` is installed; `tidegate plugin list` shows what is")]
    NotInstalled(String),
    /// There is nothing to approve.
    #[error("nothing of `{0}` waits for approval")]
    NothingWaits(String),
    /// There is nothing to go back to.
    #[error("there is no earlier version of `{0}` to go back to")]
    NothingBefore(String),
    /// The earlier version has no grant any more.
    #[error("the grant of `{id}` {version} was revoked; install that version again with `--allow-downgrade`")]
    NoGrantBefore {
        /// Its id.
        id: String,
        /// The earlier version.
        version: Version,
    },
}

/// A plugin that was looked at and proven, and from where it came.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What it is.
    pub inspected: Inspected,
    /// What it offers.
    pub contract: Contract,
    /// Where it comes from, as the operator said.
    pub source: String,
    /// What that was at this time.
    pub resolved: Option<String>,
    /// The sequence of the index's snapshot by which it was found.
    pub index_snapshot: Option<u64>,
}

/// What becomes of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It runs from now on.
    Runs,
    /// It waits for `approve`; what ran before goes on.
    Waits,
    /// It is there already.
    Unchanged,
}

impl Candidate {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.inspected.manifest.plugin.id
    }

    /// It, pinned.
    pub fn release(&self) -> Release {
        let files = &self.inspected.files;
        Release {
            version: self.inspected.manifest.plugin.version.clone(),
            source: self.source.clone(),
            resolved: self.resolved.clone(),
            manifest: super::digest::Digest::of(&files.manifest),
            component: super::digest::Digest::of(&files.component),
            contract: self.contract.digest(),
            request: self.inspected.request.digest(),
            publisher: self.inspected.publisher.clone(),
            index_snapshot: self.index_snapshot,
        }
    }

    /// Checks that it may take its place among what is installed.
    ///
    /// # Errors
    ///
    /// Names that are taken, versions that go back without being allowed to, and versions that are two things.
    pub fn check_place(&self, lock: &Lock, bundled: &[&str], may_go_back: bool) -> Result<(), InstallError> {
        let (id, version) = (self.id().to_owned(), &self.inspected.manifest.plugin.version);
        if bundled.contains(&id.as_str()) {
            return Err(InstallError::Bundled(id));
        }
        let short = |id: &str| id.rsplit('/').next().unwrap_or_default().to_owned();
        if let Some(other) = lock.entries().find(|other| other.id != id && short(&other.id) == short(&id)) {
            return Err(InstallError::SameName { other: other.id.clone(), id });
        }
        let Some(entry) = lock.find(&id) else { return Ok(()) };
        let release = self.release();
        if let Some(same) = entry.releases().find(|there| there.version == *version && there.manifest != release.manifest)
            && release.publisher.is_some()
        {
            return Err(InstallError::SameVersion { id, version: same.version.clone() });
        }
        let installed = &entry.running.version;
        if version < installed && !may_go_back {
            return Err(InstallError::Downgrade { id, installed: installed.clone(), offered: version.clone() });
        }
        Ok(())
    }
}

/// Puts a candidate where it belongs: with a grant it runs, and without one it waits beside what runs.
///
/// `grant` is the new one, if one was given; a grant that is there and covers it serves as well.
///
/// # Errors
///
/// What cannot be written; everything is as it was then. A plugin that is not installed yet and has no grant is not written at all:
/// `NothingWaits`.
pub fn place(claim: &Claim, candidate: &Candidate, publisher: Option<Publisher>, grant: Option<Grant>) -> Result<Outcome, InstallError> {
    let mut lock = claim.folder().read_lock()?;
    let mut grants = claim.folder().read_grants()?;
    let (id, release) = (candidate.id().to_owned(), candidate.release());
    let there = lock.find(&id).cloned();
    let granted = grant.is_some() || grants.find(&id, &release).is_some();
    let entry = match there {
        None if !granted => return Err(InstallError::NothingWaits(id)),
        None => Entry { id: id.clone(), running: release, waiting: None, previous: None },
        Some(entry) if entry.running.manifest == release.manifest && granted => {
            let unchanged = entry.running == release && grant.is_none() && publisher.is_none() && stored(claim, candidate);
            if unchanged {
                return Ok(Outcome::Unchanged);
            }
            Entry { running: release, ..entry }
        }
        Some(entry) if granted => Entry { id: id.clone(), previous: Some(entry.running), running: release, waiting: None },
        Some(entry) => Entry { waiting: Some(release), ..entry },
    };
    let outcome = if granted { Outcome::Runs } else { Outcome::Waits };
    claim.keep(&candidate.inspected.files, &candidate.contract)?;
    // A key that waits for approval is not trusted yet.
    if let Some(publisher) = publisher.filter(|_| granted) {
        trust(claim, publisher)?;
    }
    if let Some(grant) = grant {
        grants.put(grant);
        claim.write_grants(&grants)?;
    }
    lock.put(entry);
    claim.write_lock(&lock)?;
    claim.sweep()?;
    Ok(outcome)
}

fn stored(claim: &Claim, candidate: &Candidate) -> bool {
    let release = candidate.release();
    claim.folder().read_release(candidate.id(), &release).is_ok() && claim.folder().read_contract(&release).is_some()
}

/// Trusts a key from now on.
///
/// # Errors
///
/// What cannot be written.
pub fn trust(claim: &Claim, publisher: Publisher) -> Result<(), InstallError> {
    let mut publishers: Publishers = claim.folder().read_publishers()?;
    publishers.trust(publisher);
    Ok(claim.write_publishers(&publishers)?)
}

/// Lets what waits run, with this grant and, where its key is a new one, this trust.
///
/// # Errors
///
/// Nothing waits, or what cannot be written.
pub fn approve(claim: &Claim, id: &str, grant: Grant, publisher: Option<Publisher>) -> Result<Release, InstallError> {
    let mut lock = claim.folder().read_lock()?;
    let entry = lock.find(id).cloned().ok_or_else(|| InstallError::NotInstalled(id.into()))?;
    let waiting = entry.waiting.filter(|waiting| grant.covers(waiting));
    let waiting = waiting.ok_or_else(|| InstallError::NothingWaits(id.into()))?;
    if let Some(publisher) = publisher {
        trust(claim, publisher)?;
    }
    let mut grants = claim.folder().read_grants()?;
    grants.put(grant);
    claim.write_grants(&grants)?;
    lock.put(Entry { id: id.into(), running: waiting.clone(), waiting: None, previous: Some(entry.running) });
    claim.write_lock(&lock)?;
    claim.sweep()?;
    Ok(waiting)
}

/// Goes back to what ran before; what runs now is then what `rollback` would go to.
///
/// # Errors
///
/// Nothing ran before, or its grant is gone.
pub fn roll_back(claim: &Claim, id: &str) -> Result<Release, InstallError> {
    let mut lock = claim.folder().read_lock()?;
    let entry = lock.find(id).cloned().ok_or_else(|| InstallError::NotInstalled(id.into()))?;
    let before = entry.previous.ok_or_else(|| InstallError::NothingBefore(id.into()))?;
    if claim.folder().read_grants()?.find(id, &before).is_none() {
        return Err(InstallError::NoGrantBefore { id: id.into(), version: before.version });
    }
    claim.folder().read_release(id, &before)?;
    lock.put(Entry { id: id.into(), running: before.clone(), waiting: entry.waiting, previous: Some(entry.running) });
    claim.write_lock(&lock)?;
    Ok(before)
}

/// Removes a plugin with its files and its grants. The key of its publisher stays trusted: it was trusted for more than this plugin.
///
/// # Errors
///
/// It is not installed, or what cannot be written.
pub fn remove(claim: &Claim, id: &str) -> Result<Entry, InstallError> {
    let mut lock = claim.folder().read_lock()?;
    let entry = lock.take(id).ok_or_else(|| InstallError::NotInstalled(id.into()))?;
    claim.write_lock(&lock)?;
    claim.sweep()?;
    Ok(entry)
}

#[cfg(test)]
mod tests;
