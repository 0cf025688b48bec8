//! [`CleanerOffsets`]: `cleaner-offset-checkpoint`, up to where each log has been cleaned.
//!
//! Below its offset a log has no two records of one key. A log that is about to be cut below it
//! lowers the file first: what is appended there afterwards has not been cleaned, and a tombstone
//! taken for cleaned would one day go before the record that it deletes.

use std::path::Path;
use std::sync::Arc;

use trimaran_types::{Offset, TopicPartition};

use super::{LogDirError, RecoveryPoints};
use crate::change_error::ChangeError;
use crate::disk::Disk;

const CLEANER_OFFSETS: &str = "cleaner-offset-checkpoint";

/// The first offset of each log that has not been cleaned.
#[derive(Debug)]
pub struct CleanerOffsets(RecoveryPoints);

impl CleanerOffsets {
    /// No offsets; the file is not looked at.
    pub(crate) fn empty(disk: Arc<dyn Disk>, logs_dir: &Path) -> Self {
        Self(RecoveryPoints::empty_named(disk, logs_dir, CLEANER_OFFSETS))
    }

    pub(super) fn read(disk: Arc<dyn Disk>, logs_dir: &Path) -> Result<Self, LogDirError> {
        let (offsets, _) = RecoveryPoints::read_named(disk, logs_dir, CLEANER_OFFSETS)?;
        Ok(Self(offsets))
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
