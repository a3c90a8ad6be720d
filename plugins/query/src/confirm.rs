//! What destroys much is asked about, whichever tool runs it.

use serde_json::Value;
use serde_json::json;
use tidegate_plugin::ClientFeatures;
use tidegate_plugin::DatabaseError;
use tidegate_plugin::InputNeeded;
use tidegate_plugin::Outcome;
use tidegate_plugin::Round;
use tidegate_plugin::ToolError;
use tidegate_plugin::catalog::Engine;
use tidegate_plugin::catalog::Mode;
use tidegate_plugin::test::Event;
use tidegate_plugin::test::Host;

use crate::execute_batch::ExecuteBatch;
use crate::execute_query::ExecuteQuery;

/// The name of the form and of its one field.
const CONFIRM: &str = "confirm";

const SQL: &str = "delete from t";

fn host() -> Host {
    Host::new().database("main", Engine::Sqlite, Mode::ReadWrite).affects(SQL, 7, None).asks(SQL, Some(7))
}

fn answered(answer: &Value, state: &str) -> Round {
    let responses = vec![tidegate_plugin::InputResponse { name: CONFIRM.into(), answer: answer.to_string() }];
    Round { responses, state: Some(state.into()), client: ClientFeatures::FORM }
}

fn asked(outcome: Outcome<Vec<tidegate_plugin::Content>>) -> InputNeeded {
    match outcome {
        Outcome::NeedInput(needed) => needed,
        Outcome::Complete(contents) => panic!("{contents:?}"),
    }
}

#[test]
fn a_person_who_can_be_asked_is_asked_and_a_yes_runs_it() {
    let host = host();
    let needed = asked(host.call::<ExecuteQuery>(json!({ "sql": SQL })).unwrap());
    let state = needed.state.unwrap();
    let yes = answered(&json!({ "action": "accept", "content": { "confirm": true } }), &state);
    let done = host.call_in::<ExecuteQuery>(json!({ "sql": SQL }), &yes).unwrap();
    assert!(done.complete().is_some());
    assert_eq!(host.events().iter().filter(|event| matches!(event, Event::Execute(_))).count(), 2);
}

#[test]
fn anything_but_a_yes_is_a_no_and_nothing_runs() {
    for answer in [
        json!({ "action": "decline" }),
        json!({ "action": "cancel" }),
        json!({ "action": "accept", "content": { "confirm": false } }),
        json!({ "action": "accept" }),
        json!({ "action": "accept", "content": { "confirm": "true" } }),
    ] {
        let host = host();
        let needed = asked(host.call::<ExecuteQuery>(json!({ "sql": SQL })).unwrap());
        let before = host.events().len();
        let refused = host.call_in::<ExecuteQuery>(json!({ "sql": SQL }), &answered(&answer, &needed.state.unwrap()));
        assert!(matches!(refused, Err(ToolError::Failed(failure)) if failure.code == "CANCELLED"), "{answer}");
        assert_eq!(host.events().len(), before, "{answer}");
    }
}

#[test]
fn a_client_that_cannot_be_asked_gets_the_token_and_brings_it_back() {
    let host = host();
    let nobody = Round::first(ClientFeatures::empty());
    let refused = host.call_in::<ExecuteQuery>(json!({ "sql": SQL }), &nobody);
    let Err(ToolError::Database(DatabaseError::ConfirmationRequired(confirmation))) = refused else { panic!("{refused:?}") };
    assert_eq!(confirmation.affected, Some(7));
    let arguments = json!({ "sql": SQL, "confirm": confirmation.token });
    assert!(host.call_in::<ExecuteQuery>(arguments.clone(), &nobody).is_ok());
    assert!(host.call_in::<ExecuteQuery>(arguments, &nobody).is_err(), "a token is good for once");
}

#[test]
fn a_batch_is_asked_about_too() {
    let host = host();
    let arguments = json!({ "statements": [{ "sql": SQL }] });
    let needed = asked(host.call::<ExecuteBatch>(arguments.clone()).unwrap());
    let yes = answered(&json!({ "action": "accept", "content": { "confirm": true } }), &needed.state.unwrap());
    assert!(host.call_in::<ExecuteBatch>(arguments, &yes).is_ok());
}
