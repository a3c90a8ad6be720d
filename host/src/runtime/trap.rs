//! From the way a guest ended to what is said about it, and to whom.

use wasmtime::Trap;

use super::answer::CallError;
use crate::capability::LimitExceeded;
use crate::capability::NotLinked;
use crate::capability::meter::Meter;
use crate::capability::recorded::Unrecordable;

/// What wasmtime says when a guest hands over more than its store's hostcall fuel allows. It has no type of its own.
const CROSSING_TEXT: &str = "fuel allocated for hostcalls has been exhausted";

/// Turns the end of a guest into an error whose blame is the guest's.
///
/// `crossing_bytes` is the limit on what may cross the border at once, for the message.
pub(super) fn blame(plugin: &str, error: &wasmtime::Error, meter: &Meter, crossing_bytes: usize) -> CallError {
    let plugin = plugin.to_owned();
    let limit = |limit: String| CallError::PluginLimit { plugin: plugin.clone(), limit };
    // Not the guest's fault: the host admitted more calls than it has places for.
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return CallError::Internal;
    }
    if let Some(exceeded) = error.downcast_ref::<LimitExceeded>() {
        return limit(exceeded.0.clone());
    }
    if error.chain().any(|cause| cause.to_string().contains(CROSSING_TEXT)) {
        return limit(format!("{} MiB in one answer", crossing_bytes >> 20));
    }
    if let Some(not_linked) = error.downcast_ref::<NotLinked>() {
        return CallError::PluginFailed { plugin, reason: not_linked.to_string() };
    }
    if let Some(unrecordable) = error.downcast_ref::<Unrecordable>() {
        return CallError::PluginFailed { plugin, reason: unrecordable.to_string() };
    }
    let reason = match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => return limit("512 KiB of stack".into()),
        Some(_) if meter.refused_memory => return limit(meter.memory_limit()),
        Some(Trap::UnreachableCodeReached) => "it aborted (a panic or a failed assertion)".into(),
        Some(Trap::MemoryOutOfBounds) => "it touched memory that is not its own (often a stack overflow)".into(),
        Some(trap) => format!("it trapped: {trap}"),
        None if meter.refused_memory => return limit(meter.memory_limit()),
        None => "it broke the contract's calling rules".into(),
    };
    CallError::PluginFailed { plugin, reason }
}
