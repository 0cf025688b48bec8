//! The directories' checkpoints: flushed ends every second, high watermarks every 5 s, recovery
//! points every minute.
//!
//! They make a restart cheap; nothing that was promised rests on them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;
use trimaran_commit_log::LogDirError;
use trimaran_types::{DirectoryId, Offset, TopicPartition};

use super::{DataDir, Replicas};
use crate::partition::{Event, PartitionHandle, PartitionRole};

/// How old the noted end of what was synced may be after a power cut (ADR 0011).
const FLUSHED_ENDS_EVERY: Duration = Duration::from_secs(1);

/// `replica.high.watermark.checkpoint.interval.ms`.
const HIGH_WATERMARKS_EVERY: Duration = Duration::from_secs(5);

/// Rounds of high watermarks between two of recovery points: `log.flush.offset.checkpoint.interval.ms`.
const RECOVERY_POINTS_EVERY: u32 = 12;

/// How long a round waits for one log's recovery point. Then the disk is so slow that the other logs
/// of the directory wait for the next round.
const CHECKPOINT_WAIT_MAX: Duration = Duration::from_secs(10);

impl Replicas {
    /// Writes checkpoints until it is dropped: each directory by itself, so that a disk that hangs
    /// holds up no other.
    pub async fn write_checkpoints(self: Arc<Self>) {
        let dirs = self.dirs.ids().into_iter();
        let each = dirs.map(|id| Arc::clone(&self).write_checkpoints_in(id));
        let each = futures_util::future::join_all(each);
        tokio::join!(each, self.close_idle_files());
    }

    async fn write_checkpoints_in(self: Arc<Self>, id: DirectoryId) {
        let mut interval = tokio::time::interval(HIGH_WATERMARKS_EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval.tick().await;
        for round in 1_u32.. {
            interval.tick().await;
            let is_long_round = round.is_multiple_of(RECOVERY_POINTS_EVERY);
            if is_long_round {
                self.ask_for_recovery_points(id).await;
            }
            let replicas = Arc::clone(&self);
            let written = tokio::task::spawn_blocking(move || {
                if let Some(dir) = replicas.dirs.get(id) {
                    replicas.checkpoint_dir_now(dir, is_long_round);
                }
            });
            if let Err(error) = written.await {
                tracing::error!(%error, "writing checkpoints broke off");
            }
        }
    }

    /// Has the logs of a directory reach their recovery points.
    async fn ask_for_recovery_points(&self, id: DirectoryId) {
        for handle in self.table.all() {
            if handle.directory_id() != id || !is_in_service(&handle) {
                continue;
            }
            // One by one: each syncs small files on a thread that requests need, too.
            let (done, ended) = oneshot::channel();
            let asked = async {
                if handle.send(Event::Checkpoint(done)).await {
                    let _ = ended.await;
                }
            };
            if tokio::time::timeout(CHECKPOINT_WAIT_MAX, asked)
                .await
                .is_err()
            {
                tracing::warn!(partition = %handle.topic(), "a log does not reach its recovery point");
                return;
            }
        }
    }

    /// Closes the files that nobody reads. All directories share one set.
    async fn close_idle_files(&self) {
        let mut interval = tokio::time::interval(HIGH_WATERMARKS_EVERY * RECOVERY_POINTS_EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval.tick().await;
        loop {
            interval.tick().await;
            if let Some(dir) = self.dirs.iter().next() {
                dir.dir.context().files.close_idle();
            }
        }
    }

    /// Syncs the flushed ends until it is dropped; no work while nothing is flushed. Each directory
    /// by itself, as above.
    pub async fn sync_flushed_ends(self: Arc<Self>) {
        let dirs = self.dirs.ids().into_iter();
        let each = dirs.map(|id| Arc::clone(&self).sync_flushed_ends_in(id));
        futures_util::future::join_all(each).await;
    }

    async fn sync_flushed_ends_in(self: Arc<Self>, id: DirectoryId) {
        let mut interval = tokio::time::interval(FLUSHED_ENDS_EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let is_due = |dir: &DataDir| !dir.has_failed() && dir.dir.flushed_ends_are_dirty();
            if !self.dirs.get(id).is_some_and(is_due) {
                continue;
            }
            let replicas = Arc::clone(&self);
            let synced = tokio::task::spawn_blocking(move || {
                let synced = replicas.dirs.get(id).map(|dir| dir.dir.sync_flushed_ends());
                if let Some(Err(error)) = synced {
                    tracing::error!(%error, "cannot sync the flushed ends");
                }
            });
            if let Err(error) = synced.await {
                tracing::error!(%error, "syncing the flushed ends broke off");
            }
        }
    }

    /// Writes what has changed since the last time, in all directories; blocks.
    pub(super) fn checkpoint_now(&self, with_recovery_points: bool) {
        for dir in self.dirs.iter() {
            self.checkpoint_dir_now(dir, with_recovery_points);
        }
    }

    /// The same in one directory. A refusal is told and not tried again before the next round; a
    /// failed directory is somebody else's to report.
    fn checkpoint_dir_now(&self, dir: &DataDir, with_recovery_points: bool) {
        if dir.has_failed() {
            return;
        }
        let handles = self.table.all();
        let own = handles.iter().filter(|it| it.directory_id() == dir.id());
        if let Err(error) = dir.write_offsets(own) {
            tracing::error!(%error, "cannot write the high watermarks");
        }
        if with_recovery_points && let Err(error) = dir.dir.write_recovery_points() {
            tracing::error!(%error, "cannot write the recovery points");
        }
    }
}

impl DataDir {
    fn write_offsets<'a>(
        &self,
        handles: impl Iterator<Item = &'a PartitionHandle>,
    ) -> Result<(), LogDirError> {
        self.dir.write_log_starts()?;
        let now: BTreeMap<TopicPartition, Offset> = handles
            .map(|handle| (handle.topic().clone(), handle.status().high_watermark))
            .collect();
        let mut known = self
            .checkpointed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *known != now {
            self.dir.write_high_watermarks(&now)?;
            *known = now;
        }
        Ok(())
    }
}

fn is_in_service(handle: &PartitionHandle) -> bool {
    !matches!(
        handle.status().role,
        PartitionRole::Failed | PartitionRole::Stopped
    )
}
