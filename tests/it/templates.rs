//! The plugin `template` in the whole program: every template that comes with it, on each engine it is for.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use crate::database::Engine;
use crate::database::LOANS;
use crate::database::Library;
use crate::database::on_each_engine;
use crate::folder::Folder;
use crate::host::Client;
use crate::host::Era;
use crate::host::Host;

/// Those that find nothing where nothing is wrong.
const MAY_BE_EMPTY: [&str; 3] = ["duplicate_rows", "referential_check", "sequence_gaps"];

/// Those that MariaDB shows only to a role with the privilege `PROCESS`.
const NEEDS_PROCESS: [&str; 2] = ["blocked", "locks"];

/// Where the host keeps what callers save: a place of the test's own.
fn keeping_in(folder: &Folder) -> String {
    format!("state_dir = {:?}", folder.path().join("state"))
}

/// Arguments for those that take a table, on the library.
fn arguments(name: &str) -> Value {
    match name {
        "row_count" => json!({ "table": "loans" }),
        "growth" | "activity_by_hour" => json!({ "table": "loans", "when": "lent_on" }),
        "active_users" | "cohort_retention" => json!({ "table": "loans", "user": "book_id", "when": "lent_on" }),
        "top_per_group" => json!({ "table": "books", "group": "author_id", "value": "price", "show": ["title", "id"], "n": 2 }),
        "sequence_gaps" | "column_profile" => json!({ "table": "loans", "column": "id" }),
        "top_values" => json!({ "table": "loans", "column": "book_id", "limit": 5 }),
        "histogram" => json!({ "table": "books", "column": "price", "buckets": 4 }),
        "duplicate_rows" => json!({ "table": "loans", "columns": ["book_id", "lent_on"] }),
        "referential_check" => json!({ "table": "loans", "column": "book_id", "parent": "books", "key": "id" }),
        _ => json!({}),
    }
}

async fn every_template_runs(engine: Engine) {
    let library = Library::new(engine).await;
    // Rows that are kept would hide what is written past the host.
    let host = Host::new().database("main", &library.url, "").table("plugins.cache", "enabled = false").start().await;
    let client = host.connect(Era::Modern).await;
    let name_of_engine = match engine {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
        Engine::MySql => "mysql",
    };
    let listed = client.call("list_templates", json!({ "engine": name_of_engine })).await.json();
    let names: Vec<&str> = listed["templates"].as_array().unwrap().iter().map(|template| template["name"].as_str().unwrap()).collect();
    let least = if engine == Engine::Sqlite { 12 } else { 20 };
    assert!(names.len() >= least, "{names:?}");
    let mut wrong = Vec::new();
    let mut missing = BTreeSet::new();
    for name in names {
        let answer = client.call("run_template", json!({ "name": name, "params": arguments(name) })).await;
        if answer.failed() {
            match answer.code().as_str() {
                // What the server of the tests does not have is said, with how to get it.
                "REQUIREMENT_MISSING" => {
                    assert!(!answer.error()["hint"].as_str().unwrap().is_empty());
                    missing.insert(name);
                }
                // So is what the role may not see.
                "ACCESS_DENIED" if engine == Engine::MySql && NEEDS_PROCESS.contains(&name) => {}
                _ => wrong.push(format!("{name}: {}", answer.text())),
            }
        } else if arguments(name).get("table").is_some() && !MAY_BE_EMPTY.contains(&name) && answer.rows() == json!([]) {
            wrong.push(format!("{name}: no rows"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let may_be_missing = BTreeSet::from(["slow_statements", "index_usage", "unused_indexes"]);
    assert!(missing.is_subset(&may_be_missing), "{missing:?}");
    check_figures(&client).await;

    // What is wrong is found.
    library.run("create index books_title_price on books (title, price)").await;
    library.run("delete from loans where id = 7").await;
    let run = async |name: &str| client.call("run_template", json!({ "name": name, "params": arguments(name) })).await;
    assert_eq!(run("sequence_gaps").await.rows(), json!([[7, 7, 1]]));
    let duplicates = run("duplicate_indexes").await.text();
    assert!(duplicates.contains("\"books_title\",\"books_title_price\""), "{duplicates}");
    library.close().await;
}

/// What some of them have to say about the library.
async fn check_figures(client: &Client) {
    let run = async |name: &str| client.call("run_template", json!({ "name": name, "params": arguments(name) })).await.rows();
    assert_eq!(run("row_count").await, json!([[LOANS]]));
    let sum = |rows: &Value, column: usize| rows.as_array().unwrap().iter().map(|row| row[column].as_i64().unwrap()).sum::<i64>();
    let growth = run("growth").await;
    assert_eq!(sum(&growth, 1), LOANS);
    assert_eq!(growth.as_array().unwrap().last().unwrap()[2], LOANS);
    let books = client.call("execute_select", json!({ "sql": "select count(*), count(distinct author_id) from books" })).await.rows();
    assert_eq!(sum(&run("histogram").await, 3), books[0][0].as_i64().unwrap());
    assert!(run("top_per_group").await.as_array().unwrap().len() as i64 <= 2 * books[0][1].as_i64().unwrap());
    assert_eq!(run("referential_check").await, json!([]));
}

async fn what_a_caller_gives_never_becomes_sql(engine: Engine) {
    let library = Library::new(engine).await;
    let state = Folder::new();
    let host = Host::new().database("main", &library.url, "mode = \"read-write\"").server(&keeping_in(&state)).start().await;
    let client = host.connect(Era::Modern).await;
    let template = json!({
        "name": "by_title", "description": "Books by title.",
        "statements": { "any": "select id from {{table}} where title in ({{titles}}) order by {{by}} {{order}}" },
        "parameters": [
            { "name": "table", "type": "table", "default": "books" },
            { "name": "titles", "type": "text", "list": true },
            { "name": "by", "type": "column", "of": "table", "default": "id" },
            { "name": "order", "type": "order", "default": "asc" },
        ],
    });
    assert_eq!(client.call("save_template", json!({ "template": template })).await.json()["version"], 1);
    let run = async |params: Value| client.call("run_template", json!({ "name": "by_title", "params": params })).await;
    let title = client.call("execute_select", json!({ "sql": "select title from books where id = 1" })).await.rows()[0][0].clone();
    assert_eq!(run(json!({ "titles": [title, "x"] })).await.rows(), json!([[1]]));
    for attack in
        ["' or '1'='1", "\\' or 1=1 -- ", "x'); drop table loans; --", "\"; drop table loans; --", "`; drop table loans; #", "$1", "?"]
    {
        assert_eq!(run(json!({ "titles": [attack] })).await.rows(), json!([]), "{attack}");
        for params in [
            json!({ "table": attack, "titles": ["x"] }),
            json!({ "by": attack, "titles": ["x"] }),
            json!({ "order": attack, "titles": ["x"] }),
        ] {
            assert!(run(params.clone()).await.failed(), "{params}");
        }
    }
    // A template reads, whatever it says.
    let writes = json!({ "name": "writes", "description": "Deletes.", "statements": { "any": "delete from loans" } });
    assert!(!client.call("save_template", json!({ "template": writes })).await.failed());
    assert_eq!(client.call("run_template", json!({ "name": "writes" })).await.code(), "READ_ONLY");
    assert_eq!(library.number("select count(*) from loans").await, LOANS);
    library.close().await;
}

#[tokio::test]
async fn a_chart_is_a_picture_beside_its_rows() {
    let library = Library::new(Engine::Sqlite).await;
    let host = Host::new().database("main", &library.url, "").start().await;
    let client = host.connect(Era::Modern).await;
    let answer = client.call("run_template", json!({ "name": "growth", "params": arguments("growth"), "chart": "auto" })).await;
    assert_eq!(answer.images(), ["image/png"]);
    assert_eq!(answer.rows().as_array().unwrap().last().unwrap()[2], LOANS);
    library.close().await;
}

#[tokio::test]
async fn a_template_is_a_tool_as_soon_as_it_is_saved() {
    let library = Library::new(Engine::Sqlite).await;
    let operators = json!({ "name": "dear", "description": "Dear books.", "tool": true, "statements": { "any": "select id from books where price > {{least}}" },
        "parameters": [{ "name": "least", "type": "number", "min": 0 }] });
    let settings = r#"
        [plugins.template.settings]
        share = true
        publish = true
        max_tools = 2
        [[plugins.template.settings.templates]]
        name = "dear"
        description = "Dear books."
        tool = true
        statements = { any = "select count(*) as books from books where price > {{least}}" }
        parameters = [{ name = "least", type = "number", min = 0 }]"#;
    let state = Folder::new();
    let host = Host::new().database("main", &library.url, settings).server(&keeping_in(&state)).start().await;
    let client = host.connect(Era::Modern).await;
    // A client of its own each time: one keeps the list that it has until it is told of another.
    let published =
        async || host.connect(Era::Modern).await.tools().await.into_iter().filter(|tool| tool.starts_with("template_")).collect::<Vec<_>>();
    assert_eq!(published().await, ["template_dear"]);
    let books = library.number("select count(*) from books").await;
    assert_eq!(client.call("template_dear", json!({ "least": 0 })).await.rows(), json!([[books]]));
    assert_eq!(client.call("template_dear", json!({ "least": -1 })).await.code(), "INVALID_ARGUMENTS");
    assert_eq!(client.call("template_dear", json!({})).await.code(), "INVALID_ARGUMENTS");

    let mut named = operators.clone();
    named["name"] = "cheap".into();
    let save = async |template: &Value| client.call("save_template", json!({ "template": template, "shared": true })).await;
    assert!(save(&operators).await.failed(), "nobody takes the name of the operator's");
    assert!(!save(&named).await.failed());
    assert_eq!(published().await, ["template_cheap", "template_dear"]);
    named["name"] = "third".into();
    assert_eq!(save(&named).await.code(), "TOO_MANY");
    assert!(!client.call("delete_template", json!({ "name": "cheap", "shared": true })).await.failed());
    assert_eq!(published().await, ["template_dear"]);
    library.close().await;
}

on_each_engine! {
    every_template_runs
    what_a_caller_gives_never_becomes_sql
}
