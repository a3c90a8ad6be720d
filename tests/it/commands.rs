//! The command line: what it prints and what it ends with.

use std::time::Duration;
use std::time::Instant;

use serde_json::Value;

use crate::database::Engine;
use crate::database::LOANS;
use crate::database::Library;
use crate::folder::Folder;
use crate::host::Ended;
use crate::host::Era;
use crate::host::Host;
use crate::host::program;
use crate::host::run;

async fn tidegate(arguments: &[&str]) -> Ended {
    let mut command = program();
    command.args(arguments);
    run(command).await
}

#[tokio::test]
async fn the_demo_shows_five_calls_and_ends() {
    let folder = Folder::new();
    let mut command = program();
    command.args(["demo", "--once"]).env("TIDEGATE_CACHE", folder.path());
    let begun = Instant::now();
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.stdout.matches("-> tools/call").count(), 5, "{}", ended.stdout);
    for part in ["order_items", "did you mean `customers`", "READ_ONLY", "Claude Desktop", "Codex CLI", "shop.sqlite"] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_tool_is_called_from_the_shell_and_its_error_is_an_exit_code() {
    let library = Library::new(Engine::Sqlite).await;
    let database = format!("main={}", library.url);
    let call = async |arguments| tidegate(&["call", "execute_select", arguments, "--database", &database, "--json"]).await;
    let ended = call(r#"{"sql": "select count(*) from loans"}"#).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(result["content"][0]["text"].as_str().unwrap().contains(&LOANS.to_string()), "{result}");

    let ended = call(r#"{"sql": "delete from loans"}"#).await;
    assert_eq!(ended.code, Some(5), "{}", ended.stdout);
    assert!(ended.stderr.contains("READ_ONLY"), "{}", ended.stderr);
    assert_eq!(library.number("select count(*) from loans").await, LOANS);
    assert_eq!(call("[1]").await.code, Some(2));
}

#[tokio::test]
async fn tools_are_listed_with_their_schemas() {
    let ended = tidegate(&["tools", "--json", "--database", "main=sqlite::memory:"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let tools: Value = serde_json::from_str(&ended.stdout).unwrap();
    let tool = tools.as_array().unwrap().iter().find(|tool| tool["name"] == "execute_select").unwrap();
    assert_eq!(tool["inputSchema"]["type"], "object");
    assert_eq!(tool["annotations"]["readOnlyHint"], true);
}

#[tokio::test]
async fn check_tells_what_each_database_is() {
    let library = Library::new(Engine::Postgres).await;
    let ended = Host::new().database("main", &library.url, "").run(&["check", "--json"]).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(found["databases"][0]["product"], "PostgreSQL");
    assert_eq!(found["databases"][0]["tables"], 3);
    // The tests' own role may do everything.
    assert!(found["databases"][0]["warnings"][0].as_str().unwrap().contains("superuser"), "{found}");
    library.close().await;
}

#[tokio::test]
async fn check_names_file_line_and_key_of_everything_that_is_wrong() {
    let ended = Host::new().database("main", "ftp://nowhere", "mod = 'read-only'").run(&["check"]).await;
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("tidegate.toml:2: `databases.main.url`: expected a URL"), "{}", ended.stderr);
    assert!(ended.stderr.contains("tidegate.toml:3: `databases.main.mod`: unknown key; did you mean `mode`?"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_an_exit_code_of_its_own() {
    let url = "postgres://u:secret@127.0.0.1:9/nothing";
    let ended = Host::new().database("main", url, "pool = { acquire_timeout = \"2s\" }").run(&["check"]).await;
    assert_eq!(ended.code, Some(4), "{}{}", ended.stdout, ended.stderr);
    assert!(!ended.stdout.contains("secret") && !ended.stderr.contains("secret"), "{}{}", ended.stdout, ended.stderr);
}

#[tokio::test]
async fn mistakes_have_exit_codes_and_a_next_step() {
    let ended = tidegate(&["serv"]).await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("serve"), "{}", ended.stderr);
    let ended = tidegate(&["serve"]).await;
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("--database"), "{}", ended.stderr);
    let ended = tidegate(&["serve", "--config", "missing.toml"]).await;
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("missing.toml"), "{}", ended.stderr);
    let ended = tidegate(&["serve", "--http", "0.0.0.0:0", "--database", "main=sqlite::memory:"]).await;
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("TIDEGATE_TOKEN"), "{}", ended.stderr);
}

#[tokio::test]
async fn serving_over_stdio_ends_well_when_the_input_ends() {
    let ended = tidegate(&["serve", "--database", "main=sqlite::memory:"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
}

#[tokio::test]
async fn the_environment_names_the_database_when_nothing_else_does() {
    let library = Library::new(Engine::Sqlite).await;
    let folder = Folder::new();
    let mut command = program();
    command.args(["check", "--json"]).env("DATABASE_URL", &library.url).current_dir(folder.path());
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((found["databases"][0]["name"].as_str(), found["databases"][0]["tables"].as_u64()), (Some("main"), Some(3)));
}

#[cfg(unix)]
#[tokio::test]
async fn a_host_that_is_asked_to_stop_ends_in_order() {
    let host = Host::new().database("main", "sqlite::memory:", "").start().await;
    let client = host.connect(Era::Legacy).await;
    assert!(!client.tools().await.is_empty());
    assert_eq!(host.terminate().await, Some(0));
}
