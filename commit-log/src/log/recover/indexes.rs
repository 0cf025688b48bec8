//! The indexes of segments at recovery: what of them is kept, and what is rebuilt.

use std::collections::BTreeMap;
use std::io;

use trimaran_types::Offset;

use super::{Recovery, at_path};
use crate::damage::Damage;
use crate::disk::{DiskFile, OpenHow};
use crate::index::{self, IndexEntry, IndexTail, OffsetEntry, TimeEntry};
use crate::log::kept::Kept;
use crate::log::open::unchanged;
use crate::log::{OpenError, is_exhausted};
use crate::names::SegmentFile;
use crate::segment_scan::{Scanned, scan};

impl Recovery<'_> {
    /// Rebuilds the indexes of a segment that is not walked, if they cannot be what was written.
    pub(super) fn restore_indexes(&mut self, at: usize) -> Result<(), OpenError> {
        let (base, bytes) = self.segments[at];
        let whole = |sizes: &BTreeMap<Offset, u64>, entry: usize| {
            sizes
                .get(&base)
                .is_some_and(|size| size % entry as u64 == 0)
        };
        if whole(&self.listing.offset_indexes, OffsetEntry::BYTES)
            && whole(&self.listing.time_indexes, TimeEntry::BYTES)
        {
            return Ok(());
        }
        let path = SegmentFile::Log.path(self.dir, base);
        let file = self.open(&path)?;
        let kept = Kept::nothing(base);
        let start = self.scan_start(base, &kept, None);
        let mut scanned =
            scan(file.as_ref(), bytes, start, self.rules()).map_err(at_path(&path))?;
        self.count(&kept, &scanned);
        let (expected, next) = (scanned.end, self.segments.get(at + 1));
        let hole = next
            .map(|(found, _)| *found)
            .filter(|found| *found != expected)
            .map(|found| Damage::SegmentOutOfPlace { expected, found });
        if let Some(cause) = scanned.damage.clone().or(hole) {
            let (position, offset) = (scanned.position, scanned.end);
            return Err(OpenError::Corrupt {
                file: path,
                position,
                offset,
                cause,
            });
        }
        self.write_indexes(base, &kept, &mut scanned, false)
            .map(drop)
    }

    /// The index entries of a segment up to the batch from which `target` is reached.
    pub(super) fn kept(
        &self,
        file: &dyn DiskFile,
        base: Offset,
        bytes: u64,
        target: Offset,
    ) -> Result<Kept, OpenError> {
        let offsets = self.load::<OffsetEntry>(SegmentFile::OffsetIndex, base)?;
        let times = self.load::<TimeEntry>(SegmentFile::TimeIndex, base)?;
        let (Some(offsets), Some(times)) = (offsets, times) else {
            return Ok(Kept::nothing(base));
        };
        Kept::of(file, (base, bytes), target, offsets, times)
            .map_err(at_path(&SegmentFile::Log.path(self.dir, base)))
    }

    fn load<E: IndexEntry>(
        &self,
        kind: SegmentFile,
        base: Offset,
    ) -> Result<Option<Vec<E>>, OpenError> {
        let path = kind.path(self.dir, base);
        let file = match self.context.disk.open(&path, OpenHow::Existing) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at_path(&path)(error)),
        };
        // A little over the bound: the final time entry comes on top.
        let bytes_max = u64::from(self.config.index_bytes_max).saturating_mul(2);
        index::load(file.as_ref(), bytes_max).map_err(at_path(&path))
    }

    /// Brings a segment's index files in line with the walk. Those of a finished segment are
    /// completed; the last one's new entries go on waiting in memory. After a clean stop these files
    /// are complete, too, and stay as they are.
    pub(super) fn write_indexes(
        &mut self,
        base: Offset,
        kept: &Kept,
        scanned: &mut Scanned,
        is_last: bool,
    ) -> Result<(IndexTail<OffsetEntry>, IndexTail<TimeEntry>), OpenError> {
        let mut offsets = IndexTail {
            written: kept.offsets.len(),
            pending: scanned.offsets.clone(),
        };
        let mut times = IndexTail {
            written: kept.times.len(),
            pending: scanned.times.clone(),
        };
        if !is_last {
            times
                .pending
                .extend(scanned.indexer.clone().take_time_entry());
            self.report.indexes_rebuilt += 1;
        } else if self.clean && kept.closing.is_some() && offsets.pending.is_empty() {
            let mut indexer = scanned.indexer.clone();
            if indexer.take_time_entry() == kept.closing {
                scanned.indexer = indexer;
                times.written += 1;
            }
        }
        let offsets_written =
            self.write_index(SegmentFile::OffsetIndex, base, &mut offsets, !is_last);
        let written = offsets_written
            .and_then(|()| self.write_index(SegmentFile::TimeIndex, base, &mut times, !is_last));
        match written {
            // A log that waited for room to be opened would never let a segment go.
            Err(OpenError::Io { source, .. }) if !is_last && is_exhausted(&source) => {
                self.do_without_indexes(base, &source)?;
            }
            written => written?,
        }
        Ok((offsets, times))
    }

    /// Leaves a finished segment without indexes: readers walk its batches.
    fn do_without_indexes(&self, base: Offset, cause: &io::Error) -> Result<(), OpenError> {
        tracing::warn!(dir = %self.dir.display(), base = base.0, %cause, "indexes not rebuilt");
        for kind in [SegmentFile::OffsetIndex, SegmentFile::TimeIndex] {
            let path = kind.path(self.dir, base);
            match self.context.disk.remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(at_path(&path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn write_index<E: IndexEntry>(
        &self,
        kind: SegmentFile,
        base: Offset,
        tail: &mut IndexTail<E>,
        complete: bool,
    ) -> Result<(), OpenError> {
        let path = kind.path(self.dir, base);
        let kept_bytes = (tail.written * E::BYTES) as u64;
        let file = self
            .context
            .disk
            .open(&path, OpenHow::OrCreate)
            .map_err(at_path(&path))?;
        if file.bytes().map_err(at_path(&path))? != kept_bytes {
            file.truncate(kept_bytes)
                .map_err(unchanged(self.context, &path))?;
        }
        if complete {
            file.write_all_at(kept_bytes, &tail.encode_pending())
                .map_err(unchanged(self.context, &path))?;
            file.sync_data().map_err(|e| self.failed(&path, &e))?;
            tail.written += tail.pending.len();
            tail.pending.clear();
        }
        Ok(())
    }
}
