//! Runs the work of one statement so that nothing can leave it half done on a connection.
//!
//! A future of the driver that is dropped in mid-statement leaves a server that works on and a connection that nobody may
//! use. So the work runs in a task of its own. When the time is over, the client takes the call back, or the caller's
//! future is dropped, the task asks the engine to interrupt the statement **on the server**, waits a moment for the work
//! to come back with the engine's answer, and drops it, connection and all, when it does not.

use std::future::Future;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::error::DatabaseError;
use super::error::Effect;
use super::error::ErrorKind;
use super::error::FIND_OUT;
use super::error::Fault;
use super::places::SERVED;
use crate::call::Call;

/// How long an interrupted statement may take to end before its connection is closed under it, and its caller answered: a call
/// has ended a second after its limit.
const ENDING_GRACE: Duration = Duration::from_millis(800);

/// How long the server may take to hear that a statement is to stop, also after its connection was closed.
const INTERRUPT_GRACE: Duration = Duration::from_secs(2);

/// Runs `work` for at most `limit` and at most until the call's deadline.
///
/// `interrupt` makes the future that stops the statement on the server; it is called at most once, in the task of the
/// work, and has [`INTERRUPT_GRACE`] for itself. The error of an interrupted statement is `Timeout` or `Cancelled`, whatever
/// the engine said; its effect is `Undone` when the connection was closed under it, which the engine corrects to `Unknown` when
/// the end of the work was on its way. `work` must hold its connection so that dropping it closes the connection.
pub(super) async fn supervised<T, W, I, F>(call: &Call, limit: Duration, interrupt: I, work: W) -> Result<T, DatabaseError>
where
    T: Send + 'static,
    W: Future<Output = Result<T, DatabaseError>> + Send + 'static,
    I: FnOnce() -> F + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let limit = limit.min(call.remaining());
    let cancelled = call.cancellation.clone();
    let abandoned = CancellationToken::new();
    // Fires when the future of this function is dropped, and harmlessly at its end.
    let _guard = abandoned.clone().drop_guard();
    let (answer, answered) = oneshot::channel();
    let counted = Counted::new();
    tokio::spawn(SERVED.scope(call.caller.clone(), async move {
        let _counted = counted;
        let mut work = Box::pin(work);
        let stopped = tokio::select! {
            biased;
            result = &mut work => {
                let _ = answer.send(result);
                return;
            }
            () = tokio::time::sleep(limit) => timed_out(limit),
            () = cancelled.cancelled() => taken_back(),
            () = abandoned.cancelled() => taken_back(),
        };
        let mut interrupting = std::pin::pin!(tokio::time::timeout(INTERRUPT_GRACE, interrupt()));
        let mut interrupted = false;
        let ending = async {
            let _ = interrupting.as_mut().await;
            interrupted = true;
            work.as_mut().await
        };
        let ended = tokio::time::timeout(ENDING_GRACE, ending).await;
        // Closes the connection of one that did not end.
        drop(work);
        // A statement that came to its end all the same keeps its result: it did happen.
        let result = match ended {
            Ok(Ok(value)) => Ok(value),
            // Only whoever runs the work knows that its end was on its way.
            Ok(Err(failed)) if failed.effect == Effect::Unknown => Err(unheard(stopped).effect(Effect::Unknown).hint(FIND_OUT)),
            Ok(Err(_)) => Err(stopped),
            // The server did not even answer to being told to stop.
            Err(_) => Err(unheard(stopped).effect(Effect::Undone).fault(Fault::Connection)),
        };
        let _ = answer.send(result);
        if !interrupted {
            // A server does not notice a closed connection while it computes.
            let _ = interrupting.await;
        }
    }));
    answered.await.unwrap_or_else(|_| Err(DatabaseError::new(ErrorKind::Failed, "the statement ended without an answer")))
}

/// Statements whose tasks have not ended, in the whole process.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// Counts one of them for as long as it lives.
struct Counted;

impl Counted {
    fn new() -> Self {
        UNDER_WAY.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits until every statement of the process has ended, the interrupted ones on their servers too; at most a little longer
/// than an interrupted one may take. For the end of the process, which would leave them running otherwise.
pub(super) async fn all_ended() {
    let until = Instant::now() + INTERRUPT_GRACE + Duration::from_millis(500);
    while UNDER_WAY.load(Ordering::Relaxed) > 0 && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// As `stopped`, of a statement whose connection was closed before the database said what became of it.
fn unheard(stopped: DatabaseError) -> DatabaseError {
    DatabaseError { message: format!("{}; it did not end in time and its connection was closed", stopped.message), ..stopped }
}

fn timed_out(limit: Duration) -> DatabaseError {
    DatabaseError::new(ErrorKind::Timeout, format!("the statement ran longer than {limit:?} and was stopped"))
        .hint("narrow it (WHERE, LIMIT, an index), or raise `timeout_ms` up to the database's `statement_timeout`")
}

fn taken_back() -> DatabaseError {
    DatabaseError::new(ErrorKind::Cancelled, "the call was cancelled and its statement stopped")
}
