//! `progress`: how far a call has come.

use std::time::Duration;
use std::time::Instant;

use crate::bindings::tidegate::plugin::progress;
use crate::capability::State;

/// The least time between two reports: 20 a second.
const INTERVAL: Duration = Duration::from_millis(50);

/// Reports that may come at once, so that the first few of a short call all pass.
const BURST: u32 = 20;

/// Bytes of a message.
const MESSAGE_BYTES: usize = 1 << 10;

/// What a call has reported so far.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<f64>,
    sent: u32,
    since: Option<Instant>,
}

impl Pace {
    /// Whether a report of `progress` may go out: it grows and does not come too fast.
    fn admit(&mut self, progress: f64) -> bool {
        if !progress.is_finite() || self.last.is_some_and(|last| progress <= last) {
            return false;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        let allowed = BURST as f64 + since.elapsed().as_secs_f64() / INTERVAL.as_secs_f64();
        if f64::from(self.sent) >= allowed {
            return false;
        }
        self.sent += 1;
        self.last = Some(progress);
        true
    }
}

impl progress::Host for State {
    async fn report(&mut self, progress: f64, total: Option<f64>, message: Option<String>) -> wasmtime::Result<()> {
        self.enter()?;
        if self.progress.admit(progress) {
            let message = message.map(|message| message.chars().filter(|c| !c.is_control()).take(MESSAGE_BYTES).collect());
            self.call.listener.progress(progress, total.filter(|total| total.is_finite()), message);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_only_grows_and_is_finite() {
        let mut pace = Pace::default();
        let admitted: Vec<f64> = [0.0, 0.0, f64::NAN, 2.0, 1.0, 3.0].into_iter().filter(|p| pace.admit(*p)).collect();
        assert_eq!(admitted, [0.0, 2.0, 3.0]);
    }

    #[test]
    fn a_flood_is_thinned() {
        let mut pace = Pace::default();
        let passed = (0..10_000).filter(|p| pace.admit(f64::from(*p))).count();
        assert!(passed < 100, "{passed}");
    }
}
