//! Requests for interfaces, `[capabilities.NAME]` of a manifest: a reason, and what some of them say beside it.

use std::fmt;

use bytesize::ByteSize;
use serde::Deserialize;
use serde::Deserializer;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;
use serde::de::value::MapAccessDeserializer;

use super::definition::is_plain_text;
use super::manifest::Manifest;
use crate::capability::grants::http::Auth;
use crate::capability::grants::http::HttpRequestRight;
use crate::config::capability::StorageQuota;
use crate::config::capability::is_name;
use crate::config::http_rule::HostPattern;
use crate::config::http_rule::HttpScheme;
use crate::config::http_rule::PathPattern;
use crate::config::http_rule::parse_method;

/// What is stored by a plugin that does not say how much.
const QUOTA: ByteSize = ByteSize::mib(1);

/// The most that a plugin can request to store.
const MOST_QUOTA: ByteSize = ByteSize::gib(1);

/// Parts of a request for HTTP.
const HTTP_PARTS: usize = 16;

/// Entries of one list in a part.
const ENTRIES: usize = 32;

/// Headers that cannot carry a secret: the connection's, and those that decide who is asked or how the body is read.
const NO_AUTH_HEADERS: [&str; 8] = ["connection", "content-length", "content-type", "cookie", "host", "te", "transfer-encoding", "upgrade"];

/// A request for one interface.
#[derive(Clone, Debug)]
pub struct Request {
    /// Why, in words for the operator; for `http`, that of its first part.
    pub reason: String,
    /// Bytes to store, for `storage`.
    quota: Option<ByteSize>,
    /// Whether callers share what is stored, for `storage`.
    shared: bool,
    /// The parts, for `http`.
    http: Vec<HttpPart>,
}

/// `[capabilities.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    reason: String,
    #[serde(default)]
    quota: Option<ByteSize>,
    #[serde(default)]
    shared: bool,
}

/// `[[capabilities.http]]`: requests of these kinds to these places.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HttpPart {
    /// Hosts: `api.acme.dev`, or `*.acme.dev` for those below it.
    pub hosts: Vec<String>,
    /// Methods.
    pub methods: Vec<String>,
    /// Paths: `/v1/plans/*`, or `/v1/**` for whatever follows; every path by default.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Ports; that of the scheme by default.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// `https`, which is the default, or `http`.
    #[serde(default)]
    pub schemes: Vec<String>,
    /// The secret that the host puts into these requests.
    #[serde(default)]
    pub auth: Option<String>,
    /// The header that carries it; `authorization` by default.
    #[serde(default)]
    pub auth_header: Option<String>,
    /// What stands before it; `Bearer` by default in `authorization`, else nothing.
    #[serde(default)]
    pub auth_scheme: Option<String>,
    /// Why, in words for the operator.
    pub reason: String,
}

impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RequestVisitor)
    }
}

/// Reads a table, or a list of them for `http`.
struct RequestVisitor;

impl<'de> Visitor<'de> for RequestVisitor {
    type Value = Request;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table with a `reason`, or a list of tables for `http`")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Request, A::Error> {
        let Table { reason, quota, shared } = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Request { reason, quota, shared, http: Vec::new() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Request, A::Error> {
        let mut http: Vec<HttpPart> = Vec::new();
        while let Some(part) = sequence.next_element()? {
            http.push(part);
        }
        let reason = http.first().map(|part| part.reason.clone()).unwrap_or_default();
        Ok(Request { reason, quota: None, shared: false, http })
    }
}

impl Request {
    /// What is wrong with it as a request for `interface`, if anything.
    pub(super) fn problem(&self, interface: &str) -> Option<String> {
        if interface != "storage" && (self.quota.is_some() || self.shared) {
            return Some("`quota` and `shared` are for `storage`".into());
        }
        if interface != "http" && !self.http.is_empty() {
            return Some("a list of tables is for `http`".into());
        }
        if interface == "http" && self.http.is_empty() {
            return Some("write it as `[[capabilities.http]]` with `hosts` and `methods`".into());
        }
        if self.quota.is_some_and(|quota| !(1..=MOST_QUOTA.as_u64()).contains(&quota.as_u64())) {
            return Some(format!("`quota` is from 1 byte to {}", MOST_QUOTA.display().iec()));
        }
        if self.http.len() > HTTP_PARTS {
            return Some(format!("{} parts, and {HTTP_PARTS} are allowed", self.http.len()));
        }
        self.http.iter().find_map(|part| part.right().err())
    }

    /// The parts of a request for `http`.
    pub fn http_parts(&self) -> &[HttpPart] {
        &self.http
    }
}

impl HttpPart {
    /// What it requests.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn right(&self) -> Result<HttpRequestRight, String> {
        if !is_plain_text(&self.reason, 512) {
            return Err("a `reason` is empty, too long, or has invisible or control characters".into());
        }
        if self.hosts.is_empty() || self.methods.is_empty() {
            return Err("`hosts` and `methods` are empty; name them".into());
        }
        let schemes = if self.schemes.is_empty() { vec![HttpScheme::Https] } else { list("schemes", &self.schemes, HttpScheme::parse)? };
        let paths = if self.paths.is_empty() { vec![PathPattern::all()] } else { list("paths", &self.paths, PathPattern::parse)? };
        if self.ports.len() > ENTRIES || self.ports.contains(&0) {
            return Err(format!("`ports` has at most {ENTRIES} ports, and none is 0"));
        }
        Ok(HttpRequestRight {
            schemes,
            hosts: list("hosts", &self.hosts, HostPattern::parse)?,
            ports: self.ports.clone(),
            methods: list("methods", &self.methods, parse_method)?,
            paths,
            auth: self.auth()?,
        })
    }

    fn auth(&self) -> Result<Option<Auth>, String> {
        let Some(secret) = &self.auth else {
            let alone = self.auth_header.is_some() || self.auth_scheme.is_some();
            return if alone { Err("`auth-header` and `auth-scheme` need `auth`, the name of a secret".into()) } else { Ok(None) };
        };
        if !is_name(secret) {
            return Err("`auth` is no name of a secret: lower-case letters, digits, `-` and `_`".into());
        }
        let header = self.auth_header.clone().unwrap_or_else(|| "authorization".into()).to_ascii_lowercase();
        let token = |text: &str| (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !token(&header) || header.starts_with("proxy-") || NO_AUTH_HEADERS.contains(&header.as_str()) {
            return Err(format!("`auth-header` cannot be `{header}`"));
        }
        if self.auth_scheme.as_deref().is_some_and(|scheme| !token(scheme)) {
            return Err("`auth-scheme` is a word, for example `Bearer`".into());
        }
        let scheme = self.auth_scheme.clone().or_else(|| (header == "authorization").then(|| "Bearer".to_owned()));
        Ok(Some(Auth { secret: secret.clone(), header, scheme }))
    }
}

/// What a list of texts stands for.
fn list<T>(key: &str, texts: &[String], parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, String> {
    if texts.len() > ENTRIES {
        return Err(format!("`{key}` has {} entries, and {ENTRIES} are allowed", texts.len()));
    }
    texts.iter().map(|text| parse(text).ok_or_else(|| format!("`{key}` has `{text}`, which it cannot have"))).collect()
}

impl Manifest {
    /// What it requests to store.
    pub fn storage_request(&self) -> Option<StorageQuota> {
        let request = self.capabilities.get("storage")?;
        Some(StorageQuota { bytes: request.quota.unwrap_or(QUOTA).as_u64(), shared: request.shared })
    }

    /// Where it requests to send requests, in its order.
    pub fn http_requests(&self) -> Vec<HttpRequestRight> {
        let parts = self.capabilities.get("http").map(Request::http_parts).unwrap_or_default();
        // A manifest that was parsed has only parts that are right.
        parts.iter().filter_map(|part| part.right().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(capabilities: &str) -> Result<Manifest, String> {
        let text = format!(
            "schema = 1\n[plugin]\nid = \"p\"\nversion = \"0.1.0\"\ntitle = \"P\"\ndescription = \"P.\"\nhost-api = \"^0.1\"\n\
             [component]\nfile = \"p.wasm\"\n{capabilities}"
        );
        Manifest::parse(&text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_said_beside_the_reason_is_read() {
        let manifest = parse("[capabilities.storage]\nreason = \"Keeps.\"\nquota = \"64 KiB\"\nshared = true\n").unwrap();
        assert_eq!(manifest.storage_request(), Some(StorageQuota { bytes: 64 << 10, shared: true }));
        let manifest = parse("[capabilities.storage]\nreason = \"Keeps.\"\n").unwrap();
        assert_eq!(manifest.storage_request(), Some(StorageQuota { bytes: 1 << 20, shared: false }));
        let manifest = parse(
            "[[capabilities.http]]\nhosts = [\"api.acme.dev\"]\nmethods = [\"POST\"]\npaths = [\"/v1/plans/*\"]\nports = [443]\n\
             auth = \"acme-key\"\nreason = \"Plans.\"\n[[capabilities.http]]\nhosts = [\"*.acme.dev\"]\nmethods = [\"GET\"]\n\
             schemes = [\"http\"]\nauth = \"k\"\nauth-header = \"X-Api-Key\"\nreason = \"More.\"\n",
        )
        .unwrap();
        let rights = manifest.http_requests();
        let auth = |name: &str, header: &str, scheme: Option<&str>| {
            Some(Auth { secret: name.into(), header: header.into(), scheme: scheme.map(str::to_owned) })
        };
        assert_eq!(rights[0].auth, auth("acme-key", "authorization", Some("Bearer")));
        assert_eq!(rights[1].auth, auth("k", "x-api-key", None));
        assert_eq!((rights[0].schemes.as_slice(), rights[1].schemes.as_slice()), (&[HttpScheme::Https][..], &[HttpScheme::Http][..]));
    }

    #[test]
    fn what_is_wrong_with_a_request_is_named() {
        let http = |keys: &str| format!("[[capabilities.http]]\nreason = \"R.\"\n{keys}\n");
        for (text, expected) in [
            ("[capabilities.catalog]\nreason = \"R.\"\nquota = \"1 KiB\"\n".to_owned(), "`quota` and `shared` are for `storage`"),
            ("[capabilities.storage]\nreason = \"R.\"\nquota = \"2 GiB\"\n".to_owned(), "`quota` is from"),
            ("[capabilities.storage]\nreason = \"R.\"\nsize = 1\n".to_owned(), "unknown field `size`"),
            ("[capabilities.http]\nreason = \"R.\"\n".to_owned(), "[[capabilities.http]]"),
            ("[[capabilities.catalog]]\nhosts = [\"a.dev\"]\nmethods = [\"GET\"]\nreason = \"R.\"\n".to_owned(), "for `http`"),
            (http("hosts = []\nmethods = [\"GET\"]"), "`hosts` and `methods`"),
            (http("hosts = [\"*\"]\nmethods = [\"GET\"]"), "`hosts` has `*`"),
            (http("hosts = [\"a.dev\"]\nmethods = [\"CONNECT\"]"), "`methods` has `CONNECT`"),
            (http("hosts = [\"a.dev\"]\nmethods = [\"GET\"]\npaths = [\"/a*\"]"), "`paths` has `/a*`"),
            (http("hosts = [\"a.dev\"]\nmethods = [\"GET\"]\nports = [0]"), "`ports`"),
            (http("hosts = [\"a.dev\"]\nmethods = [\"GET\"]\nauth-header = \"x\""), "need `auth`"),
            (http("hosts = [\"a.dev\"]\nmethods = [\"GET\"]\nauth = \"k\"\nauth-header = \"Host\""), "`auth-header`"),
            (http("hosts = [\"a.dev\"]\nmethods = [\"GET\"]\nport = 1"), "unknown field `port`"),
        ] {
            let error = parse(&text).map(|_| ()).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
