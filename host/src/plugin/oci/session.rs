//! Requests on one repository: shows who asks when it is asked for, and takes nothing that is not what its digest says.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;
use url::form_urlencoded;

use super::OciError;
use super::Registries;
use super::challenge::Challenge;
use super::credentials::Credentials;
use super::document::Blob;
use super::document::IMAGE_INDEX;
use super::document::IMAGE_MANIFEST;
use super::reference::Reference;
use crate::plugin::digest::Digest;
use crate::plugin::fetch::Answer;
use crate::plugin::fetch::FetchError;
use crate::plugin::fetch::Method;
use crate::plugin::fetch::Report;
use crate::plugin::fetch::Request;
use crate::plugin::fetch::address;
use crate::plugin::fetch::silent;

/// Bytes of a manifest or a list of them; the specification asks registries to take 4 MiB.
const DOCUMENT_BYTES: usize = 4 << 20;

/// Bytes of an error or a token.
const ANSWER_BYTES: usize = 64 << 10;

/// Characters of what a registry says about an error that are shown.
const DETAIL: usize = 200;

/// What one wants to do on a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    Pull,
    Push,
}

/// A conversation with a registry about one repository.
pub(super) struct Session<'a> {
    registries: &'a Registries,
    reference: &'a Reference,
    root: Url,
    right: Right,
    /// The value of the header `Authorization`, once the registry wanted one.
    authorization: Mutex<Option<String>>,
}

/// An answer of a token service.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<ErrorEntry>,
}

#[derive(Deserialize)]
struct ErrorEntry {
    code: String,
    #[serde(default)]
    message: String,
}

impl<'a> Session<'a> {
    pub(super) fn new(registries: &'a Registries, reference: &'a Reference, right: Right) -> Self {
        Self { registries, reference, root: reference.root(), right, authorization: Mutex::new(None) }
    }

    /// A manifest by digest or tag with its digest; `None` when there is none.
    pub(super) async fn find_manifest(&self, target: &str) -> Result<Option<(Digest, Vec<u8>)>, OciError> {
        let url = self.url(&["manifests", target]);
        let accept = ("accept", format!("{IMAGE_MANIFEST}, {IMAGE_INDEX}"));
        let request = || Request { headers: vec![accept.clone()], ..Request::default() };
        let answer = self.send(&url, request, DOCUMENT_BYTES, &silent).await?;
        match answer.status {
            200 => {
                let digest = Digest::of(&answer.body);
                match Digest::parse(target).filter(|_| target.starts_with("sha256:")) {
                    Some(expected) if expected != digest => Err(OciError::WrongDigest { expected, found: digest }),
                    _ => Ok(Some((digest, answer.body))),
                }
            }
            404 => Ok(None),
            _ => Err(self.unexpected("a request for a manifest", &answer)),
        }
    }

    /// A blob, at most `limit` bytes of it.
    pub(super) async fn blob(&self, digest: Digest, limit: usize, report: Report<'_>) -> Result<Vec<u8>, OciError> {
        let url = self.url(&["blobs", &digest.to_string()]);
        let answer = self.send(&url, Request::default, limit, report).await?;
        match answer.status {
            200 => {
                let found = Digest::of(&answer.body);
                if found == digest { Ok(answer.body) } else { Err(OciError::WrongDigest { expected: digest, found }) }
            }
            404 => Err(OciError::NotFound(format!("{digest} of {}", self.reference))),
            _ => Err(self.unexpected("a request for a blob", &answer)),
        }
    }

    /// The list of artifacts that refer to this one, if the registry keeps one.
    pub(super) async fn find_referrers(&self, subject: Digest) -> Result<Option<Vec<u8>>, OciError> {
        let url = self.url(&["referrers", &subject.to_string()]);
        let request = || Request { headers: vec![("accept", IMAGE_INDEX.to_owned())], ..Request::default() };
        let answer = self.send(&url, request, DOCUMENT_BYTES, &silent).await?;
        match answer.status {
            // Registries that do not know the path have been seen to answer with a page for people.
            200 if answer.header("content-type").is_some_and(|kind| kind.starts_with(IMAGE_INDEX)) => Ok(Some(answer.body)),
            200 | 404 | 405 => Ok(None),
            _ => Err(self.unexpected("a request for referrers", &answer)),
        }
    }

    /// Pushes a blob that is not there yet; whether it was not.
    pub(super) async fn push_blob(&self, blob: &Blob) -> Result<bool, OciError> {
        let url = self.url(&["blobs", &blob.digest.to_string()]);
        let request = || Request { method: Method::Head, ..Request::default() };
        let answer = self.send(&url, request, ANSWER_BYTES, &silent).await?;
        match answer.status {
            200 => return Ok(false),
            404 => {}
            _ => return Err(self.unexpected("a question for a blob", &answer)),
        }
        let url = self.url(&["blobs", "uploads", ""]);
        let request = || Request { method: Method::Post, ..Request::default() };
        let answer = self.send(&url, request, ANSWER_BYTES, &silent).await?;
        let location = match (answer.status, answer.header("location")) {
            (202, Some(location)) => url.join(location).ok(),
            (202, None) => None,
            _ => return Err(self.unexpected("the begin of an upload", &answer)),
        };
        let mut location = location.ok_or_else(|| OciError::Document { what: "the place for an upload", reason: "it is no URL".into() })?;
        location.query_pairs_mut().append_pair("digest", &blob.digest.to_string());
        let request = || Request {
            method: Method::Put,
            headers: vec![("content-type", "application/octet-stream".to_owned())],
            body: blob.bytes.clone(),
        };
        let answer = self.send(&location, request, ANSWER_BYTES, &silent).await?;
        if answer.status == 201 { Ok(true) } else { Err(self.unexpected("an upload", &answer)) }
    }

    /// Pushes a manifest under its digest or a tag. Whether the registry put it into the list of its subject's referrers.
    pub(super) async fn push_manifest(&self, target: &str, media_type: &str, bytes: &[u8]) -> Result<bool, OciError> {
        let url = self.url(&["manifests", target]);
        let request = || Request { method: Method::Put, headers: vec![("content-type", media_type.to_owned())], body: bytes.to_vec() };
        let answer = self.send(&url, request, ANSWER_BYTES, &silent).await?;
        match answer.status {
            201 => Ok(answer.header("oci-subject").is_some()),
            _ => Err(self.unexpected("a manifest", &answer)),
        }
    }

    /// The tags of the repository, as many as the registry names at once.
    pub(super) async fn tags(&self) -> Result<Vec<u8>, OciError> {
        let mut url = self.url(&["tags", "list"]);
        url.set_query(Some("n=1000"));
        let answer = self.send(&url, Request::default, DOCUMENT_BYTES, &silent).await?;
        match answer.status {
            200 => Ok(answer.body),
            404 => Err(OciError::NotFound(self.reference.to_string())),
            _ => Err(self.unexpected("a request for tags", &answer)),
        }
    }

    /// An address below the repository.
    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.root.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().push("v2").extend(self.reference.repository().split('/')).extend(path);
        }
        url
    }

    /// Sends a request, and once more when the registry wants to know who asks.
    async fn send(&self, url: &Url, request: impl Fn() -> Request, limit: usize, report: Report<'_>) -> Result<Answer, OciError> {
        let http = &self.registries.http;
        // What is stored elsewhere is fetched and written there without a word about who asks here.
        let own = (url.scheme(), url.host_str(), url.port_or_known_default())
            == (self.root.scheme(), self.root.host_str(), self.root.port_or_known_default());
        let with = |authorization: Option<&String>| {
            let mut request = request();
            if let Some(authorization) = authorization.filter(|_| own) {
                request.headers.push(("authorization", authorization.clone()));
            }
            request
        };
        let known = self.authorization.lock().await.clone();
        let answer = http.send(url, with(known.as_ref()), limit, report).await?;
        if answer.status != 401 || !own {
            return self.allowed(answer, known.is_some());
        }
        let challenge = Challenge::choose(answer.headers("www-authenticate"));
        let Some(authorization) = self.authorize(challenge).await?.filter(|new| known.as_ref() != Some(new)) else {
            return self.allowed(answer, known.is_some());
        };
        let answer = http.send(url, with(Some(&authorization)), limit, report).await?;
        *self.authorization.lock().await = Some(authorization);
        self.allowed(answer, true)
    }

    fn allowed(&self, answer: Answer, known: bool) -> Result<Answer, OciError> {
        if matches!(answer.status, 401 | 403) { Err(self.denied(known)) } else { Ok(answer) }
    }

    fn denied(&self, known: bool) -> OciError {
        OciError::Denied {
            registry: self.reference.registry().to_owned(),
            who: if known { "this account" } else { "an account that is not known" },
            what: if self.right == Right::Pull { "read" } else { "write" },
            repository: self.reference.repository().to_owned(),
        }
    }

    /// What a challenge is answered with; `None` when there is nothing to answer it with.
    async fn authorize(&self, challenge: Option<Challenge>) -> Result<Option<String>, OciError> {
        let credentials = self.registries.credentials.find(self.reference.registry()).await?;
        match (challenge, credentials) {
            (Some(Challenge::Basic), Some(Credentials::Password { user, password })) => Ok(Some(basic(&user, password.reveal()))),
            (Some(Challenge::Bearer { realm, service }), credentials) => {
                self.token(&realm, service.as_deref(), credentials).await.map(|token| Some(format!("Bearer {token}")))
            }
            _ => Ok(None),
        }
    }

    /// A token from the service that the registry named.
    async fn token(&self, realm: &str, service: Option<&str>, credentials: Option<Credentials>) -> Result<String, OciError> {
        let document = |reason: &str| OciError::Document { what: "the answer of the token service", reason: reason.to_owned() };
        // Only https, or this machine: a password goes there.
        let mut url = address::parse(realm).map_err(FetchError::from)?;
        let actions = if self.right == Right::Pull { "pull" } else { "pull,push" };
        let scope = format!("repository:{}:{actions}", self.reference.repository());
        let request = match credentials {
            Some(Credentials::Identity(token)) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.append_pair("grant_type", "refresh_token")
                    .append_pair("refresh_token", token.reveal())
                    .append_pair("client_id", "tidegate");
                form.append_pair("scope", &scope).append_pair("service", service.unwrap_or_default());
                let headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
                Request { method: Method::Post, headers, body: form.finish().into_bytes() }
            }
            credentials => {
                let mut query = url.query_pairs_mut();
                if let Some(service) = service {
                    query.append_pair("service", service);
                }
                query.append_pair("scope", &scope);
                drop(query);
                let headers = match &credentials {
                    Some(Credentials::Password { user, password }) => vec![("authorization", basic(user, password.reveal()))],
                    _ => Vec::new(),
                };
                Request { headers, ..Request::default() }
            }
        };
        let answer = self.registries.http.send(&url, request, ANSWER_BYTES, &silent).await?;
        match answer.status {
            200 => {}
            400 | 401 | 403 => return Err(self.denied(true)),
            _ => return Err(self.unexpected("a request for a token", &answer)),
        }
        let token: Token = serde_json::from_slice(&answer.body).map_err(|_| document("it is not JSON with a token"))?;
        let token = token.token.or(token.access_token).ok_or_else(|| document("it has no token"))?;
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(document("its token has characters that no token has"));
        }
        Ok(token)
    }

    /// An answer that the specification does not have in this place.
    fn unexpected(&self, action: &'static str, answer: &Answer) -> OciError {
        let errors: Option<Errors> = serde_json::from_slice(&answer.body).ok();
        let first = errors.and_then(|errors| errors.errors.into_iter().next());
        let detail = first.map(|first| {
            let text: String = format!("{}: {}", first.code, first.message).chars().take(DETAIL).collect();
            address::printable(&text)
        });
        OciError::Status { registry: self.reference.registry().to_owned(), action, status: answer.status, detail }
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}
