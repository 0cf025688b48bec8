//! The directory's checkpoints: flushed ends every second, high watermarks every 5 s, recovery
//! points every minute.
//!
//! They make a restart cheap; nothing that was promised rests on them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;
use trimaran_types::{Offset, TopicPartition};

use super::Replicas;
use crate::partition::{Event, PartitionHandle, PartitionRole};

/// How old the noted end of what was synced may be after a power cut (ADR 0011).
const FLUSHED_ENDS_EVERY: Duration = Duration::from_secs(1);

/// `replica.high.watermark.checkpoint.interval.ms`.
const HIGH_WATERMARKS_EVERY: Duration = Duration::from_secs(5);

/// Rounds of high watermarks between two of recovery points: `log.flush.offset.checkpoint.interval.ms`.
const RECOVERY_POINTS_EVERY: u32 = 12;

impl Replicas {
    /// Writes checkpoints until it is dropped.
    pub async fn write_checkpoints(self: Arc<Self>) {
        let mut interval = tokio::time::interval(HIGH_WATERMARKS_EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval.tick().await;
        for round in 1_u32.. {
            interval.tick().await;
            let is_long_round = round.is_multiple_of(RECOVERY_POINTS_EVERY);
            if is_long_round {
                for handle in self
                    .table
                    .all()
                    .iter()
                    .filter(|handle| is_in_service(handle))
                {
                    // One by one: each syncs small files on a thread that requests need, too.
                    let (done, ended) = oneshot::channel();
                    if handle.send(Event::Checkpoint(done)).await {
                        let _ = ended.await;
                    }
                }
            }
            let replicas = Arc::clone(&self);
            let written = tokio::task::spawn_blocking(move || {
                replicas.checkpoint_now(is_long_round);
            });
            if let Err(error) = written.await {
                tracing::error!(%error, "writing checkpoints broke off");
            }
        }
    }

    /// Syncs the flushed ends until it is dropped; no work while nothing is flushed.
    pub async fn sync_flushed_ends(self: Arc<Self>) {
        let mut interval = tokio::time::interval(FLUSHED_ENDS_EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            if self.dir.context().latch.failure().is_some() || !self.dir.flushed_ends_are_dirty() {
                continue;
            }
            let replicas = Arc::clone(&self);
            let synced = tokio::task::spawn_blocking(move || replicas.dir.sync_flushed_ends());
            match synced.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "cannot sync the flushed ends"),
                Err(error) => tracing::error!(%error, "syncing the flushed ends broke off"),
            }
        }
    }

    /// Writes what has changed since the last time; blocks. A refusal is told and not tried again
    /// before the next round; a failed directory is somebody else's to report.
    pub(super) fn checkpoint_now(&self, with_recovery_points: bool) {
        if self.dir.context().latch.failure().is_some() {
            return;
        }
        if let Err(error) = self.write_high_watermarks() {
            tracing::error!(%error, "cannot write the high watermarks");
        }
        if with_recovery_points && let Err(error) = self.dir.write_recovery_points() {
            tracing::error!(%error, "cannot write the recovery points");
        }
    }

    fn write_high_watermarks(&self) -> Result<(), trimaran_commit_log::LogDirError> {
        let statuses = self.table.all();
        let offsets = |of: fn(&PartitionHandle) -> Offset| -> BTreeMap<TopicPartition, Offset> {
            statuses
                .iter()
                .map(|handle| (handle.topic().clone(), of(handle)))
                .collect()
        };
        let now = offsets(|handle| handle.status().high_watermark);
        let mut known = self
            .checkpointed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *known == now {
            return Ok(());
        }
        let mut starts = offsets(|handle| handle.status().log_start);
        starts.retain(|_, start| *start > Offset::ZERO);
        self.dir.write_log_starts(&starts)?;
        self.dir.write_high_watermarks(&now)?;
        *known = now;
        Ok(())
    }
}

fn is_in_service(handle: &PartitionHandle) -> bool {
    !matches!(
        handle.status().role,
        PartitionRole::Failed | PartitionRole::Stopped
    )
}
