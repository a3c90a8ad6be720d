//! Collects what happens, in memory: nothing is in a file before it is redacted.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use serde_json::Value as Json;

use super::Begun;
use super::line::Answer;
use super::line::Cassette;
use super::line::Header;
use super::line::Line;
use super::redaction::Redaction;

/// A cassette that is being recorded.
pub struct Recorder {
    header: Header,
    redaction: Redaction,
    recording: Mutex<Recording>,
}

#[derive(Default)]
struct Recording {
    lines: Vec<Line>,
    calls: u64,
    /// Questions of each call so far.
    questions: BTreeMap<u64, u64>,
}

impl Recorder {
    /// An empty cassette; `header` says what is known before.
    pub fn new(header: Header, redaction: Redaction) -> Self {
        Self { header: Header { redacted: redaction.columns(), ..header }, redaction, recording: Mutex::default() }
    }

    /// Begins a call of a guest; gives its number.
    pub fn begin(&self, begun: Begun) -> u64 {
        let mut recording = self.lock();
        recording.calls += 1;
        let call = recording.calls;
        let Begun { plugin, export, arguments } = begun;
        recording.lines.push(Line::Call { call, plugin, export, arguments });
        call
    }

    /// Notes a question; gives its place.
    pub fn ask(&self, call: u64, function: &str, request: Json) -> usize {
        let mut recording = self.lock();
        let seq = *recording.questions.entry(call).and_modify(|asked| *asked += 1).or_insert(1);
        let at = recording.lines.len();
        recording.lines.push(Line::Capability { call, seq, function: function.to_owned(), request, answer: Answer::Unanswered });
        at
    }

    /// Notes the answer to the question at this place.
    pub fn answer(&self, at: usize, new: Answer) {
        if let Some(Line::Capability { answer, .. }) = self.lock().lines.get_mut(at) {
            *answer = new;
        }
    }

    /// Notes what is no call.
    pub fn note(&self, line: Line) {
        self.lock().lines.push(line);
    }

    /// The cassette of what happened so far, redacted, with the plugins that were loaded.
    pub fn finish(&self, plugins: Vec<super::PluginNote>) -> Cassette {
        let mut cassette = Cassette { header: Header { plugins, ..self.header.clone() }, lines: self.lock().lines.clone() };
        self.redaction.redact(&mut cassette);
        cassette
    }

    /// What random numbers are made from.
    pub(super) fn seed(&self) -> String {
        self.header.seed.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
