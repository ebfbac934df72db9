//! What one process used, as the operating system counts it.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// Length of the ticks in which Linux tells processor time, in milliseconds (`USER_HZ` is 100 on every platform).
const TICK_MS: u64 = 10;

/// What a piece of work used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// From its beginning to its end, in microseconds.
    pub wall_us: u64,
    /// Processor time of the process, user and system, all threads, in milliseconds; exact to ten.
    pub cpu_ms: u64,
    /// The most memory that the process ever held until the end of the work, in kB.
    pub peak_kb: u64,
    /// Calls to the Accounting API.
    pub calls: u64,
}

/// A piece of work under way.
pub struct Stopwatch {
    begun: Instant,
    cpu_ms: u64,
}

impl Stopwatch {
    /// Begins.
    ///
    /// # Errors
    /// Where there is no `/proc`.
    pub fn start() -> anyhow::Result<Self> {
        Ok(Self { cpu_ms: cpu_ms()?, begun: Instant::now() })
    }

    /// Ends.
    ///
    /// # Errors
    /// Where there is no `/proc`.
    pub fn stop(self, calls: u64) -> anyhow::Result<Figures> {
        let wall: Duration = self.begun.elapsed();
        Ok(Figures {
            wall_us: u64::try_from(wall.as_micros())?,
            cpu_ms: cpu_ms()?.saturating_sub(self.cpu_ms),
            peak_kb: peak_kb()?,
            calls,
        })
    }
}

/// User and system time of this process, all threads.
fn cpu_ms() -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("measuring needs Linux's /proc")?;
    // The second field is the program's name in brackets and may hold anything; the rest is numbers.
    let (_, rest) = stat.rsplit_once(')').context("/proc/self/stat is not as expected")?;
    let ticks = rest.split_ascii_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(ticks * TICK_MS)
}

fn peak_kb() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("measuring needs Linux's /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("there is no VmHWM")?;
    Ok(line.split_ascii_whitespace().next().unwrap_or_default().parse()?)
}
