//! What runs on this thread: the role whose rights the authorizer applies, and the sign to stop.
//!
//! SQLite calls its callbacks on the thread that runs the statement, so they find their context here and no pointer
//! to it has to outlive a connection. Outside of a run every action is denied and every statement stops.

use std::cell::RefCell;
use std::time::Duration;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::authorizer::Denial;
use super::authorizer::Role;

/// How long a statement waits for the lock of another connection.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The longest pause between two tries for a lock.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

struct Run {
    role: Role,
    stop: CancellationToken,
    denial: Option<Denial>,
    virtual_table_denied: bool,
    pragma_seen: bool,
    waiting_since: Instant,
}

thread_local! {
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

/// Ends the run when dropped.
pub(super) struct RunGuard(());

impl Drop for RunGuard {
    fn drop(&mut self) {
        RUN.set(None);
    }
}

/// Begins a run on this thread, as the host itself, until the guard is dropped.
pub(super) fn enter(stop: CancellationToken) -> RunGuard {
    RUN.set(Some(Run {
        role: Role::Host,
        stop,
        denial: None,
        virtual_table_denied: false,
        pragma_seen: false,
        waiting_since: Instant::now(),
    }));
    RunGuard(())
}

/// Changes the role for what is prepared from here on, and forgets what was noted of the statement before.
pub(super) fn set_role(role: Role) {
    change(|run| {
        run.role = role;
        run.denial = None;
        run.virtual_table_denied = false;
        run.pragma_seen = false;
    });
}

/// The role; none outside of a run.
pub(super) fn role() -> Option<Role> {
    RUN.with_borrow(|run| run.as_ref().map(|run| run.role))
}

/// Notes what was denied. The first denial is the one that tells.
pub(super) fn note_denial(denial: Denial) {
    change(|run| {
        run.virtual_table_denied |= denial.may_be_of_virtual_table();
        run.denial.get_or_insert(denial);
    });
}

/// What was denied since the role was set.
pub(super) fn take_denial() -> Option<Denial> {
    RUN.with_borrow_mut(|run| run.as_mut().and_then(|run| run.denial.take()))
}

/// Whether, since the role was set, something was denied that a virtual table may have asked for its own sake.
pub(super) fn virtual_table_denied() -> bool {
    RUN.with_borrow(|run| run.as_ref().is_some_and(|run| run.virtual_table_denied))
}

/// Notes that a pragma was allowed.
pub(super) fn note_pragma() {
    change(|run| run.pragma_seen = true);
}

/// Whether the statement is a pragma or asks one.
pub(super) fn pragma_seen() -> bool {
    RUN.with_borrow(|run| run.as_ref().is_some_and(|run| run.pragma_seen))
}

/// Whether the statement must stop.
pub(super) fn must_stop() -> bool {
    RUN.with_borrow(|run| run.as_ref().is_none_or(|run| run.stop.is_cancelled()))
}

/// Lets what comes next on this thread run although the work was stopped: the host's own cleaning up, which is short.
pub(super) fn go_on() {
    change(|run| run.stop = CancellationToken::new());
}

/// Sleeps a little; false when the statement must stop or has waited long enough.
pub(super) fn wait_for_lock(tries: i32) -> bool {
    let now = Instant::now();
    if tries == 0 {
        change(|run| run.waiting_since = now);
    }
    let since = RUN.with_borrow(|run| run.as_ref().map(|run| run.waiting_since));
    let go_on = !must_stop() && since.is_some_and(|since| now.duration_since(since) < LOCK_WAIT);
    if go_on {
        let pause = Duration::from_micros(500).saturating_mul(1 << tries.clamp(0, 10));
        std::thread::sleep(pause.min(LOCK_PAUSE));
    }
    go_on
}

fn change(change: impl FnOnce(&mut Run)) {
    RUN.with_borrow_mut(|run| {
        if let Some(run) = run {
            change(run);
        }
    });
}
