//! The plugin as a whole, in the fake host.

use serde_json::Value as Json;
use serde_json::json;
use tidegate_plugin::ClientFeatures;
use tidegate_plugin::CompletionRequest;
use tidegate_plugin::Content;
use tidegate_plugin::Message;
use tidegate_plugin::Outcome;
use tidegate_plugin::PromptError;
use tidegate_plugin::ResourceError;
use tidegate_plugin::Round;
use tidegate_plugin::Target;
use tidegate_plugin::ToolError;
use tidegate_plugin::ToolResult;
use tidegate_plugin::catalog::Engine;
use tidegate_plugin::catalog::Mode;
use tidegate_plugin::test::Event;
use tidegate_plugin::test::Host;
use tidegate_plugin::test::ResultRows;

use crate::Plugin;

/// Bytes of the list that a model reads in every conversation; about 3.5 make a token.
const LIST_BYTES: usize = 2_750;

fn call(host: &Host, tool: &str, arguments: Json) -> ToolResult {
    host.call_plugin::<Plugin>(tool, arguments, &Round::first(ClientFeatures::all()))
}

fn answer(host: &Host, tool: &str, arguments: Json) -> Json {
    let contents = call(host, tool, arguments).ok().and_then(Outcome::complete).expect("it is complete");
    let [Content::Json(text)] = contents.as_slice() else { panic!("{contents:?}") };
    serde_json::from_str(text).expect("it is JSON")
}

fn code(result: ToolResult) -> String {
    match result {
        Err(ToolError::Failed(failure)) => failure.code,
        Err(ToolError::InvalidArguments(_)) => "INVALID_ARGUMENTS".to_owned(),
        other => panic!("{other:?}"),
    }
}

fn host() -> Host {
    let rows = (1..=3).map(|number: i64| vec![format!("t{number}").into(), (number * 10).into()]).collect();
    Host::new()
        .database("main", Engine::Sqlite, Mode::ReadOnly)
        .answers("select name, n from t where n > ?", ResultRows::new(&["name", "n"], rows))
}

fn template(name: &str) -> Json {
    json!({
        "name": name,
        "description": "Names.",
        "statements": { "any": "select name, n from t where n > {{least}}" },
        "parameters": [{ "name": "least", "type": "integer", "default": 0 }],
    })
}

#[test]
fn the_list_of_tools_stays_short() {
    let list = tidegate_plugin::test::tool_list::<Plugin>().to_string();
    assert!(list.len() <= LIST_BYTES, "{} bytes: {list}", list.len());
}

#[test]
fn a_saved_template_is_listed_run_replaced_and_deleted() {
    let host = host();
    let save = |extra: Json| {
        let mut arguments = json!({ "template": template("names") });
        arguments.as_object_mut().expect("it is an object").extend(extra.as_object().expect("it is an object").clone());
        call(&host, "save_template", arguments)
    };
    assert!(save(json!({ "replaces": 0 })).is_ok());
    assert_eq!(code(save(json!({ "replaces": 0 }))), "CONFLICT");
    assert!(save(json!({ "replaces": 1 })).is_ok());
    let whole = answer(&host, "list_templates", json!({ "name": "names" }));
    assert_eq!((&whole["version"], &whole["source"]), (&json!(2), &json!("own")));
    assert_eq!(answer(&host, "list_templates", json!({ "name": "names", "version": 1 }))["version"], 1);
    let listed = answer(&host, "list_templates", json!({}));
    let names: Vec<&str> = listed["templates"].as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect();
    assert!(names.contains(&"names") && names.contains(&"table_sizes"), "{names:?}");

    assert!(call(&host, "run_template", json!({ "name": "names", "params": { "least": 5 } })).is_ok());
    assert!(matches!(host.events().last(), Some(Event::Query(ran)) if ran.parameters == [5.into()]));
    assert_eq!(code(call(&host, "run_template", json!({ "name": "names", "params": { "most": 5 } }))), "INVALID_ARGUMENTS");

    assert_eq!(answer(&host, "delete_template", json!({ "name": "names" }))["deleted"], "names");
    assert_eq!(code(call(&host, "delete_template", json!({ "name": "names" }))), "UNKNOWN_TEMPLATE");
    assert_eq!(code(call(&host, "run_template", json!({ "name": "names" }))), "UNKNOWN_TEMPLATE");
    assert_eq!(code(call(&host, "list_templates", json!({ "name": "names" }))), "UNKNOWN_TEMPLATE");
}

#[test]
fn what_all_callers_see_is_changed_only_where_the_operator_says_so() {
    let arguments = json!({ "template": template("names"), "shared": true });
    assert_eq!(code(call(&host(), "save_template", arguments.clone())), "ACCESS_DENIED");
    assert_eq!(code(call(&host(), "delete_template", json!({ "name": "names", "shared": true }))), "ACCESS_DENIED");
    let sharing = host().setting("share", "true");
    assert!(call(&sharing, "save_template", arguments).is_ok());
    assert_eq!(answer(&sharing, "list_templates", json!({ "name": "names" }))["source"], "shared");
}

#[test]
fn the_operators_templates_are_there_and_nobody_takes_their_names() {
    let host = host().setting("templates", &json!([template("house")]).to_string());
    assert_eq!(answer(&host, "list_templates", json!({ "name": "house" }))["source"], "operator");
    for name in ["house", "table_sizes"] {
        assert_eq!(code(call(&host, "save_template", json!({ "template": template(name) }))), "INVALID_ARGUMENTS");
    }
    let wrong = self::host().setting("templates", "[{\"name\":\"x\"}]");
    assert_eq!(code(call(&wrong, "list_templates", json!({}))), "CONFIGURATION");
}

#[test]
fn a_chart_comes_with_its_numbers() {
    let host = host();
    call(&host, "save_template", json!({ "template": template("names") })).expect("it is saved");
    for chart in ["auto", "line", "bar", "stacked", "scatter", "histogram", "heatmap", "table"] {
        let outcome = call(&host, "run_template", json!({ "name": "names", "chart": chart }));
        let contents = outcome.ok().and_then(Outcome::complete).expect("it is complete");
        let [Content::Image(image), Content::Rows(rows)] = contents.as_slice() else { panic!("{chart}: {contents:?}") };
        assert_eq!(image.mime_type, "image/png");
        assert!(image.data.starts_with(b"\x89PNG\r\n") && image.data.len() < 200_000, "{chart}: {} bytes", image.data.len());
        assert_eq!(rows.rows.count(), 3);
    }
}

#[test]
fn a_template_becomes_a_tool_and_clients_are_told() {
    let names = |host: &Host| host.tools::<Plugin>().into_iter().map(|tool| tool.name).skip(4).collect::<Vec<_>>();
    let mut house = template("house");
    house["tool"] = true.into();
    let operators = host().setting("templates", &json!([house]).to_string());
    assert_eq!(names(&operators), ["template_house"]);
    let schema: Json = serde_json::from_str(&operators.tools::<Plugin>()[4].input_schema).expect("it is JSON");
    assert_eq!((&schema["properties"]["least"]["type"], &schema["required"]), (&json!("integer"), &json!([])));
    call(&operators, "template_house", json!({ "least": 7, "database": "main" })).expect("it runs");
    assert!(matches!(operators.events().last(), Some(Event::Query(ran)) if ran.parameters == [7.into()]));
    assert_eq!(code(call(&operators, "template_table_sizes", json!({}))), "INVALID_ARGUMENTS");

    let mut tool = template("names");
    tool["tool"] = true.into();
    let arguments = json!({ "template": tool, "shared": true });
    let sharing = host().setting("share", "true");
    assert_eq!(code(call(&sharing, "save_template", arguments.clone())), "ACCESS_DENIED");
    let publishing = host().setting("share", "true").setting("publish", "true").setting("max_tools", "1");
    assert_eq!(code(call(&publishing, "save_template", json!({ "template": tool }))), "INVALID_ARGUMENTS");
    call(&publishing, "save_template", arguments.clone()).expect("it is saved");
    assert_eq!(publishing.events().last(), Some(&Event::Changed("tools".into())));
    assert_eq!(names(&publishing), ["template_names"]);
    call(&publishing, "save_template", arguments).expect("one that is a tool already may be replaced");
    let mut second = tool;
    second["name"] = "second".into();
    assert_eq!(code(call(&publishing, "save_template", json!({ "template": second, "shared": true }))), "TOO_MANY");
    call(&publishing, "delete_template", json!({ "name": "names", "shared": true })).expect("it is there");
    assert_eq!(names(&publishing), Vec::<String>::new());
}

#[test]
fn templates_are_read_prompted_for_and_completed() {
    let host = host();
    assert!(host.read::<Plugin>("tidegate-template://growth").is_ok());
    assert!(matches!(host.read::<Plugin>("tidegate-template://nothing"), Err(ResourceError::NotFound)));
    let prompted = host.prompt::<Plugin>("use_template", &[("name", "growth"), ("table", "orders")]).ok().and_then(Outcome::complete);
    let messages = prompted.expect("it is complete").messages;
    let [Message { content: Content::Text(text), .. }] = messages.as_slice() else { panic!("{messages:?}") };
    assert!(text.contains("`growth`") && text.contains("`table` is \"orders\""), "{text}");
    assert!(matches!(host.prompt::<Plugin>("use_template", &[("name", "nothing")]), Err(PromptError::InvalidArguments(_))));

    let completed = |argument: &str, value: &str| {
        let request = CompletionRequest {
            target: Target::Prompt("use_template".into()),
            argument: argument.into(),
            value: value.into(),
            context: Vec::new(),
        };
        host.complete::<Plugin>(&request).values
    };
    assert_eq!(completed("name", "dup"), ["duplicate_indexes", "duplicate_rows"]);
    assert_eq!(completed("database", ""), ["main"]);
    assert_eq!(completed("colour", ""), Vec::<String>::new());
}
