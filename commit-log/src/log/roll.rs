//! What happens to the indexes while a segment is written and when it is finished.
//!
//! Indexes are derived: an error in writing them fails no append. A finished segment has either
//! whole index files or none, and without them readers walk its batches.

use std::hash::{DefaultHasher, Hash as _};
use std::io;
use std::sync::Arc;

use trimaran_types::{Offset, Timestamp};

use super::Log;
use super::age::{AgeLimit, Began};
use crate::aborted::AbortedTransaction;
use crate::disk::{DiskFile, OpenHow};
use crate::header_hop::HeaderHop;
use crate::index::IndexEntry;
use crate::names::SegmentFile;
use crate::open_files::lacks_descriptor;
use crate::shared::SegmentView;

/// Waiting entries go to the file when there are this many.
const PENDING_MAX: usize = 1024;

impl Log {
    /// When the active segment began; `None` while it is empty.
    pub(super) fn began(&mut self, now: Timestamp) -> Option<Began> {
        if self.active.bytes > 0 && self.active.began.is_none() {
            let bytes = self.active.bytes;
            let file = self.active_file().ok()?;
            let first = HeaderHop::new(file.as_ref(), 0, bytes).next()?.ok()?;
            self.active.began = Some(Began::found_with(&first.header, now));
        }
        self.active.began
    }

    /// How old the segments of this log may become.
    pub(super) fn age_limit(&self) -> AgeLimit {
        let mut place = DefaultHasher::new();
        self.dir().file_name().hash(&mut place);
        AgeLimit {
            ms_max: self.config.segment_age_ms_max(),
            jitter_ms: self.config.segment_jitter_ms,
            place,
        }
    }

    /// Finishes the active segment and begins an empty one at the log's end.
    pub(super) fn roll_empty(&mut self) -> io::Result<()> {
        let end = self.log_end;
        self.hold_indexes()?;
        self.cut_room()?;
        let path = self.shared.path(SegmentFile::Log, end);
        let context = self.context();
        let open = || context.open(&path, OpenHow::Empty);
        context.reserve.with_room(0, open)?;
        self.roll_to(end);
        Ok(())
    }

    /// Writes waiting index entries when there are many.
    pub(super) fn spill_if_many(&mut self) {
        {
            let state = self.shared.read();
            let pending = state.offsets.pending.len().max(state.aborted.pending.len());
            if pending < PENDING_MAX {
                return;
            }
        }
        if let Err(error) = self.spill() {
            tracing::warn!(dir = %self.dir().display(), %error, "index entries not written, kept in memory");
        }
    }

    /// Writes the waiting entries of both indexes, so that neither file covers more batches than
    /// the other, and the aborted transactions.
    pub(super) fn spill(&mut self) -> io::Result<()> {
        self.spill_aborted()?;
        let (offsets, times) = {
            let state = self.shared.read();
            (
                (state.offsets.written, state.offsets.encode_pending()),
                (state.times.written, state.times.encode_pending()),
            )
        };
        self.write_entries::<crate::index::TimeEntry>(SegmentFile::TimeIndex, times)?;
        self.write_entries::<crate::index::OffsetEntry>(SegmentFile::OffsetIndex, offsets)?;
        let mut state = self.shared.write();
        let state = &mut *state;
        state.times.written += state.times.pending.len();
        state.times.pending.clear();
        state.offsets.written += state.offsets.pending.len();
        state.offsets.pending.clear();
        Ok(())
    }

    pub(super) fn spill_aborted(&mut self) -> io::Result<()> {
        let (written, bytes) = {
            let state = self.shared.read();
            let tail = &state.aborted;
            (tail.written.entries, tail.encode_pending())
        };
        if bytes.is_empty() {
            return Ok(());
        }
        self.write_entries::<AbortedTransaction>(SegmentFile::Aborted, (written, bytes))?;
        let mut state = self.shared.write();
        state.aborted.spilled();
        if written == 0 {
            drop(state);
            self.flush.name_added();
        }
        Ok(())
    }

    fn write_entries<E: IndexEntry>(
        &self,
        kind: SegmentFile,
        (written, bytes): (usize, Vec<u8>),
    ) -> io::Result<()> {
        let file = self.index_file(kind)?;
        file.write_all_at((written * E::BYTES) as u64, &bytes)
    }

    /// Opens the indexes of the active segment and holds them until it is finished. Without a descriptor
    /// whoever wants a new segment is refused and asks again, instead of finishing one without them.
    pub(super) fn hold_indexes(&mut self) -> io::Result<()> {
        let has_aborted = {
            let state = self.shared.read();
            state.aborted.written.entries > 0 || !state.aborted.pending.is_empty()
        };
        let kinds = [SegmentFile::OffsetIndex, SegmentFile::TimeIndex];
        let aborted = has_aborted.then_some(SegmentFile::Aborted);
        let held = kinds.into_iter().chain(aborted).map(|kind| {
            let file = self
                .shared
                .file(&self.active_view(), kind, OpenHow::OrCreate);
            match file {
                // For want of room, or because the disk fails: the roll finds that out itself.
                Err(error) if !lacks_descriptor(&error) => Ok(None),
                opened => opened.map(|file| Some((kind, file))),
            }
        });
        let held: Vec<_> = held.collect::<io::Result<_>>()?;
        self.active.indexes = held.into_iter().flatten().collect();
        Ok(())
    }

    /// An index of the active segment.
    fn index_file(&self, kind: SegmentFile) -> io::Result<Arc<dyn DiskFile>> {
        match self.active.indexes.iter().find(|(held, _)| *held == kind) {
            Some((_, file)) => Ok(Arc::clone(file)),
            None => self
                .shared
                .file(&self.active_view(), kind, OpenHow::OrCreate),
        }
    }

    /// Adds the last time entry and writes what is waiting.
    pub(super) fn complete_indexes(&mut self) -> io::Result<()> {
        let last = self.active.indexer.take_time_entry();
        self.shared.write().times.pending.extend(last);
        self.spill()
    }

    /// Finishes the active segment: its indexes are completed, and its files wait for a flush,
    /// with a snapshot of the producers for the next one, which starts at `next`. Once the directory
    /// has failed, perhaps on the way, nothing more is written there.
    pub(super) fn seal_active(&mut self, next: Offset) {
        let segment = self.active_view();
        let mut files: Vec<_> = self.active.file.take().into_iter().collect();
        if !self.has_failed() {
            files.extend(self.seal_aborted(&segment));
        }
        if !self.has_failed() {
            files.extend(self.snapshot_producers(next));
        }
        if !self.has_failed() {
            files.extend(self.seal_indexes(&segment));
        }
        let end = self.log_end;
        self.flush.sealed(end, files);
    }

    fn has_failed(&self) -> bool {
        self.context().latch.failure().is_some()
    }

    /// Completes the other indexes, or removes them.
    fn seal_indexes(&mut self, segment: &SegmentView) -> Vec<Arc<dyn DiskFile>> {
        let completed = self.complete_indexes().and_then(|()| {
            let kinds = [SegmentFile::OffsetIndex, SegmentFile::TimeIndex].into_iter();
            kinds.map(|kind| self.index_file(kind)).collect()
        });
        completed.unwrap_or_else(|error| {
            self.drop_indexes_of(segment, &error);
            Vec::new()
        })
    }

    /// Removes the indexes of a segment, which could not be written. If one of them stays, the
    /// directory has failed: it would be believed.
    pub(super) fn drop_indexes_of(&self, segment: &SegmentView, cause: &io::Error) {
        tracing::warn!(dir = %self.dir().display(), base = segment.base.0, %cause, "indexes dropped");
        for kind in [SegmentFile::OffsetIndex, SegmentFile::TimeIndex] {
            let path = self.shared.path(kind, segment.base);
            match self.context().disk.remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    self.context().latch.fail("remove", &path, &error);
                }
                _ => {}
            }
        }
        self.context().files.forget(segment.id);
    }

    /// Completes the index of aborted transactions, if the segment has one. Unlike the others it
    /// cannot be done without: a reader would take aborted records for committed ones.
    fn seal_aborted(&mut self, segment: &SegmentView) -> Option<Arc<dyn DiskFile>> {
        let result = self.spill_aborted().and_then(|()| {
            let written = self.shared.read().aborted.written;
            if written.entries == 0 {
                return Ok(None);
            }
            let file = self.index_file(SegmentFile::Aborted)?;
            self.shared.write().aborted_in.insert(segment.base, written);
            Ok(Some(file))
        });
        match result {
            Ok(file) => file,
            Err(error) => {
                let path = self.shared.path(SegmentFile::Aborted, segment.base);
                self.context().latch.fail("write", &path, &error);
                None
            }
        }
    }
}
