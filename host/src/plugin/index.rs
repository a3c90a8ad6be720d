//! Static indexes of plugins: files that anybody can serve, and nobody but the holder of their key can change unnoticed.
//!
//! ```text
//! config.json                        what the index is called, and its public key
//! snapshot.json, snapshot.json.minisig   the digest of every file, a sequence number and an end of life, signed
//! plugins/<namespace>/<name>.jsonl   a line for each release, and one for each that was taken back; lines are only ever added
//! namespaces.jsonl                   whose key signs the plugins of a namespace
//! search.jsonl                       the newest release of each plugin, to search in
//! advisories.jsonl                   what is wrong with releases that are out
//! packages/<namespace>/<name>/<version>/   the files of plugins, where they are kept here and not in a registry
//! ```
//!
//! A signature over one file covers all, so that a server can only leave out or keep back everything at once. A lower sequence than was
//! seen before, another content under the same sequence, lines that were there and are not, and a snapshot past its end are each told
//! apart (<https://theupdateframework.github.io/specification/latest/> names the attacks). What an index says gives no right: it says
//! where a plugin is and by whose key it has to be signed.

pub mod advisory;
pub mod alarms;
pub mod client;
pub mod indexes;
pub mod line;
pub mod location;
pub mod maintain;
mod namespace;
pub mod package;
mod place;
pub mod resolve;
pub mod search;
mod similar;
pub mod snapshot;
#[cfg(test)]
mod tests;
pub mod time;

use std::io;
use std::path::PathBuf;

use super::fetch::FetchError;
use super::fetch::address::AddressError;
use super::trust::SignatureError;

/// What the index is called, and its public key: for people, and for whoever maintains it.
pub const CONFIG_FILE: &str = "config.json";

/// The signed list of all other files.
pub const SNAPSHOT_FILE: &str = "snapshot.json";

/// The signature of the list.
pub const SNAPSHOT_SIGNATURE_FILE: &str = "snapshot.json.minisig";

/// What is searched in.
pub const SEARCH_FILE: &str = "search.jsonl";

/// What is wrong with releases.
pub const ADVISORIES_FILE: &str = "advisories.jsonl";

/// Whose key signs what.
pub const NAMESPACES_FILE: &str = "namespaces.jsonl";

/// Bytes of any file of an index.
pub const FILE_BYTES: usize = 16 << 20;

/// Why an index, or a file of it, is not believed or cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// Its address.
    #[error("the address of an index is `file:///…` or `https://…`: {0}")]
    Address(AddressError),
    /// Fetching from it.
    #[error("index `{index}`: {source}")]
    Fetch {
        /// Which.
        index: String,
        /// Why.
        source: FetchError,
    },
    /// A file of it, or of what is remembered about it, on this machine.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not there.
    #[error("index `{index}` has no `{file}`{}", if file == SNAPSHOT_FILE { "; is its address right?" } else { "" })]
    Missing {
        /// Which.
        index: String,
        /// Which of its files.
        file: String,
    },
    /// A file is larger than is read.
    #[error("`{file}` of index `{index}` has more than {limit} bytes")]
    TooLarge {
        /// Which.
        index: String,
        /// Which of its files.
        file: String,
        /// The limit.
        limit: usize,
    },
    /// The snapshot is not by the holder of the key.
    #[error("the snapshot of index `{index}`: {source}; if the index has a new key, its maintainers say so elsewhere")]
    Signature {
        /// Which.
        index: String,
        /// Why not.
        source: SignatureError,
    },
    /// A file is not as the format has it.
    #[error("`{file}` of index `{index}`{}: {reason}", line.map_or(String::new(), |line| format!(", line {line}")))]
    Damaged {
        /// Which.
        index: String,
        /// Which of its files.
        file: String,
        /// Which line of it, from 1.
        line: Option<usize>,
        /// What is wrong.
        reason: String,
    },
    /// A file is not the one that the snapshot lists.
    #[error(
        "`{file}` of index `{index}` is not the file that its signed snapshot lists; somebody changed it, or the server is in the middle of an update: try again in a minute"
    )]
    Tampered {
        /// Which.
        index: String,
        /// Which of its files.
        file: String,
    },
    /// The snapshot is older than one that was seen.
    #[error("index `{index}` shows its state number {found}, and number {seen} was seen before; somebody serves an old copy")]
    Rollback {
        /// Which.
        index: String,
        /// What was seen.
        seen: u64,
        /// What is there now.
        found: u64,
    },
    /// There are two snapshots with one number.
    #[error(
        "index `{index}` shows two different states number {sequence}; its maintainers, or somebody with their key, made one of them for you"
    )]
    Forked {
        /// Which.
        index: String,
        /// Which state.
        sequence: u64,
    },
    /// The snapshot is past its end.
    #[error("index `{index}` was good until {expires}; it is not maintained any more, or somebody keeps its news back")]
    Expired {
        /// Which.
        index: String,
        /// Until when it was good.
        expires: time::Timestamp,
    },
    /// Lines that were there are not there any more.
    #[error(
        "`{file}` of index `{index}` lacks lines that it had before, and lines are only ever added; its maintainers, or somebody with their key, rewrote it"
    )]
    Rewritten {
        /// Which.
        index: String,
        /// Which of its files.
        file: String,
    },
}

impl IndexError {
    /// A file that is not as the format has it.
    pub(super) fn damaged(index: &str, file: &str, line: Option<usize>, reason: impl Into<String>) -> Self {
        Self::Damaged { index: index.to_owned(), file: file.to_owned(), line, reason: reason.into() }
    }

    /// An error of the system at `path`.
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
