//! What the kernel says about a process: CPU time and memory.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use crate::Result;

/// Nanoseconds of a clock tick in `/proc/PID/stat`: the kernel shows 100 in a second on every architecture.
const TICK_NS: u64 = 10_000_000;

/// Reads the CPU time of a process, its ended threads included as far as they were seen.
pub(crate) struct CpuMeter {
    pid: u32,
    /// The last reading of every thread ever seen, in nanoseconds.
    threads: HashMap<u32, u64>,
}

impl CpuMeter {
    /// For the process `pid`.
    pub(crate) fn new(pid: u32) -> Self {
        Self { pid, threads: HashMap::new() }
    }

    /// User and system time until now.
    ///
    /// The scheduler's account of each thread has nanoseconds but forgets a thread that ends; the account of the process
    /// forgets nothing but has ticks of 10 ms. The second is taken where the first has lost more than its error.
    pub(crate) fn read(&mut self) -> Result<Duration> {
        let by_ticks = self.ticks_ns()?;
        for entry in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let path = entry?.path();
            let Some(thread) = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok()) else { continue };
            // A thread may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(path.join("schedstat")) else { continue };
            if let Some(spent) = text.split(' ').next().and_then(|spent| spent.parse().ok()) {
                self.threads.insert(thread, spent);
            }
        }
        let by_threads: u64 = self.threads.values().sum();
        let lost = by_ticks.saturating_sub(by_threads);
        Ok(Duration::from_nanos(if lost > 2 * TICK_NS { by_ticks } else { by_threads }))
    }

    fn ticks_ns(&self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        // The name of the program, in parentheses, may hold anything.
        let fields: Vec<&str> = text.rsplit_once(')').ok_or("unknown form of /proc/PID/stat")?.1.split_whitespace().collect();
        let ticks: u64 = fields.get(11..13).into_iter().flatten().filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(ticks * TICK_NS)
    }
}

/// Resident memory, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) resident_kib: u64,
    /// The most there ever was.
    pub(crate) peak_kib: u64,
}

/// The memory of the process `pid`.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).ok_or_else(|| format!("/proc/{pid}/status without `{name}`"))
    };
    Ok(Memory { resident_kib: field("VmRSS")?, peak_kib: field("VmHWM")? })
}
