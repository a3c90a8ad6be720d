//! Tools that need several rounds: what they ask, what they keep between rounds, and what they do with strange answers.

use serde_json::Value;
use serde_json::json;
use tidegate_plugin::ClientFeatures;
use tidegate_plugin::Content;
use tidegate_plugin::FormAnswer;
use tidegate_plugin::InputNeeded;
use tidegate_plugin::Outcome;
use tidegate_plugin::Round;
use tidegate_plugin::ToolError;

use crate::asks::sampled;
use crate::asks::sampling;
use crate::tools;

/// What a round ends with.
type Ended = Outcome<Vec<Content>>;

/// A form with one required field.
pub(crate) fn one_field(name: &str, kind: &str) -> Value {
    json!({ "type": "object", "properties": { name: { "type": kind } }, "required": [name] })
}

/// A text field of an accepted form; none when the form is to be shown again.
pub(crate) fn field(round: &Round, form: &str, name: &str) -> Option<String> {
    match round.form(form)? {
        FormAnswer::Accepted(fields) => fields.get(name)?.as_str().map(str::to_owned),
        FormAnswer::Declined | FormAnswer::Cancelled => None,
    }
}

/// Whether a person said no to a form: then asking again would be rude.
fn was_refused(round: &Round, form: &str) -> bool {
    matches!(round.form(form), Some(FormAnswer::Declined | FormAnswer::Cancelled))
}

fn said(text: impl Into<String>) -> Ended {
    Content::text(text).into()
}

fn ask_for_name(questions: InputNeeded) -> InputNeeded {
    questions.form("user_name", "What is your name?", &one_field("name", "string"))
}

/// The URIs of the client's folders; none when there is no such answer.
fn roots(round: &Round) -> Option<Vec<String>> {
    let answer = round.answer("client_roots")?;
    let uris = answer.get("roots")?.as_array()?.iter().filter_map(|root| root.get("uri")?.as_str().map(str::to_owned));
    Some(uris.collect())
}

/// Asks for a confirmation with a state, and wants exactly that state back.
fn confirm(round: &Round, state: &str, done: &str) -> Result<Ended, ToolError> {
    match (round.form("confirm"), round.state.as_deref()) {
        (Some(_), Some(returned)) if returned == state => Ok(said(done)),
        (Some(_), _) => Err(ToolError::InvalidArguments("the state of the round before is missing or another one".to_owned())),
        (None, _) => Ok(InputNeeded::new().form("confirm", "Please confirm", &one_field("ok", "boolean")).with_state(state).into()),
    }
}

tools! {
    ElicitationRound "test_input_required_result_elicitation" "Asks for a name and greets." |round| {
        Ok(match field(round, "user_name", "name") {
            Some(name) => said(format!("Hello, {name}!")),
            None if was_refused(round, "user_name") => said("Hello, whoever you are!"),
            None => ask_for_name(InputNeeded::new()).into(),
        })
    }

    SamplingRound "test_input_required_result_sampling" "Runs the client's model and tells what it said." |round| {
        Ok(match sampled(round, "capital_question") {
            Some(text) => said(text),
            None => InputNeeded::new().sampling("capital_question", &sampling("What is the capital of France?", 100)).into(),
        })
    }

    RootsRound "test_input_required_result_list_roots" "Asks for the client's folders and tells them." |round| {
        Ok(match roots(round) {
            Some(uris) => said(format!("Roots: {}", uris.join(", "))),
            None => InputNeeded::new().roots("client_roots").into(),
        })
    }

    StateRound "test_input_required_result_request_state" "Asks for a confirmation and wants its state back." |round| {
        confirm(round, "state of round 1", "state-ok")
    }

    TamperedState "test_input_required_result_tampered_state" "Asks for a confirmation with a state that nobody may change." |round| {
        confirm(round, "untouched", "The state came back untouched")
    }

    SeveralInputs "test_input_required_result_multiple_inputs" "Asks the person, the model and for folders at once." |round| {
        Ok(match (field(round, "user_name", "name"), sampled(round, "greeting"), roots(round)) {
            (Some(name), Some(greeting), Some(uris)) => said(format!("{greeting} {name}, from {}", uris.join(", "))),
            _ => ask_for_name(InputNeeded::new())
                .sampling("greeting", &sampling("Generate a greeting", 50))
                .roots("client_roots")
                .with_state("several inputs")
                .into(),
        })
    }

    SeveralRounds "test_input_required_result_multi_round" "Asks for a name, then for a colour." |round| {
        let named = round.state.as_deref().and_then(|state| state.strip_prefix("name: "));
        Ok(match (field(round, "step1", "name"), named, field(round, "step2", "color")) {
            (_, Some(name), Some(color)) => said(format!("{name} likes {color}")),
            (Some(name), _, _) => ask_for_color(&name).into(),
            (None, Some(name), None) => ask_for_color(name).into(),
            (None, None, _) => {
                InputNeeded::new().form("step1", "Step 1: What is your name?", &one_field("name", "string")).with_state("begun").into()
            }
        })
    }

    ClientCapabilities "test_input_required_result_capabilities" "Asks whatever the client can be asked." |round| {
        if !round.responses.is_empty() {
            return Ok(said("Thank you."));
        }
        let mut questions = InputNeeded::new();
        if round.client.contains(ClientFeatures::FORM) {
            questions = ask_for_name(questions);
        }
        if round.client.contains(ClientFeatures::SAMPLING) {
            questions = questions.sampling("greeting", &sampling("Generate a greeting", 50));
        }
        if round.client.contains(ClientFeatures::ROOTS) {
            questions = questions.roots("client_roots");
        }
        Ok(if questions.requests.is_empty() { said("This client can be asked nothing.") } else { questions.into() })
    }
}

fn ask_for_color(name: &str) -> InputNeeded {
    InputNeeded::new()
        .form("step2", "Step 2: What is your favorite color?", &one_field("color", "string"))
        .with_state(format!("name: {name}"))
}
