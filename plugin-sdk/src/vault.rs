//! Folders of the operator for what is too large for storage: backups and exports.
//!
//! ```
//! use tidegate_plugin::vault;
//!
//! fn export(lines: &[&str]) -> Result<u64, vault::Error> {
//!     let writer = vault::put("exports", "orders.csv", true)?;
//!     for line in lines {
//!         writer.write(line.as_bytes())?;
//!     }
//!     Ok(writer.finish()?.bytes)
//! }
//! # let host = tidegate_plugin::test::Host::new().vault("exports", 1000);
//! # assert_eq!(host.run(|| export(&["id\n", "7\n"])), Ok(5));
//! # assert_eq!(host.run(|| vault::get("exports", "orders.csv")?.read(100)), Ok(b"id\n7\n".to_vec()));
//! ```

pub use crate::bindings::shared::tidegate::plugin::vault::Blob;
pub use crate::bindings::shared::tidegate::plugin::vault::Error;
use crate::tool::ToolError;

#[cfg(target_arch = "wasm32")]
use crate::bindings::shared::tidegate::plugin::vault as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::vault as host;

/// Bytes that the host takes and gives at once.
const CHUNK: usize = 1 << 20;

/// Something that is being written. Nobody finds it before it is finished; dropped, it is gone.
#[derive(Debug)]
pub struct Writer(host::Writer);

/// Something that is being read.
#[derive(Debug)]
pub struct Reader(host::Reader);

/// Begins to write something; `replace` says that what is there under the name may go when this is finished.
///
/// # Errors
///
/// No right to write to such a vault, a name that cannot be, something that is there, or a vault that is full.
pub fn put(vault: &str, name: &str, replace: bool) -> Result<Writer, Error> {
    host::put(vault, name, replace).map(Writer)
}

/// Begins to read something.
///
/// # Errors
///
/// No right to read such a vault, a name that cannot be, or nothing that is there.
pub fn get(vault: &str, name: &str) -> Result<Reader, Error> {
    host::get(vault, name).map(Reader)
}

/// What is in a vault with names that begin with `prefix` and come after `after`, by name; at most `limit` and at most 1,000.
///
/// # Errors
///
/// No right to read such a vault.
pub fn list(vault: &str, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<Blob>, Error> {
    host::list_blobs(vault, prefix, after, limit)
}

/// Removes something. Gives whether there was one.
///
/// # Errors
///
/// No right to write to such a vault, or a name that cannot be.
pub fn delete(vault: &str, name: &str) -> Result<bool, Error> {
    host::delete(vault, name)
}

impl Writer {
    /// Writes more, however much it is.
    ///
    /// # Errors
    ///
    /// A vault that is full, or a host that cannot write.
    pub fn write(&self, bytes: &[u8]) -> Result<(), Error> {
        bytes.chunks(CHUNK).try_for_each(|chunk| self.0.write(chunk))
    }

    /// Puts it in its place, whole and on disk.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write), and something that came there meanwhile.
    pub fn finish(self) -> Result<Blob, Error> {
        self.0.finish()
    }
}

impl Reader {
    /// What it is.
    #[must_use]
    pub fn describe(&self) -> Blob {
        self.0.describe()
    }

    /// The bytes that follow, at most `max` and at most 1 MiB; none at the end.
    ///
    /// # Errors
    ///
    /// A host that cannot read.
    pub fn read(&self, max: u32) -> Result<Vec<u8>, Error> {
        self.0.read(max)
    }
}

impl From<Error> for ToolError {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied => {
                Self::failed("ACCESS_DENIED", "there is no such vault for this plugin").with_hint("the operator can grant it with `vaults`")
            }
            Error::InvalidName => Self::InvalidArguments(
                "a name has 1 to 128 lower-case letters, digits, `.`, `_` or `-`, a letter or digit first".to_owned(),
            ),
            Error::NotFound => Self::failed("NOT_FOUND", "nothing is there under this name"),
            Error::Exists => Self::failed("EXISTS", "something is there under this name already"),
            Error::Full(limit) => Self::failed("TOO_LARGE", format!("the vault holds at most {limit} bytes")),
            Error::Unavailable => Self::failed("UNAVAILABLE", "the vault cannot be used now"),
        }
    }
}
