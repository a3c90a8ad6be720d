//! Asks observers off the path of the call: a bounded queue, and a count of what did not fit.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Questions that wait at most; more are dropped.
const WAITING: usize = 1_024;

/// Questions that are asked at once.
const AT_ONCE: usize = 4;

/// How often the log tells of dropped questions at most.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// How long the end of the process waits for questions that are waiting.
const DRAIN: Duration = Duration::from_secs(1);

/// One question, to its end.
type Question = BoxFuture<'static, ()>;

/// The queue of questions to observers, and the task that asks them. Cheap to clone.
#[derive(Clone, Default)]
pub struct Observers {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Option<Queue>>,
    dropped: AtomicU64,
    told: Mutex<Option<Instant>>,
}

struct Queue {
    sender: mpsc::Sender<Question>,
    task: AbortHandle,
}

impl Observers {
    /// Puts a question in the queue, or drops it when the queue is full.
    pub fn ask_later(&self, question: Question) {
        let sent = self.sender().try_send(question);
        if sent.is_err() {
            let dropped = self.shared.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            let mut told = self.shared.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.is_none_or(|last| last.elapsed() > TOLD_EVERY) {
                *told = Some(Instant::now());
                tracing::warn!(dropped, "Observers do not keep up; {dropped} questions were dropped since the start");
            }
        }
    }

    /// Questions dropped since the start, because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Waits a moment for what is in the queue, then ends.
    pub async fn close(&self) {
        let queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Queue { sender, task }) = queue {
            drop(sender);
            let until = Instant::now() + DRAIN;
            while !task.is_finished() && Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            task.abort();
        }
    }

    /// The sender; its task is started when it is first needed.
    fn sender(&self) -> mpsc::Sender<Question> {
        let mut queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queue.get_or_insert_with(|| {
            let (sender, mut receiver) = mpsc::channel(WAITING);
            let questions = stream::poll_fn(move |context| receiver.poll_recv(context));
            let task = tokio::spawn(questions.for_each_concurrent(AT_ONCE, |question: Question| question)).abort_handle();
            Queue { sender, task }
        });
        queue.sender.clone()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.get_mut().unwrap_or_else(PoisonError::into_inner) {
            queue.task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_fit_is_dropped_and_counted_and_the_rest_is_asked() {
        let observers = Observers::default();
        let asked = Arc::new(AtomicU64::new(0));
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        for _ in 0..2 * WAITING {
            let (asked, gate) = (asked.clone(), gate.clone());
            observers.ask_later(Box::pin(async move {
                let _permit = gate.acquire().await;
                asked.fetch_add(1, Ordering::Relaxed);
            }));
        }
        assert_eq!(observers.dropped(), WAITING as u64);
        gate.add_permits(1);
        observers.close().await;
        assert_eq!(asked.load(Ordering::Relaxed), WAITING as u64);
    }
}
