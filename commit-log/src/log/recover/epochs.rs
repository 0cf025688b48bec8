//! Whether the list of leader epochs says what the batches say, below the place where the walk begins.
//!
//! `leader-epoch-checkpoint` is Kafka's file and has no checksum, and what lies below the walk is not
//! read at a start. A list with another start for an epoch tells a follower that its history is the
//! leader's where it is not, and then two values stand at one offset (P-ORDER, KIP-101). So the batches
//! on both sides of every place where an epoch begins are looked at, and the first one of the log.
//! Epochs only grow along a log, so what is true at both ends of a stretch is true within it.
//!
//! A list that is wrong is learned anew from all batches. A batch's epoch lies outside its checksum as
//! well: where a single batch and the list contradict each other, nobody can say which one is right, and
//! that is damage.
//!
//! What it costs in calls to the disk, beside some twenty of each start: none where the walk begins at the
//! log's start, as it does in a log of one segment with less than one index entry. Else one read of 4 KiB
//! for the log's first batch, and an open where that is in another segment than the walk. For each epoch that begins
//! above the log's start, few as a rule, one read or two, and up to 18 more where the segment's index has
//! over 64 KiB, which is 32 MiB of small batches; for each segment that has some of these, four more.
//! One that begins with a segment looks at the end of the segment before, too.

use std::io;
use std::path::Path;
use std::sync::Arc;

use trimaran_types::Offset;
use trimaran_types::record_batch::BatchHeader;

use super::{Recovery, at_path};
use crate::disk::{Disk, DiskFile, OpenHow};
use crate::header_hop::{HeaderHop, HopError, PlacedHeader};
use crate::index::{self, IndexEntry, OffsetEntry};
use crate::log::OpenError;
use crate::names::SegmentFile;
use crate::segment_scan::check_epoch;

/// An index up to this size is read whole, in bytes.
const INDEX_READ_BYTES_MAX: u64 = 64 * 1024;

/// A batch next to a place, and its segment.
#[derive(Clone, Copy)]
struct Neighbour {
    segment: usize,
    placed: PlacedHeader,
}

impl Neighbour {
    const fn header(&self) -> &BatchHeader {
        &self.placed.header
    }
}

/// The last batch that ends below a place, and the first one that does not. One that cannot be read is
/// none.
#[derive(Clone, Copy, Default)]
struct Around {
    before: Option<Neighbour>,
    at: Option<Neighbour>,
}

/// A segment, open.
struct Opened {
    segment: usize,
    log: Arc<dyn DiskFile>,
    index: Option<OffsetIndex>,
}

/// The offset index of a segment.
enum OffsetIndex {
    /// Its entries; none where it is missing, or cannot be what was written.
    Read(Vec<OffsetEntry>),
    /// Too large to be read for a few entries.
    Large(Arc<dyn DiskFile>, u64),
}

impl OffsetIndex {
    fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let file = match disk.open(path, OpenHow::Existing) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::Read(Vec::new()));
            }
            Err(error) => return Err(error),
        };
        let bytes = file.bytes()?;
        if bytes > INDEX_READ_BYTES_MAX {
            return Ok(Self::Large(file, bytes));
        }
        let entries = index::load(file.as_ref(), INDEX_READ_BYTES_MAX)?;
        Ok(Self::Read(entries.unwrap_or_default()))
    }

    /// The last entry for which `is_below` holds, which it does for a run at the front.
    fn last(&self, is_below: impl Fn(OffsetEntry) -> bool) -> io::Result<Option<OffsetEntry>> {
        match self {
            Self::Read(entries) => {
                let below = entries.partition_point(|entry| is_below(*entry));
                Ok(below.checked_sub(1).map(|at| entries[at]))
            }
            Self::Large(file, bytes) => {
                let count = usize::try_from(*bytes).unwrap_or(usize::MAX) / OffsetEntry::BYTES;
                index::floor_in_file(file.as_ref(), count, is_below)
            }
        }
    }
}

/// Looks at single batches.
struct Look<'r, 'a> {
    recovery: &'r Recovery<'a>,
    opened: Option<Opened>,
}

impl Recovery<'_> {
    /// Whether the list fits the batches below `walk_start`. The walk learns what lies behind.
    /// `first` is the walk's first segment, open.
    pub(super) fn epochs_fit_below(
        &self,
        walk_start: Offset,
        first: (usize, &Arc<dyn DiskFile>),
    ) -> Result<bool, OpenError> {
        let floor = self.first_readable();
        if walk_start <= floor {
            return Ok(true);
        }
        let mut look = Look::new(self, first);
        let Some(at) = look.around(floor)?.at else {
            return Ok(false);
        };
        let is_in_place = at.header().base_offset <= floor || self.config.compacted;
        if !is_in_place || !look.agrees_ahead(&at)? {
            return Ok(false);
        }
        let entries = self.epochs.entries().iter();
        for entry in entries.filter(|entry| entry.start > floor && entry.start < walk_start) {
            let around = look.around(entry.start)?;
            let Some(at) = around.at else {
                return Ok(false);
            };
            let base = at.header().base_offset;
            // Compaction may have taken the first batch of an epoch, and even the last one.
            let is_in_place = base == entry.start || (base > entry.start && self.config.compacted);
            if !is_in_place || !look.agrees_ahead(&at)? || !look.agrees_behind(around.before)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the batch in front of `walk_start` fits the list, now that the walk has an epoch begin
    /// there.
    pub(super) fn epochs_fit_in_front_of(
        &self,
        walk_start: Offset,
        first: (usize, &Arc<dyn DiskFile>),
    ) -> Result<bool, OpenError> {
        if walk_start <= self.first_readable() {
            return Ok(true);
        }
        let mut look = Look::new(self, first);
        let before = look.around(walk_start)?.before;
        look.agrees_behind(before)
    }

    /// Below it nothing is believed to be there.
    pub(super) fn first_readable(&self) -> Offset {
        self.log_start.max(self.segments[self.kept_from].0)
    }

    /// Whether a batch has the epoch that the list gives it. A list that begins behind it has let go of its
    /// epoch for a log start that did not last.
    fn agrees(&self, batch: &Neighbour) -> bool {
        let header = batch.header();
        let readable = header.base_offset.max(self.first_readable());
        let first = self.epochs.entries().first();
        check_epoch(header, &self.epochs).is_ok()
            && first.is_none_or(|first| first.start <= readable)
    }
}

impl<'r, 'a> Look<'r, 'a> {
    fn new(recovery: &'r Recovery<'a>, (segment, log): (usize, &Arc<dyn DiskFile>)) -> Self {
        let opened = Some(Opened {
            segment,
            log: Arc::clone(log),
            index: None,
        });
        Self { recovery, opened }
    }

    /// Whether the first batch of a stretch agrees with the list; the one behind it is the second
    /// witness.
    fn agrees_ahead(&mut self, batch: &Neighbour) -> Result<bool, OpenError> {
        if self.recovery.agrees(batch) {
            return Ok(true);
        }
        let next = self.around(batch.header().next_offset())?.at;
        self.is_alone(batch, next)
    }

    /// The same of the last batch of a stretch, and the one in front of it.
    fn agrees_behind(&mut self, batch: Option<Neighbour>) -> Result<bool, OpenError> {
        let Some(batch) = batch.filter(|batch| !self.recovery.agrees(batch)) else {
            return Ok(true);
        };
        let next = self.around(batch.header().base_offset)?.before;
        self.is_alone(&batch, next)
    }

    /// A batch contradicts the list, and the list is wrong if its neighbour of the same stretch does, too.
    fn is_alone(&self, batch: &Neighbour, next: Option<Neighbour>) -> Result<bool, OpenError> {
        let recovery = self.recovery;
        match check_epoch(batch.header(), &recovery.epochs) {
            Err(cause) if next.is_none_or(|next| recovery.agrees(&next)) => {
                let (base, _) = recovery.segments[batch.segment];
                Err(OpenError::Corrupt {
                    file: SegmentFile::Log.path(recovery.dir, base),
                    position: batch.placed.position,
                    offset: batch.header().base_offset,
                    cause,
                })
            }
            _ => Ok(false),
        }
    }

    fn around(&mut self, offset: Offset) -> Result<Around, OpenError> {
        let recovery = self.recovery;
        let segments = &recovery.segments;
        let segment = segments
            .partition_point(|(base, _)| *base <= offset)
            .saturating_sub(1);
        let mut around = self.in_segment(segment, offset)?;
        if around.before.is_none() && segment > recovery.kept_from {
            // All of it ends below.
            around.before = self.in_segment(segment - 1, offset)?.before;
        }
        Ok(around)
    }

    /// The same, as far as one segment has it.
    fn in_segment(&mut self, segment: usize, offset: Offset) -> Result<Around, OpenError> {
        let (base, bytes) = self.recovery.segments[segment];
        let entry = self.entry_below(segment, offset)?;
        let path = SegmentFile::Log.path(self.recovery.dir, base);
        let log = Arc::clone(&self.open(segment)?.log);
        let walk = |entry| hop(log.as_ref(), segment, (base, bytes), entry, offset);
        let found = match walk(entry).map_err(at_path(&path))? {
            None => walk(None).map_err(at_path(&path))?,
            found => found,
        };
        Ok(found.unwrap_or_default())
    }

    fn open(&mut self, segment: usize) -> Result<&mut Opened, OpenError> {
        let recovery = self.recovery;
        let opened = match self.opened.take() {
            Some(opened) if opened.segment == segment => opened,
            _ => {
                let (base, _) = recovery.segments[segment];
                let log = recovery.open(&SegmentFile::Log.path(recovery.dir, base))?;
                let index = None;
                Opened {
                    segment,
                    log,
                    index,
                }
            }
        };
        Ok(self.opened.insert(opened))
    }

    /// The last entry of the segment's index whose batch ends below `offset`; without one the segment is
    /// walked from its beginning.
    fn entry_below(
        &mut self,
        segment: usize,
        offset: Offset,
    ) -> Result<Option<OffsetEntry>, OpenError> {
        let recovery = self.recovery;
        let (base, bytes) = recovery.segments[segment];
        if offset <= base {
            return Ok(None);
        }
        let path = SegmentFile::OffsetIndex.path(recovery.dir, base);
        let opened = self.open(segment)?;
        let index = match opened.index.take() {
            Some(index) => index,
            None => {
                OffsetIndex::open(recovery.context.disk.as_ref(), &path).map_err(at_path(&path))?
            }
        };
        let is_below = |entry: OffsetEntry| base.plus(i64::from(entry.last)) < offset;
        let found = opened.index.insert(index).last(is_below);
        let found = found.map_err(at_path(&path))?;
        Ok(found.filter(|entry| u64::from(entry.position) < bytes))
    }
}

/// The batches around `offset` in one segment, from the entry's batch on; `None` where the entry lies.
fn hop(
    file: &dyn DiskFile,
    segment: usize,
    (base, bytes): (Offset, u64),
    entry: Option<OffsetEntry>,
    offset: Offset,
) -> io::Result<Option<Around>> {
    let mut promised = entry.map(|entry| base.plus(i64::from(entry.last)));
    let mut around = Around::default();
    let from = entry.map_or(0, |entry| u64::from(entry.position));
    for step in HeaderHop::new(file, from, bytes) {
        let placed = match step {
            Ok(placed) => placed,
            Err(HopError::Io(error)) => return Err(error),
            Err(HopError::Batch { .. }) if promised.is_some() => return Ok(None),
            Err(HopError::Batch { .. }) => break,
        };
        let last = placed.header.last_offset();
        if promised.take().is_some_and(|promised| promised != last) {
            return Ok(None);
        }
        let found = Some(Neighbour { segment, placed });
        if last >= offset {
            around.at = found;
            break;
        }
        around.before = found;
    }
    Ok(Some(around))
}
