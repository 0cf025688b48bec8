//! Finding the batch that holds an offset.

use std::path::PathBuf;

use trimaran_types::Offset;

use super::ReadError;
use crate::damage::Damage;
use crate::disk::{DiskFile, OpenHow};
use crate::epochs::EpochCache;
use crate::header_hop::{HeaderHop, HopError, PlacedHeader};
use crate::index::{OffsetEntry, count_in_file, floor_in_file};
use crate::names::SegmentFile;
use crate::shared::{ReadState, SegmentView, Shared};

/// A batch that was found.
pub(crate) struct FoundBatch {
    pub segment: SegmentView,
    /// Where the segment ends: the next one's base, or the log's end.
    pub segment_end: Offset,
    pub placed: PlacedHeader,
    /// Those of the records up to the segment's end.
    pub epochs: EpochCache,
}

/// Where a search starts, as the state under the lock says.
struct Plan {
    segment: SegmentView,
    next_base: Option<Offset>,
    log_end: Offset,
    epochs: EpochCache,
    hint: Hint,
}

/// What is known about the position without reading a file.
enum Hint {
    /// An entry that is still in memory.
    Entry(OffsetEntry),
    /// The index file, of which so many entries count; all of them when `None`.
    File(Option<usize>),
}

impl Plan {
    fn new(state: &ReadState, from: Offset) -> Self {
        let at = state
            .segments
            .partition_point(|segment| segment.base <= from)
            .saturating_sub(1);
        let segment = state.segments[at];
        let next_base = state.segments.get(at + 1).map(|next| next.base);
        Self {
            segment,
            next_base,
            log_end: state.log_end,
            epochs: state.epochs.clone(),
            hint: Hint::new(state, &segment, from),
        }
    }
}

impl Hint {
    /// For the last batch of the segment that is indexed and ends at `from` or before.
    fn new(state: &ReadState, segment: &SegmentView, from: Offset) -> Self {
        let last = state.segments.last();
        if last.is_some_and(|last| last.base != segment.base) {
            return Self::File(None);
        }
        let pending = &state.offsets.pending;
        let absolute = |entry: &OffsetEntry| segment.base.plus(i64::from(entry.last));
        match pending
            .partition_point(|entry| absolute(entry) <= from)
            .checked_sub(1)
        {
            Some(found) => Self::Entry(pending[found]),
            None => Self::File(Some(state.offsets.written)),
        }
    }

    fn entry(&self, shared: &Shared, segment: &SegmentView, from: Offset) -> Option<OffsetEntry> {
        match self {
            Self::Entry(entry) => Some(*entry),
            Self::File(Some(0)) => None,
            Self::File(count) => entry_in_file(shared, segment, *count, from),
        }
    }
}

/// The first batch whose last offset is `from` or more. `None` at the log's end.
///
/// Its offset is as good as what lies before it. What lies behind it has not been looked at, nor its
/// checksum.
///
/// What is found may be stale if the log was truncated meanwhile; the caller looks at the
/// generation, or is the owner.
pub(crate) fn find_batch(shared: &Shared, from: Offset) -> Result<Option<FoundBatch>, ReadError> {
    let plan = Plan::new(&shared.read(), from);
    if let Some(placed) = find_in_segment(shared, &plan, from)? {
        return Ok(Some(FoundBatch {
            segment: plan.segment,
            segment_end: plan.next_base.unwrap_or(plan.log_end),
            placed,
            epochs: plan.epochs,
        }));
    }
    let segment = &plan.segment;
    let missing = |cause| ReadError::Corrupt {
        file: shared.path(SegmentFile::Log, segment.base),
        position: segment.bytes,
        offset: from,
        cause,
    };
    match plan.next_base {
        // Also where there may be gaps: the last batch of a finished segment reaches the next one.
        Some(found) => Err(missing(Damage::SegmentOutOfPlace {
            expected: from,
            found,
        })),
        None if from >= plan.log_end => Ok(None),
        None => Err(missing(Damage::EndsTooEarly {
            end: from,
            synced_end: plan.log_end,
        })),
    }
}

/// Where the batches in front of one that was found end. In a log with gaps that may be before it begins.
///
/// Reads headers from the last index entry in front of it on, which is about `index.interval.bytes`.
pub(crate) fn end_before(shared: &Shared, found: &FoundBatch) -> Result<Offset, ReadError> {
    let (segment, placed) = (&found.segment, &found.placed);
    let base = placed.header.base_offset;
    if placed.position == 0 {
        return Ok(segment.base);
    }
    if !shared.gaps_allowed() {
        return Ok(base);
    }
    let path = shared.path(SegmentFile::Log, segment.base);
    let file = shared.file(segment, SegmentFile::Log, OpenHow::Existing);
    let file = file.map_err(|source| ReadError::Io {
        path: path.clone(),
        source,
    })?;
    let walk = Walk {
        file: file.as_ref(),
        path: &path,
        segment,
        compacted: true,
    };
    let from = Offset(base.0 - 1);
    let hint = Hint::new(&shared.read(), segment, from);
    let entry = hint.entry(shared, segment, from);
    if let Some(entry) = entry.filter(|entry| u64::from(entry.position) < placed.position)
        && let Ok(Some(end)) = walk.end_before(placed.position, Some(entry))
    {
        return Ok(end);
    }
    let end = walk.end_before(placed.position, None)?;
    Ok(end.unwrap_or(segment.base))
}

fn find_in_segment(
    shared: &Shared,
    plan: &Plan,
    from: Offset,
) -> Result<Option<PlacedHeader>, ReadError> {
    let segment = &plan.segment;
    if segment.bytes == 0 {
        return Ok(None);
    }
    let path = shared.path(SegmentFile::Log, segment.base);
    let io_error = |source| ReadError::Io {
        path: path.clone(),
        source,
    };
    let file = shared
        .file(segment, SegmentFile::Log, OpenHow::Existing)
        .map_err(io_error)?;
    let walk = Walk {
        file: file.as_ref(),
        path: &path,
        segment,
        compacted: shared.gaps_allowed(),
    };
    let entry = plan.hint.entry(shared, segment, from);
    // An index that lies, or is damaged, costs a walk over the segment and nothing else.
    if let Some(entry) = entry.filter(|entry| u64::from(entry.position) < segment.bytes)
        && let Ok(found) = walk.find(from, Some(entry))
    {
        return Ok(found);
    }
    walk.find(from, None)
}

fn entry_in_file(
    shared: &Shared,
    segment: &SegmentView,
    count: Option<usize>,
    from: Offset,
) -> Option<OffsetEntry> {
    let file = shared
        .file(segment, SegmentFile::OffsetIndex, OpenHow::Existing)
        .ok()?;
    let count = match count {
        Some(count) => count,
        None => count_in_file::<OffsetEntry>(file.as_ref()).ok()?,
    };
    let at_most = |entry: OffsetEntry| segment.base.plus(i64::from(entry.last)) <= from;
    floor_in_file(file.as_ref(), count, at_most).ok()?
}

struct Walk<'a> {
    file: &'a dyn DiskFile,
    path: &'a PathBuf,
    segment: &'a SegmentView,
    compacted: bool,
}

impl Walk<'_> {
    /// Walks the headers from an index entry, or from the segment's start.
    ///
    /// An entry tells where its batch lies and how it ends. Where bytes were lost in front of that
    /// place, only what was written behind it can have moved there, and ends later. So an entry that
    /// is true stands for all that lies in front of it.
    fn find(
        &self,
        from: Offset,
        entry: Option<OffsetEntry>,
    ) -> Result<Option<PlacedHeader>, ReadError> {
        let start = entry.map_or(0, |entry| u64::from(entry.position));
        let mut expected = entry.is_none().then_some(self.segment.base);
        let mut promised = entry.map(|entry| self.segment.base.plus(i64::from(entry.last)));
        for step in HeaderHop::new(self.file, start, self.segment.bytes) {
            let placed = step.map_err(|error| self.stopped(error, expected.unwrap_or(from)))?;
            let found = placed.header.base_offset;
            let next = expected.unwrap_or(found);
            let last = placed.header.last_offset();
            if found < next
                || (found > next && !self.compacted)
                || promised.take().is_some_and(|promised| promised != last)
            {
                let cause = Damage::OffsetOutOfOrder {
                    expected: next,
                    found,
                };
                return Err(self.corrupt(placed.position, next, cause));
            }
            if last >= from {
                return Ok(Some(placed));
            }
            expected = Some(placed.header.next_offset());
        }
        Ok(None)
    }

    /// Where the last batch in front of `position` ends, from the batch of an index entry on, or from
    /// the segment's start. `None` where the entry is not true, or no batch is.
    fn end_before(
        &self,
        position: u64,
        entry: Option<OffsetEntry>,
    ) -> Result<Option<Offset>, ReadError> {
        let start = entry.map_or(0, |entry| u64::from(entry.position));
        let mut promised = entry.map(|entry| self.segment.base.plus(i64::from(entry.last)));
        let mut end = None;
        for step in HeaderHop::new(self.file, start, position) {
            let expected = end.unwrap_or(self.segment.base);
            let header = step.map_err(|error| self.stopped(error, expected))?.header;
            if promised
                .take()
                .is_some_and(|last| last != header.last_offset())
            {
                return Ok(None);
            }
            end = Some(header.next_offset());
        }
        Ok(end)
    }

    fn stopped(&self, error: HopError, offset: Offset) -> ReadError {
        match error {
            HopError::Io(source) => ReadError::Io {
                path: self.path.clone(),
                source,
            },
            HopError::Batch { position, cause } => self.corrupt(position, offset, cause.into()),
        }
    }

    fn corrupt(&self, position: u64, offset: Offset, cause: Damage) -> ReadError {
        ReadError::Corrupt {
            file: self.path.clone(),
            position,
            offset,
            cause,
        }
    }
}
