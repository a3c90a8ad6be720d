//! Cassettes: files of what a plugin did, so that it can be done again without anything that it was done with.
//!
//! A recording holds, for each call of a guest, what it asked of its capabilities and what they answered. Played, the same
//! guest runs again, and the file answers in place of databases, storage and clock. What is asked is kept call by call, so
//! that calls may be interleaved in any way.
//!
//! The format is described for authors in `plugin-sdk/README.md`, under "Cassettes".

mod line;
mod matching;
mod player;
mod recorder;
mod redaction;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::OnceLock;

use serde_json::Value as Json;
use sha2::Digest;
use sha2::Sha256;

pub use line::Answer;
pub use line::Cassette;
pub use line::CassetteError;
pub use line::Header;
pub use line::Line;
pub use line::PluginNote;
pub use matching::matches;
pub use player::Divergence;
pub use player::Player;
pub use recorder::Recorder;
pub use redaction::Redaction;

/// Bytes of random numbers that a call on a tape has; then they come again.
const RANDOM_BYTES: usize = 16 << 10;

/// A cassette in the machine: being written, or answering.
#[derive(Clone)]
pub enum Tape {
    /// What happens goes into it.
    Recording(Arc<Recorder>),
    /// What is asked is answered from it.
    Playing(Arc<Player>),
}

/// One call of a guest, as it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Begun {
    /// The plugin.
    pub plugin: String,
    /// The export, for example `call-tool`.
    pub export: String,
    /// What it is called with.
    pub arguments: Json,
}

/// One call of a guest on a tape.
pub struct Run {
    tape: Tape,
    /// Its number in the file.
    number: OnceLock<u64>,
}

/// A question of a recorded call that waits for its answer. Without one, the file says that it was unanswered: the call was
/// cut off.
pub struct Asking {
    recorder: Arc<Recorder>,
    at: usize,
}

impl Tape {
    /// Begins a call.
    pub fn begin(&self, begun: Begun) -> Arc<Run> {
        let number = match self {
            Self::Recording(recorder) => Some(recorder.begin(begun)),
            Self::Playing(player) => player.begin(begun),
        };
        Arc::new(Run { tape: self.clone(), number: number.map(OnceLock::from).unwrap_or_default() })
    }
}

impl Run {
    /// Notes a question, when this is a recording.
    pub fn ask(&self, function: &str, request: Json) -> Option<Asking> {
        let (Tape::Recording(recorder), Some(call)) = (&self.tape, self.number.get()) else { return None };
        Some(Asking { recorder: recorder.clone(), at: recorder.ask(*call, function, request) })
    }

    /// What was answered to this question, when the tape answers.
    ///
    /// # Errors
    ///
    /// Another question than the recorded one: the call of the guest ends there.
    pub fn play(&self, function: &str, request: &Json) -> Result<Answer, String> {
        match (&self.tape, self.number.get()) {
            (Tape::Playing(player), Some(call)) => player.answer(*call, function, request),
            _ => Err("the cassette has no such call".into()),
        }
    }

    /// A number that the machine gives: noted when this is a recording, and else the one that was noted. Where there is none,
    /// the divergence is kept and zero given: a clock cannot fail.
    pub fn number(&self, function: &str, read: impl FnOnce() -> u64) -> u64 {
        if matches!(self.tape, Tape::Playing(_)) {
            return match self.play(function, &Json::Null) {
                Ok(Answer::Ok(number)) => number.as_u64().unwrap_or_default(),
                _ => 0,
            };
        }
        let number = read();
        if let Some(asking) = self.ask(function, Json::Null) {
            asking.answer(Answer::Ok(number.into()));
        }
        number
    }

    /// Random numbers of the call: the same when it is played.
    pub fn random(&self) -> Vec<u8> {
        let seed = match &self.tape {
            Tape::Recording(recorder) => recorder.seed(),
            Tape::Playing(player) => player.seed(),
        };
        let number = self.number.get().copied().unwrap_or_default();
        let mut bytes = Vec::with_capacity(RANDOM_BYTES);
        for block in 0_u64.. {
            if bytes.len() >= RANDOM_BYTES {
                break;
            }
            let digest = Sha256::new().chain_update(&seed).chain_update(number.to_le_bytes()).chain_update(block.to_le_bytes()).finalize();
            bytes.extend_from_slice(&digest);
        }
        bytes
    }
}

impl Asking {
    /// Notes the answer.
    pub fn answer(self, answer: Answer) {
        self.recorder.answer(self.at, answer);
    }
}
