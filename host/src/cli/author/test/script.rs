//! The script of the test that runs: which calls of capabilities come, in which order, and what they answer.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use serde_json::Map;
use serde_json::Value as Json;

use super::case::Expected;
use super::compare;
use crate::runtime::scripted::Answer;
use crate::runtime::scripted::Asked;
use crate::runtime::scripted::Script;

/// What answers while tests run. Between tests everything is denied: a plugin that is loaded is asked what it offers.
#[derive(Default)]
pub(super) struct Player {
    playing: Mutex<Option<Playing>>,
}

/// One test.
struct Playing {
    settings: Map<String, Json>,
    waiting: VecDeque<Expected>,
    denied: Option<String>,
    /// The first call that was another one than expected.
    diverged: Option<String>,
}

/// What a test did with capabilities.
pub(super) struct Played {
    /// Where it left the script, if it did.
    pub diverged: Option<String>,
}

impl Player {
    /// Begins a test. With `denied` every call of that interface is refused, and the script is no longer binding: what a plugin
    /// does after a refusal is its own affair.
    pub(super) fn begin(&self, settings: &Map<String, Json>, calls: &[Expected], denied: Option<&str>) {
        let waiting = calls.iter().cloned().collect();
        let denied = denied.map(str::to_owned);
        *self.lock() = Some(Playing { settings: settings.clone(), waiting, denied, diverged: None });
    }

    /// Ends it.
    pub(super) fn end(&self) -> Played {
        let Some(playing) = self.lock().take() else { return Played { diverged: None } };
        let undone = playing.waiting.front().map(|next| format!("`{}` was expected next, and did not come", next.call));
        Played { diverged: playing.diverged.or(undone) }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Playing>> {
        self.playing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Script for Player {
    fn answer(&self, asked: Asked) -> Result<Answer, String> {
        let mut playing = self.lock();
        let Some(playing) = playing.as_mut() else { return Ok(Answer::Denied) };
        playing.answer(asked)
    }
}

impl Playing {
    fn answer(&mut self, asked: Asked) -> Result<Answer, String> {
        if asked.function == "settings.get" {
            let key = asked.arguments.get("key").and_then(Json::as_str).unwrap_or_default();
            return Ok(Answer::Value(self.settings.get(key).map_or(Json::Null, |value| value.to_string().into())));
        }
        let interface = asked.function.split('.').next().unwrap_or_default();
        if let Some(denied) = &self.denied {
            if denied == interface {
                return Ok(Answer::Denied);
            }
            let at = self.waiting.iter().position(|expected| expected.call == asked.function);
            return Ok(at.and_then(|at| self.waiting.remove(at)).map_or(Answer::Denied, |expected| answer(&expected)));
        }
        let Some(expected) = self.waiting.pop_front() else {
            return Err(self.diverge(format!(
                "it calls `{}` with {}, and no call was expected",
                asked.function,
                Json::Object(asked.arguments)
            )));
        };
        if expected.call != asked.function {
            let text =
                format!("it calls `{}` with {}, and `{}` was expected", asked.function, Json::Object(asked.arguments), expected.call);
            return Err(self.diverge(text));
        }
        let what = format!("the arguments of `{}` are others", asked.function);
        if let Some(difference) = compare::missing(&what, &Json::Object(expected.with.clone()), &Json::Object(asked.arguments)) {
            return Err(self.diverge(difference));
        }
        Ok(answer(&expected))
    }

    /// Notes where the script was left, and says it.
    fn diverge(&mut self, text: String) -> String {
        self.diverged.get_or_insert_with(|| text.clone());
        self.waiting.clear();
        text
    }
}

fn answer(expected: &Expected) -> Answer {
    match expected {
        Expected { error: Some(error), .. } => Answer::Error(error.clone()),
        Expected { rows: Some(rows), .. } => Answer::Value(rows.clone()),
        Expected { ok, .. } => Answer::Value(ok.clone().unwrap_or(Json::Null)),
    }
}
