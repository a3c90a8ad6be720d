//! Asks the client in the middle of a call, in the way its protocol has.
//!
//! Since 2026-07-28 the questions are the answer, and the client calls again with the replies and the sealed state. Older
//! clients are asked by requests of ours while their call waits, and the plugin is called again here.

#![expect(deprecated, reason = "older clients have no other way to be asked for their model or their folders")]

use std::future::Future;
use std::time::Duration;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::ClientCapabilities;
use rmcp::model::CreateMessageRequest;
use rmcp::model::CreateMessageRequestParams;
use rmcp::model::ElicitRequest;
use rmcp::model::ElicitRequestParams;
use rmcp::model::InputRequest;
use rmcp::model::InputRequests;
use rmcp::model::InputRequiredResult;
use rmcp::model::InputResponses;
use rmcp::model::ListRootsRequest;
use rmcp::model::RequestStateCodec;
use rmcp::model::SealOptions;
use rmcp::service::Peer;
use rmcp::service::RequestContext;
use rmcp::service::ServiceError;
use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;

use crate::call::Call;
use crate::call::Caller;
use crate::call::ClientFeatures;
use crate::runtime::answer::CallError;
use crate::runtime::answer::InputNeeded;
use crate::runtime::answer::Outcome;
use crate::runtime::answer::Question;
use crate::runtime::answer::Round;
use crate::runtime::answer::ToolFailure;

/// How long a person may think: the life of a sealed state, and of a question to an older client.
const THINKING: Duration = Duration::from_mins(10);

/// Rounds of questions to an older client in one call.
const ROUNDS: usize = 10;

/// Answers that one call may bring.
const ANSWERS: usize = 64;

/// What a sealed state belongs to: it opens only for the same caller, method, name and arguments.
pub(super) struct Binding(Vec<u8>);

impl Binding {
    /// Binds to a request of `caller`. `arguments` count by content, not by the order of their keys.
    pub(super) fn new<'a>(caller: &Caller, method: &str, name: &str, arguments: impl Iterator<Item = (&'a String, &'a Value)>) -> Self {
        let mut digest = Sha256::new();
        for part in [caller.as_str(), method, name] {
            feed(&mut digest, part.as_bytes());
        }
        feed_object(&mut digest, arguments);
        Self(digest.finalize().to_vec())
    }
}

/// Feeds one part with its length, so that parts cannot run into each other.
fn feed(digest: &mut Sha256, part: &[u8]) {
    digest.update((part.len() as u64).to_be_bytes());
    digest.update(part);
}

fn feed_object<'a>(digest: &mut Sha256, entries: impl Iterator<Item = (&'a String, &'a Value)>) {
    let mut entries: Vec<_> = entries.collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    digest.update((entries.len() as u64).to_be_bytes());
    for (key, value) in entries {
        feed(digest, key.as_bytes());
        feed_value(digest, value);
    }
}

fn feed_value(digest: &mut Sha256, value: &Value) {
    match value {
        Value::Object(object) => {
            digest.update(b"o");
            feed_object(digest, object.iter());
        }
        Value::Array(items) => {
            digest.update(b"a");
            digest.update((items.len() as u64).to_be_bytes());
            for item in items {
                feed_value(digest, item);
            }
        }
        scalar => {
            digest.update(b"s");
            feed(digest, scalar.to_string().as_bytes());
        }
    }
}

/// The round that a request brings: its answers, and its state unsealed.
///
/// # Errors
///
/// `-32602` for a state that was changed, is over its time or belongs to another request, and for too many answers.
pub(super) fn open_round(
    codec: &RequestStateCodec,
    binding: &Binding,
    responses: Option<InputResponses>,
    state: Option<String>,
) -> Result<Round, ErrorData> {
    let responses = responses.unwrap_or_default();
    if responses.len() > ANSWERS {
        return Err(ErrorData::invalid_params(format!("more than {ANSWERS} entries in `inputResponses`"), None));
    }
    let state = state.map(|state| open_state(codec, binding, &state)).transpose()?;
    Ok(Round { responses: responses.into_iter().collect(), state })
}

fn open_state(codec: &RequestStateCodec, binding: &Binding, sealed: &str) -> Result<String, ErrorData> {
    const REFUSED: &str = "`requestState` was changed, is over its time or belongs to another request; start again without it";
    let opened = codec.open_with(sealed, &binding.0).ok();
    opened.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| ErrorData::invalid_params(REFUSED, None))
}

/// How a request ended.
pub(super) enum Reply<T> {
    /// With its result.
    Done(T),
    /// With questions, for the client to answer and call again.
    Ask(InputRequiredResult),
    /// With a failure.
    Failed(CallError),
}

/// Runs a request to its result or its questions.
///
/// `run` gets the call, with a deadline of its own for each round, and the round; it is called once for a client that
/// speaks 2026-07-28, and for older ones again after each round of questions.
///
/// # Errors
///
/// `-32021` when a client that speaks 2026-07-28 did not declare what a question needs.
pub(super) async fn converse<T, F, Fut>(
    codec: &RequestStateCodec,
    context: &RequestContext<RoleServer>,
    modern: bool,
    call: &Call,
    binding: &Binding,
    first: Round,
    mut run: F,
) -> Result<Reply<T>, ErrorData>
where
    F: FnMut(Call, Round) -> Fut + Send,
    Fut: Future<Output = Result<Outcome<T>, CallError>> + Send,
    T: Send,
{
    let limit = call.remaining();
    let mut round = first;
    for _ in 0..ROUNDS {
        let call = Call { deadline: Instant::now() + limit, ..call.clone() };
        let needed = match run(call.clone(), round).await {
            Ok(Outcome::Complete(done)) => return Ok(Reply::Done(done)),
            Ok(Outcome::NeedInput(needed)) => needed,
            Err(error) => return Ok(Reply::Failed(error)),
        };
        if modern {
            return questions(codec, binding, &call, needed);
        }
        round = match ask(&context.peer, &call, needed).await {
            Ok(answered) => answered,
            Err(error) => return Ok(Reply::Failed(error)),
        };
    }
    let failure = failure("CONFIRMATION_REQUIRED", format!("the tool still asks after {ROUNDS} rounds of questions"));
    Ok(Reply::Failed(failure))
}

/// The questions as the answer to a client that will call again.
fn questions<T>(codec: &RequestStateCodec, binding: &Binding, call: &Call, needed: InputNeeded) -> Result<Reply<T>, ErrorData> {
    if let Some(missing) = missing_capabilities(call.features, &needed) {
        return Err(ErrorData::missing_required_client_capability(missing));
    }
    let mut requests = InputRequests::new();
    for (name, question) in needed.requests {
        match input_request(question) {
            Ok(request) => requests.insert(name, request),
            Err(reason) => return Ok(Reply::Failed(malformed(&name, &reason))),
        };
    }
    if requests.is_empty() && needed.state.is_none() {
        return Ok(Reply::Failed(failure("PLUGIN_FAILED", "the plugin asked for input, but for none in particular")));
    }
    let seal = SealOptions::new().associated_data(&binding.0).ttl(THINKING);
    let state = needed.state.map(|state| codec.seal_with(state.as_bytes(), &seal));
    Ok(Reply::Ask(InputRequiredResult::new((!requests.is_empty()).then_some(requests), state)))
}

/// What the client lacks to answer, shaped like its capabilities; `None` when it lacks nothing.
fn missing_capabilities(features: ClientFeatures, needed: &InputNeeded) -> Option<ClientCapabilities> {
    let mut missing = serde_json::Map::new();
    for (_, question) in &needed.requests {
        match question {
            Question::Form { .. } if !features.form => missing.insert("elicitation".into(), json!({ "form": {} })),
            Question::Page { .. } if !features.url => missing.insert("elicitation".into(), json!({ "url": {} })),
            Question::Sampling(_) if !features.sampling => missing.insert("sampling".into(), json!({})),
            Question::Roots if !features.roots => missing.insert("roots".into(), json!({})),
            _ => continue,
        };
    }
    if missing.is_empty() {
        return None;
    }
    Some(serde_json::from_value(Value::Object(missing)).expect("an object of empty capabilities is one of capabilities"))
}

/// A question as MCP says it. The error tells what of it does not fit.
fn input_request(question: Question) -> Result<InputRequest, String> {
    Ok(match question {
        Question::Form { .. } | Question::Page { .. } => {
            InputRequest::Elicitation(ElicitRequest::new(elicitation(question, String::new())?))
        }
        Question::Sampling(parameters) => InputRequest::CreateMessage(CreateMessageRequest::new(sampling(parameters)?)),
        Question::Roots => InputRequest::ListRoots(ListRootsRequest::default()),
    })
}

fn elicitation(question: Question, elicitation_id: String) -> Result<ElicitRequestParams, String> {
    match question {
        Question::Form { message, schema } => {
            let requested_schema = serde_json::from_value(schema).map_err(|error| error.to_string())?;
            Ok(ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema })
        }
        Question::Page { message, url } => {
            if !url.starts_with("https://") {
                return Err("its URL is not https".to_owned());
            }
            Ok(ElicitRequestParams::UrlElicitationParams { meta: None, message, url, elicitation_id })
        }
        Question::Sampling(_) | Question::Roots => Err("it is no question to a person".to_owned()),
    }
}

fn sampling(parameters: Value) -> Result<CreateMessageRequestParams, String> {
    serde_json::from_value(parameters).map_err(|error| error.to_string())
}

/// Asks an older client, one question after another, and waits for its answers.
async fn ask(peer: &Peer<RoleServer>, call: &Call, needed: InputNeeded) -> Result<Round, CallError> {
    let mut responses = Vec::with_capacity(needed.requests.len());
    for (name, question) in needed.requests {
        check_feature(call.features, &question)?;
        let asked = tokio::time::timeout(THINKING, ask_one(peer, &name, question));
        let answer = tokio::select! {
            answer = asked => answer.map_err(|_| CallError::Timeout)?,
            () = call.cancellation.cancelled() => return Err(CallError::Cancelled),
        };
        responses.push((name, answer?));
    }
    Ok(Round { responses, state: needed.state })
}

/// Refuses a question that the client did not say it can answer.
fn check_feature(features: ClientFeatures, question: &Question) -> Result<(), CallError> {
    let (able, code, what) = match question {
        Question::Form { .. } => (features.form, "CONFIRMATION_REQUIRED", "show a form to the person (`elicitation`)"),
        Question::Page { .. } => (features.url, "CONFIRMATION_REQUIRED", "open a page for the person (`elicitation.url`)"),
        Question::Sampling(_) => (features.sampling, "NOT_SUPPORTED", "run its model for a tool (`sampling`)"),
        Question::Roots => (features.roots, "NOT_SUPPORTED", "tell its folders (`roots`)"),
    };
    if able {
        return Ok(());
    }
    let CallError::Tool(mut failure) = failure(code, format!("this call needs a client that can {what}, and this one cannot")) else {
        return Err(CallError::Internal);
    };
    failure.hint = Some("let the person run it with a client that can, or use a tool that does not ask".to_owned());
    Err(CallError::Tool(failure))
}

async fn ask_one(peer: &Peer<RoleServer>, name: &str, question: Question) -> Result<Value, CallError> {
    let answer = match question {
        Question::Form { .. } | Question::Page { .. } => {
            let params = elicitation(question, random_id()).map_err(|reason| malformed(name, &reason))?;
            to_json(peer.create_elicitation(params).await)
        }
        Question::Sampling(parameters) => {
            let params = sampling(parameters).map_err(|reason| malformed(name, &reason))?;
            to_json(peer.create_message(params).await)
        }
        Question::Roots => to_json(peer.list_roots().await),
    };
    answer.map_err(|reason| failure("CONFIRMATION_REQUIRED", format!("the client did not answer the question `{name}`: {reason}")))
}

/// An answer as the JSON that plugins get, or in words why there is none.
fn to_json<T: serde::Serialize>(answer: Result<T, ServiceError>) -> Result<Value, String> {
    match answer {
        Ok(answer) => serde_json::to_value(answer).map_err(|error| error.to_string()),
        Err(ServiceError::McpError(error)) => Err(error.message.into_owned()),
        Err(ServiceError::TransportClosed) => Err("its connection is closed".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn random_id() -> String {
    let mut random = [0; 16];
    // Names a question; protects nothing.
    let _ = getrandom::fill(&mut random);
    URL_SAFE_NO_PAD.encode(random)
}

fn failure(code: &str, message: impl Into<String>) -> CallError {
    CallError::Tool(Box::new(ToolFailure { code: code.to_owned(), message: message.into(), hint: None, retryable: false, details: None }))
}

fn malformed(name: &str, reason: &str) -> CallError {
    failure("PLUGIN_FAILED", format!("the plugin's question `{name}` is not one that MCP allows: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codec(key: u8) -> RequestStateCodec {
        RequestStateCodec::try_new([key; 32]).unwrap()
    }

    fn binding(caller: &str, arguments: &Value) -> Binding {
        Binding::new(&Caller::named(caller), "tools/call", "drop_table", arguments.as_object().unwrap().iter())
    }

    fn form() -> InputNeeded {
        let schema = json!({ "type": "object", "properties": { "yes": { "type": "boolean" } } });
        let question = Question::Form { message: "really?".into(), schema };
        InputNeeded { requests: vec![("confirm".into(), question)], state: Some("step 1".into()) }
    }

    fn call(form: bool) -> Call {
        let features = ClientFeatures { form, ..ClientFeatures::default() };
        Call { features, ..Call::new(Caller::named("ann"), Duration::from_secs(1)) }
    }

    fn sealed(codec: &RequestStateCodec, binding: &Binding) -> String {
        match questions::<()>(codec, binding, &call(true), form()).unwrap() {
            Reply::Ask(result) => result.request_state.unwrap(),
            _ => panic!("no questions"),
        }
    }

    #[test]
    fn a_state_comes_back_for_the_same_request() {
        let codec = codec(1);
        let state = sealed(&codec, &binding("ann", &json!({ "table": "t", "a": { "x": 1, "y": 2 } })));
        let same = binding("ann", &json!({ "a": { "y": 2, "x": 1 }, "table": "t" }));
        let round = open_round(&codec, &same, None, Some(state)).unwrap();
        assert_eq!(round.state.as_deref(), Some("step 1"));
    }

    #[test]
    fn a_state_is_refused_when_anything_differs() {
        let arguments = json!({ "table": "t" });
        let state = sealed(&codec(1), &binding("ann", &arguments));
        let mut changed = state.clone();
        changed.replace_range(10..11, if state.as_bytes()[10] == b'A' { "B" } else { "A" });
        let refused = |codec, binding, state| open_round(&codec, &binding, None, Some(state)).is_err();
        assert!(refused(codec(1), binding("ann", &arguments), changed));
        assert!(refused(codec(1), binding("bob", &arguments), state.clone()));
        assert!(refused(codec(1), binding("ann", &json!({ "table": "u" })), state.clone()));
        assert!(refused(codec(2), binding("ann", &arguments), state));
    }

    #[test]
    fn a_client_without_forms_is_told_what_it_lacks() {
        let arguments = json!({});
        let error = questions::<()>(&codec(1), &binding("ann", &arguments), &call(false), form()).err().unwrap();
        assert_eq!(error.code.0, -32021);
        assert_eq!(error.data.unwrap(), json!({ "requiredCapabilities": { "elicitation": { "form": {} } } }));
    }

    #[test]
    fn a_form_that_mcp_has_not_is_the_plugins_fault() {
        let question = Question::Form { message: "?".into(), schema: json!([1]) };
        let needed = InputNeeded { requests: vec![("q".into(), question)], state: None };
        let arguments = json!({});
        let reply = questions::<()>(&codec(1), &binding("ann", &arguments), &call(true), needed).unwrap();
        assert!(matches!(reply, Reply::Failed(CallError::Tool(failure)) if failure.code == "PLUGIN_FAILED"));
    }

    #[test]
    fn an_older_client_without_forms_gets_a_way_out() {
        let (_, question) = form().requests.remove(0);
        let error = check_feature(ClientFeatures::default(), &question).unwrap_err();
        assert!(matches!(error, CallError::Tool(failure) if failure.code == "CONFIRMATION_REQUIRED" && failure.hint.is_some()));
    }
}
