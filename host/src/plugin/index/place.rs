//! Where an index is, and reading its files from there.

use std::io;
use std::path::PathBuf;

use tokio::io::AsyncReadExt;
use url::Url;

use super::IndexError;
use crate::plugin::fetch::FetchError;
use crate::plugin::fetch::Http;
use crate::plugin::fetch::Report;
use crate::plugin::fetch::address;
use crate::plugin::fetch::address::AddressError;

/// Where an index is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a folder.
    Folder(PathBuf),
    /// On a server; the path ends with `/`.
    Server(Url),
}

impl Place {
    /// Reads the address of an index.
    pub(super) fn parse(address: &str) -> Result<Self, AddressError> {
        if address.starts_with("file:") {
            let invalid = |reason: &str| AddressError::Invalid { address: address::printable(address), reason: reason.to_owned() };
            let url = Url::parse(address).map_err(|error| invalid(&error.to_string()))?;
            let path = url.to_file_path().map_err(|()| invalid("it is no absolute path on this machine"))?;
            return Ok(Self::Folder(path));
        }
        let mut url = address::parse(address)?;
        url.set_query(None);
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(Self::Server(url))
    }

    /// Reads a file, at most `limit` bytes; `None` when it is not there. `file` is a checked path.
    pub(super) async fn find(
        &self,
        http: &Http,
        index: &str,
        file: &str,
        limit: usize,
        report: Report<'_>,
    ) -> Result<Option<Vec<u8>>, IndexError> {
        let too_large = || IndexError::TooLarge { index: index.to_owned(), file: file.to_owned(), limit };
        match self {
            Self::Folder(folder) => {
                let path = folder.join(file);
                let opened = match tokio::fs::File::open(&path).await {
                    Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
                    opened => opened.map_err(IndexError::io(&path))?,
                };
                let mut bytes = Vec::new();
                opened.take(limit as u64 + 1).read_to_end(&mut bytes).await.map_err(IndexError::io(&path))?;
                if bytes.len() > limit { Err(too_large()) } else { Ok(Some(bytes)) }
            }
            Self::Server(url) => {
                let failed = |source| IndexError::Fetch { index: index.to_owned(), source };
                let url = url.join(file).map_err(|error| {
                    failed(FetchError::Address(AddressError::Invalid { address: address::printable(file), reason: error.to_string() }))
                })?;
                match http.get(&url, limit, report).await {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(FetchError::Status { status: 404 | 410, .. }) => Ok(None),
                    Err(FetchError::TooLarge { .. }) => Err(too_large()),
                    Err(source) => Err(failed(source)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_in_a_folder_or_on_a_server() {
        assert_eq!(Place::parse("file:///srv/index").unwrap(), Place::Folder("/srv/index".into()));
        for (address, root) in [
            ("https://a.example", "https://a.example/"),
            ("https://a.example/i?x#y", "https://a.example/i/"),
            ("http://127.0.0.1:1/i/", "http://127.0.0.1:1/i/"),
        ] {
            assert_eq!(Place::parse(address).unwrap(), Place::Server(Url::parse(root).unwrap()), "{address}");
        }
        for wrong in ["", "/srv/index", "file://host/srv", "http://a.example/", "ftp://a.example/", "https://me:pw@a.example/"] {
            assert!(Place::parse(wrong).is_err(), "{wrong}");
        }
    }
}
