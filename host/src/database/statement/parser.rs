//! Runs the parser where it can do no harm: on threads of its own with a large stack, and not for longer than it is worth.
//!
//! sqlparser recurses when it drops what it parsed, deep enough for 64 KiB of text to overflow the stack of an ordinary
//! thread, which ends the process. What is parsed, walked and dropped here is bounded, and the stack is larger than that needs.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc;
use std::time::Duration;

use super::ast;
use super::ast::Seen;
use crate::config::EngineKind;

/// Stack of a parser thread, in bytes. Only what is used is backed by memory.
const STACK_BYTES: usize = 32 * 1024 * 1024;

/// Parser threads. More would only help when several slow texts come at once.
const THREADS: usize = 2;

/// Texts that may wait for a thread; with more, the tokens decide alone.
const WAITING: usize = 64;

/// How long a text may take; then the tokens decide alone.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tokens of the longest text that is parsed. With more, recursion may outgrow even these stacks, and the tokens decide alone.
const MAXIMUM_TOKENS: usize = 10_000;

/// What the parser saw.
#[derive(Debug)]
pub(super) enum Sight {
    /// One statement.
    Parsed(Seen),
    /// More than one.
    Several,
    /// Nothing that its grammar knows, or not in time.
    Nothing,
}

struct Job {
    text: Box<str>,
    engine: EngineKind,
    answer: mpsc::SyncSender<Sight>,
}

static JOBS: LazyLock<Option<mpsc::SyncSender<Job>>> = LazyLock::new(start);

fn start() -> Option<mpsc::SyncSender<Job>> {
    let (jobs, inbox) = mpsc::sync_channel::<Job>(WAITING);
    let inbox = Arc::new(Mutex::new(inbox));
    let mut started = 0;
    for _ in 0..THREADS {
        let inbox = Arc::clone(&inbox);
        let thread = std::thread::Builder::new().name("statement-parser".into()).stack_size(STACK_BYTES);
        started += usize::from(thread.spawn(move || serve(&inbox)).is_ok());
    }
    (started > 0).then_some(jobs)
}

fn serve(inbox: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let next = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        let sight = catch_unwind(AssertUnwindSafe(|| ast::look_at(&job.text, job.engine)));
        // Whoever asked may have lost patience.
        let _ = job.answer.try_send(sight.unwrap_or(Sight::Nothing));
    }
}

/// Parses the text of one statement that has so many tokens.
pub(super) fn look_at(text: &str, tokens: usize, engine: EngineKind) -> Sight {
    if tokens > MAXIMUM_TOKENS {
        return Sight::Nothing;
    }
    let Some(jobs) = JOBS.as_ref() else { return Sight::Nothing };
    let (answer, sight) = mpsc::sync_channel(1);
    if jobs.try_send(Job { text: text.into(), engine, answer }).is_err() {
        return Sight::Nothing;
    }
    sight.recv_timeout(PATIENCE).unwrap_or(Sight::Nothing)
}
