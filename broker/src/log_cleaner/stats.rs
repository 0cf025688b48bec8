//! [`CleanerStats`]: what the metrics page shows of the cleaner.

use std::sync::atomic::{AtomicU64, Ordering};

use trimaran_commit_log::CleanReport;

use crate::metrics::Observation;

/// Counted since the start of the broker.
#[derive(Debug, Default)]
pub struct CleanerStats {
    passes: AtomicU64,
    failures: AtomicU64,
    records_dropped: AtomicU64,
    bytes_freed: AtomicU64,
    io_bytes: AtomicU64,
    keys_last: AtomicU64,
    dirty_percent_max: AtomicU64,
}

impl CleanerStats {
    pub(super) fn cleaned(&self, report: &CleanReport) {
        let freed = report.bytes_before.saturating_sub(report.bytes_after);
        self.passes.fetch_add(1, Ordering::Relaxed);
        self.bytes_freed.fetch_add(freed, Ordering::Relaxed);
        self.keys_last.store(report.keys, Ordering::Relaxed);
        self.records_dropped
            .fetch_add(report.records_dropped, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn moved(&self, bytes: u64) {
        self.io_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The largest dirty ratio that the last search has seen, 0 to 1.
    pub(super) fn dirtiest(&self, ratio: f64) {
        let percent = (ratio * 100.0).clamp(0.0, 100.0) as u64;
        self.dirty_percent_max.store(percent, Ordering::Relaxed);
    }

    /// For the metrics page.
    #[must_use]
    pub fn observations(&self, uncleanable: usize) -> [Observation; 8] {
        let of = |value: &AtomicU64| value.load(Ordering::Relaxed);
        [
            (
                "log_cleaner_uncleanable_partitions",
                "Compacted logs that could not be cleaned and are left alone",
                uncleanable as u64,
            ),
            ("log_cleaner_passes", "Logs cleaned", of(&self.passes)),
            (
                "log_cleaner_failures",
                "Passes that ended with an error",
                of(&self.failures),
            ),
            (
                "log_cleaner_records_dropped",
                "Records that compaction removed",
                of(&self.records_dropped),
            ),
            (
                "log_cleaner_bytes_freed",
                "Bytes that compaction freed",
                of(&self.bytes_freed),
            ),
            (
                "log_cleaner_io_bytes",
                "Bytes that compaction read and wrote",
                of(&self.io_bytes),
            ),
            (
                "log_cleaner_keys",
                "Keys in the last pass",
                of(&self.keys_last),
            ),
            (
                "log_cleaner_dirty_percent_max",
                "Dirty part of the filthiest log, in percent",
                of(&self.dirty_percent_max),
            ),
        ]
    }
}
