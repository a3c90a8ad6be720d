//! Asking before destruction, through the built program: by form to clients of both eras, and by token where nobody can be asked.

use serde_json::Value;
use serde_json::json;

use crate::database::Engine;
use crate::database::LOANS;
use crate::database::Library;
use crate::host::Client;
use crate::host::Era;
use crate::host::Host;
use crate::host::HttpHost;
use crate::host::Person;

const WRITABLE: &str = "mode = \"read-write\"";
const SQL: &str = "delete from loans";

async fn open(engine: Engine, keys: &str) -> (Library, HttpHost) {
    let library = Library::new(engine).await;
    let host = Host::new().database("main", &library.url, keys).start().await;
    (library, host)
}

async fn left(library: &Library) -> i64 {
    library.number("select count(*) from loans").await
}

/// The token of an error that asks, and the count that it shows.
fn asked(error: &Value) -> (String, Value) {
    assert_eq!(error["code"], "CONFIRMATION_REQUIRED", "{error}");
    (error["details"]["confirm"].as_str().expect("it has a token").to_owned(), error["details"]["affected"].clone())
}

async fn execute(client: &Client, arguments: Value) -> crate::host::Answer {
    client.call("execute_query", arguments).await
}

/// A person behind a client of this era is asked, with the count; only a yes runs it.
async fn by_form(era: Era) {
    let (library, host) = open(Engine::Sqlite, WRITABLE).await;
    for person in [Person::declines(), Person::accepts(json!({ "confirm": false }))] {
        let client = host.connect_with(era, &person).await;
        let refused = execute(&client, json!({ "sql": SQL })).await;
        assert_eq!(refused.code(), "CANCELLED", "{}", refused.text());
        assert_eq!(left(&library).await, LOANS);
    }
    let person = Person::accepts(json!({ "confirm": true }));
    let client = host.connect_with(era, &person).await;
    let done = execute(&client, json!({ "sql": SQL })).await.json();
    assert_eq!(done, json!({ "affected": LOANS }));
    let [message] = person.asked().try_into().expect("once");
    assert!(message.contains("without `WHERE`") && message.contains("(3503 rows)"), "{message}");
    assert_eq!(left(&library).await, 0);
    // What names its rows is not asked about.
    execute(&client, json!({ "sql": "delete from books where id = 1" })).await.json();
    assert_eq!(person.asked().len(), 1);
}

#[tokio::test]
async fn a_client_of_today_is_asked_in_another_round() {
    by_form(Era::Modern).await;
}

#[tokio::test]
async fn an_older_client_is_asked_while_its_call_waits() {
    by_form(Era::Legacy).await;
}

/// Where nobody can be asked there is a preview and a token, on each engine.
async fn by_token(engine: Engine) {
    let (library, host) = open(engine, WRITABLE).await;
    let client = host.connect(Era::Modern).await;
    let (token, affected) = asked(&execute(&client, json!({ "sql": SQL })).await.error());
    assert_eq!((affected, left(&library).await), (json!(LOANS), LOANS));
    // For another statement, for other parameters, made up, in a batch of more: nothing.
    for arguments in [json!({ "sql": "delete from books", "confirm": token }), json!({ "sql": SQL, "confirm": "k_AAAAAAAAAAAAAAAAAAAAAA" })]
    {
        assert!(execute(&client, arguments).await.failed());
    }
    let batch = json!({ "statements": [{ "sql": SQL }, { "sql": "delete from books where id = 1" }], "confirm": token });
    asked(&client.call("execute_batch", batch).await.error());
    // One yes is to all of them, so that it has to be told what they are.
    let batch = json!({ "statements": [{ "sql": "update books set id = id" }, { "sql": "select 1" }, { "sql": SQL }] });
    let text = client.call("execute_batch", batch).await.text();
    assert!(text.contains("statement 1: `UPDATE`") && text.contains("statement 3: `DELETE`"), "{text}");
    assert_eq!(left(&library).await, LOANS);
    let done = execute(&client, json!({ "sql": SQL, "confirm": token })).await.json();
    assert_eq!(done, json!({ "affected": LOANS }));
    assert_eq!(left(&library).await, 0);
    asked(&execute(&client, json!({ "sql": SQL, "confirm": token })).await.error());

    let drop = "drop view lent_books";
    let (token, affected) = asked(&execute(&client, json!({ "sql": drop })).await.error());
    assert_eq!(affected, Value::Null);
    assert!(!execute(&client, json!({ "sql": drop, "confirm": token })).await.failed());
    library.close().await;
}

#[tokio::test]
async fn a_token_stands_for_a_yes_on_sqlite() {
    by_token(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_token_stands_for_a_yes_on_postgres() {
    by_token(Engine::Postgres).await;
}

#[tokio::test]
async fn a_token_stands_for_a_yes_on_mariadb() {
    by_token(Engine::MySql).await;
}

#[tokio::test]
async fn a_token_is_for_one_transaction_and_one_database() {
    let (library, other) = (Library::new(Engine::Postgres).await, Library::new(Engine::Postgres).await);
    let host = Host::new().database("main", &library.url, WRITABLE).database("other", &other.url, WRITABLE).start().await;
    let client = host.connect(Era::Modern).await;
    let begun = client.call("begin_transaction", json!({ "database": "main" })).await.json();
    let transaction = &begun["transaction"];
    let (token, affected) = asked(&execute(&client, json!({ "sql": SQL, "transaction": transaction })).await.error());
    assert_eq!(affected, json!(LOANS));
    asked(&execute(&client, json!({ "sql": SQL, "database": "main", "confirm": token })).await.error());
    asked(&execute(&client, json!({ "sql": SQL, "database": "other", "confirm": token })).await.error());
    execute(&client, json!({ "sql": SQL, "transaction": transaction, "confirm": token })).await.json();
    client.call("rollback_transaction", json!({ "transaction": transaction })).await.json();
    assert_eq!((left(&library).await, left(&other).await), (LOANS, LOANS));
    library.close().await;
    other.close().await;
}

#[tokio::test]
async fn more_rows_than_configured_are_taken_back_and_asked_about() {
    let (library, host) = open(Engine::Postgres, &format!("{WRITABLE}\nconfirm = {{ rows = 100 }}")).await;
    let client = host.connect(Era::Modern).await;
    let sql = "delete from loans where id <= 200";
    let error = execute(&client, json!({ "sql": sql })).await.error();
    assert!(error["message"].as_str().unwrap().contains("more than 100 rows"), "{error}");
    let (token, affected) = asked(&error);
    assert_eq!((affected, left(&library).await), (json!(200), LOANS));
    execute(&client, json!({ "sql": "delete from loans where id <= 100" })).await.json();
    // Fewer than were shown now, and still the statement that was agreed to.
    assert_eq!(execute(&client, json!({ "sql": sql, "confirm": token })).await.json(), json!({ "affected": 100 }));
    library.close().await;
}
