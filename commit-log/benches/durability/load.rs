//! [`Load`]: what is asked of a way to store; [`Measured`]: what came of it.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::processor_time::processor_time;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) partitions: usize,
    pub(crate) append_bytes: usize,
    pub(crate) length: Duration,
}

pub(crate) struct Measured {
    pub(crate) appends_per_second: f64,
    pub(crate) processor_seconds_per_gb: f64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) p999_us: u64,
}

/// Latencies in microseconds, up to a minute.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds are in order")
}

pub(crate) fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

impl Load {
    /// Runs `work` until the row's end and sums up. `work` gets the end and gives the latencies.
    pub(crate) fn measure(self, work: impl FnOnce(Instant) -> Histogram<u64>) -> Measured {
        let (begun, before) = (Instant::now(), processor_time());
        let latencies = work(begun + self.length);
        let seconds = begun.elapsed().as_secs_f64();
        let processor_seconds = (processor_time() - before).as_secs_f64();
        let appends = latencies.len() as f64;
        let gigabytes = appends * self.append_bytes as f64 / 1e9;
        Measured {
            appends_per_second: appends / seconds,
            processor_seconds_per_gb: processor_seconds / gigabytes.max(f64::MIN_POSITIVE),
            p50_us: latencies.value_at_quantile(0.5),
            p99_us: latencies.value_at_quantile(0.99),
            p999_us: latencies.value_at_quantile(0.999),
        }
    }
}
