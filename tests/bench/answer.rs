//! Whether an answer is right: parsed once, compared byte for byte afterwards.

use serde_json::Value;

use crate::Result;
use crate::case::Case;
use crate::case::FIRST_ID;
use crate::case::find;

/// Text of a wrong answer shown in the error, in bytes.
const SHOWN: usize = 600;

/// Checks the answers to one case.
#[derive(Clone)]
pub(crate) struct Checker {
    case: Case,
    /// An answer that was found right, and where its id is.
    right: Option<(Vec<u8>, usize)>,
}

/// What a message of the server is.
#[derive(PartialEq, Eq)]
pub(crate) enum Kind {
    /// The answer, and it is right.
    Answer,
    /// A notification; the answer is still to come.
    Notification,
}

impl Checker {
    /// Nothing known yet.
    pub(crate) fn new(case: Case) -> Self {
        Self { case, right: None }
    }

    /// Looks at one message that came after the request `id`; an error when it is a wrong answer.
    pub(crate) fn check(&mut self, message: &[u8], id: u64) -> Result<Kind> {
        let digits = id.to_string();
        if let Some((right, id_at)) = &self.right {
            let after = id_at + digits.len();
            if message.len() == right.len()
                && message[..*id_at] == right[..*id_at]
                && &message[*id_at..after] == digits.as_bytes()
                && message[after..] == right[after..]
            {
                return Ok(Kind::Answer);
            }
        }
        let value: Value = serde_json::from_slice(message).map_err(|error| wrong(self.case, &error.to_string(), message))?;
        if value.get("method").is_some() && value.get("result").is_none() {
            return Ok(Kind::Notification);
        }
        if value["id"] != id {
            return Err(wrong(self.case, "it has another id", message));
        }
        judge(self.case, id, &value["result"]).map_err(|reason| wrong(self.case, &reason, message))?;
        // The id may stand before or behind the result; its digits, being this many, stand nowhere else in front of it.
        debug_assert!(id >= FIRST_ID);
        self.right = find(message, digits.as_bytes()).map(|id_at| (message.to_vec(), id_at));
        Ok(Kind::Answer)
    }

    /// Bytes of a right answer.
    pub(crate) fn answer_bytes(&self) -> usize {
        self.right.as_ref().map_or(0, |(right, _)| right.len())
    }
}

fn wrong(case: Case, reason: &str, message: &[u8]) -> Box<dyn std::error::Error + Send + Sync> {
    let text = String::from_utf8_lossy(&message[..message.len().min(SHOWN)]);
    format!("a wrong answer to `{}`: {reason}: {text}", case.name()).into()
}

/// Whether a result is what the case has to give; else what is wrong.
fn judge(case: Case, id: u64, result: &Value) -> std::result::Result<(), String> {
    match case {
        Case::Tools => {
            let named = |tool: &Value| tool["name"] == "execute_select";
            let listed = result["tools"].as_array().is_some_and(|tools| tools.iter().any(named));
            if listed { Ok(()) } else { Err("`execute_select` is not among the tools".into()) }
        }
        Case::Discover => {
            if result["supportedVersions"].is_array() {
                Ok(())
            } else {
                Err("it names no versions".into())
            }
        }
        Case::One | Case::Rows(_) | Case::Fresh | Case::Costly => judge_rows(case, id, result),
    }
}

fn judge_rows(case: Case, id: u64, result: &Value) -> std::result::Result<(), String> {
    if result["isError"] == true {
        return Err("it is an error".into());
    }
    let parsed;
    let output = if result["structuredContent"]["rows"].is_array() {
        &result["structuredContent"]
    } else {
        let text = result["content"][0]["text"].as_str().ok_or("it holds no text")?;
        parsed = serde_json::from_str::<Value>(text).map_err(|error| format!("its text is no JSON ({error})"))?;
        &parsed
    };
    let rows = output["rows"].as_array().ok_or("it holds no rows")?;
    let width = if matches!(case, Case::Rows(_)) { 8 } else { 1 };
    if rows.len() != case.rows() || output["truncated"] == true {
        return Err(format!("it holds {} rows", rows.len()));
    }
    for (index, row) in rows.iter().enumerate() {
        let first = match case {
            Case::Fresh => row[0] == id,
            Case::Costly => row[0].as_u64().is_some_and(|count| count > 0),
            _ => row[0] == index + 1,
        };
        let right = first && row.as_array().is_some_and(|row| row.len() == width);
        if !right {
            return Err(format!("its row {index} is {row}"));
        }
    }
    Ok(())
}
