//! What makes the next start cheap: the recovery point, and closing.
//!
//! The recovery point promises more than synced records: the indexes and the epochs below it are
//! durable too, so that recovery may start right there.

use std::io;
use std::path::Path;
use std::sync::Arc;

use trimaran_types::Offset;

use super::Log;
use super::flush::FlushRequest;
use super::run::is_exhausted;
use crate::change_error::{ChangeError, sync_names};
use crate::disk::{DiskFile, OpenHow};
use crate::latch::DirFailed;
use crate::names::{LEADER_EPOCH_CHECKPOINT, SegmentFile};
use crate::{atomic_file, epoch_file};

/// Why a log could not be closed cleanly. Opening it again recovers it.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// The directory is out of service.
    #[error(transparent)]
    DirFailed(#[from] DirFailed),
    /// The system refused something that ends nothing, such as a write to a full disk.
    #[error("cannot checkpoint the log in {}", dir.display())]
    Io {
        /// The log's directory.
        dir: std::path::PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl Log {
    /// Prepares a later recovery point, about once a minute: like [`Log::begin_flush`], but with
    /// what a restart needs beyond the records. `None` when nothing happened since the last one.
    /// Telling the log that it is done sets the point; the directory's checkpoint file takes it up
    /// when it is next written.
    ///
    /// When nothing happened since the last one, the log has been left alone: the room behind its
    /// data, if there is some, is cut off, and the cut is what is to be synced.
    ///
    /// # Errors
    /// Indexes or epochs could not be written, or the room not be cut.
    pub fn begin_checkpoint(&mut self) -> Result<Option<FlushRequest>, CloseError> {
        self.context().latch.check()?;
        let is_noted = !self.epochs_are_new() && !self.aborted_sums_are_new();
        if self.flush.checkpointed_end >= self.log_end && is_noted {
            return self.leave_alone();
        }
        self.pace.flush_began();
        self.write_epochs()?;
        self.spill().map_err(|source| self.close_error(source))?;
        self.write_aborted_sums()?;
        let mut request = self.flush_request(true);
        request.files.extend(
            self.index_files()
                .map_err(|source| self.close_error(source))?,
        );
        Ok(Some(request))
    }

    /// Cuts the room off a log that is not written; what must be synced then.
    fn leave_alone(&mut self) -> Result<Option<FlushRequest>, CloseError> {
        self.pace.forget();
        self.cut_room().map_err(|source| self.close_error(source))?;
        Ok(self.flush.owes_cut().then(|| self.flush_request(false)))
    }

    /// Makes all of the log durable and ends it. Tells its end, which is its recovery point.
    ///
    /// # Errors
    /// Something is not durable; the directory must not be marked as cleanly shut down.
    pub fn close(mut self) -> Result<Offset, CloseError> {
        self.shared.cleaning.close_and_wait();
        self.context().latch.check()?;
        let has_pending = {
            let state = self.shared.read();
            !state.offsets.pending.is_empty() || !state.aborted.pending.is_empty()
        };
        // A finished segment may wait for its sync without a record that does.
        let untouched =
            self.active.file.is_none() && self.flush.is_all_synced(self.log_end) && !has_pending;
        self.write_epochs()?;
        if !untouched {
            let names = self.context().open_dir(self.dir());
            let names = names.map_err(|source| self.close_error(source))?;
            self.cut_room().map_err(|source| self.close_error(source))?;
            let indexes = self.finish_indexes()?;
            let mut request = self.flush_request(true);
            request.files.extend(indexes);
            let end = self.log_end;
            if self.snapshots.latest().is_none_or(|latest| latest < end) {
                request.files.extend(self.snapshot_producers(end));
                // What was written to a directory that has failed is not to be believed.
                self.context().latch.check()?;
            }
            for file in &request.files {
                self.sync_file(file)
                    .map_err(|error| self.close_error(error))?;
            }
            sync_names(names.as_ref()).map_err(|error| self.close_error(error))?;
            // Before the recovery point, which anybody's checkpoint may write from here on.
            self.write_aborted_sums()?;
            self.flushed(&request.token());
        }
        self.write_aborted_sums()?;
        self.flush.checkpointed_end = self.log_end;
        self.note_recovery_point();
        Ok(self.log_end)
    }

    /// Ends a log whose directory is about to go: no cleaning of it runs on.
    pub fn discard(self) {
        self.shared.cleaning.close_and_wait();
    }

    /// Puts the recovery point where the directory's next checkpoint finds it.
    pub(super) fn note_recovery_point(&self) {
        if let Some(partition) = &self.topic_partition {
            self.context()
                .recovery_points
                .set(partition, self.flush.checkpointed_end);
        }
    }

    /// Writes what waits for the indexes of a log that is closed, and tells which files that are. A
    /// full disk costs the next start a walk over the segment, not a recovery: the index of aborted
    /// transactions alone cannot be done without.
    fn finish_indexes(&mut self) -> Result<Vec<Arc<dyn DiskFile>>, CloseError> {
        let reserve = Arc::clone(&self.context().reserve);
        reserve
            .with_room(0, || self.spill_aborted())
            .map_err(|source| self.close_error(source))?;
        match self.complete_indexes().and_then(|()| self.index_files()) {
            Ok(files) => Ok(files),
            Err(error) if is_exhausted(&error) => {
                self.drop_indexes_of(&self.active_view(), &error);
                self.context().latch.check()?;
                let aborted = self.aborted_file().transpose();
                let aborted = aborted.map_err(|source| self.close_error(source))?;
                Ok(aborted.into_iter().collect())
            }
            Err(error) => Err(self.close_error(error)),
        }
    }

    /// The index of aborted transactions of the active segment, if it has one.
    fn aborted_file(&self) -> Option<io::Result<Arc<dyn DiskFile>>> {
        let has_aborted = self.shared.read().aborted.written.entries > 0;
        has_aborted.then(|| {
            let how = OpenHow::OrCreate;
            self.shared
                .file(&self.active_view(), SegmentFile::Aborted, how)
        })
    }

    fn index_files(&self) -> io::Result<Vec<Arc<dyn DiskFile>>> {
        [SegmentFile::OffsetIndex, SegmentFile::TimeIndex]
            .into_iter()
            .map(|kind| {
                self.shared
                    .file(&self.active_view(), kind, OpenHow::OrCreate)
            })
            .chain(self.aborted_file())
            .collect()
    }

    pub(super) fn epochs_are_new(&self) -> bool {
        self.epochs_on_disk.as_deref() != Some(self.epochs.entries())
    }

    /// Writes `leader-epoch-checkpoint` durably if it has changed.
    pub(super) fn write_epochs(&mut self) -> Result<(), CloseError> {
        if !self.epochs_are_new() {
            return Ok(());
        }
        let path = self.dir().join(LEADER_EPOCH_CHECKPOINT);
        let content = epoch_file::format(self.epochs.entries());
        self.epochs_on_disk = None;
        self.replace_file(&path, content.as_bytes())?;
        self.epochs_on_disk = Some(self.epochs.entries().to_vec());
        Ok(())
    }

    pub(super) fn replace_file(&self, path: &Path, content: &[u8]) -> Result<(), CloseError> {
        let context = self.context();
        let replaced = context.reserve.with_room(content.len(), || {
            atomic_file::replace(context.disk.as_ref(), path, content)
        });
        replaced.map_err(|source| self.close_error(source))
    }

    /// A full disk ends nothing; any other refusal ends the directory.
    pub(super) fn close_error(&self, error: impl Into<ChangeError>) -> CloseError {
        let error = error.into();
        let latch = &self.context().latch;
        match latch.refused("checkpoint", self.dir(), &error) {
            Ok(()) => CloseError::Io {
                dir: self.dir().to_owned(),
                source: error.into_io(),
            },
            Err(failed) => failed.into(),
        }
    }
}
