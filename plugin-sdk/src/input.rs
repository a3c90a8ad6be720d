//! Asking the person, or the client, in the middle of a call.
//!
//! A call that needs an answer returns questions ([`InputNeeded`]) and ends; the host asks and calls the same function
//! again with the answers in its [`Round`]. Nothing of the first call is left then but the state that went along.

use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use crate::types::ClientFeatures;
use crate::types::Form;
use crate::types::InputNeeded;
use crate::types::InputRequest;
use crate::types::Page;
use crate::types::Question;
use crate::types::Round;

/// What a person did with a form.
#[derive(Clone, Debug, PartialEq)]
pub enum FormAnswer {
    /// Filled it in. The fields are not checked against the form's schema.
    Accepted(Map<String, Value>),
    /// Said no.
    Declined,
    /// Closed it without an answer.
    Cancelled,
}

impl Round {
    /// The first round of a client that can be asked these things: for tests.
    #[must_use]
    pub const fn first(client: ClientFeatures) -> Self {
        Self { responses: Vec::new(), state: None, client }
    }

    /// The client's answer to a question, as it came; none when there is none, or it is not JSON.
    #[must_use]
    pub fn answer(&self, name: &str) -> Option<Value> {
        let response = self.responses.iter().find(|response| response.name == name)?;
        serde_json::from_str(&response.answer).ok()
    }

    /// The answer to a form; none when there is none yet or it is not one, so that the form is to be shown (again).
    #[must_use]
    pub fn form(&self, name: &str) -> Option<FormAnswer> {
        let mut answer = self.answer(name)?;
        match answer.get("action").and_then(Value::as_str)? {
            "accept" => match answer.get_mut("content").map(Value::take) {
                Some(Value::Object(fields)) => Some(FormAnswer::Accepted(fields)),
                None | Some(Value::Null) => Some(FormAnswer::Accepted(Map::new())),
                Some(_) => None,
            },
            "decline" => Some(FormAnswer::Declined),
            "cancel" => Some(FormAnswer::Cancelled),
            _ => None,
        }
    }

    /// Whether the client can show a form to the person.
    #[must_use]
    pub fn can_show_forms(&self) -> bool {
        self.client.contains(ClientFeatures::FORM)
    }
}

impl InputNeeded {
    /// No question yet; add some with the functions below, at most 16.
    #[must_use]
    pub const fn new() -> Self {
        Self { requests: Vec::new(), state: None }
    }

    /// Shows a form to the person. `schema` is a JSON Schema of a flat object. Never ask for secrets.
    #[must_use]
    pub fn form(self, name: &str, message: impl Into<String>, schema: &impl Serialize) -> Self {
        let schema = serde_json::to_string(schema).unwrap_or_else(|_| "{}".to_owned());
        self.ask(name, Question::Form(Form { message: message.into(), schema }))
    }

    /// Opens a page for the person; https only.
    #[must_use]
    pub fn page(self, name: &str, message: impl Into<String>, url: impl Into<String>) -> Self {
        self.ask(name, Question::Page(Page { message: message.into(), url: url.into() }))
    }

    /// Runs the client's model with the parameters of MCP `sampling/createMessage`.
    #[must_use]
    pub fn sampling(self, name: &str, parameters: &impl Serialize) -> Self {
        let parameters = serde_json::to_string(parameters).unwrap_or_else(|_| "{}".to_owned());
        self.ask(name, Question::Sampling(parameters))
    }

    /// Asks for the client's folders.
    #[must_use]
    pub fn roots(self, name: &str) -> Self {
        self.ask(name, Question::Roots)
    }

    /// A state that comes back with the answers, at most 16 KiB. The host seals it.
    #[must_use]
    pub fn with_state(mut self, state: impl Into<String>) -> Self {
        self.state = Some(state.into());
        self
    }

    fn ask(mut self, name: &str, question: Question) -> Self {
        self.requests.push(InputRequest { name: name.to_owned(), question });
        self
    }
}

impl Default for InputNeeded {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::InputResponse;

    fn round(answer: &str) -> Round {
        let responses = vec![InputResponse { name: "name".into(), answer: answer.into() }];
        Round { responses, ..Round::first(ClientFeatures::FORM) }
    }

    #[test]
    fn an_answer_to_a_form_is_told_apart_by_its_action() {
        let accepted = round(r#"{"action":"accept","content":{"name":"Ada"}}"#).form("name");
        assert!(matches!(accepted, Some(FormAnswer::Accepted(fields)) if fields["name"] == "Ada"));
        assert_eq!(round(r#"{"action":"decline"}"#).form("name"), Some(FormAnswer::Declined));
        assert_eq!(round(r#"{"action":"cancel"}"#).form("name"), Some(FormAnswer::Cancelled));
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_none() {
        for answer in ["7", "null", "[]", r#""x""#, "{}", r#"{"action":1}"#, r#"{"action":"x"}"#, r#"{"action":"accept","content":7}"#, "{"]
        {
            assert_eq!(round(answer).form("name"), None, "{answer}");
        }
        assert_eq!(round(r#"{"action":"accept"}"#).form("name"), Some(FormAnswer::Accepted(Map::new())));
        assert_eq!(round("{}").form("other"), None);
    }
}
