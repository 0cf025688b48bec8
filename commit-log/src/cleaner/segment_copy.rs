//! [`SegmentCopy`]: the files of a cleaned segment, while they are written.
//!
//! They carry `.cleaned` behind their names and are worth nothing until they are swapped in; what
//! is left of an interrupted copy is removed at the next start, or overwritten by the next pass.

use std::path::PathBuf;
use std::sync::Arc;

use trimaran_types::Offset;
use trimaran_types::record_batch::RecordBatch;

use super::CleanError;
use crate::aborted::AbortedTransaction;
use crate::disk::{DiskFile, OpenHow};
use crate::index::{IndexEntry, Indexer, OffsetEntry, TimeEntry};
use crate::names::{CLEANED_SUFFIX, SegmentFile, suffixed};
use crate::shared::Shared;

/// The copy of a group of segments.
#[derive(Debug)]
pub(super) struct SegmentCopy<'a> {
    shared: &'a Shared,
    base: Offset,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    buffer: Vec<u8>,
    written: u64,
    io_bytes: usize,
    interval_bytes: u32,
    indexer: Indexer,
    offsets: Vec<OffsetEntry>,
    times: Vec<TimeEntry>,
}

impl<'a> SegmentCopy<'a> {
    pub(super) fn create(
        shared: &'a Shared,
        base: Offset,
        io_bytes: usize,
        interval_bytes: u32,
    ) -> Result<Self, CleanError> {
        // Not every copy has every file: what an earlier one has left must not pass for this one's.
        remove_copy(shared, base);
        let path = suffixed(&shared.path(SegmentFile::Log, base), CLEANED_SUFFIX);
        let file = shared
            .context
            .disk
            .open(&path, OpenHow::Empty)
            .map_err(|error| CleanError::of_write(&shared.context.latch, &path, &error))?;
        Ok(Self {
            shared,
            base,
            path,
            file,
            buffer: Vec::new(),
            written: 0,
            io_bytes,
            interval_bytes,
            indexer: Indexer::new(base, None),
            offsets: Vec::new(),
            times: Vec::new(),
        })
    }

    /// Appends a batch; tells how many bytes were written to the file now.
    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<u64, CleanError> {
        let position = self.written + self.buffer.len() as u64;
        self.indexer.on_batch(
            batch.header(),
            position,
            self.interval_bytes,
            &mut self.offsets,
            &mut self.times,
        );
        self.buffer.extend_from_slice(batch.bytes());
        if self.buffer.len() >= self.io_bytes {
            self.flush()
        } else {
            Ok(0)
        }
    }

    fn flush(&mut self) -> Result<u64, CleanError> {
        let bytes = self.buffer.len() as u64;
        self.file
            .write_all_at(self.written, &self.buffer)
            .map_err(|error| self.failed(&self.path, &error))?;
        self.written += bytes;
        self.buffer.clear();
        Ok(bytes)
    }

    fn failed(&self, path: &std::path::Path, error: &std::io::Error) -> CleanError {
        CleanError::of_write(&self.shared.context.latch, path, error)
    }

    /// Writes what is left and the indexes, and makes all of it durable, names included. Tells the
    /// bytes of the copy.
    pub(super) fn finish(mut self, aborted: &[AbortedTransaction]) -> Result<u64, CleanError> {
        self.flush()?;
        self.times.extend(self.indexer.take_time_entry());
        self.sync(&self.path, self.file.as_ref())?;
        self.write_index(SegmentFile::OffsetIndex, &self.offsets)?;
        self.write_index(SegmentFile::TimeIndex, &self.times)?;
        if !aborted.is_empty() {
            self.write_index(SegmentFile::Aborted, aborted)?;
        }
        let dir = &self.shared.dir;
        let synced = self.shared.context.disk.sync_dir(dir);
        synced.map_err(|error| self.shared.context.latch.fail("sync", dir, &error))?;
        Ok(self.written)
    }

    fn sync(&self, path: &std::path::Path, file: &dyn DiskFile) -> Result<(), CleanError> {
        // Never forgiven, not even for want of room: its pages may be gone.
        file.sync_data()
            .map_err(|error| self.shared.context.latch.fail("sync", path, &error).into())
    }

    fn write_index<E: IndexEntry>(
        &self,
        kind: SegmentFile,
        entries: &[E],
    ) -> Result<(), CleanError> {
        let path = suffixed(&self.shared.path(kind, self.base), CLEANED_SUFFIX);
        let mut bytes = Vec::with_capacity(entries.len() * E::BYTES);
        entries.iter().for_each(|entry| entry.put(&mut bytes));
        let file = self.shared.context.disk.open(&path, OpenHow::Empty);
        let file = file.map_err(|error| self.failed(&path, &error))?;
        file.write_all_at(0, &bytes)
            .map_err(|error| self.failed(&path, &error))?;
        self.sync(&path, file.as_ref())
    }
}

/// Removes what a pass that broke off has left. What cannot be removed goes at the next start.
pub(super) fn remove_copy(shared: &Shared, base: Offset) {
    // A directory that has failed is left as it is; the next start removes the copy.
    if shared.context.latch.failure().is_some() {
        return;
    }
    for kind in SegmentFile::ALL {
        let path = suffixed(&shared.path(kind, base), CLEANED_SUFFIX);
        match shared.context.disk.remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(file = %path.display(), %error, "an unfinished copy still takes room");
            }
            _ => {}
        }
    }
}
