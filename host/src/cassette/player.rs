//! Answers from a cassette, call by call, and notes where what is asked is not what was asked then.

use std::fmt;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use serde_json::Value as Json;
use serde_json::json;

use super::Begun;
use super::line::Answer;
use super::line::Cassette;
use super::line::Line;
use super::matching::matches;

/// Where the file and what happens part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The line of the file.
    pub line: usize,
    /// What it says.
    pub recorded: String,
    /// What happens.
    pub now: String,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it parts from the cassette at line {}\n    recorded {}\n         now {}", self.line, self.recorded, self.now)
    }
}

/// A cassette that answers.
pub struct Player {
    seed: String,
    playing: Mutex<Playing>,
}

struct Playing {
    calls: Vec<Played>,
    diverged: Option<Divergence>,
}

/// A recorded call.
struct Played {
    number: u64,
    line: usize,
    begun: Begun,
    questions: Vec<Question>,
    /// Which of them comes next; `None` where nobody has claimed the call.
    next: Option<usize>,
}

struct Question {
    line: usize,
    function: String,
    request: Json,
    answer: Answer,
}

impl Player {
    /// Plays a cassette.
    pub fn new(cassette: &Cassette) -> Self {
        let mut calls: Vec<Played> = Vec::new();
        for (at, recorded) in cassette.lines.iter().enumerate() {
            let line = at + 2;
            match recorded {
                Line::Call { call, plugin, export, arguments } => {
                    let begun = Begun { plugin: plugin.clone(), export: export.clone(), arguments: arguments.clone() };
                    calls.push(Played { number: *call, line, begun, questions: Vec::new(), next: None });
                }
                Line::Capability { call, function, request, answer, .. } => {
                    let question = Question { line, function: function.clone(), request: request.clone(), answer: answer.clone() };
                    if let Some(played) = calls.iter_mut().find(|played| played.number == *call) {
                        played.questions.push(question);
                    }
                }
                Line::Test { .. } | Line::End { .. } => {}
            }
        }
        Self { seed: cassette.header.seed.clone(), playing: Mutex::new(Playing { calls, diverged: None }) }
    }

    /// Begins a call: the first recorded one like it that nobody has claimed. Gives its number.
    pub fn begin(&self, begun: Begun) -> Option<u64> {
        let mut playing = self.lock();
        let like = |played: &&mut Played| {
            let recorded = &played.begun;
            let same = recorded.plugin == begun.plugin && recorded.export == begun.export;
            played.next.is_none() && same && matches(&recorded.arguments, &begun.arguments)
        };
        if let Some(played) = playing.calls.iter_mut().find(like) {
            played.next = Some(0);
            return Some(played.number);
        }
        // What a plugin offers is asked in a host's own time, and mostly asks for nothing.
        let first = playing.calls.iter().find(|played| played.next.is_none() && played.begun.export == begun.export);
        let line = first.map_or(1, |played| played.line);
        let recorded = first.map_or_else(|| "no further such call".to_owned(), |played| told(&played.begun));
        playing.diverge(line, recorded, told(&begun));
        None
    }

    /// What was answered to the next question of a call.
    ///
    /// # Errors
    ///
    /// It is another question.
    pub fn answer(&self, call: u64, function: &str, request: &Json) -> Result<Answer, String> {
        let mut playing = self.lock();
        let now = || json!({ "function": function, "request": request }).to_string();
        let Some(played) = playing.calls.iter_mut().find(|played| played.number == call) else {
            return Err("the cassette has no such call".into());
        };
        let at = played.next.unwrap_or_default();
        let line = played.line;
        let Some(question) = played.questions.get(at) else {
            let line = played.questions.last().map_or(line, |last| last.line);
            return Err(playing.diverge(line, "that the call asks nothing more".into(), now()));
        };
        if question.function != function || !matches(&question.request, request) {
            let recorded = json!({ "function": question.function, "request": question.request }).to_string();
            let line = question.line;
            return Err(playing.diverge(line, recorded, now()));
        }
        let answer = question.answer.clone();
        played.next = Some(at + 1);
        Ok(answer)
    }

    /// The first divergence so far, a question that was recorded and not asked by a call that began included. To be asked when no
    /// call runs.
    pub fn diverged(&self) -> Option<Divergence> {
        let playing = self.lock();
        let unasked = playing.calls.iter().find_map(|played| played.questions.get(played.next?));
        let unasked = unasked.map(|question| Divergence {
            line: question.line,
            recorded: json!({ "function": question.function, "request": question.request }).to_string(),
            now: "the call ended without asking".into(),
        });
        playing.diverged.clone().or(unasked)
    }

    /// What random numbers are made from.
    pub(super) fn seed(&self) -> String {
        self.seed.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Playing> {
        self.playing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Playing {
    /// Notes where the file was left, and says it.
    fn diverge(&mut self, line: usize, recorded: String, now: String) -> String {
        let divergence = Divergence { line, recorded, now };
        let text = divergence.to_string();
        self.diverged.get_or_insert(divergence);
        text
    }
}

fn told(begun: &Begun) -> String {
    json!({ "plugin": begun.plugin, "export": begun.export, "arguments": begun.arguments }).to_string()
}
