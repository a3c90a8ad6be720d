//! `log`: lines of a plugin, to the host's log and to a client that asked.

use crate::bindings::tidegate::plugin::log;
use crate::call::LogLevel;
use crate::capability::State;

/// Lines of one call.
const LINES: u32 = 200;

/// Bytes of one call.
const BYTES: usize = 64 << 10;

/// Bytes of one line.
const LINE_BYTES: usize = 4 << 10;

/// What a call has written so far.
#[derive(Debug, Default)]
pub(super) struct Budget {
    lines: u32,
    bytes: usize,
    dropped: u32,
}

impl Budget {
    /// Counts a line of `bytes`; whether it is still within the limits.
    fn admit(&mut self, bytes: usize) -> bool {
        if self.lines >= LINES || self.bytes + bytes > BYTES {
            self.dropped += 1;
            return false;
        }
        self.lines += 1;
        self.bytes += bytes;
        true
    }
}

impl log::Host for State {
    async fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.enter()?;
        let message = clean(&message);
        if !self.log.admit(message.len()) {
            if self.log.dropped == 1 {
                tracing::warn!(plugin.id = %self.guest.id, call.id = %self.call.id, "Plugin `{}` logs too much in one call; the rest is dropped", self.guest.id);
            }
            return Ok(());
        }
        let id = &self.guest.id;
        let call = &self.call.id;
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        match level {
            LogLevel::Debug => tracing::debug!(plugin.id = %id, call.id = %call, "{message}"),
            LogLevel::Info => tracing::info!(plugin.id = %id, call.id = %call, "{message}"),
            LogLevel::Warn => tracing::warn!(plugin.id = %id, call.id = %call, "{message}"),
            LogLevel::Error => tracing::error!(plugin.id = %id, call.id = %call, "{message}"),
        }
        self.call.listener.log(level, id, &message);
        Ok(())
    }
}

/// Cuts a guest-controlled line and takes out what could forge or hide lines in a terminal.
fn clean(message: &str) -> String {
    let mut end = message.len().min(LINE_BYTES);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message[..end].chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_and_cannot_start_another() {
        assert_eq!(clean("one\ntwo\u{1b}[2J"), "one two [2J");
        assert_eq!(clean(&"é".repeat(4 << 10)).len(), LINE_BYTES);
    }

    #[test]
    fn lines_and_bytes_of_a_call_are_limited() {
        let mut budget = Budget::default();
        assert_eq!((0..1000).filter(|_| budget.admit(10)).count(), LINES as usize);
        let mut budget = Budget::default();
        assert_eq!((0..1000).filter(|_| budget.admit(LINE_BYTES)).count(), BYTES / LINE_BYTES);
    }
}
