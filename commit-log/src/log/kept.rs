//! [`Kept`]: what is kept of a segment's indexes when its end is walked anew, and where the walk
//! starts.
//!
//! The last entry of each index is believed once its batch says the same: the walk goes on from the
//! one, and takes the other for the largest timestamp so far. Where one of them lies, none is kept. Nor
//! where a later time entry lies: it may be the one that has the largest timestamp.

use std::io;

use trimaran_types::Offset;
use trimaran_types::record_batch::{BATCH_HEADER_BYTES, BatchHeader};

use crate::disk::DiskFile;
use crate::header_hop::{HeaderHop, HopError};
use crate::index::{OffsetEntry, TimeEntry};

/// The entries that are kept, and the batch of the last one.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) offsets: Vec<OffsetEntry>,
    pub(super) times: Vec<TimeEntry>,
    /// The one time entry behind these, if there is no more: closing the log added it.
    pub(super) closing: Option<TimeEntry>,
    /// Where the walk starts in the file.
    pub(super) position: u64,
    /// The base offset of the batch there.
    pub(super) expected: Offset,
}

impl Kept {
    /// No entry: the walk starts at the segment's beginning.
    pub(super) const fn nothing(base: Offset) -> Self {
        Self {
            offsets: Vec::new(),
            times: Vec::new(),
            closing: None,
            position: 0,
            expected: base,
        }
    }

    /// The entries of batches below `target` in the first `bytes` bytes of the segment at `base`.
    pub(super) fn of(
        file: &dyn DiskFile,
        (base, bytes): (Offset, u64),
        target: Offset,
        mut offsets: Vec<OffsetEntry>,
        mut times: Vec<TimeEntry>,
    ) -> io::Result<Self> {
        let absolute = |last: u32| base.plus(i64::from(last));
        offsets.truncate(offsets.partition_point(|entry| absolute(entry.last) < target));
        let Some(entry) = offsets.last().copied() else {
            return Ok(Self {
                closing: only(&times),
                ..Self::nothing(base)
            });
        };
        let position = u64::from(entry.position);
        if position >= bytes {
            return Ok(Self::nothing(base));
        }
        let mut raw = Vec::new();
        file.read_at(position, BATCH_HEADER_BYTES, &mut raw)?;
        let expected = match BatchHeader::parse(&raw) {
            Ok(header)
                if header.last_offset() == absolute(entry.last) && header.base_offset >= base =>
            {
                header.base_offset
            }
            _ => return Ok(Self::nothing(base)),
        };
        let behind = times.split_off(times.partition_point(|time| time.last <= entry.last));
        // There is one wherever there is an offset entry; a power cut may have taken it alone.
        let is_good = match times.last().copied() {
            Some(largest) => is_true(file, (base, bytes), &offsets, largest)?,
            None => false,
        };
        if !is_good {
            return Ok(Self::nothing(base));
        }
        if let Some(next) = behind.first()
            && !is_true(file, (base, bytes), &offsets, *next)?
            && !has_largest(file, bytes, (base, &offsets), times.last())?
        {
            return Ok(Self::nothing(base));
        }
        Ok(Self {
            offsets,
            times,
            closing: only(&behind),
            position,
            expected,
        })
    }
}

/// The entry, if there is but one.
const fn only(entries: &[TimeEntry]) -> Option<TimeEntry> {
    match entries {
        [entry] => Some(*entry),
        _ => None,
    }
}

/// Whether there is a batch that ends with the entry's offset and has its timestamp.
fn is_true(
    file: &dyn DiskFile,
    (base, bytes): (Offset, u64),
    offsets: &[OffsetEntry],
    time: TimeEntry,
) -> io::Result<bool> {
    let near = offsets.partition_point(|entry| entry.last <= time.last);
    let near = near.checked_sub(1).and_then(|at| offsets.get(at));
    let from = near.map_or(0, |entry| u64::from(entry.position));
    let last = base.plus(i64::from(time.last));
    for placed in HeaderHop::new(file, from, bytes) {
        match placed {
            Ok(placed) if placed.header.last_offset() < last => {}
            Ok(placed) => {
                let header = placed.header;
                return Ok(header.last_offset() == last && header.max_timestamp == time.timestamp);
            }
            Err(HopError::Io(error)) => return Err(error),
            Err(HopError::Batch { .. }) => return Ok(false),
        }
    }
    Ok(false)
}

/// Whether no batch up to that of the last offset entry is later than the time entry, which is true.
fn has_largest(
    file: &dyn DiskFile,
    bytes: u64,
    (base, offsets): (Offset, &[OffsetEntry]),
    time: Option<&TimeEntry>,
) -> io::Result<bool> {
    let Some(end) = offsets.last() else {
        return Ok(true);
    };
    let at_time = |time: &TimeEntry| offsets.partition_point(|entry| entry.last <= time.last);
    let near = time.map_or(0, at_time).checked_sub(1);
    let near = near.and_then(|at| offsets.get(at));
    let from = near.map_or(0, |entry| u64::from(entry.position));
    let last = base.plus(i64::from(end.last));
    for placed in HeaderHop::new(file, from, bytes) {
        match placed {
            Ok(placed) if placed.header.last_offset() > last => return Ok(true),
            Ok(placed) if time.is_none_or(|it| placed.header.max_timestamp > it.timestamp) => {
                return Ok(false);
            }
            Ok(_) => {}
            Err(HopError::Io(error)) => return Err(error),
            Err(HopError::Batch { .. }) => return Ok(false),
        }
    }
    Ok(true)
}
