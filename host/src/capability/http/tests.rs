//! The gate with names: a resolver that a test makes up, and a real server on this machine.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use http::Request;
use http_body_util::BodyExt;
use http_body_util::Empty;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::WasiBody;

use super::HttpClient;
use super::Resolve;
use super::Resolving;
use crate::call::CallId;
use crate::capability::Guest;
use crate::capability::GuestLimits;
use crate::capability::grants::Grants;
use crate::capability::grants::LiveGrants;
use crate::capability::grants::http::Auth;
use crate::capability::grants::http::HttpRequestRight;
use crate::capability::grants::http::HttpRights;
use crate::config::Secret;
use crate::config::capability::HttpGrant;
use crate::config::http_rule::HostPattern;
use crate::config::http_rule::HttpRule;
use crate::config::http_rule::HttpScheme;
use crate::config::http_rule::PathPattern;

/// Answers with one list of addresses after another, and counts.
#[derive(Default)]
struct Scripted {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    fn new(answers: &[&str]) -> Arc<Self> {
        let parse = |text: &&str| text.split_whitespace().map(|address| address.parse().unwrap()).collect();
        let mut answers: Vec<Vec<IpAddr>> = answers.iter().map(parse).collect();
        answers.reverse();
        Arc::new(Self { answers: Mutex::new(answers), asked: Mutex::default() })
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Resolve for Scripted {
    fn resolve(&self, host: String) -> Resolving {
        self.asked.lock().unwrap().push(host);
        let answer = self.answers.lock().unwrap().pop();
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("no such name")) })
    }
}

/// A guest that may reach this host, in the clear, at a public address; and at a private one where `private` says so.
fn guest(host: &str, port: u16, private: bool) -> Guest {
    let request = HttpRequestRight {
        schemes: vec![HttpScheme::Http, HttpScheme::Https],
        hosts: vec![HostPattern::parse(host).unwrap()],
        ports: vec![port],
        methods: vec!["GET".into()],
        paths: vec![PathPattern::all()],
        auth: None,
    };
    let rules = ["http", "https"].map(|scheme| HttpRule::parse(&format!("GET {scheme}://{host}:{port}")).unwrap()).to_vec();
    let granted = match private {
        true => HttpGrant { allow: Vec::new(), private: rules },
        false => HttpGrant { allow: rules, private: Vec::new() },
    };
    let http = HttpRights { requested: vec![request], granted };
    Guest {
        id: "fetches".into(),
        grants: LiveGrants::new(Grants { http, ..Grants::default() }),
        settings: BTreeMap::new(),
        secrets: BTreeMap::new(),
        limits: GuestLimits::default(),
    }
}

async fn send(client: &HttpClient, guest: &Guest, url: &str) -> Result<String, Error> {
    let body: WasiBody = Empty::new().map_err(|_| Error::InternalError(None)).boxed_unsync();
    let request = Request::get(url).body(body).map_err(|_| Error::HttpRequestUriInvalid)?;
    let until = Instant::now() + Duration::from_secs(20);
    let (response, rest) = client.send(guest, CallId::random(), request, None, until).await?;
    let (body, _) = tokio::join!(response.into_body().collect(), Box::into_pin(rest));
    Ok(String::from_utf8(body?.to_bytes().to_vec()).unwrap())
}

/// A server that answers every connection with the head that it was sent.
async fn server() -> (u16, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            let answer = [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", head.len()).into_bytes(), head].concat();
            let _ = stream.write_all(&answer).await;
        }
    });
    (port, task)
}

#[tokio::test]
async fn a_name_is_resolved_once_and_connected_to_as_it_was_looked_at() {
    let (port, task) = server().await;
    // A name that changes its mind: were it asked again, the second answer would count.
    let resolver = Scripted::new(&["127.0.0.1", "169.254.169.254"]);
    let client = HttpClient::new(resolver.clone());
    let head = send(&client, &guest("api.acme.dev", port, true), &format!("http://API.acme.dev.:{port}/a/../b")).await.unwrap();
    assert!(head.starts_with("GET /b HTTP/1.1\r\n") && head.contains(&format!("host: api.acme.dev:{port}\r\n")), "{head}");
    assert_eq!(*resolver.asked.lock().unwrap(), ["api.acme.dev"]);
    task.abort();
}

#[tokio::test]
async fn a_name_that_leads_to_a_forbidden_address_is_refused_before_anything_is_sent() {
    let (port, task) = server().await;
    for (addresses, private) in [
        ("127.0.0.1", false),
        ("10.0.0.1", false),
        ("::1", false),
        ("::ffff:127.0.0.1", true),
        ("64:ff9b::7f00:1", true),
        ("2002:7f00:1::", true),
        ("169.254.169.254", true),
        ("fd00:ec2::254", true),
        ("0.0.0.0", true),
        ("224.0.0.1", true),
        // One good and one bad address: whoever answers so wants the bad one to be tried.
        ("1.1.1.1 127.0.0.1", false),
        ("127.0.0.1 169.254.169.254", true),
    ] {
        let client = HttpClient::new(Scripted::new(&[addresses]));
        let sent = send(&client, &guest("api.acme.dev", port, private), &format!("http://api.acme.dev:{port}/")).await;
        assert!(matches!(sent, Err(Error::DestinationIpProhibited)), "{addresses}: {sent:?}");
    }
    task.abort();
}

#[tokio::test]
async fn each_request_is_looked_at_anew() {
    let (port, task) = server().await;
    let resolver = Scripted::new(&["127.0.0.1", "169.254.169.254"]);
    let client = HttpClient::new(resolver.clone());
    let guest = guest("api.acme.dev", port, true);
    let url = format!("http://api.acme.dev:{port}/");
    send(&client, &guest, &url).await.unwrap();
    assert!(matches!(send(&client, &guest, &url).await, Err(Error::DestinationIpProhibited)));
    assert_eq!(resolver.asked(), 2);
    task.abort();
}

#[tokio::test]
async fn what_is_not_granted_is_not_even_resolved() {
    let resolver = Scripted::new(&["1.1.1.1"]);
    let client = HttpClient::new(resolver.clone());
    let guest = guest("api.acme.dev", 443, false);
    for url in ["https://api.acme.dev.evil.example/", "https://evil.example/", "https://api.acme.dev:444/", "https://acme.dev/"] {
        let sent = send(&client, &guest, url).await;
        assert!(matches!(sent, Err(Error::HttpRequestDenied)), "{url}: {sent:?}");
    }
    assert_eq!(resolver.asked(), 0);
}

#[tokio::test]
async fn a_name_that_is_nowhere_and_a_server_without_a_certificate_are_no_answer() {
    let client = HttpClient::new(Scripted::new(&[]));
    assert!(matches!(send(&client, &guest("a.acme.dev", 443, false), "https://a.acme.dev/").await, Err(Error::DnsError { .. })));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let client = HttpClient::new(Scripted::new(&["127.0.0.1"]));
    let sent = send(&client, &guest("a.acme.dev", port, true), &format!("https://a.acme.dev:{port}/")).await;
    // A machine without any roots says so before it asks.
    assert!(matches!(sent, Err(Error::Tls(_) | Error::ConfigurationError)), "{sent:?}");
    task.abort();
}

/// A server behind TLS, with a certificate of the test authority for `api.acme.dev`; it answers with the head that it was sent.
async fn tls_server() -> (u16, tokio::task::JoinHandle<()>) {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tests/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tests/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            let answer = [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", head.len()).into_bytes(), head].concat();
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
    });
    (port, task)
}

fn authority() -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(include_bytes!("tests/authority.pem")).unwrap()).unwrap();
    roots
}

#[tokio::test]
async fn over_tls_the_certificate_is_for_the_name_and_not_for_the_address() {
    let (port, task) = tls_server().await;
    let client = HttpClient::new(Scripted::new(&["127.0.0.1", "127.0.0.1"])).trusting(authority());
    let head = send(&client, &guest("api.acme.dev", port, true), &format!("https://api.acme.dev:{port}/a")).await.unwrap();
    assert!(head.starts_with("GET /a HTTP/1.1\r\n"), "{head}");
    // The same server under another name, and by its address.
    let sent = send(&client, &guest("evil.acme.dev", port, true), &format!("https://evil.acme.dev:{port}/a")).await;
    assert!(matches!(sent, Err(Error::Tls(_))), "{sent:?}");
    let sent = send(&client, &guest("127.0.0.1", port, true), &format!("https://127.0.0.1:{port}/a")).await;
    assert!(matches!(sent, Err(Error::Tls(_))), "{sent:?}");
    // The same name, and nobody who vouches for it.
    let stranger = HttpClient::new(Scripted::new(&["127.0.0.1"])).trusting(rustls::RootCertStore::empty());
    let sent = send(&stranger, &guest("api.acme.dev", port, true), &format!("https://api.acme.dev:{port}/a")).await;
    assert!(matches!(sent, Err(Error::Tls(_))), "{sent:?}");
    task.abort();
}

#[tokio::test]
async fn a_secret_goes_over_tls_to_its_host_and_in_the_clear_to_nobody_else() {
    let (port, task) = tls_server().await;
    let client = HttpClient::new(Scripted::new(&["127.0.0.1", "127.0.0.1"])).trusting(authority());
    let mut guest = guest("api.acme.dev", port, true);
    let mut grants = (*guest.grants.now()).clone();
    grants.http.requested[0].auth = Some(Auth { secret: "key".into(), header: "x-api-key".into(), scheme: None });
    guest.grants.set(grants);
    guest.secrets.insert("key".into(), Secret::new("hush-hush"));
    let head = send(&client, &guest, &format!("https://api.acme.dev:{port}/a")).await.unwrap();
    assert!(head.contains("x-api-key: hush-hush\r\n"), "{head}");
    let sent = send(&client, &guest, &format!("http://api.acme.dev:{port}/a")).await;
    assert!(matches!(sent, Err(Error::HttpRequestDenied)), "{sent:?}");
    // What no header can carry is not cut to fit.
    guest.secrets.insert("key".into(), Secret::new("hush\nhush"));
    let sent = send(&client, &guest, &format!("https://api.acme.dev:{port}/a")).await;
    assert!(matches!(sent, Err(Error::ConfigurationError)), "{sent:?}");
    task.abort();
}
