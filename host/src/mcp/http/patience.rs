//! A stream that gives up on a client that keeps it waiting.
//!
//! hyper has one limit for a request's head and for the quiet before it; here a client may be quiet for long between
//! requests, must be quick once it began one, and must take what it is sent. In between it may wait as long as its call runs.

use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::time::Instant;
use tokio::time::Sleep;

/// Between requests.
const IDLE: u8 = 0;
/// A head has begun to arrive.
const HEAD: u8 = 1;
/// A request is being answered.
const CALL: u8 = 2;

/// How long a client may keep its connection waiting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Between requests, and before the first.
    pub idle: Duration,
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// From a write that found no room to room.
    pub write: Duration,
}

/// Where a connection stands.
#[derive(Debug, Default)]
pub(super) struct Pace {
    stands: AtomicU8,
    /// The task that reads: hyper may have looked for the next request before it let go of the last answer.
    reader: AtomicWaker,
}

impl Pace {
    /// A head has arrived; the answer is written when the mark goes away.
    pub(super) fn begin_call(self: &Arc<Self>) -> InCall {
        self.stands.store(CALL, Ordering::Relaxed);
        InCall(self.clone())
    }

    fn stands(&self) -> u8 {
        self.stands.load(Ordering::Relaxed)
    }
}

/// Marks that a request is being answered.
#[derive(Debug)]
pub(super) struct InCall(Arc<Pace>);

impl Drop for InCall {
    fn drop(&mut self) {
        self.0.stands.store(IDLE, Ordering::Relaxed);
        self.0.reader.wake();
    }
}

/// A stream with limits.
pub(super) struct Patient<S> {
    stream: S,
    limits: Limits,
    pace: Arc<Pace>,
    /// What reading waits for, and until when.
    reading: Option<(u8, Pin<Box<Sleep>>)>,
    writing: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// `stream`, at the pace that is told to `pace`.
    pub(super) fn new(stream: S, limits: Limits, pace: Arc<Pace>) -> Self {
        Self { stream, limits, pace, reading: None, writing: None }
    }

    /// Fails once the time for what reading waits for is over.
    fn wait_for_reading(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stands = self.pace.stands();
        let limit = match stands {
            IDLE => self.limits.idle,
            HEAD => self.limits.head,
            _ => {
                self.reading = None;
                self.pace.reader.register(context.waker());
                return Poll::Pending;
            }
        };
        // A wait of the same kind goes on; trickling bytes does not buy time.
        if self.reading.as_ref().is_none_or(|(waits_for, _)| *waits_for != stands) {
            self.reading = Some((stands, Box::pin(tokio::time::sleep_until(Instant::now() + limit))));
        }
        if let Some((_, until)) = &mut self.reading {
            ready!(until.as_mut().poll(context));
        }
        Poll::Ready(Err(too_slow()))
    }

    /// Passes on what a write said, and fails when there was no room for too long.
    fn wait_for_writing<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.writing = None;
            return written;
        }
        let limit = self.limits.write;
        let until = self.writing.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(until.as_mut().poll(context));
        Poll::Ready(Err(too_slow()))
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client kept its connection waiting")
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending => self.wait_for_reading(context),
            Poll::Ready(result) => {
                if self.pace.stands() != HEAD {
                    self.reading = None;
                }
                if buffer.filled().len() > before {
                    let _ = self.pace.stands.compare_exchange(IDLE, HEAD, Ordering::Relaxed, Ordering::Relaxed);
                }
                Poll::Ready(result)
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wait_for_writing(context, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wait_for_writing(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.wait_for_writing(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;
    use tokio::io::DuplexStream;

    use super::*;

    const IDLE_TIME: Duration = Duration::from_millis(600);
    const HEAD_TIME: Duration = Duration::from_millis(100);

    fn stream(size: usize) -> (Patient<DuplexStream>, DuplexStream, Arc<Pace>) {
        let (ours, theirs) = tokio::io::duplex(size);
        let limits = Limits { idle: IDLE_TIME, head: HEAD_TIME, write: HEAD_TIME };
        let pace = Arc::new(Pace::default());
        (Patient::new(ours, limits, pace.clone()), theirs, pace)
    }

    /// Reads to the failure and tells after what time it came.
    async fn time_to_failure(stream: &mut Patient<DuplexStream>) -> Duration {
        let begun = Instant::now();
        let mut buffer = [0; 16];
        loop {
            if let Err(error) = stream.read(&mut buffer).await {
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                return begun.elapsed();
            }
        }
    }

    #[tokio::test]
    async fn a_quiet_client_has_the_idle_time() {
        let (mut stream, _theirs, _) = stream(64);
        assert!(time_to_failure(&mut stream).await >= IDLE_TIME);
    }

    #[tokio::test]
    async fn trickling_a_head_buys_no_time() {
        let (mut stream, mut theirs, _) = stream(64);
        let trickling = async {
            for _ in 0..1000 {
                theirs.write_all(b"x").await.unwrap();
                tokio::time::sleep(HEAD_TIME / 10).await;
            }
        };
        tokio::select! {
            time = time_to_failure(&mut stream) => assert!(time >= HEAD_TIME),
            () = trickling => panic!("the client was never given up"),
        }
    }

    #[tokio::test]
    async fn a_client_may_wait_for_its_answer_and_is_idle_after_it() {
        let (mut stream, mut theirs, pace) = stream(64);
        theirs.write_all(b"head").await.unwrap();
        stream.read_exact(&mut [0; 4]).await.unwrap();
        let call = pace.begin_call();
        let quiet = tokio::time::timeout(2 * IDLE_TIME, time_to_failure(&mut stream)).await;
        assert!(quiet.is_err(), "no limit while the call runs");
        drop(call);
        assert!(time_to_failure(&mut stream).await >= IDLE_TIME);
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (mut stream, _theirs, _) = stream(4);
        let error = stream.write_all(b"more than fits").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
