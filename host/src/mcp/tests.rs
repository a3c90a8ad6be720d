//! The server without plugins, as clients of both eras meet it over a pair of pipes.

use std::sync::Arc;
use std::time::Duration;

use rmcp::ClientHandler;
use rmcp::ClientLifecycleMode;
use rmcp::ClientServiceExt;
use rmcp::RoleClient;
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::model::ProtocolVersion;
use rmcp::service::NotificationContext;
use rmcp::service::ServiceError;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::io::DuplexStream;
use tokio::sync::Notify;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::listen::LegacyPeers;
use super::listen::Session;
use super::server::Server;
use super::server::ServerOptions;
use super::stdio;
use super::stdio::StdioError;
use crate::capability::Services;
use crate::dispatch::Change;
use crate::dispatch::DispatchOptions;
use crate::dispatch::Dispatcher;

/// A server without plugins.
pub(super) async fn empty_server() -> Server {
    let options = DispatchOptions { concurrent_calls: 1, waiting_calls: 1, ..DispatchOptions::default() };
    let dispatcher = Dispatcher::start(Services::default(), Vec::new(), &options).await.unwrap();
    Server::new(dispatcher, ServerOptions::default()).unwrap()
}

/// Serves on one end of a pipe; the other end is the client's.
async fn serve() -> (DuplexStream, JoinHandle<Result<(), StdioError>>) {
    let (client, host) = tokio::io::duplex(64 << 10);
    let (input, output) = tokio::io::split(host);
    let server = empty_server().await;
    let serving = tokio::spawn(stdio::serve_on(server, input, output, CancellationToken::new()));
    (client, serving)
}

/// Writes one line and reads one.
async fn exchange(client: &mut BufReader<DuplexStream>, message: Value) -> Value {
    client.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    let mut line = String::new();
    client.read_line(&mut line).await.unwrap();
    serde_json::from_str(&line).unwrap()
}

/// A request of 2026-07-28.
pub(super) fn modern(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

fn initialize() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    } })
}

#[tokio::test]
async fn clients_of_both_eras_find_empty_lists() {
    for lifecycle in
        [ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }, ClientLifecycleMode::Initialize]
    {
        let (pipe, serving) = serve().await;
        let client = ().serve_with_lifecycle(pipe, lifecycle).await.unwrap();
        assert!(client.list_all_tools().await.unwrap().is_empty());
        assert!(client.list_all_resources().await.unwrap().is_empty());
        assert!(client.list_all_resource_templates().await.unwrap().is_empty());
        assert!(client.list_all_prompts().await.unwrap().is_empty());
        let unknown = client.call_tool(CallToolRequestParams::new("nope")).await;
        assert!(matches!(unknown, Err(ServiceError::McpError(error)) if error.code.0 == -32602));
        client.cancel().await.unwrap();
        serving.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn discover_tells_versions_capabilities_and_who_answers() {
    let (pipe, _serving) = serve().await;
    let answer = exchange(&mut BufReader::new(pipe), modern("server/discover", json!({}))).await;
    let result = &answer["result"];
    assert_eq!(result["supportedVersions"].as_array().unwrap().len(), 5, "{answer}");
    assert_eq!(result["capabilities"]["tools"]["listChanged"], true);
    assert_eq!(result["capabilities"]["resources"], json!({ "subscribe": true, "listChanged": true }));
    assert_eq!(result["cacheScope"], "private");
    assert!(result["ttlMs"].as_u64().unwrap() > 0);
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "tidegate");
}

#[tokio::test]
async fn lists_may_be_cached_by_their_caller_alone() {
    let (pipe, _serving) = serve().await;
    let mut client = BufReader::new(pipe);
    for method in ["tools/list", "resources/list", "resources/templates/list", "prompts/list"] {
        let answer = exchange(&mut client, modern(method, json!({}))).await;
        assert_eq!(answer["result"]["cacheScope"], "private", "{answer}");
        assert!(answer["result"]["ttlMs"].as_u64().unwrap() > 0);
        assert_eq!(answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "tidegate");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_a_protocol_error() {
    let (pipe, _serving) = serve().await;
    let mut client = BufReader::new(pipe);
    for (request, code) in [
        (modern("tools/call", json!({ "name": "nope" })), -32602),
        (modern("tools/call", json!({ "name": "nope", "arguments": [1] })), -32602),
        (modern("tools/call", json!({})), -32602),
        (modern("tools/list", json!({ "cursor": "made up" })), -32602),
        (modern("prompts/get", json!({ "name": "nope" })), -32602),
        (modern("resources/read", json!({ "uri": "x://nope" })), -32602),
        (
            modern(
                "completion/complete",
                json!({ "ref": { "type": "ref/prompt", "name": "nope" }, "argument": { "name": "a", "value": "" } }),
            ),
            -32602,
        ),
        (modern("tools/call", json!({ "name": "nope", "requestState": "forged" })), -32602),
        (modern("logging/setLevel", json!({ "level": "debug" })), -32601),
        (modern("logging/setLevel", json!({ "level": "no level" })), -32601),
        (modern("resources/subscribe", json!({})), -32601),
        (modern("no/such", json!({})), -32601),
    ] {
        let answer = exchange(&mut client, request.clone()).await;
        assert_eq!(answer["error"]["code"], code, "{request} {answer}");
        assert_eq!(answer["id"], 1);
    }
    let answer = exchange(&mut client, modern("resources/read", json!({ "uri": "x://nope" }))).await;
    assert_eq!(answer["error"]["data"]["uri"], "x://nope");
}

#[tokio::test]
async fn older_clients_keep_their_methods_and_codes() {
    let (pipe, _serving) = serve().await;
    let mut client = BufReader::new(pipe);
    let answer = exchange(&mut client, initialize()).await;
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(answer["result"]["serverInfo"]["name"], "tidegate");
    client.write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n").await.unwrap();

    let request = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": 2, "method": method, "params": params });
    let ok = json!({ "jsonrpc": "2.0", "id": 2, "result": {} });
    assert_eq!(exchange(&mut client, request("ping", json!({}))).await, ok);
    assert_eq!(exchange(&mut client, request("logging/setLevel", json!({ "level": "error" }))).await, ok);
    assert_eq!(exchange(&mut client, request("resources/subscribe", json!({ "uri": "x://y" }))).await, ok);
    assert_eq!(exchange(&mut client, request("resources/unsubscribe", json!({ "uri": "x://y" }))).await, ok);
    let answer = exchange(&mut client, request("resources/read", json!({ "uri": "x://nope" }))).await;
    assert_eq!((&answer["error"]["code"], &answer["error"]["data"]["uri"]), (&json!(-32002), &json!("x://nope")));
    let answer = exchange(&mut client, request("logging/setLevel", json!({ "level": "no level" }))).await;
    assert_eq!(answer["error"]["code"], -32602);
    let answer = exchange(&mut client, request("tools/list", json!({}))).await;
    assert_eq!(answer["result"]["tools"], json!([]));
}

#[tokio::test]
async fn serving_ends_well_when_the_input_ends() {
    for opened in [false, true] {
        let (pipe, serving) = serve().await;
        let mut client = BufReader::new(pipe);
        if opened {
            exchange(&mut client, initialize()).await;
        }
        drop(client);
        tokio::time::timeout(Duration::from_secs(5), serving).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn requests_before_the_end_of_the_input_are_answered() {
    let (pipe, serving) = serve().await;
    let (read, mut write) = tokio::io::split(pipe);
    let requests = format!("{}\n{}\n", modern("server/discover", json!({})), modern("tools/list", json!({})));
    write.write_all(requests.as_bytes()).await.unwrap();
    write.shutdown().await.unwrap();
    drop(write);
    let mut lines = BufReader::new(read).lines();
    assert!(lines.next_line().await.unwrap().unwrap().contains("supportedVersions"));
    assert!(lines.next_line().await.unwrap().unwrap().contains("\"tools\":[]"));
    tokio::time::timeout(Duration::from_secs(5), serving).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_stream_of_news_is_acknowledged_and_ends_in_order() {
    let (client, host) = tokio::io::duplex(64 << 10);
    let (input, output) = tokio::io::split(host);
    let server = empty_server().await;
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(stdio::serve_on(server.clone(), input, output, shutdown.clone()));
    let mut client = BufReader::new(client);
    let request =
        modern("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true, "resourceSubscriptions": ["x://y"] } }));
    let acknowledged = exchange(&mut client, request).await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(acknowledged["params"]["notifications"], json!({ "toolsListChanged": true, "resourceSubscriptions": ["x://y"] }));
    server.close();
    let mut line = String::new();
    client.read_line(&mut line).await.unwrap();
    let ended: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&ended["id"], &ended["result"]["resultType"]), (&json!(1), &json!("complete")), "{ended}");
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}

/// Counts what an older client is told.
#[derive(Clone, Default)]
struct Told(Arc<Notify>);

impl ClientHandler for Told {
    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn older_clients_are_told_of_changes_and_the_dead_are_forgotten() {
    let (news, receiver) = broadcast::channel(8);
    let legacy = LegacyPeers::announce(receiver);
    let (pipe, host) = tokio::io::duplex(64 << 10);
    let server = empty_server().await;
    let serving = tokio::spawn(async move { server.serve(host).await.unwrap() });
    let told = Told::default();
    let client = told.clone().serve(pipe).await.unwrap();
    let running = serving.await.unwrap();
    legacy.add(running.peer().clone(), Arc::new(Session::default()));

    news.send(Change::Tools).unwrap();
    tokio::time::timeout(Duration::from_secs(5), told.0.notified()).await.unwrap();

    client.cancel().await.unwrap();
    let dead = running.peer().clone();
    running.waiting().await.unwrap();
    news.send(Change::Tools).unwrap();
    tokio::time::timeout(Duration::from_secs(5), async {
        while legacy.count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert!(dead.is_transport_closed());
}
