//! The HTTP front over real sockets, with a server that has no plugins.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use rmcp::ClientLifecycleMode;
use rmcp::ClientServiceExt;
use rmcp::model::ProtocolVersion;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::HttpError;
use super::HttpOptions;
use super::Readiness;
use super::serve;
use crate::config::Secret;
use crate::mcp::tests::empty_server;
use crate::mcp::tests::modern;
use crate::plugin::fetch::provider;

/// A server under test.
struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    serving: JoinHandle<Result<(), HttpError>>,
}

/// An answer as it came.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn has(&self, header: &str) -> bool {
        self.head.to_ascii_lowercase().contains(&header.to_ascii_lowercase())
    }
}

async fn start(change: impl FnOnce(&mut HttpOptions)) -> Running {
    let mut options = HttpOptions::new("127.0.0.1:0".parse().unwrap());
    change(&mut options);
    let (told, address) = oneshot::channel();
    let shutdown = CancellationToken::new();
    let server = empty_server().await;
    let serving = tokio::spawn(serve(options, server, shutdown.clone(), move |address| told.send(address).unwrap()));
    Running { address: address.await.unwrap(), shutdown, serving }
}

impl Running {
    /// Sends `bytes` on a connection of its own and reads the answer to its end.
    async fn send(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "no end after {:?} to {:?}", String::from_utf8_lossy(&answer), String::from_utf8_lossy(bytes));
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Sends a request with the headers that every request has, and `extra` ones.
    async fn request(&self, method: &str, path: &str, extra: &str, body: &str) -> Answer {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n{extra}\r\n",
            self.address,
            body.len()
        );
        self.send(format!("{head}{body}").as_bytes()).await
    }

    /// Posts to the MCP endpoint as a client of 2026-07-28.
    async fn post(&self, extra: &str, body: &str) -> Answer {
        let method = serde_json::from_str::<Value>(body).ok().and_then(|body| Some(body.get("method")?.as_str()?.to_owned()));
        let name = serde_json::from_str::<Value>(body).ok().and_then(|body| Some(body["params"]["name"].as_str()?.to_owned()));
        let mut headers = String::from("Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n");
        headers.push_str("MCP-Protocol-Version: 2026-07-28\r\n");
        for (header, value) in [("Mcp-Method", method), ("Mcp-Name", name)] {
            if let Some(value) = value {
                headers.push_str(&format!("{header}: {value}\r\n"));
            }
        }
        self.request("POST", "/mcp", &format!("{headers}{extra}"), body).await
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.serving.await.unwrap().unwrap();
    }
}

fn discover() -> String {
    modern("server/discover", json!({})).to_string()
}

#[tokio::test]
async fn clients_of_both_eras_are_served_on_one_endpoint() {
    let running = start(|_| {}).await;
    for lifecycle in
        [ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }, ClientLifecycleMode::Initialize]
    {
        let config = StreamableHttpClientTransportConfig::with_uri(format!("http://{}/mcp", running.address));
        provider::install();
        let client = ().serve_with_lifecycle(StreamableHttpClientTransport::from_config(config), lifecycle).await.unwrap();
        assert!(client.list_all_tools().await.unwrap().is_empty());
        client.cancel().await.unwrap();
    }
    running.stop().await;
}

#[tokio::test]
async fn a_host_or_origin_from_elsewhere_is_refused() {
    let running = start(|options| {
        options.allowed_hosts = vec!["db.example.com".into()];
        options.allowed_origins = vec!["https://app.example.com".into()];
    })
    .await;
    let host = |host: &str| format!("GET /health/live HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    assert_eq!(running.send(host("localhost").as_bytes()).await.status, 200);
    assert_eq!(running.send(host("db.example.com").as_bytes()).await.status, 200);
    assert_eq!(running.send(host("evil.example.com").as_bytes()).await.status, 403);
    assert_eq!(
        running.send(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.status,
        400
    );
    assert_eq!(running.send(b"GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n").await.status, 400);

    let own = format!("Origin: http://localhost:{}\r\n", running.address.port());
    assert_eq!(running.post(&own, &discover()).await.status, 200);
    assert_eq!(running.post("Origin: https://evil.com\r\n", &discover()).await.status, 403);
    assert_eq!(running.post("Origin: null\r\n", &discover()).await.status, 403);
    let allowed = running.post("Origin: https://app.example.com\r\n", &discover()).await;
    assert_eq!(allowed.status, 200);
    assert!(allowed.has("access-control-allow-origin: https://app.example.com"), "{allowed:?}");
    assert!(allowed.has("access-control-expose-headers: mcp-session-id"), "{allowed:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_preflight_is_answered_for_allowed_origins_without_a_token() {
    let running = start(|options| {
        options.allowed_origins = vec!["https://app.example.com".into()];
        options.token = Some(Secret::new("s3cret"));
    })
    .await;
    let preflight = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization,mcp-param-region\r\n";
    let allowed = running.request("OPTIONS", "/mcp", &format!("Origin: https://app.example.com\r\n{preflight}"), "").await;
    assert_eq!(allowed.status, 200);
    assert!(allowed.has("access-control-allow-headers: authorization,mcp-param-region"), "{allowed:?}");
    let refused = running.request("OPTIONS", "/mcp", &format!("Origin: https://evil.com\r\n{preflight}"), "").await;
    assert_eq!(refused.status, 403);
    assert!(!refused.has("access-control-allow-origin"));
    running.stop().await;
}

#[tokio::test]
async fn only_the_token_opens_the_endpoint() {
    let running = start(|options| options.token = Some(Secret::new("s3cret"))).await;
    let refused = running.post("", &discover()).await;
    assert_eq!(refused.status, 401);
    assert!(refused.has("www-authenticate: bearer"), "{refused:?}");
    assert_eq!(running.post("Authorization: Bearer wrong\r\n", &discover()).await.status, 401);
    assert_eq!(running.post("Authorization: Bearer s3cret\r\n", &discover()).await.status, 200);
    assert_eq!(running.request("GET", "/health/live", "", "").await.status, 200);
    running.stop().await;
}

#[tokio::test]
async fn a_network_address_needs_a_token() {
    let server = empty_server().await;
    let options = HttpOptions::new("0.0.0.0:0".parse().unwrap());
    let error = serve(options.clone(), server.clone(), CancellationToken::new(), |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("TIDEGATE_TOKEN"), "{error}");
    let options = HttpOptions { token: Some(Secret::new("")), ..options };
    assert!(matches!(serve(options, server, CancellationToken::new(), |_| {}).await, Err(HttpError::TokenEmpty)));
}

#[tokio::test]
async fn a_body_that_is_no_message_is_refused_with_a_reason() {
    let running = start(|options| options.max_body_bytes = 10_000).await;
    let deep = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{}{}}}", "[".repeat(100), "]".repeat(100));
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(10_000));
    for (body, status, code) in [
        ("nonsense", 400, -32700),
        ("{\"a\":", 400, -32700),
        ("[]", 400, -32600),
        ("{}", 400, -32600),
        ("{\"id\":7}", 400, -32600),
        (deep.as_str(), 400, -32700),
        (large.as_str(), 413, -32600),
    ] {
        let answer = running.post("", body).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (status, &json!(code)), "{body:.40} {answer:?}");
    }
    assert_eq!(running.post("", "{\"id\":7}").await.json()["id"], 7);
    let chunked = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("4e20\r\n{}\r\n0\r\n\r\n", "x".repeat(20_000));
    assert_eq!(running.send(format!("{chunked}{chunk}").as_bytes()).await.status, 413);
    running.stop().await;
}

#[tokio::test]
async fn what_does_not_fit_gets_its_own_status() {
    let running = start(|_| {}).await;
    let text = running.request("POST", "/mcp", "Content-Type: text/plain\r\nAccept: application/json, text/event-stream\r\n", "{}").await;
    assert_eq!(text.status, 415);
    let elsewhere = running.request("GET", "/", "", "").await;
    assert_eq!((elsewhere.status, &elsewhere.json()["error"]["code"]), (404, &json!("NOT_FOUND")));
    let params = running.post("", &modern("tools/call", json!({ "name": "t", "arguments": [1] })).to_string()).await;
    assert_eq!((params.status, &params.json()["error"]["code"]), (400, &json!(-32602)));
    let method = running.post("", &modern("no/such", json!({})).to_string()).await;
    assert_eq!((method.status, &method.json()["error"]["code"]), (404, &json!(-32601)));
    let tool = running.post("", &modern("tools/call", json!({ "name": "nope" })).to_string()).await;
    assert_eq!((tool.status, &tool.json()["error"]["code"]), (200, &json!(-32602)));
    assert!(tool.has("content-length"), "an answer in one piece has a length: {tool:?}");
    assert_eq!(running.request("PUT", "/mcp", "", "").await.status, 405);
    running.stop().await;
}

#[tokio::test]
async fn slow_clients_are_cut_off() {
    let running = start(|options| {
        options.header_timeout = Duration::from_millis(200);
        options.idle_timeout = Duration::from_millis(200);
        options.body_timeout = Duration::from_millis(200);
    })
    .await;
    let started = Instant::now();
    // Half a head: no answer but the end of the connection.
    let head = running.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n").await;
    assert!(head.status == 0 || head.status == 408, "{head:?}");
    let body =
        running.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{").await;
    assert_eq!(body.status, 408);
    // Quiet from the begin, and quiet after an answer.
    assert_eq!(running.send(b"").await.status, 0);
    assert_eq!(running.send(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").await.status, 200);
    assert!(started.elapsed() < Duration::from_secs(10));
    running.stop().await;
}

#[tokio::test]
async fn health_tells_of_life_and_readiness() {
    let silent = Arc::new(AtomicUsize::new(2));
    let asked = silent.clone();
    let readiness = move || Readiness { answering: 2 - asked.load(Ordering::Relaxed), silent: asked.load(Ordering::Relaxed) };
    let running = start(|options| options.ready = Arc::new(readiness)).await;
    for (count, status, word) in [(2, 503, "not ready"), (1, 200, "degraded"), (0, 200, "ok")] {
        silent.store(count, Ordering::Relaxed);
        assert_eq!(running.request("GET", "/health/live", "", "").await.status, 200);
        let ready = running.request("GET", "/health/ready", "", "").await;
        assert_eq!(ready.status, status);
        let databases = json!({ "answering": 2 - count, "silent": count });
        assert_eq!(ready.json(), json!({ "status": word, "databases": databases }));
    }
    assert_eq!(running.request("POST", "/health/ready", "", "").await.status, 405);
    running.stop().await;
}

#[tokio::test]
async fn an_idle_server_stops_at_once_and_open_streams_end() {
    let running = start(|_| {}).await;
    let mut listening = TcpStream::connect(running.address).await.unwrap();
    let body = modern("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } })).to_string();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    listening.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("acknowledged") {
        let mut buffer = [0; 4096];
        let read = listening.read(&mut buffer).await.unwrap();
        seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    let started = Instant::now();
    running.stop().await;
    assert!(started.elapsed() < Duration::from_secs(5));
    let mut rest = String::new();
    listening.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("\"resultType\":\"complete\""), "{rest}");
}

#[tokio::test]
async fn a_request_in_the_drain_gets_503() {
    let running = start(|options| options.drain = Duration::from_secs(20)).await;
    // A call in progress: its body is still on its way.
    let mut slow = TcpStream::connect(running.address).await.unwrap();
    let body = discover();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: server/discover\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let (first, rest) = body.split_at(10);
    slow.write_all(format!("{head}{first}").as_bytes()).await.unwrap();
    while running.request("GET", "/health/ready", "", "").await.status != 200 {}

    running.shutdown.cancel();
    loop {
        let late = running.request("GET", "/health/ready", "", "").await;
        if late.status == 503 {
            break;
        }
    }
    let late = running.post("", &discover()).await;
    assert_eq!(late.status, 503);
    assert!(late.has("connection: close") && late.has("retry-after"), "{late:?}");

    slow.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    running.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_session_too_many_gets_503() {
    let running = start(|options| options.max_sessions = 1).await;
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    } })
    .to_string();
    let headers = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";
    let first = running.request("POST", "/mcp", headers, &initialize).await;
    assert_eq!(first.status, 200);
    assert!(first.has("mcp-session-id"), "{first:?}");
    assert_eq!(running.request("POST", "/mcp", headers, &initialize).await.status, 503);
    assert_eq!(running.post("", &discover()).await.status, 200);
    running.stop().await;
}
