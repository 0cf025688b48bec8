//! Which logs were begun in the directory, so that one that vanished is not taken for one that never
//! was.
//!
//! The note is an entry of `recovery-point-offset-checkpoint`, at 0 until the log has a point. It is
//! durable before the first record of the log can be acknowledged, and after its folder and first
//! segment are: a log that is noted and has no segment has lost what it held, and a log that is not
//! noted has never held anything that counts.

use std::io;

use trimaran_types::{TopicId, TopicPartition};

use super::{LogDir, LogDirError, at};
use crate::names::SegmentFile;

impl LogDir {
    /// Notes, durably, that the logs of these partitions were begun. Costs nothing for those that are
    /// noted; what waits at once is written at once.
    ///
    /// # Errors
    /// The directory has failed, or the system refused.
    pub fn note_logs(&self, partitions: &[TopicPartition]) -> Result<(), LogDirError> {
        self.context.latch.check()?;
        let points = &self.context.recovery_points;
        let refused = |error| self.refused(&self.logs_dir, error);
        points.note(partitions).map_err(refused)
    }

    /// Every log that is noted as begun, whether it is there or not.
    #[must_use]
    pub fn noted_logs(&self) -> Vec<TopicPartition> {
        self.context.recovery_points.partitions()
    }

    /// Whether the notes can be relied on: false when the directory was used before and the file
    /// that holds them was missing or damaged at the start. Then a log without a note may have been
    /// begun all the same.
    #[must_use]
    pub const fn has_its_notes(&self) -> bool {
        self.has_its_notes
    }

    /// Whether the partition's log was begun here and is gone: no folder, or no segment in it.
    ///
    /// # Errors
    /// The system refused.
    pub fn is_lost(&self, partition: &TopicPartition) -> Result<bool, LogDirError> {
        let is_noted = self.context.recovery_points.get(partition).is_some();
        Ok(is_noted && !self.has_segments(partition)?)
    }

    /// Whether the partition's folder is there and holds a segment.
    ///
    /// # Errors
    /// The system refused.
    pub fn has_segments(&self, partition: &TopicPartition) -> Result<bool, LogDirError> {
        let dir = self.partition_dir(partition);
        match self.context.disk.list(&dir) {
            Ok(entries) => Ok(entries.iter().any(|entry| {
                matches!(SegmentFile::parse(&entry.name), Some((SegmentFile::Log, _)))
            })),
            // A file in its place holds none of the log either.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(at(&dir)(error)),
        }
    }

    /// Whether a log of the partition was begun here for this very topic, as far as the noted flushed
    /// ends tell. They may be missing: `false` proves nothing.
    #[must_use]
    pub fn was_begun_for(&self, topic_id: TopicId, partition: &TopicPartition) -> bool {
        let points = &self.context.recovery_points;
        points.flushed_end(topic_id, partition).is_some()
    }
}
