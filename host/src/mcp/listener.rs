//! Passes progress and log lines of a call on to its client while the call runs, in order and before its answer.
//!
//! A call never waits for a slow client: what it says goes into a bounded queue, and a future that runs beside the call
//! sends it. Progress beyond 20 a second is thinned out, but the last value always goes out.

#![expect(deprecated, reason = "older clients still ask for log lines")]

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::time::Duration;
use std::time::Instant;

use rmcp::RoleServer;
use rmcp::model::LoggingLevel;
use rmcp::model::LoggingMessageNotificationParam;
use rmcp::model::ProgressNotificationParam;
use rmcp::model::ProgressToken;
use rmcp::service::Peer;
use tokio::sync::Notify;

use crate::call::Listener;
use crate::call::LogLevel;

/// Progress notifications per second, and how many may go out at once.
const PROGRESS_RATE: u32 = 20;

/// Time after which one more progress notification may go out.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(1000 / PROGRESS_RATE as u64);

/// Events waiting for a slow client at most; log lines beyond are dropped.
const QUEUE: usize = 256;

/// How long an answer waits for the events before it to go out.
const DRAIN: Duration = Duration::from_secs(2);

/// How far a call is.
#[derive(Clone, Debug, PartialEq)]
struct Progress {
    progress: f64,
    total: Option<f64>,
    message: Option<String>,
}

/// Something to tell the client.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    Progress(Progress),
    Log { level: LogLevel, plugin: String, message: String },
}

#[derive(Debug)]
struct Queue {
    events: VecDeque<Event>,
    /// The newest progress, held back because of the rate.
    late: Option<Progress>,
    /// The highest progress told so far: values must rise.
    highest: f64,
    /// Progress notifications that may go out now.
    tokens: f64,
    refilled: Instant,
    /// Nothing more will come.
    closed: bool,
}

impl Queue {
    fn new(now: Instant) -> Self {
        Self {
            events: VecDeque::new(),
            late: None,
            highest: f64::NEG_INFINITY,
            tokens: f64::from(PROGRESS_RATE),
            refilled: now,
            closed: false,
        }
    }

    fn progress(&mut self, progress: Progress, now: Instant) {
        // Guest-controlled: JSON has no NaN or infinities, and the protocol wants rising values.
        if !progress.progress.is_finite() || progress.progress <= self.highest {
            return;
        }
        self.highest = progress.progress;
        let refill = now.saturating_duration_since(self.refilled).as_secs_f64() * f64::from(PROGRESS_RATE);
        self.tokens = (self.tokens + refill).min(f64::from(PROGRESS_RATE));
        self.refilled = now;
        if self.tokens >= 1.0 && self.events.len() < QUEUE {
            self.tokens -= 1.0;
            self.late = None;
            self.events.push_back(Event::Progress(progress));
        } else {
            self.late = Some(progress);
        }
    }

    fn log(&mut self, event: Event) {
        if self.events.len() < QUEUE {
            self.events.push_back(event);
        }
    }

    /// Moves the held-back progress into the queue.
    fn promote(&mut self) {
        if let Some(late) = self.late.take() {
            self.events.push_back(Event::Progress(late));
        }
    }
}

/// The listener of one call whose client asked for progress or log lines.
pub(super) struct ClientListener {
    queue: Mutex<Queue>,
    changed: Notify,
    peer: Peer<RoleServer>,
    token: Option<ProgressToken>,
    least: Option<LogLevel>,
}

impl ClientListener {
    /// Listens for progress when there is a `token`, and for log lines from `least` upwards when that is set.
    pub(super) fn new(peer: Peer<RoleServer>, token: Option<ProgressToken>, least: Option<LogLevel>) -> Self {
        let queue = Queue::new(Instant::now());
        Self { queue: Mutex::new(queue), changed: Notify::new(), peer, token, least }
    }

    /// A panic while the queue was held cannot leave it half changed, so a poisoned lock is taken all the same.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Sends what is queued, until closed and empty.
    async fn pump(&self) {
        loop {
            while let Some(event) = self.next_event() {
                self.send(event).await;
            }
            let (closed, late) = {
                let queue = self.queue();
                (queue.closed, queue.late.is_some())
            };
            match (closed, late) {
                (true, true) => self.queue().promote(),
                (true, false) => return,
                (false, true) => {
                    tokio::select! {
                        () = tokio::time::sleep(PROGRESS_INTERVAL) => self.queue().promote(),
                        () = self.changed.notified() => {}
                    }
                }
                (false, false) => self.changed.notified().await,
            }
        }
    }

    fn next_event(&self) -> Option<Event> {
        self.queue().events.pop_front()
    }

    /// Lets the pump end when it has sent the rest.
    fn close(&self) {
        self.queue().closed = true;
        self.changed.notify_one();
    }

    /// Sends one event. A client that is gone is found out by the transport; nothing is to be done here.
    async fn send(&self, event: Event) {
        match event {
            Event::Progress(Progress { progress, total, message }) => {
                let Some(token) = &self.token else { return };
                let mut params = ProgressNotificationParam::new(token.clone(), progress);
                params.total = total.filter(|total| total.is_finite());
                params.message = message;
                let _ = self.peer.notify_progress(params).await;
            }
            Event::Log { level, plugin, message } => {
                let params = LoggingMessageNotificationParam::new(to_mcp(level), message.into()).with_logger(plugin);
                let _ = self.peer.notify_logging_message(params).await;
            }
        }
    }
}

impl Listener for ClientListener {
    fn progress(&self, progress: f64, total: Option<f64>, message: Option<String>) {
        if self.token.is_some() {
            self.queue().progress(Progress { progress, total, message }, Instant::now());
            self.changed.notify_one();
        }
    }

    fn log(&self, level: LogLevel, plugin: &str, message: &str) {
        if self.least.is_some_and(|least| level >= least) {
            self.queue().log(Event::Log { level, plugin: plugin.to_owned(), message: message.to_owned() });
            self.changed.notify_one();
        }
    }
}

/// Runs `work` and sends what it says to `listener` meanwhile. All of it has gone out when this returns, unless the client
/// takes longer than 2 s to read it.
///
/// Both run in the task of the request: rmcp ties messages to a request by its task.
pub(super) async fn attend<T>(listener: Option<&ClientListener>, work: impl Future<Output = T>) -> T {
    let Some(listener) = listener else { return work.await };
    let mut pump = pin!(listener.pump());
    let mut work = pin!(work);
    let mut pumping = true;
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            () = &mut pump, if pumping => pumping = false,
        }
    };
    listener.close();
    if pumping {
        // Not dropped in the middle: an event on its way would be overtaken by the answer.
        let _ = tokio::time::timeout(DRAIN, pump).await;
    }
    done
}

/// The threshold that a client's level stands for: ours are fewer.
pub(super) fn from_mcp(level: LoggingLevel) -> LogLevel {
    match level {
        LoggingLevel::Debug => LogLevel::Debug,
        LoggingLevel::Info | LoggingLevel::Notice => LogLevel::Info,
        LoggingLevel::Warning => LogLevel::Warn,
        _ => LogLevel::Error,
    }
}

fn to_mcp(level: LogLevel) -> LoggingLevel {
    match level {
        LogLevel::Debug => LoggingLevel::Debug,
        LogLevel::Info => LoggingLevel::Info,
        LogLevel::Warn => LoggingLevel::Warning,
        LogLevel::Error => LoggingLevel::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue {
        Queue::new(Instant::now())
    }

    fn at(progress: f64) -> Progress {
        Progress { progress, total: None, message: None }
    }

    #[test]
    fn progress_rises_strictly_and_is_finite() {
        let mut queue = queue();
        let now = Instant::now();
        for value in [0.0, 0.0, 5.0, 3.0, f64::NAN, f64::INFINITY, 7.0] {
            queue.progress(at(value), now);
        }
        let told: Vec<_> = queue.events.into_iter().collect();
        assert_eq!(told, [0.0, 5.0, 7.0].map(|value| Event::Progress(at(value))));
    }

    #[test]
    fn a_flood_of_progress_is_thinned_and_keeps_its_last_value() {
        let mut queue = queue();
        let now = queue.refilled;
        for value in 0..10_000 {
            queue.progress(at(f64::from(value)), now);
        }
        assert_eq!(queue.events.len(), PROGRESS_RATE as usize);
        queue.promote();
        assert_eq!(queue.events.back(), Some(&Event::Progress(at(9_999.0))));
    }

    #[test]
    fn a_flood_of_log_lines_is_bounded() {
        let mut queue = queue();
        for _ in 0..10_000 {
            queue.log(Event::Log { level: LogLevel::Info, plugin: "p".into(), message: "m".into() });
        }
        assert_eq!(queue.events.len(), QUEUE);
    }
}
