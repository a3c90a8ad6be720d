//! The tour: five MCP calls of a real client to the demo's own server, over HTTP, and what comes back.

use rmcp::ClientHandler;
use rmcp::ClientLifecycleMode;
use rmcp::ClientServiceExt;
use rmcp::RoleClient;
use rmcp::model::CallToolRequestParams;
use rmcp::model::CallToolResult;
use rmcp::model::ProtocolVersion;
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;

/// Lines of one answer that are shown.
const LINES: usize = 22;

/// Characters of one line that are shown.
const WIDTH: usize = 132;

/// The best customers of the last year in the books: a join and an aggregate.
const BEST_CUSTOMERS: &str = "SELECT c.name, a.city, count(*) AS orders, sum(t.total_cents) / 100 AS euros \
    FROM order_totals t JOIN customers c ON c.id = t.customer_id \
    JOIN orders o ON o.id = t.order_id JOIN addresses a ON a.id = o.address_id \
    WHERE t.ordered_at >= '2025-07-01' AND t.status NOT IN ('cancelled', 'returned') \
    GROUP BY c.id ORDER BY euros DESC LIMIT 5";

/// What a step of the tour has to end with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Answer,
    Error(&'static str),
}

/// One call and what it shows.
struct Step {
    caption: &'static str,
    tool: &'static str,
    arguments: Value,
    expected: Expected,
}

fn steps() -> [Step; 5] {
    [
        Step { caption: "What is there?", tool: "list_tables", arguments: json!({}), expected: Expected::Answer },
        Step {
            caption: "What does one of them hold?",
            tool: "describe_table",
            arguments: json!({ "table": "orders" }),
            expected: Expected::Answer,
        },
        Step {
            caption: "Who were the best customers of the last year?",
            tool: "execute_select",
            arguments: json!({ "sql": BEST_CUSTOMERS }),
            expected: Expected::Answer,
        },
        Step {
            caption: "A name misspelt: the error says how it is spelt",
            tool: "execute_select",
            arguments: json!({ "sql": "SELECT count(*) FROM custmers" }),
            expected: Expected::Error("UNKNOWN_TABLE"),
        },
        Step {
            caption: "Deleting: refused, because the database is read only",
            tool: "execute_select",
            arguments: json!({ "sql": "DELETE FROM reviews" }),
            expected: Expected::Error("READ_ONLY"),
        },
    ]
}

/// A client that can be asked nothing.
struct Visitor;

impl ClientHandler for Visitor {}

/// Makes the calls and prints them. Fails when one of them does not end as it has to.
pub(super) async fn run(url: &str) -> Result<(), Failure> {
    let client = connect(url).await?;
    for (index, step) in steps().into_iter().enumerate() {
        let Value::Object(arguments) = step.arguments else { continue };
        output::line(format!("{}. {}", index + 1, step.caption));
        output::line(format!("   -> tools/call {}", step.tool));
        output::line(shown_arguments(&arguments));
        let request = CallToolRequestParams::new(step.tool).with_arguments(arguments);
        let result = client.call_tool(request).await.map_err(|error| failed(&format!("`{}` was not answered: {error}", step.tool)))?;
        output::line(format!("   <- {}", if result.is_error == Some(true) { "error" } else { "result" }));
        output::line(cut(&shown(&result)));
        output::line("");
        if ended(&result) != step.expected {
            return Err(failed(&format!("`{}` did not answer as it should", step.tool)));
        }
    }
    // The tour is over; a server that does not say goodbye changes nothing of it.
    let _ = client.cancel().await;
    Ok(())
}

async fn connect(url: &str) -> Result<RunningService<RoleClient, Visitor>, Failure> {
    let transport = StreamableHttpClientTransport::from_config(StreamableHttpClientTransportConfig::with_uri(url));
    let mode = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
    Visitor.serve_with_lifecycle(transport, mode).await.map_err(|error| failed(&format!("the client could not connect to {url}: {error}")))
}

fn failed(message: &str) -> Failure {
    Failure::new(Exit::Failed, message).next("run it again with TIDEGATE_LOG=debug to see what the host did")
}

/// How the result compares with what a step expects.
fn ended(result: &CallToolResult) -> Expected {
    let code = result.structured_content.as_ref().and_then(|content| content["error"]["code"].as_str());
    match (result.is_error, code) {
        (Some(true), Some("UNKNOWN_TABLE")) => Expected::Error("UNKNOWN_TABLE"),
        (Some(true), Some("READ_ONLY")) => Expected::Error("READ_ONLY"),
        (Some(true), _) => Expected::Error(""),
        _ => Expected::Answer,
    }
}

/// The arguments, one per line.
fn shown_arguments(arguments: &Map<String, Value>) -> String {
    let lines = arguments.iter().map(|(name, value)| format!("      {name}: {}", value.as_str().map_or(value.to_string(), str::to_owned)));
    let lines: Vec<String> = lines.flat_map(|line| wrapped(&line)).collect();
    if lines.is_empty() { "      (no arguments)".to_owned() } else { lines.join("\n") }
}

/// A long line, broken at blanks.
fn wrapped(line: &str) -> Vec<String> {
    let mut lines = vec![String::from("     ")];
    for word in line.split_whitespace() {
        let last = lines.last_mut().expect("it begins with one");
        if last.chars().count() + word.chars().count() >= WIDTH {
            lines.push(format!("        {word}"));
        } else {
            last.push(' ');
            last.push_str(word);
        }
    }
    lines
}

/// The answer as a person reads it: rows as a table, other JSON indented, text as it is.
fn shown(result: &CallToolResult) -> String {
    let text: Vec<&str> = result.content.iter().filter_map(|block| block.as_text()).map(|text| text.text.as_str()).collect();
    let text = text.join("\n");
    let value = result.structured_content.clone().filter(|_| result.is_error != Some(true)).or_else(|| serde_json::from_str(&text).ok());
    match value {
        Some(value) => rows(&value).unwrap_or_else(|| indented(&outline(&value, 0))),
        None => indented(&text),
    }
}

/// The rows of an answer that has some.
fn rows(value: &Value) -> Option<String> {
    let heading = value["columns"].as_array()?.iter().map(cell).collect();
    let rows = value["rows"].as_array()?.iter().filter_map(Value::as_array).map(|row| row.iter().map(cell).collect());
    let table: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
    let mut text = output::table("      ", &table);
    if value["truncated"] == json!(true) {
        text.push_str("\n      (cut)");
    }
    Some(text)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// JSON with a line for each entry, objects of a list on one line each.
fn outline(value: &Value, depth: usize) -> String {
    let blanks = "  ".repeat(depth);
    let entry = |(name, value): (String, &Value)| match value {
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let items: Vec<String> = items.iter().map(|item| format!("{blanks}  - {}", flat(item))).collect();
            format!("{blanks}{name}:\n{}", items.join("\n"))
        }
        Value::Object(_) => format!("{blanks}{name}:\n{}", outline(value, depth + 1)),
        other => format!("{blanks}{name}: {}", flat(other)),
    };
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| entry((name.clone(), value))).collect::<Vec<_>>().join("\n"),
        Value::Array(items) => items.iter().map(|item| format!("{blanks}- {}", flat(item))).collect::<Vec<_>>().join("\n"),
        other => format!("{blanks}{}", cell(other)),
    }
}

/// A value on one line, empty and false entries left out.
fn flat(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let empty = |value: &Value| matches!(value, Value::Null | Value::Bool(false)) || value.as_array().is_some_and(Vec::is_empty);
            let fields = fields.iter().filter(|(_, value)| !empty(value)).map(|(name, value)| format!("{name} {}", flat(value)));
            fields.collect::<Vec<_>>().join(", ")
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flat).collect::<Vec<_>>().join(", ")),
        other => cell(other),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("      {line}")).collect::<Vec<_>>().join("\n")
}

/// At most [`LINES`] lines of at most [`WIDTH`] characters.
fn cut(text: &str) -> String {
    let narrow = |line: &str| match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line.to_owned(),
    };
    let total = text.lines().count();
    let mut lines: Vec<String> = text.lines().take(LINES).map(narrow).collect();
    if total > LINES {
        lines.push(format!("      … and {} more lines", total - LINES));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shown_as_a_table() {
        let value = json!({ "columns": ["a", "b"], "types": ["int", "text"], "rows": [[1, "x"], [22, null]], "truncated": false });
        assert_eq!(rows(&value).unwrap(), "      a   b\n      1   x\n      22");
    }

    #[test]
    fn other_json_is_shown_entry_by_entry() {
        let value = json!({ "name": "t", "columns": [{ "name": "a", "nullable": false, "type": "int" }], "keys": ["a"], "none": null });
        assert_eq!(outline(&value, 0), "name: t\ncolumns:\n  - name a, type int\nkeys: [a]\nnone: ");
    }

    #[test]
    fn long_answers_are_cut() {
        assert!(cut(&"x\n".repeat(40)).ends_with("… and 18 more lines"));
        assert_eq!(cut(&"y".repeat(200)).chars().count(), WIDTH + 2);
    }
}
