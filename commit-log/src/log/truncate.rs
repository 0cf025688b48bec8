//! Cutting the end off a log: what a follower does when its leader's history differs.
//!
//! The order matters for a stop in between. First the recovery point and the epochs on disk are
//! lowered, durably, where they reach past the cut: they must never promise what is about to go.
//! Then the journal forgets the log, or it would put back what is cut; all of the log is synced in its
//! files by then, so a refusal until here leaves it as it was. Then readers are told, then files are removed, newest first, and cut; and the cut is synced
//! before anything is appended, so that old bytes cannot come back behind new ones.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use trimaran_types::Offset;

use super::checkpoint::CloseError;
use super::cut_files::CutFiles;
use super::room::Room;
use super::{Active, Log};
use crate::aborted::AbortedTail;
use crate::disk::DiskDir;
use crate::index::{IndexTail, Indexer};
use crate::latch::DirFailed;
use crate::names::SegmentFile;
use crate::producers::ProducerStates;
use crate::reader::{ReadError, end_before, find_batch};
use crate::shared::SegmentView;

/// Why a log was not cut.
#[derive(Debug, thiserror::Error)]
pub enum TruncateError {
    /// The directory is out of service, perhaps since this cut.
    #[error(transparent)]
    DirFailed(#[from] DirFailed),
    /// The place of the cut could not be found, or is damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Epochs or recovery point could not be lowered; the log is as it was.
    #[error("cannot truncate the log in {}", dir.display())]
    Io {
        /// The log's directory.
        dir: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl From<CloseError> for TruncateError {
    fn from(error: CloseError) -> Self {
        match error {
            CloseError::DirFailed(failed) => Self::DirFailed(failed),
            CloseError::Io { dir, source } => Self::Io { dir, source },
        }
    }
}

impl Log {
    /// Cuts the log so that it ends at or before `offset`, and tells its end: a batch that reaches
    /// past `offset` goes as a whole. At or beyond the end, only
    /// an epoch without records is forgotten. Before the first
    /// segment, the log is emptied and starts at `offset`.
    ///
    /// # Errors
    /// See [`TruncateError`]. After a failed cut the directory is out of service.
    pub fn truncate_to(&mut self, offset: Offset) -> Result<Offset, TruncateError> {
        self.context().latch.check()?;
        if offset >= self.log_end {
            self.epochs.truncate_from(self.log_end);
            return Ok(self.log_end);
        }
        let first = self.shared.read().segments[0].base;
        if offset < first {
            self.truncate_fully_and_start_at(offset)?;
            return Ok(offset);
        }
        let (segment, position, end) = self.place_of_cut(offset)?;
        let producers = self.producers_before(end)?;
        let files = self.open_cut(&segment, end)?;
        self.forget_beyond(end, end)?;
        self.leave_journal()?;
        let gone = self.show_cut(segment, position, end);
        self.cut_files(&gone, segment, (position, end), files)
            .map_err(|error| self.context().latch.fail("truncate", self.dir(), &error))?;
        self.producers = producers;
        Ok(end)
    }

    /// Empties the log; its next record gets `offset`. For a follower whose leader's log starts
    /// beyond its own end.
    ///
    /// # Errors
    /// See [`TruncateError`]. After a failed cut the directory is out of service.
    pub fn truncate_fully_and_start_at(&mut self, offset: Offset) -> Result<(), TruncateError> {
        self.context().latch.check()?;
        let epochs = self.epochs.clone();
        self.forget_beyond(Offset::ZERO, offset)?;
        // Before a file is made: the journal may have had bytes of one by that name.
        self.leave_journal()?;
        let (names, file) = match self.open_start(offset) {
            Ok(opened) => opened,
            Err(source) => {
                // The disk promises less of it than before, which costs a start some time.
                self.epochs = epochs;
                self.settle_noted_start();
                return Err(TruncateError::from(self.close_error(source)));
            }
        };
        let id = self.context().files.next_id();
        let view = SegmentView {
            id,
            base: offset,
            bytes: 0,
        };
        let gone = {
            let mut state = self.shared.write();
            state.generation += 1;
            state.log_start = offset;
            state.log_end = offset;
            state.epochs = self.epochs.clone();
            state.offsets = IndexTail::default();
            state.times = IndexTail::default();
            state.aborted = AbortedTail::default();
            state.aborted_in.clear();
            self.shared
                .with_tail(&mut state, crate::tail::HotTail::clear);
            std::mem::replace(&mut state.segments, vec![view])
        };
        self.log_start = offset;
        self.log_end = offset;
        self.become_active(view, Indexer::new(offset, None));
        self.flush.restarted(offset);
        self.lose_kept(offset);
        self.producers = ProducerStates::default();
        self.active.file = Some(file);
        self.start_over(&gone, names.as_ref())
            .map_err(|error| self.context().latch.fail("truncate", self.dir(), &error))?;
        self.note_log_start();
        Ok(())
    }

    /// The segment and position of the first batch that reaches past `offset`, which lies before the
    /// log's end; and where the batches in front of it end. In a log with gaps that may be before it
    /// begins: a start finds no more than what the bytes say.
    fn place_of_cut(&self, offset: Offset) -> Result<(SegmentView, u64, Offset), TruncateError> {
        let Some(found) = find_batch(&self.shared, offset)? else {
            return Ok((self.active_view(), self.active.bytes, self.log_end));
        };
        let end = end_before(&self.shared, &found)?;
        Ok((found.segment, found.placed.position, end))
    }

    /// Lowers what the disk promises about the log to `end`, and where it says that the log starts
    /// to `log_start`.
    fn forget_beyond(&mut self, end: Offset, log_start: Offset) -> Result<(), TruncateError> {
        // First, so that no cleaning that looked at what goes can note its end any more.
        self.shared.write().truncations += 1;
        if let Some(partition) = &self.topic_partition {
            let context = self.context();
            let points = context.recovery_points.lower(partition, end);
            let lowered = points
                .and_then(|()| context.cleaner_offsets.lower(partition, end))
                .and_then(|()| context.log_starts.lower(partition, log_start));
            if let Err(error) = lowered {
                self.settle_noted_start();
                return Err(self.close_error(error).into());
            }
        }
        let before = self.epochs.clone();
        self.epochs.truncate_from(end);
        let reaches_past = self
            .epochs_on_disk
            .as_ref()
            .is_none_or(|entries| entries.iter().any(|entry| entry.start >= end));
        if reaches_past && let Err(error) = self.write_epochs() {
            self.epochs = before;
            self.settle_noted_start();
            return Err(error.into());
        }
        Ok(())
    }

    /// Takes back that the log would start earlier.
    fn settle_noted_start(&self) {
        if self.log_start > Offset::ZERO {
            self.note_log_start();
        }
    }

    /// Tells readers and flushes about the cut, before it happens. Returns the segments that go.
    fn show_cut(&mut self, segment: SegmentView, position: u64, end: Offset) -> Vec<SegmentView> {
        let mut state = self.shared.write();
        state.generation += 1;
        state.log_end = end;
        state.epochs = self.epochs.clone();
        state.log_start = state.log_start.min(end);
        let kept = state
            .segments
            .partition_point(|view| view.base <= segment.base);
        let gone = state.segments.split_off(kept);
        state.segments[kept - 1].bytes = position;
        if self.active.id == segment.id {
            state
                .offsets
                .pending
                .retain(|entry| u64::from(entry.position) < position);
        } else {
            state.offsets = IndexTail::default();
            state.times = IndexTail::default();
        }
        self.shared
            .with_tail(&mut state, crate::tail::HotTail::clear);
        drop(state);
        self.log_end = end;
        self.log_start = self.log_start.min(end);
        self.flush.truncated(end);
        self.lose_kept(end);
        gone
    }

    fn cut_files(
        &mut self,
        gone: &[SegmentView],
        segment: SegmentView,
        (position, end): (u64, Offset),
        files: CutFiles,
    ) -> io::Result<()> {
        let CutFiles {
            log: file,
            aborted,
            names,
        } = files;
        // First: a snapshot that came back after a stop would be believed once the log has grown
        // past it again.
        self.remove_snapshots_beyond(end, names.as_ref())?;
        self.remove_segments(gone, names.as_ref())?;
        let same = self.active.id == segment.id;
        self.cut_aborted(&segment, end, same, aborted.as_ref())?;
        file.truncate(position)?;
        file.sync_data()?;
        let began = self.active.began.filter(|_| same && position > 0);
        let segment = SegmentView {
            bytes: position,
            ..segment
        };
        let indexes = self
            .cut_indexes(segment, end, file.as_ref(), same)
            .or_else(|error| self.drop_indexes(segment, file.as_ref(), &error))?;
        self.become_active(segment, indexes.indexer);
        self.active.file = Some(file);
        self.active.began = began;
        let mut state = self.shared.write();
        state.offsets = indexes.offsets;
        state.times = indexes.times;
        Ok(())
    }

    /// The new segment is on the disk before the old ones go: a directory without any would be
    /// taken for a log that was lost.
    fn start_over(&mut self, gone: &[SegmentView], names: &dyn DiskDir) -> io::Result<()> {
        self.remove_snapshots_beyond(Offset(-1), names)?;
        let base = self.active.base;
        let file = self.active_file()?;
        file.truncate(0)?;
        file.sync_data()?;
        names.sync()?;
        let (same, others): (Vec<SegmentView>, Vec<SegmentView>) =
            gone.iter().partition(|view| view.base == base);
        for view in same {
            self.context().files.forget(view.id);
            for kind in SegmentFile::ALL
                .into_iter()
                .filter(|kind| *kind != SegmentFile::Log)
            {
                self.remove_file_of(kind, base)?;
            }
        }
        self.remove_segments(&others, names)?;
        names.sync()
    }

    pub(super) fn remove_file_of(&self, kind: SegmentFile, base: Offset) -> io::Result<()> {
        match self
            .context()
            .disk
            .remove_file(&self.shared.path(kind, base))
        {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn remove_segments(&self, gone: &[SegmentView], names: &dyn DiskDir) -> io::Result<()> {
        for segment in gone.iter().rev() {
            self.shared.remove_segment_files(segment.base)?;
            self.context().files.forget(segment.id);
        }
        if gone.is_empty() {
            Ok(())
        } else {
            names.sync()
        }
    }

    fn become_active(&mut self, view: SegmentView, indexer: Indexer) {
        self.active = Active {
            id: view.id,
            base: view.base,
            file: None,
            bytes: view.bytes,
            room: Room::none(Arc::clone(&self.context().room)),
            began: None,
            last_append: None,
            indexer,
            indexes: Vec::new(),
        };
    }
}
