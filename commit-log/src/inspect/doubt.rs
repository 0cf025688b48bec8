//! Whole batches that are in doubt because of what lies behind them: what a reader refuses, or the
//! next start cuts, must not be called good. Each function tells of the last batch before a place,
//! `last`: where it lies in the file and in the log.

use std::io;

use trimaran_types::Offset;
use trimaran_types::record_batch::{BASE_OFFSET_BYTES, BatchHeader};

use super::segment::SegmentBytes;
use super::{Finding, Problem, Severity};
use crate::behind::Behind;

type Last = Option<(u64, Offset)>;

/// The batch before a gap, unless the log may have some.
pub(super) fn before_gap(
    segment: &SegmentBytes<'_>,
    last: Last,
    (end, found): (Offset, Offset),
) -> Option<Finding> {
    let last = last.filter(|_| !segment.gaps_allowed)?;
    Some(finding(segment, last, end, Some(found)))
}

/// The batch before a damaged place. Where the next start cuts the place, the batch is the last one.
pub(super) fn before_damage(
    segment: &SegmentBytes<'_>,
    last: Last,
    (position, end): (u64, Offset),
) -> io::Result<Option<Finding>> {
    let Some(last) = last.filter(|_| !segment.is_cut_at(position, end)) else {
        return Ok(None);
    };
    let mut front = Vec::new();
    segment
        .file
        .read_at(position, BASE_OFFSET_BYTES, &mut front)?;
    let joined = Behind::in_bytes(&front).joins(end, segment.gaps_allowed);
    let found = BatchHeader::base_offset_at_front(&front);
    Ok(joined.err().map(|_| finding(segment, last, end, found)))
}

/// The last batch of the segment, if it does not end where the next one begins. Where the next start
/// removes that one, the batch is the last one.
pub(super) fn at_end(segment: &SegmentBytes<'_>, last: Last, end: Offset) -> Option<Finding> {
    let found = segment.next.filter(|next| *next != end)?;
    let last = last.filter(|_| !segment.is_removed(found, end))?;
    Some(finding(segment, last, end, Some(found)))
}

fn finding(
    segment: &SegmentBytes<'_>,
    (position, base): (u64, Offset),
    end: Offset,
    found: Option<Offset>,
) -> Finding {
    Finding {
        file: segment.path.to_owned(),
        position: Some(position),
        offset: Some(base),
        severity: Severity::Damage,
        problem: Problem::NotJoined { end, found },
    }
}
