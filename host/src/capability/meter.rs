//! Memory and time of one instance, counted over all of it.

use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::capability::GuestLimits;
use crate::capability::LimitExceeded;

/// How often the engine's ticker advances the epoch, at which [`Meter::tick`] is called and the guest lets others run.
///
/// Everything that a call of somebody else does on its way, reading it, running it, answering it, may wait this long for each guest that
/// computes on the same thread.
pub const TICK: Duration = Duration::from_millis(2);

/// Ticks of a call that is done soon.
const SHORT_TICKS: u32 = 5;

/// Calls of the host in one tick that the guest may have waited for.
const WAITED_FOR: u32 = 16;

/// Bytes that one element of a table takes in the host.
const TABLE_ELEMENT_BYTES: usize = 16;

/// Counts what one instance takes.
#[derive(Debug)]
pub struct Meter {
    limits: GuestLimits,
    bytes: usize,
    /// Set when growth was refused: a guest that aborts after that did so for want of memory.
    pub refused_memory: bool,
    ticks: u32,
    host_calls_at_tick: u32,
    busy: u32,
}

impl Meter {
    /// Nothing taken yet.
    pub fn new(limits: GuestLimits) -> Self {
        Self { limits, bytes: 0, refused_memory: false, ticks: 0, host_calls_at_tick: 0, busy: 0 }
    }

    /// Begins to count time anew, for another call of the same instance.
    pub fn restart(&mut self) {
        self.ticks = 0;
        self.host_calls_at_tick = 0;
        self.busy = 0;
    }

    /// Counts one tick that found the guest running.
    ///
    /// A tick in which the guest called the host is not counted: it may have waited there, and waiting is not its own
    /// time. A guest that hides an endless loop behind host calls is held by their number and by the call's deadline.
    ///
    /// # Errors
    ///
    /// The limit on time in guest code.
    pub fn tick(&mut self, host_calls: u32) -> Result<(), LimitExceeded> {
        let calls = host_calls.saturating_sub(self.host_calls_at_tick);
        // A few calls may have been waited for; so many in one tick were not.
        if calls == 0 || calls > WAITED_FOR {
            self.busy += 1;
        }
        if calls != 0 {
            self.host_calls_at_tick = host_calls;
            return Ok(());
        }
        self.ticks += 1;
        if TICK * self.ticks > self.limits.cpu_time {
            return Err(LimitExceeded(format!("{:?} of computing in one call", self.limits.cpu_time)));
        }
        Ok(())
    }

    /// Whether this call has kept a processor busy for so long that it lets others go first.
    pub fn is_busy(&self) -> bool {
        self.busy > SHORT_TICKS
    }

    fn grow(&mut self, by: usize) -> bool {
        let fits = self.bytes.checked_add(by).is_some_and(|sum| sum <= self.limits.memory_bytes);
        if fits {
            self.bytes += by;
        } else {
            self.refused_memory = true;
        }
        fits
    }

    /// Bytes of all its memories and tables now.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The memory limit in words.
    pub fn memory_limit(&self) -> String {
        format!("{} MiB of memory", self.limits.memory_bytes >> 20)
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum) && self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT_BYTES);
        Ok(maximum.is_none_or(|maximum| desired <= maximum) && self.grow(bytes))
    }

    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_summed_over_all_memories_and_tables() {
        let mut meter = Meter::new(GuestLimits { memory_bytes: 1000, ..GuestLimits::default() });
        assert!(meter.memory_growing(0, 500, None).unwrap());
        assert!(meter.memory_growing(0, 400, None).unwrap());
        assert!(!meter.table_growing(0, 10, None).unwrap());
        assert!(meter.refused_memory);
    }

    #[test]
    fn only_ticks_without_host_calls_count_as_computing() {
        let mut meter = Meter::new(GuestLimits { cpu_time: TICK * 2, ..GuestLimits::default() });
        for host_calls in 1..100 {
            meter.tick(host_calls).unwrap();
        }
        assert!((0..3).any(|_| meter.tick(99).is_err()));
    }
}
