//! Damaged logs out of the way: kept under a name of their own, so many and no more.

use std::sync::atomic::Ordering;

use trimaran_commit_log::LogDir;
use trimaran_types::{TopicId, TopicPartition};

use super::{CreateError, DataDir, Replicas};

/// Damaged logs that are kept, in one directory. Beyond, a damaged replica waits for a person: a
/// disk with so many is not to be trusted with more, and old copies take up its room. Those do not
/// count that a damaged journal made doubtful: one bad block does that to every log of its directory,
/// and says nothing of the files of any (ADR 0021).
pub(super) const DAMAGED_LOGS_MAX: usize = 100;

impl Replicas {
    /// How many damaged logs are kept, in all directories that work.
    pub(super) fn damaged_logs(&self) -> usize {
        self.count_in_all(LogDir::damaged_logs)
    }

    /// Sets a damaged log aside, durably, so that an empty one may take its place. Of one that is
    /// gone, only what the directory knew is forgotten. Blocks.
    ///
    /// # Errors
    /// As many are kept as may be; or the directory refused.
    pub(super) fn quarantine(
        &self,
        place: &DataDir,
        (topic_id, topic): (TopicId, &TopicPartition),
    ) -> Result<(), CreateError> {
        let failed = |cause| CreateError::SetAside {
            partition: topic.clone(),
            cause,
        };
        let kept = self.damaged_logs();
        let dir = place.dir.partition_dir(topic);
        let is_there = place.dir.context().disk.list(&dir).is_ok();
        let counts = !place.dir.is_distrusted(topic);
        if is_there && counts && kept >= DAMAGED_LOGS_MAX {
            let partition = topic.clone();
            return Err(CreateError::TooManyDamaged { partition, kept });
        }
        let moved = place.dir.give_up_damaged(topic_id, topic).map_err(failed)?;
        let kept = kept.saturating_add(usize::from(counts && moved.is_some()));
        self.counts
            .damaged_logs
            .store(kept as u64, Ordering::Relaxed);
        self.counts.begun_anew.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            partition = %topic, kept_as = ?moved, kept, kept_max = DAMAGED_LOGS_MAX,
            "a damaged replica begins anew and fetches from its leader; look at the disk, and delete \
             the folder that was kept when nobody needs it"
        );
        Ok(())
    }
}
