//! [`CleanerOffsets`]: `cleaner-offset-checkpoint`, up to where each log has been cleaned.
//!
//! Below its offset a log has no two records of one key. A log that is about to be cut below it
//! lowers the file first: what is appended there afterwards has not been cleaned, and a tombstone
//! taken for cleaned would one day go before the record that it deletes.

use trimaran_types::{Offset, TopicPartition};

use super::RecoveryPoints;
use crate::change_error::ChangeError;

pub(crate) const CLEANER_OFFSETS: &str = "cleaner-offset-checkpoint";

/// The first offset of each log that has not been cleaned.
#[derive(Debug)]
pub struct CleanerOffsets(RecoveryPoints);

impl CleanerOffsets {
    /// The offsets that `file`, the one of this name, has.
    pub(crate) const fn over(file: RecoveryPoints) -> Self {
        Self(file)
    }

    /// The first offset of a log that has not been cleaned, if any of it has.
    #[must_use]
    pub fn get(&self, partition: &TopicPartition) -> Option<Offset> {
        self.0.get(partition)
    }

    /// Notes that a log is clean below `end`.
    pub(crate) fn set(&self, partition: &TopicPartition, end: Offset) {
        self.0.set(partition, end);
    }

    /// Makes sure that neither memory nor file calls anything from `end` on clean.
    pub(crate) fn lower(&self, partition: &TopicPartition, end: Offset) -> Result<(), ChangeError> {
        self.0.lower(partition, end)
    }

    /// Forgets logs that are no more, in the file too.
    pub(super) fn forget(&self, partitions: &[TopicPartition]) -> Result<(), ChangeError> {
        self.0.forget(partitions)
    }

    /// Writes all offsets, if they have changed.
    pub(crate) fn write(&self) -> Result<(), ChangeError> {
        self.0.write()
    }
}
