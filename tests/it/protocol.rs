//! MCP as clients of both eras speak it, over both transports.

use rmcp::model::ReadResourceRequestParams;
use serde_json::json;

use crate::database::Engine;
use crate::database::Library;
use crate::guests;
use crate::host::Client;
use crate::host::Era;
use crate::host::Host;

/// What every client can do, however it came.
async fn check(client: &Client) {
    let tools = client.tools().await;
    for tool in ["describe_table", "execute_select", "explain_query", "fetch_rows", "list_tables", "spins_run"] {
        assert!(tools.contains(&tool.to_owned()), "{tool} is missing: {tools:?}");
    }
    let mut sorted = tools.clone();
    sorted.sort();
    assert_eq!(tools, sorted);
    let rows = client.call("execute_select", json!({ "sql": "select count(*) from loans" })).await.rows();
    assert_eq!(rows, json!([[3503]]));
    let answer = client.call("spins_run", json!({})).await;
    assert_eq!(answer.code(), "PLUGIN_LIMIT");
    let answer = client.call("execute_select", json!({ "sql": 7 })).await;
    assert_eq!(answer.code(), "INVALID_ARGUMENTS", "{}", answer.text());
}

fn host(library: &Library) -> Host {
    Host::new().database("main", &library.url, "").guest(guests::SPINS, "limits = { cpu_time = \"50ms\" }")
}

async fn over_stdio(era: Era) {
    let library = Library::new(Engine::Sqlite).await;
    let (client, _folder) = host(&library).connect_stdio(era).await;
    check(&client).await;
}

async fn over_http(era: Era) {
    let library = Library::new(Engine::Sqlite).await;
    let host = host(&library).start().await;
    check(&host.connect(era).await).await;
}

#[tokio::test]
async fn a_client_of_today_is_served_over_stdio() {
    over_stdio(Era::Modern).await;
}

#[tokio::test]
async fn an_older_client_is_served_over_stdio() {
    over_stdio(Era::Legacy).await;
}

#[tokio::test]
async fn a_client_of_today_is_served_over_http() {
    over_http(Era::Modern).await;
}

#[tokio::test]
async fn an_older_client_is_served_over_http() {
    over_http(Era::Legacy).await;
}

#[tokio::test]
async fn a_tool_that_is_not_there_is_a_protocol_error() {
    let host = Host::new().database("main", "sqlite::memory:", "").start().await;
    let client = host.connect(Era::Modern).await;
    let request = rmcp::model::CallToolRequestParams::new("no_such_tool");
    let error = client.service().call_tool(request).await.unwrap_err();
    assert!(error.to_string().contains("-32602"), "{error}");
    let request = ReadResourceRequestParams::new("nothing://here");
    assert!(client.service().read_resource(request).await.is_err());
}

#[tokio::test]
async fn names_are_completed_from_the_catalog() {
    let library = Library::new(Engine::Sqlite).await;
    let host = Host::new().database("main", &library.url, "").start().await;
    let client = host.connect(Era::Modern).await;
    let templates = client.service().list_all_resource_templates().await.unwrap();
    let with_table = templates.iter().find(|template| template.uri_template.contains("{table}")).expect("tables have a template");
    let context = [("database".to_owned(), "main".to_owned()), ("schema".to_owned(), "main".to_owned())].into();
    let context = rmcp::model::CompletionContext::with_arguments(context);
    let completed = client.service().complete_resource_argument(&with_table.uri_template, "table", "lo", Some(context)).await.unwrap();
    assert!(completed.values.contains(&"loans".to_owned()), "{:?}", completed.values);
}

/// All of SQLite's connections share one limit on memory, so this needs a process of its own.
#[tokio::test]
async fn an_aggregate_without_end_meets_the_memory_limit_and_not_the_host() {
    let host = Host::new().database("main", "sqlite::memory:", "").start().await;
    let client = host.connect(Era::Modern).await;
    let sql = "with recursive n(i) as (values (1) union all select i + 1 from n limit 20000) \
        select length(json_group_array(hex(randomblob(20000)) || i)) from n";
    let answer = client.call("execute_select", json!({ "sql": sql })).await;
    assert_eq!(answer.code(), "TOO_LARGE", "{}", answer.text());
    assert_eq!(client.call("execute_select", json!({ "sql": "select 1" })).await.rows(), json!([[1]]));
}
