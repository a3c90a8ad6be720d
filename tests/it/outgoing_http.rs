//! Requests of plugins over HTTP, against a real server on this machine and with a real component.

use std::sync::Arc;
use std::sync::Mutex;

use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

use crate::guests;
use crate::host::Answer;
use crate::host::Client;
use crate::host::Era;
use crate::host::Host;
use crate::host::HttpHost;

/// A server that answers by the path and remembers what it was asked.
struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let remembered = asked.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, port, remembered.clone()));
            }
        });
        Self { port, asked, task }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Heads of the requests so far.
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, port: u16, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    asked.lock().unwrap().push(head);
    let redirect = |to: &str| format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
    let answer = match path.as_str() {
        "/v1/metadata" => redirect("http://169.254.169.254/latest/meta-data/"),
        "/v1/elsewhere" => redirect(&format!("http://127.0.0.1:{port}/v2/secrets")),
        "/v1/here" => redirect(&format!("http://127.0.0.1:{port}/v1/ok")),
        "/v1/reads" => {
            // To the end of its chunks; a request that is cut off has none, and gets no answer.
            let mut body = Vec::new();
            while !body.ends_with(b"\r\n0\r\n\r\n") {
                if !matches!(stream.read_buf(&mut body).await, Ok(1..)) {
                    return;
                }
            }
            "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nread".to_owned()
        }
        "/v1/slow" => return std::future::pending().await,
        "/v1/bomb" => {
            // Whoever asked goes away in time.
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            let chunk = [b"10000\r\n".as_slice(), &[b'x'; 1 << 16], b"\r\n"].concat();
            while stream.write_all(&chunk).await.is_ok() {}
            return;
        }
        "/v1/headers" => {
            let lines: String = (0..1_000).map(|number| format!("x-{number}: y\r\n")).collect();
            format!("HTTP/1.1 200 OK\r\n{lines}content-length: 0\r\n\r\n")
        }
        _ => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello".to_owned(),
    };
    let _ = stream.write_all(answer.as_bytes()).await;
    // What a request still sends is read, so that the answer is not lost in a reset.
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}

/// What the guest's manifest requests: this server's `/v1`, and the metadata address of clouds.
fn request(server: &Server, more: &str) -> String {
    format!(
        "[[capabilities.http]]\nhosts = [\"127.0.0.1\", \"169.254.169.254\"]\nschemes = [\"http\"]\nports = [80, {}]\n\
         methods = [\"GET\", \"POST\"]\npaths = [\"/v1/*\", \"/latest/**\"]\nreason = \"Asks.\"\n{more}\n",
        server.port
    )
}

async fn start(server: &Server, more: &str, keys: &str) -> (HttpHost, Client) {
    let host = Host::new().database("main", "sqlite::memory:", "").requesting(guests::FETCHES, &request(server, more), keys).start().await;
    let client = host.connect(Era::Modern).await;
    (host, client)
}

/// A grant of the server's `/v1` and everything else that is asked for here.
fn grant(server: &Server) -> String {
    let port = server.port;
    format!("http = {{ private = [\"* http://127.0.0.1:{port}/v1/*\", \"* http://169.254.169.254\"] }}")
}

async fn run(client: &Client, arguments: Value) -> Answer {
    client.call("fetches_run", arguments).await
}

#[tokio::test]
async fn a_request_that_is_granted_is_answered() {
    let server = Server::start().await;
    let (host, client) = start(&server, "", &grant(&server)).await;
    let answer = run(&client, json!({ "url": server.url("/v1/ok?q=1"), "headers": [["x-mine", "yes"]] })).await;
    assert_eq!(answer.text(), "200 hello", "{}", host.log());
    let asked = server.asked().join("").to_lowercase();
    assert!(asked.starts_with("get /v1/ok?q=1 http/1.1\r\n") && asked.contains("x-mine: yes\r\n"), "{asked}");
    assert!(asked.contains(&format!("host: 127.0.0.1:{}\r\n", server.port)), "{asked}");
    assert_eq!(run(&client, json!({ "url": server.url("/v1/reads"), "method": "POST", "bytes": 100_000 })).await.text(), "200 read");
    assert_eq!(run(&client, json!({ "url": server.url("/v1/here"), "follow": 1 })).await.text(), "200 hello");
}

#[tokio::test]
async fn what_is_not_granted_is_denied_and_never_sent() {
    let server = Server::start().await;
    let (host, client) = start(&server, "", &grant(&server)).await;
    let port = server.port;
    for url in [
        server.url("/v2/secrets"),
        server.url("/v1/../v2/secrets"),
        server.url("/v1/%2e%2e/v2/secrets"),
        server.url("/v1/%2E%2E%2Fv2"),
        server.url("/v1/a/b"),
        format!("http://localhost:{port}/v1/ok"),
        format!("http://127.1:{port}/v1/ok"),
        format!("http://2130706433:{port}/v1/ok"),
        format!("http://0x7f000001:{port}/v1/ok"),
        format!("http://0177.0.0.1:{port}/v1/ok"),
        format!("http://[::ffff:127.0.0.1]:{port}/v1/ok"),
        format!("http://user@127.0.0.1:{port}/v1/ok"),
        format!("http://127.0.0.1:{port}@example.com/v1/ok"),
        format!("https://127.0.0.1:{port}/v1/ok"),
        "http://127.0.0.1/v1/ok".to_owned(),
        // Granted, as if by mistake: addresses of this kind are never reached.
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let code = run(&client, json!({ "url": url })).await.code();
        // A port that nobody listens on may be granted or not: what matters is that nothing came of it.
        assert!(["ACCESS_DENIED", "INVALID_ARGUMENTS"].contains(&code.as_str()), "{url}: {code}");
    }
    assert_eq!(run(&client, json!({ "url": server.url("/v1/ok"), "method": "DELETE" })).await.code(), "ACCESS_DENIED");
    assert_eq!(server.asked(), Vec::<String>::new());
    host.logs("at an address that it must not reach").await;
}

#[tokio::test]
async fn a_redirect_goes_through_the_gate_again() {
    let server = Server::start().await;
    let (_host, client) = start(&server, "", &grant(&server)).await;
    for path in ["/v1/metadata", "/v1/elsewhere"] {
        assert_eq!(run(&client, json!({ "url": server.url(path), "follow": 1 })).await.code(), "ACCESS_DENIED", "{path}");
    }
    assert!(server.asked().iter().all(|head| head.contains(" /v1/")), "{:?}", server.asked());
}

#[tokio::test]
async fn a_private_address_takes_a_grant_that_says_so_and_a_request_takes_both() {
    let server = Server::start().await;
    let port = server.port;
    let (_host, client) = start(&server, "", &format!("http = [\"GET http://127.0.0.1:{port}/v1/*\"]")).await;
    assert_eq!(run(&client, json!({ "url": server.url("/v1/ok") })).await.code(), "ACCESS_DENIED");
    let (_host, client) = start(&server, "", "").await;
    assert_eq!(run(&client, json!({ "url": server.url("/v1/ok") })).await.code(), "ACCESS_DENIED");
    // Granted, and not requested: it is not linked at all.
    let host = Host::new().guest(guests::FETCHES, &grant(&server)).start().await;
    let client = host.connect(Era::Modern).await;
    let answer = run(&client, json!({ "url": server.url("/v1/ok") })).await;
    assert_eq!(answer.code(), "PLUGIN_FAILED", "{}", answer.text());
    assert_eq!(server.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn the_host_puts_the_secret_in_and_the_guest_cannot_speak_for_it() {
    let server = Server::start().await;
    let keys = format!("{}\nsecrets = {{ key = \"hush-hush\" }}", grant(&server));
    let (host, client) = start(&server, "auth = \"key\"", &keys).await;
    assert_eq!(run(&client, json!({ "url": server.url("/v1/ok") })).await.text(), "200 hello");
    let asked = server.asked().join("");
    assert!(asked.contains("authorization: Bearer hush-hush\r\n"), "{asked}");
    let mine = json!({ "url": server.url("/v1/ok"), "headers": [["Authorization", "Bearer mine"]] });
    assert_eq!(run(&client, mine).await.code(), "ACCESS_DENIED");
    assert_eq!(server.asked().len(), 1);
    for header in ["Host", "Connection", "Proxy-Authorization", "Transfer-Encoding", "Proxy-Anything"] {
        let answer = run(&client, json!({ "url": server.url("/v1/ok"), "headers": [[header, "evil"]] })).await;
        assert!(answer.failed(), "{header}");
    }
    assert_eq!(server.asked().len(), 1);
    assert!(!host.log().contains("hush-hush"), "{}", host.log());

    let (_host, client) = start(&server, "auth = \"key\"", &grant(&server)).await;
    assert_eq!(run(&client, json!({ "url": server.url("/v1/ok") })).await.code(), "ACCESS_DENIED");
}

#[tokio::test]
async fn answers_without_end_and_heads_without_measure_end_at_their_limits() {
    let server = Server::start().await;
    let (_host, client) = start(&server, "", &grant(&server)).await;
    let bomb = run(&client, json!({ "url": server.url("/v1/bomb") })).await;
    assert_eq!(bomb.code(), "TOO_LARGE", "{}", bomb.text());
    assert!(run(&client, json!({ "url": server.url("/v1/headers") })).await.failed());
    assert_eq!(run(&client, json!({ "url": server.url("/v1/reads"), "method": "POST", "bytes": 2 << 20 })).await.code(), "TOO_LARGE");
    assert_eq!(run(&client, json!({ "url": server.url("/v1/ok"), "times": 64 })).await.text(), "200 hello");
    assert_eq!(run(&client, json!({ "url": server.url("/v1/ok"), "times": 65 })).await.code(), "ACCESS_DENIED");
}

#[tokio::test]
async fn a_server_that_never_answers_costs_its_call_and_others_are_served() {
    let server = Server::start().await;
    let keys = format!("{}\nlimits = {{ wall_time = \"2s\" }}", grant(&server));
    let (_host, client) = start(&server, "", &keys).await;
    let slow = run(&client, json!({ "url": server.url("/v1/slow") }));
    let select = client.call("execute_select", json!({ "sql": "select 1" }));
    let (slow, select) = tokio::join!(slow, select);
    assert_eq!(slow.code(), "PLUGIN_LIMIT", "{}", slow.text());
    assert_eq!(select.rows(), json!([[1]]));
}
