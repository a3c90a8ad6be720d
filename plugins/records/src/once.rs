//! A write that takes effect once, however often it is asked for under one key.
//!
//! The key is noted before the write and its answer after it. A call that finds an answer gives it again; one that finds a note and no
//! answer cannot know how the first one ended, and says so instead of writing twice.

use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::time::Duration;
use std::time::SystemTime;

use serde::Deserialize;
use serde::Serialize;
use tidegate_plugin::Content;
use tidegate_plugin::Outcome;
use tidegate_plugin::ToolError;
use tidegate_plugin::ToolResult;
use tidegate_plugin::storage;
use tidegate_plugin::storage::Expected;
use tidegate_plugin::storage::Scope;

/// Before the keys in the storage.
const PREFIX: &str = "once/";

/// How long an answer is remembered at least.
const REMEMBERED: Duration = Duration::from_hours(24);

/// Keys after which old ones are looked for.
const MANY: u32 = 500;

/// Characters of a key.
const KEY: usize = 200;

#[derive(Serialize, Deserialize)]
struct Note {
    /// Of the call's arguments.
    asked: u64,
    /// Seconds since 1970.
    at: u64,
    answer: Option<String>,
}

/// Runs a write, under a key when there is one. `arguments` is all that it depends on.
///
/// # Errors
///
/// What the write says; `IDEMPOTENCY_CONFLICT` for a key of another call, `OUTCOME_UNKNOWN` for one whose first call did not end.
pub(crate) fn once(key: Option<&str>, arguments: &[&str], write: impl FnOnce() -> ToolResult) -> ToolResult {
    let Some(key) = key else { return write() };
    if key.is_empty() || key.chars().count() > KEY || key.chars().any(char::is_control) {
        return Err(ToolError::InvalidArguments(format!(
            "`idempotency_key` is to have 1 to {KEY} characters, none of them control characters"
        )));
    }
    let key = format!("{PREFIX}{key}");
    let mut hasher = DefaultHasher::new();
    arguments.hash(&mut hasher);
    let asked = hasher.finish();
    if let Some(entry) = storage::get(Scope::Caller, &key)? {
        return again(&entry.value, asked);
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let begun = Note { asked, at: now.as_secs(), answer: None };
    match storage::set_if(Scope::Caller, &key, &text_of(&begun), Expected::Absent) {
        Ok(_) => {}
        Err(storage::Error::Conflict(_)) => {
            let running = ToolError::failed("IDEMPOTENCY_CONFLICT", "a call with this key is running now");
            return Err(running.with_hint("wait, and call again with the same key: the answer will be the same"));
        }
        Err(error) => return Err(error.into()),
    }
    let result = write();
    let is_unknown = matches!(&result, Err(ToolError::Database(error)) if error.failure().effect_unknown);
    match answer_of(&result) {
        Some(answer) => {
            let done = Note { answer: Some(answer), ..begun };
            // What was written stays written; a note that cannot be completed says that its end is unknown.
            let _ = storage::set(Scope::Caller, &key, &text_of(&done));
            forget_old(now);
        }
        None if is_unknown => {}
        None => {
            let _ = storage::delete(Scope::Caller, &key);
        }
    }
    result
}

fn again(note: &[u8], asked: u64) -> ToolResult {
    let note: Option<Note> = serde_json::from_slice(note).ok();
    match note {
        Some(note) if note.asked != asked => {
            let other = ToolError::failed("IDEMPOTENCY_CONFLICT", "this key was used for another call");
            Err(other.with_hint("use a new key for each write"))
        }
        Some(Note { answer: Some(answer), .. }) => Ok(Outcome::Complete(vec![Content::Json(answer)])),
        _ => {
            let unknown = ToolError::failed("OUTCOME_UNKNOWN", "a call with this key began and did not end, or still runs");
            Err(unknown.with_hint("look whether its rows are there; then leave it, or write again under another key"))
        }
    }
}

fn answer_of(result: &ToolResult) -> Option<String> {
    match result {
        Ok(Outcome::Complete(contents)) => contents.iter().find_map(|content| match content {
            Content::Json(text) => Some(text.clone()),
            _ => None,
        }),
        _ => None,
    }
}

fn text_of(note: &Note) -> Vec<u8> {
    serde_json::to_vec(note).unwrap_or_default()
}

/// Forgets answers that are older than they have to be, once there are many.
fn forget_old(now: Duration) {
    let Ok(keys) = storage::list(Scope::Caller, PREFIX, None, 2 * MANY) else { return };
    if keys.len() < MANY as usize {
        return;
    }
    for listed in keys {
        let Ok(Some(entry)) = storage::get(Scope::Caller, &listed.key) else { continue };
        let note: Option<Note> = serde_json::from_slice(&entry.value).ok();
        if note.is_none_or(|note| Duration::from_secs(note.at) + REMEMBERED < now) {
            let _ = storage::delete_if(Scope::Caller, &listed.key, Expected::Version(entry.version));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tidegate_plugin::test::Host;

    use super::*;

    #[test]
    fn a_write_runs_once_and_is_answered_as_often_as_it_is_asked_for() {
        let host = Host::new();
        let ran = Cell::new(0);
        let write = || {
            ran.set(ran.get() + 1);
            Ok(Content::json(&ran.get())?.into())
        };
        let ask = |arguments: &[&str]| host.run(|| once(Some("k"), arguments, write));
        let text = |result: ToolResult| answer_of(&result).expect("an answer");
        assert_eq!((text(ask(&["a"])), text(ask(&["a"])), ran.get()), ("1".into(), "1".into(), 1));
        assert!(format!("{:?}", ask(&["b"]).expect_err("another call")).contains("IDEMPOTENCY_CONFLICT"));
        assert!(host.run(|| once(Some(""), &[], write)).is_err());
    }

    #[test]
    fn a_failure_may_be_tried_again_and_an_unknown_end_not() {
        let host = Host::new();
        let fail = |unknown: bool| {
            move || {
                let failure = tidegate_plugin::Failure { effect_unknown: unknown, ..tidegate_plugin::Failure::new("gone") };
                Err(ToolError::Database(tidegate_plugin::DatabaseError::Unavailable(failure)))
            }
        };
        assert!(host.run(|| once(Some("k"), &["a"], fail(false))).is_err());
        assert!(host.run(|| once(Some("k"), &["a"], fail(true))).is_err());
        let error = host.run(|| once(Some("k"), &["a"], fail(false))).expect_err("nobody knows");
        assert!(format!("{error:?}").contains("OUTCOME_UNKNOWN"));
    }
}
