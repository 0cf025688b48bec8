//! What the directory writes for its next start: offset checkpoints, flushed ends, and the mark of a
//! clean shutdown. A full disk ends nothing; any other refusal ends the directory.
//!
//! What makes room, and what lets the directory stop cleanly, draws on the reserved space when the
//! disk is full; the high watermarks do not.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use trimaran_types::{BrokerEpoch, Offset, TopicPartition};

use super::{
    CleanShutdown, HIGH_WATERMARKS, LogDir, LogDirError, at, checkpoint_file, clean_shutdown,
};
use crate::atomic_file;
use crate::change_error::{ChangeError, sync_names};
use crate::context::LogContext;
use crate::log::is_exhausted;

impl LogContext {
    /// See [`LogDir::write_log_starts`].
    ///
    /// # Errors
    /// As there.
    pub fn write_log_starts(&self) -> Result<(), LogDirError> {
        self.latch.check()?;
        let starts = &self.log_starts;
        starts
            .write()
            .map_err(|error| self.refused(starts.path(), error))
    }

    fn refused(&self, path: &Path, error: impl Into<ChangeError>) -> LogDirError {
        let error = error.into();
        match self.latch.refused("write", path, &error) {
            Ok(()) => at(path)(error.into_io()),
            Err(failed) => failed.into(),
        }
    }
}

impl LogDir {
    /// Writes the recovery points that the logs have reached; about once a minute.
    ///
    /// # Errors
    /// The directory has failed, or the system refused.
    pub fn write_recovery_points(&self) -> Result<(), LogDirError> {
        self.context.latch.check()?;
        let points = &self.context.recovery_points;
        points
            .write()
            .map_err(|error| self.refused(&self.logs_dir, error))
    }

    /// Whether [`Self::sync_flushed_ends`] has something to do.
    #[must_use]
    pub fn flushed_ends_are_dirty(&self) -> bool {
        let ends = self.context.recovery_points.flushed_ends();
        ends.is_some_and(|ends| ends.is_dirty())
    }

    /// Makes the ends up to which the logs were synced durable in turn, all with one sync; about
    /// once a second. The longer ago it was, the more of a log is taken for a torn tail if it is
    /// damaged after a power cut.
    ///
    /// # Errors
    /// The directory has failed, perhaps with this sync.
    pub fn sync_flushed_ends(&self) -> Result<(), LogDirError> {
        self.context.latch.check()?;
        let Some(ends) = self.context.recovery_points.flushed_ends() else {
            return Ok(());
        };
        ends.sync()
            .map_err(|error| self.refused(ends.path(), error))
    }

    /// Writes the high watermarks of all logs; every few seconds.
    ///
    /// # Errors
    /// The directory has failed, or the system refused.
    pub fn write_high_watermarks(
        &self,
        offsets: &BTreeMap<TopicPartition, Offset>,
    ) -> Result<(), LogDirError> {
        self.write_checkpoint(HIGH_WATERMARKS, offsets)
    }

    /// Writes the starts that the logs have noted: before the files below them go, before a
    /// deletion of records is answered, and every few seconds.
    ///
    /// # Errors
    /// The directory has failed, or the system refused.
    pub fn write_log_starts(&self) -> Result<(), LogDirError> {
        self.context.write_log_starts()
    }

    /// Makes the names in a log's directory durable; blocks. A log that was set aside meanwhile has
    /// none that anybody looks for, and its owner has ended.
    ///
    /// # Errors
    /// The directory has failed, or has no descriptor left for now.
    pub fn sync_log(&self, partition: &TopicPartition) -> Result<(), LogDirError> {
        self.context.latch.check()?;
        let dir = self.partition_dir(partition);
        match self.context.open_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            opened => opened
                .map_err(ChangeError::from)
                .and_then(|names| sync_names(names.as_ref()))
                .map_err(|error| self.refused(&dir, error)),
        }
    }

    /// Brings the reserved space to `bytes`, as far as there is room, and tells how many it has: at
    /// the start, and when there may be room again. Blocks.
    ///
    /// # Errors
    /// The directory has failed, or the system refused.
    pub fn fill_reserve(&self, bytes: u64) -> Result<u64, LogDirError> {
        self.context.latch.check()?;
        let reserve = &self.context.reserve;
        let filled = reserve.fill(bytes);
        filled.map_err(|error| self.refused(reserve.path(), error))
    }

    /// Whether the disk has room for `bytes` beside the reserved space, and the process a descriptor:
    /// takes the room and gives it back. Blocks.
    ///
    /// # Errors
    /// The directory has failed, or the system refused.
    pub fn has_room(&self, bytes: u64) -> Result<bool, LogDirError> {
        self.context.latch.check()?;
        let reserve = &self.context.reserve;
        match reserve.has_room_beside(bytes) {
            Err(error) if is_exhausted(&error) => Ok(false),
            found => found.map_err(|error| self.refused(reserve.path(), error)),
        }
    }

    fn write_checkpoint(
        &self,
        name: &str,
        offsets: &BTreeMap<TopicPartition, Offset>,
    ) -> Result<(), LogDirError> {
        self.context.latch.check()?;
        let path = self.logs_dir.join(name);
        let content = checkpoint_file::format(offsets);
        atomic_file::replace(self.context.disk.as_ref(), &path, content.as_bytes())
            .map_err(|error| self.refused(&path, error))
    }

    /// What to say of a change that the system refused: a full disk ends nothing.
    pub(super) fn refused(&self, path: &Path, error: impl Into<ChangeError>) -> LogDirError {
        self.context.refused(path, error)
    }

    /// Marks the directory as cleanly shut down: the last deed, after every log was closed without
    /// an error. The journal is emptied and the recovery points are written first.
    ///
    /// # Errors
    /// The directory has failed, or the system refused; then it is not marked.
    pub fn mark_clean_shutdown(
        &self,
        broker_epoch: Option<BrokerEpoch>,
    ) -> Result<(), LogDirError> {
        if let Some(journal) = &self.context.journal {
            journal.close()?;
        }
        self.write_recovery_points()?;
        let mark = CleanShutdown { broker_epoch };
        let (disk, reserve) = (self.context.disk.as_ref(), &self.context.reserve);
        let written = reserve.with_room(0, || clean_shutdown::write(disk, &self.logs_dir, mark));
        written.map_err(|error| self.refused(&self.logs_dir, error))
    }
}
