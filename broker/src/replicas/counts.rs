//! [`Counts`]: what became of damaged logs, for the metrics page.

use std::sync::atomic::{AtomicU64, Ordering};

use trimaran_commit_log::{LogDir, LogDirError};

use super::Replicas;

#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Damaged logs that are kept in the directory.
    pub(super) damaged_logs: AtomicU64,
    /// Logs that are kept and that no committed record explains.
    pub(super) strays: AtomicU64,
    /// Replicas that were begun anew in this run.
    pub(super) begun_anew: AtomicU64,
}

impl Replicas {
    /// Replicas that are out of service because their log is damaged or gone.
    #[must_use]
    pub fn damaged_replicas(&self) -> usize {
        self.table.damaged().len()
    }

    /// Damaged logs that are kept in the directory, as this run has counted them.
    #[must_use]
    pub fn damaged_logs_kept(&self) -> u64 {
        self.counts.damaged_logs.load(Ordering::Relaxed)
    }

    /// Logs that are kept in the directories although no committed record explains them: for a
    /// person to look at, and to delete.
    #[must_use]
    pub fn strays_kept(&self) -> u64 {
        self.counts.strays.load(Ordering::Relaxed)
    }

    /// Counts the strays anew.
    pub(super) fn count_strays(&self) {
        let strays = self.count_in_all(LogDir::strays);
        self.counts.strays.store(strays as u64, Ordering::Relaxed);
    }

    /// How many there are in all directories that work. One that cannot be listed now counts for
    /// nothing: a count is no reason to give up what it is for, nor the directory.
    pub(super) fn count_in_all(&self, count: fn(&LogDir) -> Result<usize, LogDirError>) -> usize {
        let working = self.dirs.iter().filter(|dir| !dir.has_failed());
        let counted = working.map(|dir| {
            count(&dir.dir).unwrap_or_else(|error| {
                tracing::warn!(%error, "what is kept in a directory cannot be counted");
                0
            })
        });
        counted.sum()
    }

    /// Damaged replicas that this run has begun anew.
    #[must_use]
    pub fn replicas_begun_anew(&self) -> u64 {
        self.counts.begun_anew.load(Ordering::Relaxed)
    }
}
