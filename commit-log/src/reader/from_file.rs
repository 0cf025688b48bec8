//! Reading and verifying batches of one segment.
//!
//! What is given is joined to what lies behind it (see [`Behind`]): the read takes the first bytes of
//! the next batch with it. A batch that is not joined is damaged, or stands before one that is. Nor is
//! a batch given whose leader epoch is not the log's own at its offset: a follower would take it for
//! the truth, and cut its log by it later.

use bytes::Bytes;
use trimaran_types::Offset;
use trimaran_types::record_batch::{BASE_OFFSET_BYTES, BatchHeader, RecordBatch};

use super::ReadError;
use super::find::{FoundBatch, find_batch};
use crate::behind::Behind;
use crate::damage::Damage;
use crate::disk::OpenHow;
use crate::names::SegmentFile;
use crate::segment_scan::check_epoch;
use crate::shared::Shared;

/// Whole batches from the one that holds `from`, ending at or before `end`, in one read call once
/// the first is found.
pub(super) fn read(
    shared: &Shared,
    from: Offset,
    end: Offset,
    bytes_max: usize,
) -> Result<Bytes, ReadError> {
    let Some(found) = find_batch(shared, from)? else {
        return Ok(Bytes::new());
    };
    let (segment, first) = (found.segment, found.placed);
    let path = shared.path(SegmentFile::Log, segment.base);
    let left = usize::try_from(segment.bytes - first.position).unwrap_or(usize::MAX);
    let want = bytes_max.min(left).max(first.header.total_bytes());
    let with_next = want.saturating_add(BASE_OFFSET_BYTES).min(left);
    let mut buffer = Vec::new();
    shared
        .file(&segment, SegmentFile::Log, OpenHow::Existing)
        .and_then(|file| file.read_at(first.position, with_next, &mut buffer))
        .map_err(|source| ReadError::Io {
            path: path.clone(),
            source,
        })?;

    let given = Given {
        found: &found,
        bytes: &buffer,
        want,
        left,
        gaps_allowed: shared.gaps_allowed(),
    };
    let good = given.good(end).map_err(|cause| ReadError::Corrupt {
        file: path,
        position: first.position,
        offset: first.header.base_offset,
        cause,
    })?;
    buffer.truncate(good);
    Ok(Bytes::from(buffer))
}

/// The bytes that a read has given, and how they are judged.
struct Given<'a> {
    found: &'a FoundBatch,
    /// From the first batch on, with the first bytes of what lies behind what is wanted.
    bytes: &'a [u8],
    want: usize,
    /// Bytes of the segment from the first batch on.
    left: usize,
    gaps_allowed: bool,
}

impl Given<'_> {
    /// How many of the bytes are good batches that end at or before `end`. None of them where the
    /// first batch is good and ends later.
    fn good(&self, end: Offset) -> Result<usize, Damage> {
        let wanted = &self.bytes[..self.want.min(self.bytes.len())];
        let (mut good, mut before_last) = (0, 0);
        let mut expected = self.found.placed.header.base_offset;
        while good < wanted.len() {
            match self.verify(&wanted[good..], expected) {
                Ok(header) if header.next_offset() <= end => {
                    before_last = good;
                    good += header.total_bytes();
                    expected = header.next_offset();
                }
                // Also said of the first batch only once it is verified: a damaged length in offsets
                // must not look like a batch that is not visible yet.
                Ok(header) if good == 0 => {
                    self.check_join(header.total_bytes(), header.next_offset())?;
                    return Ok(0);
                }
                Err(cause) if good == 0 => return Err(cause),
                // Not visible yet; or cut off by the read, or damaged: the next read will start right
                // there and tell.
                Ok(_) | Err(_) => break,
            }
        }
        match self.check_join(good, expected) {
            Ok(()) => Ok(good),
            Err(cause) if before_last == 0 => Err(cause),
            // The batch before it is joined to it. The next read will start with it and tell.
            Err(_) => Ok(before_last),
        }
    }

    fn verify(&self, bytes: &[u8], expected: Offset) -> Result<BatchHeader, Damage> {
        let header = RecordBatch::verify_front(bytes)?;
        let found = header.base_offset;
        if found < expected || (found > expected && !self.gaps_allowed) {
            return Err(Damage::OffsetOutOfOrder { expected, found });
        }
        check_epoch(&header, &self.found.epochs)?;
        Ok(header)
    }

    /// Checks that the batches in front of `at`, which end before `end`, join what lies behind them.
    fn check_join(&self, at: usize, end: Offset) -> Result<(), Damage> {
        let behind = if at >= self.left {
            Behind::End(self.found.segment_end)
        } else {
            Behind::in_bytes(self.bytes.get(at..).unwrap_or_default())
        };
        behind.joins(end, self.gaps_allowed)
    }
}
