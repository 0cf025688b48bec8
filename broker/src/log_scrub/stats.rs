//! [`ScrubStats`]: what the metrics page shows of the scrub.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::metrics::Observation;

/// Counted since the start of the broker.
#[derive(Debug)]
pub struct ScrubStats {
    began: Instant,
    bytes: AtomicU64,
    segments: AtomicU64,
    logs: AtomicU64,
    damaged: AtomicU64,
    unreadable: AtomicU64,
    last_in_sync: AtomicU64,
    /// Since when the log waits that waits longest, in milliseconds after the start.
    waiting_since_ms: AtomicU64,
}

impl ScrubStats {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            bytes: AtomicU64::new(0),
            segments: AtomicU64::new(0),
            logs: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
            last_in_sync: AtomicU64::new(0),
            waiting_since_ms: AtomicU64::new(0),
        }
    }

    pub(super) fn read(&self, bytes: u64, is_end_of_segment: bool) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.segments
            .fetch_add(u64::from(is_end_of_segment), Ordering::Relaxed);
    }

    pub(super) fn done(&self) {
        self.logs.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn damaged(&self) {
        self.damaged.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn unreadable(&self) {
        self.unreadable.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn last_in_sync(&self, logs: usize) {
        self.last_in_sync.store(logs as u64, Ordering::Relaxed);
    }

    pub(super) fn waiting_since(&self, since: Instant) {
        let after = since.saturating_duration_since(self.began).as_millis();
        let after = u64::try_from(after).unwrap_or(u64::MAX);
        self.waiting_since_ms.store(after, Ordering::Relaxed);
    }

    /// Logs that were found damaged.
    #[must_use]
    pub fn damaged_logs(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Bytes that were read and found good.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Logs that were looked through.
    #[must_use]
    pub fn logs(&self) -> u64 {
        self.logs.load(Ordering::Relaxed)
    }

    /// For the metrics page.
    #[must_use]
    pub fn observations(&self) -> [Observation; 7] {
        let of = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let waits_s = self
            .began
            .elapsed()
            .as_secs()
            .saturating_sub(of(&self.waiting_since_ms) / 1000);
        [
            (
                "log_scrub_bytes",
                "Bytes of finished segments that were read again and are good",
                of(&self.bytes),
            ),
            (
                "log_scrub_segments",
                "Finished segments that were read again to their end",
                of(&self.segments),
            ),
            (
                "log_scrub_logs",
                "Logs that were looked through once more",
                of(&self.logs),
            ),
            (
                "log_scrub_round_age_seconds",
                "Since when every log was looked through, or the broker runs",
                waits_s,
            ),
            (
                "log_scrub_damaged",
                "Logs in which the scrub has found damage",
                self.damaged_logs(),
            ),
            (
                "log_scrub_damaged_last_in_sync",
                "Damaged logs that stay in service until another replica is in sync",
                of(&self.last_in_sync),
            ),
            (
                "log_scrub_unreadable",
                "Looks that the system broke off for a reason that is no damage",
                of(&self.unreadable),
            ),
        ]
    }
}
