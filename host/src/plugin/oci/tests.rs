//! Pushing to and pulling from real registries, and what is done with what a false one says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;

use serde_json::Value as Json;
use serde_json::json;

use super::document::Artifacts;
use super::*;
use crate::plugin::fetch::Patience;
use crate::plugin::fetch::silent;
use crate::plugin::fetch::tests::server::Reply;
use crate::plugin::fetch::tests::server::Server;
use crate::plugin::sample;
use crate::plugin::sample::Sample;

/// User and password of the registry that wants them, as `docker login` writes them: `tide:gate`.
const LOGIN: &str = "dGlkZTpnYXRl";

/// Host and port of a registry that the suite has started.
fn server(variable: &str) -> String {
    let url = std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set; `tests/run` starts Debian's `docker-registry` and sets it"));
    url.trim_start_matches("http://").trim_end_matches('/').to_owned()
}

/// A repository of a test's own.
fn repository(registry: &str, name: &str) -> Reference {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    Reference::parse(&format!("oci://{registry}/test/{name}-{}-{nanos}", std::process::id())).unwrap()
}

fn registries(credentials: DockerConfig) -> Registries {
    Registries::new(Http::new(Patience::default()).unwrap(), credentials)
}

/// A docker configuration with this login for a registry.
fn login(registry: &str, auth: &str) -> (DockerConfig, PathBuf) {
    let folder = std::env::temp_dir().join(format!("tidegate-login-{}-{}", std::process::id(), auth.len()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.json"), json!({ "auths": { registry: { "auth": auth } } }).to_string()).unwrap();
    (DockerConfig::in_folder(&folder), folder)
}

async fn push(registries: &Registries, to: &Reference, files: &PluginFiles, options: PushOptions) -> Result<Pushed, OciError> {
    let (manifest, interfaces) = sample::read(files);
    registries.push(to, (files, &manifest, &interfaces), options, &silent).await
}

#[tokio::test]
async fn what_was_pushed_is_pulled_by_tag_and_by_digest() {
    let registries = registries(DockerConfig::default());
    let repository = repository(&server("TIDEGATE_TEST_REGISTRY"), "round-trip");
    let files = Sample::default().files();
    let pushed = push(&registries, &repository, &files, PushOptions::default()).await.unwrap();
    assert_eq!((pushed.tagged.tag(), pushed.unchanged), (Some("1.0.0"), false));
    for reference in [&pushed.tagged, &pushed.pinned] {
        let pulled = registries.pull(reference, &silent).await.unwrap();
        assert_eq!(pulled.files, files, "{reference}");
        assert_eq!(pulled.pinned, pushed.pinned);
    }
    // The same files are the same artifact.
    let again = push(&registries, &repository, &files, PushOptions::default()).await.unwrap();
    assert_eq!((again.pinned, again.unchanged), (pushed.pinned, true));
}

/// What `wkg` and its libraries check: <https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>.
#[tokio::test]
async fn the_component_is_an_artifact_that_every_tool_of_the_wasm_world_reads() {
    let registry = server("TIDEGATE_TEST_REGISTRY");
    let registries = registries(DockerConfig::default());
    let repository = repository(&registry, "layout");
    let files = Sample::default().files();
    push(&registries, &repository, &files, PushOptions::default()).await.unwrap();
    let http = Http::new(Patience::default()).unwrap();
    let get = async |path: String, accept: &str| {
        let url = url::Url::parse(&format!("http://{registry}/v2/{}/{path}", repository.repository())).unwrap();
        let request = crate::plugin::fetch::Request { headers: vec![("accept", accept.to_owned())], ..Default::default() };
        http.send(&url, request, 64 << 20, &silent).await.unwrap().body
    };
    let manifest: Json =
        serde_json::from_slice(&get("manifests/1.0.0".into(), "application/vnd.oci.image.manifest.v1+json").await).unwrap();
    assert_eq!(manifest["schemaVersion"], 2);
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    let config: Json =
        serde_json::from_slice(&get(format!("blobs/{}", manifest["config"]["digest"].as_str().unwrap()), "*/*").await).unwrap();
    assert_eq!((&config["architecture"], &config["os"]), (&json!("wasm"), &json!("wasip2")));
    assert_eq!(config["layerDigests"], json!([manifest["layers"][0]["digest"]]));
    assert!(config["created"].as_str().unwrap().ends_with('Z'), "{config}");
    let imports = config["component"]["imports"].as_array().unwrap();
    assert!(imports.contains(&json!("tidegate:plugin/catalog@0.1.0")), "{imports:?}");
    assert!(config["component"]["exports"].as_array().unwrap().contains(&json!("tidegate:plugin/tools@0.1.0")));
    let component = get(format!("blobs/{}", manifest["layers"][0]["digest"].as_str().unwrap()), "*/*").await;
    assert_eq!(component, files.component);
}

#[tokio::test]
async fn a_version_that_is_out_stays_what_it_is() {
    let registries = registries(DockerConfig::default());
    let repository = repository(&server("TIDEGATE_TEST_REGISTRY"), "taken");
    let files = Sample::default().files();
    let first = push(&registries, &repository, &files, PushOptions::default()).await.unwrap();
    let other = Sample { description: "Lists other tables.", ..Sample::default() }.files();
    let error = push(&registries, &repository, &other, PushOptions::default()).await.unwrap_err();
    assert!(matches!(&error, OciError::Taken { found, .. } if Some(*found) == first.pinned.digest()), "{error}");
    let replaced = push(&registries, &repository, &other, PushOptions { replace: true }).await.unwrap();
    assert_ne!(replaced.pinned, first.pinned);
    assert_eq!(registries.pull(&first.tagged, &silent).await.unwrap().files, other);
    // By its digest the first is what it was, although both have the same component.
    assert_eq!(registries.pull(&first.pinned, &silent).await.unwrap().files, files);
    let error = push(&registries, &first.pinned, &other, PushOptions::default()).await.unwrap_err();
    assert!(matches!(error, OciError::ToDigest(_)), "{error}");
}

#[tokio::test]
async fn a_plugin_that_is_signed_again_is_pulled_with_its_new_signature() {
    let registries = registries(DockerConfig::default());
    let repository = repository(&server("TIDEGATE_TEST_REGISTRY"), "signed-again");
    let files = Sample::default().files();
    let unsigned = PluginFiles { signature: None, ..files.clone() };
    let pushed = push(&registries, &repository, &unsigned, PushOptions::default()).await.unwrap();
    assert_eq!(registries.pull(&pushed.pinned, &silent).await.unwrap().files, unsigned);
    let signed = push(&registries, &repository, &files, PushOptions::default()).await.unwrap();
    assert_eq!((&signed.pinned, signed.unchanged), (&pushed.pinned, false));
    assert_eq!(registries.pull(&pushed.pinned, &silent).await.unwrap().files, files);
    let again = PluginFiles { signature: Some(b"by another key".to_vec()), ..files };
    push(&registries, &repository, &again, PushOptions::default()).await.unwrap();
    assert_eq!(registries.pull(&pushed.pinned, &silent).await.unwrap().files, again);
}

#[tokio::test]
async fn versions_are_listed_the_highest_first() {
    let registries = registries(DockerConfig::default());
    let repository = repository(&server("TIDEGATE_TEST_REGISTRY"), "versions");
    assert!(matches!(registries.versions(&repository).await, Err(OciError::NotFound(_))));
    for version in ["1.0.0", "1.10.0", "1.9.0"] {
        push(&registries, &repository, &Sample { version, ..Sample::default() }.files(), PushOptions::default()).await.unwrap();
    }
    push(&registries, &repository.at_tag("latest").unwrap(), &Sample::default().files(), PushOptions::default()).await.unwrap();
    let versions: Vec<String> = registries.versions(&repository).await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(versions, ["1.10.0", "1.9.0", "1.0.0"]);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let registries = registries(DockerConfig::default());
    let repository = repository(&server("TIDEGATE_TEST_REGISTRY"), "missing");
    push(&registries, &repository, &Sample::default().files(), PushOptions::default()).await.unwrap();
    for reference in [repository.at_tag("2.0.0").unwrap(), repository.at_digest(Digest::of(b"nothing"))] {
        let error = registries.pull(&reference, &silent).await.unwrap_err();
        assert!(matches!(error, OciError::NotFound(_)), "{reference}: {error}");
    }
}

#[tokio::test]
async fn a_registry_that_wants_a_login_gets_the_one_of_the_docker_configuration() {
    let registry = server("TIDEGATE_TEST_REGISTRY_LOGIN");
    let repository = repository(&registry, "login");
    let files = Sample::default().files();
    let stranger = registries(DockerConfig::default());
    let error = push(&stranger, &repository, &files, PushOptions::default()).await.unwrap_err().to_string();
    assert!(error.contains("an account that is not known write") && error.contains(&format!("docker login {registry}")), "{error}");

    let (known, folder) = login(&registry, LOGIN);
    let known = registries(known);
    let pushed = push(&known, &repository, &files, PushOptions::default()).await.unwrap();
    assert_eq!(known.pull(&pushed.pinned, &silent).await.unwrap().files, files);
    assert!(matches!(stranger.pull(&pushed.pinned, &silent).await, Err(OciError::Denied { .. })));

    let (wrong, other_folder) = login(&registry, "dGlkZTpnYXRlMg==");
    let error = registries(wrong).pull(&pushed.pinned, &silent).await.unwrap_err().to_string();
    assert!(error.contains("this account read") && !error.contains("gate2"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
    std::fs::remove_dir_all(other_folder).unwrap();
}

/// What a registry without the list of referrers serves for `files`, by path.
fn paths(files: &PluginFiles) -> (BTreeMap<String, Vec<u8>>, Artifacts) {
    let (manifest, interfaces) = sample::read(files);
    let artifacts = Artifacts::of(files, &manifest, &interfaces);
    let mut paths = BTreeMap::new();
    for blob in &artifacts.blobs {
        paths.insert(format!("/v2/a/blobs/{}", blob.digest), blob.bytes.clone());
    }
    for target in ["1.0.0".to_owned(), artifacts.component.digest.to_string()] {
        paths.insert(format!("/v2/a/manifests/{target}"), artifacts.component.bytes.clone());
    }
    paths.insert(format!("/v2/a/manifests/{}", artifacts.package.digest), artifacts.package.bytes.clone());
    let list = json!({ "schemaVersion": 2, "manifests": [artifacts.package.descriptor] });
    paths.insert(format!("/v2/a/manifests/sha256-{}", artifacts.component.digest.hex()), list.to_string().into_bytes());
    (paths, artifacts)
}

/// A registry that serves these paths and nothing else.
async fn false_registry(paths: BTreeMap<String, Vec<u8>>) -> (Server, Reference) {
    let server =
        Server::plain(move |path| paths.get(path).map_or(Reply::Body(404, Vec::new()), |body| Reply::Body(200, body.clone()))).await;
    let reference = Reference::parse(&format!("oci://127.0.0.1:{}/a:1.0.0", server.url("/").port().unwrap())).unwrap();
    (server, reference)
}

#[tokio::test]
async fn what_is_not_what_its_digest_says_is_refused() {
    let files = Sample::default().files();
    let (paths, artifacts) = paths(&files);
    let registries = registries(DockerConfig::default());
    let (_server, reference) = false_registry(paths.clone()).await;
    assert_eq!(registries.pull(&reference, &silent).await.unwrap().files, files);

    let pinned = |reference: &Reference| reference.at_digest(artifacts.component.digest);
    // Everything that a pull by digest reads, each with one bit changed.
    let read: Vec<String> = paths.keys().filter(|path| !path.ends_with("1.0.0") && !path.contains("manifests/sha256-")).cloned().collect();
    assert_eq!(read.len(), 7, "{read:?}");
    let mut refused = 0;
    for path in read {
        let mut tampered = paths.clone();
        let body = tampered.get_mut(&path).unwrap();
        let middle = body.len() / 2;
        body[middle] ^= 1;
        let (_server, reference) = false_registry(tampered).await;
        match registries.pull(&pinned(&reference), &silent).await {
            Err(OciError::WrongDigest { .. }) => refused += 1,
            // The two configs are not read.
            Ok(pulled) => assert_eq!(pulled.files, files),
            Err(error) => panic!("{path}: {error}"),
        }
    }
    assert_eq!(refused, 5);
}

#[tokio::test]
async fn a_registry_that_talks_nonsense_is_an_error_that_says_so() {
    let (good, artifacts) = paths(&Sample::default().files());
    let registries = registries(DockerConfig::default());
    let manifest: Json = serde_json::from_slice(&artifacts.component.bytes).unwrap();
    let changed = |change: &dyn Fn(&mut Json)| {
        let mut manifest = manifest.clone();
        change(&mut manifest);
        manifest.to_string().into_bytes()
    };
    let cases = [
        (b"not json".to_vec(), "a manifest in the registry makes no sense"),
        (changed(&|manifest| manifest["config"]["mediaType"] = json!("application/vnd.docker.container.image.v1+json")), "its config is"),
        (changed(&|manifest| manifest["layers"] = json!([])), "it has 0 layers"),
        (changed(&|manifest| manifest["layers"][0]["mediaType"] = json!("application/gzip")), "its layer is `application/gzip`"),
        (changed(&|manifest| manifest["layers"][0]["size"] = json!(1_u64 << 40)), "at most 33554432 are taken"),
        (changed(&|manifest| manifest["layers"][0]["digest"] = json!("sha512:00")), "no SHA-256 digest"),
        (changed(&|manifest| manifest["annotations"] = json!({})), "without a `plugin.toml`"),
        (changed(&|manifest| manifest["annotations"][MANIFEST_ANNOTATION] = json!("sha256:..")), "is no digest"),
        // Another manifest, and so another subject, to which nothing refers.
        (changed(&|manifest| manifest["annotations"]["x"] = json!("y")), "not its `plugin.toml`"),
    ];
    for (body, expected) in cases {
        let mut paths = good.clone();
        paths.insert("/v2/a/manifests/1.0.0".into(), body);
        let (_server, reference) = false_registry(paths).await;
        let error = registries.pull(&reference, &silent).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let server = Server::plain(|_| {
        Reply::Body(503, json!({ "errors": [{ "code": "UNAVAILABLE", "message": "tired\u{1b}[31m" }] }).to_string().into_bytes())
    })
    .await;
    let reference = Reference::parse(&format!("oci://127.0.0.1:{}/a", server.url("/").port().unwrap())).unwrap();
    let error = registries.pull(&reference, &silent).await.unwrap_err().to_string();
    assert!(error.contains("status 503: UNAVAILABLE: tired?[31m"), "{error}");
}

#[tokio::test]
async fn a_token_is_fetched_where_the_registry_says_and_shown_to_nobody_else() {
    let files = Sample::default().files();
    let (paths, artifacts) = paths(&files);
    let component = format!("/v2/a/blobs/{}", artifacts.blobs[0].digest);
    let elsewhere_path = component.clone();
    let elsewhere_body = files.component.clone();
    let elsewhere =
        Server::plain(
            move |path| if path == elsewhere_path { Reply::Body(200, elsewhere_body.clone()) } else { Reply::Body(404, Vec::new()) },
        )
        .await;
    let storage = elsewhere.url(&component).to_string();
    let place: Arc<Mutex<String>> = Arc::default();
    let realm = place.clone();
    let server = Server::scripted(move |asked| {
        let path = asked.path();
        if path.starts_with("/token") {
            let known = asked.headers.contains("authorization: basic dglkztpnyxrl");
            let scoped = path == "/token?service=here&scope=repository%3Aa%3Apull";
            return if known && scoped { Reply::Body(200, br#"{"token": "t0ken"}"#.to_vec()) } else { Reply::Body(401, Vec::new()) };
        }
        if !asked.headers.contains("authorization: bearer t0ken") {
            let challenge = format!("Bearer realm=\"{}\",service=\"here\"", realm.lock().unwrap());
            return Reply::With(401, vec![("www-authenticate", challenge)], Vec::new());
        }
        if path == component {
            return Reply::To(storage.clone());
        }
        paths.get(path).map_or(Reply::Body(404, Vec::new()), |body| Reply::Body(200, body.clone()))
    })
    .await;
    *place.lock().unwrap() = server.url("/token").to_string();
    let registry = format!("127.0.0.1:{}", server.url("/").port().unwrap());
    let reference = Reference::parse(&format!("oci://{registry}/a:1.0.0")).unwrap();
    let (known, folder) = login(&registry, LOGIN);
    assert_eq!(registries(known.clone()).pull(&reference, &silent).await.unwrap().files, files);
    let there = elsewhere.asked();
    assert!(there.len() == 1 && !there[0].headers.contains("authorization"), "{there:?}");

    let error = registries(DockerConfig::default()).pull(&reference, &silent).await.unwrap_err();
    assert!(matches!(error, OciError::Denied { .. }), "{error}");
    // A realm to which a password would go in the clear.
    *place.lock().unwrap() = "http://tokens.example/token".into();
    let error = registries(known).pull(&reference, &silent).await.unwrap_err().to_string();
    assert!(error.contains("plain `http:`"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}
