//! Fetching from servers that do as they should, and from those that do not.

pub(crate) mod server;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use super::package;
use super::*;
use crate::plugin::files::MANIFEST_BYTES;
use crate::runtime::engine::COMPONENT_BYTES;
use server::Reply;
use server::Server;
use server::authority;

const MANIFEST: &str = r#"
schema = 1
[plugin]
id = "count"
version = "1.0.0"
title = "Count"
description = "Counts."
host-api = "^0.1"
[component]
file = "count.wasm"
"#;

/// A client that trusts the test servers.
pub(crate) fn client() -> Http {
    Http::with_authorities(Patience::default(), &[authority()]).unwrap()
}

/// A client that waits for nothing. Servers of these tests that answer at all are as quick, or the test fails.
fn impatient() -> Http {
    let moment = Duration::from_millis(300);
    Http::with_authorities(Patience { idle: moment, ..Patience::default() }, &[authority()]).unwrap()
}

/// Serves files by their paths; what is not among them is not there.
fn files(files: &[(&str, Reply)]) -> impl Fn(&str) -> Reply + Send + Sync + 'static {
    let files: BTreeMap<String, Reply> = files.iter().map(|(path, reply)| ((*path).to_owned(), reply.clone())).collect();
    move |path| files.get(path).cloned().unwrap_or(Reply::Body(404, Vec::new()))
}

fn body(bytes: impl AsRef<[u8]>) -> Reply {
    Reply::Body(200, bytes.as_ref().to_vec())
}

#[tokio::test]
async fn a_plugin_is_fetched_over_https_with_what_lies_beside_its_manifest() {
    let server = Server::tls(files(&[
        ("/a/plugin.toml?v=1", body(MANIFEST)),
        ("/a/plugin.toml.minisig", body("signature")),
        ("/a/count.wasm", body(vec![7; 200_000])),
    ]))
    .await;
    let steps = Mutex::new(Vec::new());
    let report = |step: Step<'_>| steps.lock().unwrap().push((step.file.to_owned(), step.done_bytes, step.total_bytes));
    let fetched = package::fetch(&client(), server.url("/a/plugin.toml?v=1").as_str(), &report).await.unwrap();
    assert_eq!(fetched.manifest, MANIFEST.as_bytes());
    assert_eq!(fetched.signature.as_deref(), Some(&b"signature"[..]));
    assert_eq!(fetched.component, vec![7; 200_000]);
    let steps = steps.into_inner().unwrap();
    assert_eq!(steps.last(), Some(&("count.wasm".to_owned(), 200_000, Some(200_000))), "{steps:?}");
    assert!(steps.iter().any(|(file, done, _)| file == "count.wasm" && *done < 200_000), "{steps:?}");
}

#[tokio::test]
async fn a_signature_may_be_missing_and_a_component_may_not() {
    let server = Server::plain(files(&[
        ("/a/plugin.toml", body(MANIFEST)),
        ("/a/count.wasm", body("wasm")),
        ("/b/plugin.toml", body(MANIFEST)),
        ("/c/plugin.toml", body(MANIFEST)),
        ("/c/plugin.toml.minisig", Reply::Body(500, Vec::new())),
        ("/c/count.wasm", body("wasm")),
    ]))
    .await;
    let fetch = async |path| package::fetch(&client(), server.url(path).as_str(), &silent).await;
    assert_eq!(fetch("/a/plugin.toml").await.unwrap().signature, None);
    let error = fetch("/b/plugin.toml").await.unwrap_err().to_string();
    assert!(error.contains("/b/count.wasm` is answered with status 404"), "{error}");
    // A server in trouble is no unsigned plugin.
    let error = fetch("/c/plugin.toml").await.unwrap_err().to_string();
    assert!(error.contains("plugin.toml.minisig` is answered with status 500"), "{error}");
}

#[tokio::test]
async fn a_manifest_that_points_elsewhere_is_refused() {
    for file in ["../count.wasm", "/etc/passwd", "https://evil.example/count.wasm", "a\\\\b.wasm", "%2e%2e", ".."] {
        let manifest = MANIFEST.replace("count.wasm", file);
        let server = Server::plain(move |_| body(&manifest)).await;
        let error = package::fetch(&client(), server.url("/plugin.toml").as_str(), &silent).await.unwrap_err();
        assert!(error.to_string().contains("`component.file`"), "{file}: {error}");
        assert_eq!(server.asked().len(), 1, "{file}: {:?}", server.asked());
    }
    let error = package::fetch(&client(), "https://plugins.example/count.wasm", &silent).await.unwrap_err();
    assert!(error.to_string().contains("does not end in `/plugin.toml`"), "{error}");
}

#[tokio::test]
async fn what_is_too_large_is_refused_whether_it_says_so_or_not() {
    let large = vec![b'#'; MANIFEST_BYTES + 1];
    let endless = vec![0; COMPONENT_BYTES + 1];
    let server = Server::plain(files(&[
        ("/said/plugin.toml", body(&large)),
        ("/unsaid/plugin.toml", Reply::Unmeasured(large)),
        ("/component/plugin.toml", body(MANIFEST)),
        ("/component/count.wasm", Reply::Unmeasured(endless)),
    ]))
    .await;
    for (path, limit) in [("/said", MANIFEST_BYTES), ("/unsaid", MANIFEST_BYTES), ("/component", COMPONENT_BYTES)] {
        let error = package::fetch(&client(), server.url(&format!("{path}/plugin.toml")).as_str(), &silent).await.unwrap_err();
        assert!(error.to_string().contains(&format!("more than {limit} bytes")), "{path}: {error}");
    }
}

#[tokio::test]
async fn redirects_are_followed_five_times_and_not_out_of_reach() {
    let there = Server::plain(files(&[("/f", body("there"))])).await;
    let to_there = there.url("/f").to_string();
    let hops = move |path: &str| match path {
        "/loop" => Reply::To("/loop".into()),
        "/5" | "/4" | "/3" | "/2" | "/6" => Reply::To(format!("/{}", path[1..].parse::<u32>().unwrap() - 1)),
        "/1" => Reply::To(to_there.clone()),
        "/plain" => Reply::To("http://plugins.example/f".into()),
        "/file" => Reply::To("file:///etc/passwd".into()),
        "/login" => Reply::To("http://me:secret@127.0.0.1/f".into()),
        "/away" => Reply::To("https://plugins.example/f".into()),
        _ => Reply::Body(404, Vec::new()),
    };
    let server = Server::plain(hops).await;
    let get = async |path| client().get(&server.url(path), 100, &silent).await;
    assert_eq!(get("/5").await.unwrap(), b"there");
    assert!(matches!(get("/6").await, Err(FetchError::Redirects { .. })));
    assert!(matches!(get("/loop").await, Err(FetchError::Redirects { .. })));
    // What is no http at all is not even taken for a redirect.
    assert!(matches!(get("/file").await, Err(FetchError::Status { status: 307, .. })));
    for path in ["/plain", "/login", "/away"] {
        let error = get(path).await.unwrap_err();
        assert!(matches!(error, FetchError::Redirect { .. }), "{path}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_from_https_to_plain_http_is_not_followed() {
    let plain = Server::plain(|_| body("in the clear")).await;
    let to = plain.url("/f").to_string();
    let server = Server::tls(move |_| Reply::To(to.clone())).await;
    let error = client().get(&server.url("/f"), 100, &silent).await.unwrap_err();
    assert!(matches!(error, FetchError::Redirect { .. }), "{error}");
    assert!(plain.asked().is_empty());
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_believed() {
    let server = Server::tls(|_| body("mine")).await;
    let stranger = Http::new(Patience::default()).unwrap();
    let error = stranger.get(&server.url("/f"), 100, &silent).await.unwrap_err();
    assert!(matches!(error, FetchError::Connect { .. }), "{error}");
    assert!(server.asked().is_empty());
    assert_eq!(client().get(&server.url("/f"), 100, &silent).await.unwrap(), b"mine");
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle_is_not_waited_for() {
    let server = Server::plain(files(&[("/stalls", Reply::Stalls(vec![1; 10])), ("/ends", Reply::BreaksOff(vec![1; 10]))])).await;
    let error = impatient().get(&server.url("/stalls"), 10_000, &silent).await.unwrap_err();
    assert!(matches!(error, FetchError::Timeout { .. }), "{error}");
    let error = client().get(&server.url("/ends"), 10_000, &silent).await.unwrap_err();
    assert!(matches!(error, FetchError::Broken { .. }), "{error}");
    let brief = Patience { total: Duration::from_millis(300), ..Patience::default() };
    let error = Http::new(brief).unwrap().get(&server.url("/stalls"), 10_000, &silent).await.unwrap_err();
    assert!(error.to_string().contains("longer than 300ms"), "{error}");
}

#[tokio::test]
async fn nobody_at_the_address_is_an_error_that_names_the_host() {
    // The port of `discard`, which nobody serves; one that was free a moment ago may be another test's by now.
    let url = Url::parse("http://127.0.0.1:9/plugin.toml").unwrap();
    let error = client().get(&url, 100, &silent).await.unwrap_err();
    assert!(matches!(&error, FetchError::Connect { host, .. } if host == "127.0.0.1"), "{error}");
}
