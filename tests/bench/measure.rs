//! From durations and CPU time to figures.

use std::time::Duration;
use std::time::Instant;

use crate::Result;

/// Calls made in a row even when the time is over.
const FEWEST_CALLS: usize = 5;

/// What one round gave.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// Calls answered.
    pub(crate) calls: usize,
    /// Bytes of one answer, headers left out; 0 for the bare query.
    pub(crate) bytes: usize,
    /// Server CPU of one call, in µs.
    pub(crate) cpu_us: f64,
    /// Half of the calls were faster, in µs.
    pub(crate) p50_us: f64,
    /// 95 of 100 were faster.
    pub(crate) p95_us: f64,
    /// 99 of 100 were faster.
    pub(crate) p99_us: f64,
    /// Calls per second.
    pub(crate) calls_per_s: f64,
}

impl Figures {
    /// From the durations of all calls of a round that took `wall`.
    pub(crate) fn new(mut latencies: Vec<Duration>, wall: Duration) -> Self {
        latencies.sort_unstable();
        let calls = latencies.len();
        Self {
            calls,
            bytes: 0,
            cpu_us: 0.0,
            p50_us: percentile(&latencies, 50),
            p95_us: percentile(&latencies, 95),
            p99_us: percentile(&latencies, 99),
            calls_per_s: calls as f64 / wall.as_secs_f64(),
        }
    }

    /// With the CPU time that all its calls took.
    pub(crate) fn with_cpu(self, cpu: Duration) -> Self {
        Self { cpu_us: micros(cpu) / self.calls.max(1) as f64, ..self }
    }

    /// With the size of an answer.
    pub(crate) fn with_bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// As one line of text, CPU time left out: that is not for the process itself to tell.
    pub(crate) fn to_line(self) -> String {
        format!("{} {} {} {} {}", self.calls, self.p50_us, self.p95_us, self.p99_us, self.calls_per_s)
    }

    /// Back from a line.
    pub(crate) fn from_line(line: &str) -> Result<Self> {
        let mut fields = line.split_whitespace().map(str::parse::<f64>);
        let mut next = || fields.next().ok_or_else(|| format!("five numbers expected, not `{line}`"));
        let calls = next()?? as usize;
        Ok(Self { calls, bytes: 0, cpu_us: 0.0, p50_us: next()??, p95_us: next()??, p99_us: next()??, calls_per_s: next()?? })
    }

    /// The median of each figure; calls are summed.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure).collect());
        Self {
            calls: rounds.iter().map(|round| round.calls).sum(),
            bytes: rounds.iter().map(|round| round.bytes).max().unwrap_or_default(),
            cpu_us: of(|round| round.cpu_us),
            p50_us: of(|round| round.p50_us),
            p95_us: of(|round| round.p95_us),
            p99_us: of(|round| round.p99_us),
            calls_per_s: of(|round| round.calls_per_s),
        }
    }
}

/// Times calls that are made one after another: `while clock.goes_on() { call().await?; clock.called(); }`.
pub(crate) struct Clock {
    end: Instant,
    last: Instant,
    latencies: Vec<Duration>,
}

impl Clock {
    /// For calls during `window`.
    pub(crate) fn new(window: Duration) -> Self {
        let now = Instant::now();
        Self { end: now + window, last: now, latencies: Vec::with_capacity(1 << 12) }
    }

    /// Whether another call is to be made.
    pub(crate) fn goes_on(&self) -> bool {
        self.last < self.end || self.latencies.len() < FEWEST_CALLS
    }

    /// A call has ended; the next begins at once.
    pub(crate) fn called(&mut self) {
        let now = Instant::now();
        self.latencies.push(now - self.last);
        self.last = now;
    }

    /// How long each call took.
    pub(crate) fn into_latencies(self) -> Vec<Duration> {
        self.latencies
    }
}

/// The middle one; between the two middle ones of an even number. 0 of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().map_or(0.0, micros)
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
