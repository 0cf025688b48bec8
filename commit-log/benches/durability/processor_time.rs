//! Seconds of processor time that this process has used, in user and system mode.
//!
//! What the kernel's own threads do for it (journal, write-back) is not in it.

use std::time::Duration;

/// Ticks a second of `/proc/PID/stat`, fixed on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

pub(crate) fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc is mounted");
    // The name may hold spaces; what follows its closing bracket does not.
    let fields = stat.rsplit(')').next().expect("a line");
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<f64>().expect("a number"))
        .sum();
    Duration::from_secs_f64(ticks / TICKS_PER_SECOND)
}
