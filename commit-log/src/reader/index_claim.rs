//! [`Claim`]: what the indexes of a segment say of its timestamps, checked against its batches.
//!
//! An entry goes to the time index whenever one goes to the offset index and a later timestamp was seen
//! since, and one more when the segment is finished. So at every entry of the offset index the last
//! time entry up to there has the largest timestamp of all batches up to there. Of two neighbours both
//! are checked: the later one, if it lies, may be the one that belongs there.

use std::io;

use trimaran_types::{Offset, Timestamp};

use super::find_batch;
use crate::disk::OpenHow;
use crate::index::{
    IndexEntry, OffsetEntry, TimeEntry, around_in_file, count_in_file, last_in_file,
};
use crate::names::SegmentFile;
use crate::shared::{ReadState, SegmentView, Shared};

/// No batch of the segment that ends at or before `end` is later than `timestamp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) timestamp: Timestamp,
    /// The last offset of the first batch that is so late.
    pub(super) batch_last: Offset,
    pub(super) end: Offset,
}

/// What of the last segment's indexes is not only in their files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    /// The last waiting entries that speak of nothing behind the place asked for.
    offset: Option<OffsetEntry>,
    time: Option<TimeEntry>,
    /// How many entries of the files count; all of them when `None`.
    offsets_written: Option<usize>,
    times_written: Option<usize>,
}

impl Waiting {
    /// For a finished segment: all is in its files.
    pub(super) const NONE: Self = Self {
        offset: None,
        time: None,
        offsets_written: None,
        times_written: None,
    };

    /// Of the last segment, what speaks only of batches that end at or before `end`.
    pub(super) fn before(state: &ReadState, end: Offset) -> Self {
        let base = state.segments.last().map_or(end, |segment| segment.base);
        let relative_end = end.distance_from(base);
        let offset = floor(&state.offsets.pending, |entry| {
            i64::from(entry.last) < relative_end
        });
        let time = offset
            .and_then(|offset| floor(&state.times.pending, |entry| entry.last <= offset.last));
        Self {
            offset,
            time,
            offsets_written: Some(state.offsets.written),
            times_written: Some(state.times.written),
        }
    }
}

/// Whether the batch that an entry names is there and has its timestamp.
pub(crate) fn is_true(shared: &Shared, segment: &SegmentView, entry: TimeEntry) -> bool {
    let last = segment.base.plus(i64::from(entry.last));
    matches!(find_batch(shared, last), Ok(Some(found))
        if found.segment.id == segment.id
            && found.placed.header.last_offset() == last
            && found.placed.header.max_timestamp == entry.timestamp)
}

impl Claim {
    /// Of all batches of a finished segment, which ends at `end`. `None` when its index is missing or
    /// lies.
    pub(super) fn of_whole(shared: &Shared, segment: &SegmentView, end: Offset) -> Option<Self> {
        let how = OpenHow::Existing;
        let file = shared.file(segment, SegmentFile::TimeIndex, how).ok()?;
        let last = last_in_file::<TimeEntry>(file.as_ref()).ok()??;
        is_true(shared, segment, last).then(|| Self::new(segment, last, end))
    }

    /// Of the batches of a segment that end at or before `end`, as far as entries reach. `None` when
    /// none does, or one is missing or lies.
    pub(super) fn of_front(
        shared: &Shared,
        segment: &SegmentView,
        waiting: &Waiting,
        end: Offset,
    ) -> Option<Self> {
        let relative_end = end.distance_from(segment.base);
        let offset = waiting.offset.or_else(|| {
            let kind = SegmentFile::OffsetIndex;
            floor_in(shared, segment, (kind, waiting.offsets_written), |entry| {
                let OffsetEntry { last, .. } = entry;
                i64::from(last) < relative_end
            })
        })?;
        let time = match waiting.time {
            Some(time) => time,
            None => time_in_file(shared, segment, waiting.times_written, offset)?,
        };
        let reached = segment.base.plus(i64::from(offset.last));
        let found = find_batch(shared, reached).ok()??;
        let is_there = found.segment.id == segment.id
            && found.placed.header.last_offset() == reached
            && found.placed.position == u64::from(offset.position);
        (is_there && is_true(shared, segment, time))
            .then(|| Self::new(segment, time, reached.next()))
    }

    fn new(segment: &SegmentView, entry: TimeEntry, end: Offset) -> Self {
        Self {
            timestamp: entry.timestamp,
            batch_last: segment.base.plus(i64::from(entry.last)),
            end,
        }
    }
}

/// The last time entry that speaks of nothing behind the offset entry. `None` when the next one, if
/// there is one, lies.
fn time_in_file(
    shared: &Shared,
    segment: &SegmentView,
    count: Option<usize>,
    offset: OffsetEntry,
) -> Option<TimeEntry> {
    let in_file = (SegmentFile::TimeIndex, count);
    let is_before = |entry: TimeEntry| entry.last <= offset.last;
    let (time, next) = around_in(shared, segment, in_file, is_before)?;
    let next_is_true = next.is_none_or(|next| is_true(shared, segment, next));
    time.filter(|_| next_is_true)
}

/// The last of some entries for which `is_at_most` holds, which it does for a run at the front.
fn floor<E: IndexEntry>(entries: &[E], is_at_most: impl Fn(&E) -> bool) -> Option<E> {
    let at = entries.partition_point(is_at_most).checked_sub(1)?;
    entries.get(at).copied()
}

/// The same in an index file; an error is no entry.
fn floor_in<E: IndexEntry>(
    shared: &Shared,
    segment: &SegmentView,
    (kind, count): (SegmentFile, Option<usize>),
    is_at_most: impl Fn(E) -> bool,
) -> Option<E> {
    around_in(shared, segment, (kind, count), is_at_most)?.0
}

/// The same with the entry behind it.
fn around_in<E: IndexEntry>(
    shared: &Shared,
    segment: &SegmentView,
    (kind, count): (SegmentFile, Option<usize>),
    is_at_most: impl Fn(E) -> bool,
) -> Option<(Option<E>, Option<E>)> {
    let found = || -> io::Result<(Option<E>, Option<E>)> {
        if count == Some(0) {
            return Ok((None, None));
        }
        let file = shared.file(segment, kind, OpenHow::Existing)?;
        let count = match count {
            Some(count) => count,
            None => count_in_file::<E>(file.as_ref())?,
        };
        around_in_file(file.as_ref(), count, is_at_most)
    };
    found().ok()
}
