//! [`SegmentBatches`]: the batches of one segment, in order, each verified.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use trimaran_types::record_batch::{BATCH_HEADER_BYTES, BatchError, BatchHeader, RecordBatch};
use trimaran_types::{Offset, Timestamp};

use super::CleanError;
use crate::damage::Damage;
use crate::disk::{DiskFile, OpenHow};
use crate::names::SegmentFile;
use crate::shared::{SegmentView, Shared};

/// The batches of one segment.
#[derive(Debug)]
pub(super) struct SegmentBatches {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    end: u64,
    /// Where the next segment starts, which the last batch reaches.
    next_base: Option<Offset>,
    position: u64,
    expected: Offset,
    window: Bytes,
    io_bytes: usize,
    read_bytes: u64,
}

impl SegmentBatches {
    pub(super) fn open(
        shared: &Shared,
        segment: &SegmentView,
        next_base: Offset,
        io_bytes: usize,
    ) -> Result<Self, CleanError> {
        let path = shared.path(SegmentFile::Log, segment.base);
        let file = shared
            .file(segment, SegmentFile::Log, OpenHow::Existing)
            .map_err(|source| CleanError::Read {
                path: path.clone(),
                source,
            })?;
        Ok(Self {
            file,
            path,
            end: segment.bytes,
            next_base: Some(next_base),
            position: 0,
            expected: segment.base,
            window: Bytes::new(),
            io_bytes,
            read_bytes: 0,
        })
    }

    /// The same, up to `end` only.
    pub(super) const fn up_to(mut self, end: u64) -> Self {
        self.end = end;
        self.next_base = None;
        self
    }

    /// The file, for messages.
    pub(super) const fn path(&self) -> &PathBuf {
        &self.path
    }

    /// When the segment was last written, where that is known.
    pub(super) fn written_at(&self) -> Option<Timestamp> {
        self.file.written_at().ok().flatten()
    }

    /// Where the next batch lies.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Bytes read from the file since this was last asked.
    pub(super) const fn take_read_bytes(&mut self) -> u64 {
        std::mem::replace(&mut self.read_bytes, 0)
    }

    /// The next batch; `None` at the end. A segment that ends before the next one starts has lost
    /// its last batches: a copy of it would pass the hole off as a gap.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>, CleanError> {
        if self.position >= self.end {
            let expected = self.expected;
            return match self.next_base {
                Some(found) if found != expected => {
                    Err(self.corrupt(Damage::SegmentOutOfPlace { expected, found }))
                }
                _ => Ok(None),
            };
        }
        self.fill(BATCH_HEADER_BYTES)?;
        let header =
            BatchHeader::parse(&self.window).map_err(|error| self.corrupt(error.into()))?;
        self.fill(header.total_bytes())?;
        if self.window.len() < header.total_bytes() {
            let cause = BatchError::Truncated {
                have: self.window.len(),
                need: header.total_bytes(),
            };
            return Err(self.corrupt(cause.into()));
        }
        let bytes = self.window.split_to(header.total_bytes());
        let batch = RecordBatch::parse(bytes).map_err(|error| self.corrupt(error.into()))?;
        let found = batch.header().base_offset;
        if found < self.expected {
            let expected = self.expected;
            return Err(self.corrupt(Damage::OffsetOutOfOrder { expected, found }));
        }
        self.position += batch.bytes().len() as u64;
        self.expected = batch.header().next_offset();
        Ok(Some(batch))
    }

    /// Makes sure that the window holds `need` bytes, unless the segment ends before.
    fn fill(&mut self, need: usize) -> Result<(), CleanError> {
        if self.window.len() >= need {
            return Ok(());
        }
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let mut buffer = Vec::new();
        self.file
            .read_at(
                self.position,
                need.max(self.io_bytes).min(left),
                &mut buffer,
            )
            .map_err(|source| CleanError::Read {
                path: self.path.clone(),
                source,
            })?;
        self.read_bytes += buffer.len() as u64;
        self.window = Bytes::from(buffer);
        Ok(())
    }

    fn corrupt(&self, cause: Damage) -> CleanError {
        CleanError::Corrupt {
            path: self.path.clone(),
            position: self.position,
            offset: self.expected,
            cause,
        }
    }
}
