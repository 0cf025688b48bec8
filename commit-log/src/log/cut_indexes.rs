//! The indexes of a segment whose end was cut off, and which is active from now on.

use std::io;

use trimaran_types::Offset;

use super::Log;
use super::kept::Kept;
use crate::disk::{DiskFile, OpenHow};
use crate::index::{self, IndexEntry, IndexTail, Indexer, OffsetEntry, TimeEntry};
use crate::names::SegmentFile;
use crate::segment_scan::{ScanRules, ScanStart, scan};
use crate::shared::SegmentView;

/// Where both indexes of the active segment stand.
pub(super) struct CutIndexes {
    pub(super) offsets: IndexTail<OffsetEntry>,
    pub(super) times: IndexTail<TimeEntry>,
    pub(super) indexer: Indexer,
}

impl Log {
    /// Cuts the indexes of a segment whose batches end before `end`, and finds out where they stand.
    /// `same` says that it was the active one before.
    pub(super) fn cut_indexes(
        &mut self,
        segment: SegmentView,
        end: Offset,
        file: &dyn DiskFile,
        same: bool,
    ) -> io::Result<CutIndexes> {
        if same {
            self.spill()?;
        }
        let open = |kind| self.shared.file(&segment, kind, OpenHow::OrCreate);
        let offset_file = open(SegmentFile::OffsetIndex)?;
        let time_file = open(SegmentFile::TimeIndex)?;
        let bytes_max = u64::from(self.config.index_bytes_max).saturating_mul(2);
        let offsets = index::load::<OffsetEntry>(offset_file.as_ref(), bytes_max)?;
        let times = index::load::<TimeEntry>(time_file.as_ref(), bytes_max)?;
        let kept = match (offsets, times) {
            (Some(offsets), Some(times)) => {
                Kept::of(file, (segment.base, segment.bytes), end, offsets, times)?
            }
            _ => Kept::nothing(segment.base),
        };
        offset_file.truncate((kept.offsets.len() * OffsetEntry::BYTES) as u64)?;
        time_file.truncate((kept.times.len() * TimeEntry::BYTES) as u64)?;
        self.indexes_behind(segment, file, &kept)
    }

    /// Removes the indexes, which could not be cut, and keeps what they would say in memory until it
    /// can be written. They follow from the records, so their loss ends nothing.
    pub(super) fn drop_indexes(
        &self,
        segment: SegmentView,
        file: &dyn DiskFile,
        cause: &io::Error,
    ) -> io::Result<CutIndexes> {
        tracing::warn!(dir = %self.dir().display(), %cause, "indexes that cannot be cut are made anew");
        self.context().files.forget(segment.id);
        for kind in [SegmentFile::TimeIndex, SegmentFile::OffsetIndex] {
            self.remove_file_of(kind, segment.base)?;
        }
        self.indexes_behind(segment, file, &Kept::nothing(segment.base))
    }

    /// What is kept, and what the batches behind the last entry add.
    fn indexes_behind(
        &self,
        segment: SegmentView,
        file: &dyn DiskFile,
        kept: &Kept,
    ) -> io::Result<CutIndexes> {
        let start = ScanStart {
            position: kept.position,
            expected: kept.expected,
            latest_epoch: None,
            indexer: Indexer::new(segment.base, kept.times.last().copied()),
        };
        let rules = ScanRules {
            compacted: self.config.compacted,
            index_interval_bytes: self.config.index_interval_bytes,
        };
        let scanned = scan(file, segment.bytes, start, rules)?;
        Ok(CutIndexes {
            offsets: IndexTail {
                written: kept.offsets.len(),
                pending: scanned.offsets,
            },
            times: IndexTail {
                written: kept.times.len(),
                pending: scanned.times,
            },
            indexer: scanned.indexer,
        })
    }
}
